//! What stands against a merge of two timelines, as values: no file is read here.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_plugin::{Conflict, Value, json};

use crate::commit::{Commit, Touched};
use crate::names::Group;
use crate::schema;
use crate::supported::Refusal;
use crate::timeline;

/// What a person can do about a conflict of a table. A commit writes several file groups at once, and names all of them in its
/// instant, so that no part of it can be taken.
const CHOICES: [(&str, &str); 3] = [
    ("ours", "keep the destination's whole table"),
    ("theirs", "take the source's whole table"),
    ("base", "go back to the merge base's table"),
];

/// How the sides are called: base, ours, theirs.
pub(crate) type Labels = [String; 3];

/// A conflict of this plugin: `key` says where in the table.
pub(crate) fn conflict(kind: &str, key: String, message: String, rule: &str) -> Conflict {
    Conflict::new(kind, key, message, rule).with_choices(&CHOICES)
}

/// A table that is not merged for a reason that one side has, or a file of it.
pub(crate) fn refused(refusal: &Refusal, path: &str, label: &str) -> Conflict {
    let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
    let message = format!("{place}{} (on {label})", refusal.why);
    // Conflicts are told apart by their keys, so that the rule is part of these.
    let key = format!(
        "{{\"rule\":\"{}\",\"side\":{},\"file\":{}}}",
        refusal.rule,
        json::quote(label),
        json::quote(path)
    );
    conflict("structure-conflict", key, message, refusal.rule)
}

/// A property that the sides set differently.
pub(crate) fn property(name: &str, values: [Option<String>; 3], rule: &str, why: &str) -> Conflict {
    let key = format!("{{\"property\":{}}}", json::quote(name));
    let message = format!("the property {name} of hoodie.properties {why}");
    conflict("structure-conflict", key, message, rule).with_values(values.map(|value| value.map(Value::Text)))
}

/// Timelines that cannot be united.
pub(crate) fn timelines(clash: &timeline::Clash, labels: &Labels) -> Conflict {
    use timeline::Clash;
    let label = |side: &usize| labels.get(*side).map(String::as_str).unwrap_or_default();
    let other = |side: &usize| label(&if *side == 1 { 2 } else { 1 }).to_owned();
    let (rule, instant, why) = match clash {
        Clash::Pending { side, instants } => (
            "in-flight",
            instants.join(", "),
            format!(
                "the timeline of {} has instants that are requested or in flight: {}; complete them or roll them back, and merge again",
                label(side),
                instants.join(", ")
            ),
        ),
        Clash::TakenBack { side, instant } => (
            "rolled-back",
            instant.clone(),
            format!("{} rolled back {instant}, which the merge base has completed", label(side)),
        ),
        Clash::SameTime { time } => (
            "same-instant",
            time.clone(),
            format!("both sides have an instant at {time}, and not the same one"),
        ),
        Clash::BehindArchive { side, instant } => (
            "archived",
            instant.clone(),
            format!(
                "{instant} of {} is older than the active timeline of {}, so that readers would take what {} archived for uncommitted",
                label(side),
                other(side),
                other(side)
            ),
        ),
        Clash::ArchivedSince { side } => (
            "archived",
            String::new(),
            format!(
                "{} archived all instants of the merge base, and perhaps such as it wrote since: merge more often, or keep more instants \
                 (hoodie.keep.min.commits)",
                label(side)
            ),
        ),
        Clash::Action { side, instant } => (
            "merge-on-read",
            instant.clone(),
            format!(
                "the timeline of {} has {instant}, which is no action of a copy-on-write table",
                label(side)
            ),
        ),
    };
    let side = match clash {
        Clash::SameTime { .. } => "",
        Clash::Pending { side, .. }
        | Clash::TakenBack { side, .. }
        | Clash::BehindArchive { side, .. }
        | Clash::ArchivedSince { side }
        | Clash::Action { side, .. } => label(side),
    };
    let key = format!(
        "{{\"rule\":\"{rule}\",\"side\":{},\"instant\":{}}}",
        json::quote(side),
        json::quote(&instant)
    );
    conflict("structure-conflict", key, why, rule)
}

/// File groups that both sides touched. A file group is one set of records in versions of which readers see the last, so that of two
/// versions from one base one would be lost: the rule by which Hudi's own writers conflict.
pub(crate) fn groups(
    ours: &BTreeMap<Group, Touched>,
    theirs: &BTreeMap<Group, Touched>,
    labels: &Labels,
) -> Vec<Conflict> {
    let both = ours.iter().filter_map(|(group, our)| theirs.get(group).map(|their| (group, our, their)));
    both.map(|(group, our, their)| {
        let (our_instants, their_instants) = (our.by.join(", "), their.by.join(", "));
        let message = format!(
            "both sides wrote to file group {}{}: {our_instants} on {}, {their_instants} on {}",
            group.file_id,
            of_partition(&group.partition),
            labels[1],
            labels[2]
        );
        conflict("row-conflict", key_of(group), message, "file-group").with_values([
            None,
            Some(Value::Text(our_instants)),
            Some(Value::Text(their_instants)),
        ])
    })
    .collect()
}

fn of_partition(partition: &str) -> String {
    if partition.is_empty() { String::new() } else { format!(" of partition {partition}") }
}

/// Where in the table a file group is, as conflicts and diffs say it.
pub(crate) fn key_of(group: &Group) -> String {
    format!(
        "{{\"partition\":{},\"file_group\":{}}}",
        json::quote(&group.partition),
        json::quote(&group.file_id)
    )
}

/// Partitions that one side overwrote or dropped, and into which the other wrote: whether its records belong to what was
/// overwritten nobody can tell.
pub(crate) fn overwrites(
    [ours, theirs]: [&[(Commit, bool)]; 2],
    labels: &Labels,
    reported: &BTreeSet<String>,
) -> Vec<Conflict> {
    let mut found: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (is_ours, overwriting, writing) in [(true, ours, theirs), (false, theirs, ours)] {
        for (commit, _) in overwriting.iter().filter(|(commit, is_replace)| commit.overwrites(*is_replace)) {
            let is_all = commit.operation == "insert_overwrite_table";
            for (other, _) in writing {
                let hit = |partition: &&String| is_all || commit.partitions.contains(*partition);
                for partition in other.partitions.iter().filter(hit).filter(|hit| !reported.contains(*hit)) {
                    let told = |commit: &Commit| format!("{} {}", commit.operation, commit.time);
                    let (our, their) =
                        if is_ours { (told(commit), told(other)) } else { (told(other), told(commit)) };
                    found.entry(partition.clone()).or_insert((our, their));
                }
            }
        }
    }
    let conflicts = found.into_iter().map(|(partition, (our, their))| {
        let message = format!(
            "one side overwrote what the other wrote to{}: {our} on {}, {their} on {}",
            if partition.is_empty() { " the table".to_owned() } else { format!(" partition {partition}") },
            labels[1],
            labels[2]
        );
        let key = format!("{{\"partition\":{}}}", json::quote(&partition));
        let values = [None, Some(Value::Text(our)), Some(Value::Text(their))];
        conflict("overwrite-vs-change", key, message, "overwritten-partition").with_values(values)
    });
    conflicts.collect()
}

/// Schemas that do not go together.
pub(crate) fn schemas(clash: &schema::Clash, values: [Option<&str>; 3], labels: &Labels) -> Conflict {
    use schema::Clash;
    let label = |side: &usize| labels.get(*side).map(String::as_str).unwrap_or_default();
    let (kind, rule, column, message) = match clash {
        Clash::Both => (
            "schema-conflict",
            "changed-on-both",
            None,
            "both sides changed the schema, and differently: write the columns of both on one side, and merge again".to_owned(),
        ),
        Clash::Column { side, column, what } => (
            if *what == "dropped" { "drop-vs-write" } else { "column-conflict" },
            "column",
            Some(column.clone()),
            format!("the column {column} was {what} on {}, and the other side wrote rows with the old schema", label(side)),
        ),
        Clash::Overtaken { side } => (
            "schema-conflict",
            "last-commit",
            None,
            format!(
                "{} changed the schema, but the other side has the last commit, from which readers take the old one: write once more \
                 with the new schema on {}, and merge again",
                label(side),
                label(side)
            ),
        ),
        Clash::Unreadable { side, why } => (
            "table-damaged",
            "schema",
            None,
            format!("the schema in the last commit of {} cannot be read: {why}", label(side)),
        ),
    };
    let mut conflict = conflict(kind, String::new(), message, rule)
        .with_values(values.map(|value| value.map(|text| Value::Text(text.to_owned()))));
    conflict.column = column;
    conflict
}

/// A record key that both sides inserted.
pub(crate) fn duplicate(partition: Option<&str>, key: &str, paths: [&str; 2], labels: &Labels) -> Conflict {
    let place = match partition {
        Some(partition) => format!("\"_hoodie_partition_path\":{},", json::quote(partition)),
        None => String::new(),
    };
    let at = format!("{{{place}\"_hoodie_record_key\":{}}}", json::quote(key));
    let message = format!(
        "both sides inserted the record key {key}{}: {} on {}, {} on {}",
        partition.map(of_partition).unwrap_or_default(),
        paths[0],
        labels[1],
        paths[1],
        labels[2]
    );
    let values = [None, Some(Value::Text(paths[0].to_owned())), Some(Value::Text(paths[1].to_owned()))];
    conflict("duplicate-key", at, message, "record-key").with_values(values)
}

/// Base files whose instants are of no commit since the merge base: leftovers of a write that failed.
pub(crate) fn unlisted<'p>(
    added: impl Iterator<Item = &'p String>,
    commits: &[(Commit, bool)],
) -> Vec<&'p String> {
    let listed: BTreeSet<&str> =
        commits.iter().flat_map(|(commit, _)| &commit.writes).map(|write| write.path.as_str()).collect();
    added.filter(|path| !listed.contains(path.as_str())).collect()
}
