//! The three files of a merge, opened: what their footers say.

use std::sync::Arc;

use anabranch_merge::UnitView;
use anabranch_rows::range::KeyRange;
use anabranch_rows::scan::{self, ByteSource, FileScan};
use anabranch_rows::schema::Projection;
use anabranch_rows::{PerSide, Side};
use anabranch_types::Entry;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::metadata::Pairs;
use super::schema::FileColumns;
use super::stop::Stop;
use crate::BATCH_ROWS;
use crate::source::Files;

/// What part of the memory the bytes of one row group may take: three are read at a time, at most.
const PARTS_FOR_A_GROUP: usize = 2;

/// A file that is to be opened.
#[derive(Clone, Debug)]
pub(super) struct Unopened(Arc<dyn ByteSource>);

impl Unopened {
    /// The object at `root` on a side, or nothing where it has none.
    pub(super) fn of(
        files: &Files,
        side: Side,
        view: &dyn UnitView,
        root: &str,
        entry: Option<&Entry>,
    ) -> Option<Unopened> {
        let name = format!("{root} on {}", view.label());
        entry.map(|entry| Unopened(files.named_source(side, "", name, entry.clone())))
    }

    /// Reads the footer of a file that is to be merged.
    pub(super) async fn open(self, memory_bytes: usize) -> Result<OpenFile, Stop> {
        let file = self.open_to_read(memory_bytes).await?;
        match file.columns.obstacle() {
            Some(why) => Err(Stop::Whole(format!("{}: {why}", file.source.name()))),
            None => Ok(file),
        }
    }

    /// The same for a file that is only read.
    pub(super) async fn open_to_read(self, memory_bytes: usize) -> Result<OpenFile, Stop> {
        let footer = scan::footer(&self.0).await?;
        let name = self.0.name();
        let readable = scan::readable(&footer).map_err(|error| unreadable(name, &error))?;
        let stored = footer.file_metadata().schema_descr_ptr();
        let columns = FileColumns::new(stored, Arc::clone(readable.schema()));
        let columns = columns.map_err(|why| Stop::Whole(format!("{name}: {why}")))?;
        let limit = i64::try_from(memory_bytes / PARTS_FOR_A_GROUP).unwrap_or(i64::MAX);
        for (number, group) in footer.row_groups().iter().enumerate() {
            if group.compressed_size() > limit {
                return Err(Stop::limit(format!(
                    "{name}: row group {number} has {} bytes, of which at most {limit} are read at once: write the file in \
                     smaller row groups, or raise limits.rows_bytes",
                    group.compressed_size()
                )));
            }
        }
        let rows =
            footer.row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or_default());
        Ok(OpenFile { rows: rows.sum(), source: self.0, footer, columns })
    }
}

fn unreadable(name: &str, error: &ParquetError) -> Stop {
    Stop::Whole(format!("{name}: its schema cannot be read: {error}"))
}

/// A file with its footer.
#[derive(Clone, Debug)]
pub(super) struct OpenFile {
    pub(super) source: Arc<dyn ByteSource>,
    pub(super) footer: Arc<ParquetMetaData>,
    pub(super) columns: FileColumns,
    pub(super) rows: u64,
}

impl OpenFile {
    /// How its rows are read. With a number they say where they come from.
    pub(super) fn scan(&self, projection: &Projection, number: Option<i64>) -> FileScan {
        FileScan {
            source: Arc::clone(&self.source),
            projection: projection.clone(),
            deleted: None,
            range: KeyRange::all(),
            number,
            batch_rows: BATCH_ROWS,
        }
    }

    /// Its metadata.
    pub(super) fn pairs(&self) -> Pairs {
        let pairs = self.footer.file_metadata().key_value_metadata().into_iter().flatten();
        pairs.map(|pair| (pair.key.clone(), pair.value.clone())).collect()
    }
}

/// The files of the sides; none where a side has none.
pub(super) type OpenFiles = PerSide<Option<OpenFile>>;
