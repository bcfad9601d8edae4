//! Memory and disk have limits, and these are kept.

use anabranch_merge::{FailureReason, MergeOutcome};
use anabranch_parquet::{ParquetMerger, RowBudget};

use crate::support::{case, stock_file};

fn backwards(from: i64, to: i64) -> String {
    (from..to).rev().map(|id| format!("{id}:a-note-that-takes-some-room-{id}:{id} ")).collect()
}

#[tokio::test]
async fn rows_that_do_not_fit_go_to_the_disk_or_fail_with_the_limit() {
    let base = backwards(0, 30_000);
    let case = case(stock_file(&base), stock_file(&backwards(0, 30_001)), stock_file(&backwards(1, 30_000)));
    let without = RowBudget { memory_bytes: 4 << 20, ..RowBudget::default() };
    match case.run(&ParquetMerger::with_budget(without)).await {
        MergeOutcome::Failed(failure) => {
            assert_eq!(failure.reason, FailureReason::Limit);
            assert!(failure.message.contains("no folder is set up"), "{}", failure.message);
        }
        other => panic!("{other:?}"),
    }
    let folder = tempfile::tempdir().unwrap();
    let with =
        RowBudget { memory_bytes: 8 << 20, folder: Some(folder.path().to_owned()), disk_bytes: 1 << 30 };
    let merger = ParquetMerger::with_budget(with);
    let outcome = case.run(&merger).await;
    assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{outcome:?}");
    assert!(merger.row_meter().spilled_bytes() > 0);
    assert!(merger.row_meter().memory_bytes_peak() <= 8 << 20, "{}", merger.row_meter().memory_bytes_peak());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[tokio::test]
async fn what_is_sorted_already_takes_no_memory_for_sorting() {
    let sorted = |from: i64, to: i64| -> String { (from..to).map(|id| format!("{id}:n:{id} ")).collect() };
    let case =
        case(stock_file(&sorted(0, 30_000)), stock_file(&sorted(0, 30_001)), stock_file(&sorted(1, 30_000)));
    let merger = ParquetMerger::with_budget(RowBudget { memory_bytes: 8 << 20, ..RowBudget::default() });
    let outcome = case.run(&merger).await;
    assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{outcome:?}");
    assert_eq!(merger.row_meter().memory_bytes_peak(), 0);
}

#[tokio::test]
async fn a_merged_file_that_is_too_large_is_refused() {
    let sorted = |from: i64, to: i64| -> String {
        (from..to).map(|id| format!("{id}:note-{}:{id} ", id * 7_919)).collect()
    };
    let case =
        case(stock_file(&sorted(0, 3_000)), stock_file(&sorted(0, 3_001)), stock_file(&sorted(1, 30_000)));
    let merger = ParquetMerger::with_budget(RowBudget { memory_bytes: 1 << 19, ..RowBudget::default() });
    match case.run(&merger).await {
        MergeOutcome::Failed(failure) => {
            assert_eq!(failure.reason, FailureReason::Limit);
            assert!(failure.message.contains("limits.rows_bytes"), "{}", failure.message);
        }
        other => panic!("{other:?}"),
    }
}
