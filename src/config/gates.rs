//! Feature gates: switches of the Collector that `--feature-gates` turns on and off.

use std::collections::BTreeMap;

/// What the command line said of gates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates(BTreeMap<String, bool>);

impl Gates {
    /// Turns a gate on or off; the last word counts.
    pub fn set(&mut self, id: &str, is_on: bool) {
        self.0.insert(id.to_owned(), is_on);
    }

    /// Whether a gate is on; `default` where the command line is silent.
    pub fn is_on(&self, id: &str, default: bool) -> bool {
        self.0.get(id).copied().unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let mut gates = Gates::default();
        assert!(gates.is_on("a", true) && !gates.is_on("a", false));
        gates.set("a", true);
        gates.set("a", false);
        assert!(!gates.is_on("a", true));
    }
}
