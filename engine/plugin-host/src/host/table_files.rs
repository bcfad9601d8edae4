//! `table-files`: no unit has files outside its branch yet, so no plugin ever holds a store of them.

use wasmtime::component::Resource;

use crate::bindings::table_files::{Host, HostTableStore};
use crate::handles::{ObjectHandle, TableStoreHandle, WriterHandle};
use crate::state::CallState;
use crate::stop::{HostError, Stop};

impl Host for CallState {}

impl HostTableStore for CallState {
    async fn location(&mut self, store: Resource<TableStoreHandle>) -> wasmtime::Result<String> {
        match *self.table.get(&store).map_err(Stop::from)? {}
    }

    async fn open(
        &mut self,
        store: Resource<TableStoreHandle>,
        _location: String,
    ) -> Result<Resource<ObjectHandle>, HostError> {
        match *self.table.get(&store)? {}
    }

    async fn create(
        &mut self,
        store: Resource<TableStoreHandle>,
        _location: String,
    ) -> Result<Resource<WriterHandle>, HostError> {
        match *self.table.get(&store)? {}
    }

    async fn drop(&mut self, store: Resource<TableStoreHandle>) -> wasmtime::Result<()> {
        self.delete(store).map(|_| ())
    }
}
