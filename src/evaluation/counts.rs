//! Whether a sample still tells how much there was, and whether it kept to its budget.

use std::collections::{BTreeMap, BTreeSet};

use super::share;

/// Errors of estimated counts over groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CountErrors {
    /// Mean of the groups' absolute errors, each weighed by its true count.
    pub mean: f64,
    /// The largest absolute error of a group.
    pub largest: f64,
    /// How many groups there were.
    pub groups: usize,
}

/// How far the sum of the weights of what was kept is from the true count: 0.1 for a tenth too
/// much, -1 when nothing was kept. `None` when there was nothing.
pub fn count_error(weights: &[f64], truth: u64) -> Option<f64> {
    (truth > 0).then(|| weights.iter().sum::<f64>() / truth as f64 - 1.0)
}

/// The same over groups, such as root operations: `groups` and `weights` have an entry a trace,
/// the weight being 0 for a trace that was not kept. Groups of fewer than `least` traces are left
/// out, as one trace more or less is all of them.
pub fn count_errors(groups: &[u64], weights: &[f64], least: u64) -> Option<CountErrors> {
    let mut sums = BTreeMap::<u64, (u64, f64)>::new();
    for (group, weight) in groups.iter().zip(weights) {
        let (count, sum) = sums.entry(*group).or_default();
        *count += 1;
        *sum += weight;
    }
    sums.retain(|_, (count, _)| *count >= least.max(1));
    let total: u64 = sums.values().map(|(count, _)| count).sum();
    let absolute = |(count, sum): &(u64, f64)| (sum / *count as f64 - 1.0).abs();
    let weighed: f64 = sums.values().map(|group| absolute(group) * group.0 as f64).sum();
    (total > 0).then(|| CountErrors {
        mean: weighed / total as f64,
        largest: sums.values().map(absolute).fold(0.0, f64::max),
        groups: sums.len(),
    })
}

/// Share of the distinct values, such as trace shapes, of which something was kept.
pub fn coverage(values: &[u64], kept: &[bool]) -> Option<f64> {
    let seen: BTreeSet<u64> = values.iter().copied().collect();
    let kept: BTreeSet<u64> = values.iter().zip(kept).filter(|(_, kept)| **kept).map(|(value, _)| *value).collect();
    share(kept.len(), seen.len())
}

/// How far a kept count is from its target ("rate of deviation"): 0.05 for a twentieth too much.
/// `None` for a target of nothing.
pub fn rate_error(kept: u64, target: f64) -> Option<f64> {
    (target > 0.0).then(|| kept as f64 / target - 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn errors_over_groups_are_those_of_each_group_alone(
            traces in proptest::collection::vec((0u64..5, 0u8..4), 0..50),
            least in 0u64..6,
        ) {
            let groups: Vec<u64> = traces.iter().map(|trace| trace.0).collect();
            let weights: Vec<f64> = traces.iter().map(|trace| f64::from(trace.1)).collect();
            let (mut largest, mut sum, mut counted, mut number) = (0.0_f64, 0.0, 0.0, 0);
            for group in 0..5 {
                let own: Vec<f64> =
                    traces.iter().filter(|trace| trace.0 == group).map(|trace| f64::from(trace.1)).collect();
                if own.is_empty() || (own.len() as u64) < least {
                    continue;
                }
                let error = count_error(&own, own.len() as u64).unwrap().abs();
                largest = largest.max(error);
                sum += error * own.len() as f64;
                counted += own.len() as f64;
                number += 1;
            }
            match count_errors(&groups, &weights, least) {
                None => prop_assert_eq!(number, 0),
                Some(errors) => {
                    prop_assert_eq!(errors.groups, number);
                    prop_assert!((errors.largest - largest).abs() < 1e-9);
                    prop_assert!((errors.mean - sum / counted).abs() < 1e-9);
                }
            }
        }

        #[test]
        fn coverage_is_the_share_of_values_with_a_kept_trace(
            traces in proptest::collection::vec((0u64..6, any::<bool>()), 0..30),
        ) {
            let values: Vec<u64> = traces.iter().map(|trace| trace.0).collect();
            let kept: Vec<bool> = traces.iter().map(|trace| trace.1).collect();
            let seen = (0..6).filter(|value| values.contains(value)).count();
            let covered = (0..6).filter(|value| traces.contains(&(*value, true))).count();
            prop_assert_eq!(coverage(&values, &kept), (seen > 0).then(|| covered as f64 / seen as f64));
        }
    }

    #[test]
    fn weights_that_stand_for_all_make_no_error() {
        assert_eq!(count_error(&[10.0, 10.0], 20), Some(0.0));
        assert_eq!(count_error(&[], 20), Some(-1.0));
        assert_eq!(count_error(&[1.0], 0), None);
        let errors = count_errors(&[1, 1, 2, 2], &[2.0, 0.0, 4.0, 0.0], 0).unwrap();
        assert_eq!(errors, CountErrors { mean: 0.5, largest: 1.0, groups: 2 });
        assert_eq!(count_errors(&[1, 1, 2, 2], &[2.0, 0.0, 4.0, 0.0], 3), None);
    }

    #[test]
    fn a_rate_is_held_against_its_target() {
        assert_eq!(rate_error(110, 100.0).map(|error| (error * 100.0).round()), Some(10.0));
        assert_eq!(rate_error(0, 100.0), Some(-1.0));
        assert_eq!(rate_error(5, 0.0), None);
    }
}
