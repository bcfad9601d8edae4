//! Which object storage a repository's namespace names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_repository::{RepositoryError, StorageOpener};
use anabranch_storage::{ObjectStorage, S3Config, StorageError, open_local, open_memory, open_s3};
use anabranch_types::RepositoryName;
use async_trait::async_trait;

use crate::system::SystemIds;

/// How `s3://` namespaces are reached: from the flags of `serve`.
#[derive(Clone, Debug)]
pub(crate) struct S3Access {
    pub(crate) endpoint: Option<String>,
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: anabranch_auth::Secret,
}

/// Opens `local://NAME` below the data folder, `mem://NAME` in this process, `s3://BUCKET/PREFIX` where it is set up.
pub(crate) struct Namespaces {
    folder: PathBuf,
    s3: Option<S3Access>,
    memory: Mutex<BTreeMap<String, Arc<dyn ObjectStorage>>>,
}

impl std::fmt::Debug for Namespaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespaces").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Namespaces {
    pub(crate) fn new(folder: PathBuf, s3: Option<S3Access>) -> Self {
        Namespaces { folder, s3, memory: Mutex::new(BTreeMap::new()) }
    }

    fn open_s3(&self, namespace: &str, rest: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        let Some(access) = &self.s3 else {
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

#[async_trait]
impl StorageOpener for Namespaces {
    async fn open(&self, namespace: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        match namespace.split_once("://") {
            Some(("local", name)) => open_local(&self.folder.join(name)),
            Some(("s3", rest)) => self.open_s3(namespace, rest),
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

    fn resolve(
        &self,
        requested: Option<&str>,
        repository: &RepositoryName,
    ) -> Result<String, RepositoryError> {
        let Some(requested) = requested else {
            return Ok(format!("local://{repository}"));
        };
        let requested = requested.trim_end_matches('/');
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
            Some(("s3", _)) if self.s3.is_none() => Err(refuse(
                "the server was started without keys for S3: see `anabranch serve --help`, --s3-…",
            )),
            Some(("s3", rest)) if rest.is_empty() || rest.starts_with('/') => {
                Err(refuse("it names no bucket"))
            }
            Some(("s3", rest)) => Ok(format!("s3://{rest}")),
            _ => Err(refuse("it begins with none of local://, s3:// and mem://")),
        }
    }
}

fn is_plain(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn namespaces_are_resolved_or_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let opener = Namespaces::new(folder.path().to_owned(), None);
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
        let restarted = Namespaces::new(folder.path().to_owned(), None);
        assert!(matches!(restarted.open("mem://m").await, Err(StorageError::Gone { .. })));
    }
}
