//! The rules that writes were last judged by. Every write asks for them, and they hardly ever change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_auth::Pattern;
use anabranch_refs::Partition;

/// How long rules are believed, in milliseconds: this long a rule that was set on another server may not hold here.
const LIFETIME_MS: i64 = 1_000;
const ENTRIES_MAX: usize = 10_000;

/// The rules of repositories, for a short time.
#[derive(Default)]
pub(crate) struct RulesCache(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// How often the cache was cleared. Rules that were read before the last time are not kept.
    generation: u64,
    rules: HashMap<Partition, (i64, Arc<[Pattern]>)>,
}

impl RulesCache {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        // No change is left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything: rules were changed on this server.
    pub(crate) fn clear(&self) {
        let mut entries = self.entries();
        entries.generation = entries.generation.wrapping_add(1);
        entries.rules.clear();
    }

    /// The rules, if they are young enough; else the generation to keep new ones under.
    pub(crate) fn get(&self, partition: &Partition, now_ms: i64) -> Result<Arc<[Pattern]>, u64> {
        let entries = self.entries();
        match entries.rules.get(partition) {
            Some((at_ms, rules)) if (0..LIFETIME_MS).contains(&now_ms.saturating_sub(*at_ms)) => {
                Ok(Arc::clone(rules))
            }
            _ => Err(entries.generation),
        }
    }

    pub(crate) fn keep(&self, partition: &Partition, asked_ms: i64, generation: u64, rules: &Arc<[Pattern]>) {
        let mut entries = self.entries();
        if entries.generation != generation {
            return;
        }
        if entries.rules.len() >= ENTRIES_MAX {
            entries.rules.retain(|_, (at_ms, _)| asked_ms.saturating_sub(*at_ms) < LIFETIME_MS);
        }
        if entries.rules.len() < ENTRIES_MAX {
            entries.rules.insert(partition.clone(), (asked_ms, Arc::clone(rules)));
        }
    }
}
