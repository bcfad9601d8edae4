//! Files and folders that belong to no merger: for each case what is expected, and what must hold of all.

use std::collections::BTreeSet;

use super::structure_cases::{CASES, FOLDERS};
use super::*;

/// A conflict in one line: its rule, which is its kind where no finer one says more, and its path.
fn line(conflict: &Conflict) -> String {
    format!("{} {}", conflict.rule, conflict.path)
}

fn lines(outcome: &PipelineOutcome) -> Vec<String> {
    let mut lines: Vec<String> = outcome.conflicts().iter().map(line).collect();
    lines.sort();
    lines
}

/// Quotes of JSON, which the notation of the cases has no room for.
fn quoted(text: &str) -> String {
    text.replace("{'", "{\"")
        .replace("'}", "\"}")
        .replace("':[", "\":[")
        .replace("['", "[\"")
        .replace("']", "\"]")
        .replace("],'", "],\"")
}

async fn check_case(name: &str, text: &str, expected: &[String]) {
    let lake = Lake::new(Registry::new());
    let (bases, ours, theirs) = lake.parse(text);
    let (base_tree, ours_tree, theirs_tree) = (lake.tree(&bases[0]), lake.tree(&ours), lake.tree(&theirs));
    let outcome = lake.merge(&base_tree, &ours_tree, &theirs_tree).await;
    assert_eq!(lines(&outcome), expected, "{name}: {text}\n{}", lake.show(&outcome).await);
    let merged = lake.contents(outcome.tree()).await;
    for conflict in outcome.conflicts() {
        assert!(
            conflict.message.contains("main") || conflict.message.contains("dev") || conflict.table.is_some(),
            "{name}: {conflict}"
        );
        assert!(conflict.choices.len() >= 2, "{name}: {conflict}");
    }

    // Swapping sides swaps labels only; an unchanged side takes the other.
    let swapped = lake.merge(&base_tree, &theirs_tree, &ours_tree).await;
    assert_eq!(lines(&swapped), expected, "{name}, swapped: {text}");
    assert_eq!(*lake.merge(&base_tree, &base_tree, &theirs_tree).await.tree(), theirs_tree, "{name}");
    assert_eq!(*lake.merge(&base_tree, &ours_tree, &base_tree).await.tree(), ours_tree, "{name}");

    if expected.is_empty() {
        lost_nothing(name, &bases[0], &ours, &theirs, &merged);
        let again = lake.merge(&theirs_tree, outcome.tree(), &theirs_tree).await;
        assert_eq!(again.tree(), outcome.tree(), "{name}: merging again");
        return;
    }
    // Every choice works: nothing is left to decide, and the places in conflict are as on that side.
    let choices = ["ours", "theirs", "base"];
    for (choice, side) in choices.into_iter().zip([&ours, &theirs, &bases[0]]) {
        let ids = outcome.conflicts().iter().map(Conflict::id);
        let chosen = |conflict| Resolution { conflict, choice: choice.into(), value: None, object: None };
        let resolutions: Vec<Resolution> = ids.map(chosen).collect();
        if outcome.conflicts().iter().any(|conflict| conflict.choices.iter().all(|c| c.id != choice)) {
            continue;
        }
        let mut input = lake.input(&base_tree, &ours_tree, &theirs_tree);
        input.resolutions = &resolutions;
        check_taken(&lake, &input, name, choice, side, outcome.conflicts()).await;
    }
    for (strategy, side) in [(Strategy::DestWins, &ours), (Strategy::SourceWins, &theirs)] {
        let mut input = lake.input(&base_tree, &ours_tree, &theirs_tree);
        input.strategy = Some(strategy);
        check_taken(&lake, &input, name, &format!("{strategy:?}"), side, outcome.conflicts()).await;
    }
}

async fn check_taken(
    lake: &Lake,
    input: &PipelineInput<'_>,
    name: &str,
    choice: &str,
    side: &Contents,
    conflicts: &[Conflict],
) {
    let outcome = merge_trees(&lake.session, input).await.unwrap();
    assert_eq!(lines(&outcome), Vec::<String>::new(), "{name}: {choice}");
    let taken = lake.contents(outcome.tree()).await;
    for conflict in conflicts {
        let own = |contents: &Contents| -> Contents {
            let inside = |key: &str| match conflict.rule.as_str() {
                "object-conflict" => key == conflict.path,
                "case-only" => key.to_lowercase() == conflict.path.to_lowercase(),
                "file-and-folder" => key == conflict.path || key.starts_with(&format!("{}/", conflict.path)),
                rule if rule.starts_with("partition") => {
                    key.rsplit_once('/').map_or("", |(folder, _)| folder) == conflict.path
                }
                _ => key.starts_with(&format!("{}/", conflict.path)),
            };
            contents.iter().filter(|(key, _)| inside(key)).map(|(k, e)| (k.clone(), e.clone())).collect()
        };
        assert_eq!(own(&taken), own(side), "{name}: {choice} of {conflict}");
    }
}

/// A clean merge holds every edit of either side; markers and checksum files aside, of which one may stand for another.
fn lost_nothing(name: &str, base: &Contents, ours: &Contents, theirs: &Contents, merged: &Contents) {
    let keys: BTreeSet<&String> = base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
    for key in keys.into_iter().filter(|key| !key.ends_with(".crc")) {
        let [was, our, their] = [base.get(key), ours.get(key), theirs.get(key)];
        let held = merged.get(key);
        if our == was {
            assert_eq!(held, their, "{name}: {key}");
        } else if their == was {
            assert_eq!(held, our, "{name}: {key}");
        } else {
            assert!(held == our || held == their, "{name}: {key}");
        }
    }
    for (key, entry) in merged.iter().filter(|(key, _)| key.ends_with(".crc") && key.contains("/.")) {
        let data = key.replace("/.", "/").replace(".crc", "");
        let of = |side: &Contents| side.get(key) == Some(entry) && side.get(&data) == merged.get(&data);
        assert!(of(ours) || of(theirs), "{name}: {key} describes other bytes");
    }
}

#[tokio::test]
async fn data_files_of_one_folder() {
    let folders = [
        ("s/d@1", "parquet"),
        ("s/y@1/m@2", "orc"),
        ("d@1", "x"),
        ("raw", "csv"),
        ("deep/in/lake", "parquet"),
        ("j", "json"),
    ];
    let mut count = 0;
    for (folder, ending) in folders {
        for (name, text, in_folder, in_partition) in FOLDERS {
            let put =
                |text: &str| text.replace("F/", &format!("{folder}/")).replace(".E", &format!(".{ending}"));
            let verdict = if folder.contains('@') { in_partition } else { in_folder };
            let expected: Vec<String> = verdict
                .iter()
                .map(|line| put(&line.replace(" F", " F/")).replace('@', "="))
                .map(|line| line.trim_end_matches('/').to_owned())
                .map(|line| line.replace("//", "/"))
                .collect();
            check_case(&format!("{name} in {folder}"), &put(text), &expected).await;
            count += 1;
        }
    }
    println!("{count} cases");
    assert_eq!(count, 6 * FOLDERS.len());
}

#[tokio::test]
async fn everything_else() {
    for (name, text, expected) in CASES {
        let expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        check_case(name, &quoted(text), &expected).await;
    }
    println!("{} cases", CASES.len());
    assert!(CASES.len() >= 95, "{} cases", CASES.len());
}
