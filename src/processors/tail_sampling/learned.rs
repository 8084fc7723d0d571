//! What a sampler has learned as bytes, for the next run: what its operations do, and how its
//! adaptive policies stand with their budgets. Knows nothing of files.
//!
//! Layout: 4 bytes `TWLS`, a version, then sections of a length of 4 bytes and so many bytes:
//! the baselines, and for each adaptive policy its name and its budget.

use std::sync::Arc;

use super::config::Config;
use super::detector::Baselines;
use super::policy::{PolicyConfig, adaptive};
use crate::model::Now;
use crate::pipeline::Learned;

const MAGIC: &[u8; 4] = b"TWLS";
const VERSION: u8 = 1;

/// See the module.
pub(super) struct SamplerState {
    baselines: Arc<Baselines>,
    budgets: Vec<(String, adaptive::Config)>,
}

impl SamplerState {
    /// The state that the shards of a sampler share. `config` is the one that they are built from.
    pub(super) fn of(config: &Config, baselines: Arc<Baselines>) -> Self {
        let budgets = config.policies.iter().flat_map(PolicyConfig::adaptives);
        let budgets = budgets.map(|(name, config)| (name.to_owned(), config.clone())).collect();
        Self { baselines, budgets }
    }
}

impl Learned for SamplerState {
    fn save(&self, now: Now) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        put(&mut out, &self.baselines.save(now.wall));
        for (name, config) in &self.budgets {
            let mut budget = Vec::new();
            config.budget().save(config, &mut budget);
            put(&mut out, name.as_bytes());
            put(&mut out, &budget);
        }
        out
    }

    fn load(&self, bytes: &[u8], now: Now) -> Result<(), String> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin as learned state does")?;
        let (version, rest) = rest.split_first().ok_or("it is cut short")?;
        if *version != VERSION {
            return Err(format!("it has version {version}; this build reads version {VERSION}"));
        }
        let mut sections = Vec::new();
        let mut rest = rest;
        while !rest.is_empty() {
            sections.push(take(&mut rest).ok_or("it is cut short")?);
        }
        let (baselines, budgets) = sections.split_first().ok_or("it is cut short")?;
        self.baselines.load(baselines, now.wall).map_err(|error| error.to_string())?;
        for pair in budgets.chunks_exact(2) {
            // A policy that is no longer there has no use for its budget.
            let known = self.budgets.iter().find(|(name, _)| name.as_bytes() == pair[0]);
            if let Some((name, config)) = known {
                let loaded = config.budget().load(config, pair[1]);
                loaded.map_err(|error| format!("policy {name:?}: {error}"))?;
            }
        }
        Ok(())
    }
}

fn put(out: &mut Vec<u8>, section: &[u8]) {
    // No section comes near 4 GiB: both are bounded by their options.
    out.extend_from_slice(&(section.len() as u32).to_le_bytes());
    out.extend_from_slice(section);
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if after.len() < length {
        return None;
    }
    let (section, after) = after.split_at(length);
    *rest = after;
    Some(section)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::super::policy::PolicyKind;
    use super::*;

    fn state(names: &[&str]) -> SamplerState {
        let policy = |name: &&str| PolicyConfig {
            name: (*name).to_owned(),
            kind: PolicyKind::Adaptive(adaptive::Config::default()),
        };
        let config = Config { policies: names.iter().map(policy).collect(), ..Config::default() };
        let baselines = config.baselines(NonZeroUsize::MIN);
        SamplerState::of(&config, baselines)
    }

    #[test]
    fn what_was_saved_is_taken_by_name() {
        let saved = state(&["a", "b"]).save(Now::default());
        assert_eq!(state(&["b", "new"]).load(&saved, Now::default()), Ok(()));
        assert_eq!(state(&[]).load(&saved, Now::default()), Ok(()));
    }

    #[test]
    fn damage_is_an_error_wherever_it_is() {
        let saved = state(&["a"]).save(Now::default());
        for length in 0..saved.len() {
            // Between two sections the end is a clean one.
            let budgets = 5 + 4 + u32::from_le_bytes(saved[5..9].try_into().unwrap()) as usize;
            if [budgets, budgets + 5].contains(&length) {
                continue;
            }
            assert!(state(&["a"]).load(&saved[..length], Now::default()).is_err(), "cut at {length}");
        }
        for at in 0..5 {
            let mut damaged = saved.clone();
            damaged[at] ^= 1;
            assert!(state(&["a"]).load(&damaged, Now::default()).is_err(), "byte {at}");
        }
    }
}
