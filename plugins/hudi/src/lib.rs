//! Merges copy-on-write tables of Apache Hudi by their timelines: instants are united, file groups that both sides touched are
//! conflicts, and so are record keys that both inserted.

mod avro;
mod changes;
mod commit;
mod diff;
mod inflate;
mod keys;
mod merge;
mod names;
mod parquet;
mod plan;
mod properties;
mod read;
mod removed;
mod schema;
mod shared;
mod supported;
#[cfg(test)]
mod tests;
mod timeline;
mod value;

use anabranch_plugin::bindings::anabranch::merge::types::{Failure, Wish};
use anabranch_plugin::bindings::exports::anabranch::merge::{about, differ, merger};
use anabranch_plugin::run::speak;
use anabranch_plugin::{Changes, Json};

const OPTIONS: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "keys": {"enum": ["partition", "table"], "default": "partition",
             "description": "where a record key is unique: in its partition, or in the table, as with a global index"}
  }
}"#;

struct Hudi;

#[cfg(target_arch = "wasm32")]
anabranch_plugin::bindings::export_bindings!(Hudi with_types_in anabranch_plugin::bindings);
// For this machine, where unit tests run, nothing is exported: the names are not those of a native library.
#[cfg(not(target_arch = "wasm32"))]
const _: () = {
    const _: fn() -> about::Description = <Hudi as about::Guest>::describe;
    const _: fn(merger::MergeInput) -> Result<merger::MergeOutcome, Failure> =
        <Hudi as merger::Guest>::on_merge;
    const _: fn(differ::DiffInput) -> Result<differ::DiffSummary, Failure> = <Hudi as differ::Guest>::on_diff;
};

impl about::Guest for Hudi {
    fn describe() -> about::Description {
        about::Description {
            name: "hudi".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Merges copy-on-write tables of Apache Hudi by their timelines.".into(),
            claims: vec![about::Claim {
                id: "table".into(),
                unit: about::UnitKind::Folder,
                patterns: Vec::new(),
                markers: vec![".hoodie/hoodie.properties".into()],
                media_types: Vec::new(),
                start: about::Start::ThreeWay,
            }],
            options_schema: Some(OPTIONS.into()),
        }
    }
}

impl merger::Guest for Hudi {
    fn on_merge(input: merger::MergeInput) -> Result<merger::MergeOutcome, Failure> {
        speak();
        let options = Json::parse(input.options.as_bytes());
        let options = options.map_err(|error| Failure::new("bad-options", error.to_string()))?;
        let is_global = options.get("keys").and_then(Json::as_str) == Some("table");
        merge::merge(&input, is_global)
    }
}

impl differ::Guest for Hudi {
    fn on_diff(input: differ::DiffInput) -> Result<differ::DiffSummary, Failure> {
        speak();
        let mut reader =
            |page: &[anabranch_plugin::Change]| input.sink.emit(page).map(|wish| wish == Wish::More);
        let is_shown = input.detail == differ::Detail::Changes;
        let mut changes = Changes::new(if is_shown { Some(&mut reader) } else { None });
        let summary = diff::diff(&input, &mut changes)?;
        changes.flush()?;
        Ok(summary)
    }
}
