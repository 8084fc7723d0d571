//! Problems for people and for scripts: each with its place, its line and a caret.

use std::fmt::Write;

use serde_json::json;

use super::{Location, Problem, Report, Severity, Sources};

/// Most problems that are shown; the rest is counted.
pub const PROBLEMS_SHOWN_MAX: usize = 100;
/// Characters of a message or path that are shown.
const TEXT_SHOWN_MAX: usize = 4000;
/// Characters of a source line that are shown around the place.
const LINE_SHOWN_MAX: usize = 160;

/// Problems without doubles, by place; problems without a place come last.
fn sorted(report: &Report) -> Vec<&Problem> {
    let mut problems: Vec<&Problem> = report.problems().iter().collect();
    problems.sort_by_key(|problem| (problem.location.line == 0, problem.location));
    problems.dedup();
    problems
}

/// Every problem as `error: file:line:column: path: message` with its source line and a caret.
/// `colour` adds ANSI colours.
pub fn render(report: &Report, sources: &Sources, colour: bool) -> String {
    let problems = sorted(report);
    let mut text = String::new();
    for problem in problems.iter().take(PROBLEMS_SHOWN_MAX) {
        render_problem(&mut text, problem, sources, Paint { colour });
    }
    if problems.len() > PROBLEMS_SHOWN_MAX {
        let _ = writeln!(text, "… and {} more", problems.len() - PROBLEMS_SHOWN_MAX);
    }
    text
}

/// Every problem as a JSON array of objects with `severity`, `source`, `line`, `column`, `path`
/// and `message`; `line` and `column` are null where there is none.
pub fn render_json(report: &Report, sources: &Sources) -> serde_json::Value {
    let problem = |problem: &&Problem| {
        let number = |value: u32| sources.has_places(problem.location).then_some(value);
        json!({
            "severity": problem.severity.as_str(),
            "source": sources.name(problem.location),
            "line": number(problem.location.line),
            "column": number(problem.location.column),
            "path": problem.path,
            "message": problem.message,
        })
    };
    sorted(report).iter().map(problem).collect()
}

#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn write(self, text: &mut String, code: &str, what: &str) {
        if self.colour {
            let _ = write!(text, "\x1b[{code}m{what}\x1b[0m");
        } else {
            text.push_str(what);
        }
    }
}

fn render_problem(text: &mut String, problem: &Problem, sources: &Sources, paint: Paint) {
    let code = match problem.severity {
        Severity::Error => "1;31",
        Severity::Warning => "1;33",
        Severity::Note => "1;36",
    };
    paint.write(text, code, problem.severity.as_str());
    text.push_str(": ");
    let place = printable(&sources.describe(problem.location));
    if !place.is_empty() {
        paint.write(text, "2", &place);
        text.push_str(": ");
    }
    if !problem.path.is_empty() {
        let _ = write!(text, "{}: ", printable(&problem.path));
    }
    paint.write(text, "1", &printable(&problem.message));
    text.push('\n');
    if let Some(line) = sources.line(problem.location) {
        render_line(text, line, problem.location, code, paint);
    }
}

fn render_line(text: &mut String, line: &str, location: Location, code: &str, paint: Paint) {
    let letters: Vec<char> = line.chars().collect();
    let column = (location.column as usize).saturating_sub(1).min(letters.len());
    let from = if letters.len() <= LINE_SHOWN_MAX { 0 } else { column.saturating_sub(LINE_SHOWN_MAX / 2) };
    let shown: String = letters.iter().skip(from).take(LINE_SHOWN_MAX).collect();
    let number = location.line.to_string();
    let margin = " ".repeat(number.len());
    let width = token_width(&letters[column..]).min(LINE_SHOWN_MAX);
    paint.write(text, "2", &format!(" {number} | "));
    let _ = writeln!(text, "{}", printable(shown.trim_end()));
    paint.write(text, "2", &format!(" {margin} | "));
    text.push_str(&" ".repeat(column - from));
    paint.write(text, code, &"^".repeat(width));
    text.push('\n');
}

/// How many characters the value or key takes that begins here; at least one.
fn token_width(rest: &[char]) -> usize {
    let width = match rest.first() {
        Some(quote @ ('"' | '\'')) => rest.iter().skip(1).position(|letter| letter == quote).map_or(1, |end| end + 2),
        Some('$') => rest.iter().position(|letter| *letter == '}').map_or(1, |end| end + 1),
        _ => rest.iter().position(|letter| " \t,[]{}".contains(*letter)).unwrap_or(rest.len()),
    };
    let width = if rest.get(width.wrapping_sub(1)) == Some(&':') { width - 1 } else { width };
    width.max(1)
}

/// Text without control characters, so that a config cannot steer the terminal, and of bearable
/// length.
fn printable(text: &str) -> String {
    text.chars()
        .take(TEXT_SHOWN_MAX)
        .map(|letter| match letter {
            '\t' | '\n' => ' ',
            letter if letter.is_control() => '\u{fffd}',
            letter => letter,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Report, Sources) {
        let mut sources = Sources::default();
        let source = sources.add("c.yaml", "processors:\n  batch:\n    Timeout: 5s\n    size: \"ten\"\n");
        let set = sources.add_inline("--set a=1");
        let mut report = Report::default();
        report.error("processors::batch::size", "expected a number", Location { source, line: 4, column: 11 });
        report.warning("", "odd", Location { source: set, line: 1, column: 1 });
        for _ in 0..2 {
            report.error("processors::batch", "has invalid keys: Timeout", Location { source, line: 3, column: 5 });
        }
        (report, sources)
    }

    #[test]
    fn problems_are_shown_by_place_with_line_and_caret() {
        let (report, sources) = sample();
        let expected = "\
error: c.yaml:3:5: processors::batch: has invalid keys: Timeout
 3 |     Timeout: 5s
   |     ^^^^^^^
error: c.yaml:4:11: processors::batch::size: expected a number
 4 |     size: \"ten\"
   |           ^^^^^
warning: --set a=1: odd
";
        assert_eq!(render(&report, &sources, false), expected);
    }

    #[test]
    fn colour_only_when_asked() {
        let (report, sources) = sample();
        assert!(render(&report, &sources, true).contains("\x1b[1;31merror"));
        assert!(!render(&report, &sources, false).contains('\x1b'));
    }

    #[test]
    fn json_carries_the_same() {
        let (report, sources) = sample();
        let json = render_json(&report, &sources);
        assert_eq!(json.as_array().unwrap().len(), 3);
        assert_eq!(json[0]["line"], 3);
        assert_eq!(json[2]["line"], serde_json::Value::Null);
        assert_eq!(json[2]["severity"], "warning");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut sources = Sources::default();
        let source = sources.add("c.yaml", "a: \x1b[2J");
        let mut report = Report::default();
        report.error("", "bad \x1b[2J", Location { source, line: 1, column: 4 });
        assert!(!render(&report, &sources, false).contains('\x1b'));
    }

    #[test]
    fn a_flood_of_problems_is_counted() {
        let mut report = Report::default();
        for line in 1..=150 {
            report.error("", "bad", Location { source: 0, line, column: 1 });
        }
        assert!(render(&report, &Sources::default(), false).ends_with("… and 50 more\n"));
    }
}
