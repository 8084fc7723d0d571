//! Names and words that the house does not have.

use super::source::code_only;

const CATCH_ALL: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "misc", "shared", "stuff"];

/// Marks of work that was left; written apart here so that this file does not hold them.
const LEFTOVERS: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

/// A name that says nothing collects what belongs elsewhere.
pub(crate) fn catch_all_name(name: &str, _text: &str) -> Vec<String> {
    let says_nothing = |part: &str| CATCH_ALL.contains(&part.trim_end_matches(".rs"));
    if name.split('/').any(says_nothing) {
        return vec![format!("{name}: a catch-all name; name it after what it holds")];
    }
    Vec::new()
}

/// Every file opens with what it is.
pub(crate) fn opening(name: &str, text: &str) -> Vec<String> {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("//! ") && first.len() > "//! ".len() {
        return Vec::new();
    }
    vec![format!("{name}: does not open with //! and what it is")]
}

/// Marks of unfinished work anywhere, and silenced lints in code.
pub(crate) fn leftovers(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words = || line.split(|character: char| !(character.is_alphanumeric() || character == '_'));
        faults.extend(
            LEFTOVERS
                .iter()
                .filter(|mark| words().any(|word| word == **mark))
                .map(|mark| format!("{name}:{}: {mark}", index + 1)),
        );
    }
    for (index, line) in code_only(text).lines().enumerate() {
        if line.contains("#[allow") || line.contains("#![allow") {
            faults.push(format!("{name}:{}: a silenced lint; write #[expect(…, reason)]", index + 1));
        }
        if line.trim_start().starts_with("#[ignore") || line.trim_start().starts_with("#[should_panic") {
            faults.push(format!("{name}:{}: a test that does not run, or that hides what failed", index + 1));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catch_all_name_is_a_fault() {
        assert_eq!(catch_all_name("src/net/utils.rs", "").len(), 1);
        assert_eq!(catch_all_name("src/helpers/mod.rs", "").len(), 1);
        assert!(catch_all_name("src/net/utilization.rs", "").is_empty());
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_is_a_fault() {
        assert_eq!(opening("a.rs", "use std::fs;").len(), 1);
        assert_eq!(opening("a.rs", "//!").len(), 1);
        assert!(opening("a.rs", "//! Spans.").is_empty());
    }

    #[test]
    fn leftovers_are_faults() {
        assert_eq!(leftovers("a.rs", &format!("// {}: later", LEFTOVERS[0])).len(), 1);
        assert_eq!(leftovers("a.rs", concat!("#[al", "low(dead_code)]\nfn f() {}")).len(), 1);
        assert_eq!(leftovers("a.rs", concat!("    #[ig", "nore]\nfn f() {}")).len(), 1);
        assert!(leftovers("a.rs", "// it says allow\nfn f() {}").is_empty());
    }
}
