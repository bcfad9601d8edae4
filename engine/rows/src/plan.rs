//! What a merge of rows is told: which rows are the same row, and what to do where both sides changed one cell.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};

use crate::codec::RowCodec;
use crate::error::{Error, Result};
use crate::filter::RowFilter;
use crate::range::KeyRange;

/// Which rows of two sides are the same row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Identity {
    /// Rows with equal values in these columns, in this order. NULL equals NULL. A key that occurs more than once
    /// on a side stands for all its rows together.
    Key(Vec<String>),
    /// Rows with the same id in this column. Two rows that the base does not have are different rows, even with
    /// one id: both sides give ids out on their own. A row without an id is a new row.
    RowId(String),
    /// No identity: rows are compared as a multiset, all columns together.
    Bag,
}

/// What to do where both sides changed one cell differently.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Policy {
    /// The side whose row has the later value in another column; equal values leave the conflict.
    LatestBy(String),
    /// The greater value; NULL is no value.
    Max,
    /// The smaller value; NULL is no value.
    Min,
    /// Ours plus theirs minus base: both changes of a number count. An overflow or a NULL leaves the conflict.
    SumDelta,
    /// Of a list as a set: what either side added is in, what either side removed is out.
    UnionSet,
    /// Ours' value.
    Ours,
    /// Theirs' value.
    Theirs,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::LatestBy(column) => write!(f, "latest_by({column})"),
            Policy::Max => f.write_str("max"),
            Policy::Min => f.write_str("min"),
            Policy::SumDelta => f.write_str("sum_delta"),
            Policy::UnionSet => f.write_str("union_set"),
            Policy::Ours => f.write_str("ours"),
            Policy::Theirs => f.write_str("theirs"),
        }
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Policy, String> {
        Ok(match text.trim() {
            "max" => Policy::Max,
            "min" => Policy::Min,
            "sum_delta" => Policy::SumDelta,
            "union_set" => Policy::UnionSet,
            "ours" => Policy::Ours,
            "theirs" => Policy::Theirs,
            other => match other.strip_prefix("latest_by(").and_then(|rest| rest.strip_suffix(')')) {
                Some(column) if !column.trim().is_empty() => Policy::LatestBy(column.trim().to_owned()),
                _ => {
                    return Err(format!(
                        "{other:?} is no policy: use latest_by(column), max, min, sum_delta, union_set, ours or theirs"
                    ));
                }
            },
        })
    }
}

/// How many rows of one key a side may have, when nobody says otherwise.
const GROUP_ROWS_MAX: usize = 1_000_000;
/// And how many bytes the batches have that they are in.
pub(crate) const GROUP_BYTES_MAX: usize = 256 << 20;

/// What the result has in the place of rows in conflict that nobody has decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OpenRows {
    /// Ours' rows.
    #[default]
    Ours,
    /// Nothing. What is left is in the result whatever is decided about them.
    LeftOut,
}

/// How a merge of rows is to run. The defaults suit rows with keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergeOptions {
    /// Which rows are the same row.
    pub identity: Identity,
    /// Whether changes of different columns of one row go together. Without it a row that both sides changed
    /// differently is a conflict as a whole, and no policy is asked.
    pub cell_wise: bool,
    /// Policies by column.
    pub policies: BTreeMap<String, Policy>,
    /// Columns that come along with their row but are not compared, like the file and position it was read from.
    pub carried: Vec<String>,
    /// How many conflicts are kept; further ones are only counted.
    pub conflicts_max: usize,
    /// What stands for rows that nobody has decided.
    pub open_rows: OpenRows,
    /// How many rows a batch of the result has at most.
    pub batch_rows: usize,
    /// Only keys within this range are merged.
    pub range: KeyRange,
    /// How many rows of one key a side may have: they are held in memory together.
    pub group_rows_max: usize,
    /// How many bytes the batches have that such rows are in, at most.
    pub group_bytes_max: usize,
}

impl MergeOptions {
    /// The defaults for rows of this identity: cell by cell, no policies, 1,000 conflicts kept.
    pub fn new(identity: Identity) -> Self {
        MergeOptions {
            identity,
            cell_wise: true,
            policies: BTreeMap::new(),
            carried: Vec::new(),
            conflicts_max: 1_000,
            open_rows: OpenRows::default(),
            batch_rows: 8_192,
            range: KeyRange::all(),
            group_rows_max: GROUP_ROWS_MAX,
            group_bytes_max: GROUP_BYTES_MAX,
        }
    }
}

/// The options of a merge, checked against the merged schema.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) schema: SchemaRef,
    pub(crate) codec: RowCodec,
    pub(crate) mode: Mode,
    /// The columns whose bytes, one after the other, are the order of the streams.
    pub(crate) key: Vec<usize>,
    /// The columns that are compared, without those of the key.
    pub(crate) values: Vec<usize>,
    /// By column: its policy.
    pub(crate) policies: BTreeMap<usize, ColumnPolicy>,
    pub(crate) cell_wise: bool,
    pub(crate) conflicts_max: usize,
    pub(crate) open_rows: OpenRows,
    pub(crate) batch_rows: usize,
    pub(crate) range: KeyRange,
    pub(crate) group_rows_max: usize,
    pub(crate) group_bytes_max: usize,
    /// What a diff lists; a merge has none.
    pub(crate) filter: Option<RowFilter>,
}

/// [`Identity`] without its columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Key,
    RowId,
    Bag,
}

/// A policy with its column looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ColumnPolicy {
    LatestBy { column: usize, name: String },
    Plain(Policy),
}

impl fmt::Display for ColumnPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColumnPolicy::LatestBy { name, .. } => write!(f, "latest_by({name})"),
            ColumnPolicy::Plain(policy) => policy.fmt(f),
        }
    }
}

impl Plan {
    pub(crate) fn new(schema: SchemaRef, options: &MergeOptions) -> Result<Plan> {
        let key = key_columns(&schema, &options.identity, &options.carried)?;
        let carried = columns(&schema, &options.carried, "carried")?;
        if let Some(both) = carried.iter().find(|column| key.contains(column)) {
            let column = schema.fields().get(*both).map(|field| field.name().clone()).unwrap_or_default();
            return Err(Error::UnknownColumn { column, wanted_for: "both the key and the carried columns" });
        }
        let others = (0..schema.fields().len()).filter(|i| !key.contains(i) && !carried.contains(i));
        Ok(Plan {
            codec: RowCodec::new(&schema)?,
            mode: match options.identity {
                Identity::Key(_) => Mode::Key,
                Identity::RowId(_) => Mode::RowId,
                Identity::Bag => Mode::Bag,
            },
            values: others.collect(),
            key,
            policies: policies(&schema, options)?,
            cell_wise: options.cell_wise,
            conflicts_max: options.conflicts_max,
            open_rows: options.open_rows,
            batch_rows: options.batch_rows.max(1),
            range: options.range.clone(),
            group_rows_max: options.group_rows_max,
            group_bytes_max: options.group_bytes_max,
            filter: None,
            schema,
        })
    }

    pub(crate) fn column_name(&self, column: usize) -> &str {
        self.schema.fields().get(column).map_or("", |field| field.name())
    }
}

/// The columns by whose bytes rows of this identity are sorted.
///
/// # Errors
///
/// A named column does not exist, or no column is named.
pub fn key_columns(schema: &Schema, identity: &Identity, carried: &[String]) -> Result<Vec<usize>> {
    let carried = columns(schema, carried, "carried")?;
    match identity {
        Identity::Key(names) if names.is_empty() => Err(Error::Misuse("a key has at least one column")),
        Identity::Key(names) => columns(schema, names, "key"),
        Identity::RowId(name) => columns(schema, std::slice::from_ref(name), "row id"),
        Identity::Bag => Ok((0..schema.fields().len()).filter(|i| !carried.contains(i)).collect()),
    }
}

fn columns(schema: &Schema, names: &[String], wanted_for: &'static str) -> Result<Vec<usize>> {
    let find = |name: &String| {
        schema.index_of(name).map_err(|_| Error::UnknownColumn { column: name.clone(), wanted_for })
    };
    names.iter().map(find).collect()
}

fn policies(schema: &Arc<Schema>, options: &MergeOptions) -> Result<BTreeMap<usize, ColumnPolicy>> {
    let mut policies = BTreeMap::new();
    let mut deciding = Vec::new();
    for (name, policy) in &options.policies {
        let missing = || Error::UnknownColumn { column: name.clone(), wanted_for: "a policy" };
        let (column, field) = schema.column_with_name(name).ok_or_else(missing)?;
        let wrong = |why| Error::Policy { column: name.clone(), policy: policy.to_string(), why };
        match policy {
            Policy::SumDelta if !(field.data_type().is_numeric()) => return Err(wrong("wants a number")),
            Policy::UnionSet if !matches!(field.data_type(), DataType::List(_) | DataType::LargeList(_)) => {
                return Err(wrong("wants a list"));
            }
            _ => {}
        }
        let policy = match policy {
            Policy::LatestBy(by) => {
                let by = columns(schema, std::slice::from_ref(by), "latest_by")?.first().copied();
                let by = by.ok_or(Error::Misuse("latest_by names no column"))?;
                deciding.push(by);
                ColumnPolicy::LatestBy { column: by, name: schema.field(by).name().clone() }
            }
            plain => ColumnPolicy::Plain(plain.clone()),
        };
        policies.insert(column, policy);
    }
    // The column that decides is itself changed on both sides, as a rule: it follows the row it decides for.
    for by in deciding {
        let name = schema.field(by).name().clone();
        policies.entry(by).or_insert(ColumnPolicy::LatestBy { column: by, name });
    }
    Ok(policies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_written_as_they_are_read() {
        for text in ["latest_by(updated_at)", "max", "min", "sum_delta", "union_set", "ours", "theirs"] {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
        assert!("latest_by()".parse::<Policy>().is_err());
        assert!("newest".parse::<Policy>().is_err());
    }
}
