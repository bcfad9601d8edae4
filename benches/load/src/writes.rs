//! Small writes: merges, commits, branches, staging. Each load is followed by a look at everything it acknowledged.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{bail, ensure};
use bytes::Bytes;

use crate::load::{Outcome, Until, drive, watched};
use crate::report::{Goal, Row};
use crate::rest::{Commit, Rest};
use crate::target::Target;

/// What a small object holds.
fn content(number: u64) -> Bytes {
    Bytes::from(format!("{number:0>100}"))
}

pub(crate) fn clients(target: &Target, count: usize) -> anyhow::Result<Vec<Rest>> {
    (0..count).map(|_| Rest::new(target)).collect()
}

/// Fails if a load that prepares something had errors.
pub(crate) fn whole(outcome: Outcome) -> anyhow::Result<Outcome> {
    match outcome.errors.first() {
        Some(error) => bail!("{} errors while preparing; the first: {error}", outcome.errors.len()),
        None => Ok(outcome),
    }
}

/// Makes `count` branches of `main` that hold one committed object each.
async fn branches_with_one_object(target: &Target, repository: &str, count: u64) -> anyhow::Result<()> {
    let prepared = drive(clients(target, 32)?, Until::Steps(count), async |rest: &mut Rest, number| {
        let branch = format!("b{number}");
        rest.create_branch(repository, &branch, "main").await?;
        rest.put(repository, &branch, &format!("merged/{number}"), content(number)).await?;
        rest.commit_all(repository, &branch).await.map(drop)
    });
    whole(prepared.await).map(drop)
}

/// Merges of one object each into one branch.
pub(crate) async fn merges(target: &Target, workers: usize, count: u64) -> anyhow::Result<Row> {
    let targets = vec![target.clone()];
    let outcome = merges_through(&targets, "merges", None, workers, count).await?;
    Ok(Row::rate(
        format!("one-object merges into one branch, {workers} at a time"),
        Goal::AtLeast(1000.0),
        &outcome,
    )
    .p99_goal(Duration::from_millis(150)))
}

/// Merges of one object each into one branch, through several servers of one installation.
pub(crate) async fn merges_through(
    targets: &[Target],
    repository: &str,
    namespace: Option<&str>,
    workers_each: usize,
    count: u64,
) -> anyhow::Result<Outcome> {
    let Some(first) = targets.first() else { bail!("no server") };
    let mut rest = Rest::new(first)?;
    rest.create_repository(repository, namespace).await?;
    branches_with_one_object(first, repository, count).await?;
    let mut workers = Vec::new();
    for target in targets {
        workers.extend(clients(target, workers_each)?);
    }
    let acknowledged = RefCell::new(BTreeSet::new());
    let commits = RefCell::new(BTreeSet::new());
    let outcome = watched(first, workers, Until::Steps(count), async |rest: &mut Rest, number| {
        let reference = rest.merge(repository, &format!("b{number}"), "main").await?;
        acknowledged.borrow_mut().insert(format!("merged/{number}"));
        commits.borrow_mut().insert(reference);
        Ok(())
    })
    .await;
    // Nothing that was acknowledged is lost: neither an object nor a merge commit.
    for target in targets {
        let mut rest = Rest::new(target)?;
        let head = rest.head(repository, "main").await?;
        let there: BTreeSet<String> = rest.objects(repository, &head, "merged/").await?.into_keys().collect();
        let lost: Vec<_> = acknowledged.borrow().difference(&there).cloned().collect();
        ensure!(lost.is_empty(), "{} merged objects are LOST, for example {}", lost.len(), lost[0]);
        let log: BTreeSet<String> = rest.log(repository, &head).await?.into_iter().collect();
        let lost: Vec<_> = commits.borrow().difference(&log).cloned().collect();
        ensure!(lost.is_empty(), "{} merge commits are LOST, for example {}", lost.len(), lost[0]);
    }
    Ok(outcome)
}

/// Puts and commits by workers that share one branch.
pub(crate) async fn commits_on_one_branch(
    target: &Target,
    workers: usize,
    time: Duration,
) -> anyhow::Result<Row> {
    let repository = "shared";
    let mut rest = Rest::new(target)?;
    rest.create_repository(repository, None).await?;
    let (acknowledged, taken_along) = (RefCell::new(BTreeSet::new()), RefCell::new(0_u64));
    let outcome =
        watched(target, clients(target, workers)?, Until::Time(time), async |rest: &mut Rest, number| {
            let path = format!("shared/{number}");
            rest.put(repository, "main", &path, content(number)).await?;
            if let Commit::NothingLeft = rest.commit(repository, "main").await? {
                *taken_along.borrow_mut() += 1;
            }
            acknowledged.borrow_mut().insert(path);
            Ok(())
        })
        .await;
    let head = rest.head(repository, "main").await?;
    let there: BTreeSet<String> = rest.objects(repository, &head, "shared/").await?.into_keys().collect();
    let lost: Vec<_> = acknowledged.borrow().difference(&there).cloned().collect();
    ensure!(lost.is_empty(), "{} committed objects are LOST, for example {}", lost.len(), lost[0]);
    let what = format!("put + commit by {workers} workers on one branch");
    let note =
        format!("{} of the commits found their object in somebody else's commit", taken_along.borrow());
    Ok(Row::rate(what, Goal::AtLeast(1000.0), &outcome).note(note))
}

/// Branch, put and commit, each on a branch of its own.
pub(crate) async fn own_branches(target: &Target, workers: usize, time: Duration) -> anyhow::Result<Row> {
    let repository = "own";
    let mut rest = Rest::new(target)?;
    rest.create_repository(repository, None).await?;
    let acknowledged = RefCell::new(Vec::new());
    let outcome =
        watched(target, clients(target, workers)?, Until::Time(time), async |rest: &mut Rest, number| {
            let branch = format!("own{number}");
            rest.create_branch(repository, &branch, "main").await?;
            rest.put(repository, &branch, &format!("own/{number}"), content(number)).await?;
            let id = rest.commit_all(repository, &branch).await?;
            acknowledged.borrow_mut().push((number, id));
            Ok(())
        })
        .await;
    let acknowledged = acknowledged.into_inner();
    let count = acknowledged.len() as u64;
    let looked = drive(clients(target, 32)?, Until::Steps(count), async |rest: &mut Rest, index| {
        let (number, id) = &acknowledged[index as usize];
        ensure!(rest.head(repository, &format!("own{number}")).await? == *id, "own{number} has another head");
        rest.stat(repository, id, &format!("own/{number}")).await.map(drop)
    });
    whole(looked.await)?;
    let what = format!("branch + put + commit, each on its own branch, {workers} at a time");
    Ok(Row::rate(what, Goal::AtLeast(1500.0), &outcome))
}

/// Small objects staged on one branch.
pub(crate) async fn staging(target: &Target, workers: usize, time: Duration) -> anyhow::Result<Row> {
    let repository = "staged";
    let mut rest = Rest::new(target)?;
    rest.create_repository(repository, None).await?;
    let acknowledged = RefCell::new(BTreeSet::new());
    let outcome =
        watched(target, clients(target, workers)?, Until::Time(time), async |rest: &mut Rest, number| {
            let path = format!("staged/{number}");
            rest.put(repository, "main", &path, content(number)).await?;
            acknowledged.borrow_mut().insert(path);
            Ok(())
        })
        .await;
    let there: BTreeSet<String> = rest.objects(repository, "main", "staged/").await?.into_keys().collect();
    let lost: Vec<_> = acknowledged.borrow().difference(&there).cloned().collect();
    ensure!(lost.is_empty(), "{} staged objects are LOST, for example {}", lost.len(), lost[0]);
    let what = format!("stage small objects, {workers} at a time, durable");
    Ok(Row::rate(what, Goal::AtLeast(8000.0), &outcome))
}
