//! `output`: the result of a merge. Its new objects are in `writers.rs`.

use wasmtime::component::Resource;

use crate::bindings::output::{self, Host, HostResultTree};
use crate::bindings::types::{self, Attributes};
use crate::bridge::Side;
use crate::convert;
use crate::handles::{ObjectHandle, ResultHandle, StoredObject, WriterHandle};
use crate::limits::Limit;
use crate::result::{Carried, Op};
use crate::state::{CallState, KEPT_BYTES};
use crate::stop::{HostError, Stop};

impl Host for CallState {}

impl CallState {
    /// The id of the object that a value is an excerpt of.
    async fn shown_object(&mut self, value: &Option<types::Value>) -> Result<Option<String>, Stop> {
        let Some(types::Value::Excerpt(excerpt)) = value else { return Ok(None) };
        let entry = self.entry_of(convert::side(excerpt.side), &excerpt.path).await?;
        Ok(entry.map(|entry| convert::object_id(&entry)))
    }
}

impl HostResultTree for CallState {
    async fn create(&mut self, result: Resource<ResultHandle>) -> Result<Resource<WriterHandle>, HostError> {
        self.table.get(&result)?;
        Ok(self.create_object()?)
    }

    async fn put(
        &mut self,
        result: Resource<ResultHandle>,
        path: String,
        what: Resource<ObjectHandle>,
    ) -> Result<(), HostError> {
        self.table.get(&result)?;
        self.output_path(&path)?;
        let object = Box::new(self.table.get(&what)?.clone());
        self.made.ops.push(Op::Put { path, object, carried: Carried::ThreeWay });
        Ok(())
    }

    async fn put_with(
        &mut self,
        result: Resource<ResultHandle>,
        path: String,
        what: Resource<ObjectHandle>,
        carrying: Attributes,
    ) -> Result<(), HostError> {
        self.table.get(&result)?;
        self.output_path(&path)?;
        let carried = convert::carried(carrying, &path).map_err(Stop::Broken)?;
        self.spend(Limit::KeptBytes, convert::attribute_bytes(&carried))?;
        let object = Box::new(self.table.get(&what)?.clone());
        self.made.ops.push(Op::Put { path, object, carried: Carried::Given(carried) });
        Ok(())
    }

    async fn take(
        &mut self,
        result: Resource<ResultHandle>,
        path: String,
        source: types::Side,
    ) -> Result<(), HostError> {
        self.table.get(&result)?;
        self.spend(Limit::Edits, 1)?;
        self.spend(Limit::KeptBytes, KEPT_BYTES.saturating_add(path.len() as u64))?;
        let checked = crate::paths::check_prefix(&self.unit.root, self.unit.kind, &path);
        checked.map_err(|rule| Stop::Broken(format!("it took {rule}")))?;
        self.made.ops.push(Op::Take { path, side: convert::side(source) });
        Ok(())
    }

    async fn remove(&mut self, result: Resource<ResultHandle>, path: String) -> Result<(), HostError> {
        self.table.get(&result)?;
        self.output_path(&path)?;
        self.made.ops.push(Op::Remove { path });
        Ok(())
    }

    async fn conflict(
        &mut self,
        result: Resource<ResultHandle>,
        what: output::Conflict,
    ) -> Result<Option<output::Resolution>, HostError> {
        self.table.get(&result)?;
        self.spend(Limit::Conflicts, 1)?;
        self.spend(Limit::KeptBytes, convert::conflict_bytes(&what))?;
        let [base, ours, theirs] = [&what.base, &what.ours, &what.theirs];
        let objects = [
            self.shown_object(base).await?,
            self.shown_object(ours).await?,
            self.shown_object(theirs).await?,
        ];
        let conflict = convert::conflict(&self.unit, what, objects).map_err(Stop::Broken)?;
        let Some(decision) = self.decisions.about(&conflict.id()).cloned() else {
            self.made.conflicts.push(conflict);
            return Ok(None);
        };
        if !conflict.choices.iter().any(|choice| choice.id == decision.choice) {
            self.made.conflicts.push(conflict);
            return Ok(None);
        }
        let value = decision.value.map(|value| types::Value::Json(value.to_string()));
        let object = match decision.object {
            Some(entry) => {
                let path = conflict.path.clone();
                Some(self.push(ObjectHandle::Found(StoredObject { side: Side::Ours, path, entry }))?)
            }
            None => None,
        };
        Ok(Some(output::Resolution { choice: decision.choice, value, object }))
    }

    async fn drop(&mut self, result: Resource<ResultHandle>) -> wasmtime::Result<()> {
        self.delete(result).map(|_| ())
    }
}
