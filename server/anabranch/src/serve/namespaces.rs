//! Which object storage a repository's namespace names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_repository::{RepositoryError, StorageOpener};
use anabranch_storage::{
    AzureConfig, ImportSource, ObjectStorage, PlainFolder, RemoteSource, RemoteStorage, S3Config,
    StorageError, open_azure, open_local, open_memory,
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
    /// Sources that were opened, by bucket or folder.
    sources: Mutex<BTreeMap<String, Arc<dyn ImportSource>>>,
}

impl std::fmt::Debug for Namespaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespaces").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Namespaces {
    pub(crate) fn new(folder: PathBuf, settings: ObjectsSettings, metrics: Backends) -> Self {
        Namespaces { folder, settings, metrics, memory: Mutex::default(), sources: Mutex::default() }
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
            Some(("s3", rest)) => Ok(Arc::new(self.open_s3(namespace, rest)?)),
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

    fn open_s3(&self, namespace: &str, rest: &str) -> Result<RemoteStorage, StorageError> {
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
        RemoteStorage::s3(&config, Arc::new(SystemIds))
    }

    /// The one way to write a namespace, or why it is none.
    fn canonical(&self, requested: &str) -> Result<String, String> {
        let (kind, rest) = requested.split_once("://").unwrap_or(("", requested));
        let kind = if kind == "azure" { "az" } else { kind };
        match kind {
            "local" | "mem" if !is_plain(rest) => {
                return Err("its name takes 1 to 100 letters, digits, hyphens and underscores".into());
            }
            "local" | "mem" => {}
            "s3" if self.settings.s3.is_none() => {
                return Err(
                    "the server was started without keys for S3: see `anabranch serve --help`, --s3-…".into(),
                );
            }
            "az" if self.settings.azure.is_none() => {
                return Err(
                    "the server was started without a storage account: see `anabranch serve --help`, --azure-…".into(),
                );
            }
            "s3" | "az" if rest.is_empty() => return Err("it names no bucket".into()),
            "s3" | "az" if rest.split('/').any(|segment| ["", ".", ".."].contains(&segment)) => {
                return Err("it has an empty segment, '.' or '..'".into());
            }
            "s3" | "az" => {}
            _ => return Err("it begins with none of local://, s3://, az:// and mem://".into()),
        }
        Ok(format!("{kind}://{rest}"))
    }

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

    /// Opens the source that holds `url`, below the allowed prefix `allowed`, and says its key there.
    fn open_source(&self, allowed: &str, url: &str) -> Result<(Arc<dyn ImportSource>, String), StorageError> {
        let (name, key) = match bucket_of(url) {
            Some((bucket, key)) => (bucket.to_owned(), key),
            None => {
                let folder = allowed.trim_start_matches("local://").trim_end_matches('/');
                let key = url.trim_start_matches("local://").strip_prefix(folder).unwrap_or_default();
                (folder.to_owned(), key.trim_start_matches('/'))
            }
        };
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = sources.get(&name) {
            return Ok((Arc::clone(source), key.to_owned()));
        }
        let source: Arc<dyn ImportSource> = match bucket_of(url) {
            Some((bucket, _)) => Arc::new(RemoteSource::new(self.open_s3(url, bucket)?)),
            None => Arc::new(self.open_folder(&name)?),
        };
        sources.insert(name, Arc::clone(&source));
        Ok((source, key.to_owned()))
    }

    /// Opens a folder of this machine, unless it would show what is below the data folder.
    fn open_folder(&self, name: &str) -> Result<PlainFolder, StorageError> {
        let folder = PlainFolder::open(Path::new(name))?;
        let data = self.folder.parent().unwrap_or(&self.folder).canonicalize().unwrap_or_default();
        if folder.root().starts_with(&data) || data.starts_with(folder.root()) {
            return Err(StorageError::Withdrawn {
                address: format!("local://{name}"),
                reason: "the server's own data folder is there".into(),
            });
        }
        Ok(folder)
    }

    /// Refuses a namespace that lies below none of the allowed prefixes.
    fn check_allowed(&self, namespace: &str) -> Result<(), String> {
        let allowed = &self.settings.allow;
        if allowed.iter().any(|prefix| is_below(prefix, namespace)) {
            return Ok(());
        }
        Err(format!(
            "this server keeps repositories {}; its operator allows more with objects.allow",
            listed("below", allowed)
        ))
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
        let namespace = self.canonical(requested).map_err(|why| refuse(&why))?;
        self.check_allowed(&namespace).map_err(|why| refuse(&why))?;
        if let Some(name) = namespace.strip_prefix("mem://") {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.entry(name.to_owned()).or_insert_with(|| open_memory(name));
        }
        Ok(namespace)
    }

    fn source(&self, address: &str) -> Result<(Arc<dyn ImportSource>, String), StorageError> {
        let withdrawn = |reason: String| StorageError::Withdrawn { address: address.to_owned(), reason };
        // A URL whose segments a folder or a server would resolve is not what it seems to be below.
        if address.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(withdrawn("it has a segment '.' or '..'".into()));
        }
        let sources = &self.settings.allow_import;
        let Some(allowed) = sources.iter().find(|prefix| is_below(prefix, address)) else {
            return Err(withdrawn(format!(
                "this server imports {}; its operator allows more with objects.allow_import",
                listed("from", sources)
            )));
        };
        self.open_source(allowed, address)
    }
}

/// A list of prefixes, for a message.
fn listed(word: &str, prefixes: &[String]) -> String {
    match prefixes {
        [] => format!("{word} no other place"),
        prefixes => format!("{word} {}", prefixes.join(", ")),
    }
}

/// The bucket of an `s3://` URL, and what follows it.
fn bucket_of(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("s3://")?;
    let (bucket, rest) = rest.split_once('/').unwrap_or((rest, ""));
    (!bucket.is_empty()).then_some((bucket, rest))
}

/// Whether `url` is the prefix or lies below it. A prefix like `s3://` has everything of its kind below it.
fn is_below(prefix: &str, url: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    url.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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

    fn opened(folder: PathBuf, allow: &str, allow_import: &str) -> Namespaces {
        let flags = SettingFlags::of(&[
            ("s3.endpoint", "http://127.0.0.1:1"),
            ("s3.access_key_id", "any"),
            ("s3.secret_access_key", "any"),
            ("objects.allow", allow),
            ("objects.allow_import", allow_import),
        ]);
        Namespaces::new(folder, flags.settings_alone().unwrap().objects, Metrics::new().unwrap().backends)
    }

    #[test]
    fn buckets_are_taken_only_below_the_allowed_prefixes() {
        let name = RepositoryName::new("sales").unwrap();
        let opener = opened("/nowhere".into(), "s3://lake/repositories/, s3://other", "");
        let resolve = |requested| opener.resolve(Some(requested), &name).map_err(|error| error.to_string());
        for good in ["s3://lake/repositories", "s3://lake/repositories/sales", "s3://other/x/y", "s3://other"]
        {
            assert_eq!(resolve(good), Ok(good.to_owned()));
        }
        for bad in [
            "s3://lake",
            "s3://lake/raw",
            "s3://lake/repositoriesx",
            "s3://others",
            "s3://lake/repositories/../raw",
            "s3://lake/repositories//x",
            "s3://",
        ] {
            assert!(resolve(bad).is_err(), "{bad}");
        }
        assert!(resolve("s3://lake/raw").unwrap_err().contains("below s3://lake/repositories/, s3://other;"));
    }

    #[test]
    fn sources_are_opened_only_below_the_allowed_prefixes() {
        let data = tempfile::tempdir().unwrap();
        let raw = tempfile::tempdir().unwrap();
        let raw_url = format!("local://{}", raw.path().display());
        let data_url = format!("local://{}", data.path().display());
        let sources = format!("{raw_url}, s3://raw/2026, {data_url}");
        let opener = opened(data.path().join("objects"), "", &sources);
        let key = |url: &str| opener.source(url).map(|(_, key)| key).map_err(|error| error.to_string());
        assert_eq!(key(&format!("{raw_url}/a/b.csv")), Ok("a/b.csv".into()));
        assert_eq!(key(&format!("{raw_url}/")), Ok(String::new()));
        assert_eq!(key("s3://raw/2026/a"), Ok("2026/a".into()));
        for bad in
            ["s3://raw", "s3://raw/20267", "s3://raw/2026/../2025", "local:///etc/passwd", "https://x", ""]
        {
            assert!(key(bad).unwrap_err().contains("cannot be read"), "{bad}");
        }
        assert!(key(&format!("{raw_url}/../x")).is_err());
        assert!(key(&format!("{raw_url}x/y")).is_err());
        assert!(key(&format!("{data_url}/refs.sqlite")).unwrap_err().contains("own data folder"));
        let none = opened(data.path().join("objects"), "", "");
        assert!(
            none.source("s3://raw/2026/a").unwrap_err().to_string().contains("imports from no other place")
        );
    }
}
