//! What stands in a file beside its rows, as keys and values: pure. Most of it is merged key by key; what speaks about the
//! rows or the columns is made to fit those of the merged file, or left out where it would say what is not so.

mod geo;
mod pandas;

use std::collections::{BTreeMap, BTreeSet};

use anabranch_merge::{Decision, ThreeWay};
use anabranch_rows::{PerSide, Side};

/// Keys and their values, in the order of the file.
pub(super) type Pairs = Vec<(String, Option<String>)>;

/// The key under which Arrow's writers keep the schema as they had it. Made anew by whoever writes the file.
pub(super) const ARROW_SCHEMA: &str = "ARROW:schema";

/// Keys under which a writer repeats the columns in a form of its own. They hold as long as the columns do.
const OF_THE_COLUMNS: [&str; 6] = [
    "org.apache.spark.sql.parquet.row.metadata",
    "parquet.avro.schema",
    "avro.schema",
    "iceberg.schema",
    "parquet.proto.descriptor",
    "parquet.thrift.descriptor",
];

/// Keys that say who wrote the file. Ours stay.
const OF_THE_WRITER: [&str; 3] = ["org.apache.spark.version", "writer.model.name", "parquet.proto.class"];

/// Keys that say how values are to be understood: rows of two sides go together only where they agree.
const OF_THE_VALUES: [&str; 3] =
    ["org.apache.spark.legacyDateTime", "org.apache.spark.legacyINT96", "org.apache.spark.timeZone"];

const PANDAS: &str = "pandas";
const GEO: &str = "geo";

/// What is known of the merged file.
pub(super) struct Columns<'a> {
    /// Its columns, and the side as whose each is stored.
    pub(super) from: &'a BTreeMap<String, Option<Side>>,
    /// Whether they are just those of ours, and of theirs.
    pub(super) are_ours: bool,
    /// As `are_ours`.
    pub(super) are_theirs: bool,
}

/// A key that both sides set differently.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Clash {
    pub(super) key: String,
    pub(super) values: PerSide<Option<String>>,
}

/// What becomes of the keys.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Joined {
    /// In ours' order, then theirs' new ones.
    pub(super) pairs: Pairs,
    /// What was left out, and why.
    pub(super) notes: Vec<String>,
}

/// Why keys were not joined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Unjoined {
    /// Keys that somebody can decide.
    Clashes(Vec<Clash>),
    /// The rows of the sides do not belong into one file: why.
    Apart(String),
}

/// Joins the keys of three sides. `decided` answers whose value somebody chose for a key. How many rows there are is not
/// known yet: [`with_rows`] says it.
pub(super) fn join(
    sides: PerSide<&Pairs>,
    columns: &Columns<'_>,
    decided: impl Fn(&Clash) -> Option<Side>,
) -> Result<Joined, Unjoined> {
    let mut joined = Joined::default();
    let mut clashes = Vec::new();
    let mut seen = BTreeSet::new();
    for (key, _) in sides.ours.iter().chain(sides.theirs).chain(sides.base) {
        if key == ARROW_SCHEMA || !seen.insert(key.as_str()) {
            continue;
        }
        let values = PerSide::from_fn(|side| value(sides.get(side), key));
        match join_key(key, values, columns, &mut joined.notes).map_err(Unjoined::Apart)? {
            Some(value) => joined.pairs.extend(value.map(|value| (key.clone(), value))),
            None => {
                let clash = Clash { key: key.clone(), values: PerSide::from_fn(|side| shown(&values, side)) };
                match decided(&clash) {
                    Some(side) => {
                        joined.pairs.extend(values.get(side).map(|value| (key.clone(), value.cloned())))
                    }
                    None => clashes.push(clash),
                }
            }
        }
    }
    match clashes.is_empty() {
        true => Ok(joined),
        false => Err(Unjoined::Clashes(clashes)),
    }
}

/// The same for a file of so many rows.
pub(super) fn with_rows(pairs: Pairs, rows: u64) -> Pairs {
    let fitted = |(key, value): (String, Option<String>)| match value {
        Some(text) if key == PANDAS => (key, Some(pandas::with_rows(&text, rows).unwrap_or(text))),
        value => (key, value),
    };
    pairs.into_iter().map(fitted).collect()
}

/// The value of a key: none if there is no such key, and none within it if there is no value.
type Value<'a> = Option<Option<&'a String>>;

fn value<'a>(pairs: &'a Pairs, key: &str) -> Value<'a> {
    // As readers do, the first one counts.
    pairs.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_ref())
}

fn shown(values: &PerSide<Value<'_>>, side: Side) -> Option<String> {
    values.get(side).map(|value| value.cloned().unwrap_or_default())
}

/// The value that the merged file has under a key, if it has that key; the outer `None`: both sides set it differently.
fn join_key(
    key: &str,
    values: PerSide<Value<'_>>,
    columns: &Columns<'_>,
    notes: &mut Vec<String>,
) -> Result<Option<Option<Option<String>>>, String> {
    let owned = |value: Value<'_>| value.map(|value| value.cloned());
    let text = |side: Side| values.get(side).flatten().map(String::as_str);
    if OF_THE_COLUMNS.contains(&key) {
        return Ok(Some(match (values.ours, values.theirs) {
            (Some(ours), _) if columns.are_ours => Some(ours.cloned()),
            (Some(_), Some(theirs)) if columns.are_theirs => Some(theirs.cloned()),
            (Some(_), _) => {
                notes.push(format!("{key} is left out: it would describe other columns"));
                None
            }
            (None, _) => None,
        }));
    }
    if OF_THE_WRITER.contains(&key) {
        return Ok(Some(owned(values.ours)));
    }
    if OF_THE_VALUES.contains(&key) {
        return match values.ours == values.theirs {
            true => Ok(Some(owned(values.ours))),
            false => {
                Err(format!("the sides differ in {key}, which says how their values are to be understood"))
            }
        };
    }
    if key == PANDAS && values.ours.is_some() {
        let fitted = text(Side::Ours).and_then(|ours| pandas::join(ours, text(Side::Theirs), columns));
        if fitted.is_none() {
            notes.push(format!("{key} is left out: it cannot be read"));
        }
        return Ok(Some(fitted.map(Some)));
    }
    if key == GEO {
        let sides = PerSide::from_fn(text);
        let (joined, note) = geo::join(sides, columns)?;
        notes.extend(note);
        return Ok(Some(joined.map(Some)));
    }
    let sides = ThreeWay { base: values.base, ours: values.ours, theirs: values.theirs };
    Ok(match sides.decide(|left, right| left == right) {
        Decision::Ours => Some(owned(values.ours)),
        Decision::Theirs => Some(owned(values.theirs)),
        Decision::Conflict => None,
    })
}
