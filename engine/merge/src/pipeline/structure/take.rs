//! Takes the place of a finding from one side, and keeps checksum files beside the bytes that they describe.

use std::collections::BTreeSet;

use anabranch_tree::{Session, Tree, TreeError};
use anabranch_types::Entry;

use super::names::{checksum_of, described_by, is_hidden, split};
use super::read::changes_in_folder;
use super::scope::Scope;
use crate::EntryMerge;
use crate::merger::same_content;
use crate::pipeline::edits::Edits;
use crate::pipeline::finder::RootFinder;
use crate::pipeline::model::PipelineInput;
use crate::pipeline::survey::Survey;

/// Lets a scope hold what it holds in `side`, beginning from `result`. Units in it stay as they are, unless the scope
/// reaches into them.
pub(in crate::pipeline) async fn take_scope(
    session: &Session,
    finder: &mut RootFinder<'_>,
    edits: &mut Edits,
    result: &Tree,
    side: &Tree,
    scope: &Scope,
) -> Result<(), TreeError> {
    if let Scope::Folder(folder) = scope {
        for change in changes_in_folder(session, [result, side], folder, usize::MAX).await? {
            edits.set(change.key.as_str(), change.after.as_ref());
        }
        return Ok(());
    }
    for range in scope.ranges() {
        let mut diff = session.diff(result, side, range);
        while let Some(batch) = diff.next_batch().await? {
            for change in batch {
                let key = change.key.as_str();
                let is_own = scope.reaches_into_units() || finder.owner(key.as_bytes()).await?.is_none();
                if is_own && scope.contains(key) {
                    edits.set(key, change.after.as_ref());
                }
            }
        }
    }
    Ok(())
}

/// What becomes of the checksum files.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub(super) edits: Edits,
    /// Those that follow from the files that they describe, and so are no conflicts of their own.
    pub(super) settled: Vec<String>,
}

/// Lets every checksum file beside a listed object describe the bytes that the result holds: it comes from the side
/// that they come from, and goes when they come from neither.
pub(super) async fn describe_what_is_there(
    session: &Session,
    input: &PipelineInput<'_>,
    survey: &Survey,
    result: &Tree,
) -> Result<Described, TreeError> {
    let mut described = Described::default();
    for checksum in checksum_files(session, input, &survey.objects).await? {
        let Some(data) = described_by(&checksum) else { continue };
        let get = async |tree: &Tree, path: &str| session.get(tree, path.as_bytes()).await;
        let (ours, theirs) = (get(&input.ours, &checksum).await?, get(&input.theirs, &checksum).await?);
        if same_content(&ours, &theirs) {
            continue;
        }
        let bytes = get(result, &data).await?;
        let sides = [get(&input.ours, &data).await?, get(&input.theirs, &data).await?];
        if sides.iter().all(Option::is_none) {
            continue;
        }
        described.settled.push(checksum.clone());
        let [of_ours, of_theirs] = sides.map(|side| same_content(&bytes, &side));
        let wanted: Option<Entry> = match (of_ours, of_theirs) {
            (true, true) => continue,
            (true, false) => ours,
            (false, true) => theirs,
            (false, false) => None,
        };
        if get(result, &checksum).await? != wanted {
            described.edits.set(&checksum, wanted.as_ref());
        }
    }
    Ok(described)
}

/// The checksum files among the listed objects, and those beside them.
async fn checksum_files(
    session: &Session,
    input: &PipelineInput<'_>,
    objects: &[EntryMerge],
) -> Result<BTreeSet<String>, TreeError> {
    let mut found: BTreeSet<String> = objects
        .iter()
        .map(|change| &change.path)
        .filter(|path| described_by(path).is_some())
        .cloned()
        .collect();
    let may_differ = |change: &&EntryMerge| {
        !is_hidden(split(&change.path).1) && !same_content(&change.ours, &change.theirs)
    };
    let mut beside: Vec<String> =
        objects.iter().filter(may_differ).map(|change| checksum_of(&change.path)).collect();
    beside.sort_unstable();
    let probes: Vec<Vec<u8>> = beside.iter().map(|path| path.clone().into_bytes()).collect();
    for tree in [&input.ours, &input.theirs] {
        let answers = session.any_with_each_prefix(tree, &probes).await?;
        found.extend(beside.iter().zip(answers).filter(|(_, any)| *any).map(|(path, _)| path.clone()));
    }
    Ok(found)
}
