//! A plugin that is ready to run: what it is, and one call of it.

use std::sync::Arc;

use anabranch_merge::UnitKind;
use futures::FutureExt;
use wasmtime::component::InstancePre;

use crate::answers::{Answer, InputDigest};
use crate::bindings::about::{self, Start};
use crate::bridge::Served;
use crate::call::{self, Body, Ended};
use crate::calling::{Calling, Habit, Place};
use crate::decisions::{Decisions, Learnt};
use crate::engine::PluginEngine;
use crate::error::PluginError;
use crate::inspect::Exports;
use crate::limits::Limits;
use crate::schema::Schema;
use crate::state::{CallState, Unit, cut};

/// What a description may hold, so that it can be shown and kept.
const NAME_BYTES_MAX: usize = 100;
const TEXT_BYTES_MAX: usize = 4 * 1024;
const CLAIMS_MAX: usize = 64;

/// What a plugin says it takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Its id in the plugin.
    pub id: String,
    /// One object or a folder.
    pub unit: UnitKind,
    /// Patterns that its author suggests. Only the rules of a repository give paths to a plugin.
    pub patterns: Vec<String>,
    /// Paths below a folder that mark it as such a unit.
    pub markers: Vec<String>,
    /// Media types of its objects.
    pub media_types: Vec<String>,
    pub(crate) start: Start,
}

/// A plugin, compiled and described. Made by [`PluginEngine::install`].
pub struct Plugin {
    engine: PluginEngine,
    pre: InstancePre<CallState>,
    digest: String,
    name: String,
    version: String,
    summary: String,
    claims: Vec<Claim>,
    schema: Option<Schema>,
    limits: Limits,
    merges: bool,
    habit: Habit,
}

impl Plugin {
    /// Asks a plugin what it is.
    pub(crate) async fn describe(
        engine: PluginEngine,
        pre: InstancePre<CallState>,
        digest: String,
        exports: Exports,
        limits: Limits,
    ) -> Result<Self, PluginError> {
        let indices = about::GuestIndices::new(&pre);
        let indices = indices.map_err(|error| PluginError::NotAPlugin(format!("{error:#}")))?;
        if exports.merges {
            let merger = crate::bindings::merger::GuestIndices::new(&pre);
            merger.map_err(|error| PluginError::NotAPlugin(format!("{error:#}")))?;
        }
        let differ = crate::bindings::differ::GuestIndices::new(&pre);
        differ.map_err(|error| PluginError::NotAPlugin(format!("{error:#}")))?;
        let unit = Unit { root: String::new(), kind: UnitKind::Object };
        let state = CallState::new(limits.clone(), None, unit);
        let body: Body<_> = Box::new(move |store, instance| {
            async move { indices.load(&mut *store, instance)?.call_describe(store).await }.boxed()
        });
        let (ended, _) =
            Calling { engine: &engine, pre: &pre, begins_here: false }.run(None, state, body).await;
        let described = ended
            .result
            .map_err(|ending| PluginError::Description(crate::report::ending(&ending, &ended.state.words)))?;
        let refuse = |why: String| PluginError::Description(why);
        let claims = claims(&described).map_err(refuse)?;
        let schema = described.options_schema.as_deref().map(Schema::read).transpose();
        let schema = schema.map_err(|why| refuse(format!("options-schema: {why}")))?;
        let about::Description { name, version, summary, .. } = described;
        let merges = exports.merges;
        let habit = Habit::default();
        Ok(Plugin { engine, pre, digest, name, version, summary, claims, schema, limits, merges, habit })
    }

    /// What its author calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its author's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What it does, in its author's words.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// `sha256:` and the digest of what was installed.
    pub fn digest(&self) -> String {
        format!("sha256:{}", self.digest)
    }

    /// What it says it takes.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// How `merge.toml` names it: `NAME@sha256:DIGEST`.
    pub fn component(&self) -> String {
        format!("{}@sha256:{}", self.name, self.digest)
    }

    /// Whether it merges, or only compares.
    pub fn merges(&self) -> bool {
        self.merges
    }

    /// The JSON Schema of its options; none where it takes no options.
    pub fn options_schema(&self) -> Option<&serde_json::Value> {
        self.schema.as_ref().map(Schema::document)
    }

    /// Checks options against the plugin's schema. The error says which option cannot be meant, and what it takes.
    pub fn check_options(&self, options: &serde_json::Value) -> Result<(), String> {
        match &self.schema {
            Some(schema) => schema.check(options),
            None => crate::schema::check_none(options),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn pre(&self) -> &InstancePre<CallState> {
        &self.pre
    }

    /// Calls an export while `served` answers what the plugin asks. `body` loads the export and calls it.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        served: Served<'_>,
        state: CallState,
        body: Body<T>,
    ) -> Ended<T> {
        let begins_here = self.habit.is_short();
        let calling = Calling { engine: &self.engine, pre: &self.pre, begins_here };
        let (ended, place) = calling.run(Some(served), state, body).await;
        let short = ended.state.spent.fuel <= call::STRETCH_FUEL;
        self.habit.note(short && (place == Place::Here || !begins_here));
        self.engine.meter().called(&self.component(), &ended.state.spent.usage());
        ended
    }

    /// Whether answers are kept at all.
    pub(crate) fn keeps_answers(&self) -> bool {
        self.engine.answers().keeps()
    }

    /// What this plugin answered to these inputs and decisions, if that is kept.
    pub(crate) fn kept(&self, inputs: &InputDigest, decisions: &Decisions) -> Option<Arc<Answer>> {
        if !self.keeps_answers() {
            return None;
        }
        let found = self.engine.answers().find(inputs, decisions);
        self.engine.meter().asked(&self.component(), found.is_some());
        found
    }

    /// Keeps an answer that holds whenever its inputs are these and the decisions teach `learnt`.
    pub(crate) fn keep(&self, inputs: InputDigest, learnt: Learnt, answer: Answer) {
        if self.keeps_answers() {
            self.engine.answers().keep(inputs, learnt, answer);
        }
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

fn claims(described: &about::Description) -> Result<Vec<Claim>, String> {
    let named = |what: &str, name: &str| match name {
        "" => Err(format!("{what} is empty")),
        name if name.len() > NAME_BYTES_MAX => Err(format!("{what} {:?}… is too long", cut(name, 50))),
        _ => Ok(()),
    };
    named("its name", &described.name)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !described.name.bytes().all(plain) {
        return Err(format!(
            "its name {:?} has other characters than letters, digits and -_.",
            described.name
        ));
    }
    named("its version", &described.version)?;
    if described.summary.len() > TEXT_BYTES_MAX {
        return Err(format!("its summary is longer than {TEXT_BYTES_MAX} bytes"));
    }
    if described.claims.is_empty() || described.claims.len() > CLAIMS_MAX {
        return Err(format!("it has {} claims; 1 to {CLAIMS_MAX} are taken", described.claims.len()));
    }
    let mut claims: Vec<Claim> = Vec::new();
    for claim in &described.claims {
        named("the id of a claim", &claim.id)?;
        if claims.iter().any(|other| other.id == claim.id) {
            return Err(format!("it has the claim {:?} twice", claim.id));
        }
        claims.push(Claim {
            id: claim.id.clone(),
            unit: match claim.unit {
                about::UnitKind::Object => UnitKind::Object,
                about::UnitKind::Folder => UnitKind::Folder,
            },
            patterns: claim.patterns.clone(),
            markers: claim.markers.clone(),
            media_types: claim.media_types.clone(),
            start: claim.start,
        });
    }
    Ok(claims)
}
