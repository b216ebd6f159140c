//! Where records are printed: standard output, or a pager where they do not fit on the screen.

use std::env;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::SIGINT;

/// So much is written at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// The pager where `PAGER` names none.
const DEFAULT_PAGER: &str = "less";

/// What `less` is told where `LESS` is not set: leave at the end of a short text, pass colours, keep the
/// screen.
const LESS: &str = "FRX";

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
    /// It was left, so that nobody reads on.
    is_left: bool,
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
            Some(pager) => pager.write(text),
            None => self.out.write_all(text),
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
        self.pager.iter_mut().try_for_each(Pager::finish)?;
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
        Ok(Some(Pager { child, stdin, is_left: false }))
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let written = self.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(text));
        self.unless_left(written)
    }

    fn finish(&mut self) -> io::Result<()> {
        let flushed = self.stdin.take().map_or(Ok(()), |mut stdin| stdin.flush());
        self.unless_left(flushed)?;
        self.child.wait().map(drop)
    }

    fn unless_left(&mut self, outcome: io::Result<()>) -> io::Result<()> {
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_left = true;
                Ok(())
            }
            outcome => outcome,
        }
    }
}
