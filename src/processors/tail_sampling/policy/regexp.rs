//! A list of regular expressions, with a memory of what they said of recent texts.

use regex::bytes::{Regex, RegexSet};

use super::super::hashing::IdHash;
use super::super::lru::Lru;
use crate::ottl::pattern;

/// Longer texts are matched each time, so that the memory is bounded in bytes too.
const REMEMBERED_BYTES_MAX: usize = 256;

/// Whether some of a list of expressions matches.
pub(super) struct CachedRegexps {
    regexps: RegexSet,
    /// Those that are too large together for a set; then the set is empty.
    singles: Vec<Regex>,
    hash: IdHash,
    seen: Lru<Box<[u8]>, bool>,
}

impl CachedRegexps {
    /// What each of the last `cache_size` texts of up to 256 bytes gave is remembered. Those of
    /// `patterns` that are no regular expressions match nothing.
    pub(super) fn new(patterns: &[String], cache_size: u64) -> Self {
        let singles: Vec<Regex> = patterns.iter().filter_map(|text| pattern::compile(text).ok()).collect();
        let (regexps, singles) = match RegexSet::new(singles.iter().map(Regex::as_str)) {
            Ok(set) => (set, Vec::new()),
            Err(_) => (RegexSet::empty(), singles),
        };
        Self {
            regexps,
            singles,
            hash: IdHash::new(),
            seen: Lru::new(usize::try_from(cache_size).unwrap_or(usize::MAX)),
        }
    }

    /// Whether one of the expressions matches somewhere in the text.
    pub(super) fn matches(&mut self, text: &[u8]) -> bool {
        if text.len() > REMEMBERED_BYTES_MAX {
            return self.is_any_match(text);
        }
        let hash = self.hash.of_text(text);
        if let Some(known) = self.seen.find(hash, |known| **known == *text) {
            return *known;
        }
        let is_match = self.is_any_match(text);
        self.seen.insert(hash, text.into(), is_match, |text| self.hash.of_text(text));
        is_match
    }

    fn is_any_match(&self, text: &[u8]) -> bool {
        self.regexps.is_match(text) || self.singles.iter().any(|single| single.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_expression_matches_nothing_beside_others() {
        let mut regexps = CachedRegexps::new(&["(".to_owned(), "^b".to_owned()], 4);
        assert!(regexps.matches(b"b(") && !regexps.matches(b"("));
    }

    #[test]
    fn expressions_that_are_too_large_together_still_match() {
        let patterns: Vec<String> = (0..12).map(|number| format!("^{number}x\\pL{{200}}$")).collect();
        let mut regexps = CachedRegexps::new(&patterns, 4);
        assert_eq!(regexps.singles.len(), 12, "one set would do");
        let text = format!("7x{}", "\u{e4}".repeat(200));
        assert!(regexps.matches(text.as_bytes()) && !regexps.matches(b"7x"));
    }

    proptest! {
        #[test]
        fn a_memory_changes_no_answer(
            size in 0_u64..5,
            texts in prop::collection::vec(prop_oneof!["[abc]{0,3}", "[ab]{300}"], 0..60),
        ) {
            let patterns = ["^a".to_owned(), "c$".to_owned()];
            let mut cached = CachedRegexps::new(&patterns, size);
            for text in texts {
                let naive = text.starts_with('a') || text.ends_with('c');
                prop_assert_eq!(cached.matches(text.as_bytes()), naive, "{}", text);
            }
        }
    }
}
