//! `probabilistic`: keeps a share of the traces by a hash of their id, the same ones in every
//! Collector with the same salt: FNV-1a, 64 bits, over the salt and the 16 bytes of the id.
//!
//! With the gate `usetracestate` a trace in which some span's tracestate has `ot=rv` or `ot=th`
//! is decided by W3C's randomness instead, the first `rv` or else the id's, as samplers before
//! and after this one do.

use super::{Ballot, Policy, PolicyContext, TraceView, Verdict};
use crate::config::Section;
use crate::model::{Chance, Now, TraceId};
use crate::sampling::{Randomness, Threshold, TraceState};

const DEFAULT_SALT: &str = "default-hash-seed";
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// The keys of `probabilistic`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Hashed before the id; empty for the default.
    pub hash_salt: String,
    /// 0 to 100; what is beyond counts as the nearer end.
    pub sampling_percentage: f64,
}

pub(super) fn decode(section: &mut Section<'_>, policy: &str) -> Config {
    let sampling_percentage = section.float("sampling_percentage", 0.0);
    if sampling_percentage.is_nan() {
        section.error(
            "sampling_percentage",
            format!("policy {policy:?}: sampling_percentage is not a number; write 0 to 100"),
        );
    }
    Config { hash_salt: section.string("hash_salt", ""), sampling_percentage }
}

/// Where an id stands among all ids, 0 to 1: kept are those below the percentage.
pub(in super::super) fn place(config: &Config, id: TraceId) -> f64 {
    fnv1a(salted(config), &id.0) as f64 / u64::MAX as f64
}

/// See the module.
pub struct Probabilistic {
    /// The hash after the salt.
    salted: u64,
    threshold: u64,
    /// With `usetracestate`: what W3C's randomness is compared with.
    consistent: Option<Threshold>,
}

impl Probabilistic {
    /// Keeps the share of the config.
    pub fn new(config: &Config, context: &PolicyContext) -> Self {
        let ratio = config.sampling_percentage / 100.0;
        Self {
            salted: salted(config),
            threshold: threshold(ratio),
            consistent: context.uses_trace_state.then(|| nearest(ratio)),
        }
    }

    fn keeps(&self, id: TraceId) -> bool {
        fnv1a(self.salted, &id.0) <= self.threshold
    }
}

impl Policy for Probabilistic {
    fn evaluate(&mut self, trace: &TraceView<'_>, ballot: &mut Ballot, _: Now) -> Verdict {
        let Some(threshold) = self.consistent else {
            // The share is known, but not the one that the W3C randomness of the trace would give.
            ballot.chance = Chance::Unknown;
            return Verdict::kept_if(self.keeps(trace.id()));
        };
        ballot.chance = match threshold {
            Threshold::ALWAYS => Chance::Certain,
            Threshold::NEVER => Chance::Unknown,
            _ => Chance::Threshold(threshold.rejected()),
        };
        Verdict::kept_if(match randomness(trace) {
            Some(randomness) => threshold.keeps(randomness),
            None => self.keeps(trace.id()),
        })
    }
}

/// What W3C samplers decide the trace by; nothing where no span speaks of sampling.
fn randomness(trace: &TraceView<'_>) -> Option<Randomness> {
    let mut was_sampled = false;
    for span in trace.spans() {
        let text = span.trace_state();
        let Ok(state) = TraceState::parse(text.as_bytes()) else { continue };
        if state.randomness().is_some() {
            return state.randomness();
        }
        was_sampled |= state.threshold().is_some();
    }
    was_sampled.then(|| Randomness::from_trace_id(trace.id()))
}

/// The threshold of a ratio; the nearer end for what no threshold stands for.
fn nearest(ratio: f64) -> Threshold {
    let end = if ratio >= 1.0 { Threshold::ALWAYS } else { Threshold::NEVER };
    Threshold::from_probability(ratio).unwrap_or(end)
}

/// The hash after the salt.
fn salted(config: &Config) -> u64 {
    let salt = if config.hash_salt.is_empty() { DEFAULT_SALT } else { &config.hash_salt };
    fnv1a(FNV_OFFSET, salt.as_bytes())
}

fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// `ratio` of the largest 64-bit number: the product is rounded to 64 significant bits (to even),
/// then cut to a whole number, as Go's `big.Float` does it.
fn threshold(ratio: f64) -> u64 {
    if ratio.is_nan() || ratio <= 0.0 {
        return 0;
    }
    if ratio >= 1.0 {
        return u64::MAX;
    }
    let bits = ratio.to_bits();
    let exponent = (bits >> 52) as i32;
    if exponent == 0 {
        return 0;
    }
    let mantissa = (bits & ((1 << 52) - 1)) | 1 << 52;
    // ratio = mantissa * 2^-shift
    let shift = (1_075 - exponent).cast_unsigned();
    let product = u128::from(mantissa) * u128::from(u64::MAX);
    let excess = (u128::BITS - product.leading_zeros()).saturating_sub(64);
    let half = 1_u128 << (excess - 1);
    let rest = product & ((1 << excess) - 1);
    let mut rounded = product >> excess;
    if rest > half || (rest == half && rounded & 1 == 1) {
        rounded += 1;
    }
    // Below 1 the number has shift > excess bits too many.
    let number = rounded.checked_shr(shift - excess).unwrap_or(0);
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a_of_64_bits() {
        // Vectors of the authors of FNV.
        for (text, hash) in [("", FNV_OFFSET), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)] {
            assert_eq!(fnv1a(FNV_OFFSET, text.as_bytes()), hash, "{text:?}");
        }
    }

    #[test]
    fn thresholds_are_those_of_64_bit_precision() {
        assert_eq!(threshold(0.5), u64::MAX / 2);
        assert_eq!(threshold(0.25), u64::MAX / 4);
        assert_eq!(threshold(1.0), u64::MAX);
        assert_eq!(threshold(1.5), u64::MAX);
        assert_eq!(threshold(0.0), 0);
        assert_eq!(threshold(-1.0), 0);
        assert_eq!(threshold(f64::MIN_POSITIVE), 0);
        // 0.08 is 5764607523034235 * 2^-56; by hand in whole numbers.
        assert_eq!(threshold(0.08), 1_475_739_525_896_764_159);
    }

    #[test]
    fn a_share_of_ids_is_kept() {
        let policy = Probabilistic::new(
            &Config { hash_salt: String::new(), sampling_percentage: 8.0 },
            &PolicyContext::default(),
        );
        // FNV hardly mixes its last bytes into the top bits, so ids must be random, as they are.
        let id = |number: u128| number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let kept = (0..100_000_u128).filter(|number| policy.keeps(TraceId(id(*number).to_be_bytes()))).count();
        assert!((7_000..9_000).contains(&kept), "{kept}");
    }
}
