//! What a storage cannot do now is tried again beneath the plugin, whose answer must not depend on the weather.
//!
//! A storage repeats its own requests first, for seconds. This goes on where it gives up: a call that has run for an hour
//! would begin anew otherwise. The call's wall clock bounds it too, because it runs within the time of the call.

use std::time::Duration;

use anabranch_merge::ViewError;

/// How often something is tried at most.
const TRIES_MAX: u32 = 8;
/// The pause before the second try; it doubles up to the other one.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Tries `attempt` until it succeeds, fails for good, or has failed often enough.
pub(crate) async fn patiently<T, F>(attempt: impl Fn() -> F) -> Result<T, ViewError>
where
    F: Future<Output = Result<T, ViewError>>,
{
    let mut pause = PAUSE_FIRST;
    for _ in 1..TRIES_MAX {
        match attempt().await {
            Err(error) if error.is_temporary() => {
                tracing::warn!(%error, pause_ms = pause.as_millis(), "a plugin's call waits for the storage");
            }
            ended => return ended,
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
    attempt().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn error(temporary: bool) -> ViewError {
        ViewError::Storage { path: "p".into(), side: "main".into(), message: "503".into(), temporary }
    }

    /// How something ends that fails so often, with how many tries and after how long.
    async fn ended(failures: u32, temporary: bool) -> (bool, u32, Duration) {
        let (tries, begun) = (Cell::new(0), tokio::time::Instant::now());
        let attempt = || async {
            tries.set(tries.get() + 1);
            if tries.get() <= failures { Err(error(temporary)) } else { Ok(()) }
        };
        let succeeded = patiently(attempt).await.is_ok();
        (succeeded, tries.get(), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_now_is_asked_again_for_a_while() {
        assert_eq!(ended(0, true).await, (true, 1, Duration::ZERO));
        assert_eq!(ended(2, true).await, (true, 3, Duration::from_millis(300)));
        let (succeeded, tries, waited) = ended(u32::MAX, true).await;
        assert_eq!((succeeded, tries), (false, TRIES_MAX));
        assert!(waited < Duration::from_secs(30), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_succeed_is_not_tried_again() {
        assert_eq!(ended(1, false).await, (false, 1, Duration::ZERO));
    }
}
