//! Which object storage a repository's namespace names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_repository::{RepositoryError, StorageOpener};
use anabranch_storage::{
    AzureConfig, ObjectStorage, S3Config, StorageError, open_azure, open_local, open_memory, open_s3,
};
use anabranch_types::{ObjectKey, RepositoryName};
use async_trait::async_trait;

use super::metered::MeteredStorage;
use super::metrics::Backends;
use crate::config::ObjectsSettings;
use crate::system::SystemIds;

/// Opens `local://NAME` below the data folder, `mem://NAME` in this process, `s3://BUCKET/PREFIX` where it is set up.
pub(crate) struct Namespaces {
    folder: PathBuf,
    settings: ObjectsSettings,
    metrics: Backends,
    memory: Mutex<BTreeMap<String, Arc<dyn ObjectStorage>>>,
}

impl std::fmt::Debug for Namespaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespaces").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Namespaces {
    pub(crate) fn new(folder: PathBuf, settings: ObjectsSettings, metrics: Backends) -> Self {
        Namespaces { folder, settings, metrics, memory: Mutex::new(BTreeMap::new()) }
    }

    /// Whether the storage answers where new repositories go. Reads one object, which need not exist.
    pub(super) async fn answers(&self) -> bool {
        let namespace = self.settings.default_namespace.as_str();
        if namespace.starts_with("local://") {
            // The folder of the objects is made with the first repository; the one above it is the server's own.
            let above = self.folder.parent().unwrap_or(&self.folder);
            return tokio::fs::metadata(above).await.is_ok_and(|found| found.is_dir());
        }
        let probe = async {
            let storage = self.open_inner(namespace.trim_end_matches('/'))?;
            storage.head(&ObjectKey::new("anabranch-ready")).await
        };
        match probe.await {
            Ok(_) | Err(StorageError::NotFound { .. }) => true,
            Err(error) => {
                tracing::warn!(namespace, error = chain(&error), "the object storage does not answer");
                false
            }
        }
    }

    fn open_inner(&self, namespace: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        match namespace.split_once("://") {
            Some(("local", name)) => open_local(&self.folder.join(name)),
            Some(("s3", rest)) => self.open_s3(namespace, rest),
            Some(("az", rest)) => self.open_azure(namespace, rest),
            Some(("mem", name)) => {
                let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.get(name).cloned().ok_or_else(|| StorageError::Gone {
                    storage: namespace.to_owned(),
                    reason:
                        "a memory repository ends with the server that made it: delete it and make it anew"
                            .into(),
                })
            }
            _ => Err(StorageError::Gone {
                storage: namespace.to_owned(),
                reason: "this server does not know the kind of its namespace".into(),
            }),
        }
    }

    fn open_s3(&self, namespace: &str, rest: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        let Some(access) = &self.settings.s3 else {
            return Err(StorageError::Gone {
                storage: namespace.to_owned(),
                reason: "the server was started without --s3-access-key-id".into(),
            });
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let config = S3Config {
            endpoint: access.endpoint.clone(),
            region: access.region.clone(),
            bucket: bucket.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
            access_key_id: access.access_key_id.clone(),
            secret_access_key: access.secret_access_key.expose().to_owned(),
            allow_http: access.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://")),
        };
        open_s3(&config, Arc::new(SystemIds))
    }
}

impl Namespaces {
    fn open_azure(&self, namespace: &str, rest: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        let Some(access) = &self.settings.azure else {
            return Err(StorageError::Gone {
                storage: namespace.to_owned(),
                reason: "the server was started without azure.account".into(),
            });
        };
        let (container, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let config = AzureConfig {
            endpoint: access.endpoint.clone(),
            account: access.account.clone(),
            access_key: access.access_key.expose().to_owned(),
            container: container.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
            allow_http: access.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://")),
        };
        open_azure(&config, Arc::new(SystemIds))
    }
}

#[async_trait]
impl StorageOpener for Namespaces {
    async fn open(&self, namespace: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        let kind = namespace.split_once("://").map_or("unknown", |(kind, _)| kind);
        let storage = self.open_inner(namespace)?;
        Ok(Arc::new(MeteredStorage::new(storage, kind, &self.metrics)))
    }

    fn resolve(
        &self,
        requested: Option<&str>,
        repository: &RepositoryName,
    ) -> Result<String, RepositoryError> {
        let Some(requested) = requested else {
            return Ok(format!("{}{repository}", self.settings.default_namespace));
        };
        let requested = requested.trim_end_matches('/');
        // lakeFS clients write Azure's containers as addresses of the web.
        let of_azure = self.settings.azure.as_ref().and_then(|access| access.container_of(requested));
        let of_azure = of_azure.map(|rest| format!("az://{rest}"));
        let requested = of_azure.as_deref().unwrap_or(requested);
        let refuse = |why: &str| RepositoryError::Invalid {
            message: format!("storage namespace {requested:?} is refused: {why}"),
        };
        match requested.split_once("://") {
            Some(("local" | "mem", name)) if !is_plain(name) => {
                Err(refuse("its name takes 1 to 100 letters, digits, hyphens and underscores"))
            }
            Some(("local", name)) => Ok(format!("local://{name}")),
            Some(("mem", name)) => {
                let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.entry(name.to_owned()).or_insert_with(|| open_memory(name));
                Ok(format!("mem://{name}"))
            }
            Some(("s3", _)) if self.settings.s3.is_none() => Err(refuse(
                "the server was started without keys for S3: see `anabranch serve --help`, --s3-…",
            )),
            Some(("s3", rest)) if rest.is_empty() || rest.starts_with('/') => {
                Err(refuse("it names no bucket"))
            }
            Some(("s3", rest)) => Ok(format!("s3://{rest}")),
            Some(("az" | "azure", _)) if self.settings.azure.is_none() => Err(refuse(
                "the server was started without a storage account: see `anabranch serve --help`, --azure-…",
            )),
            Some(("az" | "azure", rest)) if rest.is_empty() || rest.starts_with('/') => {
                Err(refuse("it names no container"))
            }
            Some(("az" | "azure", rest)) => Ok(format!("az://{rest}")),
            _ => Err(refuse("it begins with none of local://, s3://, az:// and mem://")),
        }
    }
}

/// An error with everything that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn is_plain(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::super::metrics::Metrics;
    use super::*;
    use crate::config::SettingFlags;

    #[tokio::test]
    async fn namespaces_are_resolved_or_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let namespaces = || {
            let settings = SettingFlags::of(&[]).settings_alone().unwrap().objects;
            Namespaces::new(folder.path().to_owned(), settings, Metrics::new().unwrap().backends)
        };
        let opener = namespaces();
        let name = RepositoryName::new("sales").unwrap();
        let resolve = |requested| opener.resolve(requested, &name).map_err(|error| error.to_string());
        assert_eq!(resolve(None), Ok("local://sales".into()));
        assert_eq!(resolve(Some("local://x/")), Ok("local://x".into()));
        for bad in ["local://../etc", "local://", "mem://a/b", "file:///etc", "s3://bucket", "x", "local://."]
        {
            assert!(resolve(Some(bad)).is_err(), "{bad}");
        }
        assert_eq!(resolve(Some("mem://m")), Ok("mem://m".into()));
        assert!(opener.open("mem://m").await.is_ok());
        let restarted = namespaces();
        assert!(matches!(restarted.open("mem://m").await, Err(StorageError::Gone { .. })));
    }
}
