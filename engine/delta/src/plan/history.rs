//! What a side did since the base: its commits where they can be told apart, else one net change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::action::{Action, Add, Commit, RawObject, Remove};
use crate::snapshot::{LiveFiles, Snapshot};

/// The commits of one side that may be new since the base.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The commits after the newest one that base and side share; `None` when some of them are gone.
    pub commits: Option<Vec<Arc<Commit>>>,
    /// Whether the side's log goes on exactly where the base's ends.
    pub extends_base: bool,
}

/// What a side did since the base.
#[derive(Clone, Debug)]
pub enum Since {
    /// These commits, one by one: applied to the base they give the side.
    Commits(Vec<Arc<Commit>>),
    /// One change that stands for all commits, because they are gone or cannot be told from older ones.
    Net {
        /// The difference of the states.
        commit: Arc<Commit>,
        /// Whether commits are gone from the log.
        cleaned: bool,
    },
}

impl Since {
    /// The commits, or the one that stands for them.
    pub fn commits(&self) -> &[Arc<Commit>] {
        match self {
            Since::Commits(commits) => commits,
            Since::Net { commit, .. } => std::slice::from_ref(commit),
        }
    }
}

/// Finds what `side` did since `base`.
///
/// States decide: after an earlier merge the side's log may repeat what the base already holds, under other
/// numbers. A commit whose every effect is part of the difference is new; one without such an effect is old; as soon
/// as one is half of each, or the new ones do not give exactly the side's state, the difference as a whole is taken.
pub fn since(base: &Snapshot, side: &Snapshot, history: History) -> Since {
    let cleaned = history.commits.is_none();
    let net = || Since::Net { commit: Arc::new(net_commit(base, side)), cleaned };
    let Some(commits) = history.commits else { return net() };
    let kept = if history.extends_base { Some(commits) } else { new_commits(base, side, commits) };
    match kept {
        Some(kept) if gives(base, side, &kept) => Since::Commits(kept),
        _ => net(),
    }
}

/// Whether `commits` on top of `base` give the live files of `side`.
fn gives(base: &Snapshot, side: &Snapshot, commits: &[Arc<Commit>]) -> bool {
    let mut live = base.files.clone();
    commits.iter().all(|commit| advance(&mut live, commit).is_ok()) && same_live(&live, &side.files)
}

/// Whether both are the same live files.
pub fn same_live(left: &LiveFiles, right: &LiveFiles) -> bool {
    left.len() == right.len()
        && left.values().zip(right.values()).all(|(left, right)| Arc::ptr_eq(left, right) || left.same_file(right))
}

/// Applies the file actions of a commit; the key of a file that is added beside another form of itself.
pub fn advance(live: &mut LiveFiles, commit: &Commit) -> Result<(), Arc<str>> {
    for remove in commit.removes() {
        if live.get(&remove.key).is_some_and(|add| add.vector_id() == remove.vector_id()) {
            live.remove(&remove.key);
        }
    }
    for add in commit.adds() {
        if live.get(&add.key).is_some_and(|other| !other.same_file(add)) {
            return Err(add.key.clone());
        }
        live.insert(add.key.clone(), add.clone());
    }
    Ok(())
}

/// The files that differ between two states: before and after, each absent where it is not live.
pub fn changed_files(before: &LiveFiles, after: &LiveFiles) -> BTreeMap<Arc<str>, (Option<Arc<Add>>, Option<Arc<Add>>)> {
    let mut changed = BTreeMap::new();
    let (mut left, mut right) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return changed,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        let from_left = if order.is_le() { left.next() } else { None };
        let from_right = if order.is_ge() { right.next() } else { None };
        match (from_left, from_right) {
            (Some((_, before)), Some((_, after))) if Arc::ptr_eq(before, after) || before.same_file(after) => {}
            (before, after) => {
                let Some(key) = before.or(after).map(|(key, _)| key.clone()) else { return changed };
                changed.insert(key, (before.map(|(_, add)| add.clone()), after.map(|(_, add)| add.clone())));
            }
        }
    }
}

/// The commits that are new since the base; `None` when one is half new.
fn new_commits(base: &Snapshot, side: &Snapshot, commits: Vec<Arc<Commit>>) -> Option<Vec<Arc<Commit>>> {
    let changed: BTreeSet<Arc<str>> = changed_files(&base.files, &side.files).into_keys().collect();
    // A file that came and went since the base is new as well; one that the base lists as removed is not.
    let is_new_file = |key: &Arc<str>| {
        changed.contains(key)
            || !(base.files.contains_key(key) || base.tombstones.contains_key(key) || side.files.contains_key(key))
    };
    let is_new = |action: &Action| match action {
        Action::Add(add) => Some(is_new_file(&add.key)),
        Action::Remove(remove) => Some(is_new_file(&remove.key)),
        Action::Txn(txn) => {
            let version = |snapshot: &Snapshot| snapshot.txns.get(&txn.app_id).map(|txn| txn.version);
            Some(version(base) != version(side))
        }
        Action::Domain(domain) => {
            let text = |snapshot: &Snapshot| snapshot.domains.get(&domain.domain).map(|d| d.configuration.clone());
            Some(text(base) != text(side))
        }
        Action::Protocol(_) => Some(!base.protocol.same(&side.protocol)),
        Action::Metadata(_) => Some(!base.metadata.same(&side.metadata)),
        Action::CommitInfo(_) | Action::Cdc(_) | Action::Unknown { .. } => None,
    };
    let mut kept = Vec::new();
    for commit in commits {
        let mut verdicts = commit.actions.iter().filter_map(is_new);
        match verdicts.next() {
            None => {}
            Some(first) if verdicts.all(|verdict| verdict == first) => {
                if first {
                    kept.push(commit);
                }
            }
            Some(_) => return None,
        }
    }
    Some(kept)
}

/// The difference of two states as one commit.
fn net_commit(base: &Snapshot, side: &Snapshot) -> Commit {
    let mut info = RawObject::default();
    // Neither can fail: both values are plain text and numbers.
    let _ = info.set("timestamp", &side.modified_ms);
    let _ = info.set("operation", &"MERGE BRANCH");
    let mut actions = vec![Action::CommitInfo(info)];
    if !base.protocol.same(&side.protocol) {
        actions.push(Action::Protocol(side.protocol.clone()));
    }
    if !base.metadata.same(&side.metadata) {
        actions.push(Action::Metadata(side.metadata.clone()));
    }
    let old_txn = |app: &String| base.txns.get(app).map(|txn| txn.version);
    let txns = side.txns.iter().filter(|(app, txn)| old_txn(app) != Some(txn.version));
    actions.extend(txns.map(|(_, txn)| Action::Txn(txn.clone())));
    let old_domain = |name: &String| base.domains.get(name).map(|domain| domain.configuration.as_str());
    let domains = side.domains.iter().filter(|(name, domain)| old_domain(name) != Some(&domain.configuration));
    actions.extend(domains.map(|(_, domain)| Action::Domain(domain.clone())));
    for (before, after) in changed_files(&base.files, &side.files).into_values() {
        let removed = before.and_then(|add| Remove::of_live(&add, None, 0, true).ok());
        actions.extend(removed.and_then(|body| Remove::parse(&body).ok()).map(|r| Action::Remove(Arc::new(r))));
        actions.extend(after.and_then(|add| with_data_change(&add)).map(|add| Action::Add(Arc::new(add))));
    }
    Commit { version: side.version, modified_ms: side.modified_ms, actions }
}

/// The file as one that changed rows: a commit never mixes both, and a checkpoint does not say.
fn with_data_change(add: &Add) -> Option<Add> {
    let mut object = add.object().ok()?;
    object.set("dataChange", &true).ok()?;
    Add::parse(&object.to_text()).ok()
}
