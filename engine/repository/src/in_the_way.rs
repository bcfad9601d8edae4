//! Uncommitted changes that stand where a merge would write.

use std::borrow::Cow;
use std::collections::HashMap;

use anabranch_merge::{
    RULES_BYTES_MAX, RULES_PATH, Registry, Rules, TableFormat, folder_prefix, table_folders_above,
};
use anabranch_refs::Token;
use anabranch_tree::{KeyRange, Session, Tree, TreeError};
use anabranch_types::Entry;

use crate::RepositoryError;
use crate::repository::Inner;
use crate::staging_view::STAGED_PAGE;

/// How many paths an answer names.
const NAMED_MAX: usize = 100;

impl Inner {
    /// The staged paths that a move of the branch from `before` to `after` changes, or that lie in a table root in which
    /// it changes something; at most a hundred. Costs one look per staged path.
    pub(crate) async fn in_the_way(
        &self,
        session: &Session,
        before: &Tree,
        after: &Tree,
        tokens: &[Token],
    ) -> Result<Vec<String>, RepositoryError> {
        let mut found = Vec::new();
        if before == after || !self.anything_staged(tokens).await? {
            return Ok(found);
        }
        let rules = self.rules_of(session, before).await?;
        let mut roots = ChangedRoots { session, before, after, rules, known: HashMap::new() };
        let mut position: Option<String> = None;
        loop {
            let page = self.staged_page(tokens, "", position.as_deref(), STAGED_PAGE).await?;
            position = page.rows.last().map(|row| row.path.clone());
            for row in page.rows {
                let hit = roots.changes(&row.path).await.map_err(RepositoryError::tree("the merge"))?;
                if hit {
                    found.push(row.path);
                }
                if found.len() >= NAMED_MAX {
                    return Ok(found);
                }
            }
            if !page.more {
                return Ok(found);
            }
        }
    }

    /// Refuses rules that no merge could go by.
    pub(crate) async fn check_rules(&self, entry: &Entry) -> Result<(), RepositoryError> {
        let refused = |why: String| {
            RepositoryError::invalid(format!(
                "{RULES_PATH} is not valid, and nothing was committed: {why}. Put it right, or take it out of the commit"
            ))
        };
        if entry.size > RULES_BYTES_MAX {
            return Err(refused(format!("it has {} bytes; at most {RULES_BYTES_MAX} are read", entry.size)));
        }
        let address = &entry.address;
        let range = address.offset..address.offset.saturating_add(address.length);
        let bytes = if range.is_empty() {
            bytes::Bytes::new()
        } else {
            let read = self.storage.get(&address.object, Some(range)).await;
            read.map_err(RepositoryError::storage(&self.info.name))?
        };
        let text = std::str::from_utf8(&bytes).map_err(|error| refused(error.to_string()))?;
        let rules = Rules::parse(text).map_err(refused)?;
        let registry = self.registry_for(&rules).await?;
        rules.check(&registry).map_err(refused)
    }

    /// The mergers, with those of the plugins that rules name.
    pub(crate) async fn registry_for(&self, rules: &Rules) -> Result<Cow<'_, Registry>, RepositoryError> {
        self.registry.for_rules(rules).await.map_err(|error| RepositoryError::Shared {
            message: format!("the plugins that {RULES_PATH} names cannot be looked up: {error}"),
            temporary: true,
        })
    }

    /// The repository's rules, as a tree holds them. Rules that cannot be read name no roots: the merge itself has
    /// refused them.
    pub(crate) async fn rules_of(&self, session: &Session, tree: &Tree) -> Result<Rules, RepositoryError> {
        let entry =
            session.get(tree, RULES_PATH.as_bytes()).await.map_err(RepositoryError::tree(RULES_PATH))?;
        let Some(entry) = entry.filter(|entry| entry.size <= RULES_BYTES_MAX && entry.size > 0) else {
            return Ok(Rules::default());
        };
        let address = &entry.address;
        let range = address.offset..address.offset.saturating_add(address.length);
        let bytes = self.storage.get(&address.object, Some(range)).await;
        let bytes = bytes.map_err(RepositoryError::storage(&self.info.name))?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        Ok(Rules::parse(text).unwrap_or_default())
    }
}

/// Answers of each folder, once, whether it is a table root in which two trees differ.
struct ChangedRoots<'a> {
    session: &'a Session,
    before: &'a Tree,
    after: &'a Tree,
    rules: Rules,
    known: HashMap<String, bool>,
}

impl ChangedRoots<'_> {
    /// Whether the move changes this path, or something in a table root above it.
    async fn changes(&mut self, path: &str) -> Result<bool, TreeError> {
        let before = self.session.get(self.before, path.as_bytes()).await?;
        let after = self.session.get(self.after, path.as_bytes()).await?;
        let same = match (&before, &after) {
            (None, None) => true,
            (Some(before), Some(after)) => before.same_content(after),
            _ => false,
        };
        if !same {
            return Ok(true);
        }
        let folders: Vec<&str> = table_folders_above(path.as_bytes())
            .filter_map(|folder| std::str::from_utf8(folder).ok())
            .collect();
        for folder in folders {
            if self.is_changed_root(folder).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn is_changed_root(&mut self, folder: &str) -> Result<bool, TreeError> {
        if let Some(known) = self.known.get(folder) {
            return Ok(*known);
        }
        let by_rule = self.rules.folder(folder).is_some_and(|rule| rule.makes_unit());
        let is_root = by_rule
            || is_table(self.session, self.before, folder).await?
            || is_table(self.session, self.after, folder).await?;
        let range = KeyRange::prefix(folder_prefix(folder).as_bytes());
        let changed =
            is_root && self.session.diff(self.before, self.after, range).next_batch().await?.is_some();
        self.known.insert(folder.to_owned(), changed);
        Ok(changed)
    }
}

/// How many keys of a marker folder are looked at in one step.
const MARKER_PAGE: usize = 64;

/// The format of the table whose root is this folder of a tree, if it is one.
pub(crate) async fn table_at(
    session: &Session,
    tree: &Tree,
    folder: &str,
) -> Result<Option<TableFormat>, TreeError> {
    for format in TableFormat::ALL {
        let prefix = format!("{}{}", folder_prefix(folder), format.marker_folder());
        let mut cursor = session.scan(tree, KeyRange::prefix(prefix.as_bytes()));
        while let Some(batch) = cursor.next_batch(MARKER_PAGE).await? {
            let is_marker = |key: &str| key.get(prefix.len()..).is_some_and(|name| format.is_marker(name));
            if batch.iter().any(|(key, _)| is_marker(key.as_str())) {
                return Ok(Some(format));
            }
        }
    }
    Ok(None)
}

async fn is_table(session: &Session, tree: &Tree, folder: &str) -> Result<bool, TreeError> {
    Ok(table_at(session, tree, folder).await?.is_some())
}
