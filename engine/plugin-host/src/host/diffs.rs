//! `diffs`: where a comparison goes.

use wasmtime::component::Resource;

use crate::bindings::diffs::{Change, Host, HostSink};
use crate::bindings::types::Wish;
use crate::convert;
use crate::handles::SinkHandle;
use crate::limits::Limit;
use crate::state::CallState;
use crate::stop::HostError;

impl Host for CallState {}

impl HostSink for CallState {
    /// Keeps as many changes as are shown, counts the rest, and asks for more until then.
    fn emit(&mut self, sink: Resource<SinkHandle>, changes: Vec<Change>) -> Result<Wish, HostError> {
        self.table.get(&sink)?;
        self.spend(Limit::Changes, changes.len() as u64)?;
        let room = self.made.changes_max.saturating_sub(self.made.changes.len());
        for change in changes.into_iter().take(room) {
            self.spend(Limit::KeptBytes, convert::change_bytes(&change))?;
            self.made.changes.push(change);
        }
        Ok(if self.made.changes.len() < self.made.changes_max { Wish::More } else { Wish::Enough })
    }

    fn drop(&mut self, sink: Resource<SinkHandle>) -> wasmtime::Result<()> {
        self.delete(sink).map(|_| ())
    }
}
