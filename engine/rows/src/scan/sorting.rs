//! Sorting by key what does not fit into memory: runs are sorted, written to disk and merged.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::DataFusionError;
use datafusion_execution::config::SessionConfig;
use datafusion_execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion_execution::runtime_env::RuntimeEnvBuilder;
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::expressions::Column;
use datafusion_physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::sorts::sort::SortExec;
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{Stream, StreamExt, stream};

use super::RowStream;
use super::meter::{MeteredPool, SortMeter};
use crate::codec::RowCodec;
use crate::error::{During, Error, Result};
use crate::sort::key_array;

/// What a sort may use.
#[derive(Clone, Debug)]
pub struct SortBudget {
    /// Memory, in bytes. Below a megabyte or so nothing can be merged any more, and the sort fails.
    pub memory_bytes: usize,
    /// The folder for sorted runs. They are deleted when the stream is dropped.
    pub folder: PathBuf,
    /// Disk, in bytes.
    pub disk_bytes_max: u64,
    /// How many rows a batch of the result has.
    pub batch_rows: usize,
    /// Counts what the sort takes.
    pub meter: Arc<SortMeter>,
}

/// Rows in the order of their keys.
pub struct SortedRows {
    sorted: SendableRecordBatchStream,
    plan: Arc<SortExec>,
    /// The columns without the key's bytes.
    columns: Vec<usize>,
    meter: Arc<SortMeter>,
}

impl SortedRows {
    /// How many runs were written to disk so far.
    pub fn spilled_runs(&self) -> usize {
        self.plan.metrics().and_then(|metrics| metrics.spill_count()).unwrap_or_default()
    }
}

impl Drop for SortedRows {
    fn drop(&mut self) {
        let bytes = self.plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or_default();
        self.meter.spilled(self.spilled_runs(), bytes);
    }
}

impl Stream for SortedRows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.sorted.poll_next_unpin(context).map(|batch| {
            let batch = batch?.map_err(sort_error);
            Some(batch.and_then(|batch| batch.project(&self.columns).during("dropping the bytes of keys")))
        })
    }
}

const KEY: &str = "__key";

/// Of the memory of a sort one batch has at most this part: many have to be in it at once, the sorted and the unsorted form
/// of each, and those of many runs when they are merged.
const PARTS_OF_MEMORY: usize = 32;

fn part_bytes(memory_bytes: usize) -> usize {
    (memory_bytes / PARTS_OF_MEMORY).max(1)
}

/// How many rows a batch should have in a sort within so much memory, given how many bytes some rows take: at most `most`.
pub fn batch_rows(memory_bytes: usize, rows: usize, bytes: usize, most: usize) -> usize {
    let row_bytes = bytes.div_ceil(rows.max(1)).max(1);
    (part_bytes(memory_bytes) / row_bytes).clamp(1, most.max(1))
}

/// Cuts a batch into copies of at most about so many bytes: a part that shares the memory of the whole would count as much.
/// And of so many rows: a batch that comes out of its sort in several keeps its memory reserved until the last one is taken,
/// which then lacks to merge them.
fn parts(batch: Result<RecordBatch>, part_bytes: usize, part_rows: usize) -> Vec<Result<RecordBatch>> {
    let batch = match batch {
        Ok(batch) => batch,
        Err(error) => return vec![Err(error)],
    };
    let bytes = batch.get_array_memory_size();
    if (bytes <= part_bytes && batch.num_rows() <= part_rows) || batch.num_rows() <= 1 {
        return vec![Ok(batch)];
    }
    let rows = batch.num_rows().div_ceil(bytes.div_ceil(part_bytes)).clamp(1, part_rows);
    let starts = (0..batch.num_rows()).step_by(rows);
    let part = |start: usize| {
        let part = batch.slice(start, rows.min(batch.num_rows() - start));
        let indices = (0..part.num_rows()).filter_map(|row| u32::try_from(row).ok());
        let indices = UInt32Array::from_iter_values(indices);
        take_record_batch(&part, &indices).during("cutting a batch")
    };
    starts.map(part).collect()
}

/// Sorts rows by the bytes of their key columns.
///
/// # Errors
///
/// The input's; neither memory nor disk suffice. In the stream as here.
pub fn sort(schema: SchemaRef, key: &[usize], input: RowStream, budget: &SortBudget) -> Result<SortedRows> {
    let codec = RowCodec::new(&schema)?;
    let fields = schema.fields().iter().cloned();
    let fields = fields.chain([Arc::new(Field::new(KEY, DataType::LargeBinary, false))]);
    let keyed = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let (key, to) = (key.to_vec(), keyed.clone());
    let (part_bytes, part_rows) = (part_bytes(budget.memory_bytes), budget.batch_rows.max(1));
    let input = input.flat_map(move |batch| stream::iter(parts(batch, part_bytes, part_rows)));
    let input = input.map(move |batch| {
        let batch = batch?;
        let mut columns = batch.columns().to_vec();
        columns.push(key_array(&codec, &key, &batch)?);
        RecordBatch::try_new(to.clone(), columns).during("adding the bytes of keys")
    });
    let input = input.map(|batch| batch.map_err(|error| DataFusionError::External(Box::new(error))));
    let stream: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(keyed.clone(), input));
    let part = Arc::new(Input { schema: keyed.clone(), stream: Mutex::new(Some(stream)) });
    let columns = schema.fields().len();
    run(keyed, part, columns, budget).map_err(sort_error)
}

fn run(
    keyed: SchemaRef,
    part: Arc<dyn PartitionStream>,
    columns: usize,
    budget: &SortBudget,
) -> std::result::Result<SortedRows, DataFusionError> {
    let by = PhysicalSortExpr::new_default(Arc::new(Column::new(KEY, columns)));
    let ordering = LexOrdering::new([by]).ok_or_else(|| DataFusionError::Internal("no order".into()))?;
    let table = StreamingTableExec::try_new(keyed, vec![part], None, [], false, None)?;
    let plan = Arc::new(SortExec::new(ordering, Arc::new(table)));
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![budget.folder.clone()]))
        .with_max_temp_directory_size(budget.disk_bytes_max);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(MeteredPool::new(budget.memory_bytes, budget.meter.clone())))
        .with_disk_manager_builder(disk)
        .build_arc()?;
    // Merging the runs needs memory of its own, kept back from sorting them.
    let config = SessionConfig::new()
        .with_batch_size(budget.batch_rows.max(1))
        .with_sort_spill_reservation_bytes(budget.memory_bytes / 4);
    let context = TaskContext::default().with_session_config(config).with_runtime(runtime);
    let sorted = plan.execute(0, Arc::new(context))?;
    Ok(SortedRows { sorted, plan, columns: (0..columns).collect(), meter: budget.meter.clone() })
}

/// Our own error comes back as it went in.
fn sort_error(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(error) => *error,
            Err(inner) => Error::Sort(Box::new(DataFusionError::External(inner))),
        },
        error => Error::Sort(Box::new(error)),
    }
}

/// The stream that is sorted; it can be taken once.
struct Input {
    schema: SchemaRef,
    stream: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows to sort")
    }
}

impl PartitionStream for Input {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let taken = self.stream.lock().ok().and_then(|mut stream| stream.take());
        taken.unwrap_or_else(|| {
            let error = DataFusionError::Internal("the rows were sorted already".into());
            let failed = futures::stream::once(async { Err(error) });
            Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), failed))
        })
    }
}
