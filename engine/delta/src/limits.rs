//! Bounds on what is read from a table's log: hostile input is refused by its size before it is read.

/// The most bytes one commit file may have. A commit of 100,000 files takes about a tenth of this.
pub const COMMIT_BYTES_MAX: u64 = 512 << 20;

/// The most bytes one line of a commit may have.
pub const LINE_BYTES_MAX: usize = 64 << 20;

/// The most bytes one checkpoint file, or one part of it, may have.
pub const CHECKPOINT_BYTES_MAX: u64 = 1 << 30;

/// The most objects that a log folder may hold.
pub const LOG_OBJECTS_MAX: usize = 1_000_000;

/// The most parts of one checkpoint.
pub const CHECKPOINT_PARTS_MAX: u32 = 10_000;

/// The most live files of one table.
pub const LIVE_FILES_MAX: usize = 20_000_000;

/// How many objects of a log are read at a time.
pub const READS_AT_A_TIME: usize = 16;

/// How many objects one page of a listing asks for.
pub const LIST_PAGE: usize = 1_000;

/// How many log states the cache keeps.
pub const CACHED_SNAPSHOTS_MAX: usize = 64;

/// How many file actions all cached log states hold together, at most.
pub const CACHED_FILES_MAX: usize = 4_000_000;
