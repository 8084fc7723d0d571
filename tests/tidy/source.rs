//! Rust source with what is no code blanked out, so that the checkers meet no words in strings.

/// The source with comments and literals as blanks; same length in lines, same columns in ASCII.
pub(crate) fn code_only(source: &str) -> String {
    let characters: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < characters.len() {
        let end = end_of_literal(&characters, at).unwrap_or(at);
        if end > at {
            out.extend(characters[at..end].iter().map(|character| if *character == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(characters[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment or literal that starts at `at` ends; `None` when none starts there.
fn end_of_literal(characters: &[char], at: usize) -> Option<usize> {
    let rest = &characters[at..];
    let follows_name = at > 0 && (characters[at - 1].is_alphanumeric() || characters[at - 1] == '_');
    match rest {
        ['/', '/', ..] => Some(at + rest.iter().position(|character| *character == '\n').unwrap_or(rest.len())),
        ['/', '*', ..] => Some(at + block_comment(rest)),
        ['"', ..] => Some(at + string(rest)),
        ['b', '"', ..] if !follows_name => Some(at + 1 + string(&rest[1..])),
        ['r', '"' | '#', ..] if !follows_name => raw_string(rest).map(|length| at + length),
        ['b', 'r', '"' | '#', ..] if !follows_name => raw_string(&rest[1..]).map(|length| at + 1 + length),
        ['\'', '\\', _, ..] => rest[3..].iter().position(|character| *character == '\'').map(|length| at + 4 + length),
        ['\'', character, '\'', ..] if *character != '\'' => Some(at + 3),
        _ => None,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|character| **character == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = &rest[2 + hashes..];
    let length = body.windows(closing.len()).position(|window| window == closing)?;
    Some(2 + hashes + length + closing.len())
}

/// Lines without those of `#[cfg(test)]` items, each with its number from 1; from [`code_only`].
pub(crate) fn lines_outside_tests(code: &str) -> Vec<(usize, &str)> {
    let mut kept = Vec::new();
    let mut lines = code.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        if !line.trim_start().starts_with("#[cfg(test)]") {
            kept.push((index + 1, line));
            continue;
        }
        // The item ends with its last brace, or without one at a semicolon.
        let (mut depth, mut has_opened) = (0i32, false);
        let mut current = Some(line.replace("#[cfg(test)]", ""));
        while let Some(text) = current {
            has_opened |= text.contains('{');
            depth += text.matches('{').count() as i32 - text.matches('}').count() as i32;
            if (has_opened && depth <= 0) || (!has_opened && text.contains(';')) {
                break;
            }
            current = lines.next().map(|(_, line)| line.to_owned());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_comments_and_literals_are_blank() {
        let source = "let a = \"use crate::cli\"; // use y\nlet b = 'u'; /* y /* y */ y */ let c = r#\"y\"#;\nfn f<'a>(_: &'a str) {}";
        let code = code_only(source);
        assert!(!code.contains("crate") && !code.contains('u') && !code.contains('y'), "{code}");
        assert_eq!(code.lines().count(), 3);
        assert!(code.contains("let c =") && code.contains("fn f<'a>"), "{code}");
    }

    #[test]
    fn test_modules_are_left_out() {
        let code =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\n#[cfg(test)]\nmod other;\nfn c() {}\n";
        let kept: Vec<_> = lines_outside_tests(code).into_iter().map(|(number, _)| number).collect();
        assert_eq!(kept, [1, 9]);
    }
}
