//! Listings of objects: what is staged laid over the tree.

use std::collections::{BTreeSet, VecDeque};

use anabranch_tree::{KeyRange, ListAfter, ListItem, Session, Tree};
use anabranch_types::ObjectPath;

use crate::paging::{page_amount, paged};
use crate::repository::Inner;
use crate::resolve::Target;
use crate::rollup::{Position, common_prefix};
use crate::staged_rows::StagedRows;
use crate::staging_view::TRIES_MAX;
use crate::{Listed, ObjectInfo, Paged, Repository, RepositoryError};

/// How many entries are compared with deleted paths at a time.
const SCAN_BATCH: usize = 1_000;

impl Repository {
    /// A page of at most `amount` (and at most 1,000) objects and common prefixes, in bytewise order, after `after`:
    /// a path, or a common prefix, which is skipped whole. On a branch's plain name uncommitted changes count, and a
    /// prefix below which everything is deleted is left out.
    ///
    /// # Errors
    /// As [`Repository::resolve`].
    pub async fn list(
        &self,
        reference: &str,
        prefix: &str,
        delimiter: Option<&str>,
        after: Option<&str>,
        amount: usize,
    ) -> Result<Paged<Listed>, RepositoryError> {
        let amount = page_amount(amount);
        let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty());
        for _ in 0..TRIES_MAX {
            let Target { commit, branch } = self.inner.resolve(reference).await?;
            let tokens = branch.as_ref().map(|(_, branch)| branch.record.tokens()).unwrap_or_default();
            let tree = self.inner.commit_of(&commit).await?.tree();
            let position = Position::new(after, prefix, delimiter);
            let mut overlay = Overlay {
                prefix,
                delimiter,
                tree: TreeLines::new(self.inner.trees.session(), tree, prefix, delimiter, &position, amount),
                staged: StagedRows::new(&self.inner, &tokens, prefix, &position, amount.saturating_add(1)),
            };
            let page = overlay.page(amount).await?;
            match &branch {
                // What was staged may just have been committed: then this tree was not the one to lay it over.
                Some((name, _)) if !self.inner.still_names(name, &tokens).await? => {}
                _ => return Ok(page),
            }
        }
        Err(RepositoryError::busy("branch", reference, TRIES_MAX))
    }
}

/// Staged rows over the lines of a tree.
struct Overlay<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    tree: TreeLines<'a>,
    staged: StagedRows<'a>,
}

/// Which of the two sides has the next line.
enum Next {
    Tree,
    Staged,
    Both,
    End,
}

impl Overlay<'_> {
    async fn page(&mut self, amount: usize) -> Result<Paged<Listed>, RepositoryError> {
        let mut lines: Vec<Listed> = Vec::new();
        while let Some(line) = self.next().await? {
            if lines.len() == amount {
                let last = match lines.last() {
                    Some(Listed::Object(object)) => object.path.as_str().to_owned(),
                    Some(Listed::CommonPrefix(prefix)) => prefix.clone(),
                    None => String::new(),
                };
                return Ok(paged(lines, true, last));
            }
            lines.push(line);
        }
        Ok(paged(lines, false, String::new()))
    }

    async fn next(&mut self) -> Result<Option<Listed>, RepositoryError> {
        loop {
            let side = self.side().await?;
            let line = match side {
                Next::End => return Ok(None),
                Next::Tree => self.tree.pop().map(listed).transpose()?,
                Next::Staged => self.take_staged(false).await?,
                Next::Both => self.take_staged(true).await?,
            };
            if line.is_some() {
                return Ok(line);
            }
        }
    }

    async fn side(&mut self) -> Result<Next, RepositoryError> {
        let (prefix, delimiter) = (self.prefix, self.delimiter);
        let tree = self.tree.peek().await?;
        let staged = self.staged.peek().await?;
        let staged = staged.map(|row| common_prefix(&row.path, prefix, delimiter).unwrap_or(&row.path));
        Ok(match (tree.map(ListItem::name), staged) {
            (None, None) => Next::End,
            (Some(_), None) => Next::Tree,
            (None, Some(_)) => Next::Staged,
            (Some(tree), Some(staged)) => match tree.cmp(staged) {
                std::cmp::Ordering::Less => Next::Tree,
                std::cmp::Ordering::Equal => Next::Both,
                std::cmp::Ordering::Greater => Next::Staged,
            },
        })
    }

    /// The line that the next staged row makes, together with the tree's line of the same name if there is one. None if
    /// nothing is left of it.
    async fn take_staged(&mut self, in_tree: bool) -> Result<Option<Listed>, RepositoryError> {
        if in_tree {
            self.tree.pop();
        }
        let Some(row) = self.staged.pop() else { return Ok(None) };
        let Some(common) = common_prefix(&row.path, self.prefix, self.delimiter).map(str::to_owned) else {
            return row.entry.map(|entry| object(row.path, entry)).transpose();
        };
        let mut deleted = BTreeSet::new();
        let mut row = Some(row);
        while let Some(change) = row.take() {
            if change.entry.is_some() {
                self.staged.skip(&common);
                return Ok(Some(Listed::CommonPrefix(common)));
            }
            deleted.insert(change.path);
            if self.staged.peek().await?.is_some_and(|next| next.path.starts_with(&common)) {
                row = self.staged.pop();
            }
        }
        let left = in_tree && self.tree.any_but(&common, &deleted).await?;
        Ok(left.then_some(Listed::CommonPrefix(common)))
    }
}

/// The lines of a tree's listing, read a page at a time.
struct TreeLines<'a> {
    session: Session,
    tree: Tree,
    prefix: &'a str,
    delimiter: Option<&'a str>,
    after: Position,
    page: usize,
    waiting: VecDeque<ListItem>,
    more: bool,
}

impl<'a> TreeLines<'a> {
    fn new(
        session: Session,
        tree: Tree,
        prefix: &'a str,
        delimiter: Option<&'a str>,
        position: &Position,
        amount: usize,
    ) -> TreeLines<'a> {
        let page = amount.saturating_add(1);
        TreeLines {
            session,
            tree,
            prefix,
            delimiter,
            after: position.clone(),
            page,
            waiting: VecDeque::new(),
            more: true,
        }
    }

    async fn peek(&mut self) -> Result<Option<&ListItem>, RepositoryError> {
        while self.waiting.is_empty() && self.more {
            let after = match &self.after {
                Position::Start => None,
                Position::Path(path) => Some(ListAfter::Key(path)),
                Position::CommonPrefix(prefix) => Some(ListAfter::CommonPrefix(prefix)),
            };
            let page = self.session.list(&self.tree, self.prefix, self.delimiter, after, self.page).await;
            let page = page.map_err(RepositoryError::tree("a listing"))?;
            if let Some(last) = page.items.last() {
                self.after = match last {
                    ListItem::Entry(key, _) => Position::Path(key.as_str().to_owned()),
                    ListItem::CommonPrefix(prefix) => Position::CommonPrefix(prefix.clone()),
                };
            }
            self.more = page.more && !page.items.is_empty();
            self.waiting = page.items.into();
        }
        Ok(self.waiting.front())
    }

    fn pop(&mut self) -> Option<ListItem> {
        self.waiting.pop_front()
    }

    /// Whether the tree has a path below `prefix` that is not in `deleted`.
    async fn any_but(&self, prefix: &str, deleted: &BTreeSet<String>) -> Result<bool, RepositoryError> {
        let failed = || RepositoryError::tree("a listing");
        let range = KeyRange::prefix(prefix.as_bytes());
        let count = self.session.count_in(&self.tree, &range).await.map_err(failed())?;
        if count > deleted.len() as u64 {
            return Ok(true);
        }
        let mut scan = self.session.scan(&self.tree, range);
        while let Some(batch) = scan.next_batch(SCAN_BATCH).await.map_err(failed())? {
            if batch.iter().any(|(key, _)| !deleted.contains(key.as_str())) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn listed(item: ListItem) -> Result<Listed, RepositoryError> {
    match item {
        ListItem::Entry(key, entry) => object(key.as_str().to_owned(), entry),
        ListItem::CommonPrefix(prefix) => Ok(Listed::CommonPrefix(prefix)),
    }
}

fn object(path: String, entry: anabranch_types::Entry) -> Result<Listed, RepositoryError> {
    let path = ObjectPath::new(path).map_err(|why| RepositoryError::damaged("a listing", why))?;
    Ok(Listed::Object(ObjectInfo { path, entry }))
}

impl Inner {
    /// How many paths of a branch differ from its head in what is staged.
    pub(crate) async fn count_uncommitted(
        &self,
        tokens: &[anabranch_refs::Token],
        head: &Tree,
    ) -> Result<u64, RepositoryError> {
        let session = self.trees.session();
        let mut rows = StagedRows::new(self, tokens, "", &Position::Start, SCAN_BATCH);
        let mut count: u64 = 0;
        while rows.peek().await?.is_some() {
            if let Some(row) = rows.pop()
                && crate::diff::staged_change(&session, head, &row).await?.is_some()
            {
                count = count.saturating_add(1);
            }
        }
        Ok(count)
    }
}
