//! Merges files of settings, `name = value` in each line, setting by setting.
//!
//! Lines that are no setting (comments, sections, empty ones) stay as on ours.

use anabranch_plugin::records::{self, Record, Row};
use anabranch_plugin::{
    About, Changes, Conflict, Conflicts, DiffReport, Failure, Json, Merged, ObjectPlugin, Side, Sides, Value,
};

struct Plugin;

anabranch_plugin::export_object_plugin!(Plugin);

impl ObjectPlugin for Plugin {
    fn about() -> About {
        About {
            patterns: &["*.conf"],
            ..About::new(
                "{{name}}",
                env!("CARGO_PKG_VERSION"),
                "Merges files of settings, setting by setting.",
            )
        }
    }

    fn merge(sides: &Sides, _options: &Json, conflicts: &mut dyn Conflicts) -> Result<Merged, Failure> {
        let texts = match sides.texts() {
            Ok(texts) => texts,
            Err(why) => return Ok(Merged::Whole(why)),
        };
        let [base, ours, theirs] = texts.map(settings);
        for (side, label) in [&base, &ours, &theirs].into_iter().zip(&sides.labels) {
            if let Some(name) = records::duplicate(side) {
                return Ok(Merged::Whole(format!("on {label} {name:?} is set twice")));
            }
        }
        let merged =
            records::merge(&base, &ours, &theirs, &mut |name, values| decide(name, values, conflicts))?;
        Ok(Merged::bytes(write(texts[1], &merged.records)))
    }

    fn diff(before: &[u8], after: &[u8], _: &Json, changes: &mut Changes<'_>) -> Result<DiffReport, Failure> {
        let [before, after] = [before, after].map(String::from_utf8_lossy);
        for (name, was, is) in records::pairs(&settings(&before), &settings(&after)) {
            if was != is {
                changes.emit("property", name.as_str(), was.map(shown), is.map(shown))?;
            }
        }
        Ok(DiffReport::default())
    }
}

/// What stands behind a name.
#[derive(Clone, Debug, PartialEq)]
struct Setting(String);

impl Row for Setting {
    fn cells_changed(&self, _: &Self) -> u64 {
        1
    }
}

fn shown(setting: &Setting) -> Value {
    Value::Text(setting.0.clone())
}

/// The settings of a text, in order.
fn settings(text: &str) -> Vec<Record<Setting>> {
    text.lines().filter_map(setting).collect()
}

fn setting(line: &str) -> Option<Record<Setting>> {
    let (name, value) = line.split_once('=')?;
    let key = name.trim();
    let is_name = !key.is_empty() && !key.starts_with(['#', ';']);
    is_name.then(|| Record { key: key.to_owned(), value: Setting(value.trim().to_owned()) })
}

/// Says what stands where both sides changed a setting, differently. `None` removes it.
fn decide(
    name: &str,
    [base, ours, theirs]: [Option<&Setting>; 3],
    conflicts: &mut dyn Conflicts,
) -> Result<Option<Setting>, Failure> {
    let conflict = Conflict::new("x-setting", name, format!("both sides changed {name}"), "both-changed")
        .with_values([base, ours, theirs].map(|setting| setting.map(shown)));
    // `None`: nobody decided yet. The merge goes on and finds the other conflicts.
    let Some(decision) = conflicts.report(conflict)? else { return Ok(ours.cloned()) };
    match decision.side() {
        Some(Side::Ours) => Ok(ours.cloned()),
        Some(Side::Theirs) => Ok(theirs.cloned()),
        _ => Err(decision.unknown()),
    }
}

/// The text of ours with these settings: lines that stay the same are not touched, new ones come at the end.
fn write(ours: &str, settings: &[Record<Setting>]) -> String {
    let mut open: Vec<&Record<Setting>> = settings.iter().collect();
    let mut text = String::new();
    for line in ours.lines() {
        let Some(old) = setting(line) else {
            text.push_str(&format!("{line}\n"));
            continue;
        };
        if let Some(at) = open.iter().position(|setting| setting.key == old.key) {
            let new = open.remove(at);
            if *new == old {
                text.push_str(&format!("{line}\n"));
            } else {
                text.push_str(&format!("{} = {}\n", new.key, new.value.0));
            }
        }
    }
    for new in open {
        text.push_str(&format!("{} = {}\n", new.key, new.value.0));
    }
    text
}

#[cfg(test)]
mod tests {
    use anabranch_plugin::testing::{check_laws, diffed, merged};

    use super::*;

    const BASE: &str = "# Limits\nrows = 10\nbytes=1\n";

    fn check(ours: &str, theirs: &str, expected: &str) {
        assert_eq!(merged::<Plugin>(BASE, ours, theirs, "{}"), expected);
        check_laws::<Plugin>(BASE, ours, theirs, "{}");
    }

    #[test]
    fn settings_are_merged_one_by_one() {
        check(
            "# Limits of ours\nrows = 20\nbytes=1\n",
            "rows = 10\nseconds = 5\n",
            "# Limits of ours\nrows = 20\nseconds = 5\n",
        );
    }

    #[test]
    fn a_setting_that_both_changed_is_a_conflict() {
        check("rows = 20\nbytes=1\n", "rows = 30\nbytes=1\n", r#"x-setting rows: "10" | "20" | "30""#);
        check("rows = 1\nrows = 2\n", "rows = 30\n", "whole: on ours \"rows\" is set twice");
    }

    #[test]
    fn a_diff_shows_settings() {
        assert_eq!(
            diffed::<Plugin>(BASE, "rows = 20\n", "{}"),
            "~ property rows: \"10\" => \"20\"\n- property bytes: \"1\" => -"
        );
    }
}
