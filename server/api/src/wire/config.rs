//! Facts about the server.

use std::collections::BTreeMap;

use anabranch_app::ServerFacts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The lakeFS version whose operations this server answers to: clients compare it before they use newer ones.
pub(crate) const LAKEFS_VERSION: &str = "1.60.0";

/// What clients ask before they begin.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Config {
    /// Which version.
    pub version_config: VersionConfig,
    /// What the storage can do.
    pub storage_config: StorageConfig,
    /// Always empty.
    pub capabilities_config: BTreeMap<String, serde_json::Value>,
}

/// Which version of lakeFS's interface this is, and ours beside it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionConfig {
    /// The lakeFS version whose operations are answered.
    pub version: String,
    /// `anabranch`, to tell this server from others.
    pub version_context: String,
    /// The version of this server. Of our own.
    pub anabranch_version: String,
    /// Always false.
    pub upgrade_recommended: bool,
}

/// What the storage can do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StorageConfig {
    /// The kind of the default store.
    pub blockstore_type: String,
    /// A namespace that would be accepted.
    pub blockstore_namespace_example: String,
    /// Which namespaces are accepted.
    #[serde(rename = "blockstore_namespace_ValidityRegex")]
    pub blockstore_namespace_validity_regex: String,
    /// What a client puts before a repository's name to get its namespace.
    pub default_namespace_prefix: String,
    /// Whether objects can be read and written by presigned addresses.
    pub pre_sign_support: bool,
    /// The same, for a web page.
    pub pre_sign_support_ui: bool,
    /// Whether objects can be imported.
    pub import_support: bool,
    /// Which addresses can be imported from.
    pub import_validity_regex: String,
    /// Whether uploads in parts can be presigned.
    pub pre_sign_multipart_upload: bool,
}

/// What a client of lakeFS reports of its own use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatsEventsList {
    /// One for each kind of use.
    pub events: Vec<StatsEvent>,
}

/// How often something was used.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatsEvent {
    /// The group of uses that it belongs to.
    pub class: String,
    /// What was used.
    pub name: String,
    /// How often.
    pub count: i64,
}

impl Config {
    /// The facts of this server.
    pub(crate) fn of_this_server(facts: &ServerFacts) -> Self {
        Config {
            version_config: VersionConfig::of_this_server(),
            storage_config: StorageConfig::of_this_server(facts),
            capabilities_config: BTreeMap::new(),
        }
    }
}

impl VersionConfig {
    /// The version of this server.
    pub(crate) fn of_this_server() -> Self {
        VersionConfig {
            version: LAKEFS_VERSION.into(),
            version_context: "anabranch".into(),
            anabranch_version: env!("CARGO_PKG_VERSION").into(),
            upgrade_recommended: false,
        }
    }
}

impl StorageConfig {
    /// What the storage of this server can do.
    ///
    /// Addresses are signed by every storage, but clients take `pre_sign_support` as advice to read and write that way:
    /// it pays where the store is another machine.
    pub(crate) fn of_this_server(facts: &ServerFacts) -> Self {
        let bucket = facts.namespaces.iter().find(|prefix| prefix.starts_with("s3://"));
        let example = bucket.map(|prefix| format!("{}/my-repository", prefix.trim_end_matches('/')));
        let sources = facts.import_sources.iter().map(|prefix| escaped(prefix.trim_end_matches('/')));
        let sources: Vec<_> = sources.collect();
        StorageConfig {
            blockstore_type: if bucket.is_some() { "s3" } else { "local" }.into(),
            blockstore_namespace_example: example.unwrap_or_else(|| "local://my-repository".into()),
            blockstore_namespace_validity_regex: "^(local|s3|mem)://.*$".into(),
            default_namespace_prefix: "local://".into(),
            pre_sign_support: bucket.is_some(),
            pre_sign_support_ui: bucket.is_some(),
            import_support: !sources.is_empty(),
            import_validity_regex: match sources.is_empty() {
                true => "^$".into(),
                false => format!("^({})(/.*)?$", sources.join("|")),
            },
            pre_sign_multipart_upload: false,
        }
    }
}

/// A text as a pattern that matches it alone.
fn escaped(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/:-_ ".contains(c);
    text.chars().map(|c| if plain(c) { c.to_string() } else { format!("\\{c}") }).collect()
}
