//! Which mergers there are, and which of them takes which table format.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};

use crate::rules::{OnFailure, Rule, Rules};
use crate::{Merger, MergerDescription, PluginMergers, PluginSource, PluginSourceError, TableFormat};

/// The mergers that a server knows, by name. Only the binary fills it.
#[derive(Clone, Default)]
pub struct Registry {
    mergers: BTreeMap<String, Arc<dyn Merger>>,
    claims: BTreeMap<TableFormat, String>,
    /// What takes single objects for which `merge.toml` names no merger. The first that matches counts.
    objects: Vec<(GlobMatcher, Arc<Rule>)>,
    /// Mergers that only stand in where rules name none: a plugin of `merge.toml` may take their names.
    stand_ins: BTreeSet<String>,
    plugins: Option<Arc<dyn PluginSource>>,
    /// Plugins that rules name and that cannot be used, and why.
    absent: BTreeMap<String, String>,
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

    /// Adds a merger of single objects that takes those whose path matches one of `patterns` and for which `merge.toml`
    /// names no other. Where it fails, people may take one side. Without patterns it is only there for rules to name.
    ///
    /// # Errors
    /// A pattern that cannot be read, with what is wrong with it.
    pub fn with_objects(mut self, patterns: &[&str], merger: Arc<dyn Merger>) -> Result<Self, String> {
        let name = merger.description().name;
        self.stand_ins.insert(name.clone());
        let rule = Arc::new(Rule {
            merger: Some(name),
            options: serde_json::json!({}),
            on_failure: OnFailure::Conflict,
        });
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            let glob = glob.map_err(|error| format!("pattern {pattern:?}: {error}"))?;
            self.objects.push((glob.compile_matcher(), Arc::clone(&rule)));
        }
        Ok(self.with(merger))
    }

    /// Whether a plugin of `merge.toml` may have this name: no merger has it, or one that only stands in where rules name none.
    pub(crate) fn is_free(&self, name: &str) -> bool {
        self.stand_ins.contains(name) || !self.mergers.contains_key(name)
    }

    /// Sets where the mergers of plugins come from.
    pub fn with_plugins(mut self, plugins: Arc<dyn PluginSource>) -> Self {
        self.plugins = Some(plugins);
        self
    }

    /// The registry with the plugins that rules name. To be asked anew for each merge: plugins come and go.
    ///
    /// # Errors
    /// [`PluginSourceError`] when the plugins cannot be asked for.
    pub async fn for_rules(&self, rules: &Rules) -> Result<Cow<'_, Registry>, PluginSourceError> {
        let mut registry = Cow::Borrowed(self);
        for component in rules.components() {
            let found = match &self.plugins {
                Some(plugins) => plugins.mergers(component).await?,
                None => PluginMergers::Absent("this server runs no plugins".into()),
            };
            match found {
                PluginMergers::Ready(mergers) => {
                    for merger in mergers {
                        registry.to_mut().mergers.insert(merger.description().name, merger);
                    }
                }
                PluginMergers::Absent(why) => {
                    registry.to_mut().absent.insert(component.to_owned(), why);
                }
            }
        }
        Ok(registry)
    }

    /// Why the plugin that rules pin as `component` cannot be used; `None` where it can, or was not asked for.
    pub fn why_absent(&self, component: &str) -> Option<&str> {
        self.absent.get(component).map(String::as_str)
    }

    /// The rule by which a single object is merged and compared, which names a merger: that of `merge.toml`, or else of a
    /// merger that takes such objects by itself. `None`: it is merged as it is.
    pub fn rule_for_object<'a>(&'a self, rules: &'a Rules, path: &str) -> Option<&'a Rule> {
        let named = rules.object(path).filter(|rule| rule.merger.is_some());
        let own = || self.objects.iter().find(|(glob, _)| glob.is_match(path)).map(|(_, rule)| &**rule);
        named.or_else(own)
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
