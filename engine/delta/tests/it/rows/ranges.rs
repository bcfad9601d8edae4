//! Rows that are merged in ranges of keys, side by side: the outcome is that of one walk, to the byte.

use super::*;

/// Four files of three rows each, so that there is something to cut.
fn in_four_files() -> Table {
    let row = |id: i64| (id, ("a".to_owned(), Some(0)));
    Table::new(&[0, 3, 6, 9].map(|from| (from..from + 3).map(row).collect::<Rows>()))
}

/// What comes out: the objects of the merged table, or the conflicts.
async fn outcome(case: &UnitCase, ranges: usize, budget: RowBudget) -> Result<Bodies, String> {
    let merged = merge(&DeltaMerger::with_budget(budget).with_ranges(ranges), case).await;
    match &merged.outcome {
        MergeOutcome::Merged { .. } => Ok(merged.bodies),
        MergeOutcome::Conflicts { conflicts, .. } => Err(format!("{conflicts:#?}")),
        MergeOutcome::Failed(failure) => panic!("{failure:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_number_of_ranges_gives_the_same_outcome(
        ours in steps(100),
        theirs in steps(200),
        ranges in 2usize..9,
        keys in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let base = in_four_files();
            let (mut our_table, mut their_table) = (base.fork("ours"), base.fork("theirs"));
            apply(&mut our_table, &ours);
            apply(&mut their_table, &theirs);
            let options = if keys { json!({"keys": ["id"]}) } else { json!({}) };
            let case = unit(&base, &our_table, &their_table, options);
            let one = outcome(&case, 1, RowBudget::default()).await;
            let several = outcome(&case, ranges, RowBudget::default()).await;
            assert!(one == several, "{ours:?} {theirs:?} in {ranges} ranges");
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_files_apart_read_each_file_once() {
    let row = |id: i64| (id, (format!("row {id}"), Some(id)));
    let base =
        Table::new(&[0, 5_000, 10_000, 15_000].map(|from| (from..from + 5_000).map(row).collect::<Rows>()));
    let (mut ours, mut theirs) = (base.fork("ours"), base.fork("theirs"));
    ours.run(&Step::Rename(only([7, 5_007, 10_007, 15_007]), "b".into()));
    theirs.run(&Step::Number(only([8, 5_008, 10_008, 15_008]), None));
    let case = unit(&base, &ours, &theirs, json!({"keys": ["id"]}));
    let reads = async |ranges: usize| {
        let open = case.open();
        let merger = DeltaMerger::new().with_ranges(ranges);
        assert!(matches!(open.run(&merger).await, MergeOutcome::Merged { .. }));
        let all = [&open.base, &open.ours, &open.theirs].map(|unit| unit.accesses());
        all.iter().flatten().filter(|one| one.method == "read" && one.path.ends_with(".parquet")).count()
    };
    let (one, four) = (reads(1).await, reads(4).await);
    // Beside the footers, which say where to cut.
    assert!(four > one && four <= one * 5 / 2, "{one} reads, in four ranges {four}");
    let folder = tempfile::tempdir().unwrap();
    let small =
        RowBudget { memory_bytes: 24 << 20, folder: Some(folder.path().to_owned()), disk_bytes: 1 << 30 };
    assert!(outcome(&case, 1, RowBudget::default()).await == outcome(&case, 4, small).await);
}
