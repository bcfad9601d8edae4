//! Which tables differ between two refs, each compared by its merger.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use anabranch_merge::{
    Change, ChangesPage, DiffInput, DiffOutcome, EntryChange, Registry, RowDiffError, RowDiffPage,
    RowDiffRequest, RowSink, Rules, TreeUnitView, UnitKind, folder_prefix, table_folders_above,
};
use anabranch_tree::{KeyRange, Session, Tree};

use crate::blobs::Blobs;
use crate::in_the_way::table_at;
use crate::repository::Inner;
use crate::{DiffKind, Paged, Paging, Repository, RepositoryError};

/// A table or unit that differs between two refs.
#[derive(Clone, PartialEq, Debug)]
pub struct TableDiff {
    /// Its root.
    pub root: String,
    /// What happened to it as a whole.
    pub change: Change,
    /// Which merger compared it; none when no merger knows the format.
    pub merger: Option<String>,
    /// How many objects below the root differ.
    pub objects_changed: u64,
    /// What the merger says.
    pub outcome: DiffOutcome,
    /// Why the merger could not compare it, if it could not.
    pub failure: Option<String>,
}

/// What is wanted of a table beside what its merger says of it as a whole.
#[derive(Clone, Copy)]
pub(crate) enum RowsWanted<'a> {
    None,
    Page(&'a RowDiffRequest),
    /// The rows alone, into a sink.
    Stream(&'a RowDiffRequest, &'a dyn RowSink),
}

/// A table, compared.
pub(crate) struct Compared {
    pub(crate) table: TableDiff,
    /// Its rows; none when they were not asked for, or no merger knows the format.
    pub(crate) rows: Option<Result<RowDiffPage, RowDiffError>>,
}

/// How many changes of tables are held in memory for a diff of tables.
pub(crate) const CHANGES_MAX: usize = 1_000_000;

/// A table, a folder that is one unit, or an object, and what differs in it, with paths relative to it.
pub(crate) struct ChangedUnit {
    pub(crate) root: String,
    pub(crate) kind: UnitKind,
    pub(crate) changes: Vec<EntryChange>,
}

/// What happened to a unit as a whole.
fn whole_change(was: bool, is: bool) -> Change {
    match (was, is) {
        (false, true) => Change::Added,
        (true, false) => Change::Removed,
        _ => Change::Modified,
    }
}

/// Rules, and the mergers that they may name.
pub(crate) struct Rulebook<'a> {
    rules: &'a Rules,
    pub(crate) registry: Cow<'a, Registry>,
}

impl Inner {
    pub(crate) async fn rulebook<'a>(&'a self, rules: &'a Rules) -> Result<Rulebook<'a>, RepositoryError> {
        Ok(Rulebook { rules, registry: self.registry_for(rules).await? })
    }
}

impl Repository {
    /// A page of the tables that differ between two refs, in order of root, each compared by its merger.
    ///
    /// # Errors
    /// As [`Repository::resolve`]; [`RepositoryError::Invalid`] when more than a million objects of tables differ.
    pub async fn diff_tables(
        &self,
        [left, right]: [&str; 2],
        kind: DiffKind,
        paging: &Paging,
    ) -> Result<Paged<TableDiff>, RepositoryError> {
        let (before, after) = self.compared(left, right, kind).await?;
        let session = self.inner.trees.session();
        let rules = self.inner.rules_of(&session, &after).await?;
        let rulebook = self.inner.rulebook(&rules).await?;
        let mut tables = Vec::new();
        let mut more = false;
        let roots = self.changed_roots(&session, &before, &after, &rules).await?;
        let wanted = roots.into_iter().filter(|(root, _)| {
            root.starts_with(&paging.prefix) && paging.after.as_ref().is_none_or(|after| root > after)
        });
        for (root, changes) in wanted {
            if tables.len() >= paging.amount {
                more = true;
                break;
            }
            let sides = [(left, &before), (right, &after)];
            let none = RowsWanted::None;
            let unit = ChangedUnit { root, kind: UnitKind::Folder, changes };
            tables.push(self.diff_table(&session, sides, &rulebook, unit, none).await?.table);
        }
        let next = tables.last().filter(|_| more).map(|table: &TableDiff| table.root.clone());
        Ok(Paged { results: tables, more, next: next.unwrap_or_default() })
    }

    /// The changes of each table, with paths relative to its root; the nearest root above a path owns it.
    async fn changed_roots(
        &self,
        session: &Session,
        before: &Tree,
        after: &Tree,
        rules: &Rules,
    ) -> Result<BTreeMap<String, Vec<EntryChange>>, RepositoryError> {
        let failed = || RepositoryError::tree("a diff of tables");
        let mut known: HashMap<String, bool> = HashMap::new();
        let mut roots: BTreeMap<String, Vec<EntryChange>> = BTreeMap::new();
        let mut count = 0_usize;
        let mut diff = session.diff(before, after, KeyRange::all());
        while let Some(batch) = diff.next_batch().await.map_err(failed())? {
            for change in batch.into_iter().filter(|change| !change.same_content()) {
                let path = change.key.as_str().to_owned();
                let folders: Vec<&str> = table_folders_above(path.as_bytes())
                    .filter_map(|folder| std::str::from_utf8(folder).ok())
                    .collect();
                for folder in folders {
                    let is_root = match known.get(folder) {
                        Some(is_root) => *is_root,
                        None => {
                            let is_root = rules.folder(folder).is_some_and(|rule| rule.makes_unit())
                                || table_at(session, after, folder).await.map_err(failed())?.is_some()
                                || table_at(session, before, folder).await.map_err(failed())?.is_some();
                            known.insert(folder.to_owned(), is_root);
                            is_root
                        }
                    };
                    if is_root {
                        let relative = path.get(folder_prefix(folder).len()..).unwrap_or_default().to_owned();
                        let changes = roots.entry(folder.to_owned()).or_default();
                        changes.push(EntryChange {
                            path: relative,
                            before: change.before,
                            after: change.after,
                        });
                        count = count.saturating_add(1);
                        break;
                    }
                }
                if count > CHANGES_MAX {
                    return Err(RepositoryError::invalid(format!(
                        "more than {CHANGES_MAX} objects of tables differ: compare refs that are closer"
                    )));
                }
            }
        }
        Ok(roots)
    }

    /// Compares one table or object, and its rows, as far as they are wanted.
    pub(crate) async fn diff_table(
        &self,
        session: &Session,
        [(left, before), (right, after)]: [(&str, &Tree); 2],
        rulebook: &Rulebook<'_>,
        ChangedUnit { root, kind, changes }: ChangedUnit,
        wanted: RowsWanted<'_>,
    ) -> Result<Compared, RepositoryError> {
        let Rulebook { rules, registry } = rulebook;
        let (rule, merger, change) = match kind {
            UnitKind::Folder => {
                let failed = || RepositoryError::tree("a diff of tables");
                let format_before = table_at(session, before, &root).await.map_err(failed())?;
                let format_after = table_at(session, after, &root).await.map_err(failed())?;
                let rule = rules.folder(&root);
                let merger = match rule.and_then(|rule| rule.merger.as_deref()) {
                    Some(name) => registry.get(name),
                    None => format_after.or(format_before).and_then(|format| registry.for_format(format)),
                };
                (rule, merger, whole_change(format_before.is_some(), format_after.is_some()))
            }
            UnitKind::Object => {
                let rule = registry.rule_for_object(rules, &root);
                let merger = rule.and_then(|rule| registry.get(rule.merger.as_deref()?));
                let was = changes.iter().all(|change| change.before.is_some());
                let is = changes.iter().all(|change| change.after.is_some());
                (rule, merger, whole_change(was, is))
            }
        };
        let objects_changed = changes.len() as u64;
        let name = merger.map(|merger| merger.description().name);
        let mut table = TableDiff {
            root,
            change,
            merger: name,
            objects_changed,
            outcome: DiffOutcome::default(),
            failure: None,
        };
        let Some(merger) = merger else { return Ok(Compared { table, rows: None }) };
        let reader = Blobs(std::sync::Arc::clone(&self.inner));
        let no_options = serde_json::json!({});
        let before = TreeUnitView::new(session, before, &reader, left, &table.root, kind);
        let after = TreeUnitView::new(session, after, &reader, right, &table.root, kind);
        let input = || DiffInput {
            root: &table.root,
            before: &before,
            after: &after,
            changes: &changes,
            options: rule.map_or(&no_options, |rule| &rule.options),
        };
        let rows = match wanted {
            RowsWanted::None => None,
            RowsWanted::Page(request) => Some(merger.diff_rows(input(), request).await),
            RowsWanted::Stream(request, sink) => {
                let streamed = merger.stream_rows(input(), request, sink).await;
                return Ok(Compared { table, rows: Some(streamed.map(|()| RowDiffPage::default())) });
            }
        };
        let outcome = match wanted {
            RowsWanted::Page(request) => {
                let page = ChangesPage { limit: request.limit, after: request.after.clone() };
                merger.diff_page(input(), &page).await
            }
            _ => merger.diff(input()).await.map_err(RowDiffError::View),
        };
        match outcome {
            Ok(outcome) => table.outcome = outcome,
            Err(RowDiffError::Invalid(message)) => return Err(RepositoryError::invalid(message)),
            Err(error) => table.failure = Some(error.to_string()),
        }
        Ok(Compared { table, rows })
    }
}
