//! `log`: what a plugin says.

use crate::bindings::log::{Host, Level};
use crate::limits::Limit;
use crate::state::CallState;

impl Host for CallState {
    async fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let name = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        self.words.say(name, &message);
        self.spend(Limit::LogLines, 1)?;
        Ok(self.spend(Limit::LogBytes, message.len() as u64)?)
    }

    // Nobody is shown it yet.
    async fn progress(&mut self, _done: u64, _total: u64) -> wasmtime::Result<()> {
        Ok(())
    }
}
