//! A clock and a source of ids that tests turn by hand.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::{Clock, IdSource};

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now_ms`.
    pub fn at(now_ms: i64) -> Self {
        ManualClock(AtomicI64::new(now_ms))
    }

    /// Moves the clock by `by_ms`.
    pub fn advance(&self, by_ms: i64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A source whose ids follow from its seed.
#[derive(Debug)]
pub struct SeededIds {
    seed: u64,
    next: AtomicU64,
}

impl SeededIds {
    /// The source for `seed`.
    pub fn new(seed: u64) -> Self {
        SeededIds { seed, next: AtomicU64::new(0) }
    }
}

impl IdSource for SeededIds {
    fn fill(&self, target: &mut [u8]) {
        let ordinal = self.next.fetch_add(1, Ordering::SeqCst);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(&ordinal.to_le_bytes());
        hasher.finalize_xof().fill(target);
    }
}
