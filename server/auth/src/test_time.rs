//! Runs futures in tests that never wait.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The value of a future that is ready at once.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("static keys never wait"),
    }
}
