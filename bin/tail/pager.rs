//! Where records are printed: standard output, or a pager where they do not fit on the screen.

use std::env;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::SIGINT;

/// So much is written at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// The pager where `PAGER` names none.
const DEFAULT_PAGER: &str = "less";

/// What `less` is told where `LESS` is not set: leave at the end of a short text, pass colours, keep the
/// screen.
const LESS: &str = "FRX";

/// What a shell says of a program that it cannot start, or find.
const NOT_STARTED: [i32; 2] = [126, 127];

/// No pipe holds more that nobody reads.
const MAX_PIPE_BYTES: usize = 1 << 20;

/// Where records go.
pub(crate) struct Screen {
    out: BufWriter<StdoutLock<'static>>,
    /// While it is not known whether all fits on the screen.
    held: Option<Held>,
    pager: Option<Pager>,
}

struct Held {
    rows: usize,
    columns: usize,
    text: Vec<u8>,
    used_rows: usize,
}

struct Pager {
    child: Child,
    stdin: Option<BufWriter<ChildStdin>>,
    /// What was written, until it is certain that somebody reads.
    kept: Option<Vec<u8>>,
    /// It was left, so that nobody reads on.
    is_left: bool,
}

/// What became of what was written to a pager.
enum Paged {
    Taken,
    /// There is no such pager: all of this is still to be printed.
    Kept(Vec<u8>),
}

impl Screen {
    /// Prints at once.
    pub(crate) fn plain() -> Screen {
        let out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
        Screen { out, held: None, pager: None }
    }

    /// Prints to a pager as soon as the text is longer than the terminal.
    pub(crate) fn paged() -> Screen {
        let (columns, rows) = terminal_size::terminal_size()
            .map_or((80, 24), |(width, height)| (width.0.into(), height.0.into()));
        let held = Held { rows, columns, text: Vec::new(), used_rows: 1 };
        Screen { held: Some(held), ..Screen::plain() }
    }

    pub(crate) fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if let Some(held) = &mut self.held {
            held.add(text);
            if held.used_rows > held.rows {
                self.start_pager()?;
            }
            return Ok(());
        }
        match &mut self.pager {
            Some(pager) => {
                let paged = pager.write(text)?;
                self.print_kept(paged)
            }
            None => self.out.write_all(text),
        }
    }

    /// Goes on without a pager where that could not be started.
    fn print_kept(&mut self, paged: Paged) -> io::Result<()> {
        let Paged::Kept(text) = paged else { return Ok(()) };
        self.pager = None;
        self.out.write_all(&text)
    }

    /// Waits so long, or until nobody reads any more what is printed; whether that is so.
    pub(crate) fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let stdout = io::stdout();
        let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
        match poll(&mut fds, timeout) {
            Err(nix::errno::Errno::EINTR) => Ok(false),
            polled => Ok(polled? > 0),
        }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Whether the user has left the pager.
    pub(crate) fn is_left(&self) -> bool {
        self.pager.as_ref().is_some_and(|pager| pager.is_left)
    }

    /// Prints what is held back, and waits for the pager.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if let Some(held) = self.held.take() {
            self.out.write_all(&held.text)?;
        }
        if let Some(pager) = &mut self.pager {
            let paged = pager.finish()?;
            self.print_kept(paged)?;
        }
        self.out.flush()
    }

    /// Where there is no pager, the text is printed as it is.
    fn start_pager(&mut self) -> io::Result<()> {
        let Some(held) = self.held.take() else { return Ok(()) };
        self.pager = Pager::start()?;
        self.write(&held.text)
    }
}

impl Held {
    fn add(&mut self, text: &[u8]) {
        let columns = self.columns.max(1);
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        self.used_rows +=
            lines.map(|line| 1 + line.len().saturating_sub(2) / columns).sum::<usize>();
        self.text.extend_from_slice(text);
    }
}

impl Pager {
    /// None if the user wants none, or it cannot be started.
    fn start() -> io::Result<Option<Pager>> {
        let mut command = match env::var("PAGER") {
            Ok(program) if program.is_empty() || program == "cat" => return Ok(None),
            Ok(program) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &program]);
                shell
            }
            Err(_) => Command::new(DEFAULT_PAGER),
        };
        command.stdin(Stdio::piped());
        if env::var_os("LESS").is_none() {
            command.env("LESS", LESS);
        }
        let Ok(mut child) = command.spawn() else { return Ok(None) };
        // The terminal sends it to the pager too, which knows what to do, and would outlive us.
        signal_hook::flag::register(SIGINT, Arc::new(AtomicBool::new(false)))?;
        let stdin = child.stdin.take().map(BufWriter::new);
        Ok(Some(Pager { child, stdin, kept: Some(Vec::new()), is_left: false }))
    }

    fn write(&mut self, text: &[u8]) -> io::Result<Paged> {
        self.kept = self.kept.take().filter(|kept| kept.len() <= MAX_PIPE_BYTES);
        self.kept.iter_mut().for_each(|kept| kept.extend_from_slice(text));
        match self.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(text)) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_left = true;
                self.finish()
            }
            written => written.map(|()| Paged::Taken),
        }
    }

    /// Lets it show the rest, and waits until it was left.
    fn finish(&mut self) -> io::Result<Paged> {
        match self.stdin.take().map_or(Ok(()), |mut stdin| stdin.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
        let status = self.child.wait()?;
        let is_missing = status.code().is_some_and(|code| NOT_STARTED.contains(&code));
        Ok(self.kept.take().filter(|_| is_missing).map_or(Paged::Taken, Paged::Kept))
    }
}
