//! Where the bytes of a file come from. No store is named here: whoever has one implements the trait.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::decoder::caught;
use super::footer;
use super::pages::Column;

/// Why bytes could not be read.
pub type ReadError = Box<dyn std::error::Error + Send + Sync>;

/// The bytes of one immutable file.
#[async_trait]
pub trait ByteSource: Send + Sync + std::fmt::Debug {
    /// What to call the file in messages.
    fn name(&self) -> &str;

    /// How many bytes it has.
    fn size(&self) -> u64;

    /// Reads a range, which lies within the file. Answers exactly its bytes, or an error; reading again is allowed.
    async fn read(&self, range: Range<u64>) -> Result<Bytes, ReadError>;
}

/// A source as the Parquet reader wants it.
pub(super) struct Reader {
    pub(super) source: Arc<dyn ByteSource>,
    /// The footer, once it is read.
    pub(super) metadata: Option<Arc<ParquetMetaData>>,
    /// The columns of a row group, once they are looked over: only they may be asked for then.
    pub(super) columns: Option<Vec<Column>>,
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            if range.start > range.end || range.end > self.source.size() {
                return Err(ParquetError::General(format!("{range:?} is not in the file")));
            }
            if let Some(columns) = &self.columns {
                return part(columns, &range);
            }
            let length = range.end - range.start;
            let bytes = self.source.read(range).await.map_err(ParquetError::External)?;
            match bytes.len() as u64 == length {
                true => Ok(bytes),
                false => {
                    Err(ParquetError::General(format!("{} bytes came instead of {length}", bytes.len())))
                }
            }
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            if let Some(metadata) = &self.metadata {
                return Ok(metadata.clone());
            }
            let size = self.source.size();
            let tail = self.get_bytes(size.saturating_sub(footer::TAIL_BYTES)..size).await?;
            let length = footer::length(&tail, size).map_err(ParquetError::General)?;
            let end = size.saturating_sub(footer::TAIL_BYTES);
            let bytes = self.get_bytes(end.saturating_sub(length)..end).await?;
            footer::check(&bytes).map_err(ParquetError::General)?;
            let metadata = caught(|| ParquetMetaDataReader::decode_metadata(&bytes))?;
            Ok(self.metadata.insert(Arc::new(metadata)).clone())
        }
        .boxed()
    }
}

/// A range within one of these columns.
fn part(columns: &[Column], range: &Range<u64>) -> parquet::errors::Result<Bytes> {
    let inside = columns.iter().find_map(|column| {
        let start = usize::try_from(range.start.checked_sub(column.range.start)?).ok()?;
        let end = usize::try_from(range.end.checked_sub(column.range.start)?).ok()?;
        (end <= column.bytes.len()).then(|| column.bytes.slice(start..end))
    });
    inside.ok_or_else(|| ParquetError::General("no column that is read lies there".into()))
}
