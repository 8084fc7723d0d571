//! Whether a sample, or a score, finds the traces that matter.

use std::collections::BTreeMap;

use super::share;

/// Share of the labelled traces that were kept. A label of `None` leaves its trace out.
pub fn recall(labels: &[Option<bool>], kept: &[bool]) -> Option<f64> {
    let (found, wanted) = found_and(labels, kept, |label, _| label);
    share(found, wanted)
}

/// Share of the kept traces that are labelled. A label of `None` leaves its trace out. With a
/// share of `r` labelled and a budget of `b` it cannot be above `min(1, r / b)`.
pub fn precision(labels: &[Option<bool>], kept: &[bool]) -> Option<f64> {
    let (found, kept) = found_and(labels, kept, |_, is_kept| is_kept);
    share(found, kept)
}

/// Labelled traces that were kept, and how many traces `counts` takes in.
fn found_and(labels: &[Option<bool>], kept: &[bool], counts: impl Fn(bool, bool) -> bool) -> (usize, usize) {
    let known = labels.iter().zip(kept).filter_map(|(label, kept)| Some(((*label)?, *kept)));
    known.fold((0, 0), |(found, all), (label, kept)| {
        (found + usize::from(label && kept), all + usize::from(counts(label, kept)))
    })
}

/// Share of the faults of which at least `wanted` traces were kept ("fault@1", "fault@3").
/// `faults` names the fault that a trace shows, `None` for a trace that shows none; a fault that
/// no trace shows is not looked for.
pub fn faults_found(faults: &[Option<u32>], kept: &[bool], wanted: usize) -> Option<f64> {
    let mut kept_by_fault = BTreeMap::<u32, usize>::new();
    for (fault, kept) in faults.iter().zip(kept) {
        if let Some(fault) = fault {
            *kept_by_fault.entry(*fault).or_default() += usize::from(*kept);
        }
    }
    share(kept_by_fault.values().filter(|kept| **kept >= wanted).count(), kept_by_fault.len())
}

/// Area under the ROC curve: the chance that a labelled trace has a higher score than another
/// one, where equal scores count as half. NaN is the lowest score.
pub fn area_under_curve(labels: &[Option<bool>], scores: &[f64]) -> Option<f64> {
    let groups = by_falling_score(labels, scores);
    let (positives, negatives) = totals(&groups);
    let (mut below, mut wins) = (negatives as f64, 0.0);
    for (positive, negative) in groups {
        below -= negative as f64;
        wins += positive as f64 * (below + negative as f64 / 2.0);
    }
    let pairs = positives as f64 * negatives as f64;
    (pairs > 0.0).then(|| wins / pairs)
}

/// Average precision: the mean of the precision at the score of each labelled trace, from the
/// highest score down; traces of equal score come together. NaN is the lowest score.
pub fn average_precision(labels: &[Option<bool>], scores: &[f64]) -> Option<f64> {
    let groups = by_falling_score(labels, scores);
    let (positives, _) = totals(&groups);
    let (mut found, mut taken, mut sum) = (0, 0, 0.0);
    for (positive, negative) in groups {
        found += positive;
        taken += positive + negative;
        sum += positive as f64 * found as f64 / taken as f64;
    }
    (positives > 0).then(|| sum / positives as f64)
}

/// How many labelled and other traces there are at each score, the highest score first.
fn by_falling_score(labels: &[Option<bool>], scores: &[f64]) -> Vec<(usize, usize)> {
    let rank = |score: f64| match score {
        nan if nan.is_nan() => f64::NEG_INFINITY,
        // Both zeros are one score.
        score => score + 0.0,
    };
    let known = labels.iter().zip(scores).filter_map(|(label, score)| Some((rank(*score), (*label)?)));
    let mut known: Vec<(f64, bool)> = known.collect();
    known.sort_unstable_by(|left, right| right.0.total_cmp(&left.0));
    let count = |group: &[(f64, bool)]| {
        let positives = group.iter().filter(|(_, label)| *label).count();
        (positives, group.len() - positives)
    };
    known.chunk_by(|left, right| left.0 == right.0).map(count).collect()
}

fn totals(groups: &[(usize, usize)]) -> (usize, usize) {
    groups.iter().fold((0, 0), |sums, group| (sums.0 + group.0, sums.1 + group.1))
}

/// Marks the `share` of traces with the longest durations, rounded up: of 150 traces at 0.01 two.
/// Of equal durations at the edge the first ones are marked. A `None` duration is never marked
/// and does not count.
pub fn slowest(durations: &[Option<u64>], share: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..durations.len()).filter(|trace| durations[*trace].is_some()).collect();
    order.sort_by_key(|trace| std::cmp::Reverse(durations[*trace]));
    // A float that is a hair above a whole number is that number.
    let count = (order.len() as f64 * share - 1e-9).ceil().max(0.0) as usize;
    let mut marked = vec![false; durations.len()];
    order.into_iter().take(count).for_each(|trace| marked[trace] = true);
    marked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cases() -> impl Strategy<Value = Vec<(Option<bool>, bool, f64, Option<u32>)>> {
        let score = prop_oneof![(0u8..6).prop_map(f64::from), Just(f64::NAN), Just(-0.0), Just(f64::INFINITY)];
        let label = proptest::option::weighted(0.8, any::<bool>());
        proptest::collection::vec((label, any::<bool>(), score, proptest::option::of(0u32..4)), 0..40)
    }

    fn close(left: Option<f64>, right: Option<f64>) -> bool {
        match (left, right) {
            (Some(left), Some(right)) => (left - right).abs() < 1e-9,
            (left, right) => left == right,
        }
    }

    proptest! {
        #[test]
        fn recall_and_precision_are_the_ratios_of_their_definition(cases in cases()) {
            let labels: Vec<_> = cases.iter().map(|case| case.0).collect();
            let kept: Vec<_> = cases.iter().map(|case| case.1).collect();
            let count = |wanted: &dyn Fn(bool, bool) -> bool| {
                cases.iter().filter(|case| case.0.is_some_and(|label| wanted(label, case.1))).count() as f64
            };
            let both = count(&|label, kept| label && kept);
            let (labelled, taken) = (count(&|label, _| label), count(&|_, kept| kept));
            prop_assert!(close(recall(&labels, &kept), (labelled > 0.0).then(|| both / labelled)));
            prop_assert!(close(precision(&labels, &kept), (taken > 0.0).then(|| both / taken)));
        }

        #[test]
        fn the_area_is_the_share_of_pairs_that_are_in_order(cases in cases()) {
            let labels: Vec<_> = cases.iter().map(|case| case.0).collect();
            let scores: Vec<_> = cases.iter().map(|case| case.2).collect();
            let score = |score: f64| if score.is_nan() { f64::NEG_INFINITY } else { score };
            let (mut pairs, mut wins) = (0.0, 0.0);
            for positive in cases.iter().filter(|case| case.0 == Some(true)) {
                for negative in cases.iter().filter(|case| case.0 == Some(false)) {
                    pairs += 1.0;
                    wins += match score(positive.2).partial_cmp(&score(negative.2)).unwrap() {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    };
                }
            }
            prop_assert!(close(area_under_curve(&labels, &scores), (pairs > 0.0).then(|| wins / pairs)));
        }

        #[test]
        fn average_precision_is_the_mean_over_labelled_traces(cases in cases()) {
            let labels: Vec<_> = cases.iter().map(|case| case.0).collect();
            let scores: Vec<_> = cases.iter().map(|case| case.2).collect();
            let score = |score: f64| if score.is_nan() { f64::NEG_INFINITY } else { score };
            let precision_at = |bar: f64| {
                let above: Vec<_> =
                    cases.iter().filter(|case| case.0.is_some() && score(case.2) >= score(bar)).collect();
                above.iter().filter(|case| case.0 == Some(true)).count() as f64 / above.len() as f64
            };
            let at: Vec<f64> =
                cases.iter().filter(|case| case.0 == Some(true)).map(|case| precision_at(case.2)).collect();
            let naive = (!at.is_empty()).then(|| at.iter().sum::<f64>() / at.len() as f64);
            prop_assert!(close(average_precision(&labels, &scores), naive));
        }

        #[test]
        fn faults_are_found_when_enough_of_their_traces_are_kept(cases in cases(), wanted in 0usize..4) {
            let faults: Vec<_> = cases.iter().map(|case| case.3).collect();
            let kept: Vec<_> = cases.iter().map(|case| case.1).collect();
            let shown: Vec<u32> = (0..4).filter(|fault| faults.contains(&Some(*fault))).collect();
            let of = |fault: u32| cases.iter().filter(|case| case.3 == Some(fault) && case.1).count();
            let found = shown.iter().filter(|fault| of(**fault) >= wanted).count();
            prop_assert!(close(faults_found(&faults, &kept, wanted), share(found, shown.len())));
        }

        #[test]
        fn no_trace_that_is_not_marked_is_slower_than_one_that_is(
            durations in proptest::collection::vec(proptest::option::of(0u64..20), 0..60),
            percent in 0u32..=100,
        ) {
            let marked = slowest(&durations, f64::from(percent) / 100.0);
            let known = durations.iter().flatten().count();
            let wanted = (known * percent as usize).div_ceil(100);
            prop_assert_eq!(marked.iter().filter(|marked| **marked).count(), wanted);
            let of = |is: bool| durations.iter().zip(&marked).filter(move |pair| *pair.1 == is).map(|pair| *pair.0);
            prop_assert!(of(true).all(|duration| duration.is_some()));
            prop_assert!(of(true).min().is_none_or(|least| of(false).max().is_none_or(|most| least >= most)));
        }
    }

    #[test]
    fn a_perfect_score_and_one_that_says_nothing() {
        let labels = [Some(true), Some(false), None, Some(false), Some(true)];
        let perfect = [9.0, 1.0, 100.0, 0.0, 5.0];
        assert_eq!(area_under_curve(&labels, &perfect), Some(1.0));
        assert_eq!(average_precision(&labels, &perfect), Some(1.0));
        assert_eq!(area_under_curve(&labels, &[3.0; 5]), Some(0.5));
        assert_eq!(average_precision(&labels, &[3.0; 5]), Some(0.5));
        assert_eq!(area_under_curve(&[Some(true)], &[1.0]), None);
        assert_eq!(recall(&[Some(false), None], &[true, true]), None);
    }
}
