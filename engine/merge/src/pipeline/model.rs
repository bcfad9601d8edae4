//! What goes into a merge of trees, and what comes out.

use anabranch_tree::Tree;
use serde::{Deserialize, Serialize};

use crate::{Conflict, MergeReport, ObjectReader, Registry, Resolution, TableFormat, UnitWriter};

/// Whose state a conflicted table or object takes, when the caller says so beforehand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strategy {
    /// Ours: the destination branch.
    DestWins,
    /// Theirs: the source branch.
    SourceWins,
}

/// Which rule Delta tables are merged by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// By their mergers.
    #[default]
    Mergers,
    /// The source is a client's own transaction (a branch `delta-tx-*`): Delta tables are merged object by object,
    /// and the union of both logs must have no gap and no version with two contents.
    ClientTransaction,
}

impl Mode {
    /// The rule for a merge whose source is the branch or ref of this name.
    pub fn for_source(name: &str) -> Mode {
        if name.starts_with("delta-tx-") { Mode::ClientTransaction } else { Mode::Mergers }
    }
}

/// What people call the three sides: branches, tags, short commit ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Labels {
    /// The merge base.
    pub base: String,
    /// The destination.
    pub ours: String,
    /// The source.
    pub theirs: String,
}

impl Default for Labels {
    fn default() -> Self {
        Labels { base: "base".into(), ours: "ours".into(), theirs: "theirs".into() }
    }
}

/// Everything that a merge of trees depends on: equal inputs give equal outcomes.
pub struct PipelineInput<'a> {
    /// The tree of the merge base.
    pub base: Tree,
    /// The tree of the destination. Its `_anabranch/merge.toml` decides which merger takes what.
    pub ours: Tree,
    /// The tree of the source.
    pub theirs: Tree,
    /// What the sides are called.
    pub labels: Labels,
    /// How the source is called, for provenance: a branch or a commit id.
    pub source: String,
    /// Which rule Delta tables are merged by; usually [`Mode::for_source`].
    pub mode: Mode,
    /// The mergers.
    pub registry: &'a Registry,
    /// What people decided about the conflicts of an earlier run.
    pub resolutions: &'a [Resolution],
    /// What conflicted tables and objects take; none: they stay conflicts.
    pub strategy: Option<Strategy>,
    /// Whether the strategy decides single rows first, where a merger knows rows. What is left takes a side whole.
    pub by_rows: bool,
    /// When the merge happens, in milliseconds since the Unix epoch.
    pub merge_time_ms: i64,
    /// Where new names and ids come from. Each unit gets a seed of its own from it.
    pub seed: [u8; 32],
    /// Reads the bytes behind entries.
    pub reader: &'a dyn ObjectReader,
    /// Where mergers put new objects.
    pub writer: &'a dyn UnitWriter,
}

impl<'a> PipelineInput<'a> {
    /// The same merge from another base.
    pub(super) fn with_base(&self, base: &Tree) -> PipelineInput<'a> {
        PipelineInput {
            base: base.clone(),
            ours: self.ours.clone(),
            theirs: self.theirs.clone(),
            labels: self.labels.clone(),
            source: self.source.clone(),
            ..*self
        }
    }

    /// The same merge with other mergers.
    pub(super) fn with_registry<'r>(&'r self, registry: &'r Registry) -> PipelineInput<'r> {
        PipelineInput { registry, ..self.with_base(&self.base) }
    }
}

/// What was done with a table, a unit of `merge.toml` or an object that a merger took.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitDecision {
    /// Ours stands: only ours changed it, or both came to the same.
    Ours,
    /// Theirs was taken whole, a table's log included: only theirs changed it.
    Theirs,
    /// Theirs and ours were joined: by the merger, or object by object in a client's own transaction.
    Merged,
    /// It could not be decided; its conflicts are in the list.
    Conflicts,
    /// It could not be decided, and the strategy or a resolution took this side whole.
    TookOurs,
    /// The same for theirs.
    TookTheirs,
    /// The same for the merge base; only a resolution says so.
    TookBase,
}

impl UnitDecision {
    /// The decision in kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            UnitDecision::Ours => "ours",
            UnitDecision::Theirs => "theirs",
            UnitDecision::Merged => "merged",
            UnitDecision::Conflicts => "conflicts",
            UnitDecision::TookOurs => "took-ours",
            UnitDecision::TookTheirs => "took-theirs",
            UnitDecision::TookBase => "took-base",
        }
    }
}

/// One table, unit of `merge.toml`, or object with a merger, that at least one side changed and that was looked at.
///
/// Tables that lie wholly in a part of the tree that one side alone changed go with that part and are not listed.
#[derive(Clone, PartialEq, Debug)]
pub struct UnitReport {
    /// Where it lies, without a `/` at the end; `""` is the whole repository.
    pub root: String,
    /// Whether it is a single object.
    pub is_object: bool,
    /// The format, if it is a table that is known by its files.
    pub format: Option<TableFormat>,
    /// The name of the merger that was asked; none when none had to be.
    pub merger: Option<String>,
    /// What was done.
    pub decision: UnitDecision,
    /// What the merger said of it.
    pub report: Option<MergeReport>,
}

/// What was done with the objects that belong to no table or unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ObjectTotals {
    /// Objects that came from theirs one by one: added or replaced.
    pub put: u64,
    /// Objects that theirs removed.
    pub removed: u64,
    /// Objects that could not be decided; not those that the strategy or a resolution decided.
    pub conflicts: u64,
    /// Parts of the tree that were taken from theirs without being opened.
    pub ranges_taken: u64,
}

/// What a merge of trees did.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PipelineReport {
    /// Tables and units, in order of root.
    pub units: Vec<UnitReport>,
    /// The other objects.
    pub objects: ObjectTotals,
}

/// How a merge of trees ends. Conflicts are values; nothing was published in either case.
#[derive(Clone, PartialEq, Debug)]
pub enum PipelineOutcome {
    /// Everything is decided.
    Merged {
        /// The merged tree, made in the session of the call.
        tree: Tree,
        /// What was done.
        report: PipelineReport,
    },
    /// Something is not decided, or a merger failed.
    Conflicts {
        /// All conflicts over all tables and objects, in order of path. A failed merger is one of kind
        /// `merger-failed`. Never empty.
        conflicts: Vec<Conflict>,
        /// The tree with everything that is decided; what is not is as on ours.
        decided: Tree,
        /// What was done beside them.
        report: PipelineReport,
    },
}

impl PipelineOutcome {
    /// The merged tree, or the tree with what is decided.
    pub fn tree(&self) -> &Tree {
        match self {
            PipelineOutcome::Merged { tree, .. } => tree,
            PipelineOutcome::Conflicts { decided, .. } => decided,
        }
    }

    /// What was done.
    pub fn report(&self) -> &PipelineReport {
        match self {
            PipelineOutcome::Merged { report, .. } | PipelineOutcome::Conflicts { report, .. } => report,
        }
    }

    /// The conflicts; empty when merged.
    pub fn conflicts(&self) -> &[Conflict] {
        match self {
            PipelineOutcome::Merged { .. } => &[],
            PipelineOutcome::Conflicts { conflicts, .. } => conflicts,
        }
    }
}

/// A merge of trees could not be run at all. Nothing was published; mergers may have written objects nobody refers to.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A tree could not be read or made.
    #[error("the trees could not be merged")]
    Tree(#[source] anabranch_tree::TreeError),
    /// Ours' `_anabranch/merge.toml` cannot be read.
    #[error("{path} could not be read from {side}: {message}")]
    RulesUnreadable {
        /// The path of the file.
        path: &'static str,
        /// The label of the side.
        side: String,
        /// What the storage said.
        message: String,
    },
    /// Ours' `_anabranch/merge.toml` is not valid. Correct it on the destination and merge again.
    #[error("{path} on {side} is not valid: {message}")]
    RulesInvalid {
        /// The path of the file.
        path: &'static str,
        /// The label of the side.
        side: String,
        /// What is wrong, with the line.
        message: String,
    },
    /// The plugins that the rules name cannot be asked for.
    #[error("the plugins that {path} names cannot be looked up", path = crate::RULES_PATH)]
    Plugins(#[source] crate::PluginSourceError),
    /// The structure check found a table that neither side wrote and no merger made. Always a mistake of this server.
    #[error(
        "the merge would leave {root} as a mixture that neither {ours} nor {theirs} wrote; nothing was changed"
    )]
    Mixture {
        /// The root of the table.
        root: String,
        /// The label of ours.
        ours: String,
        /// The label of theirs.
        theirs: String,
    },
    /// The merge has no base to start from. A mistake of the caller: unrelated trees have the empty tree as base.
    #[error("a merge needs at least one base; give the empty tree for histories without a common commit")]
    NoBase,
}
