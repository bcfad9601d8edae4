//! Objects in memory, a local folder and S3, behind one narrow trait with one conformance suite.

mod error;
mod store;

pub use error::StorageError;
pub use store::{
    Appended, ETag, ListedObject, ObjectStorage, ObjectStorageExt, ObjectUpload, PutMode, PutOutcome, StoredObject,
};
