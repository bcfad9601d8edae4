//! Reads a table's log: the listing, checkpoints and commits of one side, bounded and checked. The I/O of a merge
//! starts here; what is read becomes values that the plan works on.

mod cache;
mod checkpoint;
mod listing;

use std::sync::Arc;

use anabranch_merge::{UnitView, ViewError};
use anabranch_types::Entry;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};

pub(crate) use cache::{LogKey, SnapshotCache, chain};
pub(crate) use listing::{LogListing, same_object};

use crate::action::Commit;
use crate::damage::Damage;
use crate::limits::{CHECKPOINT_BYTES_MAX, COMMIT_BYTES_MAX, READS_AT_A_TIME};
use crate::snapshot::{Snapshot, SnapshotBuilder, commit_path};

/// Why a log could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The table is to blame: a conflict.
    #[error("{}: {}", .0.file, .0.message)]
    Damaged(Damage),
    /// The storage is to blame: a failure.
    #[error(transparent)]
    View(ViewError),
}

impl From<Damage> for ReadError {
    fn from(damage: Damage) -> Self {
        ReadError::Damaged(damage)
    }
}

impl From<ViewError> for ReadError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::TooLarge { path, size, limit, .. } => {
                Damage::damaged(path, format!("it has {size} bytes; at most {limit} are read")).into()
            }
            other => ReadError::View(other),
        }
    }
}

/// One side's log: its listing and its newest state.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    /// The objects of the log folder.
    pub listing: LogListing,
    /// The newest state.
    pub snapshot: Arc<Snapshot>,
    /// Names the content of the log, for whoever caches what follows from it.
    pub key: LogKey,
}

/// Reads the whole of an object, refusing by its size before a byte is read.
pub(crate) async fn read_object(
    view: &dyn UnitView,
    path: &str,
    entry: &Entry,
    limit: u64,
) -> Result<Bytes, ReadError> {
    if entry.size > limit {
        let message = format!("it has {} bytes; at most {limit} are read", entry.size);
        return Err(Damage::damaged(path, message).into());
    }
    let mut whole = view.read(path, entry, 0, entry.size).await?;
    if (whole.len() as u64) < entry.size {
        // A view may answer in pieces.
        let mut buffer = BytesMut::from(whole.as_ref());
        while (buffer.len() as u64) < entry.size {
            let at = buffer.len() as u64;
            let piece = view.read(path, entry, at, entry.size - at).await?;
            if piece.is_empty() {
                let message = format!("it ends after {at} of {} bytes", entry.size);
                return Err(Damage::damaged(path, message).into());
            }
            buffer.extend_from_slice(&piece);
        }
        whole = buffer.freeze();
    }
    Ok(whole)
}

/// Reads the commits `from..=to` of a log, in order.
pub(crate) async fn read_commits(
    view: &dyn UnitView,
    listing: &LogListing,
    from: u64,
    to: u64,
) -> Result<Vec<Arc<Commit>>, ReadError> {
    if from > to {
        return Ok(Vec::new());
    }
    let wanted: Vec<(u64, Entry)> =
        listing.commits.range(from..=to).map(|(version, entry)| (*version, entry.clone())).collect();
    let reads = wanted.into_iter().map(|(version, entry)| async move {
        let path = commit_path(version);
        let bytes = read_object(view, &path, &entry, COMMIT_BYTES_MAX).await?;
        let commit = Commit::parse(version, entry.modified_ms, &bytes);
        commit.map(Arc::new).map_err(|message| ReadError::from(Damage::damaged(path, message)))
    });
    stream::iter(reads).buffered(READS_AT_A_TIME).try_collect().await
}

/// Reads the newest state of a side; `None` when it has no log.
///
/// The longest known part of the log is taken from the cache, and only what follows is read.
pub(crate) async fn read_log(view: &dyn UnitView, cache: &SnapshotCache) -> Result<Option<Log>, ReadError> {
    let listing = LogListing::read(view).await?;
    let Some(version) = listing.version() else { return Ok(None) };
    let start = start_of(&listing, version)?;
    let whole = listing.has_commits(0, version);
    let mut chains = Vec::new();
    if whole {
        chains.push(chain(&listing, None, version));
    }
    if start.is_some() {
        chains.push(chain(&listing, start, version));
    }
    let known = chains.iter().flatten().filter_map(|(at, key)| Some((*at, cache.get(key)?)));
    let known = known.max_by_key(|(at, _)| *at);
    let snapshot = match known {
        Some((at, snapshot)) if at == version => snapshot,
        Some((at, snapshot)) => {
            let builder = SnapshotBuilder::from_snapshot(&snapshot);
            Arc::new(go_on(view, &listing, builder, at.saturating_add(1), version).await?)
        }
        None => {
            let (builder, from) = read_start(view, &listing, start).await?;
            Arc::new(go_on(view, &listing, builder, from, version).await?)
        }
    };
    let mut key = [0; 32];
    for (_, last) in chains.iter().filter_map(|chain| chain.last()) {
        cache.put(*last, snapshot.clone());
        key = *last;
    }
    Ok(Some(Log { listing, snapshot, key }))
}

/// Names the content of a log.
pub(crate) fn log_key(listing: &LogListing) -> Result<LogKey, Damage> {
    let version = listing.version().unwrap_or_default();
    let start = start_of(listing, version)?;
    Ok(chain(listing, start, version).last().map(|(_, key)| *key).unwrap_or_default())
}

/// The checkpoint to start from; `None` to start from version 0.
pub(crate) fn start_of(listing: &LogListing, version: u64) -> Result<Option<u64>, Damage> {
    let usable =
        listing.checkpoints.keys().rev().find(|at| listing.has_commits(at.saturating_add(1), version));
    if let Some(at) = usable {
        return Ok(Some(*at));
    }
    if listing.has_commits(0, version) {
        return Ok(None);
    }
    if let Some((_, path)) = listing.v2_checkpoints.iter().next_back() {
        let message = "the log starts with a checkpoint of the second form, which is not read here";
        return Err(Damage::unsupported(path.clone(), message));
    }
    let mut expected = version;
    while expected > 0 && listing.commits.contains_key(&expected) {
        expected -= 1;
    }
    Err(Damage::damaged(commit_path(expected), format!("version {expected} is missing from the log")))
}

async fn read_start(
    view: &dyn UnitView,
    listing: &LogListing,
    start: Option<u64>,
) -> Result<(SnapshotBuilder, u64), ReadError> {
    let mut builder = SnapshotBuilder::default();
    let Some((version, checkpoint)) =
        start.and_then(|version| Some((version, listing.checkpoints.get(&version)?)))
    else {
        return Ok((builder, 0));
    };
    for (path, entry) in &checkpoint.parts {
        let bytes = read_object(view, path, entry, CHECKPOINT_BYTES_MAX).await?;
        let parsed = tokio::task::spawn_blocking(move || checkpoint::parse_checkpoint(bytes)).await;
        let actions = match parsed {
            Ok(Ok(actions)) => actions,
            Ok(Err(message)) if message.contains("second form") => {
                return Err(Damage::unsupported(path.clone(), message).into());
            }
            Ok(Err(message)) => return Err(Damage::damaged(path.clone(), message).into()),
            Err(_) => return Err(Damage::damaged(path.clone(), "it is no readable Parquet file").into()),
        };
        for action in actions {
            builder.checkpoint_action(action).map_err(|message| Damage::damaged(path.clone(), message))?;
        }
    }
    Ok((builder, version.saturating_add(1)))
}

/// Applies the commits `from..=to` a bounded number at a time, so that a long log is never wholly in memory.
async fn go_on(
    view: &dyn UnitView,
    listing: &LogListing,
    mut builder: SnapshotBuilder,
    from: u64,
    to: u64,
) -> Result<Snapshot, ReadError> {
    let mut next = from;
    while next <= to {
        let until = next.saturating_add(READS_AT_A_TIME as u64 - 1).min(to);
        for commit in read_commits(view, listing, next, until).await? {
            builder
                .apply(&commit)
                .map_err(|message| Damage::damaged(commit_path(commit.version), message))?;
        }
        next = until.saturating_add(1);
    }
    Ok(builder.build(to)?)
}
