//! Rejection thresholds of 56 bits: how many of 2^56 randomness values a sampler drops
//! (OTEP 235). Probabilities are rounded as the Collector's samplers round them, so that the
//! text written here is the text that they write.

use std::fmt;

use super::Randomness;
use super::hex::{self, DIGITS_MAX, HexDigits, HexError};

/// How many values a randomness has: 2^56, exact in an `f64`.
const RANGE: u64 = 1 << 56;

/// How many of 2^56 randomness values are dropped. Greater thresholds keep less.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u64);

/// A probability that no threshold stands for: not a number, above 1, or below 2^-56.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("a sampling probability is {0}; it must be 2^-56 to 1")]
pub struct ProbabilityError(pub f64);

/// Whether a trace of this randomness is kept at this threshold.
pub const fn keeps(randomness: Randomness, threshold: Threshold) -> bool {
    threshold.keeps(randomness)
}

impl Threshold {
    /// Keeps everything.
    pub const ALWAYS: Self = Self(0);
    /// Keeps nothing; it has no text.
    pub const NEVER: Self = Self(RANGE);
    /// The smallest probability that is not zero: 2^-56.
    pub const PROBABILITY_MIN: f64 = 1.0 / RANGE as f64;

    /// The threshold that drops so many of 2^56; all, when the number is above that.
    pub const fn from_rejected(rejected: u64) -> Self {
        if rejected > RANGE { Self::NEVER } else { Self(rejected) }
    }

    /// The threshold next to a probability, in all 56 bits.
    ///
    /// # Errors
    /// When the probability is not 2^-56 to 1.
    pub fn from_probability(probability: f64) -> Result<Self, ProbabilityError> {
        Self::with_precision(probability, DIGITS_MAX as u8)
    }

    /// The threshold next to a probability, rounded to so many hex digits; 0, and what is above
    /// 14, stand for all 14. Digits that lead with `0` or `f` are given on top, so that the
    /// relative error stays what the precision promises at both ends.
    ///
    /// # Errors
    /// When the probability is not 2^-56 to 1.
    pub fn with_precision(probability: f64, precision: u8) -> Result<Self, ProbabilityError> {
        if !(Self::PROBABILITY_MIN..=1.0).contains(&probability) {
            return Err(ProbabilityError(probability));
        }
        // Not a loss: probability * 2^56 is exact, and at most 2^56.
        let rejected = RANGE - (probability * RANGE as f64).round() as u64;
        let asked = if precision == 0 { DIGITS_MAX as u32 } else { precision.into() };
        let leading = leading_digits(probability).max(leading_digits(1.0 - probability));
        let digits = (asked + leading).min(DIGITS_MAX as u32);
        let shift = 4 * (DIGITS_MAX as u32 - digits);
        if shift == 0 {
            return Ok(Self(rejected));
        }
        Ok(Self((rejected + (1 << (shift - 1))) >> shift << shift))
    }

    /// Reads `th`: 1 to 14 hex digits in any case, to which zeros are added at the end.
    ///
    /// # Errors
    /// When there are none or too many, or one is no hex digit.
    pub fn parse(text: &[u8]) -> Result<Self, HexError> {
        match text.len() {
            0 => Err(HexError::Empty),
            length @ 1..=DIGITS_MAX => hex::number(text).map(|number| Self(number << (4 * (DIGITS_MAX - length)))),
            length => Err(HexError::TooLong(length)),
        }
    }

    /// How many of 2^56 randomness values are dropped.
    pub const fn rejected(self) -> u64 {
        self.0
    }

    /// The share that is kept: 0 to 1.
    pub fn probability(self) -> f64 {
        (RANGE - self.0) as f64 / RANGE as f64
    }

    /// How many traces a kept one stands for: 1 / probability, and 0 where nothing is kept.
    pub fn adjusted_count(self) -> f64 {
        if self == Self::NEVER { 0.0 } else { 1.0 / self.probability() }
    }

    /// Whether a trace of this randomness is kept.
    pub const fn keeps(self, randomness: Randomness) -> bool {
        self.0 <= randomness.bits()
    }

    /// The text of `th`: trailing zeros cut, `0` for `ALWAYS`, empty for `NEVER`.
    pub fn digits(self) -> HexDigits {
        if self == Self::NEVER { HexDigits::none() } else { HexDigits::trimmed(self.0) }
    }
}

/// How many hex digits of a fraction in 0..=1 are zero before its first other one.
fn leading_digits(fraction: f64) -> u32 {
    if fraction <= 0.0 {
        return 0;
    }
    // fraction = m * 2^-halvings with m in 0.5..1
    let halvings = 1_022_i32 - ((fraction.to_bits() >> 52) as i32);
    (halvings.max(0) / 4).cast_unsigned()
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.digits(), f)
    }
}

impl fmt::Debug for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER { f.write_str("never") } else { fmt::Display::fmt(self, f) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(probability: f64, precision: u8) -> String {
        Threshold::with_precision(probability, precision).unwrap().to_string()
    }

    /// 2^-bits.
    fn unit(bits: i32) -> f64 {
        2_f64.powi(-bits)
    }

    #[test]
    fn thirds_are_written_as_the_collector_writes_them() {
        assert_eq!([1.0, 2.0, 3.0].map(|dividend| text(dividend / 3.0, 3)), ["aab", "555", "0"]);
        assert_eq!(text(1.0 / 3.0, 14), "aaaaaaaaaaaaac");
    }

    #[test]
    fn neighbours_of_round_probabilities_have_the_collectors_text() {
        let below = |probability: f64| {
            let mut next = probability;
            std::array::from_fn(|_| {
                let this = next;
                next = this.next_down();
                text(this, 14)
            })
        };
        assert_eq!(below(15.0 / 16.0), ["1", "10000000000008", "1000000000001", "10000000000018"]);
        assert_eq!(below(8.0 / 16.0), ["8", "80000000000004", "80000000000008", "8000000000000c"]);
        assert_eq!(below(4.0 / 16.0), ["c", "c0000000000002", "c0000000000004", "c0000000000006"]);
        assert_eq!(below(2.0 / 16.0), ["e", "e0000000000001", "e0000000000002", "e0000000000003"]);
        assert_eq!(below(1.0 / 16.0), ["f", "f", "f0000000000001", "f0000000000001"]);
    }

    #[test]
    fn the_smallest_probabilities_keep_their_digits_at_low_precision() {
        let texts = [1.0, 2.0, 3.0, 4.0, 8.0, 16.0].map(|count| text(count * unit(56), 3));
        let expected = ["ffffffffffffff", "fffffffffffffe", "fffffffffffffd", "fffffffffffffc", "fffffffffffff8"];
        assert_eq!(texts[..5], expected);
        assert_eq!(texts[5], "fffffffffffff");
    }

    #[test]
    fn precision_rounds_to_the_next_digit_and_gives_leading_zeros_on_top() {
        let cases: [(f64, &str, &[&str]); 6] = [
            (1.0 - 0x0456_789a as f64 * unit(28), "456789a", &["45678a", "45679", "4568", "456", "45", "4"]),
            (
                1.0 - 0x0456_789a as f64 * unit(40),
                "000456789a",
                &["00045678a", "00045679", "0004568", "000456", "00045", "0004"],
            ),
            (
                1.0 - 0x0007_89ab_cdef_u64 as f64 * unit(40),
                "0789abcdef",
                &["0789abcdef", "0789abcdf", "0789abce", "0789abd", "0789ac", "0789b", "078a", "079", "08"],
            ),
            (
                1.0 - 0x1234_5678 as f64 * unit(32),
                "12345678",
                &["1234568", "123456", "12345", "1234", "123", "12", "1"],
            ),
            (1.0 - 0x0008_0801 as f64 * unit(28), "0080801", &["00808", "008"]),
            (1.0, "0", &["0"]),
        ];
        for (probability, exact, rounded) in cases {
            assert_eq!(text(probability, 14), exact);
            for round in rounded {
                let precision = round.trim_start_matches('0').len() as u8;
                assert_eq!(text(probability, precision), *round, "{exact}");
            }
        }
    }

    #[test]
    fn probabilities_out_of_range_are_refused() {
        for probability in [0.0, -0.5, 1.0 + f64::EPSILON, unit(57), f64::NAN, f64::INFINITY] {
            assert!(Threshold::from_probability(probability).is_err(), "{probability}");
        }
        assert!(Threshold::from_probability(unit(56)).is_ok());
    }

    #[test]
    fn adjusted_counts_are_those_of_the_threshold() {
        for (digits, count) in [("c", 4.0), ("8", 2.0), ("0", 1.0), ("f", 16.0), ("ffffffffffffff", 2_f64.powi(56))] {
            assert_eq!(Threshold::parse(digits.as_bytes()).unwrap().adjusted_count(), count);
        }
        assert_eq!(Threshold::NEVER.adjusted_count(), 0.0);
    }

    #[test]
    fn th_has_1_to_14_digits() {
        assert_eq!(Threshold::parse(b"1000").unwrap().to_string(), "1");
        assert_eq!(Threshold::parse(b"AB").unwrap().to_string(), "ab");
        assert_eq!(Threshold::parse(b""), Err(HexError::Empty));
        assert_eq!(Threshold::parse(b"100000000000000"), Err(HexError::TooLong(15)));
        assert_eq!(Threshold::parse(b"14.5"), Err(HexError::Digit(2)));
        assert_eq!(Threshold::NEVER.to_string(), "");
    }

    #[test]
    fn the_ends_keep_all_and_nothing() {
        for bits in [0, 1, (1 << 56) - 1] {
            let randomness = Randomness::from_bits(bits);
            assert!(keeps(randomness, Threshold::ALWAYS) && !keeps(randomness, Threshold::NEVER));
        }
        assert_eq!(Threshold::from_rejected(u64::MAX), Threshold::NEVER);
    }

    proptest! {
        #[test]
        fn text_is_read_back_as_the_same_threshold(rejected in 0..1_u64 << 56) {
            let threshold = Threshold::from_rejected(rejected);
            prop_assert_eq!(Threshold::parse(threshold.digits().as_bytes()), Ok(threshold));
            let text = threshold.to_string();
            prop_assert!(text == "0" || !text.ends_with('0'));
        }

        #[test]
        fn a_smaller_probability_never_keeps_more(a in 1e-12..=1.0, b in 1e-12..=1.0, bits: u64, precision in 1_u8..=14) {
            let [small, large] = if a < b { [a, b] } else { [b, a] };
            let [small, large] = [small, large].map(|probability| Threshold::from_probability(probability).unwrap());
            prop_assert!(large <= small);
            let randomness = Randomness::from_bits(bits);
            prop_assert!(!small.keeps(randomness) || large.keeps(randomness));
            // The error of rounding is at most half a digit of what is asked, relative to the share.
            let rounded = Threshold::with_precision(a, precision).unwrap().probability();
            prop_assert!((rounded - a).abs() <= 16_f64.powi(1 - i32::from(precision)) * a.min(1.0 - a) + f64::EPSILON);
        }
    }
}
