//! Rows of the database as values. What this server cannot have written is named, never a panic.

use bytes::Bytes;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::judge::RefRow;
use crate::{FenceMark, Partition, StagedRow, StagedValue, Token, Version, Versioned};

/// Reads (value, version, token, head) from the columns at `first`.
pub(super) fn ref_row(row: &SqliteRow, first: usize) -> Result<RefRow, String> {
    let value = Bytes::from(blob(row, first)?);
    let version = Version(number(row, first + 1)?);
    let fence = match (optional_blob(row, first + 2)?, optional_blob(row, first + 3)?) {
        (None, None) => None,
        (Some(token), Some(head)) => Some(FenceMark { token: Token(array(token)?), head: array(head)? }),
        _ => return Err("half a fence".to_owned()),
    };
    Ok(RefRow { versioned: Versioned { value, version }, fence })
}

/// Reads (entry, etag) from the columns at `first`.
pub(super) fn staged_value(row: &SqliteRow, first: usize) -> Result<StagedValue, String> {
    let etag: Option<String> = row.try_get(first + 1).map_err(named)?;
    match (optional_blob(row, first)?, etag) {
        (None, None) => Ok(StagedValue::Deleted),
        (Some(entry), Some(etag)) => Ok(StagedValue::Present { entry: entry.into(), etag }),
        _ => Err("half an entry".to_owned()),
    }
}

/// Reads (entry, etag, path).
pub(super) fn staged_row(token: &Token, row: &SqliteRow) -> Result<StagedRow, String> {
    let path = text(row, 2).map_err(|what| of_staged(token, "?", &what))?;
    let value = staged_value(row, 0).map_err(|what| of_staged(token, &path, &what))?;
    Ok(StagedRow { path, value })
}

/// Reads UTF-8 that is kept as bytes, so that it is ordered bytewise.
pub(super) fn text(row: &SqliteRow, column: usize) -> Result<String, String> {
    String::from_utf8(blob(row, column)?).map_err(|error| error.to_string())
}

pub(super) fn blob(row: &SqliteRow, column: usize) -> Result<Vec<u8>, String> {
    row.try_get(column).map_err(named)
}

pub(super) fn number(row: &SqliteRow, column: usize) -> Result<u64, String> {
    let number: i64 = row.try_get(column).map_err(named)?;
    u64::try_from(number).map_err(|_| format!("the number {number}"))
}

fn optional_blob(row: &SqliteRow, column: usize) -> Result<Option<Vec<u8>>, String> {
    row.try_get(column).map_err(named)
}

fn array<const N: usize>(bytes: Vec<u8>) -> Result<[u8; N], String> {
    let length = bytes.len();
    bytes.try_into().map_err(|_| format!("{length} bytes in place of {N}"))
}

fn named(error: sqlx::Error) -> String {
    error.to_string()
}

/// Names a record in a message.
pub(super) fn of_record(partition: &Partition, key: &str, what: &str) -> String {
    format!("record {key:?} of {:?}: {what}", partition.0)
}

/// Names a staged row in a message.
pub(super) fn of_staged(token: &Token, path: &str, what: &str) -> String {
    format!("staged row {path:?} of {}: {what}", hex::encode(token.0))
}
