//! What every backend must do, as plain functions: one suite per trait. Each case panics where the contract is
//! broken. A suite needs an empty store, and a runtime with several threads to be worth its races.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod refs;
pub mod staging;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::{
    Edit, Expect, FenceMark, Operation, Partition, RefUpdate, RefsBackend, RefsError, StagingStore, Version,
    Versioned, WriteId,
};

/// Runs all cases of [`RefsBackend`].
pub async fn refs_backend(store: Arc<dyn RefsBackend>) {
    refs::get_put_and_delete(&*store).await;
    refs::partitions_are_apart(&*store).await;
    refs::bytewise_order_and_pages(&*store).await;
    refs::all_or_none(&*store).await;
    refs::checks(&*store).await;
    refs::versions_never_repeat(&*store).await;
    refs::limits(&*store).await;
    refs::a_write_is_recognised(&*store).await;
    refs::agrees_with_a_model(&*store).await;
    refs::lost_replies(store.clone()).await;
    refs::one_counter(store.clone()).await;
    refs::many_keys(store.clone()).await;
    refs::one_write_id_at_once(store.clone()).await;
    refs::no_write_skew(store).await;
}

/// Runs all cases of [`StagingStore`]; `refs` is the same store.
pub async fn staging_store(refs: Arc<dyn RefsBackend>, staging: Arc<dyn StagingStore>) {
    staging::newest_row_wins(&*refs, &*staging).await;
    staging::nasty_paths_and_pages(&*refs, &*staging).await;
    staging::a_put_can_be_repeated(&*refs, &*staging).await;
    staging::the_fence_moves(&*refs, &*staging).await;
    staging::rows_are_dropped_in_chunks(&*refs, &*staging).await;
    staging::limits(&*refs, &*staging).await;
    staging::conditions(&*refs, &*staging).await;
    staging::a_condition_and_a_moved_head(&*refs, &*staging).await;
    staging::a_condition_bumps_the_record(&*refs, &*staging).await;
    staging::racing_absents(refs.clone(), staging.clone()).await;
    staging::a_condition_races_with_a_merge(refs.clone(), staging.clone()).await;
    staging::a_seal_loses_nothing(refs, staging).await;
}

const WRITERS: usize = 16;

/// Sixteen bytes that no other call gets.
fn fresh() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    u128::from(NEXT.fetch_add(1, Ordering::SeqCst)).to_be_bytes()
}

fn write_id() -> WriteId {
    WriteId(fresh())
}

fn partition(name: &str) -> Partition {
    Partition(name.to_owned())
}

fn put(key: &str, expect: Expect, value: &str) -> Edit {
    let operation = Operation::Put { value: Bytes::copy_from_slice(value.as_bytes()), fence: None };
    Edit { key: key.to_owned(), expect, operation }
}

fn put_fenced(key: &str, expect: Expect, value: &str, mark: FenceMark) -> Edit {
    let operation = Operation::Put { value: Bytes::copy_from_slice(value.as_bytes()), fence: Some(mark) };
    Edit { key: key.to_owned(), expect, operation }
}

fn delete(key: &str, expect: Expect) -> Edit {
    Edit { key: key.to_owned(), expect, operation: Operation::Delete }
}

fn check(key: &str, expect: Expect) -> Edit {
    Edit { key: key.to_owned(), expect, operation: Operation::Check }
}

async fn apply(store: &dyn RefsBackend, partition: &Partition, edits: &[Edit]) -> RefUpdate {
    store.apply(partition, edits, write_id()).await.unwrap()
}

/// Applies one put that must go through; its version.
async fn put_now(store: &dyn RefsBackend, partition: &Partition, edit: Edit) -> Version {
    match apply(store, partition, std::slice::from_ref(&edit)).await {
        RefUpdate::Applied(versions) => versions[0].unwrap(),
        RefUpdate::Rejected { .. } => panic!("{edit:?} was rejected"),
    }
}

async fn text(store: &dyn RefsBackend, partition: &Partition, key: &str) -> Option<String> {
    let found = store.get(partition, key).await.unwrap()?;
    Some(String::from_utf8(found.value.to_vec()).unwrap())
}

/// Keys and paths that text databases get wrong.
fn nasty() -> Vec<String> {
    let mut keys: Vec<String> = [
        "a",
        "a\0",
        "a\0b",
        "a/",
        "a/b",
        "a0",
        "A",
        "B",
        "Z",
        "_",
        "a b",
        "a%",
        "a_",
        "a\\",
        "a'",
        "a\"",
        "a;--",
        "\n",
        " ",
        " a",
        "\u{7f}",
        "e\u{301}",
        "\u{e9}",
        "\u{df}",
        "ss",
        "ﬁ",
        "\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
        "ı",
        "İ",
        "..",
        "../a",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.push("k".repeat(1024));
    keys.push("\u{10ffff}".repeat(256));
    keys
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort_unstable_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    keys
}

fn number(versioned: &Versioned) -> u64 {
    std::str::from_utf8(&versioned.value).unwrap().parse().unwrap()
}

fn is_unknown<T: std::fmt::Debug>(answer: &Result<T, RefsError>) -> bool {
    matches!(answer, Err(RefsError::Unknown { .. }))
}
