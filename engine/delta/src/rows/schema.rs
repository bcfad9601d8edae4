//! The schemas of the three sides as Arrow, and whether rows of the table can be merged here at all.

use arrow::datatypes::Schema;
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;

use crate::action::Metadata;
use crate::snapshot::Snapshot;

/// The schema of a table.
///
/// # Errors
/// A type that Arrow does not have.
pub(crate) fn arrow_schema(metadata: &Metadata) -> Result<Schema, String> {
    let schema: StructType =
        serde_json::from_value(metadata.schema.clone()).map_err(|error| error.to_string())?;
    (&schema).try_into_arrow().map_err(|error| error.to_string())
}

/// Why the rows of a table cannot be merged here; none if they can.
pub(crate) fn obstacle(base: &Snapshot, ours: &Snapshot, theirs: &Snapshot) -> Option<&'static str> {
    let sides = [base, ours, theirs];
    let any = |holds: &dyn Fn(&Snapshot) -> bool| sides.into_iter().any(holds);
    let mapped = |side: &Snapshot| {
        side.metadata.configuration.get("delta.columnMapping.mode").is_some_and(|mode| mode != "none")
    };
    if any(&mapped) {
        return Some("the table maps its columns to other names");
    }
    if ours.protocol.names("rowTracking") {
        return Some("the table tracks its rows");
    }
    if ours.metadata.is_on("delta.enableChangeDataFeed") {
        return Some("the table has a change data feed");
    }
    let compatible = |property: &str| ours.metadata.is_on(property);
    let iceberg =
        ["delta.enableIcebergCompatV1", "delta.enableIcebergCompatV2", "delta.enableIcebergCompatV3"];
    if iceberg.into_iter().any(compatible) {
        return Some("the table promises to be readable as Iceberg");
    }
    if any(&|side| side.metadata.partition_columns != base.metadata.partition_columns) {
        return Some("the sides are partitioned differently");
    }
    None
}

/// Whether something says which values may stand beside one another in a row: then cells of two sides are not put into one
/// row, because each side has checked its own rows alone.
pub(crate) fn has_row_rules(metadata: &Metadata) -> bool {
    metadata.configuration.keys().any(|key| key.starts_with("delta.constraints."))
        || ["delta.generationExpression", "delta.invariants"]
            .into_iter()
            .any(|rule| metadata.schema.to_string().contains(rule))
}
