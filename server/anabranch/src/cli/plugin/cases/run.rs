//! Runs one case: its merges twice, its comparisons once, and what people decide.

use std::collections::BTreeSet;
use std::sync::Arc;

use anabranch_merge::test_support::{UnitCase, entry_changes};
use anabranch_merge::{Conflict, DiffInput, MergeOutcome, Merger, Resolution, Strategy, UnitKind};
use anabranch_plugin_host::{Plugin, PluginMerger};

use super::expect::{Expect, Prefer, Verdict};
use super::read::{Case, Files};

/// How the units of a case ended, together.
#[derive(Default)]
struct End {
    merged: Files,
    conflicts: Vec<Conflict>,
    failures: Vec<String>,
}

/// Runs a case. The error says what is not as it is wanted.
pub(super) async fn case(plugin: &Arc<Plugin>, case: &Case) -> Result<(), String> {
    let merger = merger(plugin, &case.expect)?;
    let options = serde_json::to_value(&case.expect.options).map_err(|error| error.to_string())?;
    merger.check_options(&options).map_err(|why| format!("expect.toml: options: {why}"))?;
    let units = units(case, merger.description().unit, &options);
    if units.is_empty() {
        return Err("no side has a file".to_owned());
    }
    // What is to fail may fail here as well.
    for unit in units.iter().filter(|_| case.expect.verdict != Verdict::Failed) {
        compare(&merger, unit).await?;
    }
    let end = merge_all(&merger, &units, &[]).await?;
    judge(case, &end)?;
    if case.expect.resolve.is_empty() {
        return Ok(());
    }
    let decisions = decisions(&case.expect, &end.conflicts)?;
    let end = merge_all(&merger, &units, &decisions).await?;
    if let Some(left) = end.conflicts.first() {
        return Err(format!("after what was decided this conflict is left:\n{}", shown(left)));
    }
    no_failure(&end)?;
    same_files(case, &end.merged)
}

fn merger(plugin: &Arc<Plugin>, expect: &Expect) -> Result<PluginMerger, String> {
    let claim = expect.claim.as_deref().or_else(|| Some(plugin.claims().first()?.id.as_str()));
    PluginMerger::of_claim(plugin.component(), Arc::clone(plugin), claim.unwrap_or_default())
        .map_err(|error| error.to_string())
}

/// The units of a case: every file, or all of it.
fn units(case: &Case, unit: UnitKind, options: &serde_json::Value) -> Vec<UnitCase> {
    let prefer = case.expect.prefer.map(|prefer| match prefer {
        Prefer::Ours => Strategy::DestWins,
        Prefer::Theirs => Strategy::SourceWins,
    });
    let make = |root: &str, pick: &dyn Fn(&Files) -> Files| UnitCase {
        options: options.clone(),
        prefer,
        base: pick(&case.base),
        ours: pick(&case.ours),
        theirs: pick(&case.theirs),
        ..UnitCase::new(case.name.clone(), root, unit)
    };
    match unit {
        UnitKind::Folder => vec![make(&case.name, &Files::clone)],
        UnitKind::Object => {
            let sides = [&case.base, &case.ours, &case.theirs];
            let paths: BTreeSet<&String> = sides.into_iter().flat_map(Files::keys).collect();
            let one = |path: &String| {
                make(path, &|side: &Files| {
                    side.get(path).map(|body| (String::new(), body.clone())).into_iter().collect()
                })
            };
            paths.into_iter().map(one).collect()
        }
    }
}

/// Compares the base with both sides: only a failure can be seen here.
async fn compare(merger: &PluginMerger, unit: &UnitCase) -> Result<(), String> {
    let open = unit.open();
    for after in [&open.ours, &open.theirs] {
        let changes = entry_changes(&open.base, after);
        let input = DiffInput {
            root: &unit.root,
            before: &open.base,
            after,
            changes: &changes,
            options: &unit.options,
        };
        merger.diff(input).await.map_err(|error| format!("the comparison failed: {error}"))?;
    }
    Ok(())
}

async fn merge_all(
    merger: &PluginMerger,
    units: &[UnitCase],
    decisions: &[Resolution],
) -> Result<End, String> {
    let mut end = End::default();
    for unit in units {
        let unit = UnitCase { resolutions: decisions.to_vec(), ..unit.clone() };
        let (first, again) = (unit.open(), unit.open());
        let outcome = first.run(merger).await;
        if outcome != again.run(merger).await || first.writer.written() != again.writer.written() {
            return Err(format!("two runs of {} differ: a plugin must be deterministic", unit.root));
        }
        let bodies = first.merged_bodies(&outcome);
        match outcome {
            MergeOutcome::Merged { .. } => {
                let bodies = bodies.ok_or("an object of the result cannot be read")?;
                let full =
                    |path: String| if unit.unit == UnitKind::Object { unit.root.clone() } else { path };
                end.merged.extend(bodies.into_iter().map(|(path, body)| (full(path), body)));
            }
            MergeOutcome::Conflicts { conflicts, .. } => end.conflicts.extend(conflicts),
            MergeOutcome::Failed(failure) => end.failures.push(failure.message),
        }
    }
    Ok(end)
}

/// Whether the first run ended as it is wanted.
fn judge(case: &Case, end: &End) -> Result<(), String> {
    let expect = &case.expect;
    match expect.verdict {
        Verdict::Failed => match (end.failures.first(), &expect.message) {
            (None, _) => Err("it was to fail, and did not".to_owned()),
            (Some(failure), Some(part)) if !failure.contains(part.as_str()) => {
                Err(format!("its failure does not say {part:?}:\n{failure}"))
            }
            _ => Ok(()),
        },
        Verdict::Merged if expect.resolve.is_empty() && expect.conflict.is_empty() => {
            no_failure(end)?;
            conflicts_are(&expect.conflict, &end.conflicts)?;
            same_files(case, &end.merged)
        }
        Verdict::Merged | Verdict::Conflicts => {
            no_failure(end)?;
            if end.conflicts.is_empty() {
                return Err("conflicts were expected, and it merged".to_owned());
            }
            // Without a word about them any conflicts will do.
            if expect.conflict.is_empty() { Ok(()) } else { conflicts_are(&expect.conflict, &end.conflicts) }
        }
    }
}

fn no_failure(end: &End) -> Result<(), String> {
    end.failures.first().map_or(Ok(()), |failure| Err(format!("it failed:\n{failure}")))
}

/// Whether these are the conflicts that are listed: each fits one that no other fits.
fn conflicts_are(wanted: &[super::expect::Place], found: &[Conflict]) -> Result<(), String> {
    let mut left: Vec<&Conflict> = found.iter().collect();
    for place in wanted {
        let Some(at) = left.iter().position(|conflict| place.fits(conflict)) else {
            let found: Vec<String> = found.iter().map(shown).collect();
            return Err(format!("no conflict is {place:?}; there are:\n{}", found.join("\n")));
        };
        left.remove(at);
    }
    match left.first() {
        None => Ok(()),
        Some(conflict) => Err(format!("this conflict was not expected:\n{}", shown(conflict))),
    }
}

/// What people decide about each conflict.
fn decisions(expect: &Expect, conflicts: &[Conflict]) -> Result<Vec<Resolution>, String> {
    let mut decisions = Vec::new();
    for decision in &expect.resolve {
        let place = decision.place();
        let about: Vec<&Conflict> = conflicts.iter().filter(|conflict| place.fits(conflict)).collect();
        if about.is_empty() {
            return Err(format!("no conflict is there for [[resolve]] {place:?}"));
        }
        let value = decision.value.as_ref().map(serde_json::to_value).transpose();
        let value = value.map_err(|error| error.to_string())?;
        decisions.extend(about.into_iter().map(|conflict| Resolution {
            conflict: conflict.id(),
            choice: decision.choice.clone(),
            value: value.clone(),
            object: None,
        }));
    }
    Ok(decisions)
}

fn shown(conflict: &Conflict) -> String {
    format!("{conflict} (rule {}, {} choices)", conflict.rule, conflict.choices.len())
}

/// Whether the result is the expected one, byte for byte.
fn same_files(case: &Case, merged: &Files) -> Result<(), String> {
    let Some(expected) = &case.expected else {
        return Err("the case has no folder expected/".to_owned());
    };
    for (path, body) in expected {
        let Some(is) = merged.get(path) else { return Err(format!("{path} is missing in the result")) };
        if is != body {
            return Err(format!("{path} differs:\n{}", first_difference(body, is)));
        }
    }
    match merged.keys().find(|path| !expected.contains_key(*path)) {
        None => Ok(()),
        Some(path) => Err(format!("{path} is in the result, and not expected")),
    }
}

/// The first line in which two texts differ.
fn first_difference(expected: &[u8], is: &[u8]) -> String {
    let (Ok(expected), Ok(is)) = (std::str::from_utf8(expected), std::str::from_utf8(is)) else {
        return format!("{} bytes were expected, {} are there", expected.len(), is.len());
    };
    let (mut wanted, mut found) = (expected.split_inclusive('\n'), is.split_inclusive('\n'));
    let mut line = 1_u64;
    loop {
        match (wanted.next(), found.next()) {
            (Some(left), Some(right)) if left == right => line += 1,
            (left, right) => {
                let cut = |text: Option<&str>| match text {
                    None => "the end".to_owned(),
                    Some(text) => format!("{:?}", text.chars().take(300).collect::<String>()),
                };
                return format!(
                    "line {line}: expected {}\n{}found {}",
                    cut(left),
                    " ".repeat(10),
                    cut(right)
                );
            }
        }
    }
}
