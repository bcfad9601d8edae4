//! The use cases: auth, repository and jobs; the one place where front doors meet.
//!
//! A door (REST, S3) translates its protocol into one call here and the answer back. Every call takes the
//! principal and checks what it may do before anything else happens.

mod app;
mod body;
mod branches;
mod checksum;
mod error;
mod history;
mod imports;
mod links;
mod merging;
mod model;
mod objects;
mod parts;
mod plugins;
mod protection;
mod repositories;
mod staging;
mod transactions;
mod uploads;
mod users;

pub use anabranch_repository::{
    BranchInfo, BranchMove, ChoiceAnswer, CommitInfo, ConflictFilter, Decided, DiffItem, DiffKind,
    DiffRequest, FsckReport, Listed, LogRequest, MergeAnswer, MergeDetails, MergeSession, MergeSummary,
    ObjectInfo, Paged, Paging, Preview, RESERVED_METADATA, RepositoryInfo, ResetScope, ResolvedRef,
    SessionBegun, SessionConflict, Strategy, TableDiff, TableRowDiff, TableSummary, TagInfo, Verdict,
    WriteCondition,
};
pub use app::{App, AppParts, AppSettings, SampleObject, ServerFacts};
pub use body::SMALL_BYTES_MAX;
pub use checksum::{ChecksumAlgorithm, ChecksumHasher, ChecksumKind, ObjectChecksum};
pub use error::{AppError, BodyError};
pub use imports::{ImportSourceInput, ImportStatus};
pub use links::{Link, LinkKey, LinkPurpose, physical_address};
pub use model::{
    BodyStream, ByteRange, ChoiceInput, ChosenObject, CommitInput, CompleteInput, CopyInput,
    CreateRepositoryInput, LinkInput, ListInput, MergeBase, MergeInput, ObjectAttributes, ObjectRead,
    PartInfo, PickInput, PutInput, ReadStream, SourceObject, UploadChecksum, UploadInfo, UploadInput,
    WantedPart,
};
pub use parts::{PartRange, part_range};
pub use plugins::{
    PluginClaim, PluginDescription, PluginHost, PluginInfo, PluginRecordError, PluginRefusal, PluginStore,
    PluginStoreError,
};
pub use protection::ProtectionRules;
pub use staging::{Signed, SignedAddress, StagingPlace};
pub use transactions::TRANSACTION_LIFETIME_MS;
