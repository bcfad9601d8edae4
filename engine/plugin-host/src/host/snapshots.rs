//! `snapshots`: reading.

use anabranch_types::Entry;
use bytes::Bytes;
use wasmtime::component::Resource;

use crate::bindings::snapshots::{Host, HostChanges, HostEntries, HostMerges, HostObject, HostSnapshot};
use crate::bindings::types::{self, Attributes, ByteRange, EntryChange, EntryMerge};
use crate::bridge::{Page, Question, Side};
use crate::convert;
use crate::handles::{
    ChangesHandle, EntriesHandle, MergesHandle, ObjectHandle, SnapshotHandle, StoredObject,
};
use crate::limits::Limit;
use crate::state::CallState;
use crate::stop::{HostError, Stop};

/// The most bytes of one range that is read.
const READ_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The most bytes and ranges of one `read-many`.
const READ_MANY_BYTES_MAX: u64 = 16 * 1024 * 1024;
const READ_MANY_RANGES_MAX: usize = 1_000;
/// The most items of one page.
const PAGE_MAX: u32 = 1_000;

impl types::Host for CallState {
    fn convert_failure(&mut self, error: HostError) -> wasmtime::Result<types::Failure> {
        match error {
            HostError::Failure(failure) => Ok(failure),
            HostError::Stop(stop) => Err(stop.into()),
        }
    }
}

impl CallState {
    /// What a plugin reads of an object, counted.
    async fn read_ranges(
        &mut self,
        object: ObjectHandle,
        ranges: Vec<(u64, u64)>,
    ) -> Result<Vec<Bytes>, Stop> {
        let size = object.size();
        let inside = |(offset, length): &(u64, u64)| (*length).min(size.saturating_sub(*offset));
        self.spend(Limit::ReadBytes, ranges.iter().map(inside).sum())?;
        self.bytes_of(object, ranges).await
    }

    /// Ranges of an object, as far as they lie in it.
    pub(crate) async fn bytes_of(
        &mut self,
        object: ObjectHandle,
        ranges: Vec<(u64, u64)>,
    ) -> Result<Vec<Bytes>, Stop> {
        let size = object.size();
        let clipped: Vec<_> = ranges
            .into_iter()
            .map(|(offset, length)| (offset, length.min(size.saturating_sub(offset))))
            .collect();
        // Ranges beyond the end are answered here: there is nothing to ask the storage for.
        let wanted: Vec<_> = clipped.iter().copied().filter(|(_, length)| *length > 0).collect();
        let at_hand = match &object {
            ObjectHandle::Found(stored) if stored.path.is_empty() => {
                self.at_hand.body(stored.side, &stored.entry)
            }
            ObjectHandle::Gathered { number, .. } => self.made.gathered.body(*number),
            ObjectHandle::Found(_) | ObjectHandle::Written(_) => None,
        };
        let mut answers = if wanted.is_empty() {
            Vec::new().into_iter()
        } else if let Some(read) = at_hand.and_then(|body| parts(body, &wanted)) {
            read.into_iter()
        } else {
            let object = self.stored(object).await?;
            let short = object.is_short();
            let read = self.ask(|reply| Question::Read { object, ranges: wanted.clone(), reply }).await?;
            if read.iter().zip(&wanted).any(|(bytes, (_, length))| bytes.len() as u64 != *length) {
                return Err(Stop::Storage(short));
            }
            read.into_iter()
        };
        let fill = |(_, length): (u64, u64)| {
            if length > 0 { answers.next().unwrap_or_default() } else { Bytes::new() }
        };
        Ok(clipped.into_iter().map(fill).collect())
    }

    pub(crate) async fn entry_of(&mut self, side: Side, path: &str) -> Result<Option<Entry>, Stop> {
        // What is no path of the unit holds nothing.
        if self.check_path(path).is_err() {
            return Ok(None);
        }
        if let Some(known) = self.at_hand.entry(side).filter(|_| path.is_empty()) {
            return Ok(known.clone());
        }
        self.ask(|reply| Question::Stat { side, path: path.to_owned(), reply }).await
    }

    async fn find(
        &mut self,
        snapshot: &Resource<SnapshotHandle>,
        path: String,
    ) -> Result<ObjectHandle, HostError> {
        let side = self.table.get(snapshot)?.side;
        if let Err(rule) = self.check_path(&path) {
            return Err(HostError::failure("not-found", rule, &path));
        }
        match self.entry_of(side, &path).await? {
            Some(entry) => Ok(ObjectHandle::Found(StoredObject { side, path, entry })),
            None => {
                let message = format!("{:?} does not exist", crate::state::cut(&path, 200));
                Err(HostError::failure("not-found", message, &path))
            }
        }
    }
}

/// The ranges of a body; nothing where one lies outside.
fn parts(body: &Bytes, ranges: &[(u64, u64)]) -> Option<Vec<Bytes>> {
    let part = |(offset, length): &(u64, u64)| {
        let (start, end) =
            (usize::try_from(*offset).ok()?, usize::try_from(offset.checked_add(*length)?).ok()?);
        body.get(start..end).map(|part| body.slice_ref(part))
    };
    ranges.iter().map(part).collect()
}

fn page_limit(limit: u32) -> usize {
    limit.clamp(1, PAGE_MAX) as usize
}

impl Host for CallState {
    async fn compare(
        &mut self,
        before: Resource<SnapshotHandle>,
        after: Resource<SnapshotHandle>,
        prefix: String,
    ) -> wasmtime::Result<Resource<ChangesHandle>> {
        let sides = (self.side(&before)?, self.side(&after)?);
        self.spend(Limit::KeptBytes, prefix.len() as u64)?;
        Ok(self.push(ChangesHandle { sides, page: Page { prefix, ..Page::default() } })?)
    }

    async fn compare_merge(
        &mut self,
        base: Resource<SnapshotHandle>,
        ours: Resource<SnapshotHandle>,
        theirs: Resource<SnapshotHandle>,
        prefix: String,
    ) -> wasmtime::Result<Resource<MergesHandle>> {
        if (self.side(&base)?, self.side(&ours)?, self.side(&theirs)?)
            != (Side::Base, Side::Ours, Side::Theirs)
        {
            let message = "compare-merge takes base, ours and theirs of a merge, in this order";
            return Err(Stop::Broken(message.into()).into());
        }
        self.spend(Limit::KeptBytes, prefix.len() as u64)?;
        Ok(self.push(MergesHandle { page: Page { prefix, ..Page::default() } })?)
    }
}

impl CallState {
    fn side(&self, snapshot: &Resource<SnapshotHandle>) -> Result<Side, Stop> {
        Ok(self.table.get(snapshot)?.side)
    }
}

impl HostObject for CallState {
    async fn id(&mut self, object: Resource<ObjectHandle>) -> wasmtime::Result<String> {
        let object = self.table.get(&object).map_err(Stop::from)?.clone();
        Ok(convert::object_id(&self.stored(object).await?.entry))
    }

    async fn size(&mut self, object: Resource<ObjectHandle>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&object).map_err(Stop::from)?.size())
    }

    async fn read(
        &mut self,
        object: Resource<ObjectHandle>,
        offset: u64,
        length: u32,
    ) -> Result<Vec<u8>, HostError> {
        let object = self.table.get(&object)?.clone();
        let range = (offset, u64::from(length).min(READ_BYTES_MAX));
        let bytes = self.read_ranges(object, vec![range]).await?;
        Ok(bytes.into_iter().next().unwrap_or_default().to_vec())
    }

    async fn read_many(
        &mut self,
        object: Resource<ObjectHandle>,
        ranges: Vec<ByteRange>,
    ) -> Result<Vec<Vec<u8>>, HostError> {
        let object = self.table.get(&object)?.clone();
        let total: u64 = ranges.iter().map(|range| u64::from(range.length)).sum();
        if ranges.len() > READ_MANY_RANGES_MAX || total > READ_MANY_BYTES_MAX {
            let message = format!(
                "read-many takes {READ_MANY_RANGES_MAX} ranges and {READ_MANY_BYTES_MAX} bytes at most, not {} and {total}",
                ranges.len()
            );
            return Err(HostError::failure("limit", message, object.path()));
        }
        let ranges = ranges.iter().map(|range| (range.offset, u64::from(range.length))).collect();
        let read = self.read_ranges(object, ranges).await?;
        Ok(read.into_iter().map(|bytes| bytes.to_vec()).collect())
    }

    async fn drop(&mut self, object: Resource<ObjectHandle>) -> wasmtime::Result<()> {
        self.delete(object).map(|_| ())
    }
}

impl HostEntries for CallState {
    async fn next(
        &mut self,
        entries: Resource<EntriesHandle>,
        limit: u32,
    ) -> Result<Vec<types::Entry>, HostError> {
        let EntriesHandle { side, page } = self.table.get(&entries)?;
        let (side, prefix, after) = (*side, page.prefix.clone(), page.after.clone());
        let limit = page_limit(limit);
        let found = self.ask(|reply| Question::Walk { side, prefix, after, limit, reply }).await?;
        if let Some((last, _)) = found.last() {
            self.table.get_mut(&entries)?.page.after = Some(last.clone());
        }
        Ok(found.into_iter().map(|(path, entry)| convert::entry(path, &entry)).collect())
    }

    async fn drop(&mut self, entries: Resource<EntriesHandle>) -> wasmtime::Result<()> {
        self.delete(entries).map(|_| ())
    }
}

impl HostChanges for CallState {
    async fn next(
        &mut self,
        changes: Resource<ChangesHandle>,
        limit: u32,
    ) -> Result<Vec<EntryChange>, HostError> {
        let ChangesHandle { sides, page } = self.table.get(&changes)?;
        let (sides, page) = (*sides, Page { limit: page_limit(limit), ..page.clone() });
        let found = self.ask(|reply| Question::Changes { sides, page, reply }).await?;
        if let Some(last) = found.last() {
            self.table.get_mut(&changes)?.page.after = Some(last.path.clone());
        }
        Ok(found.into_iter().map(convert::entry_change).collect())
    }

    async fn drop(&mut self, changes: Resource<ChangesHandle>) -> wasmtime::Result<()> {
        self.delete(changes).map(|_| ())
    }
}

impl HostMerges for CallState {
    async fn next(
        &mut self,
        merges: Resource<MergesHandle>,
        limit: u32,
    ) -> Result<Vec<EntryMerge>, HostError> {
        let page = Page { limit: page_limit(limit), ..self.table.get(&merges)?.page.clone() };
        let found = self.ask(|reply| Question::Merges { page, reply }).await?;
        if let Some(last) = found.last() {
            self.table.get_mut(&merges)?.page.after = Some(last.path.clone());
        }
        Ok(found.into_iter().map(convert::entry_merge).collect())
    }

    async fn drop(&mut self, merges: Resource<MergesHandle>) -> wasmtime::Result<()> {
        self.delete(merges).map(|_| ())
    }
}

impl HostSnapshot for CallState {
    async fn label(&mut self, snapshot: Resource<SnapshotHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&snapshot).map_err(Stop::from)?.label.clone())
    }

    async fn stat(
        &mut self,
        snapshot: Resource<SnapshotHandle>,
        path: String,
    ) -> wasmtime::Result<Option<types::Entry>> {
        let side = self.side(&snapshot)?;
        Ok(self.entry_of(side, &path).await?.map(|entry| convert::entry(path, &entry)))
    }

    async fn attributes_of(
        &mut self,
        snapshot: Resource<SnapshotHandle>,
        path: String,
    ) -> wasmtime::Result<Option<Attributes>> {
        let side = self.side(&snapshot)?;
        Ok(self.entry_of(side, &path).await?.map(|entry| convert::attributes(&entry)))
    }

    async fn walk(
        &mut self,
        snapshot: Resource<SnapshotHandle>,
        prefix: String,
    ) -> wasmtime::Result<Resource<EntriesHandle>> {
        let side = self.side(&snapshot)?;
        self.spend(Limit::KeptBytes, prefix.len() as u64)?;
        Ok(self.push(EntriesHandle { side, page: Page { prefix, ..Page::default() } })?)
    }

    async fn open(
        &mut self,
        snapshot: Resource<SnapshotHandle>,
        path: String,
    ) -> Result<Resource<ObjectHandle>, HostError> {
        let object = self.find(&snapshot, path).await?;
        Ok(self.push(object)?)
    }

    async fn read_all(
        &mut self,
        snapshot: Resource<SnapshotHandle>,
        path: String,
    ) -> Result<Vec<u8>, HostError> {
        let object = self.find(&snapshot, path).await?;
        let size = object.size();
        if size > READ_BYTES_MAX {
            let message = format!("it has {size} bytes; read-all takes {READ_BYTES_MAX} at most");
            return Err(HostError::failure("limit", message, object.path()));
        }
        let bytes = self.read_ranges(object, vec![(0, size)]).await?;
        Ok(bytes.into_iter().next().unwrap_or_default().to_vec())
    }

    async fn drop(&mut self, snapshot: Resource<SnapshotHandle>) -> wasmtime::Result<()> {
        self.delete(snapshot).map(|_| ())
    }
}
