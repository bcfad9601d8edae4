//! `_anabranch/merge.toml`: which merger takes which unit, with which options. Pure. A key that nothing acts on is refused.
//!
//! ```toml
//! [plugins.json]                  # a name for a plugin, pinned by digest
//! component = "json-merge@sha256:9f2c…"
//!
//! [[rule]]                        # the last rule that matches wins
//! path = "tables/*/"              # a `/` at the end: a folder is one unit
//! merge = "delta"                 # left out: the merger of the table's format
//! options = { keys = ["id"] }
//! on-failure = "conflict"         # or "fail", the default
//!
//! [[rule]]
//! path = "**/*.txt"
//! merge = "text"
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;

use crate::{Merger, Registry, UnitKind};

/// Where a repository keeps its rules.
pub const RULES_PATH: &str = "_anabranch/merge.toml";

/// The largest file of rules that is read, in bytes.
pub const RULES_BYTES_MAX: u64 = 1024 * 1024;

/// The name by which a rule says "object by object".
pub const OBJECT_WISE: &str = "builtin:three-way";

/// What happens when the merger of a unit fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The merge has failed; no choice makes it go on.
    #[default]
    Fail,
    /// It is a conflict that is resolved by taking one side whole.
    Conflict,
}

/// What a rule says of a unit.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// The merger's name; none: the one that takes the table's format.
    pub merger: Option<String>,
    /// The options, as a JSON object.
    pub options: serde_json::Value,
    /// What happens when the merger fails.
    pub on_failure: OnFailure,
}

/// The rules of a repository.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    folders: Vec<(GlobMatcher, Rule)>,
    objects: Vec<(GlobMatcher, Rule)>,
    /// All of them as they were written, in their order.
    all: Vec<(String, UnitKind, Rule)>,
    /// The components of plugins, by the names that the file gives them.
    plugins: BTreeMap<String, String>,
}

/// The name under which a registry has the merger of a plugin for one kind of unit. `component` is the plugin as
/// `merge.toml` pins it: `NAME@sha256:DIGEST`.
pub fn plugin_merger(component: &str, unit: UnitKind) -> String {
    match unit {
        UnitKind::Object => component.to_owned(),
        UnitKind::Folder => format!("{component}/"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    plugins: BTreeMap<String, FilePlugin>,
    #[serde(default)]
    rule: Vec<FileRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePlugin {
    component: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileRule {
    path: String,
    merge: Option<String>,
    #[serde(default)]
    options: toml::Table,
    #[serde(default)]
    on_failure: OnFailure,
}

impl Rules {
    /// Reads the file. The error is one line that says what is wrong and where.
    pub fn parse(text: &str) -> Result<Rules, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string().replace('\n', " "))?;
        let mut rules = Rules::default();
        for (name, plugin) in file.plugins {
            check_component(&plugin.component).map_err(|why| format!("plugins.{name}: {why}"))?;
            rules.plugins.insert(name, plugin.component);
        }
        for rule in file.rule {
            let folder = rule.path.strip_suffix('/');
            let glob = GlobBuilder::new(folder.unwrap_or(&rule.path)).literal_separator(true).build();
            let glob = glob.map_err(|error| format!("rule {:?}: {error}", rule.path))?;
            let options = serde_json::to_value(&rule.options)
                .map_err(|error| format!("the options of rule {:?}: {error}", rule.path))?;
            let target = if folder.is_some() { &mut rules.folders } else { &mut rules.objects };
            let unit = if folder.is_some() { UnitKind::Folder } else { UnitKind::Object };
            let merger = rule.merge.map(|name| match rules.plugins.get(&name) {
                Some(component) => plugin_merger(component, unit),
                None => name,
            });
            let parsed = Rule { merger, options, on_failure: rule.on_failure };
            rules.all.push((rule.path.clone(), unit, parsed.clone()));
            target.push((glob.compile_matcher(), parsed));
        }
        Ok(rules)
    }

    /// Checks that the mergers and plugins which the rules name are there, take what the rules give them, and understand
    /// their options. The error names the first that does not fit, and says why.
    pub fn check(&self, registry: &Registry) -> Result<(), String> {
        for (name, component) in &self.plugins {
            check_plugin(name, component, registry).map_err(|why| format!("plugins.{name}: {why}"))?;
        }
        for (path, unit, rule) in &self.all {
            check_rule(path, *unit, rule, registry).map_err(|why| format!("rule {path:?}: {why}"))?;
        }
        Ok(())
    }

    /// The plugins that are named, as they are pinned, each once.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        let distinct: std::collections::BTreeSet<&str> = self.plugins.values().map(String::as_str).collect();
        distinct.into_iter()
    }

    /// The rule for a folder, without a `/` at the end. It makes the folder a unit when it names a merger.
    pub fn folder(&self, folder: &str) -> Option<&Rule> {
        last_match(&self.folders, folder)
    }

    /// The rules for folders: their paths as they are written, their mergers, and their options.
    pub(crate) fn folders_with_options(
        &self,
    ) -> impl Iterator<Item = (&str, Option<&str>, &serde_json::Value)> {
        let folders = self.all.iter().filter(|(_, unit, _)| *unit == UnitKind::Folder);
        folders.map(|(path, _, rule)| (path.as_str(), rule.merger.as_deref(), &rule.options))
    }

    /// The rule for a single object.
    pub fn object(&self, path: &str) -> Option<&Rule> {
        last_match(&self.objects, path)
    }
}

/// Whether a component is pinned: `NAME@sha256:` and 64 hexadecimal digits.
fn check_component(component: &str) -> Result<(), String> {
    let pinned = component.split_once("@sha256:").is_some_and(|(name, digest)| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        !name.is_empty() && name.bytes().all(plain) && digest.len() == 64 && digest.bytes().all(hex)
    });
    match pinned {
        true => Ok(()),
        false => Err(format!(
            "component {component:?} must be pinned: NAME@sha256: and 64 hexadecimal digits in lower case"
        )),
    }
}

fn check_plugin(name: &str, component: &str, registry: &Registry) -> Result<(), String> {
    if name == OBJECT_WISE || !registry.is_free(name) {
        return Err("a merger of this name is built in: take another".to_owned());
    }
    let units = [UnitKind::Object, UnitKind::Folder];
    if units.iter().all(|unit| registry.get(&plugin_merger(component, *unit)).is_none()) {
        let why = registry.why_absent(component).unwrap_or("it is not installed here, or only compares");
        return Err(format!("plugin {component:?} cannot be used: {why}"));
    }
    Ok(())
}

fn check_rule(path: &str, unit: UnitKind, rule: &Rule, registry: &Registry) -> Result<(), String> {
    let name = match rule.merger.as_deref() {
        Some(OBJECT_WISE) => return Ok(()),
        None if unit == UnitKind::Object => {
            return match rule.options.as_object().is_none_or(serde_json::Map::is_empty) {
                true => Ok(()),
                false => Err("it has options, but no merger that takes them: say which with `merge`".into()),
            };
        }
        None => return check_for_any_format(path, rule, registry),
        Some(name) => name,
    };
    let merger = registry.get(name).ok_or_else(|| {
        if name.contains('@') {
            let takes = if unit == UnitKind::Folder { "folders" } else { "single objects" };
            return format!("plugin {:?} does not take {takes}", name.trim_end_matches('/'));
        }
        let mut known: Vec<String> = registry.descriptions().into_iter().map(|known| known.name).collect();
        known.push(OBJECT_WISE.to_owned());
        format!("merger {name:?} is not known here, only {}", known.join(", "))
    })?;
    match (merger.description().unit, unit) {
        (UnitKind::Folder, UnitKind::Object) => {
            Err(format!("merger {name:?} takes folders: end the path with a `/`"))
        }
        (UnitKind::Object, UnitKind::Folder) => {
            Err(format!("merger {name:?} takes single objects: leave out the `/` at the end of the path"))
        }
        _ => check_options(path, rule, merger),
    }
}

/// Without a name the merger follows from the table's format, which is not known before there is a table: so one of those that
/// take tables has to understand the options.
fn check_for_any_format(path: &str, rule: &Rule, registry: &Registry) -> Result<(), String> {
    let mut first = Ok(());
    for merger in registry.of_formats() {
        match check_options(path, rule, merger) {
            Ok(()) => return Ok(()),
            Err(why) => first = first.and(Err(why)),
        }
    }
    first
}

fn check_options(path: &str, rule: &Rule, merger: &Arc<dyn Merger>) -> Result<(), String> {
    merger.check_options(&rule.options)?;
    // A change of the other unit has to lead back to this one.
    if !merger.demands(&rule.options).refers_to.is_empty() && path.contains(['*', '?', '[', '{']) {
        return Err("references are for a rule whose path names one folder".to_owned());
    }
    Ok(())
}

fn last_match<'r>(rules: &'r [(GlobMatcher, Rule)], path: &str) -> Option<&'r Rule> {
    rules.iter().rev().find(|(glob, _)| glob.is_match(path)).map(|(_, rule)| rule)
}

impl Rule {
    /// Whether the rule alone makes a folder a unit.
    pub fn makes_unit(&self) -> bool {
        self.merger.as_deref().is_some_and(|merger| merger != OBJECT_WISE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_matches_wins_and_folders_are_apart_from_objects() {
        let rules = Rules::parse(
            r#"
            [[rule]]
            path = "tables/*/"
            merge = "delta"
            options = { keys = ["id"] }
            [[rule]]
            path = "tables/raw/"
            merge = "builtin:three-way"
            [[rule]]
            path = "**/*.txt"
            merge = "text"
            on-failure = "conflict"
            "#,
        )
        .unwrap();
        let orders = rules.folder("tables/orders").unwrap();
        assert!(orders.makes_unit());
        assert_eq!(orders.options, serde_json::json!({"keys": ["id"]}));
        assert!(!rules.folder("tables/raw").unwrap().makes_unit());
        assert!(rules.folder("tables/a/b").is_none(), "a star stays within one folder");
        assert_eq!(rules.object("notes.txt").unwrap().on_failure, OnFailure::Conflict);
        assert!(rules.object("a/b/notes.txt").is_some());
        assert!(rules.object("tables/orders").is_none());
    }

    #[test]
    fn a_rule_names_a_merger_that_is_there_and_options_that_it_takes() {
        let registry = Registry::new().with(std::sync::Arc::new(crate::TextMerger));
        let check = |text: &str| Rules::parse(text).unwrap().check(&registry);
        let rule = |rest: &str| format!("[[rule]]\npath = 'a.txt'\n{rest}");
        assert_eq!(check(&rule("merge = 'text'\noptions = { max-bytes = 10 }")), Ok(()));
        assert_eq!(check(&rule("merge = 'builtin:three-way'")), Ok(()));
        for (text, expected) in [
            (
                rule("merge = 'delta'"),
                "rule \"a.txt\": merger \"delta\" is not known here, only text, builtin:three-way",
            ),
            (rule("merge = 'text'\noptions = { max = 1 }"), "option \"max\" is unknown"),
            (rule("merge = 'text'\noptions = { max-bytes = 'x' }"), "number of bytes"),
            ("[[rule]]\npath = 'a/'\nmerge = 'text'".to_owned(), "takes single objects"),
        ] {
            let refused = check(&text).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    /// The text merger, as a plugin of this name would be.
    struct Named(String, UnitKind);

    #[async_trait::async_trait]
    impl crate::Merger for Named {
        fn description(&self) -> crate::MergerDescription {
            crate::MergerDescription { name: self.0.clone(), version: "1".into(), unit: self.1 }
        }
        async fn merge(&self, input: crate::MergeInput<'_>) -> crate::MergeOutcome {
            crate::TextMerger.merge(input).await
        }
        fn check_options(&self, options: &serde_json::Value) -> Result<(), String> {
            crate::TextMerger.check_options(options)
        }
        async fn diff(&self, input: crate::DiffInput<'_>) -> Result<crate::DiffOutcome, crate::ViewError> {
            crate::TextMerger.diff(input).await
        }
    }

    #[test]
    fn options_without_a_merger_are_those_of_one_that_takes_tables() {
        let tables = Named("tables".to_owned(), UnitKind::Folder);
        let registry = Registry::new().with_format(crate::TableFormat::Delta, Arc::new(tables));
        let check =
            |rest: &str| Rules::parse(&format!("[[rule]]\npath = 'a/'\n{rest}")).unwrap().check(&registry);
        assert_eq!(check(""), Ok(()));
        assert_eq!(check("options = { max-bytes = 10 }"), Ok(()));
        let refused = check("options = { max = 1 }").unwrap_err();
        assert!(
            refused.contains("rule \"a/\"") && refused.contains("option \"max\" is unknown"),
            "{refused}"
        );
    }

    #[test]
    fn a_plugin_is_named_by_its_digest_and_must_be_installed() {
        let component = format!("lines@sha256:{}", "0".repeat(64));
        let plugin = Named(plugin_merger(&component, UnitKind::Object), UnitKind::Object);
        let registry =
            Registry::new().with(std::sync::Arc::new(crate::TextMerger)).with(std::sync::Arc::new(plugin));
        let file = |name: &str, component: &str, rule: &str| {
            Rules::parse(&format!("[plugins.{name}]\ncomponent = '{component}'\n{rule}")).unwrap()
        };
        let rule = "[[rule]]\npath = '*.txt'\nmerge = 'lines'";
        let rules = file("lines", &component, rule);
        assert_eq!(rules.check(&registry), Ok(()));
        let merger = rules.object("a.txt").unwrap().merger.clone().unwrap();
        assert!(registry.get(&merger).is_some(), "{merger}");
        let other = format!("lines@sha256:{}", "1".repeat(64));
        for (rules, expected) in [
            (file("lines", &other, rule), "plugins.lines: plugin \"lines@sha256:1111"),
            (file("text", &component, ""), "plugins.text: a merger of this name is built in"),
            (file("lines", &component, "[[rule]]\npath = 'a/'\nmerge = 'lines'"), "does not take folders"),
            (
                file("lines", &component, &format!("{rule}\noptions = {{ max = 1 }}")),
                "option \"max\" is unknown",
            ),
            (
                file("lines", &component, "[[rule]]\npath = 'a'\nmerge = 'line'"),
                "merger \"line\" is not known here",
            ),
        ] {
            let refused = rules.check(&registry).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |text: &str| Rules::parse(text).unwrap_err();
        assert!(wrong("[[rule]]\nmerge = 'x'").contains("path"));
        assert!(wrong("[[rule]]\npath = 'a['").contains("a["));
        assert!(wrong("[[rule]]\npath = 'a'\nmerg = 'x'").contains("merg"));
        assert!(wrong("[[rule]]\npath = 'a'\non-failure = 'ignore'").contains("ignore"));
        // What nothing here would act on is not taken in silence.
        for key in ["diff = 'x'", "on-declined = 'fail'", "limits = { seconds = 1 }"] {
            let name = key.split(' ').next().unwrap();
            assert!(wrong(&format!("[[rule]]\npath = 'a'\n{key}")).contains(name), "{key}");
        }
        assert!(
            wrong("[plugins.json]\ncomponent = 'json-merge'")
                .contains("plugins.json: component \"json-merge\"")
        );
        for digest in ["", "9f2c", &"x".repeat(64), &"A".repeat(64)] {
            let component = format!("[plugins.json]\ncomponent = 'json-merge@sha256:{digest}'");
            assert!(wrong(&component).contains("64 hexadecimal digits"), "{digest}");
        }
        assert!(wrong("[plugins.json]\npath = 'x'").contains("path"));
    }
}
