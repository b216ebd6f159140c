//! Finds where in a file a point in time is, without reading all before it.

use std::io;

use super::lines::append_block;
use crate::log_files::Text;

/// How much is read at each look, and how near the place is that is found.
pub(super) const PROBE_BYTES: u64 = 64 * 1024;

/// So much without a time is passed over at each look; where there is more, the search goes on before it.
const MAX_TIMELESS_BYTES: u64 = 1 << 20;

/// The start of a line behind which all wanted lines stand: 0, or a place before which a line is told to be
/// too early. `is_early` is asked for the first line with a time in a block of lines; it knows none where
/// there is no time.
///
/// In a file whose lines are in order of time, the place is less than two blocks before the first that
/// is not early.
pub(super) fn start_of_late_lines(
    text: &mut Text,
    mut is_early: impl FnMut(&[u8]) -> Option<bool>,
) -> io::Result<u64> {
    let (mut low, mut high) = (0, text.len()?);
    let mut block = Vec::new();
    while high - low > PROBE_BYTES {
        let middle = low + (high - low) / 2;
        let mut at = middle;
        let found = loop {
            block.clear();
            let read = append_block(text, at, PROBE_BYTES.min(high - at), &mut block)?;
            let lines = memchr::memchr(b'\n', &block).map_or(block.len(), |newline| newline + 1);
            if let Some(is_early) = is_early(&block[lines..]) {
                break is_early.then_some(at + lines as u64);
            }
            at += read;
            if read == 0 || at >= high || at - middle >= MAX_TIMELESS_BYTES {
                break None;
            }
        };
        match found {
            Some(line) => low = line,
            None => high = middle,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn text_of(content: &str) -> Text {
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(content.as_bytes()).expect("write");
        file.into()
    }

    /// Numbers at the beginning of lines are their times.
    fn search(content: &str, time: u64) -> u64 {
        let is_early = |lines: &[u8]| {
            let text = String::from_utf8_lossy(lines).into_owned();
            let times = text.lines().find_map(|line| line.split(' ').next()?.parse::<u64>().ok());
            times.map(|found| found < time)
        };
        start_of_late_lines(&mut text_of(content), is_early).expect("search")
    }

    #[test]
    fn a_place_is_found_a_little_before_the_lines_that_are_wanted() {
        let content: String = (0..200_000).map(|number| format!("{number} some text\n")).collect();
        for time in [0, 1, 77_777, 123_456, 199_999, 200_000, u64::MAX] {
            let found = search(&content, time) as usize;
            let wanted = content.find(&format!("\n{time} ")).unwrap_or(content.len());
            let wanted = if time == 0 { 0 } else { wanted };
            assert!(
                found <= wanted && wanted - found <= 3 * PROBE_BYTES as usize,
                "{time}: {found}"
            );
            assert!(found == 0 || content.as_bytes()[found - 1] == b'\n', "{time}: {found}");
        }
    }

    #[test]
    fn files_without_lines_or_times_are_read_from_their_beginning() {
        let timeless = "no time here\n".repeat(100_000);
        let one_line = format!("5 {}\n", "x".repeat(300_000));
        for content in ["", "5 one line\n", "5 unended", "\n\n", &timeless, &one_line] {
            assert_eq!(search(content, 7), 0, "{} bytes", content.len());
        }
    }

    proptest! {
        #[test]
        fn no_wanted_line_stands_before_the_place(
            gaps in prop::collection::vec((0..3u64, 0..4usize), 1..3000),
            fraction in 0.0..1.0,
        ) {
            let (mut content, mut times, mut time) = (String::new(), Vec::new(), 0);
            for (gap, broken) in gaps {
                time += gap;
                times.push((content.len(), time));
                content.push_str(&format!("{time} {}\n", "x".repeat(100)));
                content.push_str(&"broken line\n".repeat(broken * broken));
            }
            let wanted = (time as f64 * fraction) as u64;
            let found = search(&content, wanted) as usize;
            let first = times.iter().find(|(_, time)| *time >= wanted).map_or(0, |(at, _)| *at);
            prop_assert!(found <= first);
        }
    }
}
