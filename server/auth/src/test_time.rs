//! Runs futures in tests that never wait.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use anabranch_types::test_support::ManualClock;

use crate::{Authenticator, Keys, ServerKey};

/// The value of a future that is ready at once.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("static keys never wait"),
    }
}

/// Checks credentials against these keys at this time.
pub(crate) fn authenticator(keys: impl Keys + 'static, now_ms: i64) -> Authenticator {
    let server_key = ServerKey::parse(&"5e".repeat(32)).expect("64 digits");
    Authenticator::with_keys(Arc::new(keys), &server_key, Arc::new(ManualClock::at(now_ms)))
}
