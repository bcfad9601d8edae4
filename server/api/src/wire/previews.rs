//! What a merge would do, and what one did. Of our own.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Conflict, Decided, MergeSummary, seconds};

/// The version of the shapes of [`MergePreview`] and [`MergeReport`]. Fields may be added without a new one.
const FORMAT: u8 = 1;

/// What a merge comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Both sides changed something, and all of it goes together.
    Clean,
    /// The destination has nothing that the source lacks: the result is what the source is.
    FastForward,
    /// The destination has all that the source brings.
    UpToDate,
    /// Something has to be decided by somebody.
    Conflicts,
    /// The sides go together, and the result breaks rules about rows.
    Violations,
}

impl Verdict {
    /// The verdict in kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Clean => "clean",
            Verdict::FastForward => "fast-forward",
            Verdict::UpToDate => "up-to-date",
            Verdict::Conflicts => "conflicts",
            Verdict::Violations => "violations",
        }
    }

    /// Whether something has to be decided before anything is published.
    pub fn is_open(self) -> bool {
        matches!(self, Verdict::Conflicts | Verdict::Violations)
    }

    /// The verdict of a merge with these conflicts.
    pub(crate) fn of(verdict: anabranch_app::Verdict, conflicts: &[anabranch_merge::Conflict]) -> Self {
        match verdict {
            anabranch_app::Verdict::Conflicts
                if !conflicts.is_empty() && conflicts.iter().all(|one| one.kind.is_violation()) =>
            {
                Verdict::Violations
            }
            anabranch_app::Verdict::Clean => Verdict::Clean,
            anabranch_app::Verdict::FastForward => Verdict::FastForward,
            anabranch_app::Verdict::UpToDate => Verdict::UpToDate,
            anabranch_app::Verdict::Conflicts => Verdict::Conflicts,
        }
    }
}

/// A merge that was computed to the end and shown to nobody.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct MergePreview {
    /// The version of this shape: 1.
    pub format: u8,
    /// Names it. Given as `preview` of a merge, exactly what is shown here is published.
    pub id: String,
    /// The ref that would be merged.
    pub source: String,
    /// The branch that it would be merged into.
    pub destination: String,
    /// What the merge comes to.
    pub verdict: Verdict,
    /// Until when it can be executed, in seconds since the Unix epoch.
    pub expires: i64,
    /// What it would do; with conflicts, what it would do beside them.
    pub summary: MergeSummary,
    /// All conflicts and violations, in order of path.
    pub conflicts: Vec<Conflict>,
    /// Uncommitted changes of the destination that stand in its way, at most a hundred. While there are any it cannot be
    /// executed.
    pub in_the_way: Vec<String>,
    /// How many uncommitted changes the source branch has: they are not merged.
    pub uncommitted_on_source: u64,
}

impl MergePreview {
    /// The preview of the merge of `source` into `destination`.
    pub(crate) fn new(preview: anabranch_app::Preview, source: String, destination: String) -> Self {
        MergePreview {
            format: FORMAT,
            id: preview.id,
            source,
            destination,
            verdict: Verdict::of(preview.verdict, &preview.conflicts),
            expires: seconds(preview.expires_ms),
            summary: preview.summary.into(),
            conflicts: preview.conflicts.into_iter().map(Conflict::from).collect(),
            in_the_way: preview.in_the_way,
            uncommitted_on_source: preview.uncommitted_on_source,
        }
    }
}

/// A merge that was asked to publish what a preview showed, which does not hold any more. Nothing was published.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StalePreview {
    /// Always empty, as lakeFS has it.
    pub reference: String,
    /// What moved, and what to do.
    pub message: String,
    /// Always `stale-preview`.
    pub kind: String,
    /// The id of the preview.
    pub preview: String,
    /// What moved, one phrase each.
    pub moved: Vec<String>,
}

/// The report of a merge: of one that was made, or of a merge session as it is decided so far.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct MergeReport {
    /// The version of this shape: 1.
    pub format: u8,
    /// The commit that the merge made; none for a session.
    pub commit: Option<String>,
    /// What was merged, as it was named.
    pub source: String,
    /// Into which branch.
    pub destination: String,
    /// What it came to.
    pub verdict: Verdict,
    /// What was done, or would be.
    pub summary: MergeSummary,
    /// Its conflicts and violations, in order of path: of a commit, all of them, each decided; of a session, those that are left.
    pub conflicts: Vec<Conflict>,
    /// Who chose what.
    pub decided: Vec<Decided>,
}

impl MergeReport {
    /// The report of the merge that made `commit`, or would make one.
    pub(crate) fn new(details: anabranch_app::MergeDetails, commit: Option<String>) -> Self {
        MergeReport {
            format: FORMAT,
            commit,
            source: details.source,
            destination: details.destination,
            verdict: Verdict::of(details.verdict, &details.conflicts),
            summary: details.summary.into(),
            conflicts: details.conflicts.into_iter().map(Conflict::from).collect(),
            decided: details.decided.into_iter().map(Decided::from).collect(),
        }
    }
}
