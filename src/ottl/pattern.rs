//! Regular expressions of RE2's syntax, as Go reads it: a pattern is rewritten where Rust's `regex`
//! means something else by the same words. Knows neither OTTL nor policies.

use std::iter::Peekable;
use std::str::CharIndices;

use regex::bytes::{Regex, RegexBuilder};

/// Largest compiled form of a pattern from a config, in bytes.
const CONFIG_BYTES_MAX: usize = 10 << 20;
/// The same of one that was made from a span's values: it is compiled for every span.
const VALUE_BYTES_MAX: usize = 256 << 10;

/// Compiles a pattern of a config; it matches anywhere in a text.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    within(pattern, CONFIG_BYTES_MAX)
}

/// Compiles a pattern that came with a span, of which less is taken.
///
/// # Errors
/// What is wrong with it, in one line.
pub(super) fn compile_value(pattern: &str) -> Result<Regex, String> {
    within(pattern, VALUE_BYTES_MAX)
}

fn within(pattern: &str, bytes_max: usize) -> Result<Regex, String> {
    let compiled = RegexBuilder::new(&translated(pattern)).size_limit(bytes_max).build();
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("it takes more than {limit} bytes when compiled"),
        error => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    })
}

/// An expression in Go's syntax, in the syntax of our engine: `\d`, `\s`, `\w` and `\b` know
/// ASCII only, `\Q…\E` is literal, and what only our engine gives a meaning has none.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern.char_indices().peekable();
    let mut in_class = false;
    while let Some((place, character)) = rest.next() {
        match character {
            '\\' => escape(pattern, &mut rest, in_class, &mut out),
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                class_start(&mut rest, &mut out);
            }
            '[' if pattern[place..].starts_with("[:") => out.push('['),
            '[' => out.push_str("\\["),
            ':' if in_class && pattern[place..].starts_with(":]") && has_posix_start(&pattern[..place]) => {
                rest.next();
                out.push_str(":]");
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => out.extend(['\\', character]),
            // A range that ends in a hyphen; for our engine `--` would take a set away.
            '-' if in_class && pattern[place..].starts_with("--") => {
                rest.next();
                out.push_str("-\\-");
            }
            '{' if !in_class && !is_repetition(&pattern[place..]) => out.push_str("\\{"),
            _ => out.push(character),
        }
    }
    out
}

/// `^`, and a `]` or `-` that opens a class and is literal there.
fn class_start(rest: &mut Peekable<CharIndices<'_>>, out: &mut String) {
    if rest.next_if(|(_, character)| *character == '^').is_some() {
        out.push('^');
    }
    if let Some((_, character)) = rest.next_if(|(_, character)| matches!(character, ']' | '-')) {
        out.extend(['\\', character]);
    }
}

/// Whether the text ends in the start of `[:name:]`.
fn has_posix_start(before: &str) -> bool {
    let name = before.trim_end_matches(|character: char| character.is_ascii_lowercase() || character == '^');
    name.ends_with("[:")
}

fn escape(pattern: &str, rest: &mut Peekable<CharIndices<'_>>, in_class: bool, out: &mut String) {
    let Some((place, character)) = rest.next() else {
        out.push('\\');
        return;
    };
    let class = match character {
        'd' => "0-9",
        's' => "\\t\\n\\x0c\\r ",
        'w' => "0-9A-Za-z_",
        'D' => "^0-9",
        'S' => "^\\t\\n\\x0c\\r ",
        'W' => "^0-9A-Za-z_",
        _ => "",
    };
    match character {
        _ if !class.is_empty() => {
            let is_bare = in_class && !class.starts_with('^');
            out.push_str(&if is_bare { class.to_owned() } else { format!("[{class}]") });
        }
        'b' | 'B' if !in_class => out.push_str(&format!("(?-u:\\{character})")),
        'Q' => {
            let quoted = pattern[place + 1..].split("\\E").next().unwrap_or_default();
            out.push_str(&regex::escape(quoted));
            let end = place + 1 + quoted.len() + "\\E".len();
            while rest.next_if(|(place, _)| *place < end).is_some() {}
        }
        '<' | '>' => out.push(character),
        // The name of a class of characters or the number of one follows, and no repetition.
        'p' | 'P' | 'x' => {
            out.extend(['\\', character]);
            out.extend(rest.next_if(|(_, character)| *character == '{').map(|(_, brace)| brace));
        }
        _ => out.extend(['\\', character]),
    }
}

/// `{2}`, `{2,}` or `{2,3}`; else the brace is literal.
fn is_repetition(text: &str) -> bool {
    let Some((counts, _)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) else { return false };
    let (least, most) = counts.split_once(',').unwrap_or((counts, ""));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number(least) && (most.is_empty() || is_number(most))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        regex::bytes::Regex::new(&translated(pattern))
            .unwrap_or_else(|error| panic!("{error}"))
            .is_match(text.as_bytes())
    }

    #[test]
    fn expressions_mean_what_they_mean_in_go() {
        for (pattern, yes, no) in [
            ("rod", "production", "dev"),
            (r"^\d+$", "12", "\u{0663}"),
            (r"^[\d.]+$", "1.2", "\u{0663}"),
            (r"^[^\D7]$", "1", "7"),
            (r"^\w\s\S$", "a b", "\u{e4} b"),
            (r"^[\W]$", "\u{e4}", "a"),
            (r"\bfoo\b", "a foo", "afoo"),
            (r"a\Q.*[\Eb+", "a.*[bb", "axb"),
            (r"^[[a]$", "[", "b"),
            (r"^[a&&b]$", "&", "c"),
            (r"^[[:alpha:]_]+$", "ab_", "a1"),
            (r"^[[:^alpha:]]$", "1", "a"),
            (r"^[]a]$", "]", "b"),
            (r"^[^]a]$", "b", "]"),
            (r"^[+--]$", ",", "a"),
            (r"^[--0]$", "/", "1"),
            (r"^[-a]$", "-", "b"),
            (r"^a{x}$", "a{x}", "ax"),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^a{2,3}$", "aa", "a"),
            (r"^\<b\>$", "<b>", "b"),
            ("(?i)PROD", "prod", "dev"),
            ("^(prod|dev)(-eu)?$", "dev-eu", "dev-us"),
            (r"^\p{Greek}$", "\u{3b1}", "a"),
            (r"^\x{61}$", "a", "b"),
            (r"^.$", "\u{e4}", "ab"),
        ] {
            assert!(matches(pattern, yes), "{pattern} matches {yes}; {}", translated(pattern));
            assert!(!matches(pattern, no), "{pattern} does not match {no}; {}", translated(pattern));
        }
    }

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, text, is_match) in [
            ("\\d", "٣", false),
            ("^[\\w-]+$", "a-b_1", true),
            ("^\\w+$", "größe", false),
            ("^gr.{2}e$", "größe", true),
            ("[^\\W]", "-", false),
            ("a[[]b", "a[b", true),
            ("[]a]", "]", true),
            ("[^]]", "]", false),
            ("[&&]", "&", true),
            ("[[:digit:]x]", "7", true),
            ("\\Qa.b\\E+", "a.bbb", true),
            ("\\Qa.b", "axb", false),
            ("\\bfoo\\b", "a foo b", true),
            ("(?i)GET", "get", true),
            ("(?P<verb>x)", "x", true),
            ("\\<a\\>", "<a>", true),
            ("^$", "", true),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(text.as_bytes()), is_match, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_in_one_line() {
        for pattern in ["(", "[a", "\\", "(?!a)", "\\1"] {
            let error = compile(pattern).unwrap_err();
            assert!(!error.is_empty() && !error.contains('\n'), "{pattern}: {error}");
        }
    }

    #[test]
    fn a_pattern_from_a_span_may_be_less_large_than_one_from_a_config() {
        let pattern = r"\pL{60}";
        assert!(compile(pattern).is_ok());
        assert!(compile_value(pattern).unwrap_err().contains("262144 bytes"));
    }

    proptest! {
        #[test]
        fn any_text_is_translated(pattern in "[\\[\\]\\\\:{}&~\\-^QEdDbB<a,1é]{0,12}") {
            let _ = regex::bytes::Regex::new(&translated(&pattern));
        }
    }
}
