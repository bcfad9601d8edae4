//! What a diff may use: memory, disk, and bytes that it reads.

use std::sync::Mutex;

use anabranch_delta::RowBudget;
use anabranch_merge::{UnitView, ViewError};
use anabranch_types::Entry;
use bytes::Bytes;

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

/// Rows of one key are compared together, so they have to fit; without keys equal rows are counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_more_rows_than_fit_is_named_with_the_limit() {
    let rows = |name: &'static str| (0..60_000).map(|n| (7, (name, Some(n)))).collect::<Vec<(i64, Cells)>>();
    let equal = |name: &'static str, count| vec![(7, (name, None)); count];
    let folder = tempfile::tempdir().unwrap();
    let budget =
        || RowBudget { memory_bytes: 4 << 20, folder: Some(folder.path().to_owned()), disk_bytes: 1 << 30 };
    let case = |before: &[(i64, Cells)], after: &[(i64, Cells)], options| {
        let mut case = Case::new(&state([("a.parquet", before)]), &state([("b.parquet", after)]), options);
        case.merger = DeltaMerger::with_budget(budget());
        case
    };
    let refused = case(&rows("a"), &rows("b"), keys()).ask(&everything()).await.unwrap_err();
    let named = |why: &str| why.contains("bytes of rows share the key {\"id\":7}");
    assert!(matches!(&refused, RowDiffError::TooLarge(why) if named(why)), "{refused:?}");
    let page = case(&equal("a", 60_000), &equal("a", 50_000), json!({})).ask(&everything()).await.unwrap();
    assert_eq!((page.totals, page.rows.len()), (totals(0, 10_000, 0, 0), 1));
}

/// A side that counts what is read of each object.
struct Counting<'a> {
    inner: &'a MemoryUnit,
    read: Mutex<BTreeMap<String, (usize, u64)>>,
}

impl<'a> Counting<'a> {
    fn new(inner: &'a MemoryUnit) -> Counting<'a> {
        Counting { inner, read: Mutex::default() }
    }

    /// Requests and bytes of the data files that were read, by path.
    fn data(&self) -> BTreeMap<String, (usize, u64)> {
        let read = self.read.lock().unwrap().clone();
        read.into_iter().filter(|(path, _)| path.ends_with(".parquet")).collect()
    }
}

#[async_trait::async_trait]
impl UnitView for Counting<'_> {
    fn label(&self) -> &str {
        self.inner.label()
    }

    fn storage(&self) -> [u8; 16] {
        self.inner.storage()
    }

    async fn fingerprint(&self) -> Result<[u8; 32], ViewError> {
        self.inner.fingerprint().await
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, ViewError> {
        self.inner.stat(path).await
    }

    async fn walk(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Entry)>, ViewError> {
        self.inner.walk(prefix, after, limit).await
    }

    async fn read(&self, path: &str, entry: &Entry, offset: u64, length: u64) -> Result<Bytes, ViewError> {
        let bytes = self.inner.read(path, entry, offset, length).await?;
        let mut read = self.read.lock().unwrap();
        let (requests, total) = read.entry(path.to_owned()).or_default();
        *requests += 1;
        *total += bytes.len() as u64;
        Ok(bytes)
    }
}

/// Names of files that live as long as the tests.
fn file_name(number: usize) -> &'static str {
    Box::leak(format!("part-{number:05}.parquet").into_boxed_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_tables_that_differ_in_one_file_only_its_bytes_are_read() {
    let mut seen = Vec::new();
    for files in [2, 400] {
        let rows =
            |file: usize| (0..50).map(|id| (file as i64 * 50 + id, ("a", Some(id)))).collect::<Vec<_>>();
        let all = (0..files).map(|file| (file_name(file), File { rows: rows(file), ..File::default() }));
        let before = State { files: all.collect(), ..State::default() };
        let mut after = before.clone();
        let mut changed = after.files.remove(file_name(1)).unwrap();
        changed.rows[7].1.0 = "b";
        after.files.insert("changed.parquet", changed);
        let case = Case::new(&before, &after, keys());
        let (left, right) = (Counting::new(&case.before), Counting::new(&case.after));
        let changes = entry_changes(&case.before, &case.after);
        let input =
            DiffInput { root: "t", before: &left, after: &right, changes: &changes, options: &case.options };
        let page = case.merger.diff_rows(input, &everything()).await.unwrap();
        assert_eq!((page.totals, page.rows.len()), (totals(0, 0, 1, 1), 1));
        for (side, unit, name) in
            [(&left, &case.before, file_name(1)), (&right, &case.after, "changed.parquet")]
        {
            let read = side.data();
            assert_eq!(read.keys().collect::<Vec<_>>(), [name]);
            let (requests, bytes) = read[name];
            let size = unit.body(name).unwrap().len() as u64;
            assert!(requests <= 6 && bytes <= 2 * size, "{requests} requests, {bytes} of {size} bytes");
        }
        seen.push((left.data()[file_name(1)], right.data()["changed.parquet"]));
    }
    assert_eq!(seen[0].0.0, seen[1].0.0, "as many requests with hundreds of files as with two");
}
