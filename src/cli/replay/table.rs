//! Tables of text: columns as wide as they need to be, the first one to the left and the others to
//! the right.

/// Colours, if there are any.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Paint {
    pub(super) has_colour: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.has_colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// What stands over a column or a section.
    pub(super) fn heading(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What is good to see.
    pub(super) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What is bad to see.
    pub(super) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// What is there for completeness.
    pub(super) fn quiet(self, text: &str) -> String {
        self.with("2", text)
    }
}

/// Rows of cells, the first of which is the heading.
#[derive(Clone, Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this heading.
    pub(super) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether there is nothing but the heading.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// The table, a line a row.
    pub(super) fn draw(&self, paint: Paint) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let width = |column: usize| self.rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (place, row) in self.rows.iter().enumerate() {
            let cells = widths.iter().enumerate().map(|(column, width)| match column {
                0 => format!("{:<width$}", cell(row, column)),
                _ => format!("{:>width$}", cell(row, column)),
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            let line = line.trim_end();
            text.push_str(&if place == 0 { paint.heading(line) } else { line.to_owned() });
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_under_their_heading() {
        let mut table = Table::new(&["what", "n", "share"]);
        table.row(["é".to_owned(), "12,345".to_owned()]);
        table.row(["longer".to_owned(), "1".to_owned(), "2 %".to_owned()]);
        assert_eq!(table.draw(Paint::default()), "what         n  share\né       12,345\nlonger       1    2 %\n");
        assert!(table.draw(Paint { has_colour: true }).starts_with("\x1b[1mwhat"));
        assert!(Table::new(&["a"]).is_empty() && !table.is_empty());
    }
}
