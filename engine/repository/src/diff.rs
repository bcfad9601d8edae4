//! What differs between two refs, and what is uncommitted.

use anabranch_merge::Change;
use anabranch_refs::Token;
use anabranch_tree::{KeyRange, Session, Tree, after_key, after_prefix};
use anabranch_types::{BranchName, Entry};

use crate::paging::{page_amount, paged};
use crate::repository::Inner;
use crate::rollup::{Position, common_prefix};
use crate::staged_rows::StagedRows;
use crate::staging_view::{StagedChange, TRIES_MAX};
use crate::{DiffItem, DiffKind, DiffRequest, Paged, Paging, Repository, RepositoryError};

impl Repository {
    /// A page of what differs between two refs, in order of path. Uncommitted changes do not count, nor do equal bytes
    /// that were written again. A three-dot diff begins at the best common ancestor (the same in every run when there
    /// are several), or at nothing when there is none.
    ///
    /// # Errors
    /// As [`Repository::resolve`].
    pub async fn diff(
        &self,
        left: &str,
        right: &str,
        request: &DiffRequest,
    ) -> Result<Paged<DiffItem>, RepositoryError> {
        let (before, after) = self.compared(left, right, request.kind).await?;
        let Paging { prefix, after: page_after, amount } = &request.paging;
        let delimiter = request.delimiter.as_deref();
        let amount = page_amount(*amount);
        let mut lines = Lines::new(amount);
        let mut start = match Position::new(page_after.as_deref(), prefix, delimiter) {
            Position::Start => Some(Vec::new()),
            Position::Path(path) => Some(after_key(path.as_bytes())),
            Position::CommonPrefix(prefix) => after_prefix(prefix.as_bytes()),
        };
        let session = self.inner.trees.session();
        let failed = || RepositoryError::tree(format!("the diff of {left} and {right}"));
        // After a common prefix the walk begins anew behind it.
        while let Some(from) = start.take() {
            let range =
                KeyRange::prefix(prefix.as_bytes()).intersection(&KeyRange { start: from, end: None });
            let mut diff = session.diff(&before, &after, range);
            'walk: while let Some(batch) = diff.next_batch().await.map_err(failed())? {
                for change in batch {
                    let Some(kind) = content_change(change.before.as_ref(), change.after.as_ref()) else {
                        continue;
                    };
                    let path = change.key.as_str();
                    let common = common_prefix(path, prefix, delimiter).map(str::to_owned);
                    let line = match &common {
                        Some(common) => prefix_line(common),
                        None => object_line(path, kind, change.before, change.after),
                    };
                    if !lines.push(line) {
                        return Ok(lines.page(true));
                    }
                    if let Some(common) = common {
                        start = after_prefix(common.as_bytes());
                        break 'walk;
                    }
                }
            }
        }
        Ok(lines.page(false))
    }

    /// A page of a branch's uncommitted changes against its head, in order of path.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the branch.
    pub async fn diff_uncommitted(
        &self,
        branch: &BranchName,
        paging: &Paging,
        delimiter: Option<&str>,
    ) -> Result<Paged<DiffItem>, RepositoryError> {
        for _ in 0..TRIES_MAX {
            let record = self.inner.load_branch(branch).await?.record;
            let tokens = record.tokens();
            let head = self.inner.commit_of(&record.head).await?.tree();
            let page = self.inner.uncommitted_page(&tokens, &head, paging, delimiter).await?;
            if self.inner.still_names(branch, &tokens).await? {
                return Ok(page);
            }
        }
        Err(RepositoryError::busy("branch", branch, TRIES_MAX))
    }

    /// How many paths of the branch have uncommitted changes. Costs one look per staged path.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the branch.
    pub async fn uncommitted_count(&self, branch: &BranchName) -> Result<u64, RepositoryError> {
        for _ in 0..TRIES_MAX {
            let record = self.inner.load_branch(branch).await?.record;
            let tokens = record.tokens();
            let head = self.inner.commit_of(&record.head).await?.tree();
            let count = self.inner.count_uncommitted(&tokens, &head).await?;
            if self.inner.still_names(branch, &tokens).await? {
                return Ok(count);
            }
        }
        Err(RepositoryError::busy("branch", branch, TRIES_MAX))
    }

    /// The trees that a diff compares.
    pub(crate) async fn compared(
        &self,
        left: &str,
        right: &str,
        kind: DiffKind,
    ) -> Result<(Tree, Tree), RepositoryError> {
        let left = self.inner.resolve_commit(left).await?;
        let right = self.inner.resolve_commit(right).await?;
        let before = match kind {
            DiffKind::TwoDot => left.tree(),
            DiffKind::ThreeDot => {
                let bases = self.inner.merge_bases(left.id, right.id).await?;
                bases.first().map(|base| base.tree()).unwrap_or_default()
            }
        };
        Ok((before, right.tree()))
    }
}

impl Inner {
    async fn uncommitted_page(
        &self,
        tokens: &[Token],
        head: &Tree,
        paging: &Paging,
        delimiter: Option<&str>,
    ) -> Result<Paged<DiffItem>, RepositoryError> {
        let Paging { prefix, after, amount } = paging;
        let amount = page_amount(*amount);
        let position = Position::new(after.as_deref(), prefix, delimiter);
        let mut rows = StagedRows::new(self, tokens, prefix, &position, amount.saturating_add(1));
        let session = self.trees.session();
        let mut lines = Lines::new(amount);
        while rows.peek().await?.is_some() {
            let Some(row) = rows.pop() else { break };
            let Some((kind, before)) = staged_change(&session, head, &row).await? else { continue };
            let common = common_prefix(&row.path, prefix, delimiter).map(str::to_owned);
            let line = match &common {
                Some(common) => prefix_line(common),
                None => object_line(&row.path, kind, before, row.entry),
            };
            if !lines.push(line) {
                return Ok(lines.page(true));
            }
            if let Some(common) = common {
                rows.skip(&common);
            }
        }
        Ok(lines.page(false))
    }
}

/// What a staged row changes against the head, and the entry there; none if it changes nothing.
pub(crate) async fn staged_change(
    session: &Session,
    head: &Tree,
    row: &StagedChange,
) -> Result<Option<(Change, Option<Entry>)>, RepositoryError> {
    let before = session.get(head, row.path.as_bytes()).await;
    let before = before.map_err(RepositoryError::tree("the branch's head"))?;
    Ok(content_change(before.as_ref(), row.entry.as_ref()).map(|change| (change, before)))
}

fn content_change(before: Option<&Entry>, after: Option<&Entry>) -> Option<Change> {
    Change::between(before, after, Entry::same_content)
}

fn object_line(path: &str, change: Change, before: Option<Entry>, after: Option<Entry>) -> DiffItem {
    DiffItem { path: path.to_owned(), common_prefix: false, change, before, after }
}

fn prefix_line(prefix: &str) -> DiffItem {
    let path = prefix.to_owned();
    DiffItem { path, common_prefix: true, change: Change::Modified, before: None, after: None }
}

/// Collects a page.
struct Lines {
    amount: usize,
    lines: Vec<DiffItem>,
}

impl Lines {
    fn new(amount: usize) -> Lines {
        Lines { amount, lines: Vec::new() }
    }

    /// Adds a line, or answers that the page is full.
    fn push(&mut self, line: DiffItem) -> bool {
        let room = self.lines.len() < self.amount;
        if room {
            self.lines.push(line);
        }
        room
    }

    fn page(self, more: bool) -> Paged<DiffItem> {
        let last = self.lines.last().map(|line| line.path.clone()).unwrap_or_default();
        paged(self.lines, more, last)
    }
}
