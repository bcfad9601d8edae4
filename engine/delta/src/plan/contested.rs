//! Files that both sides changed, with everything that hangs together with them: what a merge by rows looks at. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::action::{Action, Add, Commit, RawObject, Remove};
use crate::snapshot::{LiveFiles, Snapshot};

/// A part of the table that is merged row by row: the files that both sides changed, closed under "the same commit
/// touched both". The log does not say which file's rows went into which, so what one commit rewrote stays together.
#[derive(Clone, Debug, Default)]
pub struct Component {
    /// Theirs' commits that the merged rows stand for.
    pub versions: BTreeSet<u64>,
    /// The files of the base in it.
    pub base: Vec<Arc<Add>>,
    /// Ours' live files in it.
    pub ours: Vec<Arc<Add>>,
    /// Theirs' live files in it.
    pub theirs: Vec<Arc<Add>>,
}

/// A component after its rows were merged.
#[derive(Clone, Debug, Default)]
pub struct MergedComponent {
    /// Theirs' commits that the merged rows stand for.
    pub versions: BTreeSet<u64>,
    /// Ours' files that are replaced.
    pub removed: Vec<Arc<str>>,
    /// The files that were written.
    pub added: Vec<Arc<Add>>,
}

/// Everything that hangs together with `contested`.
pub(crate) fn component(
    contested: &BTreeSet<Arc<str>>,
    [base, ours, theirs]: [&LiveFiles; 3],
    our_commits: &[Arc<Commit>],
    their_commits: &[Arc<Commit>],
) -> Component {
    let mut keys = contested.clone();
    let mut versions = BTreeSet::new();
    let mut seen: BTreeSet<(bool, u64)> = BTreeSet::new();
    loop {
        let mut grown = false;
        for (is_theirs, commits) in [(false, our_commits), (true, their_commits)] {
            for commit in commits {
                if seen.contains(&(is_theirs, commit.version))
                    || !touched(commit).any(|key| keys.contains(key))
                {
                    continue;
                }
                seen.insert((is_theirs, commit.version));
                keys.extend(touched(commit).cloned());
                if is_theirs {
                    versions.insert(commit.version);
                }
                grown = true;
            }
        }
        if !grown {
            break;
        }
    }
    let of = |live: &LiveFiles| -> Vec<Arc<Add>> {
        live.iter().filter(|(key, _)| keys.contains(*key)).map(|(_, add)| add.clone()).collect()
    };
    Component { versions, base: of(base), ours: of(ours), theirs: of(theirs) }
}

fn touched(commit: &Commit) -> impl Iterator<Item = &Arc<str>> {
    commit.removes().map(|remove| &remove.key).chain(commit.adds().map(|add| &add.key))
}

/// The commit that stands for theirs' commits of a component: their actions on the table, and the change of files that
/// the merged rows came to.
///
/// # Errors
/// A file that is to be removed is not live on ours: the component was of another state.
pub(crate) fn row_commit(
    merged: &MergedComponent,
    their_commits: &[Arc<Commit>],
    ours: &Snapshot,
) -> Result<Commit, String> {
    let stood_for = || their_commits.iter().filter(|commit| merged.versions.contains(&commit.version));
    let last = stood_for().next_back().ok_or("merged rows stand for no commit")?;
    let mut actions = vec![Action::CommitInfo(commit_info(merged, last)?)];
    for action in stood_for().flat_map(|commit| &commit.actions) {
        match action {
            Action::Add(_) | Action::Remove(_) | Action::Cdc(_) | Action::CommitInfo(_) => {}
            action => {
                // The last of a kind counts: a commit holds one of each.
                actions.retain(|earlier| !replaces(action, earlier));
                actions.push(action.clone());
            }
        }
    }
    for key in &merged.removed {
        let live = ours.files.get(key).ok_or_else(|| format!("{key:?} is not live on ours"))?;
        let body = Remove::of_live(live, None, 0, true)?;
        actions.push(Action::Remove(Arc::new(Remove::parse(&body)?)));
    }
    actions.extend(merged.added.iter().cloned().map(Action::Add));
    Ok(Commit { version: last.version, modified_ms: last.modified_ms, actions })
}

/// The commit stands for others, of which none has replaced all rows: those are no part of a component.
fn commit_info(merged: &MergedComponent, last: &Commit) -> Result<RawObject, String> {
    let mut info = RawObject::default();
    let versions: Vec<String> = merged.versions.iter().map(u64::to_string).collect();
    info.set("timestamp", &last.modified_ms)?;
    info.set("operation", &"MERGE BRANCH")?;
    info.set("operationParameters", &json!({"overwrites": "false", "versions": versions.join(",")}))?;
    info.set("isBlindAppend", &false)?;
    Ok(info)
}

/// Whether a later action takes the place of an earlier one.
fn replaces(later: &Action, earlier: &Action) -> bool {
    match (later, earlier) {
        (Action::Protocol(_), Action::Protocol(_)) | (Action::Metadata(_), Action::Metadata(_)) => true,
        (Action::Txn(later), Action::Txn(earlier)) => later.app_id == earlier.app_id,
        (Action::Domain(later), Action::Domain(earlier)) => later.domain == earlier.domain,
        _ => false,
    }
}

/// Where the commit of merged rows goes among theirs' other commits: last, but not behind commits that may need the
/// description of the table that it carries.
pub(crate) fn place_of_row_commit(commit: &Commit, first_version: u64, others: &[Arc<Commit>]) -> usize {
    let describes =
        commit.actions.iter().any(|action| matches!(action, Action::Protocol(_) | Action::Metadata(_)));
    match describes {
        true => others.iter().take_while(|other| other.version < first_version).count(),
        false => others.len(),
    }
}
