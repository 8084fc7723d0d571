//! Where a sub-command writes: results to standard output, all else to standard error.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use super::{Colour, Exit, process};

/// The two streams and what may be written to them.
pub struct Terminal<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// Whether standard error takes colours.
    pub colour: bool,
}

impl std::fmt::Debug for Terminal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Terminal(colour: {})", self.colour)
    }
}

impl<'a> Terminal<'a> {
    /// Writes to these.
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, colour: bool) -> Self {
        Self { out, err, colour }
    }

    /// Writes a result. Who reads may have gone away: that is the end, and no failure.
    pub fn print(&mut self, text: &str) -> Exit {
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.complain(&format!("cannot write the output: {error}\n"));
                Exit::Failure
            }
            Ok(()) | Err(_) => Exit::Ok,
        }
    }

    /// Writes what is not a result. There is nobody to tell when that fails.
    pub fn complain(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes());
    }
}

/// Text from outside without what would steer a terminal: control characters, and marks that turn
/// the direction of writing.
pub fn plain(text: &str) -> Cow<'_, str> {
    let steers =
        |letter: char| letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.contains(steers) { Cow::Owned(text.replace(steers, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Whether standard output of this process takes colours.
pub fn wants_colour_out(colour: Colour) -> bool {
    decide(colour, process::variable("NO_COLOR").as_deref(), io::stdout().is_terminal())
}

/// Whether standard error of this process takes colours.
pub fn wants_colour(colour: Colour) -> bool {
    decide(colour, process::variable("NO_COLOR").as_deref(), io::stderr().is_terminal())
}

fn decide(colour: Colour, no_color: Option<&str>, is_terminal: bool) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => is_terminal && no_color.is_none_or(str::is_empty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(plain("GET /größe"), "GET /größe");
        assert_eq!(plain("a\u{1b}[2J\nb\u{9b}c\u{202e}d"), "a\u{fffd}[2J\u{fffd}b\u{fffd}c\u{fffd}d");
    }

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        assert!(decide(Colour::Auto, None, true));
        assert!(decide(Colour::Auto, Some(""), true));
        assert!(!decide(Colour::Auto, Some("1"), true));
        assert!(!decide(Colour::Auto, None, false));
        assert!(decide(Colour::Always, Some("1"), false));
        assert!(!decide(Colour::Never, None, true));
    }
}
