//! A merger that counts.

use std::sync::Arc;
use std::time::Instant;

use anabranch_merge::{
    ChangesPage, Conflict, ConflictKind, Demands, DiffInput, DiffOutcome, Failure, MergeInput, MergeOutcome,
    Merger, MergerDescription, RowDiffError, RowDiffPage, RowDiffRequest, RowSink, ViewError,
    ViolationsInput,
};
use async_trait::async_trait;

use crate::serve::metrics::Merges;

/// Counts how merges end, and which conflicts there are.
pub(crate) struct MeteredMerger {
    inner: Arc<dyn Merger>,
    name: String,
    metrics: Merges,
}

impl MeteredMerger {
    /// A wrapper of `inner`.
    pub(crate) fn new(inner: Arc<dyn Merger>, metrics: &Merges) -> Self {
        MeteredMerger { name: inner.description().name, inner, metrics: metrics.clone() }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Merger for MeteredMerger {
    fn description(&self) -> MergerDescription {
        self.inner.description()
    }

    async fn merge(&self, input: MergeInput<'_>) -> MergeOutcome {
        let begun = Instant::now();
        let outcome = self.inner.merge(input).await;
        let name = self.name.as_str();
        self.metrics.seconds.with_label_values(&[name]).observe(begun.elapsed().as_secs_f64());
        let ended = match &outcome {
            MergeOutcome::Merged { .. } => "merged",
            MergeOutcome::Conflicts { conflicts, .. } => {
                for conflict in conflicts {
                    // A plugin may make up as many kinds as it likes.
                    let kind = match &conflict.kind {
                        ConflictKind::Plugin(_) => "plugin",
                        kind => kind.as_str(),
                    };
                    self.metrics.conflicts.with_label_values(&[name, kind]).inc();
                }
                "conflicts"
            }
            MergeOutcome::Failed(_) => "failed",
        };
        self.metrics.units.with_label_values(&[name, ended]).inc();
        outcome
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), String> {
        self.inner.check_options(options)
    }

    fn demands(&self, options: &serde_json::Value) -> Demands {
        self.inner.demands(options)
    }

    async fn violations(&self, input: ViolationsInput<'_>) -> Result<Vec<Conflict>, Failure> {
        self.inner.violations(input).await
    }

    async fn diff(&self, input: DiffInput<'_>) -> Result<DiffOutcome, ViewError> {
        self.inner.diff(input).await
    }

    async fn diff_page(&self, input: DiffInput<'_>, page: &ChangesPage) -> Result<DiffOutcome, RowDiffError> {
        self.inner.diff_page(input, page).await
    }

    async fn diff_rows(
        &self,
        input: DiffInput<'_>,
        request: &RowDiffRequest,
    ) -> Result<RowDiffPage, RowDiffError> {
        self.inner.diff_rows(input, request).await
    }

    async fn stream_rows(
        &self,
        input: DiffInput<'_>,
        request: &RowDiffRequest,
        sink: &dyn RowSink,
    ) -> Result<(), RowDiffError> {
        self.inner.stream_rows(input, request, sink).await
    }
}
