//! Which rows a check has to look at, going by files and their statistics alone. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::action::Add;
use crate::snapshot::LiveFiles;

/// Rows of one file: those that it shows.
#[derive(Clone, Debug)]
pub(crate) struct FileRows {
    /// The file.
    pub(crate) add: Arc<Add>,
    /// The same file with other deletion vectors: only rows count that all of these hide.
    pub(crate) hidden_in: Vec<Arc<Add>>,
    /// The same file with another deletion vector: only rows count that it shows.
    pub(crate) shown_in: Option<Arc<Add>>,
}

impl FileRows {
    /// All rows that a file shows.
    pub(crate) fn all(add: &Arc<Add>) -> FileRows {
        FileRows { add: add.clone(), hidden_in: Vec::new(), shown_in: None }
    }
}

/// The rows that both states show.
pub(crate) fn rows_shared(live: &LiveFiles, other: &LiveFiles) -> Vec<FileRows> {
    let shared = |(key, add): (&Arc<str>, &Arc<Add>)| {
        let known = other.get(key)?;
        let shown_in = Some(known.clone()).filter(|known| !known.same_file(add));
        Some(FileRows { shown_in, ..FileRows::all(add) })
    };
    live.iter().filter_map(shared).collect()
}

/// The rows of `live` that none of the `known` states shows.
pub(crate) fn rows_beyond(live: &LiveFiles, known: &[&LiveFiles]) -> Vec<FileRows> {
    let beyond = |(key, add): (&Arc<str>, &Arc<Add>)| {
        let mut hidden_in = Vec::new();
        for state in known {
            match state.get(key) {
                None => {}
                Some(other) if other.same_file(add) || other.vector.is_none() => return None,
                Some(other) => hidden_in.push(other.clone()),
            }
        }
        Some(FileRows { hidden_in, ..FileRows::all(add) })
    };
    live.iter().filter_map(beyond).collect()
}

/// What a file's statistics say, by the columns' names in its log.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Statistics {
    min_values: BTreeMap<String, Value>,
    max_values: BTreeMap<String, Value>,
    null_count: BTreeMap<String, Value>,
}

/// What is known of the values that a file holds in some columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    statistics: Statistics,
    partition: BTreeMap<String, Option<String>>,
}

impl Bounds {
    /// What the log says of a file. What cannot be read is not known.
    pub(crate) fn of(add: &Add) -> Bounds {
        let text: Option<String> = add.object().ok().and_then(|object| object.read("stats").ok().flatten());
        let statistics = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Bounds { statistics, partition: add.partition().unwrap_or_default() }
    }

    /// The same of some columns alone, under the names of others.
    fn renamed(&self, columns: &[String], names: &[String]) -> Bounds {
        fn picked<V: Clone>(
            of: &BTreeMap<String, V>,
            columns: &[String],
            names: &[String],
        ) -> BTreeMap<String, V> {
            let pairs = columns.iter().zip(names);
            pairs.filter_map(|(column, name)| Some((name.clone(), of.get(column)?.clone()))).collect()
        }
        let of = &self.statistics;
        let statistics = Statistics {
            min_values: picked(&of.min_values, columns, names),
            max_values: picked(&of.max_values, columns, names),
            null_count: picked(&of.null_count, columns, names),
        };
        Bounds { statistics, partition: picked(&self.partition, columns, names) }
    }

    /// Whether no row of the file has NULL in a column, for certain.
    pub(crate) fn has_no_null(&self, column: &str) -> bool {
        if let Some(value) = self.partition.get(column) {
            return value.is_some();
        }
        self.statistics.null_count.get(column).and_then(Value::as_i64) == Some(0)
    }

    /// The least and the greatest value of a column of whole numbers, where they are known.
    pub(crate) fn whole_numbers(&self, column: &str) -> Option<(i64, i64)> {
        let statistics = &self.statistics;
        let bound = |of: &BTreeMap<String, Value>| of.get(column).and_then(Value::as_i64);
        Some((bound(&statistics.min_values)?, bound(&statistics.max_values)?))
    }

    /// Whether both files may hold rows that are equal in all of these columns.
    pub(crate) fn may_share(&self, other: &Bounds, columns: &[String]) -> bool {
        columns.iter().all(|column| self.may_share_value(other, column))
    }

    fn may_share_value(&self, other: &Bounds, column: &str) -> bool {
        let both_null =
            |left: &Bounds, right: &Bounds| !left.has_no_null(column) && !right.has_no_null(column);
        if let (Some(left), Some(right)) = (self.partition.get(column), other.partition.get(column)) {
            // One value has several spellings, so that only equal texts are known to be equal, and only digits to differ.
            let plain = |text: &Option<String>| text.as_deref().is_none_or(is_plain_number);
            return left == right || !(plain(left) && plain(right));
        }
        let apart = self.is_below(other, column) || other.is_below(self, column);
        !apart || both_null(self, other)
    }

    /// Whether the greatest value here is less than the least there, for certain.
    fn is_below(&self, other: &Bounds, column: &str) -> bool {
        let greatest = self.statistics.max_values.get(column);
        let least = other.statistics.min_values.get(column);
        match (greatest, least) {
            (Some(Value::Number(greatest)), Some(Value::Number(least))) => {
                match (greatest.as_i64(), least.as_i64()) {
                    (Some(greatest), Some(least)) => greatest < least,
                    // NaN is in no statistics.
                    _ => false,
                }
            }
            // Instants are cut to milliseconds, and each writer spells them in its own way.
            (Some(Value::String(greatest)), Some(Value::String(least))) => {
                !is_instant(greatest) && !is_instant(least) && greatest < least
            }
            _ => false,
        }
    }
}

fn is_plain_number(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('0')
        && text.len() < 19
        && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text may be an instant: a date with a time behind it.
fn is_instant(text: &str) -> bool {
    text.len() > 10 && text.as_bytes().first().is_some_and(u8::is_ascii_digit) && text.contains(':')
}

/// Above so many pairs of files, each file is compared with what all files of the other list hold together.
const PAIRS_MAX: usize = 1 << 20;

/// Of two lists of files, those that may hold rows that are equal in all of these columns with some row of the other list.
pub(crate) fn may_share(
    left: Vec<FileRows>,
    right: Vec<FileRows>,
    columns: &[String],
) -> (Vec<FileRows>, Vec<FileRows>) {
    may_share_as(left, right, columns, columns)
}

/// The same where the columns have other names on the right.
pub(crate) fn may_share_as(
    left: Vec<FileRows>,
    right: Vec<FileRows>,
    columns: &[String],
    right_columns: &[String],
) -> (Vec<FileRows>, Vec<FileRows>) {
    let bounds = |files: &[FileRows], named: &[String]| -> Vec<Bounds> {
        files.iter().map(|file| Bounds::of(&file.add).renamed(named, columns)).collect()
    };
    let (left_bounds, right_bounds) = (bounds(&left, columns), bounds(&right, right_columns));
    let all = left.len().saturating_mul(right.len()) > PAIRS_MAX;
    let others = |bounds: &[Bounds]| if all { vec![together(bounds, columns)] } else { bounds.to_vec() };
    let keep = |files: Vec<FileRows>, own: &[Bounds], others: &[Bounds]| -> Vec<FileRows> {
        let meets = |one: &Bounds| others.iter().any(|other| one.may_share(other, columns));
        files.into_iter().zip(own).filter(|(_, bounds)| meets(bounds)).map(|(file, _)| file).collect()
    };
    let (left_others, right_others) = (others(&right_bounds), others(&left_bounds));
    let none = |bounds: &[Bounds]| bounds.is_empty();
    if none(&left_bounds) || none(&right_bounds) {
        return (Vec::new(), Vec::new());
    }
    (keep(left, &left_bounds, &left_others), keep(right, &right_bounds, &right_others))
}

/// What is known of all of these files together.
fn together(bounds: &[Bounds], columns: &[String]) -> Bounds {
    let mut all = Bounds::default();
    for column in columns {
        let least = bounds.iter().map(|one| one.statistics.min_values.get(column));
        let greatest = bounds.iter().map(|one| one.statistics.max_values.get(column));
        if let Some(least) = extreme(least, std::cmp::Ordering::Less) {
            all.statistics.min_values.insert(column.clone(), least);
        }
        if let Some(greatest) = extreme(greatest, std::cmp::Ordering::Greater) {
            all.statistics.max_values.insert(column.clone(), greatest);
        }
        if bounds.iter().all(|one| !one.partition.contains_key(column) && one.has_no_null(column)) {
            all.statistics.null_count.insert(column.clone(), 0.into());
        }
    }
    all
}

/// The least or greatest of some bounds; none if one is unknown, or two cannot be compared.
fn extreme<'v>(values: impl Iterator<Item = Option<&'v Value>>, wanted: std::cmp::Ordering) -> Option<Value> {
    let mut best: Option<&Value> = None;
    for value in values {
        let value = value?;
        let order = match (value, best) {
            (_, None) => wanted,
            (Value::Number(value), Some(Value::Number(best))) => value.as_i64()?.cmp(&best.as_i64()?),
            (Value::String(value), Some(Value::String(best))) => value.cmp(best),
            _ => return None,
        };
        if order == wanted {
            best = Some(value);
        }
    }
    best.cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, partition: &str, stats: &str) -> FileRows {
        let stats = serde_json::json!(stats);
        let body = format!(
            r#"{{"path":"{path}","partitionValues":{partition},"size":1,"modificationTime":0,"dataChange":true,"stats":{stats}}}"#
        );
        FileRows::all(&Arc::new(Add::parse(&body).unwrap()))
    }

    fn share(left: &[FileRows], right: &[FileRows], columns: &[&str]) -> (usize, usize) {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        let (left, right) = may_share(left.to_vec(), right.to_vec(), &columns);
        (left.len(), right.len())
    }

    #[test]
    fn files_whose_keys_are_apart_are_not_read() {
        let ids = |path: &str, low: i64, high: i64, nulls: i64| {
            let stats = format!(
                r#"{{"numRecords":9,"minValues":{{"id":{low}}},"maxValues":{{"id":{high}}},"nullCount":{{"id":{nulls}}}}}"#
            );
            file(path, "{}", &stats)
        };
        let ours = [ids("a", 1, 9, 0), ids("b", 10, 19, 0)];
        assert_eq!(share(&ours, &[ids("c", 20, 29, 0)], &["id"]), (0, 0));
        assert_eq!(share(&ours, &[ids("c", 15, 29, 0)], &["id"]), (1, 1));
        // NULL equals NULL, wherever the other values lie.
        assert_eq!(share(&[ids("a", 1, 9, 1)], &[ids("c", 20, 29, 1)], &["id"]), (1, 1));
        assert_eq!(share(&ours, &[file("c", "{}", "{}")], &["id"]), (2, 1), "nothing is known of c");
    }

    #[test]
    fn partitions_and_texts_tell_files_apart_and_instants_do_not() {
        let of = |partition: &str| file("x", partition, "{}");
        assert_eq!(share(&[of(r#"{"p":"1"}"#)], &[of(r#"{"p":"2"}"#)], &["p"]), (0, 0));
        assert_eq!(
            share(&[of(r#"{"p":"1"}"#)], &[of(r#"{"p":"01"}"#)], &["p"]),
            (1, 1),
            "one number in two spellings"
        );
        let texts = |low: &str, high: &str| {
            let stats = format!(
                r#"{{"numRecords":9,"minValues":{{"t":"{low}"}},"maxValues":{{"t":"{high}"}},"nullCount":{{"t":0}}}}"#
            );
            file("x", "{}", &stats)
        };
        assert_eq!(share(&[texts("a", "b")], &[texts("c", "d")], &["t"]), (0, 0));
        let day = |day: u32| {
            texts(&format!("2024-01-0{day}T00:00:00.000Z"), &format!("2024-01-0{day}T01:00:00.000Z"))
        };
        assert_eq!(share(&[day(1)], &[day(2)], &["t"]), (1, 1));
    }

    #[test]
    fn rows_that_a_state_shows_are_known_and_those_that_it_hides_are_not() {
        let add = |vector: Option<u32>| {
            let vector = vector.map(|offset| {
                format!(r#","deletionVector":{{"storageType":"u","pathOrInlineDv":"ab^-aqEH.-t@S}}K{{vb[*k^","offset":{offset},"sizeInBytes":4,"cardinality":1}}"#)
            });
            let body = format!(
                r#"{{"path":"f","partitionValues":{{}},"size":1,"modificationTime":0,"dataChange":true{}}}"#,
                vector.unwrap_or_default()
            );
            let add = Arc::new(Add::parse(&body).unwrap());
            LiveFiles::from([(add.key.clone(), add)])
        };
        let beyond = |live: Option<u32>, known: Option<u32>| {
            rows_beyond(&add(live), &[&add(known)]).first().map(|rows| rows.hidden_in.len())
        };
        assert_eq!(beyond(None, None), None);
        assert_eq!(beyond(Some(1), None), None, "what is left was there");
        assert_eq!(beyond(None, Some(1)), Some(1), "what it hid is new");
        assert_eq!(beyond(Some(2), Some(1)), Some(1));
        assert_eq!(rows_beyond(&add(None), &[&LiveFiles::new()]).len(), 1);
    }
}
