//! Checkpoints: Parquet files whose rows are actions.

use anabranch_rows::scan::{check_file, check_pages};
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::TreeBuilder;
use parquet::record::{Field, Row};
use serde_json::{Map, Value};

use crate::action::Action;

/// Fields that only repeat what another field says as text.
const REPEATED_FIELDS: [&str; 2] = ["stats_parsed", "partitionValues_parsed"];

/// How many rows are decoded at a time.
const BATCH_ROWS: usize = 1_024;

/// Reads the actions of one checkpoint file. CPU-bound; the Parquet crate may panic on hostile bytes, so it runs on
/// a thread whose panic is caught.
pub(crate) fn parse_checkpoint(bytes: Bytes) -> Result<Vec<Action>, String> {
    check_file(&bytes)?;
    let reader = SerializedFileReader::new(bytes.clone()).map_err(|error| error.to_string())?;
    let batch_rows = check_pages(&bytes, reader.metadata(), None, BATCH_ROWS)?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let text = |error: ParquetError| error.to_string();
    let mut actions = Vec::new();
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(text)?;
        let rows = TreeBuilder::new().with_batch_size(batch_rows).as_iter(schema.clone(), &*group);
        for row in rows.map_err(text)? {
            add_actions(&mut actions, &row.map_err(text)?)?;
        }
    }
    Ok(actions)
}

/// Adds the actions of a row: one at most, where it is as it should be.
fn add_actions(actions: &mut Vec<Action>, row: &Row) -> Result<(), String> {
    for (name, field) in row.get_column_iter() {
        let Field::Group(group) = field else { continue };
        if name == "sidecar" || name == "checkpointMetadata" {
            return Err("it is a checkpoint of the second form, which is not read here".into());
        }
        let body = Value::Object(group_fields(group)?).to_string();
        actions.push(Action::parse(name, &body)?);
    }
    Ok(())
}

fn group_fields(group: &Row) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    for (name, field) in group.get_column_iter() {
        if REPEATED_FIELDS.contains(&name.as_str()) || matches!(field, Field::Null) {
            continue;
        }
        fields.insert(name.clone(), value(field)?);
    }
    Ok(fields)
}

fn value(field: &Field) -> Result<Value, String> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(value) => (*value).into(),
        Field::Byte(value) => (*value).into(),
        Field::Short(value) => (*value).into(),
        Field::Int(value) => (*value).into(),
        Field::Long(value) => (*value).into(),
        Field::UByte(value) => (*value).into(),
        Field::UShort(value) => (*value).into(),
        Field::UInt(value) => (*value).into(),
        Field::ULong(value) => (*value).into(),
        Field::Float(value) => f64::from(*value).into(),
        Field::Double(value) => (*value).into(),
        Field::Str(text) => text.as_str().into(),
        Field::Bytes(bytes) => {
            String::from_utf8(bytes.data().to_vec()).map_err(|_| "a text is no UTF-8".to_owned())?.into()
        }
        Field::Group(group) => Value::Object(group_fields(group)?),
        Field::ListInternal(list) => {
            Value::Array(list.elements().iter().map(value).collect::<Result<_, _>>()?)
        }
        Field::MapInternal(map) => {
            let mut fields = Map::new();
            for (key, entry) in map.entries() {
                let Value::String(key) = value(key)? else {
                    return Err("a map has a key that is no text".into());
                };
                fields.insert(key, value(entry)?);
            }
            Value::Object(fields)
        }
        other => return Err(format!("it holds a value of an unexpected type: {other}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_an_error() {
        for garbage in [&b""[..], b"PAR1", b"PAR1 not a parquet file at all PAR1", &[0xff; 4096]] {
            assert!(parse_checkpoint(Bytes::copy_from_slice(garbage)).is_err());
        }
    }

    #[test]
    fn a_footer_that_would_take_all_memory_is_an_error() {
        // A list that claims 2^31 - 1 pairs.
        let footer = [0x59, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07];
        let file = [&b"PAR1"[..], &footer, &7_u32.to_le_bytes(), b"PAR1"].concat();
        assert!(parse_checkpoint(file.into()).unwrap_err().contains("more than there can be"));
    }
}
