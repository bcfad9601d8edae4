//! What a diff may use: memory, disk, and bytes that it reads.

use anabranch_delta::RowBudget;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_memory_goes_to_disk_or_is_refused() {
    let rows =
        |name: &'static str| (0..30_000).map(|id| (id, (name, Some(id)))).collect::<Vec<(i64, Cells)>>();
    let mut changed = rows("a");
    changed[7].1.0 = "b";
    let mut case = Case::new(&state([("a.parquet", &rows("a"))]), &state([("b.parquet", &changed)]), keys());
    case.merger = DeltaMerger::with_budget(RowBudget { memory_bytes: 1 << 18, ..RowBudget::default() });
    let refused = case.ask(&everything()).await.unwrap_err();
    assert!(
        matches!(&refused, RowDiffError::TooLarge(why) if why.contains("bytes of memory")),
        "{refused:?}"
    );
    let folder = tempfile::tempdir().unwrap();
    let spilling =
        RowBudget { memory_bytes: 4 << 20, folder: Some(folder.path().to_owned()), disk_bytes: 1 << 30 };
    case.merger = DeltaMerger::with_budget(spilling);
    let page = case.all().await;
    assert_eq!((page.totals, page.rows.len()), (totals(0, 0, 1, 1), 1));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left on disk");
}
