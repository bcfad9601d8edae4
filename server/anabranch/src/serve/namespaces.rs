//! Which object storage a repository's namespace names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_repository::{RepositoryError, StorageOpener};
use anabranch_storage::{
    ImportSource, ObjectStorage, PlainFolder, S3Config, S3Source, S3Storage, StorageError, open_local,
    open_memory,
};
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

/// Where repositories may lie beside `local://NAME` and `mem://NAME`, and what may be imported from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct AllowLists {
    /// Prefixes below which storage namespaces may lie, as `s3://BUCKET/PREFIX`. Empty: no `s3://` at all.
    pub(crate) namespaces: Vec<String>,
    /// Prefixes below which objects may be imported from: `s3://BUCKET/PREFIX`, or `local:///FOLDER` for files of this
    /// machine. Empty: nothing.
    pub(crate) import_sources: Vec<String>,
}

impl AllowLists {
    /// The lists, if every prefix is one.
    pub(crate) fn checked(namespaces: Vec<String>, import_sources: Vec<String>) -> anyhow::Result<Self> {
        for prefix in &namespaces {
            anyhow::ensure!(
                bucket_of(prefix).is_some(),
                "the namespace prefix {prefix:?} is none: write it as s3://BUCKET or s3://BUCKET/PREFIX"
            );
        }
        for prefix in &import_sources {
            anyhow::ensure!(
                bucket_of(prefix).is_some()
                    || prefix.strip_prefix("local:///").is_some_and(|rest| !rest.is_empty()),
                "the import source {prefix:?} is none: write it as s3://BUCKET, s3://BUCKET/PREFIX or local:///FOLDER"
            );
        }
        Ok(AllowLists { namespaces, import_sources })
    }
}

/// The bucket of an `s3://` URL, and what follows it.
fn bucket_of(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("s3://")?;
    let (bucket, rest) = rest.split_once('/').unwrap_or((rest, ""));
    (!bucket.is_empty()).then_some((bucket, rest))
}

/// Whether `url` is the prefix or lies below it.
fn is_below(prefix: &str, url: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    url.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Opens `local://NAME` below the data folder, `mem://NAME` in this process, `s3://BUCKET/PREFIX` where it is set up.
pub(crate) struct Namespaces {
    folder: PathBuf,
    s3: Option<S3Access>,
    allowed: AllowLists,
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
    pub(crate) fn new(folder: PathBuf, s3: Option<S3Access>, allowed: AllowLists) -> Self {
        Namespaces { folder, s3, allowed, memory: Mutex::default(), sources: Mutex::default() }
    }

    fn open_s3(&self, namespace: &str, rest: &str) -> Result<S3Storage, StorageError> {
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
        S3Storage::open(&config, Arc::new(SystemIds))
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
            Some((bucket, _)) => Arc::new(S3Source::new(self.open_s3(url, bucket)?)),
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
}

#[async_trait]
impl StorageOpener for Namespaces {
    async fn open(&self, namespace: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        match namespace.split_once("://") {
            Some(("local", name)) => open_local(&self.folder.join(name)),
            Some(("s3", rest)) => Ok(Arc::new(self.open_s3(namespace, rest)?)),
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
            Some(("s3", rest)) if rest.split('/').any(|segment| ["", ".", ".."].contains(&segment)) => {
                Err(refuse("it has an empty segment, '.' or '..'"))
            }
            Some(("s3", rest)) => {
                let namespace = format!("s3://{rest}");
                match self.allowed.namespaces.iter().any(|prefix| is_below(prefix, &namespace)) {
                    true => Ok(namespace),
                    false => Err(refuse(&format!(
                        "this server keeps repositories {}; its operator allows more with --allow-namespace",
                        listed("below", &self.allowed.namespaces)
                    ))),
                }
            }
            _ => Err(refuse("it begins with none of local://, s3:// and mem://")),
        }
    }

    fn source(&self, address: &str) -> Result<(Arc<dyn ImportSource>, String), StorageError> {
        let withdrawn = |reason: String| StorageError::Withdrawn { address: address.to_owned(), reason };
        // A URL whose segments a folder or a server would resolve is not what it seems to be below.
        if address.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(withdrawn("it has a segment '.' or '..'".into()));
        }
        let sources = &self.allowed.import_sources;
        let Some(allowed) = sources.iter().find(|prefix| is_below(prefix, address)) else {
            return Err(withdrawn(format!(
                "this server imports {}; its operator allows more with --import-source",
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

fn is_plain(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3_access() -> S3Access {
        S3Access {
            endpoint: Some("http://127.0.0.1:1".into()),
            region: "us-east-1".into(),
            access_key_id: "any".into(),
            secret_access_key: anabranch_auth::Secret::new("any".to_owned()),
        }
    }

    fn lists(namespaces: &[&str], import_sources: &[&str]) -> AllowLists {
        let owned = |prefixes: &[&str]| prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        AllowLists::checked(owned(namespaces), owned(import_sources)).unwrap()
    }

    #[tokio::test]
    async fn namespaces_are_resolved_or_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let opener = Namespaces::new(folder.path().to_owned(), None, AllowLists::default());
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
        let restarted = Namespaces::new(folder.path().to_owned(), None, AllowLists::default());
        assert!(matches!(restarted.open("mem://m").await, Err(StorageError::Gone { .. })));
    }

    #[test]
    fn buckets_are_taken_only_below_the_allowed_prefixes() {
        let name = RepositoryName::new("sales").unwrap();
        let allowed = lists(&["s3://lake/repositories/", "s3://other"], &[]);
        let opener = Namespaces::new("/nowhere".into(), Some(s3_access()), allowed);
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
        for bad in ["lake", "s3://", "local://x", ""] {
            assert!(AllowLists::checked(vec![bad.to_owned()], Vec::new()).is_err(), "{bad}");
        }
    }

    #[test]
    fn sources_are_opened_only_below_the_allowed_prefixes() {
        let data = tempfile::tempdir().unwrap();
        let raw = tempfile::tempdir().unwrap();
        let raw_url = format!("local://{}", raw.path().display());
        let data_url = format!("local://{}", data.path().display());
        let allowed = lists(&[], &[&raw_url, "s3://raw/2026", &data_url]);
        let opener = Namespaces::new(data.path().join("objects"), Some(s3_access()), allowed);
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
        let none = Namespaces::new(data.path().join("objects"), None, AllowLists::default());
        assert!(
            none.source("s3://raw/2026/a").unwrap_err().to_string().contains("imports from no other place")
        );
    }
}
