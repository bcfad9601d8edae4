//! Partition columns: they are not in the files, but in the log, as text.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anabranch_rows::RowCodec;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, UInt32Array};
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::util::display::FormatOptions;

use crate::action::Add;

const CAST: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// A partition as its files spell it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Spelling {
    /// Its values, in the spelling of one of its files.
    pub(crate) values: BTreeMap<String, Option<String>>,
    /// The folder of that file as the log spells it, with its `/`; empty for the table's root.
    pub(crate) url_folder: String,
    /// The same folder as a path of objects.
    pub(crate) folder: String,
}

/// The partition columns of a table, and how each partition is spelled.
pub(crate) struct Partitions {
    /// The places of the partition columns among the rows' columns.
    columns: Vec<usize>,
    /// What the log calls them.
    in_log: Vec<String>,
    schema: SchemaRef,
    codec: RowCodec,
    spellings: HashMap<Vec<u8>, Spelling>,
}

impl Partitions {
    /// The partitions of a table whose rows have this schema.
    pub(crate) fn new(rows: &Schema, names: &[String]) -> Result<Partitions, String> {
        let columns: Vec<usize> = names
            .iter()
            .map(|name| {
                rows.index_of(name).map_err(|_| format!("partition column {name} is not in the schema"))
            })
            .collect::<Result<_, _>>()?;
        let schema = Arc::new(rows.project(&columns).map_err(|error| error.to_string())?);
        let codec = RowCodec::new(&schema).map_err(|error| error.to_string())?;
        Ok(Partitions { columns, in_log: names.to_vec(), schema, codec, spellings: HashMap::new() })
    }

    /// The same where the log has other names for the partition columns.
    #[must_use]
    pub(crate) fn spelled(self, in_log: &[String]) -> Partitions {
        Partitions { in_log: in_log.to_vec(), ..self }
    }

    /// The places of the partition columns.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The values of a file's partition, each as an array of one row; notes how the file spells it.
    pub(crate) fn values_of(&mut self, add: &Add) -> Result<Vec<ArrayRef>, String> {
        let spelled = add.partition().ok_or_else(|| format!("{} has no partition values", add.key))?;
        let mut values = Vec::with_capacity(self.columns.len());
        for (field, name) in self.schema.fields().iter().zip(&self.in_log) {
            let text = spelled
                .get(name)
                .ok_or_else(|| format!("{} has no value for partition column {}", add.key, field.name()))?;
            let text: ArrayRef = Arc::new(StringArray::from(vec![text.as_deref()]));
            let value = cast_with_options(&text, field.data_type(), &CAST);
            values.push(value.map_err(|error| format!("{}: {}: {error}", add.key, field.name()))?);
        }
        let id = self.ids(&values, 1)?.pop().unwrap_or_default();
        let url: String = add.object()?.read("path")?.unwrap_or_default();
        let folder =
            |path: &str| path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or_default().to_owned();
        self.spellings.entry(id).or_insert_with(|| Spelling {
            values: spelled,
            url_folder: folder(&url),
            folder: folder(&add.key),
        });
        Ok(values)
    }

    /// Puts a file's partition values into a batch of its rows.
    pub(crate) fn fill(
        &self,
        batch: &RecordBatch,
        values: &[ArrayRef],
    ) -> Result<RecordBatch, arrow::error::ArrowError> {
        if values.is_empty() {
            return Ok(batch.clone());
        }
        let first = UInt32Array::from(vec![0; batch.num_rows()]);
        let mut columns = batch.columns().to_vec();
        for (place, value) in self.columns.iter().zip(values) {
            if let Some(column) = columns.get_mut(*place) {
                *column = take(value, &first, None)?;
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(batch.schema(), columns, &options)
    }

    /// The partition of each row of a batch.
    pub(crate) fn of_rows(&self, batch: &RecordBatch) -> Result<Vec<Vec<u8>>, String> {
        let values: Vec<ArrayRef> =
            self.columns.iter().filter_map(|column| batch.columns().get(*column).cloned()).collect();
        self.ids(&values, batch.num_rows())
    }

    /// How a partition is spelled; none for one that no file of the merge is in.
    pub(crate) fn spelling(&self, id: &[u8]) -> Option<&Spelling> {
        self.spellings.get(id)
    }

    fn ids(&self, values: &[ArrayRef], rows: usize) -> Result<Vec<Vec<u8>>, String> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), values.to_vec(), &options);
        let encoded = self.codec.encode(batch.map_err(|error| error.to_string())?);
        let encoded = encoded.map_err(|error| error.to_string())?;
        let all: Vec<usize> = (0..values.len()).collect();
        Ok((0..rows).map(|row| encoded.key(row, &all)).collect())
    }
}
