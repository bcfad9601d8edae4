//! How long a call has: time in which it runs or waits for the host, not time in which it waits for a core.
//!
//! Plugins stand behind everything else (see `priority`), so on a busy machine a call waits long for each turn of a core. It must not
//! fail for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many times its own time a call may take altogether.
const STRETCH_MAX: u32 = 3;
/// More time than any call has; further ahead the clock has no names for times.
const OWN_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// When a call must have ended. Cheap to clone; all clones move together.
#[derive(Clone, Debug)]
pub(crate) struct Deadline(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    begun: Instant,
    /// What a call has of its own.
    own: Duration,
    /// How long it has waited for a core so far, in microseconds.
    starved: AtomicU64,
    /// How long it has waited for the host so far, in microseconds.
    waited: AtomicU64,
}

impl Deadline {
    /// That of a call which begins now.
    pub(crate) fn of(seconds: u64) -> Self {
        let own = Duration::from_secs(seconds).min(OWN_MAX);
        Deadline(Arc::new(Inner {
            begun: Instant::now(),
            own,
            starved: AtomicU64::new(0),
            waited: AtomicU64::new(0),
        }))
    }

    /// When that is, as far as is known now. It moves only while the plugin runs.
    pub(crate) fn at(&self) -> Instant {
        let starved = Duration::from_micros(self.0.starved.load(Ordering::Relaxed));
        let most = self.0.own.saturating_mul(STRETCH_MAX - 1);
        let time = self.0.own.saturating_add(starved.min(most));
        self.0.begun.checked_add(time).unwrap_or(self.0.begun)
    }

    /// Whether it is over.
    pub(crate) fn has_passed(&self) -> bool {
        Instant::now() >= self.at()
    }

    /// Counts `time`, in which the host looked for an answer. The host counts it, because what the thread waits for after that is a core.
    pub(crate) fn waited(&self, time: Duration) {
        self.0.waited.fetch_add(micros(time), Ordering::Relaxed);
    }

    /// So far it had a core for `cpu`. When it did not wait for the host, it waited for one.
    pub(crate) fn ran(&self, cpu: Duration) {
        self.ran_of(self.0.begun.elapsed(), cpu);
    }

    fn ran_of(&self, wall: Duration, cpu: Duration) {
        let waited = Duration::from_micros(self.0.waited.load(Ordering::Relaxed));
        let starved = wall.saturating_sub(cpu).saturating_sub(waited);
        // From all of the time, so that an answer that was counted late is put right by the next look.
        self.0.starved.store(micros(starved), Ordering::Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// How long the calling thread has had a core; nothing where the system does not tell.
pub(crate) fn cpu() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn time_without_a_core_is_given_back_and_time_with_the_host_is_not() {
        let deadline = Deadline::of(60);
        let end = deadline.at();
        deadline.ran_of(SECOND * 5, SECOND * 5);
        assert_eq!(deadline.at(), end, "it ran");
        deadline.waited(SECOND * 4);
        deadline.ran_of(SECOND * 10, SECOND * 6);
        assert_eq!(deadline.at(), end, "it waited for the host");
        deadline.waited(SECOND);
        deadline.clone().ran_of(SECOND * 20, SECOND * 8);
        assert_eq!(deadline.at(), end + SECOND * 7, "the host answered early, and the core came late");
        deadline.ran_of(SECOND * 25, SECOND * 8);
        deadline.waited(SECOND * 5);
        deadline.ran_of(SECOND * 25, SECOND * 8);
        assert_eq!(deadline.at(), end + SECOND * 7, "an answer was counted late");
        deadline.ran_of(SECOND, SECOND * 2);
        assert_eq!(deadline.at(), end, "clocks may disagree");
    }

    #[test]
    fn no_call_stretches_without_end() {
        let deadline = Deadline::of(60);
        let end = deadline.at();
        deadline.ran_of(SECOND * 100_000, Duration::ZERO);
        assert_eq!(deadline.at(), end + SECOND * 60 * (STRETCH_MAX - 1));
        deadline.ran_of(Duration::MAX, Duration::ZERO);
        assert!(deadline.at() <= end + SECOND * 60 * (STRETCH_MAX - 1), "it does not come round");
        assert!(Deadline::of(0).has_passed());
        assert!(!Deadline::of(u64::MAX).has_passed());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_computes_has_a_core() {
        let before = cpu().unwrap();
        let mut sum = 0_u64;
        while cpu().unwrap() - before < Duration::from_millis(2) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let deadline = Deadline::of(3_600);
        let end = deadline.at();
        deadline.ran(cpu().unwrap() - before);
        assert!(deadline.at() - end < SECOND);
    }
}
