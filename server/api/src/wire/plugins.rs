//! Plugins. None of these is known to lakeFS clients.

use anabranch_app::{PluginClaim, PluginInfo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Pagination;

/// What a plugin says it takes. The rules of a repository decide what it gets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginClaims {
    /// Its id in the plugin.
    pub id: String,
    /// `object`: a unit is one object; `folder`: a unit is a folder with all that is in it.
    pub unit: String,
    /// Patterns of paths that its author suggests.
    pub patterns: Vec<String>,
    /// Paths below a folder that mark it as such a unit.
    pub markers: Vec<String>,
    /// Media types.
    pub media_types: Vec<String>,
}

/// An installed plugin.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Plugin {
    /// `sha256:` and the digest of its bytes: what it is called in addresses.
    pub digest: String,
    /// What its author calls it.
    pub name: String,
    /// Its author's version.
    pub version: String,
    /// What it does.
    pub summary: String,
    /// How `merge.toml` names it: `NAME@sha256:DIGEST`.
    pub component: String,
    /// The length of what was installed, in bytes.
    pub size_bytes: i64,
    /// Whether it merges, or only compares.
    pub merges: bool,
    /// What it takes.
    pub claims: Vec<PluginClaims>,
    /// The JSON Schema of its options; absent if it takes none.
    pub options_schema: Option<serde_json::Value>,
    /// Whether merges may use it.
    pub enabled: bool,
    /// When it was installed, in seconds since the Unix epoch.
    pub installed: i64,
    /// By whom.
    pub installed_by: String,
}

/// Plugins, in order of digest.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginList {
    /// Which page this is.
    pub pagination: Pagination,
    /// The plugins.
    pub results: Vec<Plugin>,
}

impl From<PluginInfo> for Plugin {
    fn from(info: PluginInfo) -> Self {
        let component = info.description.component();
        let claim = |claim: PluginClaim| PluginClaims {
            id: claim.id,
            unit: claim.unit,
            patterns: claim.patterns,
            markers: claim.markers,
            media_types: claim.media_types,
        };
        let said = info.description;
        Plugin {
            digest: said.digest,
            name: said.name,
            version: said.version,
            summary: said.summary,
            component,
            size_bytes: i64::try_from(info.size_bytes).unwrap_or(i64::MAX),
            merges: said.merges,
            claims: said.claims.into_iter().map(claim).collect(),
            options_schema: said.options_schema,
            enabled: info.enabled,
            installed: info.installed_ms.div_euclid(1_000),
            installed_by: info.installed_by,
        }
    }
}
