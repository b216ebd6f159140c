//! Tables for people: columns as wide as what is in them.

use std::io::{self, Write};

/// How a column stands.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    /// Text, from the left.
    Text(&'static str),
    /// Numbers, from the right.
    Number(&'static str),
}

/// Prints rows below the names of their columns, with two spaces between them.
pub(crate) fn print(
    columns: &[Column],
    rows: &[Vec<String>],
    out: &mut impl Write,
) -> io::Result<()> {
    let title = |column: &Column| match column {
        Column::Text(title) | Column::Number(title) => (*title).to_owned(),
    };
    let titles: Vec<String> = columns.iter().map(title).collect();
    let width_of = |place: usize| {
        let cells = rows.iter().chain([&titles]).filter_map(|row| row.get(place));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width_of).collect();
    for row in [&titles].into_iter().chain(rows) {
        let cells =
            row.iter().zip(columns).zip(&widths).map(|((cell, column), width)| match column {
                Column::Text(_) => format!("{cell:<width$}"),
                Column::Number(_) => format!("{cell:>width$}"),
            });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_left_and_numbers_right_in_columns_of_their_width() {
        let rows = [["a", "1", "x"], ["bcé", "234567", ""]];
        let rows: Vec<_> = rows.map(|row| row.map(str::to_owned).to_vec()).into();
        let mut out = Vec::new();
        let columns = [Column::Text("NAME"), Column::Number("PID"), Column::Text("LAST")];
        print(&columns, &rows, &mut out).unwrap();
        let expected = "NAME     PID  LAST\na          1  x\nbcé   234567\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
