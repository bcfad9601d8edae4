//! Where plugins run that are not short: a few threads that stand behind all others of the server.
//!
//! Calls lend them to one another after each stretch (see `call`), so one that never ends holds up no other, and there are never more
//! threads than cores for them.

use std::num::NonZero;

use tokio::runtime::{Builder, Runtime};

use crate::error::PluginError;

/// Runs work behind everything else. Dropped, work that has not ended ends where it waits next.
pub(crate) struct Behind {
    /// Taken out when this is dropped.
    runtime: Option<Runtime>,
}

impl Behind {
    /// Starts the threads: one for each core but one.
    pub(crate) fn new() -> Result<Self, PluginError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let runtime = Builder::new_multi_thread()
            .worker_threads(cores.saturating_sub(1).max(1))
            .thread_name("plugin")
            .on_thread_start(crate::priority::yield_to_others)
            .build();
        let runtime = runtime.map_err(|error| PluginError::Runtime(error.to_string()))?;
        Ok(Behind { runtime: Some(runtime) })
    }

    /// Begins `work`. It goes on whether anybody waits for it or not.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            drop(runtime.spawn(work));
        }
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        // To wait for the threads would block one that answers requests.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
