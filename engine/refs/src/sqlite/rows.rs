//! Rows of the database as values. What this server cannot have written is named, never a panic.

use bytes::Bytes;
use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::judge::RefRow;
use crate::{FenceMark, Partition, StagedRow, StagedValue, Token, Version, Versioned};

/// Reads (value, version, token, head) from the columns at `first`.
pub(super) fn ref_row(row: &Row<'_>, first: usize) -> Result<RefRow, String> {
    let value = Bytes::copy_from_slice(blob(row, first)?);
    let version = Version(number(row, first + 1)?);
    let fence = match (optional_blob(row, first + 2)?, optional_blob(row, first + 3)?) {
        (None, None) => None,
        (Some(token), Some(head)) => Some(FenceMark { token: Token(array(token)?), head: array(head)? }),
        _ => return Err("half a fence".to_owned()),
    };
    Ok(RefRow { versioned: Versioned { value, version }, fence })
}

/// Reads (entry, etag) from the columns at `first`.
pub(super) fn staged_value(row: &Row<'_>, first: usize) -> Result<StagedValue, String> {
    let etag = match value(row, first + 1)? {
        ValueRef::Null => None,
        ValueRef::Text(text) => Some(utf8(text)?),
        other => return Err(unexpected(other)),
    };
    match (optional_blob(row, first)?, etag) {
        (None, None) => Ok(StagedValue::Deleted),
        (Some(entry), Some(etag)) => Ok(StagedValue::Present { entry: Bytes::copy_from_slice(entry), etag }),
        _ => Err("half an entry".to_owned()),
    }
}

/// Reads (entry, etag, path).
pub(super) fn staged_row(token: &Token, row: &Row<'_>) -> Result<StagedRow, String> {
    let path = text(row, 2).map_err(|what| of_staged(token, "?", &what))?;
    let value = staged_value(row, 0).map_err(|what| of_staged(token, &path, &what))?;
    Ok(StagedRow { path, value })
}

/// Reads UTF-8 that is kept as bytes, so that it is ordered bytewise.
pub(super) fn text(row: &Row<'_>, column: usize) -> Result<String, String> {
    utf8(blob(row, column)?)
}

pub(super) fn blob<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], String> {
    optional_blob(row, column)?.ok_or_else(|| "NULL in place of bytes".to_owned())
}

fn number(row: &Row<'_>, column: usize) -> Result<u64, String> {
    match value(row, column)? {
        ValueRef::Integer(number) => u64::try_from(number).map_err(|_| format!("the number {number}")),
        other => Err(unexpected(other)),
    }
}

fn optional_blob<'r>(row: &'r Row<'_>, column: usize) -> Result<Option<&'r [u8]>, String> {
    match value(row, column)? {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(bytes) => Ok(Some(bytes)),
        other => Err(unexpected(other)),
    }
}

fn value<'r>(row: &'r Row<'_>, column: usize) -> Result<ValueRef<'r>, String> {
    row.get_ref(column).map_err(|error| error.to_string())
}

fn unexpected(value: ValueRef<'_>) -> String {
    format!("a value of type {}", value.data_type())
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| error.to_string())
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("{} bytes in place of {N}", bytes.len()))
}

/// Names a record in a message.
pub(super) fn of_record(partition: &Partition, key: &str, what: &str) -> String {
    format!("record {key:?} of {:?}: {what}", partition.0)
}

/// Names a staged row in a message.
pub(super) fn of_staged(token: &Token, path: &str, what: &str) -> String {
    format!("staged row {path:?} of {}: {what}", hex::encode(token.0))
}
