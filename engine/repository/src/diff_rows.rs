//! Which rows of one table differ between two refs.

use anabranch_merge::{
    EntryChange, RowDiffError, RowDiffPage, RowDiffRequest, RowSink, UnitKind, folder_prefix,
};
use anabranch_tree::{KeyRange, Session, Tree};

use crate::diff_tables::{CHANGES_MAX, ChangedUnit, Compared, RowsWanted};
use crate::in_the_way::table_at;
use crate::{DiffKind, Repository, RepositoryError, TableDiff};

/// What differs in one table.
#[derive(Clone, PartialEq, Debug)]
pub struct TableRowDiff {
    /// The table as a whole.
    pub table: TableDiff,
    /// Its rows, or why they are not compared.
    pub rows: Result<RowDiffPage, String>,
}

impl Repository {
    /// What differs between two refs in the table whose root is `root`, row by row; or in the object of this path that a
    /// merger takes, as the merger says it.
    ///
    /// # Errors
    /// As [`Repository::resolve`]; [`RepositoryError::NotFound`] where neither ref has a table there;
    /// [`RepositoryError::Invalid`] when the request, or the rule of the table, cannot be meant.
    pub async fn diff_rows(
        &self,
        [left, right]: [&str; 2],
        kind: DiffKind,
        root: &str,
        request: &RowDiffRequest,
    ) -> Result<TableRowDiff, RepositoryError> {
        let compared = self.compare_rows([left, right], kind, root, RowsWanted::Page(request)).await?;
        let rows = page_or_reason(compared.rows)?;
        Ok(TableRowDiff { table: compared.table, rows })
    }

    /// As [`Repository::diff_rows`], but writes all rows that differ into `sink`, as the merger's
    /// [`stream_rows`](anabranch_merge::Merger::stream_rows) does. The inner error says why rows are not compared.
    ///
    /// # Errors
    /// As [`Repository::diff_rows`].
    pub async fn stream_rows(
        &self,
        [left, right]: [&str; 2],
        kind: DiffKind,
        root: &str,
        request: &RowDiffRequest,
        sink: &dyn RowSink,
    ) -> Result<Result<(), String>, RepositoryError> {
        let wanted = RowsWanted::Stream(request, sink);
        let compared = self.compare_rows([left, right], kind, root, wanted).await?;
        Ok(page_or_reason(compared.rows)?.map(drop))
    }

    async fn compare_rows(
        &self,
        [left, right]: [&str; 2],
        kind: DiffKind,
        root: &str,
        wanted: RowsWanted<'_>,
    ) -> Result<Compared, RepositoryError> {
        let root = root.trim_end_matches('/');
        let (before, after) = self.compared(left, right, kind).await?;
        let session = self.inner.trees.session();
        let rules = self.inner.rules_of(&session, &after).await?;
        let failed = || RepositoryError::tree("a diff of rows");
        let is_table = table_at(&session, &after, root).await.map_err(failed())?.is_some()
            || table_at(&session, &before, root).await.map_err(failed())?.is_some()
            || rules.folder(root).is_some_and(|rule| rule.makes_unit());
        let rulebook = self.inner.rulebook(&rules).await?;
        let sides = [(left, &before), (right, &after)];
        let unit = if is_table {
            let changes = changes_below(&session, [&before, &after], root).await?;
            ChangedUnit { root: root.to_owned(), kind: UnitKind::Folder, changes }
        } else {
            let has_merger = rulebook.registry.rule_for_object(&rules, root).is_some();
            let object = changed_object(&session, [&before, &after], root).await?;
            object.filter(|_| has_merger).ok_or_else(|| RepositoryError::NotFound {
                kind: "table",
                name: root.to_owned(),
                hint: format!(
                    " on {left} or {right}: give the folder that its log lies in, or an object that a merger takes"
                ),
            })?
        };
        self.diff_table(&session, sides, &rulebook, unit, wanted).await
    }
}

/// An object that one of two trees holds, and what differs; `None` where neither holds it.
async fn changed_object(
    session: &Session,
    [before, after]: [&Tree; 2],
    path: &str,
) -> Result<Option<ChangedUnit>, RepositoryError> {
    let get = async |tree| session.get(tree, path.as_bytes()).await;
    let before = get(before).await.map_err(RepositoryError::tree(path))?;
    let after = get(after).await.map_err(RepositoryError::tree(path))?;
    if before.is_none() && after.is_none() {
        return Ok(None);
    }
    let change = EntryChange { path: String::new(), before, after };
    let same = match (&change.before, &change.after) {
        (Some(before), Some(after)) => before.same_content(after),
        _ => false,
    };
    let changes = Some(change).filter(|_| !same).into_iter().collect();
    Ok(Some(ChangedUnit { root: path.to_owned(), kind: UnitKind::Object, changes }))
}

/// A page, or why rows are not compared; an error where the request is wrong or the storage failed.
fn page_or_reason(
    rows: Option<Result<RowDiffPage, RowDiffError>>,
) -> Result<Result<RowDiffPage, String>, RepositoryError> {
    match rows {
        Some(Ok(page)) => Ok(Ok(page)),
        Some(Err(RowDiffError::Invalid(message))) => Err(RepositoryError::invalid(message)),
        Some(Err(RowDiffError::View(error))) => {
            Err(RepositoryError::Shared { message: error.to_string(), temporary: true })
        }
        Some(Err(error)) => Ok(Err(error.to_string())),
        None => Ok(Err("no merger knows the format of this table".to_owned())),
    }
}

/// What differs below a folder, with paths relative to it.
async fn changes_below(
    session: &Session,
    [before, after]: [&Tree; 2],
    root: &str,
) -> Result<Vec<EntryChange>, RepositoryError> {
    let prefix = folder_prefix(root);
    let mut changes = Vec::new();
    let mut diff = session.diff(before, after, KeyRange::prefix(prefix.as_bytes()));
    while let Some(batch) = diff.next_batch().await.map_err(RepositoryError::tree("a diff of rows"))? {
        for change in batch.into_iter().filter(|change| !change.same_content()) {
            let path = change.key.as_str().get(prefix.len()..).unwrap_or_default().to_owned();
            changes.push(EntryChange { path, before: change.before, after: change.after });
        }
        if changes.len() > CHANGES_MAX {
            return Err(RepositoryError::invalid(format!(
                "more than {CHANGES_MAX} objects of the table differ: compare refs that are closer"
            )));
        }
    }
    Ok(changes)
}
