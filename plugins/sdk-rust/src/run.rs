//! Between [`ObjectPlugin`] and the contract: what reads and writes.

use crate::bindings::anabranch::merge::log::{self, Level};
use crate::bindings::anabranch::merge::output::{Resolution, ResultTree};
use crate::bindings::anabranch::merge::snapshots::Snapshot;
use crate::bindings::exports::anabranch::merge::{about, differ, merger};
use crate::{
    Changes, Conflict, Conflicts, Decision, Failure, Json, Merged, ObjectPlugin, Side, Sides, Value,
};

/// How much of an object one call reads or writes.
const STEP_BYTES: u32 = 1024 * 1024;

/// Exports a type that implements [`ObjectPlugin`](crate::ObjectPlugin) as the plugin. Once in a crate.
#[macro_export]
macro_rules! export_object_plugin {
    ($plugin:ident) => {
        // For this machine, where unit tests run, nothing is exported: the names are not those of a native library.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() -> $crate::About = <$plugin as $crate::ObjectPlugin>::about;
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Exported;
            impl $crate::bindings::exports::anabranch::merge::about::Guest for Exported {
                fn describe() -> $crate::bindings::exports::anabranch::merge::about::Description {
                    $crate::run::describe::<$plugin>()
                }
            }
            impl $crate::bindings::exports::anabranch::merge::differ::Guest for Exported {
                fn on_diff(
                    input: $crate::bindings::exports::anabranch::merge::differ::DiffInput,
                ) -> Result<$crate::bindings::exports::anabranch::merge::differ::DiffSummary, $crate::Failure>
                {
                    $crate::run::diff::<$plugin>(input)
                }
            }
            impl $crate::bindings::exports::anabranch::merge::merger::Guest for Exported {
                fn on_merge(
                    input: $crate::bindings::exports::anabranch::merge::merger::MergeInput,
                ) -> Result<$crate::bindings::exports::anabranch::merge::merger::MergeOutcome, $crate::Failure>
                {
                    $crate::run::merge::<$plugin>(input)
                }
            }
            $crate::bindings::export_bindings!(Exported with_types_in $crate::bindings);
        };
    };
}

/// Exports a type that implements `about::Guest`, `differ::Guest` and `merger::Guest` of
/// [`bindings::exports`](crate::bindings::exports) as the plugin. Once in a crate.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::export_bindings!($plugin with_types_in $crate::bindings);
        // For this machine nothing is exported, but what the plugin needs is there.
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            use $crate::bindings::exports::anabranch::merge::{about, differ, merger};
            const fn is_plugin<P: about::Guest + differ::Guest + merger::Guest>() {}
            is_plugin::<$plugin>();
            const _: fn() -> about::Description = <$plugin as about::Guest>::describe;
        };
    };
}

/// Says what a panic has to say before it is lost: on this target it has no words of its own.
pub fn speak() {
    std::panic::set_hook(Box::new(|panic| log::write(Level::Error, &panic.to_string())));
}

/// `about.describe` of a plugin.
pub fn describe<P: ObjectPlugin>() -> about::Description {
    let plugin = P::about();
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    about::Description {
        name: plugin.name.into(),
        version: plugin.version.into(),
        summary: plugin.summary.into(),
        claims: vec![about::Claim {
            id: plugin.name.into(),
            unit: about::UnitKind::Object,
            patterns: owned(plugin.patterns),
            markers: Vec::new(),
            media_types: owned(plugin.media_types),
            start: about::Start::ThreeWay,
        }],
        options_schema: plugin.options_schema.map(Into::into),
    }
}

/// Reads a path of a snapshot whole; `None` where the side lacks it.
///
/// # Errors
///
/// It has more than `limit` bytes, or cannot be read.
pub fn read(side: &Snapshot, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
    let Some(entry) = side.stat(path) else { return Ok(None) };
    if entry.size > limit {
        let message = format!("it has {} bytes on {}; at most {limit} are read", entry.size, side.label());
        return Err(Failure { code: "limit".into(), message, path: Some(path.into()) });
    }
    let object = side.open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or(0));
    while (bytes.len() as u64) < entry.size {
        let read = object.read(bytes.len() as u64, STEP_BYTES)?;
        if read.is_empty() {
            return Err(Failure { path: Some(path.into()), ..Failure::new("unreadable", "it ends early") });
        }
        bytes.extend(read);
    }
    Ok(Some(bytes))
}

/// Writes an object and puts it at a path.
///
/// # Errors
///
/// The host refused it: a limit was reached.
pub fn write(merged: &ResultTree, path: &str, bytes: &[u8]) -> Result<(), Failure> {
    let writer = merged.create()?;
    for step in bytes.chunks(STEP_BYTES as usize) {
        writer.write(step)?;
    }
    merged.put(path, &writer.finish()?)
}

/// The options of a call and the limit that they leave.
fn options<P: ObjectPlugin>(text: &str) -> Result<(Json<'_>, u64), Failure> {
    let options = Json::parse(text.as_bytes())
        .map_err(|error| Failure::new("bad-options", format!("the options are not JSON: {error}")))?;
    let limit = P::about().bytes_max;
    let lowered = options.get("max-bytes").and_then(Json::as_u64).map_or(limit, |bytes| bytes.min(limit));
    Ok((options, lowered))
}

/// `merger.on-merge` of a plugin.
///
/// # Errors
///
/// The plugin failed, or the host did.
pub fn merge<P: ObjectPlugin>(input: merger::MergeInput) -> Result<merger::MergeOutcome, Failure> {
    speak();
    let (options, limit) = options::<P>(&input.options)?;
    let snapshots = [&input.base, &input.ours, &input.theirs];
    for side in [&input.ours, &input.theirs] {
        if side.stat("").is_none() {
            let message = format!("removed on {}, changed on the other side", side.label());
            whole(&input.merged, snapshots, message, P::about().name)?;
            return Ok(done(None, Vec::new()));
        }
    }
    if let Some(why) = snapshots.iter().find_map(|side| too_large(side, limit)) {
        whole(&input.merged, snapshots, why, P::about().name)?;
        return Ok(done(None, Vec::new()));
    }
    let base = read(&input.base, "", limit)?;
    let ours = read(&input.ours, "", limit)?.unwrap_or_default();
    let theirs = read(&input.theirs, "", limit)?.unwrap_or_default();
    let labels = snapshots.map(Snapshot::label);
    let sides = Sides { base, ours, theirs, labels };
    if let Some(side) = sides.settled() {
        // Equal bytes, though the host has other ids for them.
        let taken = if side == Side::Ours { &input.ours } else { &input.theirs };
        input.merged.put("", &taken.open("")?)?;
        return Ok(done(None, Vec::new()));
    }
    let mut conflicts = Reported { merged: &input.merged, prefer: input.prefer, open: false };
    match P::merge(&sides, &options, &mut conflicts)? {
        Merged::Object { bytes, rows, notes } => {
            if !conflicts.open {
                write(&input.merged, "", &bytes)?;
            }
            Ok(done(rows, notes))
        }
        Merged::Whole(message) => {
            whole(&input.merged, snapshots, message, P::about().name)?;
            Ok(done(None, Vec::new()))
        }
    }
}

/// Says so where a side's object is larger than the plugin reads: that is for people to decide, as what it cannot read is.
fn too_large(side: &Snapshot, limit: u64) -> Option<String> {
    let size = side.stat("")?.size;
    (size > limit).then(|| format!("it has {size} bytes on {}, and at most {limit} are merged", side.label()))
}

fn done(rows: Option<crate::RowTotals>, notes: Vec<String>) -> merger::MergeOutcome {
    merger::MergeOutcome { verdict: merger::Verdict::Done, rows, notes }
}

/// Conflicts of a merge that the host runs.
struct Reported<'a> {
    merged: &'a ResultTree,
    prefer: Option<Side>,
    open: bool,
}

impl Conflicts for Reported<'_> {
    fn report(&mut self, conflict: Conflict) -> Result<Option<Decision>, Failure> {
        let decided = self.merged.conflict(&conflict)?;
        self.open |= decided.is_none();
        Ok(decided.map(|Resolution { choice, value, .. }| Decision { choice, value }))
    }

    fn prefer(&self) -> Option<Side> {
        self.prefer
    }
}

/// The conflict about an object that cannot be merged: it is taken whole from a side, or an uploaded one in its place.
fn whole(merged: &ResultTree, sides: [&Snapshot; 3], message: String, rule: &str) -> Result<(), Failure> {
    let shown = |side: &Snapshot| {
        let entry = side.stat("")?;
        Some(Value::Json(format!(r#"{{"size":{},"id":{}}}"#, entry.size, crate::json::quote(&entry.id))))
    };
    let conflict =
        Conflict::new("object-conflict", "", message, rule).with_values(sides.map(shown)).with_choices(&[
            ("ours", "keep the destination's"),
            ("theirs", "take the source's"),
            ("base", "go back to the merge base"),
            ("object", "take an uploaded object"),
        ]);
    let Some(decided) = merged.conflict(&conflict)? else { return Ok(()) };
    match (decided.choice.as_str(), &decided.object) {
        ("ours", _) => merged.take("", Side::Ours),
        ("theirs", _) => merged.take("", Side::Theirs),
        ("base", _) => merged.take("", Side::Base),
        ("object", Some(object)) => merged.put("", object),
        (other, _) => Err(Failure::new("internal", format!("the choice {other:?} cannot be taken"))),
    }
}

/// `differ.on-diff` of a plugin.
///
/// # Errors
///
/// The plugin failed, or the host did.
pub fn diff<P: ObjectPlugin>(input: differ::DiffInput) -> Result<differ::DiffSummary, Failure> {
    use crate::bindings::anabranch::merge::types::Wish;
    speak();
    let (options, limit) = options::<P>(&input.options)?;
    if let Some(why) = [&input.before, &input.after].into_iter().find_map(|side| too_large(side, limit)) {
        let (added, removed, modified) = (0, 0, 0);
        return Ok(differ::DiffSummary {
            added,
            removed,
            modified,
            rows: None,
            complete: false,
            notes: vec![why],
        });
    }
    let before = read(&input.before, "", limit)?.unwrap_or_default();
    let after = read(&input.after, "", limit)?.unwrap_or_default();
    let mut reader = |page: &[crate::Change]| input.sink.emit(page).map(|wish| wish == Wish::More);
    let shown = input.detail == differ::Detail::Changes;
    let mut changes = Changes::new(if shown { Some(&mut reader) } else { None });
    let report = P::diff(&before, &after, &options, &mut changes)?;
    changes.flush()?;
    let totals = report.totals.unwrap_or_else(|| changes.totals());
    Ok(differ::DiffSummary {
        added: totals.added,
        removed: totals.removed,
        modified: totals.modified,
        rows: report.rows,
        complete: true,
        notes: report.notes,
    })
}
