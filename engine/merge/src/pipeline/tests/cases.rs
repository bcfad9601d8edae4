use expect_test::{Expect, expect};

use super::*;

async fn outcome(lake: &Lake, text: &str, change: impl FnOnce(&mut PipelineInput<'_>)) -> PipelineOutcome {
    let (bases, ours, theirs) = lake.parse(text);
    let bases: Vec<Tree> = bases.iter().map(|base| lake.tree(base)).collect();
    let mut input = lake.input(&bases[0], &lake.tree(&ours), &lake.tree(&theirs));
    change(&mut input);
    match bases.len() {
        1 => merge_trees(&lake.session, &input).await.unwrap(),
        _ => merge_over_bases(&lake.session, &bases, &input).await.unwrap(),
    }
}

async fn check_with(
    registry: Registry,
    text: &str,
    change: impl FnOnce(&mut PipelineInput<'_>),
    expected: Expect,
) {
    let lake = Lake::new(registry);
    let outcome = outcome(&lake, text, change).await;
    expected.assert_eq(&lake.show(&outcome).await);
}

async fn check_merge(text: &str, expected: Expect) {
    check_with(registry(), text, |_| (), expected).await;
}

#[tokio::test]
async fn objects_are_merged_one_by_one() {
    check_merge("base: a=1 b=2 | ours: a=9 | theirs: -b", expect!["a=9"]).await;
    check_merge("base: a=1 b=1 c=1 | ours: -a | theirs: -b d=1", expect!["c=1 d=1"]).await;
    check_merge("base: a=1 | ours: a=2 x=5 | theirs: a=2 x=5", expect!["a=2 x=5"]).await;
    check_merge(
        "base: a=1 b=1 c=1 | ours: a=2 -b d=2 | theirs: a=3 b=3 d=3 -c",
        expect![[r#"
            a=2 d=2
            ! object-conflict: a: changed differently on main and dev (ours theirs base object)
            ! object-conflict: b: removed on main, changed on dev (ours theirs base object)
            ! object-conflict: d: added with different content on main and dev (ours theirs object)"#]],
    )
    .await;
}

#[tokio::test]
async fn a_table_that_one_side_changed_is_taken_whole() {
    check_merge(
        "base: t/#0=a t/p=1 | ours: x=1 | theirs: t/#1=b t/q=2 -t/p",
        expect![[r#"
        t/#0=a t/#1=b t/q=2 x=1
        [t] Theirs"#]],
    )
    .await;
    check_merge(
        "base: t/#0=a t/p=1 | ours: t/#1=b | theirs: x=1",
        expect![[r#"
        t/#0=a t/#1=b t/p=1 x=1
        [t] Ours"#]],
    )
    .await;
    check_merge(
        "base: t/#0=a t/p=1 x=1 | ours: x=2 | theirs: -t/#0 -t/p",
        expect![[r#"
        x=2
        [t] Theirs"#]],
    )
    .await;
}

#[tokio::test]
async fn what_both_changed_alike_in_a_table_counts_for_nobody() {
    check_merge(
        "base: t/#0=a t/p=1 | ours: t/#1=b -t/p | theirs: t/#1=b t/#2=c -t/p",
        expect![[r#"
        t/#0=a t/#1=b t/#2=c
        [t] Theirs"#]],
    )
    .await;
    check_merge(
        "base: t/#0=a t/p=1 | ours: t/#1=b t/q=2 -t/p | theirs: t/#1=b -t/p",
        expect![[r#"
        t/#0=a t/#1=b t/q=2
        [t] Ours"#]],
    )
    .await;
}

#[tokio::test]
async fn a_table_that_both_changed_goes_to_its_merger() {
    check_merge(
        "base: t/#0=a | ours: t/#1=o t/o=1 | theirs: t/#1=t t/t=2",
        expect![[r#"
        t/#0=a t/#1=o t/#2=t t/o=1 t/t=2
        [t] Merged by append"#]],
    )
    .await;
    check_merge(
        "base: t/#0=a t/p=1 | ours: t/p=2 | theirs: t/p=3 y=1",
        expect![[r#"
        t/#0=a t/p=2 y=1
        [t] Conflicts by append
        ! data-file-path-collision: t/p: two files of one name (ours theirs)"#]],
    )
    .await;
}

#[tokio::test]
async fn a_table_that_no_merger_takes_is_one_conflict() {
    let text = "base: t/#0=a | ours: t/#1=o t/o=1 | theirs: t/#1=t t/t=2 x=1";
    check_with(Registry::new(), text, |_| (), expect![[r#"
        t/#0=a t/#1=o t/o=1 x=1
        [t] Conflicts
        ! structure-conflict: t: both sides changed the Delta table, and no merger takes it (ours theirs base)"#]]).await;
    // The log of one side and the data of the other never meet, also without one equal path.
    check_with(Registry::new(), "base: t/#0=a | ours: t/#1=o | theirs: t/zz=2", |_| (), expect![[r#"
        t/#0=a t/#1=o
        [t] Conflicts
        ! structure-conflict: t: both sides changed the Delta table, and no merger takes it (ours theirs base)"#]]).await;
    let iceberg = "base: i/metadata/v1.metadata.json=a | ours: i/data/o=1 | theirs: i/data/t=1";
    check_with(registry(), iceberg, |_| (), expect![[r#"
        i/data/o=1 i/metadata/v1.metadata.json=a
        [i] Conflicts
        ! structure-conflict: i: both sides changed the Iceberg table, and no merger takes it (ours theirs base)"#]]).await;
    let hudi = "base: h/.hoodie/hoodie.properties=a | ours: h/o=1 | theirs: h/t=1";
    check_with(registry(), hudi, |_| (), expect![[r#"
        h/.hoodie/hoodie.properties=a h/o=1
        [h] Conflicts
        ! structure-conflict: h: both sides changed the Hudi table, and no merger takes it (ours theirs base)"#]]).await;
}

#[tokio::test]
async fn a_table_that_appears_or_goes_is_never_joined_with_other_objects() {
    check_merge("base: t/#0=a t/p=1 | ours: -t/#0 -t/p | theirs: t/#1=t", expect![[r#"

        [t] Conflicts
        ! table-deleted-modified: t: the Delta table was removed on main and changed on dev (ours theirs base)"#]]).await;
    check_merge("base: t/#0=a t/p=1 | ours: -t/#0 | theirs: t/#1=t", expect![[r#"
        t/p=1
        [t] Conflicts
        ! table-damaged: t: the Delta log is gone on main but other objects are left; dev changed it (ours theirs base)"#]]).await;
    check_merge("base: t/p=1 | ours: t/q=1 | theirs: t/#0=add-p", expect![[r#"
        t/p=1 t/q=1
        [t] Conflicts
        ! structure-conflict: t: dev made the folder a Delta table, and main changed other objects in it (ours theirs base)"#]]).await;
    check_merge(
        "base: x=1 | ours: t/#0=a | theirs: t/metadata/v1.metadata.json=b",
        expect![[r#"
        t/#0=a x=1
        [t] Conflicts
        ! structure-conflict: t: its format is Delta on main and Iceberg on dev (ours theirs base)"#]],
    )
    .await;
}

#[tokio::test]
async fn tables_within_tables_are_units_of_their_own() {
    check_merge(
        "base: t/#0=a t/n/#0=b | ours: t/#1=o t/n/#1=x | theirs: t/n/#1=y t/n/q=1",
        expect![[r#"
        t/#0=a t/#1=o t/n/#0=b t/n/#1=x t/n/#2=y t/n/q=1
        [t] Ours
        [t/n] Merged by append"#]],
    )
    .await;
    check_merge(
        "base: t/#0=a t/n/#0=b | ours: t/n/#1=x | theirs: t/#1=y t/q=1",
        expect![[r#"
        t/#0=a t/#1=y t/n/#0=b t/n/#1=x t/q=1
        [t] Theirs
        [t/n] Ours"#]],
    )
    .await;
}

#[tokio::test]
async fn the_whole_repository_can_be_a_table() {
    check_merge(
        "base: #0=a | ours: #1=o | theirs: #1=t _anabranch/x=1",
        expect![[r#"
        _anabranch/x=1 #0=a #1=o #2=t
        [] Merged by append"#]],
    )
    .await;
}

#[tokio::test]
async fn strategies_take_a_side_whole_and_only_for_what_conflicts() {
    let text =
        "base: t/#0=a u/#0=a a=1 b=1 | ours: t/#1=o t/o=1 a=2 u/#1=o | theirs: t/#1=t t/#2=t t/t=2 a=3 b=3";
    for strategy in [Strategy::DestWins, Strategy::SourceWins] {
        let expected = match strategy {
            Strategy::DestWins => expect![[r#"
                a=2 b=3 t/#0=a t/#1=o t/o=1 u/#0=a u/#1=o
                [t] TookOurs
                [u] Ours"#]],
            Strategy::SourceWins => expect![[r#"
                a=3 b=3 t/#0=a t/#1=t t/#2=t t/t=2 u/#0=a u/#1=o
                [t] TookTheirs
                [u] Ours"#]],
        };
        check_with(Registry::new(), text, |input| input.strategy = Some(strategy), expected).await;
    }
}

#[tokio::test]
async fn rules_name_mergers_and_options() {
    // The words of a case are split at spaces, so the lines of a file end with `~`.
    let rules = |rule: &str| rule.replace(' ', "~");
    let text = rules("[[rule]] path='t/' merge='append' options={fail='too_large'}");
    let merge = format!("base: _anabranch/merge.toml={text} t/a=1 | ours: t/b=1 | theirs: t/c=1");
    check_merge(
        &merge,
        expect![[r#"
        _anabranch/merge.toml=[[rule]]~path='t/'~merge='append'~options={fail='too_large'} t/a=1 t/b=1
        [t] Conflicts by append
        ! merger-failed: t: too_large ()"#]],
    )
    .await;
    let text = rules("[[rule]] path='t/' merge='append' on-failure='conflict' options={fail='too_large'}");
    let merge = format!("base: _anabranch/merge.toml={text} t/a=1 | ours: t/b=1 | theirs: t/c=1");
    let theirs = Some(Strategy::SourceWins);
    check_with(registry(), &merge, |input| input.strategy = theirs, expect![[r#"
        _anabranch/merge.toml=[[rule]]~path='t/'~merge='append'~on-failure='conflict'~options={fail='too_large'} t/a=1 t/c=1
        [t] TookTheirs by append"#]]).await;
    let text = rules("[[rule]] path='**/*.txt' merge='text'");
    let merge = format!(
        "base: _anabranch/merge.toml={text} d/n.txt=a~b~c | ours: d/n.txt=x~b~c | theirs: d/n.txt=a~b~y"
    );
    check_merge(
        &merge,
        expect![[r#"
        _anabranch/merge.toml=[[rule]]~path='**/*.txt'~merge='text' d/n.txt=x~b~y
        [d/n.txt] Merged by text"#]],
    )
    .await;
    let merge = format!("base: _anabranch/merge.toml={text} n.txt=a | ours: n.txt=b | theirs: n.txt=c");
    check_merge(&merge, expect![[r#"
        _anabranch/merge.toml=[[rule]]~path='**/*.txt'~merge='text' n.txt=b
        [n.txt] Conflicts by text
        ! text-conflict: n.txt {"line":1,"lines":1}: both sides changed line 1 of the base (ours theirs base object)"#]]).await;
    let text = rules("[[rule]] path='t/' merge='nobody'");
    let merge = format!("base: _anabranch/merge.toml={text} t/a=1 | ours: t/b=1 | theirs: t/c=1");
    check_merge(&merge, expect![[r#"
        _anabranch/merge.toml=[[rule]]~path='t/'~merge='nobody' t/a=1 t/b=1
        [t] Conflicts by nobody
        ! merger-failed: t: _anabranch/merge.toml names merger "nobody", which this server does not have ()"#]]).await;
}

#[tokio::test]
async fn a_merger_that_leaves_its_unit_has_failed() {
    let text = "[[rule]]~path='t/'~options={edit='n/x'}";
    let merge = format!(
        "base: _anabranch/merge.toml={text} t/#0=a t/n/#0=b | ours: t/#1=o t/n/o=1 | theirs: t/#1=t t/n/t=1"
    );
    check_merge(
        &merge,
        expect![[r#"
        _anabranch/merge.toml=[[rule]]~path='t/'~options={edit='n/x'} t/#0=a t/#1=o t/n/#0=b t/n/o=1 t/n/t=1
        [t] Conflicts by append
        [t/n] Merged by append
        ! merger-failed: t: the merger of t edited t/n/x, which belongs to t/n ()"#]],
    )
    .await;
}

#[tokio::test]
async fn a_file_of_a_table_is_never_merged_on_its_own() {
    let rules = "[[rule]] path='t/*' merge='text'".replace(' ', "~");
    let conflicts = async |marker: &str| -> Vec<String> {
        let text = format!(
            "base: _anabranch/merge.toml={rules} t/{marker}=1 t/d=a~b~c | ours: t/d=x~b~c | theirs: t/d=a~b~y"
        );
        let lake = Lake::new(Registry::new().with(Arc::new(TextMerger)));
        let outcome = outcome(&lake, &text, |_| ()).await;
        outcome.conflicts().iter().map(|conflict| format!("{} {}", conflict.kind, conflict.path)).collect()
    };
    let markers =
        ["#0", "metadata/1.metadata.json", ".hoodie/x", "_versions/1.manifest", ".zgroup", "zarr.json"];
    for marker in markers {
        assert_eq!(conflicts(marker).await, ["structure-conflict t"], "{marker}");
    }
    assert!(conflicts("other").await.is_empty());
}

#[tokio::test]
async fn rules_that_are_not_valid_stop_the_merge() {
    let lake = Lake::new(registry());
    let (bases, ours, theirs) = lake.parse("base: _anabranch/merge.toml=[[rul | ours: a=1 | theirs: b=1");
    let (base, ours, theirs) = (lake.tree(&bases[0]), lake.tree(&ours), lake.tree(&theirs));
    let error = merge_trees(&lake.session, &lake.input(&base, &ours, &theirs)).await.unwrap_err();
    assert!(error.to_string().starts_with("_anabranch/merge.toml on main is not valid"), "{error}");
}

#[tokio::test]
async fn a_clients_transaction_merges_logs_that_fit_together() {
    let tx = |input: &mut PipelineInput<'_>| input.mode = Mode::for_source("delta-tx-0f1e");
    let fits = "base: t/#0=a | ours: t/#1=o t/o=1 | theirs: t/#2=t t/t=1";
    check_with(
        registry(),
        fits,
        tx,
        expect![[r#"
        t/#0=a t/#1=o t/#2=t t/o=1 t/t=1
        [t] Merged"#]],
    )
    .await;
    let taken = "base: t/#0=a | ours: t/#1=o t/o=1 | theirs: t/#1=t t/t=1";
    check_with(registry(), taken, tx, expect![[r#"
        t/#0=a t/#1=o t/o=1
        [t] Conflicts
        ! structure-conflict: t {"version":1}: the logs of main and dev do not fit together: version 1 has two contents (ours theirs base)
        ! object-conflict: t/_delta_log/00000000000000000001.json: added with different content on main and dev (ours theirs)"#]]).await;
    let hints = "base: t/#0=a | ours: t/#1=o t/_delta_log/_last_checkpoint=1 | theirs: t/#2=t t/_delta_log/_last_checkpoint=2";
    check_with(
        registry(),
        hints,
        tx,
        expect![[r#"
        t/#0=a t/#1=o t/#2=t t/_delta_log/_last_checkpoint=1
        [t] Merged"#]],
    )
    .await;
    let gap = "base: t/#0=a | ours: t/#1=o | theirs: t/#3=t";
    check_with(registry(), gap, tx, expect![[r#"
        t/#0=a t/#1=o
        [t] Conflicts
        ! structure-conflict: t {"version":2}: the logs of main and dev do not fit together: version 2 is missing before version 3 (ours theirs base)"#]]).await;
}

#[tokio::test]
async fn several_bases_that_disagree_are_ambiguous() {
    // Base 1: theirs changed a. Base 2: ours changed a.
    let text = "base: a=1 b=1 | base: a=2 | ours: b=5 | theirs: a=2";
    check_merge(text, expect![[r#"
        a=1 b=5
        ! ambiguous-base: a: main and dev have several merge bases, which give different answers (ours theirs)"#]]).await;
    check_merge("base: a=1 | base: b=1 | ours: c=1 | theirs: d=1", expect!["a=1 c=1 d=1"]).await;
    let theirs = Some(Strategy::SourceWins);
    check_with(registry(), text, |input| input.strategy = theirs, expect!["a=2 b=5"]).await;
    let tables = "base: t/#0=a | base: t/#1=t t/p=1 | ours: x=1 | theirs: t/#1=t t/p=1";
    check_merge(tables, expect![[r#"
        t/#0=a x=1
        [t] Conflicts
        ! ambiguous-base: t: main and dev have several merge bases, which give different answers (ours theirs)"#]]).await;
}

#[tokio::test]
async fn a_resolution_takes_the_side_it_names_and_ids_follow_the_values() {
    let lake = Lake::new(Registry::new());
    let text = "base: t/#0=a a=1 | ours: t/#1=o a=2 | theirs: t/#1=t a=3";
    let first = outcome(&lake, text, |_| ()).await;
    let chosen = |choice: &str| -> Vec<Resolution> {
        let ids = first.conflicts().iter().map(Conflict::id);
        ids.map(|conflict| Resolution { conflict, choice: choice.into(), value: None, object: None })
            .collect()
    };
    for (choice, expected) in [
        (
            "ours",
            expect![[r#"
            a=2 t/#0=a t/#1=o
            [t] TookOurs"#]],
        ),
        (
            "theirs",
            expect![[r#"
            a=3 t/#0=a t/#1=t
            [t] TookTheirs"#]],
        ),
        (
            "base",
            expect![[r#"
            a=1 t/#0=a
            [t] TookBase"#]],
        ),
        (
            "nonsense",
            expect![[r#"
                a=2 t/#0=a t/#1=o
                [t] Conflicts
                ! object-conflict: a: changed differently on main and dev (ours theirs base object)
                ! structure-conflict: t: both sides changed the Delta table, and no merger takes it (ours theirs base)"#]],
        ),
    ] {
        let (bases, ours, theirs) = lake.parse(text);
        let resolutions = chosen(choice);
        let mut input = lake.input(&lake.tree(&bases[0]), &lake.tree(&ours), &lake.tree(&theirs));
        input.resolutions = &resolutions;
        let outcome = merge_trees(&lake.session, &input).await.unwrap();
        expected.assert_eq(&lake.show(&outcome).await);
    }
    let moved = outcome(&lake, "base: t/#0=a a=1 | ours: t/#1=O a=7 | theirs: t/#1=t a=3", |_| ()).await;
    for (before, after) in first.conflicts().iter().zip(moved.conflicts()) {
        assert_ne!(before.id(), after.id(), "{after}");
    }
}
