//! Where write skew may have happened, a note says so; never a conflict, unless the table is serializable.

use super::*;

fn by(predicate: &'static str, step: Step) -> Step {
    Step::Where(predicate, Box::new(step))
}

/// The notes about write skew of a merge and of the same with the sides swapped.
async fn notes(ours: &[Step], theirs: &[Step], options: serde_json::Value) -> [Vec<String>; 2] {
    let of = |outcome: MergeOutcome| match outcome {
        MergeOutcome::Merged { report, .. } | MergeOutcome::Conflicts { report, .. } => {
            report.notes.into_iter().filter(|note| note.starts_with("possible-write-skew")).collect()
        }
        MergeOutcome::Failed(failure) => panic!("{failure:?}"),
    };
    let case = appended(&base_table(), ours, theirs, options);
    [of(case.run(&DeltaMerger::new()).await), of(case.swapped().run(&DeltaMerger::new()).await)]
}

async fn warned(ours: &[Step], theirs: &[Step]) -> bool {
    let [notes, swapped] = notes(ours, theirs, json!({"keys": "id"})).await;
    assert_eq!(notes.len(), swapped.len(), "{notes:#?}\n{swapped:#?}");
    !notes.is_empty()
}

fn number(ids: &[i64], n: i64) -> Step {
    Step::Number(ids.iter().copied().collect(), Some(n))
}

fn delete(ids: &[i64]) -> Step {
    Step::Delete(ids.iter().copied().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_commit_would_have_read_is_told() {
    let ours = [Step::Append(20, ("a".into(), Some(500))), Step::Append(21, ("a".into(), Some(700)))];
    let theirs = [by("n >= 0 AND id < 7", delete(&[6])), by("n > 400", number(&[7], 3))];
    let [found, swapped] = notes(&ours, &theirs, json!({"keys": "id"})).await;
    assert_eq!(
        found,
        [
            "possible-write-skew: theirs' version 2 (UPDATE) went by the rows where n > 400, and ours wrote 2 such rows that \
          it did not see; with isolation = \"serializable\" in merge.toml this is a conflict"
        ]
    );
    assert_eq!(
        swapped,
        [found[0].replace("and ours wrote", "and theirs wrote").replace("theirs' version", "ours' version")]
    );
    // What asks for more gets the conflict instead.
    let options = json!({"keys": "id", "isolation": "serializable"});
    assert_eq!(notes(&ours, &theirs, options).await, [[""; 0], [""; 0]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_there_are_not_new_in_another_file() {
    // Ours wrote the file of rows 0 to 5 anew.
    let ours = [number(&[1], 500)];
    assert!(!warned(&ours, &[by("id = 2", delete(&[2]))]).await);
    assert!(!warned(&ours, &[by("n > 600", number(&[3], 1))]).await);
    assert!(warned(&ours, &[by("n > 400", number(&[3], 1))]).await, "row 1 is such a row now");
    assert!(
        warned(&ours, &[by("id IN (1, 2)", Step::Rename([1, 2].into(), "b".into()))]).await,
        "row 1 had another value"
    );
    assert!(!warned(&[Step::Optimize], &[by("id < 9", delete(&[2]))]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_say_what_was_read_is_not_told() {
    let ours = [append(20, "a")];
    for theirs in [
        delete(&[2]),
        append(30, "b"),
        by("", delete(&[2])),
        by("[\"(id#480L >= 5)\"]", delete(&[5])),
        by("id / 2 > 3", delete(&[8])),
        by("nope > 3", delete(&[8])),
        by("id <", delete(&[8])),
    ] {
        assert!(!warned(&ours, std::slice::from_ref(&theirs)).await, "{theirs:?}");
    }
    assert!(warned(&ours, &[by("id > 19", delete(&[8]))]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_beside_conflicts_and_files_that_cannot_hold_such_rows_are_not_read() {
    let theirs = [by("n > 400", Step::Rename([1].into(), "c".into()))];
    let ours = [Step::Rename([1].into(), "b".into()), Step::Append(20, ("a".into(), Some(500)))];
    assert!(warned(&ours, &theirs).await);
    let theirs = [by("id < 12", number(&[1], 5))];
    let case = appended(&base_table(), &[append(20, "a"), append(21, "b")], &theirs, json!({}));
    let open = case.open();
    assert!(matches!(open.run(&DeltaMerger::new()).await, MergeOutcome::Merged { .. }));
    let read =
        open.ours.accesses().into_iter().filter(|one| one.method == "read" && one.path.ends_with(".parquet"));
    assert_eq!(read.count(), 0);
    // A warning never stands in the way: a file that cannot be read for it is one that nobody asked for.
    let mut case = appended(&base_table(), &[append(20, "a")], &[by("n > 3", number(&[1], 5))], json!({}));
    let path = case.ours.keys().find(|path| path.starts_with("ours-")).unwrap().clone();
    let length = case.ours[&path].len();
    case.ours.insert(path, vec![0; length].into());
    let outcome = case.run(&DeltaMerger::new()).await;
    assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{outcome:#?}");
}
