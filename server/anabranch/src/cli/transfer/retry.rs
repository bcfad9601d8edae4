//! Which failures are tried again, and when.

use std::future::Future;
use std::time::Duration;

use reqwest::StatusCode;

use crate::cli::client::Refused;

/// The waits between tries.
const WAITS: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(4)];

/// Tries again what may go well the next time.
pub(super) async fn retry<T, F>(attempt: impl Fn() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    retry_after(&WAITS, attempt).await
}

async fn retry_after<T, F>(waits: &[Duration], attempt: impl Fn() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    for wait in waits {
        match attempt().await {
            Err(error) if is_transient(&error) => tokio::time::sleep(*wait).await,
            ended => return ended,
        }
    }
    attempt().await
}

/// Broken connections, and what a server answers when it is overloaded or about to stop.
fn is_transient(error: &anyhow::Error) -> bool {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return matches!(
            refused.status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
    }
    let is_network = |error: &reqwest::Error| !error.is_builder() && !error.is_status();
    error.chain().any(|cause| cause.downcast_ref::<reqwest::Error>().is_some_and(is_network))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn tries(status: StatusCode) -> u32 {
        let count = AtomicU32::new(0);
        let attempt = || {
            count.fetch_add(1, Ordering::SeqCst);
            let refused = Refused { status, message: String::new() };
            std::future::ready(Err::<(), _>(anyhow::Error::new(refused)))
        };
        assert!(retry_after(&[Duration::ZERO; 3], attempt).await.is_err());
        count.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn only_what_may_pass_is_tried_again() {
        assert_eq!(tries(StatusCode::SERVICE_UNAVAILABLE).await, 4);
        assert_eq!(tries(StatusCode::FORBIDDEN).await, 1);
        assert_eq!(tries(StatusCode::INTERNAL_SERVER_ERROR).await, 1);
    }
}
