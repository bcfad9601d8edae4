//! What is decided about timelines, commits and file groups, on small ones that are written down.

use std::collections::BTreeSet;
use std::slice::from_ref;

use crate::commit::{Commit, Unmergeable, touched};
use crate::names::{Layout, Place, place};
use crate::plan;
use crate::timeline::{Clash, Timeline, clashes};
use crate::value::Value;

/// A replacecommit of Hudi 1.1, which overwrote a partition.
const AVRO: &[u8] = include_bytes!("v9.replacecommit");

/// A time of the right length that ends in these digits.
fn time(digits: &str) -> String {
    format!("{:0>17}", digits.replace(|letter: char| !letter.is_ascii_digit(), ""))
}

/// A timeline of layout 1: files as `1.commit`, `2.commit.requested`; `archived` says that there are older instants.
fn timeline(files: &str) -> Timeline {
    let mut timeline = Timeline::default();
    for file in files.split_whitespace() {
        let (name, id) = file.split_once('=').unwrap_or((file, "1"));
        if name == "archived" {
            timeline.is_archived = true;
            continue;
        }
        let (digits, rest) = name.split_once('.').expect("a time and an action");
        match place(&format!(".hoodie/{}.{rest}", time(digits)), Layout::One) {
            Place::Instant(instant) => timeline.insert(instant, id.into()),
            other => panic!("{file}: {other:?}"),
        }
    }
    timeline
}

fn told(base: &str, ours: &str, theirs: &str) -> String {
    let [base, ours, theirs] = [base, ours, theirs].map(timeline);
    let short = |instant: &str| instant.trim_start_matches('0').to_owned();
    let tell = |clash: Clash| match clash {
        Clash::Pending { side, instants } => {
            format!(
                "pending {side}: {}",
                instants.iter().map(|one| short(one)).collect::<Vec<_>>().join(", ")
            )
        }
        Clash::TakenBack { side, instant } => format!("taken back {side}: {}", short(&instant)),
        Clash::SameTime { time } => format!("same time {}", short(&time)),
        Clash::BehindArchive { side, instant } => format!("behind archive {side}: {}", short(&instant)),
        Clash::ArchivedSince { side } => format!("archived since {side}"),
        Clash::Action { side, instant } => format!("action {side}: {}", short(&instant)),
    };
    clashes([&base, &ours, &theirs]).into_iter().map(tell).collect::<Vec<_>>().join("; ")
}

#[test]
fn timelines_are_united_unless_readers_would_see_something_else() {
    for (base, ours, theirs, what) in [
        ("1.commit", "1.commit 2.commit", "1.commit 3.commit", ""),
        // One that ended later may have begun before the last one of the base.
        ("2.commit", "1.commit 2.commit", "2.commit 3.commit", ""),
        ("", "2.commit", "3.commit", ""),
        (
            "1.commit",
            "1.commit 2.commit 2.commit.requested 2.inflight",
            "1.commit 3.replacecommit 4.clean",
            "",
        ),
        (
            "1.commit",
            "1.commit 2.commit.requested",
            "1.commit 3.inflight",
            "pending 1: 2 commit; pending 2: 3 commit",
        ),
        ("1.commit 2.clean.requested", "1.commit 2.clean", "1.commit", "pending 0: 2 clean"),
        ("1.commit", "1.commit 1.savepoint", "1.commit 1.savepoint.inflight", "pending 2: 1 savepoint"),
        ("1.commit", "1.commit 1.savepoint", "1.commit 2.commit", ""),
        ("1.commit 2.commit", "1.commit 3.rollback", "1.commit 2.commit 4.commit", "taken back 1: 2 commit"),
        ("1.commit 2.commit", "archived 2.commit 3.commit", "1.commit 2.commit 4.commit", ""),
        (
            "1.commit 2.commit 3.commit",
            "archived 1.commit 3.commit",
            "1.commit 2.commit 3.commit",
            "taken back 1: 2 commit",
        ),
        (
            "1.commit",
            "archived 3.commit",
            "1.commit 2.commit",
            "archived since 1; behind archive 2: 2 commit",
        ),
        ("2.commit", "archived 2.commit 3.commit", "1.commit 2.commit", "behind archive 2: 1 commit"),
        ("1.commit", "1.commit 2.commit=a", "1.commit 2.commit=b", "same time 2"),
        ("1.commit", "1.commit 2.commit", "1.commit 2.clean", "same time 2"),
        ("1.commit", "1.commit 2.commit=a", "1.commit 2.commit=a", ""),
        ("1.commit", "1.commit 2.deltacommit", "1.commit", "action 1: 2 deltacommit"),
    ] {
        assert_eq!(told(base, ours, theirs), what, "{base} | {ours} | {theirs}");
    }
}

#[test]
fn swapped_sides_have_the_same_clashes() {
    let pieces = [
        "archived",
        "1.commit",
        "2.commit",
        "2.clean",
        "3.replacecommit",
        "3.commit.requested",
        "1.savepoint",
    ];
    let side = |bits: usize| {
        let chosen = pieces.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        chosen.map(|(_, piece)| *piece).collect::<Vec<_>>().join(" ")
    };
    let swapped = |told: &str| {
        let swap = told.replace(" 1: ", " X: ").replace(" 2: ", " 1: ").replace(" X: ", " 2: ");
        let swap =
            swap.replace("since 1", "since X").replace("since 2", "since 1").replace("since X", "since 2");
        swap.split("; ").map(str::to_owned).collect::<BTreeSet<_>>()
    };
    for bits in (0..1 << 21).step_by(31) {
        let [base, ours, theirs] = [bits, bits >> 7, bits >> 14].map(|bits| side(bits & 127));
        let (one, other) = (told(&base, &ours, &theirs), told(&base, &theirs, &ours));
        assert_eq!(
            swapped(&one),
            other.split("; ").map(str::to_owned).collect(),
            "{base} | {ours} | {theirs}"
        );
    }
}

/// The metadata of a commit: `+g p 3` writes three new records into group `g` of partition `p`, `~g p 1` updates one, `-g p`
/// replaces the group.
fn commit(at: &str, operation: &str, what: &str) -> Commit {
    let (mut stats, mut replaced) = (Vec::new(), Vec::new());
    for piece in what.split(", ").filter(|piece| !piece.is_empty()) {
        let words: Vec<&str> = piece[1..].split(' ').collect();
        let (group, partition) = (words[0], words[1]);
        if piece.starts_with('-') {
            replaced.push(format!(r#""{partition}": ["{group}"]"#));
            continue;
        }
        let counted = if piece.starts_with('+') { "numInserts" } else { "numUpdateWrites" };
        stats.push(format!(
            r#""{partition}": [{{"fileId": "{group}", "path": "{partition}/{group}_1-0-1_{}.parquet", "cdcStats": null,
                "numWrites": {}, "{counted}": {}}}]"#,
            time(at), words[2], words[2]
        ));
    }
    let text = format!(
        r#"{{"partitionToWriteStats": {{{}}}, "partitionToReplaceFileIds": {{{}}}, "operationType": "{operation}"}}"#,
        stats.join(","),
        replaced.join(",")
    );
    Commit::of(&time(at), &Value::read(text.as_bytes()).expect("JSON")).expect("a commit")
}

fn labels() -> [String; 3] {
    ["base", "main", "dev"].map(Into::into)
}

#[test]
fn file_groups_of_both_sides_are_conflicts_and_others_are_not() {
    let clash = |ours: &[Commit], theirs: &[Commit]| {
        let conflicts = plan::groups(&touched(ours), &touched(theirs), &labels());
        conflicts
            .iter()
            .map(|conflict| format!("{} {}", conflict.kind, conflict.key))
            .collect::<Vec<_>>()
            .join("; ")
    };
    let one = commit("1", "UPSERT", "~g p 1");
    assert_eq!(clash(from_ref(&one), &[commit("2", "INSERT", "+h p 1")]), "");
    assert_eq!(clash(from_ref(&one), &[commit("2", "UPSERT", "~g q 1")]), "");
    let both = r#"row-conflict {"partition":"p","file_group":"g"}"#;
    assert_eq!(clash(from_ref(&one), &[commit("2", "DELETE", "~g p 0")]), both);
    assert_eq!(clash(from_ref(&one), &[commit("2", "CLUSTER", "+h p 3, -g p")]), both);
    assert_eq!(
        clash(
            &[commit("1", "INSERT", "+x p 1"), one],
            &[commit("2", "INSERT", "+y p 1"), commit("3", "UPSERT", "~g p 1")]
        ),
        both
    );
}

#[test]
fn what_was_overwritten_is_not_written_to_by_the_other_side() {
    let found = |ours: Commit, is_replace: bool, theirs: Commit| {
        let conflicts =
            plan::overwrites([&[(ours, is_replace)], &[(theirs, false)]], &labels(), &BTreeSet::new());
        conflicts.iter().map(|conflict| conflict.key.clone()).collect::<Vec<_>>().join("; ")
    };
    let insert = || commit("2", "INSERT", "+h q 1");
    assert_eq!(
        found(commit("1", "INSERT_OVERWRITE", "+x q 1, -g q"), true, insert()),
        r#"{"partition":"q"}"#
    );
    assert_eq!(found(commit("1", "INSERT_OVERWRITE", "+x p 1, -g p"), true, insert()), "");
    assert_eq!(
        found(commit("1", "INSERT_OVERWRITE_TABLE", "+x p 1, -g p"), true, insert()),
        r#"{"partition":"q"}"#
    );
    assert_eq!(found(commit("1", "DELETE_PARTITION", "-g q"), true, insert()), r#"{"partition":"q"}"#);
    assert_eq!(found(commit("1", "CLUSTER", "+x q 1, -g q"), true, insert()), "");
    assert_eq!(found(commit("1", "UPSERT", "~g q 1"), false, insert()), "");
}

#[test]
fn the_last_file_of_a_group_is_that_of_its_last_commit() {
    let groups = touched(&[
        commit("1", "INSERT", "+g p 1"),
        commit("2", "UPSERT", "~g p 1"),
        commit("3", "CLUSTER", "+h p 1, -g p"),
    ]);
    let told: Vec<_> = groups
        .iter()
        .map(|(group, of)| (group.file_id.as_str(), of.last.is_some(), of.inserted, of.by.len()))
        .collect();
    assert_eq!(told, [("g", false, true, 3), ("h", true, true, 1)]);
}

#[test]
fn commits_that_are_not_understood_say_why() {
    let read = |text: &str| Commit::of("1", &Value::read(text.as_bytes()).expect("JSON"));
    let stats = |stat: &str| read(&format!(r#"{{"partitionToWriteStats": {{"p": [{stat}]}}}}"#));
    assert!(matches!(read("{}"), Err(Unmergeable::Broken(_))));
    let log = r#"{"fileId": "g", "path": "p/.g_00000000000000001.log.1_0-1-0"}"#;
    assert!(matches!(stats(log), Err(Unmergeable::LogFiles(_))));
    let elsewhere = r#"{"fileId": "h", "path": "p/g_1-0-1_00000000000000001.parquet"}"#;
    assert!(matches!(stats(elsewhere), Err(Unmergeable::Broken(_))));
    let changes =
        r#"{"fileId": "g", "path": "p/g_1-0-1_00000000000000001.parquet", "cdcStats": {"p/.g.cdc": 1}}"#;
    assert!(matches!(stats(changes), Err(Unmergeable::ChangeDataCapture(_))));
    let history = r#"{"partitionToWriteStats": {}, "extraMetadata": {"latest_schema": "x"}}"#;
    assert_eq!(read(history), Err(Unmergeable::SchemaOnRead));
}

#[test]
fn avro_says_what_json_says() {
    let commit = Commit::of("1", &Value::read(AVRO).expect("Avro")).expect("a commit");
    assert_eq!(commit.operation, "insert_overwrite");
    assert_eq!((commit.writes.len(), commit.replaced.len()), (1, 1));
    assert_eq!((commit.writes[0].records, commit.writes[0].inserts), (1, 1));
    assert_eq!(commit.writes[0].file.group.partition, "city=ulm");
    assert!(commit.schema.is_some_and(|schema| schema.contains("orders_record")));
    assert!(commit.partitions.contains("city=ulm"));
}

#[test]
fn broken_avro_is_an_error_or_another_value_and_never_a_panic() {
    for at in 0..AVRO.len() {
        let mut bytes = AVRO.to_vec();
        bytes[at] ^= 0xff;
        let _ = Value::read(&bytes).map(|value| Commit::of("1", &value));
        assert!(at == 0 || Value::read(&AVRO[..at]).is_err(), "cut at {at}");
    }
}
