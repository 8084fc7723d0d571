//! Whether a sample still has the shape of what it was drawn from.

/// Kolmogorov and Smirnov's distance between two sets of values: the largest difference between
/// their shares below any bound, 0 to 1. NaN is the highest value. `None` when either is empty.
pub fn ks(all: &[f64], kept: &[f64]) -> Option<f64> {
    let weighted: Vec<(f64, f64)> = kept.iter().map(|value| (*value, 1.0)).collect();
    weighted_ks(all, &weighted)
}

/// The same with kept `(value, weight)`, a weight being the adjusted count of its trace: how far
/// a distribution that is estimated from the sample is from the true one. Weights that are not
/// above zero, or not finite, count for nothing.
pub fn weighted_ks(all: &[f64], kept: &[(f64, f64)]) -> Option<f64> {
    let mut all: Vec<f64> = all.iter().copied().map(ordered).collect();
    all.sort_unstable_by(f64::total_cmp);
    let counted = kept.iter().filter(|(_, weight)| weight.is_finite() && *weight > 0.0);
    let mut kept: Vec<(f64, f64)> = counted.map(|(value, weight)| (ordered(*value), *weight)).collect();
    kept.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
    let total: f64 = kept.iter().map(|(_, weight)| weight).sum();
    if all.is_empty() || kept.is_empty() {
        return None;
    }
    let (mut below_all, mut below_kept, mut sum, mut largest) = (0, 0, 0.0, 0.0_f64);
    while below_all < all.len() || below_kept < kept.len() {
        let next = [all.get(below_all).copied(), kept.get(below_kept).map(|pair| pair.0)];
        let bound = next.into_iter().flatten().fold(f64::INFINITY, f64::min);
        while all.get(below_all).is_some_and(|value| *value <= bound) {
            below_all += 1;
        }
        while let Some((_, weight)) = kept.get(below_kept).filter(|(value, _)| *value <= bound) {
            sum += weight;
            below_kept += 1;
        }
        largest = largest.max((below_all as f64 / all.len() as f64 - sum / total).abs());
    }
    Some(largest.min(1.0))
}

/// A value that has its place in an order: NaN is the highest, and both zeros are one.
fn ordered(value: f64) -> f64 {
    if value.is_nan() { f64::INFINITY } else { value + 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(all: &[f64], kept: &[(f64, f64)]) -> Option<f64> {
        let kept: Vec<_> = kept.iter().filter(|(_, weight)| weight.is_finite() && *weight > 0.0).collect();
        let total: f64 = kept.iter().map(|(_, weight)| weight).sum();
        let value = |value: f64| if value.is_nan() { f64::INFINITY } else { value };
        let bounds = all.iter().copied().chain(kept.iter().map(|(value, _)| *value)).map(value);
        let distance = |bound: f64| {
            let below = all.iter().filter(|other| value(**other) <= bound).count() as f64 / all.len() as f64;
            let sum: f64 = kept.iter().filter(|pair| value(pair.0) <= bound).map(|pair| pair.1).sum();
            (below - sum / total).abs()
        };
        let is_empty = all.is_empty() || kept.is_empty();
        (!is_empty).then(|| bounds.map(distance).fold(0.0, f64::max))
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![8 => (0u8..8).prop_map(f64::from), 1 => Just(f64::NAN), 1 => Just(-0.0), 1 => Just(f64::NEG_INFINITY)]
    }

    proptest! {
        #[test]
        fn the_distance_is_the_largest_over_every_bound(
            all in proptest::collection::vec(value(), 0..30),
            kept in proptest::collection::vec((value(), prop_oneof![0.5f64..9.0, Just(0.0), Just(f64::NAN)]), 0..30),
        ) {
            match (weighted_ks(&all, &kept), naive(&all, &kept)) {
                (Some(ours), Some(naive)) => prop_assert!((ours - naive).abs() < 1e-9, "{ours} {naive}"),
                (ours, naive) => prop_assert_eq!(ours, naive),
            }
        }

        #[test]
        fn weights_stand_for_copies(values in proptest::collection::vec((0u8..9, 1u8..5), 1..20)) {
            let all: Vec<f64> = (0..9).map(f64::from).collect();
            let weighted: Vec<_> = values.iter().map(|(value, times)| (f64::from(*value), f64::from(*times))).collect();
            let copied: Vec<f64> = values
                .iter()
                .flat_map(|(value, times)| std::iter::repeat_n(f64::from(*value), usize::from(*times)))
                .collect();
            let (weighted, copied) = (weighted_ks(&all, &weighted).unwrap(), ks(&all, &copied).unwrap());
            prop_assert!((weighted - copied).abs() < 1e-9);
        }
    }

    #[test]
    fn the_same_values_are_at_no_distance_and_apart_ones_at_one() {
        assert_eq!(ks(&[1.0, 2.0, 3.0], &[3.0, 1.0, 2.0]), Some(0.0));
        assert_eq!(ks(&[1.0, 2.0], &[3.0]), Some(1.0));
        assert_eq!(ks(&[], &[3.0]), None);
        assert_eq!(weighted_ks(&[1.0], &[(1.0, 0.0)]), None);
        assert_eq!(ks(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0]), Some(0.5));
    }
}
