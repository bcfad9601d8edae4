//! What stands behind the handles that a plugin holds.

// The generated bindings re-export these types as `pub`, though nothing leaves this crate.
#![allow(unreachable_pub)]

use anabranch_merge::ViewError;
use anabranch_types::Entry;
use bytes::BytesMut;

use crate::bridge::{Page, Side};

/// The unit as it is on one side.
#[derive(Debug)]
pub struct SnapshotHandle {
    pub(crate) side: Side,
    /// What people call it.
    pub(crate) label: String,
}

/// An object that a plugin may read and put somewhere.
#[derive(Clone, Debug)]
pub enum ObjectHandle {
    /// Of a side.
    Found(StoredObject),
    /// New, and with the storage.
    Written(StoredObject),
    /// New, and one of those that gather.
    Gathered {
        /// Which of the objects of this call it is.
        number: u64,
        size: u64,
    },
}

impl ObjectHandle {
    /// How many bytes it has.
    pub(crate) fn size(&self) -> u64 {
        match self {
            ObjectHandle::Found(stored) | ObjectHandle::Written(stored) => stored.entry.size,
            ObjectHandle::Gathered { size, .. } => *size,
        }
    }

    /// What it was opened as; empty for a new object.
    pub(crate) fn path(&self) -> &str {
        match self {
            ObjectHandle::Found(stored) => &stored.path,
            ObjectHandle::Written(_) | ObjectHandle::Gathered { .. } => "",
        }
    }
}

/// An object that the storage has.
#[derive(Clone, Debug)]
pub struct StoredObject {
    /// The side through which it is read.
    pub(crate) side: Side,
    /// What it was opened as; empty for a new object.
    pub(crate) path: String,
    pub(crate) entry: Entry,
}

impl StoredObject {
    /// One that this call wrote.
    pub(crate) fn new(entry: Entry) -> Self {
        StoredObject { side: Side::Ours, path: String::new(), entry }
    }

    /// The storage gave fewer bytes than the entry has. A plugin would take them for the end of the object.
    pub(crate) fn is_short(&self) -> ViewError {
        ViewError::Storage {
            path: self.path.clone(),
            side: format!("{:?}", self.side).to_lowercase(),
            message: "the object is shorter than its entry says".to_owned(),
            temporary: false,
        }
    }
}

/// A walk that goes on.
#[derive(Debug)]
pub struct EntriesHandle {
    pub(crate) side: Side,
    pub(crate) page: Page,
}

/// A comparison that goes on.
#[derive(Debug)]
pub struct ChangesHandle {
    pub(crate) sides: (Side, Side),
    pub(crate) page: Page,
}

/// A three-way comparison that goes on.
#[derive(Debug)]
pub struct MergesHandle {
    pub(crate) page: Page,
}

/// An object that is being written.
#[derive(Debug)]
pub struct WriterHandle {
    /// Which of the objects of this call it is.
    pub(crate) number: u64,
    /// The object that it is a copy of so far, whole, while nothing else was written. No byte of it has moved.
    pub(crate) whole: Option<ObjectHandle>,
    /// What the storage does not have yet.
    pub(crate) rest: BytesMut,
    /// Whether the storage has a part of it.
    pub(crate) begun: bool,
    pub(crate) size: u64,
    pub(crate) finished: bool,
}

/// The result of a merge: kept in the state of the call.
#[derive(Debug)]
pub struct ResultHandle;

/// The reader of a diff: kept in the state of the call.
#[derive(Debug)]
pub struct SinkHandle;

/// The files of a catalog table. There are none yet, so nothing can hold one.
#[derive(Debug)]
pub enum TableStoreHandle {}
