//! Which version of a service sends spans, and when another one has taken over. A canary beside
//! the version before it shares its reference: only a version that sends nearly everything
//! starts anew, so that two at once never take turns.

/// Versions that are told apart in a window; spans of further ones count for none.
const VERSIONS_MAX: usize = 4;
/// The share of a window's spans that a version needs to take over.
const TAKE_OVER: f64 = 0.9;
/// Spans of a window below which nothing is concluded.
const SPANS_MIN: u64 = 50;

/// Spans by version in the running window, and the version that the reference is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Versions {
    /// Hash of the version; nothing before the first window ended.
    pub(super) current: Option<u64>,
    window: Window,
}

/// Spans by version, as a shard counts them: first a version is selected, then its spans count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    spans: [(u64, u64); VERSIONS_MAX],
    total: u64,
    selected: u64,
    pending: u64,
}

impl Window {
    /// The next spans are of this version, given by its hash.
    pub(super) fn select(&mut self, version: u64) {
        if version != self.selected {
            self.settle();
            self.selected = version;
        }
    }

    /// Spans of the selected version came.
    pub(super) fn count(&mut self, spans: u64) {
        self.pending = self.pending.saturating_add(spans);
    }

    fn settle(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if pending > 0 {
            self.add(self.selected, pending);
        }
    }

    /// Counts spans of a version, given by its hash.
    pub(super) fn add(&mut self, version: u64, spans: u64) {
        self.total = self.total.saturating_add(spans);
        let slot = self.spans.iter_mut().find(|(known, count)| *count == 0 || *known == version);
        if let Some((known, count)) = slot {
            (*known, *count) = (version, count.saturating_add(spans));
        }
    }

    fn is_empty(&self) -> bool {
        self.total == 0
    }
}

impl Versions {
    /// Adds what a shard counted.
    pub(super) fn merge(&mut self, window: &mut Window) {
        window.settle();
        if window.is_empty() {
            return;
        }
        let selected = window.selected;
        let Window { spans, total, .. } = std::mem::replace(window, Window { selected, ..Window::default() });
        let known: u64 = spans.iter().map(|(_, count)| count).sum();
        spans.iter().filter(|(_, count)| *count > 0).for_each(|(version, count)| self.window.add(*version, *count));
        self.window.total = self.window.total.saturating_add(total - known.min(total));
    }

    /// Ends a window; returns whether another version has taken over. The first one ever takes
    /// nothing over.
    pub(super) fn rotate(&mut self) -> bool {
        if self.window.total < SPANS_MIN {
            return false;
        }
        let Window { spans, total, .. } = std::mem::take(&mut self.window);
        let winner = spans.iter().find(|(_, count)| *count as f64 >= TAKE_OVER * total as f64);
        let Some((version, _)) = winner else { return false };
        self.current.replace(*version).is_some_and(|before| before != *version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(versions: &mut Versions, spans: &[(u64, u64)]) -> bool {
        let mut window = Window::default();
        spans.iter().for_each(|(version, count)| window.add(*version, *count));
        versions.merge(&mut window);
        versions.rotate()
    }

    #[test]
    fn a_version_takes_over_once_it_sends_nearly_everything() {
        let mut versions = Versions::default();
        assert!(!window(&mut versions, &[(1, 1_000)]), "the first version is no change");
        assert!(!window(&mut versions, &[(1, 500), (2, 500)]));
        assert!(window(&mut versions, &[(1, 50), (2, 950)]));
        assert!(!window(&mut versions, &[(2, 1_000)]));
        assert!(window(&mut versions, &[(1, 1_000)]), "rolled back");
    }

    #[test]
    fn a_canary_does_not_flap() {
        let mut versions = Versions::default();
        window(&mut versions, &[(1, 1_000)]);
        for share in [5, 30, 50, 70, 50, 85, 20] {
            assert!(!window(&mut versions, &[(2, share), (1, 100 - share)]));
        }
        assert_eq!(versions.current, Some(1));
    }

    #[test]
    fn few_spans_and_many_versions_conclude_nothing() {
        let mut versions = Versions::default();
        window(&mut versions, &[(1, 1_000)]);
        assert!(!window(&mut versions, &[(2, 49)]));
        assert!(window(&mut versions, &[(2, 49)]), "open windows go on");
        let many: Vec<(u64, u64)> = (10..100).map(|version| (version, 100)).collect();
        assert!(!window(&mut versions, &many));
    }
}
