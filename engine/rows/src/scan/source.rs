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
use super::{footer, pages};

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
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) source: Arc<dyn ByteSource>,
    /// The footer, once it is read.
    pub(super) metadata: Option<Arc<ParquetMetaData>>,
    /// The row group whose columns are read: only they may be asked for then.
    pub(super) group: Option<usize>,
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            if range.start > range.end || range.end > self.source.size() {
                return Err(ParquetError::General(format!("{range:?} is not in the file")));
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

    /// The columns of a row group: they come together, so what they need together is known before one of them is decoded.
    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move {
            let mut columns = Vec::with_capacity(ranges.len());
            for range in ranges {
                let bytes = self.get_bytes(range.clone()).await?;
                columns.push((range, bytes));
            }
            if let (Some(metadata), Some(group)) = (&self.metadata, self.group) {
                let group = metadata.row_groups().get(group);
                let group =
                    group.ok_or_else(|| ParquetError::General("there is no such row group".into()))?;
                pages::check_group(group, &columns).await.map_err(ParquetError::General)?;
            }
            Ok(columns.into_iter().map(|(_, bytes)| bytes).collect())
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
