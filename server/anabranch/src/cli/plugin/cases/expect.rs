//! `expect.toml`: what is wanted of a case. A key that nothing looks at is refused.

use anabranch_merge::{Conflict, ConflictValue};
use serde::Deserialize;

/// How a merge is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    #[default]
    Merged,
    Conflicts,
    Failed,
}

/// Who wins where nothing is decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Prefer {
    Ours,
    Theirs,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Expect {
    /// The options of the rule.
    pub(super) options: toml::Table,
    /// The claim under which the plugin is called; its first, where none is named.
    pub(super) claim: Option<String>,
    /// How the merge ends before anybody decided anything.
    pub(super) verdict: Verdict,
    /// A part of the message of a failure.
    pub(super) message: Option<String>,
    /// Who wins single rows and cells.
    pub(super) prefer: Option<Prefer>,
    /// The conflicts, all of them.
    pub(super) conflict: Vec<Place>,
    /// What people decide in a second run.
    pub(super) resolve: Vec<Decision>,
}

/// A conflict, by any of its fields.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Place {
    kind: Option<String>,
    path: Option<String>,
    key: Option<String>,
    column: Option<String>,
    rule: Option<String>,
    /// A part of the message.
    message: Option<String>,
}

/// What is decided about the conflicts at a place.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Decision {
    kind: Option<String>,
    path: Option<String>,
    key: Option<String>,
    column: Option<String>,
    pub(super) choice: String,
    pub(super) value: Option<toml::Value>,
}

impl Place {
    /// Whether the conflict has everything that is said of it here.
    pub(super) fn fits(&self, conflict: &Conflict) -> bool {
        let says = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        says(&self.kind, conflict.kind.as_str())
            && says(&self.path, &conflict.path)
            && self.key.as_deref().is_none_or(|wanted| is_key(wanted, conflict.key.as_ref()))
            && says(&self.column, conflict.column.as_deref().unwrap_or_default())
            && says(&self.rule, &conflict.rule)
            && self.message.as_deref().is_none_or(|part| conflict.message.contains(part))
    }
}

impl Decision {
    /// The conflicts that it is about.
    pub(super) fn place(&self) -> Place {
        let Decision { kind, path, key, column, .. } = self.clone();
        Place { kind, path, key, column, ..Place::default() }
    }
}

/// Whether a key is meant: a plain text as it is, anything else as JSON.
fn is_key(wanted: &str, key: Option<&ConflictValue>) -> bool {
    match key {
        None => wanted.is_empty(),
        Some(ConflictValue::String(text)) => text == wanted,
        Some(key) => serde_json::from_str::<ConflictValue>(wanted).is_ok_and(|wanted| wanted == *key),
    }
}
