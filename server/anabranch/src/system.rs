//! The real clock and the real source of ids: the one place that asks the system for either.

use std::time::{SystemTime, UNIX_EPOCH};

use anabranch_types::{Clock, IdSource};

/// The system's clock.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the real clock that everything else is given")]
    fn now_ms(&self) -> i64 {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The system's random numbers.
#[derive(Debug)]
pub(crate) struct SystemIds;

impl IdSource for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is the real source that everything else is given")]
    fn fill(&self, target: &mut [u8]) {
        use rand::RngCore;
        rand::rng().fill_bytes(target);
    }
}
