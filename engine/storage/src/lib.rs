//! Objects in memory, a local folder, S3 and Azure, behind one narrow trait with one conformance suite.

#[cfg(feature = "azure")]
mod azure;
mod error;
mod key;
#[cfg(feature = "local")]
mod local;
mod memory;
#[cfg(feature = "local")]
mod plain_folder;
#[cfg(any(feature = "s3", feature = "azure"))]
mod remote;
#[cfg(feature = "s3")]
mod s3;
mod segment;
mod source;
mod store;

#[cfg(any(test, feature = "test-support"))]
pub mod conformance;
#[cfg(any(test, feature = "test-support"))]
pub mod counting;
#[cfg(any(test, feature = "test-support"))]
pub mod fault;

#[cfg(feature = "azure")]
pub use azure::{AzureConfig, open_azure};
pub use error::StorageError;
pub use key::{KEY_BYTES_MAX, KeyParts, check_key, new_object_key};
#[cfg(feature = "local")]
pub use local::{LocalStorage, open_local};
pub use memory::{MemoryStorage, open_memory};
#[cfg(feature = "local")]
pub use plain_folder::PlainFolder;
#[cfg(any(feature = "s3", feature = "azure"))]
pub use remote::{RemoteSource, RemoteStorage};
#[cfg(feature = "s3")]
pub use s3::{S3Config, open_s3};
pub use segment::SegmentWriter;
pub use source::{ImportSource, SourceObject};
pub use store::{
    ETag, ListedObject, ObjectStorage, ObjectStorageExt, ObjectUpload, PutMode, PutOutcome, Segment,
    SignedFor, StoredObject,
};
