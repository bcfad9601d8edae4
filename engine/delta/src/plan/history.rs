//! What a side did since the base: its commits where they can be told apart, else one net change.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::matrix::may_overwrite;
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
pub(crate) enum Since {
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
    pub(crate) fn commits(&self) -> &[Arc<Commit>] {
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
pub(crate) fn since(base: &Snapshot, side: &Snapshot, history: History) -> Since {
    let cleaned = history.commits.is_none();
    let overwrites =
        history.commits.as_ref().map(|commits| commits.iter().any(|commit| may_overwrite(commit)));
    let net = || Since::Net { commit: Arc::new(net_commit(base, side, overwrites)), cleaned };
    let Some(commits) = history.commits else { return net() };
    let kept = if history.extends_base { Some(commits) } else { new_commits(base, commits) };
    match kept {
        Some(kept) if gives(base, side, &kept) => Since::Commits(kept),
        _ => net(),
    }
}

/// Whether `commits` on top of `base` give the state of `side`.
fn gives(base: &Snapshot, side: &Snapshot, commits: &[Arc<Commit>]) -> bool {
    let mut live = base.files.clone();
    let mut protocol = &base.protocol;
    let mut metadata = &base.metadata;
    let mut txns: BTreeMap<&str, i64> =
        base.txns.iter().map(|(app, txn)| (app.as_str(), txn.version)).collect();
    let mut domains: BTreeMap<&str, &str> = configurations(base);
    for commit in commits {
        if advance(&mut live, commit).is_err() {
            return false;
        }
        for action in &commit.actions {
            match action {
                Action::Protocol(new) => protocol = new,
                Action::Metadata(new) => metadata = new,
                Action::Txn(txn) => drop(txns.insert(&txn.app_id, txn.version)),
                Action::Domain(domain) if domain.removed => drop(domains.remove(domain.domain.as_str())),
                Action::Domain(domain) => drop(domains.insert(&domain.domain, &domain.configuration)),
                _ => {}
            }
        }
    }
    same_live(&live, &side.files)
        && protocol.same(&side.protocol)
        && metadata.same(&side.metadata)
        && txns == side.txns.iter().map(|(app, txn)| (app.as_str(), txn.version)).collect()
        && domains == configurations(side)
}

fn configurations(snapshot: &Snapshot) -> BTreeMap<&str, &str> {
    snapshot.domains.iter().map(|(name, domain)| (name.as_str(), domain.configuration.as_str())).collect()
}

/// Whether both are the same live files.
pub fn same_live(left: &LiveFiles, right: &LiveFiles) -> bool {
    left.len() == right.len()
        && left
            .values()
            .zip(right.values())
            .all(|(left, right)| Arc::ptr_eq(left, right) || left.same_file(right))
}

/// Applies the file actions of a commit; the key of a file that is added beside another form of itself.
pub(crate) fn advance(live: &mut LiveFiles, commit: &Commit) -> Result<(), Arc<str>> {
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

/// Files by key, each as it was before and after; absent where it is not live.
pub type ChangedFiles = BTreeMap<Arc<str>, (Option<Arc<Add>>, Option<Arc<Add>>)>;

/// The files that differ between two states: before and after, each absent where it is not live.
pub fn changed_files(before: &LiveFiles, after: &LiveFiles) -> ChangedFiles {
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
            (Some((_, before)), Some((_, after)))
                if Arc::ptr_eq(before, after) || before.same_file(after) => {}
            (before, after) => {
                let Some(key) = before.or(after).map(|(key, _)| key.clone()) else { return changed };
                changed.insert(key, (before.map(|(_, add)| add.clone()), after.map(|(_, add)| add.clone())));
            }
        }
    }
}

/// The commits that are new since the base; `None` when one is half new.
///
/// They are found by applying one after the other to the base: an effect that the base already had, or has outlived,
/// is old.
fn new_commits(base: &Snapshot, commits: Vec<Arc<Commit>>) -> Option<Vec<Arc<Commit>>> {
    let mut live = base.files.clone();
    let mut kept = Vec::new();
    for commit in commits {
        let mut verdicts = commit.actions.iter().filter_map(|action| is_new(base, &live, &commit, action));
        match verdicts.next() {
            None => {}
            Some(true) if verdicts.all(|new| new) => {
                advance(&mut live, &commit).ok()?;
                kept.push(commit);
            }
            Some(false) if !verdicts.any(|new| new) => {}
            Some(_) => return None,
        }
    }
    Some(kept)
}

/// Whether an action does something that the base does not hold; `None` for what has no effect of its own.
fn is_new(base: &Snapshot, live: &LiveFiles, commit: &Commit, action: &Action) -> Option<bool> {
    let hits =
        |remove: &Remove| live.get(&remove.key).is_some_and(|add| add.vector_id() == remove.vector_id());
    Some(match action {
        Action::Remove(remove) => hits(remove),
        Action::Add(add) => {
            let known = base.files.contains_key(&add.key) || base.tombstones.contains_key(&add.key);
            !known || commit.removes().any(|remove| remove.key == add.key && hits(remove))
        }
        Action::Txn(txn) => base.txns.get(&txn.app_id).is_none_or(|old| txn.version > old.version),
        Action::Domain(domain) => {
            let old = base.domains.get(&domain.domain).map(|old| old.configuration.as_str());
            old != (!domain.removed).then_some(domain.configuration.as_str())
        }
        Action::Protocol(protocol) => !base.protocol.same(protocol),
        Action::Metadata(metadata) => !base.metadata.same(metadata),
        Action::CommitInfo(_) | Action::Cdc(_) | Action::Unknown { .. } => return None,
    })
}

/// The difference of two states as one commit, which says whether one of those it stands for may have replaced all
/// rows, if that is known.
fn net_commit(base: &Snapshot, side: &Snapshot, overwrites: Option<bool>) -> Commit {
    let mut info = RawObject::default();
    // None can fail: all values are plain text and numbers.
    let _ = info.set("timestamp", &side.modified_ms);
    let _ = info.set("operation", &"MERGE BRANCH");
    if let Some(overwrites) = overwrites {
        let _ = info.set("operationParameters", &serde_json::json!({"overwrites": overwrites.to_string()}));
    }
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
    let domains =
        side.domains.iter().filter(|(name, domain)| old_domain(name) != Some(&domain.configuration));
    actions.extend(domains.map(|(_, domain)| Action::Domain(domain.clone())));
    for (before, after) in changed_files(&base.files, &side.files).into_values() {
        let removed = before.and_then(|add| Remove::of_live(&add, None, 0, true).ok());
        actions
            .extend(removed.and_then(|body| Remove::parse(&body).ok()).map(|r| Action::Remove(Arc::new(r))));
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
