//! Sorting by key what does not fit into memory: runs are sorted, written to disk and merged.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
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
use futures::{Stream, StreamExt};

use super::RowStream;
use crate::codec::RowCodec;
use crate::error::{During, Error, Result};
use crate::sort::key_array;

/// What a sort may use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SortBudget {
    /// Memory, in bytes. Below a megabyte or so nothing can be merged any more, and the sort fails.
    pub memory_bytes: usize,
    /// The folder for sorted runs. They are deleted when the stream is dropped.
    pub folder: PathBuf,
    /// Disk, in bytes.
    pub disk_bytes_max: u64,
    /// How many rows a batch of the result has.
    pub batch_rows: usize,
}

/// Rows in the order of their keys.
pub struct SortedRows {
    sorted: SendableRecordBatchStream,
    plan: Arc<SortExec>,
    /// The columns without the key's bytes.
    columns: Vec<usize>,
}

impl SortedRows {
    /// How many runs were written to disk so far.
    pub fn spilled_runs(&self) -> usize {
        self.plan.metrics().and_then(|metrics| metrics.spill_count()).unwrap_or_default()
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
        .with_memory_limit(budget.memory_bytes, 1.0)
        .with_disk_manager_builder(disk)
        .build_arc()?;
    // Merging the runs needs memory of its own, kept back from sorting them.
    let config = SessionConfig::new()
        .with_batch_size(budget.batch_rows.max(1))
        .with_sort_spill_reservation_bytes(budget.memory_bytes / 4);
    let context = TaskContext::default().with_session_config(config).with_runtime(runtime);
    let sorted = plan.execute(0, Arc::new(context))?;
    Ok(SortedRows { sorted, plan, columns: (0..columns).collect() })
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
