//! Objects.

use anabranch_app::{Listed, ObjectInfo, physical_address};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Metadata, Pagination, seconds};

/// Whether a line is an object or everything up to the next delimiter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathType {
    /// Everything below it, together.
    CommonPrefix,
    /// An object.
    Object,
}

/// What is known of an object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ObjectStats {
    /// Its path, or a common prefix.
    pub path: String,
    /// Which of the two.
    pub path_type: PathType,
    /// Where its bytes lie, or a signed URL of them if that was asked for. `#OFFSET+LENGTH` at the end says that it shares a stored object with others.
    pub physical_address: String,
    /// When the physical address ends, in seconds since the Unix epoch, if it was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_address_expiry: Option<i64>,
    /// The MD5 of its bytes in hexadecimal; of an upload in parts, that of the parts' MD5s and their number. Also its
    /// entity tag.
    pub checksum: String,
    /// How many bytes it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// When it was written, in seconds since the Unix epoch.
    pub mtime: i64,
    /// User metadata, unless it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

impl ObjectStats {
    /// What is known of `object`, in the repository whose objects lie at `namespace`.
    pub(crate) fn new(object: ObjectInfo, namespace: &str, with_metadata: bool) -> Self {
        let entry = object.entry;
        let user = entry.user_metadata().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        ObjectStats {
            path: object.path.into_string(),
            path_type: PathType::Object,
            physical_address: physical_address(namespace, &entry),
            physical_address_expiry: None,
            checksum: entry.etag(),
            size_bytes: Some(entry.size),
            mtime: seconds(entry.modified_ms),
            metadata: with_metadata.then_some(user),
            content_type: Some(entry.content_type),
        }
    }

    /// The same with a signed URL as its physical address.
    pub(crate) fn signed(self, url: String, expires_ms: i64) -> Self {
        ObjectStats { physical_address: url, physical_address_expiry: Some(seconds(expires_ms)), ..self }
    }

    /// One line of a listing.
    pub(crate) fn listed(line: Listed, namespace: &str, with_metadata: bool) -> Self {
        match line {
            Listed::Object(object) => ObjectStats::new(object, namespace, with_metadata),
            Listed::CommonPrefix(path) => ObjectStats {
                path,
                path_type: PathType::CommonPrefix,
                physical_address: String::new(),
                physical_address_expiry: None,
                checksum: String::new(),
                size_bytes: None,
                mtime: 0,
                metadata: None,
                content_type: None,
            },
        }
    }
}

/// A page of objects, in bytewise order of path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ObjectStatsList {
    /// Which page.
    pub pagination: Pagination,
    /// The objects and common prefixes.
    pub results: Vec<ObjectStats>,
}

/// What an underlying store says of an object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UnderlyingObjectProperties {
    /// Always none.
    pub storage_class: Option<String>,
}

/// A copy to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ObjectCopyCreation {
    /// The path that is copied.
    pub src_path: String,
    /// Its ref; left out: the branch that is written to.
    pub src_ref: Option<String>,
    /// Accepted and without effect.
    pub force: Option<bool>,
    /// Accepted and without effect: no copy within a repository moves bytes.
    pub shallow: Option<bool>,
}

/// Paths to be deleted, at most 1,000.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct PathList {
    /// The paths.
    pub paths: Vec<String>,
}

/// A path that could not be deleted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ObjectError {
    /// The status that deleting it alone would have had.
    pub status_code: u16,
    /// Why.
    pub message: String,
    /// The path.
    pub path: Option<String>,
}

/// The paths that could not be deleted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ObjectErrorList {
    /// The errors, in the order of the request.
    pub errors: Vec<ObjectError>,
}
