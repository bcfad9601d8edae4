//! Rows of the database as values. What this server cannot have written is named, never a panic.

use bytes::Bytes;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::judge::RefRow;
use crate::{FenceMark, Partition, StagedRow, StagedValue, Token, Version, Versioned};

/// Reads (value, version, token, head).
pub(super) fn ref_row(row: &PgRow) -> Result<RefRow, String> {
    let value: Vec<u8> = row.try_get("value").map_err(named)?;
    let version: i64 = row.try_get("version").map_err(named)?;
    let version = version_of(version)?;
    Ok(RefRow { versioned: Versioned { value: Bytes::from(value), version }, fence: fence(row)? })
}

/// Reads (token, head).
pub(super) fn fence(row: &PgRow) -> Result<Option<FenceMark>, String> {
    match (optional(row, "token")?, optional(row, "head")?) {
        (None, None) => Ok(None),
        (Some(token), Some(head)) => Ok(Some(FenceMark { token: Token(array(token)?), head: array(head)? })),
        _ => Err("half a fence".to_owned()),
    }
}

/// Reads (entry, etag).
pub(super) fn staged_value(row: &PgRow) -> Result<StagedValue, String> {
    match (optional(row, "entry")?, optional(row, "etag")?) {
        (None, None) => Ok(StagedValue::Deleted),
        (Some(entry), Some(etag)) => {
            let etag = String::from_utf8(etag).map_err(|error| error.to_string())?;
            Ok(StagedValue::Present { entry: entry.into(), etag })
        }
        _ => Err("half an entry".to_owned()),
    }
}

/// Reads (ordinal, path, entry, etag); the first is the index of the staging area.
pub(super) fn staged_row(row: &PgRow) -> Result<(usize, StagedRow), String> {
    let ordinal: i64 = row.try_get("ordinal").map_err(named)?;
    let area = usize::try_from(ordinal - 1).map_err(|error| error.to_string())?;
    let path = text(row, "path").map_err(|what| of_staged("?", &what))?;
    let value = staged_value(row).map_err(|what| of_staged(&path, &what))?;
    Ok((area, StagedRow { path, value }))
}

/// Reads UTF-8 that is kept as bytes: text would take no zero byte, and has an order of its own.
pub(super) fn text(row: &PgRow, column: &str) -> Result<String, String> {
    String::from_utf8(row.try_get(column).map_err(named)?).map_err(|error| error.to_string())
}

/// Reads the versions of a write.
pub(super) fn versions(row: &PgRow) -> Result<Option<Vec<Option<Version>>>, String> {
    let versions: Option<Vec<Option<i64>>> = row.try_get("versions").map_err(named)?;
    let Some(versions) = versions else { return Ok(None) };
    versions
        .into_iter()
        .map(|version| version.map(version_of).transpose())
        .collect::<Result<_, _>>()
        .map(Some)
}

fn version_of(version: i64) -> Result<Version, String> {
    u64::try_from(version).map(Version).map_err(|_| format!("the version {version}"))
}

fn optional(row: &PgRow, column: &str) -> Result<Option<Vec<u8>>, String> {
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
pub(super) fn of_staged(path: &str, what: &str) -> String {
    format!("staged row {path:?}: {what}")
}
