//! `diffs`: where a comparison goes.

use wasmtime::component::Resource;

use crate::bindings::diffs::{Change, Host, HostSink};
use crate::bindings::types::Wish;
use crate::handles::SinkHandle;
use crate::limits::Limit;
use crate::state::CallState;
use crate::stop::HostError;

impl Host for CallState {}

impl HostSink for CallState {
    /// Keeps the changes that are shown, and asks for more until it has them and knows whether there are others.
    async fn emit(&mut self, sink: Resource<SinkHandle>, changes: Vec<Change>) -> Result<Wish, HostError> {
        self.table.get(&sink)?;
        self.spend(Limit::Changes, changes.len() as u64)?;
        self.show(changes)?;
        Ok(if self.made.shown.more { Wish::Enough } else { Wish::More })
    }

    async fn drop(&mut self, sink: Resource<SinkHandle>) -> wasmtime::Result<()> {
        self.delete(sink).map(|_| ())
    }
}
