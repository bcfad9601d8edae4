//! New objects that are small: they gather, and are written together.
//!
//! Each would cost a question of its own otherwise, for which the plugin waits. Those of a merge that ends in conflicts are not
//! written at all, because nothing would refer to them.

use std::collections::{BTreeMap, HashMap};

use anabranch_types::Entry;
use bytes::Bytes;

/// The largest object that gathers.
pub(crate) const OBJECT_BYTES_MAX: usize = 64 * 1024;
/// How many bytes and objects gather before they are written.
const BYTES_MAX: usize = 1024 * 1024;
const OBJECTS_MAX: usize = 1_000;

/// The small new objects of a call, by number.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Those that the storage does not have yet.
    waiting: BTreeMap<u64, Bytes>,
    bytes: usize,
    /// Those that it has.
    written: HashMap<u64, Entry>,
}

impl Gathered {
    /// Adds an object. Whether there are enough of them to be written.
    #[must_use]
    pub(crate) fn add(&mut self, number: u64, body: Bytes) -> bool {
        self.bytes = self.bytes.saturating_add(body.len());
        self.waiting.insert(number, body);
        self.bytes >= BYTES_MAX || self.waiting.len() >= OBJECTS_MAX
    }

    /// The bytes of an object that is not written yet.
    pub(crate) fn body(&self, number: u64) -> Option<&Bytes> {
        self.waiting.get(&number)
    }

    /// Takes out what is not written yet, for the storage.
    pub(crate) fn take(&mut self) -> Vec<(u64, Bytes)> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting).into_iter().collect()
    }

    /// Takes over what the storage made of objects.
    pub(crate) fn are_written(&mut self, written: impl IntoIterator<Item = (u64, Entry)>) {
        self.written.extend(written);
    }

    /// What the storage has of an object.
    pub(crate) fn entry(&self, number: u64) -> Option<&Entry> {
        self.written.get(&number)
    }
}
