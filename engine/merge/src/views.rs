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

    /// Whether an error of a tree comes from a storage that does not answer now, so that the same call may succeed later.
    fn is_temporary(&self, error: &TreeError) -> bool;
}

/// How many entries a scan of a whole unit fetches at a time.
const SCAN_BATCH: usize = 1_000;

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

    /// Hashes the unit's list of entries: one pass over its keys, kept for the life of the view.
    async fn fingerprint(&self) -> Result<[u8; 32], ViewError> {
        let compute = || async {
            let mut hasher = Fingerprint::default();
            let mut cursor = self.session.scan(self.tree, self.range());
            while let Some(batch) =
                cursor.next_batch(SCAN_BATCH).await.map_err(|error| self.tree_error("", &error))?
            {
                for (key, entry) in &batch {
                    hasher.add(&self.relative(key), entry);
                }
            }
            Ok(hasher.finish())
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

/// Hashes a list of paths and entries, in order of path.
#[derive(Default)]
struct Fingerprint(blake3::Hasher);

impl Fingerprint {
    fn add(&mut self, path: &str, entry: &Entry) {
        self.text(path);
        self.text(entry.address.object.as_str());
        for number in [entry.address.offset, entry.address.length, entry.size, u64::from(entry.parts)] {
            self.0.update(&number.to_le_bytes());
        }
        self.0.update(&entry.modified_ms.to_le_bytes());
        self.0.update(entry.checksum.as_bytes());
        self.text(&entry.content_type);
        self.0.update(&(entry.metadata.len() as u64).to_le_bytes());
        for (name, value) in &entry.metadata {
            self.text(name);
            self.text(value);
        }
    }

    /// Adds a text with its length before it, so that no two lists hash the same bytes.
    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// The fingerprint of a list of entries that is in order of path.
#[cfg(any(test, feature = "test-support"))]
pub(crate) fn fingerprint_of<'e>(entries: impl Iterator<Item = (&'e str, &'e Entry)>) -> [u8; 32] {
    let mut hasher = Fingerprint::default();
    for (path, entry) in entries {
        hasher.add(path, entry);
    }
    hasher.finish()
}
