//! Limits of length as a ratchet: what is listed may shrink, nothing may be added without a word.

use super::source::{code_only, lines_outside_tests};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Files and functions that are longer, with their length; lower a number when one shrinks.
const EXCEPTIONS: &[(&str, usize)] = &[];

/// What is longer than its limit, and what is listed and is not so long any more.
pub(crate) fn ratchet(files: &[(String, String)]) -> Vec<String> {
    let measured: Vec<_> = files.iter().flat_map(|(name, text)| too_long(name, text)).collect();
    compare(&measured, EXCEPTIONS)
}

fn compare(measured: &[(String, usize)], exceptions: &[(&str, usize)]) -> Vec<String> {
    let listed = |name: &str| exceptions.iter().find(|(exception, _)| *exception == name).map(|(_, lines)| *lines);
    let mut faults = Vec::new();
    for (name, lines) in measured {
        match listed(name) {
            None => faults.push(format!("{name} has {lines} lines; split it by what changes together")),
            Some(most) if *lines > most => {
                faults.push(format!("{name} grew from {most} to {lines} lines; it may only shrink"))
            }
            Some(most) if *lines < most => {
                faults.push(format!("{name} shrank from {most} to {lines} lines; lower its exception"))
            }
            Some(_) => {}
        }
    }
    for (name, _) in exceptions {
        if !measured.iter().any(|(measured, _)| measured == name) {
            faults.push(format!("{name} is within the limits; delete its exception"));
        }
    }
    faults
}

/// The file and its functions that are beyond a limit, tests aside: name and lines.
fn too_long(name: &str, text: &str) -> Vec<(String, usize)> {
    if name.ends_with("/tests.rs") || name.contains("/tests/") {
        return Vec::new();
    }
    let code = code_only(text);
    let lines = lines_outside_tests(&code);
    let mut found = Vec::new();
    if lines.len() > FILE_LINES_MAX {
        found.push((name.to_owned(), lines.len()));
    }
    for (function, length) in functions(&lines) {
        if length > FUNCTION_LINES_MAX {
            found.push((format!("{name}: {function}"), length));
        }
    }
    found
}

/// Every function with a body, with the lines from `fn` to its closing brace.
fn functions(lines: &[(usize, &str)]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (index, (_, line)) in lines.iter().enumerate() {
        let Some(function) = function_name(line) else { continue };
        let (mut depth, mut has_opened) = (0i32, false);
        for (length, (_, line)) in lines[index..].iter().enumerate() {
            has_opened |= line.contains('{');
            depth += line.matches('{').count() as i32 - line.matches('}').count() as i32;
            if !has_opened && line.trim_end().ends_with(';') {
                break;
            }
            if has_opened && depth <= 0 {
                found.push((function.to_owned(), length + 1));
                break;
            }
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let modifiers = ["pub", "const", "async", "extern", "default"];
    let is_declared = before
        .split_whitespace()
        .all(|word| modifiers.iter().any(|modifier| word.starts_with(modifier)) || word.ends_with(')'));
    let end = after.find(['(', '<'])?;
    (is_declared && end > 0).then(|| &after[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_function_is_found_and_a_long_test_is_not() {
        let long = |head: &str| format!("{head} {{\n{}}}\n", "    call();\n".repeat(80));
        assert_eq!(too_long("src/a.rs", &long("pub(crate) async fn walk(x: u8)")), [("src/a.rs: walk".to_owned(), 82)]);
        assert!(too_long("src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{}}}\n", long("fn walk()"))).is_empty());
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(too_long("src/a.rs", &"fn f() {}\n".repeat(601)), [("src/a.rs".to_owned(), 601)]);
    }

    #[test]
    fn an_exception_may_only_shrink() {
        let measured = |lines| [("a".to_owned(), lines)];
        assert!(compare(&measured(90), &[("a", 90)]).is_empty());
        assert_eq!(compare(&measured(91), &[("a", 90)]).len(), 1);
        assert_eq!(compare(&measured(80), &[("a", 90)]).len(), 1);
        assert_eq!(compare(&[], &[("a", 90)]).len(), 1);
        assert_eq!(compare(&measured(90), &[]).len(), 1);
    }
}
