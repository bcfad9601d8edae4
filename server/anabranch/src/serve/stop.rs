//! How a server ends: first it takes nothing new, then it ends what still goes on.

use tokio_util::sync::CancellationToken;

/// The two moments of an end, seen by everything that serves.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    /// No new connections and requests; those that have begun go on.
    pub(super) draining: CancellationToken,
    /// What still goes on ends with an error.
    pub(super) ended: CancellationToken,
}
