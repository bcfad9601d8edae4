//! In-memory units and a recording writer, for the tests of mergers.
//!
//! ```
//! # use anabranch_merge::test_support::UnitCase;
//! # use anabranch_merge::UnitKind;
//! let case = UnitCase::new("appends", "tables/orders", UnitKind::Folder)
//!     .base("_delta_log/00000000000000000000.json", "{}")
//!     .same_on_all_sides()
//!     .ours("part-1.parquet", "one")
//!     .theirs("part-2.parquet", "two");
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_tree::TreeError;
use anabranch_types::{Address, Checksum, Entry, ObjectKey};
use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    EntryChange, EntryMerge, InputHasher, MergeEdit, MergeInput, MergeOutcome, Merger, ObjectAttributes,
    ObjectReader, ReadError, Resolution, UnitKind, UnitUpload, UnitView, UnitWriter, ViewError,
};

/// The time at which the objects of a case were written.
pub const WRITTEN_MS: i64 = 1_000;
/// The time at which the merges of a case happen.
pub const MERGE_TIME_MS: i64 = 1_700_000_000_000;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An object storage in memory, shared by the views and the writer of a merge. Objects are named by their content.
#[derive(Debug)]
pub struct MemoryObjects {
    /// No other storage of this process has it.
    number: u128,
    bodies: Mutex<BTreeMap<String, Bytes>>,
}

impl MemoryObjects {
    /// An empty storage.
    pub fn new() -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = u128::from(NEXT.fetch_add(1, Ordering::Relaxed));
        Arc::new(MemoryObjects { number, bodies: Mutex::default() })
    }

    /// Stores `body` and gives the entry for it. The checksum is not MD5, but as good for comparing.
    pub fn put(&self, body: impl Into<Bytes>, modified_ms: i64, attributes: ObjectAttributes) -> Entry {
        let body = body.into();
        let hash = blake3::hash(&body);
        let object = format!("data/memory/{}", hash.to_hex());
        let mut checksum = [0; 16];
        for (to, from) in checksum.iter_mut().zip(hash.as_bytes()) {
            *to = *from;
        }
        let size = body.len() as u64;
        lock(&self.bodies).insert(object.clone(), body);
        Entry {
            address: Address { object: ObjectKey::new(object), offset: 0, length: size },
            size,
            checksum: Checksum::from_md5(checksum),
            parts: 0,
            modified_ms,
            content_type: attributes.content_type,
            metadata: attributes.metadata,
        }
    }

    /// The body behind an address; `None` if there is none or the range is wrong.
    pub fn body(&self, address: &Address) -> Option<Bytes> {
        let body = lock(&self.bodies).get(address.object.as_str()).cloned()?;
        let start = usize::try_from(address.offset).ok()?;
        let end = start.checked_add(usize::try_from(address.length).ok()?)?;
        (end <= body.len()).then(|| body.slice(start..end))
    }
}

#[async_trait]
impl ObjectReader for MemoryObjects {
    async fn read(&self, address: &Address, offset: u64, length: u64) -> Result<Bytes, ReadError> {
        let missing =
            || ReadError { message: format!("object {} does not exist", address.object), temporary: false };
        Ok(part(&self.body(address).ok_or_else(missing)?, offset, length))
    }

    fn storage(&self) -> [u8; 16] {
        self.number.to_le_bytes()
    }

    fn is_temporary(&self, _error: &TreeError) -> bool {
        false
    }
}

fn part(body: &Bytes, offset: u64, length: u64) -> Bytes {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(body.len());
    let end = usize::try_from(offset.saturating_add(length)).unwrap_or(usize::MAX).clamp(start, body.len());
    body.slice(start..end)
}

/// A read that a [`MemoryUnit`] was asked for: the method, and the path or prefix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    /// `fingerprint`, `stat`, `walk` or `read`.
    pub method: &'static str,
    /// The path or prefix.
    pub path: String,
    /// The bytes that were read, for `read`.
    pub address: Option<Address>,
}

/// One side of a unit, in memory. Records what is read and can be told to fail.
#[derive(Debug)]
pub struct MemoryUnit {
    label: String,
    entries: BTreeMap<String, Entry>,
    objects: Arc<MemoryObjects>,
    accesses: Mutex<Vec<Access>>,
    reads_left: Mutex<Option<usize>>,
    /// How many accesses fail for now.
    away: Mutex<usize>,
}

impl MemoryUnit {
    /// A side without objects.
    pub fn new(label: impl Into<String>, objects: &Arc<MemoryObjects>) -> Self {
        MemoryUnit {
            label: label.into(),
            entries: BTreeMap::new(),
            objects: Arc::clone(objects),
            accesses: Mutex::default(),
            reads_left: Mutex::new(None),
            away: Mutex::default(),
        }
    }

    /// Puts an object, written at [`WRITTEN_MS`].
    pub fn put(&mut self, path: impl Into<String>, body: impl Into<Bytes>) {
        let entry = self.objects.put(body, WRITTEN_MS, ObjectAttributes::default());
        self.entries.insert(path.into(), entry);
    }

    /// Sets what a path holds.
    pub fn put_entry(&mut self, path: impl Into<String>, entry: Entry) {
        self.entries.insert(path.into(), entry);
    }

    /// Removes a path.
    pub fn remove(&mut self, path: &str) {
        self.entries.remove(path);
    }

    /// All entries, in order of path.
    pub fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    /// The body that a path holds.
    pub fn body(&self, path: &str) -> Option<Bytes> {
        self.objects.body(&self.entries.get(path)?.address)
    }

    /// Makes every access after the next `count` ones fail as a broken storage does.
    pub fn fail_after(&self, count: usize) {
        *lock(&self.reads_left) = Some(count);
    }

    /// Makes the next `count` accesses fail as a storage does that does not answer now. What a fingerprint needs is cached.
    pub fn go_away(&self, count: usize) {
        *lock(&self.away) = count;
    }

    /// What was asked so far, in order.
    pub fn accesses(&self) -> Vec<Access> {
        lock(&self.accesses).clone()
    }

    fn access(&self, method: &'static str, path: &str, address: Option<&Address>) -> Result<(), ViewError> {
        lock(&self.accesses).push(Access { method, path: path.to_owned(), address: address.cloned() });
        let failed = |temporary| ViewError::Storage {
            path: path.to_owned(),
            side: self.label.clone(),
            message: "the storage was told to fail".into(),
            temporary,
        };
        if let Some(left) = lock(&self.reads_left).as_mut() {
            *left = left.checked_sub(1).ok_or_else(|| failed(false))?;
        }
        let mut away = lock(&self.away);
        if let Some(rest) = away.checked_sub(1).filter(|_| method != "fingerprint") {
            *away = rest;
            return Err(failed(true));
        }
        Ok(())
    }
}

#[async_trait]
impl UnitView for MemoryUnit {
    fn label(&self) -> &str {
        &self.label
    }

    fn storage(&self) -> [u8; 16] {
        ObjectReader::storage(&*self.objects)
    }

    async fn fingerprint(&self) -> Result<[u8; 32], ViewError> {
        self.access("fingerprint", "", None)?;
        let mut hasher = InputHasher::default();
        for (path, entry) in &self.entries {
            hasher.text(path);
            hasher.entry(entry);
        }
        Ok(hasher.finish())
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, ViewError> {
        self.access("stat", path, None)?;
        Ok(self.entries.get(path).cloned())
    }

    async fn walk(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Entry)>, ViewError> {
        self.access("walk", prefix, None)?;
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.entries.range::<str, _>((after, Bound::Unbounded));
        let inside = rest.filter(|(path, _)| path.starts_with(prefix));
        Ok(inside.take(limit).map(|(path, entry)| (path.clone(), entry.clone())).collect())
    }

    async fn read(&self, path: &str, entry: &Entry, offset: u64, length: u64) -> Result<Bytes, ViewError> {
        self.access("read", path, Some(&entry.address))?;
        match self.objects.read(&entry.address, offset, length).await {
            Ok(bytes) => Ok(bytes),
            Err(_) => Err(ViewError::NotFound { path: path.to_owned(), side: self.label.clone() }),
        }
    }
}

/// A writer that keeps what it wrote, and can be told to fail.
#[derive(Debug)]
pub struct RecordingWriter {
    objects: Arc<MemoryObjects>,
    written: Mutex<Vec<(Entry, Bytes)>>,
    writes_left: Mutex<Option<usize>>,
    pieces: Mutex<Vec<usize>>,
}

impl RecordingWriter {
    /// A writer into `objects`.
    pub fn new(objects: &Arc<MemoryObjects>) -> Self {
        RecordingWriter {
            objects: Arc::clone(objects),
            written: Mutex::default(),
            writes_left: Mutex::new(None),
            pieces: Mutex::default(),
        }
    }

    /// Makes every write, and every piece, after the next `count` ones fail.
    pub fn fail_after(&self, count: usize) {
        *lock(&self.writes_left) = Some(count);
    }

    /// How long the pieces were in which objects came that were begun.
    pub fn pieces(&self) -> Vec<usize> {
        lock(&self.pieces).clone()
    }

    fn take_write(&self) -> Result<(), ViewError> {
        let failed = || ViewError::Storage {
            path: String::new(),
            side: "merge".into(),
            message: "the storage was told to fail".into(),
            temporary: false,
        };
        if let Some(left) = lock(&self.writes_left).as_mut() {
            *left = left.checked_sub(1).ok_or_else(failed)?;
        }
        Ok(())
    }

    /// What was written, in order.
    pub fn written(&self) -> Vec<(Entry, Bytes)> {
        lock(&self.written).clone()
    }
}

#[async_trait]
impl UnitWriter for RecordingWriter {
    async fn begin<'w>(&'w self) -> Result<Box<dyn UnitUpload + 'w>, ViewError> {
        Ok(Box::new(RecordedUpload { writer: self, pieces: Vec::new() }))
    }

    async fn write(&self, body: Bytes, attributes: ObjectAttributes) -> Result<Entry, ViewError> {
        self.take_write()?;
        let entry = self.objects.put(body.clone(), MERGE_TIME_MS, attributes);
        lock(&self.written).push((entry.clone(), body));
        Ok(entry)
    }
}

/// An object of a [`RecordingWriter`] on its way.
struct RecordedUpload<'w> {
    writer: &'w RecordingWriter,
    pieces: Vec<Bytes>,
}

#[async_trait]
impl UnitUpload for RecordedUpload<'_> {
    async fn write(&mut self, piece: Bytes) -> Result<(), ViewError> {
        self.writer.take_write()?;
        lock(&self.writer.pieces).push(piece.len());
        self.pieces.push(piece);
        Ok(())
    }

    async fn finish(
        self: Box<Self>,
        attributes: ObjectAttributes,
        checksum: Checksum,
    ) -> Result<Entry, ViewError> {
        let entry = self.writer.write(self.pieces.concat().into(), attributes).await?;
        Ok(Entry { checksum, ..entry })
    }
}

/// What either side changed since the base, in order of path: the `changes` of a [`MergeInput`].
pub fn entry_merges(base: &MemoryUnit, ours: &MemoryUnit, theirs: &MemoryUnit) -> Vec<EntryMerge> {
    let paths: BTreeSet<&String> =
        base.entries.keys().chain(ours.entries.keys()).chain(theirs.entries.keys()).collect();
    let merges = paths.into_iter().map(|path| EntryMerge {
        path: path.clone(),
        base: base.entries.get(path).cloned(),
        ours: ours.entries.get(path).cloned(),
        theirs: theirs.entries.get(path).cloned(),
    });
    merges.filter(|merge| merge.base != merge.ours || merge.base != merge.theirs).collect()
}

/// What differs between two states, in order of path: the `changes` of a [`crate::DiffInput`].
pub fn entry_changes(before: &MemoryUnit, after: &MemoryUnit) -> Vec<EntryChange> {
    let paths: BTreeSet<&String> = before.entries.keys().chain(after.entries.keys()).collect();
    let changes = paths.into_iter().map(|path| EntryChange {
        path: path.clone(),
        before: before.entries.get(path).cloned(),
        after: after.entries.get(path).cloned(),
    });
    changes.filter(|change| change.before != change.after).collect()
}

/// Ours after a merger's edits.
pub fn apply_edits(ours: &BTreeMap<String, Entry>, edits: &[MergeEdit]) -> BTreeMap<String, Entry> {
    let mut result = ours.clone();
    for edit in edits {
        match edit {
            MergeEdit::Put { path, entry } | MergeEdit::Link { path, entry } => {
                result.insert(path.clone(), entry.clone());
            }
            MergeEdit::Remove { path } => {
                result.remove(path);
            }
        }
    }
    result
}

/// The three sides of a unit, from which any number of equal merges can be run.
#[derive(Clone, Debug)]
pub struct UnitCase {
    /// What the case shows.
    pub name: String,
    /// Where the unit lies.
    pub root: String,
    /// One object (its path is `""`) or a folder.
    pub unit: UnitKind,
    /// The bodies in the base, by path.
    pub base: BTreeMap<String, Bytes>,
    /// The bodies on ours.
    pub ours: BTreeMap<String, Bytes>,
    /// The bodies on theirs.
    pub theirs: BTreeMap<String, Bytes>,
    /// The options of `merge.toml`.
    pub options: serde_json::Value,
    /// Decisions of an earlier run.
    pub resolutions: Vec<Resolution>,
    /// Who wins single rows.
    pub prefer: Option<crate::Strategy>,
}

impl UnitCase {
    /// A case whose three sides are empty.
    pub fn new(name: impl Into<String>, root: impl Into<String>, unit: UnitKind) -> Self {
        UnitCase {
            name: name.into(),
            root: root.into(),
            unit,
            base: BTreeMap::new(),
            ours: BTreeMap::new(),
            theirs: BTreeMap::new(),
            options: serde_json::json!({}),
            resolutions: Vec::new(),
            prefer: None,
        }
    }

    /// Puts an object into the base.
    pub fn base(mut self, path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        self.base.insert(path.into(), body.into());
        self
    }

    /// Puts an object on ours.
    pub fn ours(mut self, path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        self.ours.insert(path.into(), body.into());
        self
    }

    /// Puts an object on theirs.
    pub fn theirs(mut self, path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        self.theirs.insert(path.into(), body.into());
        self
    }

    /// Makes ours and theirs equal to the base, to be changed from there.
    pub fn same_on_all_sides(mut self) -> Self {
        self.ours = self.base.clone();
        self.theirs = self.base.clone();
        self
    }

    /// The same case with ours and theirs swapped.
    pub fn swapped(&self) -> Self {
        UnitCase { ours: self.theirs.clone(), theirs: self.ours.clone(), ..self.clone() }
    }

    /// Fresh views and a fresh writer.
    pub fn open(&self) -> OpenCase {
        let objects = MemoryObjects::new();
        let side = |label: &str, bodies: &BTreeMap<String, Bytes>| {
            let mut unit = MemoryUnit::new(label, &objects);
            for (path, body) in bodies {
                unit.put(path.clone(), body.clone());
            }
            unit
        };
        let (base, ours, theirs) =
            (side("base", &self.base), side("main", &self.ours), side("dev", &self.theirs));
        let writer = RecordingWriter::new(&objects);
        OpenCase { case: self.clone(), objects, base, ours, theirs, writer }
    }

    /// Runs `merger` on fresh views.
    pub async fn run(&self, merger: &dyn Merger) -> MergeOutcome {
        self.open().run(merger).await
    }
}

/// A case with its views and its writer.
#[derive(Debug)]
pub struct OpenCase {
    /// The case.
    pub case: UnitCase,
    /// The storage behind the views and the writer.
    pub objects: Arc<MemoryObjects>,
    /// The unit in the base.
    pub base: MemoryUnit,
    /// The unit on ours, labelled `main`.
    pub ours: MemoryUnit,
    /// The unit on theirs, labelled `dev`.
    pub theirs: MemoryUnit,
    /// The writer.
    pub writer: RecordingWriter,
}

impl OpenCase {
    /// Runs `merger` once.
    pub async fn run(&self, merger: &dyn Merger) -> MergeOutcome {
        let changes = entry_merges(&self.base, &self.ours, &self.theirs);
        let input = MergeInput {
            root: &self.case.root,
            unit: self.case.unit,
            base: &self.base,
            ours: &self.ours,
            theirs: &self.theirs,
            changes: &changes,
            options: &self.case.options,
            resolutions: &self.case.resolutions,
            prefer: self.case.prefer,
            merge_time_ms: MERGE_TIME_MS,
            seed: [7; 32],
            source: "dev",
            writer: &self.writer,
        };
        merger.merge(input).await
    }

    /// The bodies after the edits of `outcome`, by path; `None` when it is not merged or an object is missing.
    pub fn merged_bodies(&self, outcome: &MergeOutcome) -> Option<BTreeMap<String, Bytes>> {
        let MergeOutcome::Merged { edits, .. } = outcome else {
            return None;
        };
        let merged = apply_edits(self.ours.entries(), edits);
        merged.into_iter().map(|(path, entry)| Some((path, self.objects.body(&entry.address)?))).collect()
    }
}
