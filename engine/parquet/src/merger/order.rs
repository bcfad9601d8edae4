//! Where the rows of a merged file stand: a file whose rows are in the order of the key on both sides, or in its reverse,
//! stays so; otherwise ours' rows stand as they did, a changed one where it stood, and behind them come theirs' new ones, as
//! they stand there.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use anabranch_rows::scan::{self, FILE_COLUMN, FileScan, POSITION_COLUMN};
use anabranch_rows::sort::key_array;
use anabranch_rows::{Error, Gone, MergedBatch, Origin, Result, RowCodec, Side};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use futures::stream::TryStreamExt;

/// What the rows of a side are marked with: in this order they stand behind one another.
pub(super) fn number(side: Side) -> i64 {
    match side {
        Side::Ours => 0,
        Side::Theirs => 1,
        Side::Base => 2,
    }
}

/// In which order of the key the rows of a file are. Where all have one key, in both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct KeyOrder {
    pub(super) ascending: bool,
    pub(super) descending: bool,
}

impl KeyOrder {
    /// That of no rows.
    pub(super) const BOTH: KeyOrder = KeyOrder { ascending: true, descending: true };
    /// Neither.
    pub(super) const NONE: KeyOrder = KeyOrder { ascending: false, descending: false };
}

/// In which order the rows of a file are, of which the scan reads the columns of the key.
pub(super) async fn order_of(scan: FileScan, rows: &SchemaRef, key: &[usize]) -> Result<KeyOrder> {
    let codec = RowCodec::new(rows)?;
    let mut batches = scan::read(scan, rows.clone(), key).await?;
    let mut last: Option<Vec<u8>> = None;
    let mut order = KeyOrder::BOTH;
    while let Some(batch) = batches.try_next().await? {
        let keys = key_array(&codec, key, &batch)?;
        let keys = keys.as_binary::<i64>();
        let mut before = last.as_deref();
        for key in keys.iter().flatten() {
            if let Some(before) = before {
                order.ascending &= before <= key;
                order.descending &= before >= key;
            }
            before = Some(key);
        }
        if order == KeyOrder::NONE {
            break;
        }
        last = before.map(<[u8]>::to_vec);
    }
    Ok(order)
}

/// How the rows of the result stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RowOrder {
    /// In the order of the key.
    ByKey,
    /// In its reverse.
    ByKeyReversed,
    /// As on ours, theirs' new ones behind.
    AsOnOurs,
}

impl RowOrder {
    /// The order of a file of which the sides have these.
    pub(super) fn of(ours: KeyOrder, theirs: KeyOrder) -> RowOrder {
        if ours.ascending && theirs.ascending {
            RowOrder::ByKey
        } else if ours.descending && theirs.descending {
            RowOrder::ByKeyReversed
        } else {
            RowOrder::AsOnOurs
        }
    }
}

/// Gives rows of the result the places of those that they replace.
pub(super) struct Placing {
    codec: RowCodec,
    key: Vec<usize>,
    /// The places of the columns that say where a row stands.
    file: usize,
    position: usize,
    order: RowOrder,
    /// How many rows were placed so far.
    rows: i64,
}

impl Placing {
    /// For rows of this schema, with where they stand.
    pub(super) fn new(placed: &SchemaRef, key: &[usize], order: RowOrder) -> Result<Placing> {
        let column = |name: &str| {
            placed.index_of(name).map_err(|_| Error::Misuse("rows that are placed say where they stand"))
        };
        let (file, position) = (column(FILE_COLUMN)?, column(POSITION_COLUMN)?);
        Ok(Placing { codec: RowCodec::new(placed)?, key: key.to_vec(), file, position, order, rows: 0 })
    }

    /// The columns by which rows are to be sorted to stand where they belong; none: they do.
    pub(super) fn sort_by(&self) -> Option<[usize; 2]> {
        (self.order != RowOrder::ByKey).then_some([self.file, self.position])
    }

    /// The rows of a batch, each with its place. Batches come in the order of the key.
    pub(super) fn place(&mut self, batch: &MergedBatch) -> Result<RecordBatch> {
        match self.order {
            RowOrder::ByKey => Ok(batch.rows.clone()),
            RowOrder::ByKeyReversed => {
                let next = self.rows;
                self.rows = next.saturating_add(i64::try_from(batch.rows.num_rows()).unwrap_or(i64::MAX));
                let positions = (next..self.rows).map(|row| Some(row.saturating_neg())).collect();
                self.with(&batch.rows, vec![Some(0); batch.rows.num_rows()], positions)
            }
            RowOrder::AsOnOurs => self.place_as_on_ours(batch),
        }
    }

    fn place_as_on_ours(&self, batch: &MergedBatch) -> Result<RecordBatch> {
        let replaced = batch.gone_as.contains(&Gone::Changed);
        if !replaced || batch.rows.num_rows() == 0 {
            return Ok(batch.rows.clone());
        }
        let gone_keys = key_array(&self.codec, &self.key, &batch.gone)?;
        let gone_places = self.positions(&batch.gone)?;
        let mut free: HashMap<&[u8], VecDeque<i64>> = HashMap::new();
        let gone = gone_keys.as_binary::<i64>().iter().zip(gone_places.iter()).zip(&batch.gone_as);
        for ((key, position), gone_as) in gone {
            if let (Some(key), Some(position), Gone::Changed) = (key, position, gone_as) {
                free.entry(key).or_default().push_back(position);
            }
        }
        let keys = key_array(&self.codec, &self.key, &batch.rows)?;
        let (files, positions) = (self.numbers(&batch.rows, self.file)?, self.positions(&batch.rows)?);
        let mut placed: (Vec<Option<i64>>, Vec<Option<i64>>) = (Vec::new(), Vec::new());
        let keys = keys.as_binary::<i64>();
        for (row, origin) in batch.origins.iter().enumerate() {
            let taken = match origin {
                Origin::Ours => None,
                _ => free.get_mut(keys.value(row)).and_then(VecDeque::pop_front),
            };
            let own = || (files.is_valid(row).then(|| files.value(row)), positions.value(row));
            let (file, position) = taken.map_or_else(own, |position| (Some(number(Side::Ours)), position));
            placed.0.push(file);
            placed.1.push(Some(position));
        }
        self.with(&batch.rows, placed.0, placed.1)
    }

    /// The rows with other places.
    fn with(
        &self,
        rows: &RecordBatch,
        files: Vec<Option<i64>>,
        positions: Vec<Option<i64>>,
    ) -> Result<RecordBatch> {
        let mut columns = rows.columns().to_vec();
        for (at, numbers) in [(self.file, files), (self.position, positions)] {
            if let Some(column) = columns.get_mut(at) {
                *column = Arc::new(Int64Array::from(numbers)) as ArrayRef;
            }
        }
        let step = "placing merged rows";
        RecordBatch::try_new(rows.schema(), columns).map_err(|source| Error::Arrow { step, source })
    }

    fn positions(&self, rows: &RecordBatch) -> Result<Int64Array> {
        self.numbers(rows, self.position)
    }

    fn numbers(&self, rows: &RecordBatch, column: usize) -> Result<Int64Array> {
        let column = rows.columns().get(column).and_then(|column| column.as_primitive_opt::<Int64Type>());
        column.cloned().ok_or(Error::Misuse("rows that are placed say where they stand"))
    }
}
