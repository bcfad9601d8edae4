//! How a merged file is laid out: as the one of ours, column by column, as far as that can be told from its footer. Pure.

use std::collections::BTreeMap;

use anabranch_rows::{PerSide, Side};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::schema::MergedColumns;

/// A file of one row group may grow to this many rows before it gets a second one.
const SMALL_GROUP_ROWS: usize = 128 * 1024;

/// No row group has more rows than this.
const GROUP_ROWS_MAX: usize = 16 * 1024 * 1024;

/// What the layout is made after.
pub(super) type Footers<'a> = PerSide<Option<&'a ParquetMetaData>>;

/// How to write a file of these columns. `sorted_by` are the places of the key among its leaves if the rows are written in
/// the order of the key.
pub(super) fn properties(
    columns: &MergedColumns,
    footers: &Footers<'_>,
    sorted_by: Option<&[usize]>,
) -> WriterProperties {
    let of_ours = footers.ours.map(Chunks::of).unwrap_or_default();
    let of_theirs = footers.theirs.map(Chunks::of).unwrap_or_default();
    let usual = writable(of_ours.usual_compression().unwrap_or(Compression::SNAPPY));
    let mut builder = WriterProperties::builder()
        .set_compression(usual)
        .set_max_row_group_row_count(Some(group_rows(footers.ours)))
        .set_sorting_columns(sorted_by.and_then(|key| sorting(footers.ours?, key)));
    let has_page_index = of_ours.any(|chunk| chunk.column_index_offset().is_some());
    if !has_page_index {
        builder = builder
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(!of_ours.any(|chunk| chunk.offset_index_offset().is_some()));
    }
    for (index, leaf) in columns.stored.columns().iter().enumerate() {
        let Some(Some((side, name))) = columns.from.get(columns.stored.get_column_root_idx(index)) else {
            continue;
        };
        let chunks = if *side == Side::Theirs { &of_theirs } else { &of_ours };
        // On its side the column may have another name.
        let mut path = leaf.path().parts().to_vec();
        if let Some(first) = path.first_mut() {
            first.clone_from(name);
        }
        if let Some(chunk) = chunks.get(&path) {
            builder = as_chunk(builder, leaf.path(), chunk);
        }
    }
    builder.build()
}

/// Lets a column be written as a chunk was.
fn as_chunk(
    mut builder: WriterPropertiesBuilder,
    path: &ColumnPath,
    chunk: &ColumnChunkMetaData,
) -> WriterPropertiesBuilder {
    let path = || path.clone();
    let encodings: Vec<Encoding> = chunk.encodings().collect();
    let has_dictionary =
        encodings.iter().any(|one| matches!(one, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY));
    builder = builder
        .set_column_compression(path(), writable(chunk.compression()))
        .set_column_dictionary_enabled(path(), has_dictionary)
        .set_column_bloom_filter_enabled(path(), chunk.bloom_filter_offset().is_some());
    let of_values = |one: &&Encoding| {
        matches!(
            one,
            Encoding::DELTA_BINARY_PACKED
                | Encoding::DELTA_LENGTH_BYTE_ARRAY
                | Encoding::DELTA_BYTE_ARRAY
                | Encoding::BYTE_STREAM_SPLIT
        )
    };
    match encodings.iter().find(of_values) {
        Some(encoding) if !has_dictionary => builder.set_column_encoding(path(), *encoding),
        _ => builder,
    }
}

/// A codec as it is written: two are only read.
fn writable(compression: Compression) -> Compression {
    match compression {
        Compression::LZ4 => Compression::LZ4_RAW,
        Compression::LZO => Compression::SNAPPY,
        other => other,
    }
}

/// How many rows a row group has: as ours' greatest; where ours has a single one, nobody knows how large it may become.
fn group_rows(ours: Option<&ParquetMetaData>) -> usize {
    let groups = ours.map(ParquetMetaData::row_groups).unwrap_or_default();
    let rows = groups.iter().map(|group| usize::try_from(group.num_rows()).unwrap_or_default());
    let greatest = rows.max().unwrap_or_default();
    let wanted = if groups.len() > 1 { greatest } else { greatest.saturating_mul(2).max(SMALL_GROUP_ROWS) };
    wanted.clamp(1, GROUP_ROWS_MAX)
}

/// The order that ours' row groups say they have, if the rows of the merged file have it as well.
fn sorting(ours: &ParquetMetaData, key: &[usize]) -> Option<Vec<SortingColumn>> {
    let said = ours.row_groups().first()?.sorting_columns()?;
    let leaves = key.iter().filter_map(|leaf| i32::try_from(*leaf).ok());
    let is_so = said.len() <= key.len()
        && said
            .iter()
            .zip(leaves)
            .all(|(column, leaf)| column.column_idx == leaf && !column.descending && column.nulls_first);
    (is_so && !said.is_empty()).then(|| said.clone())
}

/// The chunks of a file's first row group.
#[derive(Default)]
struct Chunks<'a>(BTreeMap<&'a [String], &'a ColumnChunkMetaData>);

impl<'a> Chunks<'a> {
    fn of(footer: &'a ParquetMetaData) -> Chunks<'a> {
        let chunks = footer.row_groups().first().into_iter().flat_map(|group| group.columns());
        Chunks(chunks.map(|chunk| (chunk.column_path().parts(), chunk)).collect())
    }

    fn get(&self, path: &[String]) -> Option<&'a ColumnChunkMetaData> {
        self.0.get(path).copied()
    }

    fn any(&self, holds: impl Fn(&ColumnChunkMetaData) -> bool) -> bool {
        self.0.values().any(|chunk| holds(chunk))
    }

    /// The codec of the most bytes.
    fn usual_compression(&self) -> Option<Compression> {
        let mut bytes: Vec<(Compression, i64)> = Vec::new();
        for chunk in self.0.values() {
            match bytes.iter_mut().find(|(known, _)| *known == chunk.compression()) {
                Some((_, sum)) => *sum = sum.saturating_add(chunk.compressed_size()),
                None => bytes.push((chunk.compression(), chunk.compressed_size())),
            }
        }
        // Of equal ones the first in order of the columns' names.
        bytes.into_iter().rev().max_by_key(|(_, bytes)| *bytes).map(|(compression, _)| compression)
    }
}
