//! The result of a merge: what a plugin did to it, replayed over what it started with.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_merge::{Conflict, Decision, EntryMerge, MergeEdit, ObjectAttributes, ThreeWay, UnitKind};
use anabranch_types::Entry;

use crate::attributes;
use crate::bindings::about::Start;
use crate::bridge::{Served, Side, side_of};
use crate::decisions::Decisions;
use crate::gathered::Gathered;
use crate::handles::ObjectHandle;
use crate::limits::{Limit, Limits};
use crate::state::{Made, Unit, cut};
use crate::stop::Stop;

/// How many entries of a side are fetched at a time.
const WALK_PAGE: usize = 1_000;

/// One thing that a plugin did to its result.
#[derive(Debug)]
pub(crate) enum Op {
    Put {
        path: String,
        object: Box<ObjectHandle>,
        carried: Carried,
    },
    /// One path; with a `/` at its end, or empty in a folder, all that is below.
    Take {
        path: String,
        side: Side,
    },
    Remove {
        path: String,
    },
}

impl Op {
    /// The number of the object that it puts somewhere, if that is one of those that gather.
    fn gathered(&self) -> Option<u64> {
        match self {
            Op::Put { object, .. } => match **object {
                ObjectHandle::Gathered { number, .. } => Some(number),
                ObjectHandle::Found(_) | ObjectHandle::Written(_) => None,
            },
            Op::Take { .. } | Op::Remove { .. } => None,
        }
    }
}

/// Where the attributes of an object come from.
#[derive(Debug)]
pub(crate) enum Carried {
    ThreeWay,
    Given(ObjectAttributes),
}

/// What a path is to hold.
#[derive(Debug)]
enum Wanted {
    Entry(Entry),
    Object(Entry, Carried),
    /// An object of this call; none where it is not written, because the merge ends in conflicts.
    New(Option<Entry>, Carried),
    Nothing,
}

/// The result, in the words of the engine.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) edits: Vec<MergeEdit>,
    /// What nobody decided, the plugin's own first, in no order yet.
    pub(crate) conflicts: Vec<Conflict>,
    pub(crate) files_added: u64,
    pub(crate) files_removed: u64,
    pub(crate) bytes_written: u64,
}

/// Works out what a merge changes in ours.
pub(crate) struct Settling<'s, 'a> {
    pub(crate) served: &'s Served<'a>,
    pub(crate) changes: &'a [EntryMerge],
    pub(crate) unit: &'s Unit,
    pub(crate) start: Start,
    pub(crate) limits: &'s Limits,
    pub(crate) decisions: &'s Decisions,
}

/// The paths of a result while it is put together.
#[derive(Default)]
struct Tree<'a> {
    wanted: BTreeMap<String, Wanted>,
    /// Paths that both sides changed differently and about which the plugin said nothing yet.
    undecided: BTreeSet<&'a str>,
    /// How many paths were touched.
    steps: u64,
}

impl<'s, 'a> Settling<'s, 'a> {
    /// Replays what was made. Fails where the plugin left a path open that is its to decide.
    pub(crate) async fn settle(self, made: Made) -> Result<Settled, Stop> {
        let Made { ops, conflicts, mut gathered, object_bytes, .. } = made;
        let mut settled = Settled { bytes_written: object_bytes, ..Settled::default() };
        // The edits of a merge that ends in conflicts are not looked at, so nothing would refer to the objects.
        if conflicts.is_empty() {
            settled.bytes_written = object_bytes.saturating_add(self.write(&mut gathered, &ops).await?);
        }
        let mut tree = self.begin();
        for op in ops {
            self.replay(&mut tree, op, &gathered).await?;
        }
        self.check_decided(tree.undecided, &conflicts)?;
        if self.start == Start::Nothing {
            self.remove_the_rest(&mut tree.wanted).await?;
        }
        settled.conflicts = conflicts;
        for (path, wanted) in tree.wanted {
            self.edit(&mut settled, path, wanted).await?;
        }
        Ok(settled)
    }

    /// Writes those objects that were put somewhere and that the storage does not have yet. How many bytes that were.
    async fn write(&self, gathered: &mut Gathered, ops: &[Op]) -> Result<u64, Stop> {
        let put: BTreeSet<u64> = ops.iter().filter_map(Op::gathered).collect();
        let mut objects = gathered.take();
        objects.retain(|(number, _)| put.contains(number));
        let bytes = objects.iter().map(|(_, body)| body.len() as u64).sum();
        if !objects.is_empty() {
            gathered.are_written(self.served.write(objects).await.map_err(Stop::Storage)?);
        }
        Ok(bytes)
    }

    fn begin(&self) -> Tree<'a> {
        let mut tree = Tree::default();
        if self.start != Start::ThreeWay {
            return tree;
        }
        for change in self.changes {
            let [base, ours, theirs] = [&change.base, &change.ours, &change.theirs].map(Option::as_ref);
            match (ThreeWay { base, ours, theirs }).decide(|left, right| left.same_content(right)) {
                Decision::Ours => {}
                Decision::Theirs => {
                    tree.wanted.insert(change.path.clone(), entry_or_nothing(theirs));
                }
                Decision::Conflict => {
                    tree.undecided.insert(&change.path);
                }
            }
        }
        tree
    }

    async fn replay(&self, tree: &mut Tree<'a>, op: Op, gathered: &Gathered) -> Result<(), Stop> {
        match op {
            Op::Put { path, object, carried } => {
                tree.undecided.remove(path.as_str());
                let wanted = match *object {
                    ObjectHandle::Found(stored) => Wanted::Object(stored.entry, carried),
                    ObjectHandle::Written(stored) => Wanted::New(Some(stored.entry), carried),
                    ObjectHandle::Gathered { number, .. } => {
                        Wanted::New(gathered.entry(number).cloned(), carried)
                    }
                };
                tree.wanted.insert(path, wanted);
            }
            Op::Remove { path } => {
                tree.undecided.remove(path.as_str());
                tree.wanted.insert(path, Wanted::Nothing);
            }
            Op::Take { path, side } => {
                let whole = self.unit.kind == UnitKind::Folder && (path.is_empty() || path.ends_with('/'));
                if whole {
                    return self.take_folder(tree, &path, side).await;
                }
                tree.undecided.remove(path.as_str());
                match self.change(&path) {
                    Some(change) => {
                        let taken = entry_or_nothing(side_of(change, side).as_ref());
                        tree.wanted.insert(path, taken);
                    }
                    None if self.start == Start::Nothing => {
                        let found = self.served.stat(side, &path).await.map_err(Stop::Storage)?;
                        tree.wanted.insert(path, entry_or_nothing(found.as_ref()));
                    }
                    // It is the same on all sides: what ours has.
                    None => {
                        tree.wanted.remove(&path);
                    }
                }
            }
        }
        self.step(tree)
    }

    /// Takes everything that begins with `prefix`. What did not change is the same on all sides.
    async fn take_folder(&self, tree: &mut Tree<'a>, prefix: &str, side: Side) -> Result<(), Stop> {
        let inside = |path: &String| path.starts_with(prefix);
        let below = tree.wanted.range(prefix.to_owned()..).map(|(path, _)| path.clone());
        for path in below.take_while(inside).collect::<Vec<_>>() {
            tree.wanted.remove(&path);
            self.step(tree)?;
        }
        let first = self.changes.partition_point(|change| change.path.as_str() < prefix);
        let changed = self.changes.get(first..).unwrap_or_default().iter();
        for change in changed.take_while(|change| change.path.starts_with(prefix)) {
            tree.undecided.remove(change.path.as_str());
            tree.wanted.insert(change.path.clone(), entry_or_nothing(side_of(change, side).as_ref()));
            self.step(tree)?;
        }
        if self.start != Start::Nothing {
            return Ok(());
        }
        let mut after: Option<String> = None;
        loop {
            let page = self.served.walk(side, prefix, after.as_deref(), WALK_PAGE).await;
            let page = page.map_err(Stop::Storage)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (path, entry) in page {
                tree.wanted.insert(path, Wanted::Entry(entry));
                self.step(tree)?;
            }
        }
    }

    fn step(&self, tree: &mut Tree<'_>) -> Result<(), Stop> {
        tree.steps = tree.steps.saturating_add(1);
        if tree.steps > self.limits.edits {
            return Err(Stop::Limit(self.limits.hit(Limit::Edits)));
        }
        Ok(())
    }

    fn check_decided(&self, mut undecided: BTreeSet<&str>, conflicts: &[Conflict]) -> Result<(), Stop> {
        for conflict in conflicts {
            if conflict.path == self.unit.root {
                return Ok(());
            }
            let relative = conflict.path.strip_prefix(&self.unit.root).unwrap_or(&conflict.path);
            undecided.remove(relative.strip_prefix('/').unwrap_or(relative));
        }
        match undecided.first() {
            None => Ok(()),
            Some(path) => Err(Stop::Broken(format!(
                "it left {:?} open, which both sides changed: put, take, remove or report a conflict there",
                cut(path, 200)
            ))),
        }
    }

    async fn remove_the_rest(&self, wanted: &mut BTreeMap<String, Wanted>) -> Result<(), Stop> {
        let mut after: Option<String> = None;
        loop {
            let page = self.served.walk(Side::Ours, "", after.as_deref(), WALK_PAGE).await;
            let page = page.map_err(Stop::Storage)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (path, _) in page {
                wanted.entry(path).or_insert(Wanted::Nothing);
            }
        }
    }

    async fn edit(&self, settled: &mut Settled, path: String, wanted: Wanted) -> Result<(), Stop> {
        let [base, ours, theirs] = self.sides(&path).await?;
        let (entry, carried, written) = match wanted {
            Wanted::Nothing => {
                if ours.is_some() {
                    settled.files_removed = settled.files_removed.saturating_add(1);
                    settled.edits.push(MergeEdit::Remove { path });
                }
                return Ok(());
            }
            Wanted::Entry(entry) => (Some(entry), None, false),
            Wanted::Object(entry, carried) => (Some(entry), Some(carried), false),
            Wanted::New(entry, carried) => (entry, Some(carried), true),
        };
        let attributes = match carried {
            None => None,
            Some(carried) => {
                let sides = [base.as_ref(), ours.as_ref(), theirs.as_ref()];
                match attributes::merged(self.unit, &path, &carried, sides, self.decisions) {
                    Ok(attributes) => Some(attributes),
                    Err(conflict) => {
                        settled.conflicts.push(*conflict);
                        return Ok(());
                    }
                }
            }
        };
        let Some(mut entry) = entry else {
            // Without a conflict nothing may be left out.
            if settled.conflicts.is_empty() {
                return Err(Stop::Broken(format!("what it put at {:?} is gone", cut(&path, 200))));
            }
            settled.files_added = settled.files_added.saturating_add(u64::from(ours.is_none()));
            return Ok(());
        };
        if let Some(attributes) = attributes {
            attributes.give(&mut entry);
        }
        match (ours, theirs) {
            // Merging back and forth ends in equal trees: equal content is no change.
            (Some(ours), _) if ours.same_content(&entry) => return Ok(()),
            (ours, Some(theirs)) if theirs.same_content(&entry) => {
                settled.files_added = settled.files_added.saturating_add(u64::from(ours.is_none()));
                settled.edits.push(MergeEdit::Link { path, entry: theirs });
            }
            (ours, _) => {
                settled.files_added = settled.files_added.saturating_add(u64::from(ours.is_none()));
                settled.edits.push(match written {
                    true => MergeEdit::Put { path, entry },
                    false => MergeEdit::Link { path, entry },
                });
            }
        }
        Ok(())
    }

    /// What a path holds on base, ours and theirs.
    async fn sides(&self, path: &str) -> Result<[Option<Entry>; 3], Stop> {
        if let Some(change) = self.change(path) {
            return Ok([change.base.clone(), change.ours.clone(), change.theirs.clone()]);
        }
        // It did not change, so it is the same on all three.
        let entry = self.served.stat(Side::Ours, path).await.map_err(Stop::Storage)?;
        Ok([entry.clone(), entry.clone(), entry])
    }

    fn change(&self, path: &str) -> Option<&'a EntryMerge> {
        let index = self.changes.binary_search_by(|change| change.path.as_str().cmp(path)).ok()?;
        self.changes.get(index)
    }
}

fn entry_or_nothing(entry: Option<&Entry>) -> Wanted {
    entry.map_or(Wanted::Nothing, |entry| Wanted::Entry(entry.clone()))
}
