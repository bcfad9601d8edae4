//! Many at once on one branch: nothing is lost, nobody is refused.

use std::collections::BTreeSet;

use anabranch_repository::{LogRequest, MergeAnswer, RepositoryError, WriteAnswer, WriteCondition};
use futures::future::join_all;

use crate::lake::{Disk, branch, commit, commit_request, contents, entry, merge, path, put};

const WORKERS: usize = 16;
const ROUNDS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committers_and_mergers_on_one_branch_lose_nothing() {
    let disk = Disk::new();
    disk.create().await;
    // Two processes, so that groups also lose races against each other.
    let processes = [disk.open().await, disk.open().await];
    let workers = (0..WORKERS).map(|worker| {
        let lake = processes[worker % 2].clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let at = format!("{worker}/{round}");
                if worker % 4 < 2 {
                    put(&lake, "main", &at, 1).await;
                    match lake.commit(&branch("main"), commit_request(&at)).await {
                        // Somebody else's commit has taken what was staged here along.
                        Ok(_) | Err(RepositoryError::NothingToCommit { .. }) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                } else {
                    let name = format!("w{worker}r{round}");
                    lake.create_branch(&branch(&name), "main", false).await.unwrap();
                    put(&lake, &name, &at, 2).await;
                    commit(&lake, &name, &at).await;
                    let answer = merge(&lake, &name, "main", &format!("merge {at}")).await;
                    assert!(matches!(answer, MergeAnswer::Merged { .. }), "{answer:?}");
                }
            }
        })
    });
    for worker in join_all(workers).await {
        worker.unwrap();
    }
    let lake = disk.open().await;
    let expected: BTreeSet<String> =
        (0..WORKERS).flat_map(|w| (0..ROUNDS).map(move |r| format!("{w}/{r}"))).collect();
    assert_eq!(contents(&lake, "main", 1000).await.into_keys().collect::<BTreeSet<_>>(), expected);
    assert_eq!(contents(&lake, "main@", 1000).await.len(), expected.len(), "the last commit took everything");
    let log = lake.log("main", &LogRequest { amount: 1000, ..LogRequest::default() }).await.unwrap();
    let merges = log.results.iter().filter(|commit| commit.commit.parents.len() == 2).count();
    assert_eq!(merges, WORKERS / 2 * ROUNDS, "every merge has its commit");
    assert!(lake.fsck().await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_racing_writes_that_want_an_empty_path_one_succeeds_while_merges_run() {
    let disk = Disk::new();
    let lake = disk.create().await;
    for round in 0..5 {
        let name = format!("r{round}");
        lake.create_branch(&branch(&name), "main", false).await.unwrap();
        put(&lake, &name, &format!("merged/{round}"), 1).await;
        commit(&lake, &name, "c").await;
        let writers = (0..WORKERS).map(|_| {
            let lake = lake.clone();
            tokio::spawn(async move {
                let entry = entry(&lake, 1).await;
                let at = path(&format!("log/{round}"));
                lake.put(&branch("main"), &at, entry, WriteCondition::Absent).await.unwrap()
            })
        });
        let (answer, written) = futures::join!(merge(&lake, &name, "main", "m"), join_all(writers));
        assert!(matches!(answer, MergeAnswer::Merged { .. }), "{answer:?}");
        let won =
            written.into_iter().filter(|answer| *answer.as_ref().unwrap() == WriteAnswer::Written).count();
        assert_eq!(won, 1);
    }
    assert_eq!(contents(&lake, "main", 100).await.len(), 10);
}
