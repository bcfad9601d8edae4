//! Previews: merges that are computed to the end, written, and shown to nobody until somebody executes them.

use anabranch_merge::{PipelineOutcome, PipelineReport};
use anabranch_refs::{Edit, Expect, Operation, ScanRange};
use anabranch_tree::{CommitRecord, Tree};
use anabranch_types::BranchName;

use crate::commit::check_texts;
use crate::delta::compare;
use crate::details::StoredAddress;
use crate::ledger::Swap;
use crate::plan::{Computed, MergeResult, Plan};
use crate::record::PreviewRecord;
use crate::repository::Inner;
use crate::{MergeAnswer, MergeDetails, MergeRequest, Preview, Repository, RepositoryError, Verdict};

/// How long a preview can be executed.
const LIFETIME_MS: i64 = 24 * 60 * 60 * 1_000;

/// How many expired previews are dropped for each new one.
const DROPPED_AT_ONCE: usize = 50;

/// What a preview shows, and the tree that executing it publishes.
struct Shown {
    details: MergeDetails,
    tree: Option<Tree>,
    expires_ms: i64,
}

impl Repository {
    /// Computes the merge of `source` into the branch, and shows it to nobody. Its id can be given to
    /// [`Repository::merge`] for a day, as long as no head of the two moves, and publishes exactly what it showed. The
    /// same merge has the same preview.
    ///
    /// # Errors
    /// As [`Repository::merge`].
    pub async fn preview(
        &self,
        source: &str,
        destination: &BranchName,
        request: MergeRequest,
    ) -> Result<Preview, RepositoryError> {
        let target = self.inner.resolve(source).await?;
        let theirs = self.inner.commit_of(&target.commit).await?;
        let planned = self.plan_merge(source, theirs, destination, request).await?;
        let uncommitted_on_source = match &target.branch {
            Some(branch) => self.uncommitted_on_source(branch).await?,
            None => 0,
        };
        let plan = planned.plan;
        let id = self.inner.preview_id(&plan);
        let shown = match self.known_preview(&id).await? {
            Some(shown) => shown,
            None => self.new_preview(&id, destination, &plan, planned.brings_nothing).await?,
        };
        let in_the_way = match &shown.tree {
            Some(tree) => {
                let session = self.inner.trees.session();
                self.inner.in_the_way(&session, &plan.ours.tree(), tree, &plan.tokens).await?
            }
            None => Vec::new(),
        };
        let Shown { details, expires_ms, .. } = shown;
        Ok(Preview {
            id,
            verdict: details.verdict,
            summary: details.summary,
            conflicts: details.conflicts,
            in_the_way,
            uncommitted_on_source,
            expires_ms,
        })
    }

    /// Publishes what a preview showed.
    pub(crate) async fn execute_preview(
        &self,
        id: &str,
        source: &str,
        destination: &BranchName,
        request: MergeRequest,
    ) -> Result<MergeAnswer, RepositoryError> {
        let record = self.inner.load_preview(id).await?.ok_or_else(|| RepositoryError::NotFound {
            kind: "preview",
            name: id.to_owned(),
            hint: ": make a new one, they are kept for a day".to_owned(),
        })?;
        if record.source != source || record.destination != destination.as_str() {
            return Err(RepositoryError::invalid(format!(
                "preview {id} is of the merge of {} into {}, not of {source} into {destination}",
                record.source, record.destination
            )));
        }
        check_texts(request.message.as_deref().unwrap_or_default(), &request.committer.0, &request.metadata)?;
        let theirs = self.inner.commit_of(&self.inner.resolve(source).await?.commit).await?;
        let plan = self.plan_merge(source, theirs, destination, request).await?.plan;
        let moved = self.what_moved(id, &record, &plan);
        if !moved.is_empty() {
            return Ok(MergeAnswer::StalePreview { preview: id.to_owned(), moved });
        }
        let details = self.inner.load_details(&record.details.address()).await?;
        let Some(tree) = tree_of(&record)? else {
            return Ok(match details.verdict {
                Verdict::Conflicts => {
                    MergeAnswer::Conflicts { conflicts: details.conflicts, summary: details.summary }
                }
                _ => MergeAnswer::NoChanges { uncommitted_on_source: 0 },
            });
        };
        let session = self.inner.trees.session();
        let delta = compare(&session, &plan.ours.tree(), &tree).await;
        let delta = delta.map_err(RepositoryError::tree(format!("preview {id}")))?;
        let made = (details.summary, self.inner.clock.now_ms());
        let mut merge = self.ready(destination, plan, MergeResult::Packed(tree), delta, made).await?;
        merge.pinned = true;
        let preview = id.to_owned();
        Ok(match self.take_turn(destination, Box::new(merge)).await? {
            MergeAnswer::StalePreview { moved, .. } => MergeAnswer::StalePreview { preview, moved },
            MergeAnswer::StagedInTheWay { paths } => {
                let moved = paths.iter().map(|path| format!("{path} has uncommitted changes now")).collect();
                MergeAnswer::StalePreview { preview, moved }
            }
            answer => answer,
        })
    }

    /// What of a preview does not hold any more, one phrase each.
    fn what_moved(&self, id: &str, record: &PreviewRecord, plan: &Plan) -> Vec<String> {
        let mut moved = Vec::new();
        let ours = plan.ours.id.to_hex();
        let theirs = plan.theirs_id.map(|id| id.to_hex()).unwrap_or_default();
        for (name, was, is) in
            [(&record.destination, &record.ours, &ours), (&record.source, &record.theirs, &theirs)]
        {
            if was != is {
                let short = |id: &str| id.chars().take(12).collect::<String>();
                moved.push(format!("{name} moved from {} to {}", short(was), short(is)));
            }
        }
        if record.expires_ms <= self.inner.clock.now_ms() {
            moved.push("it has expired".to_owned());
        }
        if moved.is_empty() && self.inner.preview_id(plan) != id {
            moved.push(
                "the options differ from those of the preview, the branch was replaced, or this server's mergers \
                 have changed"
                    .to_owned(),
            );
        }
        moved
    }

    async fn known_preview(&self, id: &str) -> Result<Option<Shown>, RepositoryError> {
        let Some(record) = self.inner.load_preview(id).await? else { return Ok(None) };
        // One that is about to expire is of no use to whoever asks now.
        if record.expires_ms <= self.inner.clock.now_ms().saturating_add(LIFETIME_MS / 2) {
            return Ok(None);
        }
        let details = self.inner.load_details(&record.details.address()).await?;
        Ok(Some(Shown { details, tree: tree_of(&record)?, expires_ms: record.expires_ms }))
    }

    async fn new_preview(
        &self,
        id: &str,
        destination: &BranchName,
        plan: &Plan,
        brings_nothing: bool,
    ) -> Result<Shown, RepositoryError> {
        let time_ms = self.inner.clock.now_ms();
        let (details, written) = if brings_nothing {
            let summary = plan.summary(&PipelineReport::default());
            (details_of(destination, plan, Verdict::UpToDate, summary), None)
        } else {
            self.compute_preview(destination, plan, time_ms).await?
        };
        let address = self.inner.store_details(&details).await?;
        let record = PreviewRecord::new(
            (plan.source.clone(), destination.to_string()),
            (plan.ours.id.to_hex(), plan.theirs_id.map(|id| id.to_hex()).unwrap_or_default()),
            time_ms.saturating_add(LIFETIME_MS),
            written.as_ref().map(|record| hex::encode(record.encode())),
            StoredAddress::from(&address),
        );
        self.inner.put_preview(id, &record).await?;
        self.inner.drop_expired_previews(id, time_ms).await;
        Ok(Shown { details, tree: written.map(|record| record.tree()), expires_ms: record.expires_ms })
    }

    /// The report, and where the merged tree was written if there is something to publish.
    async fn compute_preview(
        &self,
        destination: &BranchName,
        plan: &Plan,
        time_ms: i64,
    ) -> Result<(MergeDetails, Option<CommitRecord>), RepositoryError> {
        let Computed { session, outcome, summary, delta } = self.compute(destination, plan, time_ms).await?;
        match outcome {
            PipelineOutcome::Conflicts { conflicts, .. } => {
                let details = details_of(destination, plan, Verdict::Conflicts, summary);
                Ok((MergeDetails { conflicts, ..details }, None))
            }
            PipelineOutcome::Merged { .. } if delta.is_empty() && !plan.allow_empty => {
                Ok((details_of(destination, plan, Verdict::UpToDate, summary), None))
            }
            PipelineOutcome::Merged { tree, .. } => {
                let verdict = if plan.is_fast_forward() { Verdict::FastForward } else { Verdict::Clean };
                let written = self.write_tree(&session, &tree, time_ms).await?;
                Ok((details_of(destination, plan, verdict, summary), Some(written)))
            }
        }
    }
}

fn details_of(
    destination: &BranchName,
    plan: &Plan,
    verdict: Verdict,
    summary: crate::MergeSummary,
) -> MergeDetails {
    MergeDetails {
        source: plan.source.clone(),
        destination: destination.to_string(),
        verdict,
        summary,
        conflicts: Vec::new(),
        decided: Vec::new(),
    }
}

/// The tree that executing a preview publishes.
fn tree_of(record: &PreviewRecord) -> Result<Option<Tree>, RepositoryError> {
    let Some(tree) = &record.tree else { return Ok(None) };
    let bytes = hex::decode(tree)
        .map_err(|error| RepositoryError::damaged("the record of a preview", format!("its tree: {error}")))?;
    let record = CommitRecord::decode(&bytes).map_err(RepositoryError::tree("a preview"))?;
    Ok(Some(record.tree()))
}

impl Inner {
    /// The hash of everything that the result of a plan follows from. `merge.toml` is in the tree of ours.
    pub(crate) fn preview_id(&self, plan: &Plan) -> String {
        let bases: Vec<String> = plan.base_ids.iter().map(|id| id.to_hex()).collect();
        let mergers: Vec<(String, String)> = self
            .registry
            .descriptions()
            .into_iter()
            .map(|description| (description.name, description.version))
            .collect();
        let strategy = plan.strategy.map(|strategy| format!("{strategy:?}"));
        let inputs = serde_json::json!([
            bases,
            plan.ours.id.to_hex(),
            hex::encode(plan.incarnation.0),
            plan.theirs_id.map(|id| id.to_hex()),
            plan.labels.ours,
            plan.source,
            strategy,
            plan.by_rows,
            plan.second_parent.is_some(),
            plan.allow_empty,
            mergers,
        ]);
        let hash = blake3::hash(inputs.to_string().as_bytes());
        hex::encode(hash.as_bytes().get(..16).unwrap_or_default())
    }

    async fn load_preview(&self, id: &str) -> Result<Option<PreviewRecord>, RepositoryError> {
        let partition = self.partitions.previews();
        let Some(row) = self.ledger.get("looking up a preview", &partition, id).await? else {
            return Ok(None);
        };
        let record = PreviewRecord::decode(&row.value);
        record.map(Some).map_err(|error| RepositoryError::damaged(format!("preview {id}"), error))
    }

    /// Two that compute the same preview at the same time write equally good records.
    async fn put_preview(&self, id: &str, record: &PreviewRecord) -> Result<(), RepositoryError> {
        let partition = self.partitions.previews();
        let value = (record.encode(), None);
        let ids = self.ids.as_ref();
        match self.ledger.put("keeping a preview", &partition, id, Expect::Any, value, ids).await? {
            Swap::Done(_) => Ok(()),
            Swap::Lost(_) => {
                Err(RepositoryError::damaged("the ref-store", "it refused a write without a condition"))
            }
        }
    }

    /// Drops some of the previews that have expired, beginning behind `id`: ids are hashes, so each gets its turn. A failure
    /// is left to the next one.
    async fn drop_expired_previews(&self, id: &str, now_ms: i64) {
        if let Err(error) = self.try_drop_expired(id, now_ms).await {
            let error = anabranch_merge::full_message(&error);
            tracing::warn!(error, "expired previews could not be dropped yet");
        }
    }

    async fn try_drop_expired(&self, id: &str, now_ms: i64) -> Result<(), RepositoryError> {
        let partition = self.partitions.previews();
        let behind = ScanRange { prefix: String::new(), after: Some(id.to_owned()) };
        let page =
            self.ledger.scan("looking for expired previews", &partition, &behind, DROPPED_AT_ONCE).await?;
        let expired = page.rows.into_iter().filter(|(_, row)| {
            PreviewRecord::decode(&row.value).is_ok_and(|record| record.expires_ms <= now_ms)
        });
        let edits: Vec<Edit> = expired
            .map(|(key, row)| Edit { key, expect: Expect::Is(row.version), operation: Operation::Delete })
            .collect();
        if !edits.is_empty() {
            self.ledger.apply("dropping previews", &partition, &edits, self.ids.as_ref()).await?;
        }
        Ok(())
    }
}
