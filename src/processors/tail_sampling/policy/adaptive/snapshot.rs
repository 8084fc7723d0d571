//! What a controller knows as bytes, for the next run: levels as parts of their depth, so that a
//! changed budget means no windfall and no debt. Repeats of reasons are not worth keeping.

use super::controller::Controller;
use crate::sampling::ScoreQuantile;

/// First byte of the section.
const VERSION: u8 = 1;
/// What stands for the zeros among buckets.
const ZEROS: u16 = u16::MAX;
/// Entries of a histogram that are read at most.
const ENTRIES_MAX: u16 = 1_024;
/// Numbers before the histograms.
const NUMBERS: usize = 10;

/// Why saved bytes were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by another version.
    #[error("a saved budget has version {0}; this build reads version 1")]
    Version(u8),
    /// Fewer bytes than announced.
    #[error("a saved budget is cut short")]
    Short,
}

/// What is read before anything changes.
struct Saved {
    numbers: [f64; NUMBERS],
    histograms: [Vec<(Option<u16>, f64)>; 2],
}

impl Controller {
    /// Adds what was learned to `out`.
    pub fn save(&self, out: &mut Vec<u8>) {
        let part = |level: f64, depth: f64| if depth > 0.0 { level / depth } else { 0.0 };
        let [fast, slow] = [self.fast.sums(), self.slow.sums()];
        let numbers: [f64; NUMBERS] = [
            self.known_age(),
            part(self.bank.balance(), self.bank.depth()),
            part(self.errors.balance(), self.errors.depth()),
            part(self.cold.spent(), self.plan.income),
            fast[0],
            fast[1],
            fast[2],
            slow[0],
            slow[1],
            slow[2],
        ];
        out.push(VERSION);
        numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
        for histogram in [&self.scores, &self.durations] {
            let entries: Vec<_> = histogram.entries().collect();
            out.extend((entries.len() as u16).to_le_bytes());
            for (bucket, count) in entries {
                out.extend(bucket.unwrap_or(ZEROS).to_le_bytes());
                out.extend((count as f32).to_le_bytes());
            }
        }
    }

    /// Goes on from what [`Controller::save`] wrote; best before the first trace.
    ///
    /// # Errors
    /// When the bytes are cut short or of another version; then nothing changes.
    pub fn load(&mut self, mut bytes: &[u8]) -> Result<(), SnapshotError> {
        let saved = Saved::read(&mut bytes)?;
        let [age, bank, errors, cold, fast @ .., slow0, slow1, slow2] = saved.numbers;
        let sane = |number: f64, low: f64, high: f64| if number.is_finite() { number.clamp(low, high) } else { 0.0 };
        self.fast.restore(fast);
        self.slow.restore([slow0, slow1, slow2]);
        for (histogram, entries) in [&mut self.scores, &mut self.durations].into_iter().zip(saved.histograms) {
            merge(histogram, &entries);
        }
        self.resume(sane(age, 0.0, 1e12), [sane(bank, -1.0, 1.0), sane(errors, -1.0, 1.0)], sane(cold, 0.0, 1e9));
        Ok(())
    }
}

fn merge(histogram: &mut ScoreQuantile, entries: &[(Option<u16>, f64)]) {
    entries.iter().for_each(|(bucket, count)| histogram.merge(*bucket, *count));
}

impl Saved {
    fn read(bytes: &mut &[u8]) -> Result<Self, SnapshotError> {
        let [version] = take(bytes)?;
        if version != VERSION {
            return Err(SnapshotError::Version(version));
        }
        let mut numbers = [0.0; NUMBERS];
        for number in &mut numbers {
            *number = f64::from_le_bytes(take(bytes)?);
        }
        Ok(Self { numbers, histograms: [read_entries(bytes)?, read_entries(bytes)?] })
    }
}

fn read_entries(bytes: &mut &[u8]) -> Result<Vec<(Option<u16>, f64)>, SnapshotError> {
    let count = u16::from_le_bytes(take(bytes)?);
    if count > ENTRIES_MAX {
        return Err(SnapshotError::Short);
    }
    (0..count)
        .map(|_| {
            let bucket = u16::from_le_bytes(take(bytes)?);
            let count = f64::from(f32::from_le_bytes(take(bytes)?));
            Ok(((bucket != ZEROS).then_some(bucket), count))
        })
        .collect()
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], SnapshotError> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(SnapshotError::Short)?;
    *bytes = rest;
    Ok(*head)
}
