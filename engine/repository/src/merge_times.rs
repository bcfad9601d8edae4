//! When the mergers of a merge are told that it happens.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How long the same merge keeps its time.
const LIFETIME_MS: i64 = 10 * 60 * 1_000;
/// Of how many merges the time is known.
const MERGES_MAX: usize = 1_000;

/// The times of the merges that were computed last, by the seed of their trees: a preview, the merge that follows it and
/// the session that decides its conflicts are one merge to a merger, which then has the same inputs and may answer with what
/// it answered before. Another server, or this one after a restart, tells another time, which costs a run and nothing else.
#[derive(Debug, Default)]
pub(crate) struct MergeTimes(Mutex<VecDeque<([u8; 32], i64)>>);

impl MergeTimes {
    /// The time of the merge with this seed, which is now unless it was computed a short while ago.
    pub(crate) fn of(&self, seed: [u8; 32], now_ms: i64) -> i64 {
        // No change is left half done.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back is no reason to merge in the future.
        let holds = |time_ms: i64| time_ms <= now_ms && now_ms.saturating_sub(time_ms) < LIFETIME_MS;
        while known.front().is_some_and(|(_, time_ms)| !holds(*time_ms)) {
            known.pop_front();
        }
        if let Some((_, time_ms)) = known.iter().find(|(known, time_ms)| *known == seed && holds(*time_ms)) {
            return *time_ms;
        }
        if known.len() >= MERGES_MAX {
            known.pop_front();
        }
        known.push_back((seed, now_ms));
        now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_keeps_its_time_for_a_while() {
        let times = MergeTimes::default();
        assert_eq!(times.of([1; 32], 1_000), 1_000);
        assert_eq!(times.of([2; 32], 2_000), 2_000);
        assert_eq!(times.of([1; 32], 999 + LIFETIME_MS), 1_000);
        assert_eq!(times.of([1; 32], 1_000 + LIFETIME_MS), 1_000 + LIFETIME_MS);
        assert_eq!(times.of([2; 32], 1_500), 1_500, "the clock was set back");
    }

    #[test]
    fn few_are_known() {
        let times = MergeTimes::default();
        let seed = |merge: usize| *blake3::hash(&merge.to_le_bytes()).as_bytes();
        for merge in 0..2 * MERGES_MAX {
            times.of(seed(merge), 0);
        }
        assert_eq!(times.0.lock().unwrap().len(), MERGES_MAX);
        assert_eq!(times.of(seed(0), 5), 5);
        assert_eq!(times.of(seed(2 * MERGES_MAX - 1), 5), 0);
    }
}
