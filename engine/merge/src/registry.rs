//! Which mergers there are, and which of them takes which table format.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Merger, MergerDescription, TableFormat};

/// The mergers that a server knows, by name. Only the binary fills it.
#[derive(Clone, Default)]
pub struct Registry {
    mergers: BTreeMap<String, Arc<dyn Merger>>,
    claims: BTreeMap<TableFormat, String>,
}

impl Registry {
    /// A registry without mergers: tables that both sides changed are conflicts.
    pub fn new() -> Self {
        Registry::default()
    }

    /// Adds a merger under the name of its description, in place of an earlier one of that name.
    pub fn with(mut self, merger: Arc<dyn Merger>) -> Self {
        self.mergers.insert(merger.description().name, merger);
        self
    }

    /// Adds a merger that takes every table of `format` for which `merge.toml` names no other.
    pub fn with_format(mut self, format: TableFormat, merger: Arc<dyn Merger>) -> Self {
        self.claims.insert(format, merger.description().name);
        self.with(merger)
    }

    /// The merger of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Merger>> {
        self.mergers.get(name)
    }

    /// The merger that takes tables of `format`.
    pub fn for_format(&self, format: TableFormat) -> Option<&Arc<dyn Merger>> {
        self.mergers.get(self.claims.get(&format)?)
    }

    /// The mergers that take the tables of some format, in order of format.
    pub(crate) fn of_formats(&self) -> impl Iterator<Item = &Arc<dyn Merger>> {
        self.claims.values().filter_map(|name| self.mergers.get(name))
    }

    /// How all mergers are called, in order of name. Part of the id of a preview.
    pub fn descriptions(&self) -> Vec<MergerDescription> {
        self.mergers.values().map(|merger| merger.description()).collect()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("mergers", &self.mergers.keys().collect::<Vec<_>>())
            .field("claims", &self.claims)
            .finish()
    }
}
