//! Memory: more rows than fit are sorted on disk, and what is reserved stays within the budget.

use anabranch_merge::test_support::entry_changes;
use anabranch_merge::{DiffInput, Merger, RowDiffRequest};

use super::*;

const BUDGET: usize = 64 << 20;

/// A table of more than the budget on each side; ours has another name in row 7, theirs lacks row 35,000.
fn large() -> [Table; 3] {
    let row = |id: i64| (id, (format!("{id:08}").repeat(256), Some(id)));
    let base = Table::new(&[(0..18_000).map(row).collect(), (18_000..36_000).map(row).collect()]);
    let bytes: usize = base.rows().values().map(|(name, _)| name.len()).sum();
    assert!(bytes > BUDGET, "{bytes}");
    let (mut ours, mut theirs) = (base.fork("ours"), base.fork("theirs"));
    ours.run(&Step::Rename(only([7, 35_001]), "b".into()));
    theirs.run(&Step::Delete(only([8, 35_000])));
    [base, ours, theirs]
}

fn merger(folder: &std::path::Path) -> DeltaMerger {
    let budget = RowBudget { memory_bytes: BUDGET, folder: Some(folder.to_owned()), disk_bytes: 4 << 30 };
    DeltaMerger::with_budget(budget)
}

fn check_spilled(merger: &DeltaMerger, folder: &std::path::Path) {
    let meter = merger.row_meter();
    assert!(meter.spilled_runs() > 2 && meter.spilled_bytes() > BUDGET as u64, "{meter:?}");
    assert!((BUDGET / 8..=BUDGET).contains(&meter.memory_bytes_peak()), "{meter:?}");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "nothing is left on disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_of_more_rows_than_64_mb_spills_and_stays_within_them() {
    let [base, ours, theirs] = large();
    let folder = tempfile::tempdir().unwrap();
    let merger = merger(folder.path());
    let merged = merge(&merger, &unit(&base, &ours, &theirs, json!({"keys": ["id"]}))).await;
    let MergeOutcome::Merged { report, .. } = &merged.outcome else { panic!("{:#?}", merged.outcome) };
    assert_eq!((report.rows.unwrap().removed, report.verification.clone()), (2, Verification::Agrees));
    let rows = read(&merged.bodies).await;
    assert_eq!((rows.len(), rows[7].1.0.as_str()), (35_998, "b"));
    check_spilled(&merger, folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diff_of_more_rows_than_64_mb_spills_and_stays_within_them() {
    let [base, ours, theirs] = large();
    let open = unit(&base, &ours, &theirs, json!({})).open();
    for (options, expected) in [(json!({"keys": ["id"]}), (0, 0, 2)), (json!({}), (2, 2, 0))] {
        let folder = tempfile::tempdir().unwrap();
        let merger = merger(folder.path());
        let changes = entry_changes(&open.base, &open.ours);
        let input = DiffInput {
            root: "t",
            before: &open.base,
            after: &open.ours,
            changes: &changes,
            options: &options,
        };
        let request = RowDiffRequest { limit: 10, ..RowDiffRequest::default() };
        let totals = merger.diff_rows(input, &request).await.unwrap().totals;
        assert_eq!((totals.added, totals.removed, totals.modified), expected);
        check_spilled(&merger, folder.path());
    }
}
