//! The cases of [`StagingStore`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{
    Condition, ConditionalRow, Dropped, Fence, Staged, StagedPage, StagedRow, StagedValue, StagingStore,
    Token, VALUE_BYTES_MAX,
};

/// A branch with its fence, as the layers above keep it.
struct Branch {
    fence: Fence,
    mark: FenceMark,
    version: Version,
}

impl Branch {
    async fn new(refs: &dyn RefsBackend, name: &str) -> Branch {
        let (fence, mark) = fence(name);
        let edit = put_fenced(&fence.key, Expect::Absent, "record", mark);
        let version = put_now(refs, &fence.partition, edit).await;
        Branch { fence, mark, version }
    }

    /// Moves the branch to another mark, as a seal or a merge does.
    async fn go(&mut self, refs: &dyn RefsBackend, mark: FenceMark) {
        let edit = put_fenced(&self.fence.key, Expect::Is(self.version), "record", mark);
        self.version = put_now(refs, &self.fence.partition, edit).await;
        self.mark = mark;
        self.fence.token = mark.token;
    }
}

fn fence(name: &str) -> (Fence, FenceMark) {
    let token = Token(fresh());
    let fence = Fence { partition: Partition(format!("branch {name}")), key: "record".to_owned(), token };
    (fence, FenceMark { token, head: [7; 32] })
}

fn row(path: &str, entry: &str) -> StagedRow {
    StagedRow { path: path.to_owned(), value: present(entry) }
}

fn deleted(path: &str) -> StagedRow {
    StagedRow { path: path.to_owned(), value: StagedValue::Deleted }
}

fn present(entry: &str) -> StagedValue {
    StagedValue::Present { entry: Bytes::copy_from_slice(entry.as_bytes()), etag: format!("etag {entry}") }
}

fn conditional(
    branch: &Branch,
    row: StagedRow,
    condition: Condition,
    in_head: Option<&str>,
) -> ConditionalRow {
    let in_head = in_head.map(str::to_owned);
    ConditionalRow { row, condition, sealed: vec![], head: branch.mark.head, in_head }
}

/// Over several areas the newest row of a path counts, a deletion like any other.
pub async fn newest_row_wins(refs: &dyn RefsBackend, staging: &dyn StagingStore) {
    let mut branch = Branch::new(refs, "overlay").await;
    let old = branch.fence.token;
    let rows = [row("a", "old"), row("b", "old"), row("c", "old"), deleted("d")];
    assert_eq!(staging.put(&branch.fence, &rows).await.unwrap(), Staged::Done);
    branch.go(refs, FenceMark { token: Token(fresh()), head: [7; 32] }).await;
    let new = branch.fence.token;
    let rows = [deleted("a"), row("b", "new"), row("d", "new"), row("e", "first"), row("e", "last")];
    assert_eq!(staging.put(&branch.fence, &rows).await.unwrap(), Staged::Done);

    let tokens = [new, old];
    let newest = [deleted("a"), row("b", "new"), row("c", "old"), row("d", "new"), row("e", "last")];
    for row in &newest {
        assert_eq!(staging.get(&tokens, &row.path).await.unwrap().as_ref(), Some(&row.value));
    }
    assert_eq!(staging.get(&tokens, "f").await.unwrap(), None);
    assert_eq!(staging.get(&[], "a").await.unwrap(), None);
    assert_eq!(staging.get(&[old], "a").await.unwrap(), Some(present("old")));
    let page = |rows: &[StagedRow], more| StagedPage { rows: rows.to_vec(), more };
    assert_eq!(staging.scan(&tokens, "", None, 10).await.unwrap(), page(&newest, false));
    assert_eq!(staging.scan(&tokens, "", None, 5).await.unwrap(), page(&newest, false));
    assert_eq!(staging.scan(&tokens, "", None, 2).await.unwrap(), page(&newest[..2], true));
    assert_eq!(staging.scan(&tokens, "", Some("b"), 2).await.unwrap(), page(&newest[2..4], true));
    assert_eq!(staging.scan(&tokens, "b", None, 2).await.unwrap(), page(&newest[1..2], false));
    assert_eq!(staging.scan(&[], "", None, 2).await.unwrap(), page(&[], false));
}

/// Paths of every kind come back, in bytewise order, on pages of every size over two areas.
pub async fn nasty_paths_and_pages(refs: &dyn RefsBackend, staging: &dyn StagingStore) {
    let mut branch = Branch::new(refs, "paths").await;
    let mut tokens = vec![branch.fence.token];
    let mut model = BTreeMap::new();
    for area in 0..2 {
        let rows: Vec<_> = nasty()
            .iter()
            .enumerate()
            .filter(|(n, _)| n % 3 != area)
            .map(|(_, path)| row(path, &area.to_string()))
            .collect();
        assert_eq!(staging.put(&branch.fence, &rows).await.unwrap(), Staged::Done);
        model.extend(rows.into_iter().map(|row| (row.path.clone(), row)));
        if area == 0 {
            branch.go(refs, FenceMark { token: Token(fresh()), head: [7; 32] }).await;
            tokens.insert(0, branch.fence.token);
        }
    }
    for prefix in ["", "a", "a\0", "\u{10ffff}"] {
        let expected: Vec<_> = model.values().filter(|row| row.path.starts_with(prefix)).cloned().collect();
        for limit in [1, 2, 5, 1000] {
            let mut seen: Vec<StagedRow> = Vec::new();
            loop {
                let after = seen.last().map(|row| row.path.clone());
                let page = staging.scan(&tokens, prefix, after.as_deref(), limit).await.unwrap();
                assert!(page.rows.len() <= limit && (!page.more || page.rows.len() == limit));
                seen.extend(page.rows);
                if !page.more {
                    break;
                }
            }
            assert_eq!(seen, expected, "prefix {prefix:?}, limit {limit}");
        }
    }
}

/// The same rows twice are the same rows once.
pub async fn a_put_can_be_repeated(refs: &dyn RefsBackend, staging: &dyn StagingStore) {
    let branch = Branch::new(refs, "repeat").await;
    let rows = [row("a", "1"), deleted("b"), row("a", "2")];
    for _ in 0..3 {
        assert_eq!(staging.put(&branch.fence, &rows).await.unwrap(), Staged::Done);
        let page = staging.scan(&[branch.fence.token], "", None, 10).await.unwrap();
        assert_eq!(page.rows, [row("a", "2"), deleted("b")]);
    }
}

/// A write for an area that is not the open one goes nowhere: sealed, branch gone, no fence, no branch.
pub async fn the_fence_moves(refs: &dyn RefsBackend, staging: &dyn StagingStore) {
    let mut branch = Branch::new(refs, "moves").await;
    let old = branch.fence.clone();
    branch.go(refs, FenceMark { token: Token(fresh()), head: [7; 32] }).await;
    let moved = async |fence: &Fence, why: &str| {
        assert_eq!(staging.put(fence, &[row("a", "lost")]).await.unwrap(), Staged::Moved, "{why}");
        assert_eq!(staging.put(fence, &[]).await.unwrap(), Staged::Moved, "{why}, no rows");
        let write = ConditionalRow {
            row: row("a", "lost"),
            condition: Condition::Absent,
            sealed: vec![],
            head: [7; 32],
            in_head: None,
        };
        assert_eq!(staging.put_if(fence, &write).await.unwrap(), Staged::Moved, "{why}, conditional");
        assert_eq!(staging.get(&[fence.token], "a").await.unwrap(), None, "{why}");
    };
    moved(&old, "sealed").await;
    assert_eq!(staging.put(&branch.fence, &[]).await.unwrap(), Staged::Done);
    let edit = put(&branch.fence.key, Expect::Is(branch.version), "no fence");
    branch.version = put_now(refs, &branch.fence.partition, edit).await;
    moved(&branch.fence, "without fence").await;
    apply(refs, &branch.fence.partition, &[delete(&branch.fence.key, Expect::Any)]).await;
    moved(&branch.fence, "deleted").await;
    moved(&fence("never").0, "never made").await;
}

/// Rows are dropped bit by bit, only those of the area, and dropping nothing is dropping.
pub async fn rows_are_dropped_in_chunks(refs: &dyn RefsBackend, staging: &dyn StagingStore) {
    let mut branch = Branch::new(refs, "drop").await;
    let old = branch.fence.token;
    let rows: Vec<_> = (0..2500).map(|n| row(&format!("path {n}"), "v")).collect();
    assert_eq!(staging.put(&branch.fence, &rows).await.unwrap(), Staged::Done);
    branch.go(refs, FenceMark { token: Token(fresh()), head: [7; 32] }).await;
    assert_eq!(staging.put(&branch.fence, &[row("a", "kept")]).await.unwrap(), Staged::Done);
    let mut calls = 1;
    while staging.drop_chunk(&old).await.unwrap() == Dropped::More {
        calls += 1;
    }
    assert!((2..=100).contains(&calls), "{calls} calls for 2500 rows");
    assert_eq!(staging.scan(&[old], "", None, 10).await.unwrap().rows, []);
    assert_eq!(staging.drop_chunk(&old).await.unwrap(), Dropped::All);
    assert_eq!(staging.drop_chunk(&Token(fresh())).await.unwrap(), Dropped::All);
    assert_eq!(staging.get(&[branch.fence.token], "a").await.unwrap(), Some(present("kept")));
}

/// An entry on the limit is taken, one beyond is refused with all rows beside it.
pub async fn limits(refs: &dyn RefsBackend, staging: &dyn StagingStore) {
    let branch = Branch::new(refs, "limits").await;
    let large = "x".repeat(VALUE_BYTES_MAX);
    let rows = [row("small", "v"), row("large", &large)];
    assert_eq!(staging.put(&branch.fence, &rows).await.unwrap(), Staged::Done);
    assert_eq!(staging.get(&[branch.fence.token], "large").await.unwrap(), Some(present(&large)));
    let rows = [row("other", "v"), row("larger", &format!("{large}x"))];
    let refused = staging.put(&branch.fence, &rows).await;
    assert!(matches!(refused, Err(RefsError::ValueTooLarge { .. })), "{refused:?}");
    assert_eq!(staging.get(&[branch.fence.token], "other").await.unwrap(), None);
    let many: Vec<_> = (0..3000).map(|n| row(&format!("many/{n:05}"), "v")).collect();
    assert_eq!(staging.put(&branch.fence, &many).await.unwrap(), Staged::Done);
    let page = staging.scan(&[branch.fence.token], "many/", None, 5000).await.unwrap();
    assert_eq!((page.rows, page.more), (many, false));
}

/// Conditions are judged over staging, sealed areas and head.
pub async fn conditions(refs: &dyn RefsBackend, staging: &dyn StagingStore) {
    let mut branch = Branch::new(refs, "conditions").await;
    let sealed = branch.fence.token;
    assert_eq!(
        staging.put(&branch.fence, &[row("sealed", "s"), deleted("gone")]).await.unwrap(),
        Staged::Done
    );
    branch.go(refs, FenceMark { token: Token(fresh()), head: [8; 32] }).await;
    let write = async |path: &str, entry: &str, condition: Condition, in_head: Option<&str>| {
        let mut write = conditional(&branch, row(path, entry), condition, in_head);
        write.sealed = vec![sealed];
        staging.put_if(&branch.fence, &write).await.unwrap()
    };
    let refused = |actual: Option<&str>| Staged::Refused { actual: actual.map(str::to_owned) };
    let matches = |etag: &str| Condition::Matches(etag.to_owned());
    assert_eq!(write("new", "1", matches("etag 1"), None).await, refused(None));
    assert_eq!(write("new", "1", Condition::Present, None).await, refused(None));
    assert_eq!(write("new", "1", Condition::Absent, None).await, Staged::Done);
    assert_eq!(write("new", "2", Condition::Absent, None).await, refused(Some("etag 1")));
    assert_eq!(write("new", "2", matches("etag 1"), None).await, Staged::Done);
    assert_eq!(write("new", "3", matches("etag 1"), None).await, refused(Some("etag 2")));
    assert_eq!(write("new", "3", Condition::Present, None).await, Staged::Done);
    assert_eq!(write("sealed", "1", Condition::Absent, None).await, refused(Some("etag s")));
    assert_eq!(write("sealed", "1", matches("etag s"), Some("etag h")).await, Staged::Done);
    assert_eq!(write("gone", "1", matches("etag h"), Some("etag h")).await, refused(None));
    assert_eq!(write("gone", "1", Condition::Absent, Some("etag h")).await, Staged::Done);
    assert_eq!(write("head", "1", Condition::Absent, Some("etag h")).await, refused(Some("etag h")));
    assert_eq!(write("head", "1", matches("etag h"), Some("etag h")).await, Staged::Done);
    let mut delete = conditional(&branch, deleted("head"), matches("etag 1"), Some("etag h"));
    assert_eq!(staging.put_if(&branch.fence, &delete).await.unwrap(), Staged::Done);
    delete.condition = Condition::Present;
    assert_eq!(staging.put_if(&branch.fence, &delete).await.unwrap(), refused(None));
    assert_eq!(staging.get(&[branch.fence.token], "new").await.unwrap(), Some(present("3")));
}

/// A merge leaves the token and moves the head: a conditional write that was judged before must look again.
pub async fn a_condition_and_a_moved_head(refs: &dyn RefsBackend, staging: &dyn StagingStore) {
    let mut branch = Branch::new(refs, "head").await;
    let write = conditional(&branch, row("a", "1"), Condition::Absent, None);
    branch.go(refs, FenceMark { head: [9; 32], ..branch.mark }).await;
    assert_eq!(staging.put_if(&branch.fence, &write).await.unwrap(), Staged::Moved);
    assert_eq!(staging.put(&branch.fence, &[row("b", "1")]).await.unwrap(), Staged::Done);
    let write = conditional(&branch, row("a", "1"), Condition::Absent, None);
    assert_eq!(staging.put_if(&branch.fence, &write).await.unwrap(), Staged::Done);
}

/// A conditional write bumps the version of the record, leaves its value and its fence, and so stops a head move
/// that has not seen it. A refused one, and an unconditional one, do not.
pub async fn a_condition_bumps_the_record(refs: &dyn RefsBackend, staging: &dyn StagingStore) {
    let mut branch = Branch::new(refs, "bump").await;
    let record = async || refs.get(&branch.fence.partition, &branch.fence.key).await.unwrap().unwrap();
    assert_eq!(staging.put(&branch.fence, &[row("a", "1")]).await.unwrap(), Staged::Done);
    let write = conditional(&branch, row("a", "2"), Condition::Absent, None);
    assert!(matches!(staging.put_if(&branch.fence, &write).await.unwrap(), Staged::Refused { .. }));
    assert_eq!(record().await.version, branch.version);
    let write = conditional(&branch, row("b", "1"), Condition::Absent, None);
    assert_eq!(staging.put_if(&branch.fence, &write).await.unwrap(), Staged::Done);
    let bumped = record().await;
    assert_ne!(bumped.version, branch.version);
    assert_eq!(bumped.value, "record");
    let moved = FenceMark { head: [9; 32], ..branch.mark };
    let edit = put_fenced(&branch.fence.key, Expect::Is(branch.version), "record", moved);
    let rejected = apply(refs, &branch.fence.partition, &[edit]).await;
    assert_eq!(rejected, RefUpdate::Rejected { index: 0, actual: Some(bumped.clone()) });
    branch.version = bumped.version;
    branch.go(refs, moved).await;
}

/// Of many racing writes that require an absent path, one is done; the others learn of it.
pub async fn racing_absents(refs: Arc<dyn RefsBackend>, staging: Arc<dyn StagingStore>) {
    let branch = Arc::new(Branch::new(&*refs, "absent").await);
    for round in 0..4 {
        let path = format!("path {round}");
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (staging, branch, path) = (staging.clone(), branch.clone(), path.clone());
                tokio::spawn(async move {
                    let row = row(&path, &writer.to_string());
                    let write = conditional(&branch, row, Condition::Absent, None);
                    staging.put_if(&branch.fence, &write).await.unwrap()
                })
            })
            .collect();
        let mut answers = Vec::new();
        for writer in writers {
            answers.push(writer.await.unwrap());
        }
        let winner = answers.iter().position(|answer| *answer == Staged::Done).expect("nobody won");
        let refused = Staged::Refused { actual: Some(format!("etag {winner}")) };
        for (writer, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer, if writer == winner { Staged::Done } else { refused.clone() });
        }
        let found = staging.get(&[branch.fence.token], &path).await.unwrap();
        assert_eq!(found, Some(present(&winner.to_string())));
    }
}

/// Conditional writes and head moves at once: either the write was seen by the move (which required the bumped
/// version), or the write is told that the head moved. Never do both succeed from the same state.
pub async fn a_condition_races_with_a_merge(refs: Arc<dyn RefsBackend>, staging: Arc<dyn StagingStore>) {
    let (fence, mark) = fence("merge race");
    let edit = put_fenced(&fence.key, Expect::Absent, "record", mark);
    let mut version = put_now(&*refs, &fence.partition, edit).await;
    let mut head = mark.head;
    for round in 0..16u8 {
        let branch = Branch { fence: fence.clone(), mark: FenceMark { head, ..mark }, version };
        let write = conditional(&branch, row(&format!("{round}"), "v"), Condition::Absent, None);
        let next = [round + 100; 32];
        let edit = put_fenced(&fence.key, Expect::Is(version), "record", FenceMark { head: next, ..mark });
        let writer = {
            let (staging, fence) = (staging.clone(), fence.clone());
            tokio::spawn(async move { staging.put_if(&fence, &write).await.unwrap() })
        };
        let merge = {
            let (refs, partition) = (refs.clone(), fence.partition.clone());
            tokio::spawn(async move { apply(&*refs, &partition, &[edit]).await })
        };
        match (writer.await.unwrap(), merge.await.unwrap()) {
            (Staged::Done, RefUpdate::Rejected { actual, .. }) => version = actual.unwrap().version,
            (Staged::Moved, RefUpdate::Applied(versions)) => {
                version = versions[0].unwrap();
                head = next;
            }
            both => panic!("round {round}: {both:?}"),
        }
    }
}

/// Seals beside writes: whatever was answered `Done` lies in the area it named, and that area was listed.
pub async fn a_seal_loses_nothing(refs: Arc<dyn RefsBackend>, staging: Arc<dyn StagingStore>) {
    const SEALS: usize = 12;
    let (first, mark) = fence("seal");
    let edit = put_fenced(&first.key, Expect::Absent, "record", mark);
    put_now(&*refs, &first.partition, edit).await;
    // Writers learn the open area from here, as from a branch record that may be out of date.
    let (announce, open) = tokio::sync::watch::channel(Some(first.token));
    let count = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (staging, first, open, count) = (staging.clone(), first.clone(), open.clone(), count.clone());
            tokio::spawn(async move {
                let mut done = Vec::new();
                for n in 0.. {
                    let Some(token) = *open.borrow() else { break };
                    let path = format!("{writer}/{n}");
                    let fence = Fence { token, ..first.clone() };
                    if staging.put(&fence, &[row(&path, "v")]).await.unwrap() == Staged::Done {
                        done.push((token, path));
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                }
                done
            })
        })
        .collect();
    let mut sealed = Vec::new();
    let mut token = first.token;
    for seal in 1..=SEALS {
        while count.load(Ordering::SeqCst) < seal * WRITERS / 2 {
            tokio::task::yield_now().await;
        }
        let next = Token(fresh());
        let mark = FenceMark { token: next, head: [7; 32] };
        put_now(&*refs, &first.partition, put_fenced(&first.key, Expect::Any, "record", mark)).await;
        // What a commit reads right after the seal is all that the area will ever hold.
        sealed.push((token, staging.scan(&[token], "", None, usize::MAX).await.unwrap().rows));
        token = next;
        announce.send_replace(Some(token));
    }
    announce.send_replace(None);
    let mut done = Vec::new();
    for writer in writers {
        done.extend(writer.await.unwrap());
    }
    sealed.push((token, staging.scan(&[token], "", None, usize::MAX).await.unwrap().rows));
    let sealed: BTreeMap<_, _> = sealed.into_iter().collect();
    for (token, path) in &done {
        let rows = &sealed[token];
        assert!(rows.iter().any(|row| row.path == *path), "{path:?} was acknowledged and is not in its area");
    }
    assert_eq!(done.len(), sealed.values().map(Vec::len).sum::<usize>());
}
