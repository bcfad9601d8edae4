//! Conflicts of structure beside everything else: several bases, client transactions, words and values.

use expect_test::{Expect, expect};

use super::*;

async fn check(text: &str, change: impl FnOnce(&mut PipelineInput<'_>), expected: Expect) {
    let lake = Lake::new(registry());
    let (bases, ours, theirs) = lake.parse(text);
    let bases: Vec<Tree> = bases.iter().map(|base| lake.tree(base)).collect();
    let mut input = lake.input(&bases[0], &lake.tree(&ours), &lake.tree(&theirs));
    change(&mut input);
    let outcome = match bases.len() {
        1 => merge_trees(&lake.session, &input).await.unwrap(),
        _ => merge_over_bases(&lake.session, &bases, &input).await.unwrap(),
    };
    expected.assert_eq(&lake.show(&outcome).await);
}

#[tokio::test]
async fn the_words_of_each_rule() {
    for (text, expected) in [
        (
            "base: s/d@1/a=1 | ours: -s/d@1/a s/d@1/o=2 s/d@1/p=2 | theirs: -s/d@1/a s/d@1/t=3",
            expect![[r#"
                s/d=1/o=2 s/d=1/p=2
                ! structure-conflict: s/d=1: both main and dev overwrote data files of the partition s/d=1 (main: 1 removed, 2 added; dev: 1 removed, 1 added); keep one side's partition, or repeat one side's change on top of the other (ours theirs base)"#]],
        ),
        (
            "base: s/a.csv=1 | ours: s/o.csv=2 | theirs: -s/a.csv s/t.csv=3",
            expect![[r#"
                s/a.csv=1 s/o.csv=2
                ! structure-conflict: s: dev overwrote data files of the folder s, and main appended to what it held before (main: 1 added; dev: 1 removed, 1 added); keep one side's folder, or repeat one side's change on top of the other (ours theirs base)"#]],
        ),
        (
            "base: s/a.csv=1 s/b.csv=1 | ours: -s/a.csv | theirs: -s/a.csv -s/b.csv s/t.csv=3",
            expect![[r#"
                s/b.csv=1
                ! structure-conflict: s: dev overwrote data files of the folder s that main deleted (main: 1 removed; dev: 2 removed, 1 added); keep one side's folder, or repeat one side's change on top of the other (ours theirs base)"#]],
        ),
        (
            "base: s/_metadata=1 s/a.parquet=1 | ours: s/o.parquet=2 | theirs: s/_metadata=2 s/t.parquet=3",
            expect![[r#"
                s/_metadata=1 s/a.parquet=1 s/o.parquet=2
                ! structure-conflict: s: dev wrote s/_metadata, which says what files the dataset has, and main changed others of its files, such as s/o.parquet; keep one side's dataset, or remove s/_metadata and merge again (ours theirs base)"#]],
        ),
        (
            "base: s/d@1/a=1 s/d@2/a=1 | ours: -s/d@1/a | theirs: s/_SUCCESS=done",
            expect![[r#"
            s/d=2/a=1
            ! structure-conflict: s: dev wrote s/_SUCCESS, which vouches for the files below its folder, and main removed all of s/d=1; keep one side's dataset, or remove s/_SUCCESS and merge again (ours theirs base)"#]],
        ),
        (
            "base: x=1 | ours: a/b=1 | theirs: a/b/c=1",
            expect![[r#"
            a/b=1 x=1
            ! structure-conflict: a/b: a/b is a file on main and a folder on dev; keep one side's, or rename one of them on its branch (ours theirs base)"#]],
        ),
        (
            "base: x=1 | ours: Report.csv=1 | theirs: report.csv=2",
            expect![[r#"
            Report.csv=1 x=1
            ! structure-conflict: Report.csv: Report.csv and report.csv differ only by case, and neither main nor dev has all of them; keep one side's, or rename one of them on its branch (ours theirs base)"#]],
        ),
    ] {
        check(text, |_| (), expected).await;
    }
}

#[tokio::test]
async fn a_conflict_of_a_folder_stands_beside_others_and_is_part_of_none() {
    let text = "base: s/d@1/a=1 x=1 t/#0=a | ours: -s/d@1/a s/d@1/o=2 x=2 t/#1=o \
                | theirs: -s/d@1/a s/d@1/t=3 x=3 y=1 t/#1=t";
    check(text, |_| (), expect![[r#"
        s/d=1/o=2 t/#0=a t/#1=o t/#2=t x=2 y=1
        [t] Merged by append
        ! structure-conflict: s/d=1: both main and dev overwrote data files of the partition s/d=1 (main: 1 removed, 1 added; dev: 1 removed, 1 added); keep one side's partition, or repeat one side's change on top of the other (ours theirs base)
        ! object-conflict: x: changed differently on main and dev (ours theirs base object)"#]]).await;
    check(
        text,
        |input| input.strategy = Some(Strategy::SourceWins),
        expect![[r#"
        s/d=1/t=3 t/#0=a t/#1=o t/#2=t x=3 y=1
        [t] Merged by append"#]],
    )
    .await;
}

#[tokio::test]
async fn a_clients_own_transaction_passes_it_by() {
    let text = "base: t/#0=a s/d@1/a=1 | ours: t/#1=o -s/d@1/a s/d@1/o=2 | theirs: t/#2=t -s/d@1/a s/d@1/t=3";
    check(
        text,
        |input| input.mode = Mode::ClientTransaction,
        expect![[r#"
        s/d=1/o=2 s/d=1/t=3 t/#0=a t/#1=o t/#2=t
        [t] Merged"#]],
    )
    .await;
}

#[tokio::test]
async fn bases_that_disagree_about_a_folder_are_ambiguous() {
    // From the first base both overwrote the folder; from the second one, theirs alone did.
    let text = "base: s/d@1/a=1 | base: -s/d@1/a s/d@1/o=2 | ours: -s/d@1/a s/d@1/o=2 z=1 | theirs: -s/d@1/a s/d@1/t=3";
    check(text, |_| (), expect![[r#"
        s/d=1/o=2 z=1
        ! ambiguous-base: s/d=1: main and dev have several merge bases, which give different answers (ours theirs)"#]]).await;
    check(text, |input| input.strategy = Some(Strategy::SourceWins), expect!["s/d=1/t=3 z=1"]).await;
    check(text, |input| input.strategy = Some(Strategy::DestWins), expect!["s/d=1/o=2 z=1"]).await;
}
