//! A unit of a tree as a merger sees it, and how the bytes behind its entries are read.

use anabranch_tree::{Key, KeyRange, Session, Tree, TreeError, after_key};
use anabranch_types::{Address, Entry};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::roots::folder_prefix;
use crate::{UnitKind, UnitView, ViewError};

/// Why bytes could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ReadError {
    /// What the storage said, with the object's name.
    pub message: String,
    /// Whether the same read may succeed later: the storage does not answer now.
    pub temporary: bool,
}

/// Reads the bytes behind an entry. Written once, over the repository's object storage and its caches.
#[async_trait]
pub trait ObjectReader: Send + Sync {
    /// The bytes `offset..offset + length` of what `address` names, counted from the beginning of the address's
    /// own range; fewer only at its end. Never reads outside that range.
    async fn read(&self, address: &Address, offset: u64, length: u64) -> Result<Bytes, ReadError>;

    /// Names the storage: where it is the same, the same address has the same bytes.
    fn storage(&self) -> [u8; 16];

    /// Whether an error of a tree comes from a storage that does not answer now, so that the same call may succeed later.
    fn is_temporary(&self, error: &TreeError) -> bool;
}

/// A unit within a tree.
pub struct TreeUnitView<'a> {
    session: &'a Session,
    tree: &'a Tree,
    reader: &'a dyn ObjectReader,
    label: &'a str,
    root: String,
    unit: UnitKind,
    fingerprint: OnceCell<[u8; 32]>,
}

impl<'a> TreeUnitView<'a> {
    /// The unit at `root` (without a `/` at the end; `""` is the whole repository) in `tree`.
    pub fn new(
        session: &'a Session,
        tree: &'a Tree,
        reader: &'a dyn ObjectReader,
        label: &'a str,
        root: &str,
        unit: UnitKind,
    ) -> Self {
        TreeUnitView {
            session,
            tree,
            reader,
            label,
            root: root.to_owned(),
            unit,
            fingerprint: OnceCell::new(),
        }
    }

    /// What every key of the unit begins with.
    fn key_prefix(&self) -> String {
        match self.unit {
            UnitKind::Folder => folder_prefix(&self.root),
            UnitKind::Object => self.root.clone(),
        }
    }

    /// The keys of the unit.
    fn range(&self) -> KeyRange {
        match self.unit {
            UnitKind::Folder => KeyRange::prefix(self.key_prefix().as_bytes()),
            UnitKind::Object => KeyRange::single(self.root.as_bytes()),
        }
    }

    fn tree_error(&self, path: &str, error: &TreeError) -> ViewError {
        ViewError::Storage {
            path: path.to_owned(),
            side: self.label.to_owned(),
            message: full_message(error),
            temporary: self.reader.is_temporary(error),
        }
    }

    fn relative(&self, key: &Key) -> String {
        key.as_str().get(self.key_prefix().len()..).unwrap_or_default().to_owned()
    }
}

#[async_trait]
impl UnitView for TreeUnitView<'_> {
    fn label(&self) -> &str {
        self.label
    }

    fn storage(&self) -> [u8; 16] {
        self.reader.storage()
    }

    /// Reads two nodes per level of the tree at most, however large the unit is.
    async fn fingerprint(&self) -> Result<[u8; 32], ViewError> {
        let compute = || async {
            let digest = self.session.digest_in(self.tree, &self.range()).await;
            digest.map_err(|error| self.tree_error("", &error))
        };
        self.fingerprint.get_or_try_init(compute).await.copied()
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, ViewError> {
        let key = format!("{}{path}", self.key_prefix());
        if !self.range().contains(key.as_bytes()) {
            return Ok(None);
        }
        self.session.get(self.tree, key.as_bytes()).await.map_err(|error| self.tree_error(path, &error))
    }

    async fn walk(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Entry)>, ViewError> {
        let root = self.key_prefix();
        let mut range = self.range().intersection(&KeyRange::prefix(format!("{root}{prefix}").as_bytes()));
        if let Some(after) = after {
            let next = after_key(format!("{root}{after}").as_bytes());
            range.start = range.start.max(next);
        }
        if range.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let page = self.session.scan_page(self.tree, range, limit).await;
        let page = page.map_err(|error| self.tree_error(prefix, &error))?;
        Ok(page.into_iter().map(|(key, entry)| (self.relative(&key), entry)).collect())
    }

    async fn read(&self, path: &str, entry: &Entry, offset: u64, length: u64) -> Result<Bytes, ViewError> {
        let bytes = self.reader.read(&entry.address, offset, length).await;
        bytes.map_err(|error| ViewError::Storage {
            path: path.to_owned(),
            side: self.label.to_owned(),
            message: error.message,
            temporary: error.temporary,
        })
    }
}

/// An error with everything that lies beneath it, in one line.
pub fn full_message(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        message.push_str(": ");
        message.push_str(&inner.to_string());
        source = inner.source();
    }
    message
}
