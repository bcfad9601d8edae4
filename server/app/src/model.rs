//! What goes into the use cases beyond the values of the repository.

use std::collections::BTreeMap;
use std::ops::Range;

use anabranch_repository::{ObjectInfo, Strategy, WriteCondition};
use anabranch_types::CommitId;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{AppError, BodyError, ChecksumAlgorithm, ChecksumKind, ObjectChecksum};

/// A request body, piece by piece.
pub type BodyStream = BoxStream<'static, Result<Bytes, BodyError>>;
/// The bytes of an object, piece by piece.
pub type ReadStream = BoxStream<'static, Result<Bytes, AppError>>;

/// A repository to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateRepositoryInput {
    /// Its name.
    pub name: String,
    /// Where its objects go; none or empty: a local folder of its own name.
    pub storage_namespace: Option<String>,
    /// The branch that exists from the start; none: `main`.
    pub default_branch: Option<String>,
    /// What its maker attaches.
    pub metadata: BTreeMap<String, String>,
}

/// A commit to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CommitInput {
    /// What it says.
    pub message: String,
    /// What its maker attaches.
    pub metadata: BTreeMap<String, String>,
    /// Whether a commit without changes is made.
    pub allow_empty: bool,
    /// Its time, if not now; milliseconds since the Unix epoch.
    pub date_ms: Option<i64>,
}

/// A merge to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MergeInput {
    /// What the merge commit says; none: a sentence of its own.
    pub message: Option<String>,
    /// What its maker attaches.
    pub metadata: BTreeMap<String, String>,
    /// Who wins what could not be decided.
    pub strategy: Option<Strategy>,
    /// Whether the strategy decides single rows first, where a table has keys.
    pub by_rows: bool,
    /// Whether a merge without changes makes a commit.
    pub allow_empty: bool,
    /// Whether the merge commit forgets its second parent.
    pub squash: bool,
    /// The id of a preview: exactly what it showed is published, or nothing.
    pub preview: Option<String>,
}

/// What somebody chooses for conflicts of a merge session.
#[derive(Clone, PartialEq, Debug)]
pub struct ChoiceInput {
    /// The id of one of a conflict's choices.
    pub choice: String,
    /// The value that the choice takes, where it takes one.
    pub value: Option<serde_json::Value>,
    /// Whether somebody else's choice is replaced.
    pub replace: bool,
}

/// An object that somebody uploads as the choice for a conflict.
pub struct ChosenObject {
    /// Its bytes.
    pub body: BodyStream,
    /// How many bytes the client announced; they must arrive.
    pub size: Option<u64>,
    /// What it carries.
    pub attributes: ObjectAttributes,
    /// Whether somebody else's choice is replaced.
    pub replace: bool,
}

/// A commit to revert or to cherry-pick.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PickInput {
    /// The commit, as a ref expression.
    pub reference: String,
    /// Which parent of a merge commit counts as "before", from 1; 0: the commit has one parent.
    pub parent_number: usize,
    /// What the new commit says; none: a sentence of its own.
    pub message: Option<String>,
    /// What its maker attaches.
    pub metadata: BTreeMap<String, String>,
    /// Whether a commit without changes is made.
    pub allow_empty: bool,
}

/// The best common ancestor of two refs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergeBase {
    /// The source's commit.
    pub source: CommitId,
    /// The destination's commit.
    pub destination: CommitId,
    /// The best common ancestor, if there is one.
    pub base: Option<CommitId>,
}

/// Which objects a listing shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListInput {
    /// What the paths begin with.
    pub prefix: String,
    /// Where paths are cut into common prefixes.
    pub delimiter: Option<String>,
    /// The path or common prefix after which the page begins.
    pub after: Option<String>,
    /// At most this many lines.
    pub amount: usize,
}

/// A part of an object that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByteRange {
    /// From a byte to a byte, both included; to the end without one.
    FromTo(u64, Option<u64>),
    /// The last so many bytes.
    Last(u64),
    /// The bytes that came as the part of this number, the first being 1.
    Part(u32),
}

impl ByteRange {
    /// The half-open range within an object of `size` bytes; none if it lies outside, or depends on more than the size.
    pub fn within(self, size: u64) -> Option<Range<u64>> {
        match self {
            ByteRange::FromTo(from, to) => {
                let end = to.map_or(size, |to| to.saturating_add(1).min(size));
                (from < size && from < end).then_some(from..end)
            }
            ByteRange::Last(0) | ByteRange::Part(_) => None,
            ByteRange::Last(count) => (size > 0).then(|| size.saturating_sub(count)..size),
        }
    }
}

/// An object that is being read.
pub struct ObjectRead {
    /// The object.
    pub info: ObjectInfo,
    /// Which bytes of it `body` holds.
    pub range: Range<u64>,
    /// The bytes.
    pub body: ReadStream,
}

/// What an object carries beside its bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObjectAttributes {
    /// The media type; empty: `application/octet-stream`.
    pub content_type: String,
    /// User metadata.
    pub metadata: BTreeMap<String, String>,
}

/// An object to be written.
pub struct PutInput {
    /// Its bytes.
    pub body: BodyStream,
    /// How many bytes the client announced; they must arrive.
    pub size: Option<u64>,
    /// What it carries.
    pub attributes: ObjectAttributes,
    /// What its path must hold before.
    pub condition: WriteCondition,
    /// The MD5 that the client announced; it must fit.
    pub expected_md5: Option<[u8; 16]>,
    /// The algorithm of a further checksum that the object is to be known by.
    pub checksum: Option<ChecksumAlgorithm>,
}

/// What a client wrote to the store itself, to be put at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkInput {
    /// The address that it was given.
    pub physical_address: String,
    /// The entity tag that the store answered.
    pub checksum: String,
    /// How many bytes it wrote.
    pub size: u64,
    /// What the object carries.
    pub attributes: ObjectAttributes,
    /// What its path must hold before.
    pub condition: WriteCondition,
}

/// An object that is copied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceObject {
    /// Its repository.
    pub repository: String,
    /// Its ref.
    pub reference: String,
    /// Its path.
    pub path: String,
}

/// A copy to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopyInput {
    /// What is copied.
    pub source: SourceObject,
    /// What the copy carries, tags apart; none: what the source does.
    pub attributes: Option<ObjectAttributes>,
    /// Its tags; none: those of the source.
    pub tags: Option<BTreeMap<String, String>>,
    /// What the path must hold before.
    pub condition: WriteCondition,
    /// The entity tag that the source must have, where the client said one.
    pub source_matches: Option<String>,
}

/// A part of a multipart upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartInfo {
    /// Its number, from 1 to 10,000.
    pub number: u32,
    /// Its entity tag: the MD5 of its bytes.
    pub etag: String,
    /// How many bytes it has.
    pub size: u64,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub modified_ms: i64,
    /// Its checksum, by the algorithm of the upload.
    pub checksum: Option<ObjectChecksum>,
}

/// What the checksum of an upload's object will be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UploadChecksum {
    /// The algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// How it is made of the parts'.
    pub kind: ChecksumKind,
}

impl Default for UploadChecksum {
    fn default() -> Self {
        UploadChecksum { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject }
    }
}

/// A multipart upload to be begun.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UploadInput {
    /// What its object will carry.
    pub attributes: ObjectAttributes,
    /// What the checksum of its object will be.
    pub checksum: UploadChecksum,
}

/// The end of a multipart upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompleteInput {
    /// The parts that make the object.
    pub parts: Vec<WantedPart>,
    /// What the path must hold before.
    pub condition: WriteCondition,
    /// The checksum that the client says the object has; it must fit.
    pub checksum: Option<ObjectChecksum>,
    /// How the client says that the checksum is made; it must be what the upload was begun for.
    pub kind: Option<ChecksumKind>,
    /// The size that the client says the object has; it must fit.
    pub size: Option<u64>,
}

/// A part, as the client names it at the end of an upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedPart {
    /// Its number.
    pub number: u32,
    /// The entity tag that it must have.
    pub etag: String,
    /// The checksum that it must have, if the client says one.
    pub checksum: Option<ObjectChecksum>,
}

/// A multipart upload on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UploadInfo {
    /// Its id.
    pub upload_id: String,
    /// The branch it goes to.
    pub branch: String,
    /// The path it goes to.
    pub path: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub started_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_object() {
        assert_eq!(ByteRange::FromTo(0, None).within(5), Some(0..5));
        assert_eq!(ByteRange::FromTo(2, Some(100)).within(5), Some(2..5));
        assert_eq!(ByteRange::FromTo(5, None).within(5), None);
        assert_eq!(ByteRange::FromTo(3, Some(2)).within(5), None);
        assert_eq!(ByteRange::FromTo(0, Some(u64::MAX)).within(5), Some(0..5));
        assert_eq!(ByteRange::Last(2).within(5), Some(3..5));
        assert_eq!(ByteRange::Last(9).within(5), Some(0..5));
        assert_eq!(ByteRange::Last(0).within(5), None);
        assert_eq!(ByteRange::Last(1).within(0), None);
        assert_eq!(ByteRange::FromTo(0, None).within(0), None);
    }
}
