//! Records around those that are found.

use std::collections::VecDeque;
use std::io;

use logboom::tail::Reader;

use super::output::Printer;
use super::pager::Screen;

/// Most bytes that are kept before a record; longer ones count for several.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// Stands between records that do not follow each other, as of `grep`.
const SEPARATOR: &[u8] = b"--\n";

/// Prints what is found, with so many records before and behind.
pub(crate) struct Context {
    before: usize,
    after: u64,
    printer: Printer,
    screen: Screen,
    /// The last records that were not printed.
    kept: VecDeque<Vec<u8>>,
    kept_bytes: usize,
    /// How many records are still to be printed behind the last that was found.
    left: u64,
    /// Whether records were left out behind the last that was printed; none before the first.
    is_gap: Option<bool>,
    text: Vec<u8>,
}

impl Context {
    pub(crate) fn new(before: u64, after: u64, printer: Printer, screen: Screen) -> Context {
        Context {
            before: before as usize,
            after,
            printer,
            screen,
            kept: VecDeque::new(),
            kept_bytes: 0,
            left: 0,
            is_gap: None,
            text: Vec::new(),
        }
    }

    pub(crate) fn screen(&mut self) -> &mut Screen {
        &mut self.screen
    }

    /// Takes the record that the reader is at.
    pub(crate) fn take(&mut self, reader: &mut Reader) -> io::Result<()> {
        let is_wanted = reader.is_wanted();
        if !is_wanted && self.left == 0 && self.before == 0 {
            self.is_gap = self.is_gap.map(|_| true);
            return Ok(());
        }
        self.text.clear();
        self.printer.print(reader, &mut self.text);
        // Of what is only context, no rest follows that would end the line.
        if !is_wanted && !self.text.ends_with(b"\n") {
            self.text.push(b'\n');
        }
        if !is_wanted && self.left == 0 {
            self.keep();
            return Ok(());
        }
        if is_wanted {
            if self.is_gap == Some(true) && (self.before > 0 || self.after > 0) {
                self.screen.write(SEPARATOR)?;
            }
            for text in self.kept.drain(..) {
                self.screen.write(&text)?;
            }
            self.kept_bytes = 0;
        }
        self.left = if is_wanted { self.after } else { self.left - 1 };
        self.is_gap = Some(false);
        self.screen.write(&self.text)
    }

    fn keep(&mut self) {
        self.kept_bytes += self.text.len();
        self.kept.push_back(std::mem::take(&mut self.text));
        while self.kept.len() > self.before || self.kept_bytes > MAX_KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.kept_bytes -= oldest.len();
            self.is_gap = self.is_gap.map(|_| true);
        }
    }

    /// Prints what is left, and waits until it was read.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.screen.finish()
    }
}
