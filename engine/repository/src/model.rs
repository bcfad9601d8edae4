//! What goes into the operations of a repository, and what comes out: plain values.

use std::collections::BTreeMap;

use anabranch_merge::{Change, Conflict, ConflictId, MergeReport, TableFormat, UnitDecision};
use anabranch_types::{BranchName, Commit, CommitId, Entry, ObjectPath, RepositoryName, TagName};

/// What a new repository is made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateRepository {
    /// Its name.
    pub name: RepositoryName,
    /// Where its objects go: `local://NAME`, `s3://BUCKET/PREFIX`, `mem://NAME`; none: a local folder of its own name.
    pub storage_namespace: Option<String>,
    /// The branch that exists from the start.
    pub default_branch: BranchName,
    /// What its maker attached.
    pub metadata: BTreeMap<String, String>,
}

/// A repository, as people see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepositoryInfo {
    /// Its name.
    pub name: RepositoryName,
    /// Where its objects are.
    pub storage_namespace: String,
    /// The branch that exists from the start.
    pub default_branch: BranchName,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// What its maker attached.
    pub metadata: BTreeMap<String, String>,
}

/// A branch and its head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BranchInfo {
    /// Its name.
    pub name: BranchName,
    /// Its head.
    pub head: CommitId,
    /// Hidden from listings: a client's own transaction.
    pub hidden: bool,
}

/// A tag and its commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagInfo {
    /// Its name.
    pub name: TagName,
    /// What it names.
    pub commit: CommitId,
}

/// A commit and its id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitInfo {
    /// The id.
    pub id: CommitId,
    /// The record.
    pub commit: Commit,
}

/// What a ref expression stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolvedRef {
    /// The commit.
    pub commit: CommitId,
    /// The branch, if the expression is a branch's plain name: reads then see its uncommitted changes.
    pub branch: Option<BranchName>,
}

/// Which page of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paging {
    /// What the names begin with.
    pub prefix: String,
    /// The name after which the page begins.
    pub after: Option<String>,
    /// At most this many results.
    pub amount: usize,
}

/// A page of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paged<T> {
    /// The results, in order.
    pub results: Vec<T>,
    /// Whether results follow.
    pub more: bool,
    /// What to give as `after` for the next page; empty at the end.
    pub next: String,
}

/// An object at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectInfo {
    /// The path.
    pub path: ObjectPath,
    /// What it holds.
    pub entry: Entry,
}

/// One line of a listing of objects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listed {
    /// An object.
    Object(ObjectInfo),
    /// Everything up to the next delimiter, together.
    CommonPrefix(String),
}

/// What a write requires of its path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WriteCondition {
    /// Nothing.
    None,
    /// The path holds nothing.
    Absent,
    /// The path holds an object with this entity tag.
    Matches(String),
    /// The path holds an object, whichever.
    Present,
}

/// How a write ended. A condition that did not hold is a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WriteAnswer {
    /// Durable and visible on the branch.
    Written,
    /// The condition did not hold; the entity tag that the path has.
    Refused {
        /// The entity tag, if the path holds an object.
        actual: Option<String>,
    },
}

/// Who does something, as commits name them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor(pub String);

/// A commit to be made of a branch's staged changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitRequest {
    /// What it says.
    pub message: String,
    /// Who makes it.
    pub committer: Actor,
    /// What its maker attaches.
    pub metadata: BTreeMap<String, String>,
    /// Whether a commit without changes is made.
    pub allow_empty: bool,
    /// Its time, if not now; milliseconds since the Unix epoch.
    pub created_ms: Option<i64>,
    /// Until when it is tried anew while other servers move the branch, in milliseconds since the Unix epoch; none: as
    /// long as it takes.
    pub deadline_ms: Option<i64>,
}

/// Which commits a log shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogRequest {
    /// The commit after which the page begins.
    pub after: Option<CommitId>,
    /// At most this many.
    pub amount: usize,
    /// Only commits that changed one of these objects, or something below one of `prefixes`.
    pub objects: Vec<String>,
    /// See `objects`.
    pub prefixes: Vec<String>,
    /// Whether only first parents are followed.
    pub first_parent: bool,
    /// No commits older than this, in milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
    /// The log ends with this commit.
    pub stop_at: Option<CommitId>,
    /// At most this many commits are visited, whatever the filters let through; 0: no limit of its own.
    pub visit_max: usize,
}

/// What a diff of two refs compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiffKind {
    /// The left commit with the right.
    TwoDot,
    /// The merge base of both with the right: what the right brings.
    ThreeDot,
}

/// Which page of a diff.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiffRequest {
    /// What is compared.
    pub kind: DiffKind,
    /// Which page.
    pub paging: Paging,
    /// Paths are cut at this, and changes below one prefix shown as one line.
    pub delimiter: Option<String>,
}

/// One line of a diff.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiffItem {
    /// The path, or a common prefix.
    pub path: String,
    /// Whether `path` is a common prefix; `change` is then `Modified`.
    pub common_prefix: bool,
    /// What happened.
    pub change: Change,
    /// The entry before.
    pub before: Option<Entry>,
    /// The entry after.
    pub after: Option<Entry>,
}

/// Which side wins what could not be decided. A table in conflict is taken whole from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strategy {
    /// The destination, ours.
    DestWins,
    /// The source, theirs.
    SourceWins,
}

/// A merge of a ref into a branch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergeRequest {
    /// What the merge commit says; none: "Merge 'source' into 'destination'".
    pub message: Option<String>,
    /// Who makes it.
    pub committer: Actor,
    /// What its maker attaches.
    pub metadata: BTreeMap<String, String>,
    /// Who wins what could not be decided; none: conflicts are answered.
    pub strategy: Option<Strategy>,
    /// Whether the strategy decides single rows first, where a table has keys, and takes only what is left whole.
    pub by_rows: bool,
    /// Whether a merge without changes makes a commit.
    pub allow_empty: bool,
    /// Whether the merge commit forgets its second parent.
    pub squash: bool,
    /// The id of a [`Preview`]: exactly what it showed is published, or the answer is [`MergeAnswer::StalePreview`].
    pub preview: Option<String>,
    /// Until when it is tried anew while other servers move the branch, in milliseconds since the Unix epoch; none: as
    /// long as it takes.
    pub deadline_ms: Option<i64>,
}

/// A commit to revert or to cherry-pick.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PickRequest {
    /// The commit, as a ref expression.
    pub reference: String,
    /// Which parent of a merge commit counts as "before", from 1; 0: the commit has one parent.
    pub parent_number: usize,
    /// What the new commit says; none: a sentence of its own.
    pub message: Option<String>,
    /// Who makes it.
    pub committer: Actor,
    /// What its maker attaches.
    pub metadata: BTreeMap<String, String>,
    /// Whether a commit without changes is made.
    pub allow_empty: bool,
    /// Until when it is tried anew while other servers move the branch, in milliseconds since the Unix epoch; none: as
    /// long as it takes.
    pub deadline_ms: Option<i64>,
}

/// How a table or unit was merged.
#[derive(Clone, PartialEq, Debug)]
pub struct TableSummary {
    /// Its root.
    pub root: String,
    /// Whether it is a single object that a merger took.
    pub is_object: bool,
    /// Its format, if it is a table that is known by its files.
    pub format: Option<TableFormat>,
    /// The merger that was asked; none when none had to be.
    pub merger: Option<String>,
    /// Whose state it has now.
    pub decision: UnitDecision,
    /// What the merger did.
    pub report: MergeReport,
}

/// What a merge did, or would do.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MergeSummary {
    /// Tables and units, in order of root.
    pub tables: Vec<TableSummary>,
    /// Objects outside tables that came to ours, changed there, or left it.
    pub objects_changed: u64,
    /// The merge base, where there is one.
    pub base: Option<CommitId>,
    /// Ours before the merge.
    pub ours: Option<CommitId>,
    /// Theirs.
    pub theirs: Option<CommitId>,
}

/// How a merge, revert or cherry-pick ended. Conflicts are values.
#[derive(Clone, PartialEq, Debug)]
pub enum MergeAnswer {
    /// It is published.
    Merged {
        /// The new head.
        commit: CommitInfo,
        /// What was done.
        summary: MergeSummary,
    },
    /// It cannot be decided. Nothing was published.
    Conflicts {
        /// All conflicts, in order.
        conflicts: Vec<Conflict>,
        /// What would have been done beside them.
        summary: MergeSummary,
    },
    /// The source brings nothing.
    NoChanges {
        /// How many uncommitted changes the source branch has: they are not merged.
        uncommitted_on_source: u64,
    },
    /// Uncommitted changes of the destination stand where the merge would write. Nothing was published.
    StagedInTheWay {
        /// Their paths, at most a hundred.
        paths: Vec<String>,
    },
    /// What the preview showed does not hold any more. Nothing was published.
    StalePreview {
        /// The id of the preview.
        preview: String,
        /// What moved, one phrase each.
        moved: Vec<String>,
    },
}

/// What a merge comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Both sides changed something, and all of it goes together.
    Clean,
    /// The destination has nothing that the source lacks: the result is what the source is.
    FastForward,
    /// The destination has all that the source brings.
    UpToDate,
    /// Something has to be decided by somebody.
    Conflicts,
}

/// A merge that was computed to the end and shown to nobody.
#[derive(Clone, PartialEq, Debug)]
pub struct Preview {
    /// Names it: the hash of everything that its result follows from. The same merge has the same id.
    pub id: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// What it would do.
    pub summary: MergeSummary,
    /// All conflicts, in order.
    pub conflicts: Vec<Conflict>,
    /// Uncommitted changes of the destination that stand in its way, at most a hundred.
    pub in_the_way: Vec<String>,
    /// How many uncommitted changes the source branch has: they are not merged.
    pub uncommitted_on_source: u64,
    /// Until when it can be executed, in milliseconds since the Unix epoch.
    pub expires_ms: i64,
}

/// What somebody decided about a conflict, and when.
#[derive(Clone, PartialEq, Debug)]
pub struct Decided {
    /// Which conflict.
    pub conflict: ConflictId,
    /// Where it is: the object, or the root of the table.
    pub path: String,
    /// The id of the choice.
    pub choice: String,
    /// The value that the choice takes, where it takes one.
    pub value: Option<serde_json::Value>,
    /// Who.
    pub by: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// The report of a merge: kept with its commit.
#[derive(Clone, PartialEq, Debug)]
pub struct MergeDetails {
    /// What was merged, as it was named.
    pub source: String,
    /// Into which branch.
    pub destination: String,
    /// What it came to.
    pub verdict: Verdict,
    /// What was done.
    pub summary: MergeSummary,
    /// The conflicts, if it has any; those of a merge that was made are decided, and listed in `decided`.
    pub conflicts: Vec<Conflict>,
    /// Who chose what.
    pub decided: Vec<Decided>,
}

/// What a reset throws away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ResetScope {
    /// All uncommitted changes of the branch.
    All,
    /// Those below a prefix.
    Prefix(String),
    /// That of one object.
    Object(ObjectPath),
}

/// A merge that people decide, conflict by conflict. Kept in the ref-store until it is completed or abandoned.
#[derive(Clone, PartialEq, Debug)]
pub struct MergeSession {
    /// Its id.
    pub id: String,
    /// What is merged, as it was named when the session began.
    pub source: String,
    /// Into which branch.
    pub destination: String,
    /// The commits, and what the merge would do beside its conflicts. Ours is the head that the conflicts belong to.
    pub summary: MergeSummary,
    /// Whether the merge commit will forget its second parent.
    pub squash: bool,
    /// How many conflicts there are.
    pub conflicts: u64,
    /// How many of them nobody has decided.
    pub undecided: u64,
    /// When it began, in milliseconds since the Unix epoch.
    pub begun_ms: i64,
    /// Who began it.
    pub begun_by: String,
}

/// How the beginning of a session ended.
#[derive(Clone, PartialEq, Debug)]
pub enum SessionBegun {
    /// The session is kept.
    Kept(Box<MergeSession>),
    /// The merge has no conflict, so there is nothing to decide.
    NothingToDecide(Verdict),
}

/// A conflict of a session, and what was chosen for it.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionConflict {
    /// The conflict.
    pub conflict: Conflict,
    /// What was chosen, if anything was.
    pub decided: Option<Decided>,
}

/// Which conflicts of a session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConflictFilter {
    /// Those of the table or unit at this root.
    pub table: Option<String>,
    /// Those of this kind, in kebab-case.
    pub kind: Option<String>,
    /// Those that nobody has decided.
    pub undecided: bool,
}

/// What somebody chooses for a conflict.
#[derive(Clone, PartialEq, Debug)]
pub struct Chosen {
    /// The id of one of the conflict's choices.
    pub choice: String,
    /// The value that the choice takes, where it takes one.
    pub value: Option<serde_json::Value>,
    /// The object that the choice `object` puts in place.
    pub object: Option<Entry>,
    /// Whether somebody else's choice is replaced.
    pub replace: bool,
    /// Who chooses.
    pub by: Actor,
}

/// How a choice ended.
#[derive(Clone, PartialEq, Debug)]
pub enum ChoiceAnswer {
    /// It is kept.
    Kept(Decided),
    /// Somebody else has chosen something different for the conflict, which stands.
    AlreadyDecided(Decided),
}
