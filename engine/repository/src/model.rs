//! What goes into the operations of a repository, and what comes out: plain values.

use std::collections::BTreeMap;

use anabranch_merge::{Change, Conflict, MergeReport};
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
    /// Whether a merge without changes makes a commit.
    pub allow_empty: bool,
    /// Whether the merge commit forgets its second parent.
    pub squash: bool,
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
    /// What the merger did.
    pub report: MergeReport,
}

/// What a merge did.
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
