//! Brings a side's batches into the merged schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, LargeListArray, ListArray, MapArray, RecordBatch,
    RecordBatchOptions, StructArray, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;

use super::types::{ITEM, KEY, VALUE, parts};
use super::{FIELD_ID, join_path};
use crate::error::{During, Result};

const CAST: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// How a side's rows come into the merged schema: which of its columns each column is, nested ones included.
/// Columns that the side lacks are NULL, narrower types are widened.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Projection {
    /// From the path of a column in the result to its name on the side.
    names: BTreeMap<String, String>,
    /// The columns of the side that are read.
    columns: Vec<String>,
    /// Whether the names on the side are field ids.
    by_id: bool,
    rows: Option<SchemaRef>,
}

impl Projection {
    pub(super) fn new(names: &BTreeMap<String, String>, side: &Schema, rows: SchemaRef) -> Projection {
        let read = rows.fields().iter().filter_map(|field| names.get(&join_path("", field.name())));
        let columns = read.filter(|name| side.index_of(name).is_ok()).cloned().collect();
        Projection { names: names.clone(), columns, by_id: false, rows: Some(rows) }
    }

    /// The same for a side whose columns are found by their field ids, nested ones included, whatever they are called: the
    /// names that this projection has for the side are the ids.
    #[must_use]
    pub fn by_field_id(self) -> Projection {
        Projection { by_id: true, ..self }
    }

    /// The same for a side that calls its columns, not those within them, otherwise.
    #[must_use]
    pub fn renamed(self, name_of: impl Fn(&str) -> String) -> Projection {
        let top = |path: &str| !path.replace("..", "").contains('.');
        let names = self.names.iter();
        let names =
            names.map(|(path, name)| (path.clone(), if top(path) { name_of(name) } else { name.clone() }));
        let columns = self.columns.iter().map(|name| name_of(name)).collect();
        Projection { names: names.collect(), columns, ..self }
    }

    /// Whether the result needs a column of the side: a reader may leave out all others.
    pub fn reads(&self, column: &Field) -> bool {
        self.columns.iter().any(|name| self.is(column, name))
    }

    /// Whether the side cannot be read because its columns are found by ids and none has one.
    pub fn lacks_ids(&self, side: &Schema) -> bool {
        self.by_id && !side.fields().iter().any(|field| field.metadata().contains_key(FIELD_ID))
    }

    /// The name on the side of a column of the result; none, if the side lacks it or the name is not known.
    pub fn source_of(&self, column: &str) -> Option<&str> {
        self.names.get(&join_path("", column)).map(String::as_str).filter(|_| !self.by_id)
    }

    fn is(&self, field: &Field, name: &str) -> bool {
        match self.by_id {
            true => field.metadata().get(FIELD_ID).is_some_and(|id| id == name),
            false => field.name() == name,
        }
    }

    fn find(&self, fields: &Fields, name: &str) -> Option<usize> {
        fields.iter().position(|field| self.is(field, name))
    }

    /// Brings a batch of the side into the merged schema. The batch may lack columns, and have them in any order.
    ///
    /// # Errors
    ///
    /// A value that the result's type cannot hold, or a batch that is not of the side's schema.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let Some(rows) = &self.rows else { return Ok(batch.clone()) };
        let schema = batch.schema();
        let find = |name: &str| batch.columns().get(self.find(schema.fields(), name)?).cloned();
        let columns = self.fields("", rows.fields(), batch.num_rows(), find);
        let columns = columns.during("bringing rows into the merged schema")?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(rows.clone(), columns, &options)
            .during("bringing rows into the merged schema")
    }

    fn fields(
        &self,
        path: &str,
        to: &Fields,
        rows: usize,
        find: impl Fn(&str) -> Option<ArrayRef>,
    ) -> std::result::Result<Vec<ArrayRef>, ArrowError> {
        let column = |field: &arrow::datatypes::FieldRef| {
            let path = join_path(path, field.name());
            match self.names.get(&path).and_then(|name| find(name)) {
                Some(array) => self.bring(&path, &array, field.data_type()),
                None => Ok(new_null_array(field.data_type(), rows)),
            }
        };
        to.iter().map(column).collect()
    }

    fn bring(
        &self,
        path: &str,
        array: &ArrayRef,
        to: &DataType,
    ) -> std::result::Result<ArrayRef, ArrowError> {
        use DataType::*;
        if array.data_type() == to {
            return Ok(array.clone());
        }
        let items = join_path(path, ITEM);
        match (array.data_type(), to) {
            (Struct(_), Struct(fields)) => {
                let from = array.as_struct();
                let find = |name: &str| from.columns().get(self.find(from.fields(), name)?).cloned();
                let columns = self.fields(path, fields, array.len(), find)?;
                let nulls = from.nulls().cloned();
                Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())?))
            }
            (Map(..), Map(entries, sorted)) => {
                let from = array.as_map();
                let (Struct(fields), Some((key, value))) = (entries.data_type(), parts(to)) else {
                    return Err(ArrowError::SchemaError("a map has keys and values".into()));
                };
                let keys = self.bring(&join_path(path, KEY), from.keys(), key.data_type())?;
                let values = self.bring(&join_path(path, VALUE), from.values(), value.data_type())?;
                let inner = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
                let (offsets, nulls) = (from.offsets().clone(), from.nulls().cloned());
                Ok(Arc::new(MapArray::try_new(entries.clone(), offsets, inner, nulls, *sorted)?))
            }
            (FixedSizeList(_, length), FixedSizeList(item, same)) if length == same => {
                let from = array.as_fixed_size_list();
                let inner = self.bring(&items, from.values(), item.data_type())?;
                let nulls = from.nulls().cloned();
                Ok(Arc::new(FixedSizeListArray::try_new(item.clone(), *length, inner, nulls)?))
            }
            (List(_), List(item)) => {
                let from = array.as_list::<i32>();
                let inner = self.bring(&items, from.values(), item.data_type())?;
                let (offsets, nulls) = (from.offsets().clone(), from.nulls().cloned());
                Ok(Arc::new(ListArray::try_new(item.clone(), offsets, inner, nulls)?))
            }
            (LargeList(_), LargeList(item)) => {
                let from = array.as_list::<i64>();
                let inner = self.bring(&items, from.values(), item.data_type())?;
                let (offsets, nulls) = (from.offsets().clone(), from.nulls().cloned());
                Ok(Arc::new(LargeListArray::try_new(item.clone(), offsets, inner, nulls)?))
            }
            // Lists written in different ways: first the way of the result, then what they hold.
            (LargeList(from) | ListView(from) | LargeListView(from), List(_)) => {
                self.bring(path, &cast_with_options(array, &List(from.clone()), &CAST)?, to)
            }
            (List(from) | ListView(from) | LargeListView(from), LargeList(_)) => {
                self.bring(path, &cast_with_options(array, &LargeList(from.clone()), &CAST)?, to)
            }
            _ => cast_with_options(array, to, &CAST),
        }
    }
}
