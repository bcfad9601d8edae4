//! Which rows of one table differ between two refs.

use anabranch_merge::{EntryChange, RowDiffError, RowDiffPage, RowDiffRequest, folder_prefix};
use anabranch_tree::{KeyRange, Session, Tree};

use crate::diff_tables::CHANGES_MAX;
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
    /// What differs between two refs in the table whose root is `root`, row by row.
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
        let root = root.trim_end_matches('/');
        let (before, after) = self.compared(left, right, kind).await?;
        let session = self.inner.trees.session();
        let rules = self.inner.rules_of(&session, &after).await?;
        let failed = || RepositoryError::tree("a diff of rows");
        let is_table = table_at(&session, &after, root).await.map_err(failed())?.is_some()
            || table_at(&session, &before, root).await.map_err(failed())?.is_some()
            || rules.folder(root).is_some_and(|rule| rule.makes_unit());
        if !is_table {
            return Err(RepositoryError::NotFound {
                kind: "table",
                name: root.to_owned(),
                hint: format!(" on {left} or {right}: give the folder that its log lies in"),
            });
        }
        let changes = changes_below(&session, [&before, &after], root).await?;
        let sides = [(left, &before), (right, &after)];
        let compared =
            self.diff_table(&session, sides, &rules, root.to_owned(), changes, Some(request)).await?;
        let rows = match compared.rows {
            Some(Ok(page)) => Ok(page),
            Some(Err(RowDiffError::Invalid(message))) => return Err(RepositoryError::invalid(message)),
            Some(Err(RowDiffError::View(error))) => {
                return Err(RepositoryError::Shared { message: error.to_string(), temporary: true });
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Err("no merger knows the format of this table".to_owned()),
        };
        Ok(TableRowDiff { table: compared.table, rows })
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
