//! Plugins of this installation: installed, listed, switched on and off, and removed by administrators.
//!
//! Plugins are named by the digest of their bytes. Which merges use one is said by the rules of a repository
//! (`merge.toml`), which pin the digest.

mod record;
mod store;

use std::fmt;

use anabranch_auth::{Action, Principal, Resource};
use anabranch_repository::{Paged, Paging};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use serde::{Deserialize, Serialize};

pub use record::PluginRecordError;
pub use store::{PluginStore, PluginStoreError};

use crate::app::permit;
use crate::{App, AppError, BodyStream};

/// What a plugin says it takes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PluginClaim {
    /// Its id in the plugin.
    pub id: String,
    /// `object` or `folder`.
    pub unit: String,
    /// Patterns of paths that its author suggests.
    pub patterns: Vec<String>,
    /// Paths that mark a folder as such a unit.
    pub markers: Vec<String>,
    /// Media types.
    pub media_types: Vec<String>,
}

/// What a plugin says of itself.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PluginDescription {
    /// What its author calls it.
    pub name: String,
    /// Its author's version.
    pub version: String,
    /// What it does.
    pub summary: String,
    /// `sha256:` and the digest of its bytes.
    pub digest: String,
    /// Whether it merges, or only compares.
    pub merges: bool,
    /// What it takes.
    pub claims: Vec<PluginClaim>,
    /// The JSON Schema of its options; none if it takes none.
    pub options_schema: Option<serde_json::Value>,
}

impl PluginDescription {
    /// How `merge.toml` pins it: `NAME@sha256:DIGEST`.
    pub fn component(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }
}

/// An installed plugin.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PluginInfo {
    /// What it says of itself.
    pub description: PluginDescription,
    /// The length of what was installed.
    pub size_bytes: u64,
    /// Whether merges may use it.
    pub enabled: bool,
    /// When it was installed, in milliseconds since the Unix epoch.
    pub installed_ms: i64,
    /// By whom.
    pub installed_by: String,
}

/// Why a plugin cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum PluginRefusal {
    /// It is not one that this server runs; the message says why.
    #[error("{0}")]
    Refused(String),
    /// The runtime failed.
    #[error("the plugin runtime failed: {0}")]
    Failed(String),
}

/// What runs plugins.
#[async_trait]
pub trait PluginHost: Send + Sync + fmt::Debug {
    /// The most bytes that a plugin may have.
    fn bytes_max(&self) -> u64;

    /// Checks and compiles a plugin, and asks it what it is.
    async fn describe(&self, bytes: Bytes) -> Result<PluginDescription, PluginRefusal>;
}

/// Plugins.
impl App {
    /// Installs a plugin: it is checked and compiled first, and can be used as soon as this answers. Bytes that are
    /// installed already stay as they are, switched off or not; then the second value is false.
    pub async fn install_plugin(
        &self,
        who: &Principal,
        body: BodyStream,
    ) -> Result<(PluginInfo, bool), AppError> {
        permit(who, Action::WritePlugins, &Resource::Server)?;
        let host = self.settings.plugins.as_ref().ok_or_else(no_plugins)?;
        let bytes = read_whole(body, host.bytes_max()).await?;
        let size_bytes = bytes.len() as u64;
        let description = host.describe(bytes.clone()).await.map_err(|error| match error {
            PluginRefusal::Refused(message) => AppError::Invalid { message },
            failed => AppError::internal(failed),
        })?;
        let info = PluginInfo {
            description,
            size_bytes,
            enabled: true,
            installed_ms: self.now_ms(),
            installed_by: who.name().to_owned(),
        };
        Ok(self.plugin_store().install(info, &bytes).await?)
    }

    /// Lists the installed plugins in order of digest.
    pub async fn list_plugins(&self, who: &Principal, paging: Paging) -> Result<Paged<PluginInfo>, AppError> {
        permit(who, Action::ReadPlugins, &Resource::Server)?;
        let (results, more) = self.plugin_store().list(&paging.prefix, paging.after, paging.amount).await?;
        let last = results.last().map(|plugin| plugin.description.digest.clone());
        Ok(Paged { results, more, next: last.filter(|_| more).unwrap_or_default() })
    }

    /// Looks a plugin up by its digest.
    pub async fn plugin(&self, who: &Principal, digest: &str) -> Result<PluginInfo, AppError> {
        permit(who, Action::ReadPlugins, &Resource::Server)?;
        self.plugin_store().get(digest).await?.ok_or_else(|| unknown(digest))
    }

    /// Lets merges use a plugin, or not.
    pub async fn set_plugin_enabled(
        &self,
        who: &Principal,
        digest: &str,
        enabled: bool,
    ) -> Result<PluginInfo, AppError> {
        permit(who, Action::WritePlugins, &Resource::Server)?;
        self.plugin_store().set_enabled(digest, enabled).await?.ok_or_else(|| unknown(digest))
    }

    /// Removes a plugin. Merges whose rules name it fail from then on, and say so.
    pub async fn remove_plugin(&self, who: &Principal, digest: &str) -> Result<(), AppError> {
        permit(who, Action::WritePlugins, &Resource::Server)?;
        if self.plugin_store().remove(digest).await? { Ok(()) } else { Err(unknown(digest)) }
    }

    fn plugin_store(&self) -> PluginStore {
        PluginStore::new(self.parts.refs.clone(), self.parts.ids.clone())
    }
}

fn no_plugins() -> AppError {
    AppError::Invalid { message: "this server runs no plugins".to_owned() }
}

fn unknown(digest: &str) -> AppError {
    AppError::NotFound {
        kind: "plugin",
        name: digest.chars().take(100).collect(),
        hint: ": list plugins to see what is installed".to_owned(),
    }
}

async fn read_whole(mut body: BodyStream, max: u64) -> Result<Bytes, AppError> {
    let mut bytes = bytes::BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        if (bytes.len() as u64).saturating_add(chunk.len() as u64) > max {
            return Err(AppError::TooLarge { what: "the plugin".into(), limit: format!("{max} bytes") });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

impl From<PluginStoreError> for AppError {
    fn from(error: PluginStoreError) -> Self {
        match error {
            PluginStoreError::TooLong { .. } => AppError::Invalid { message: error.to_string() },
            PluginStoreError::Busy { digest } => AppError::Contended { what: format!("plugin {digest}") },
            other => AppError::internal(other),
        }
    }
}
