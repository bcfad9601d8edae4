//! A large repository: what a commit, a merge and a diff cost in it, and how fast it is read.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;

use crate::load::{Until, Watch, drive};
use crate::report::{Goal, Row};
use crate::rest::Rest;
use crate::target::Target;
use crate::writes::{clients, whole};

/// The repository that [`build`] leaves behind.
pub(crate) const REPOSITORY: &str = "bulk";
const FOLDERS: u64 = 1000;
const FILES_EACH: u64 = 100;
const SCATTERED: u64 = 1000;
/// How often an operation is measured that changes what the next one finds; the median counts.
const ROUNDS: u64 = 5;

/// The path of an object of the repository.
pub(crate) fn path(number: u64) -> String {
    format!("d{:03}/f{:02}", number / FILES_EACH % FOLDERS, number % FILES_EACH)
}

/// Objects far from one another, others in each round.
fn scattered(round: u64, count: u64) -> Vec<u64> {
    let total = FOLDERS * FILES_EACH;
    (0..count).map(|index| (index * (total / count) + round * 13 + 7) % total).collect()
}

async fn stage(target: &Target, branch: &str, numbers: &[u64], text: &str) -> anyhow::Result<()> {
    let staged =
        drive(clients(target, 64)?, Until::Steps(numbers.len() as u64), async |rest: &mut Rest, index| {
            let number = numbers[index as usize];
            rest.put(REPOSITORY, branch, &path(number), Bytes::from(format!("{text} {number:0>80}"))).await
        });
    whole(staged.await).map(drop)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

fn list(times: &[Duration]) -> String {
    let all: Vec<String> = times.iter().map(|time| format!("{:.0}", time.as_secs_f64() * 1e3)).collect();
    format!("each round in ms: {}", all.join(", "))
}

/// Builds the repository and measures what changes it.
pub(crate) async fn build(target: &Target) -> anyhow::Result<Vec<Row>> {
    let mut rest = Rest::new(target)?;
    rest.create_repository(REPOSITORY, None).await?;
    let all: Vec<u64> = (0..FOLDERS * FILES_EACH).collect();
    stage(target, "main", &all, "first").await?;
    let (watch, began) = (Watch::begin(target).await, Instant::now());
    let id = rest.commit_all(REPOSITORY, "main").await?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    let used = watch.end(target, 1).await;
    let there = rest.objects(REPOSITORY, &id, "").await?;
    ensure!(there.len() == all.len(), "{} of {} committed objects are there", there.len(), all.len());
    let row = Row::new("commit of 100,000 staged objects", Goal::AtMost(150.0), took, " ms");
    let mut rows = vec![row.notes(used)];
    rows.push(scattered_commits(target, &mut rest).await?);
    rows.extend(merges_and_diffs(target, &mut rest).await?);
    Ok(rows)
}

async fn scattered_commits(target: &Target, rest: &mut Rest) -> anyhow::Result<Row> {
    let (mut times, mut used) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        stage(target, "main", &scattered(round, SCATTERED), &format!("round {round}")).await?;
        let (watch, began) = (Watch::begin(target).await, Instant::now());
        rest.commit_all(REPOSITORY, "main").await?;
        times.push(began.elapsed());
        used = watch.end(target, 1).await;
    }
    let note = list(&times);
    let row = Row::new("commit of 1,000 scattered on top", Goal::AtMost(40.0), median(times), " ms");
    Ok(row.note(note).notes(used))
}

async fn merges_and_diffs(target: &Target, rest: &mut Rest) -> anyhow::Result<Vec<Row>> {
    let (mut merges, mut diffs) = (Vec::new(), Vec::new());
    let (mut merge_used, mut diff_used) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let side = format!("side{round}");
        let base = rest.head(REPOSITORY, "main").await?;
        rest.create_branch(REPOSITORY, &side, "main").await?;
        // The two sides change different objects, in the same folders.
        let both = scattered(20 + round, 2 * SCATTERED);
        let (ours, theirs): (Vec<u64>, Vec<u64>) = both.iter().partition(|number| *number / 50 % 2 == 0);
        stage(target, "main", &ours, &format!("ours {round}")).await?;
        stage(target, &side, &theirs, &format!("theirs {round}")).await?;
        let our_head = rest.commit_all(REPOSITORY, "main").await?;
        let their_head = rest.commit_all(REPOSITORY, &side).await?;
        let (watch, began) = (Watch::begin(target).await, Instant::now());
        let merged = rest.merge(REPOSITORY, &side, "main").await?;
        merges.push(began.elapsed());
        merge_used = watch.end(target, 1).await;
        check_merge(rest, (&our_head, &ours), (&their_head, &theirs), &merged).await?;
        let query =
            format!("/repositories/{REPOSITORY}/refs/{base}/diff/{their_head}?type=two_dot&amount=1000");
        let (watch, began) = (Watch::begin(target).await, Instant::now());
        let answer = rest.ask(http::Method::GET, &query, None).await?.accepted()?;
        diffs.push(began.elapsed());
        diff_used = watch.end(target, 1).await;
        let lines = answer.json()?["results"].as_array().map_or(0, Vec::len);
        ensure!(lines == theirs.len().min(1000), "the diff has {lines} lines, not {}", theirs.len());
    }
    let (merge_note, diff_note) = (list(&merges), list(&diffs));
    Ok(vec![
        Row::new("merge 1,000 + 1,000", Goal::AtMost(40.0), median(merges), " ms")
            .note(merge_note)
            .notes(merge_used),
        Row::new("diff of 1,000", Goal::AtMost(15.0), median(diffs), " ms").note(diff_note).notes(diff_used),
    ])
}

/// Every change of both sides is in the merge.
async fn check_merge(
    rest: &mut Rest,
    (our_head, ours): (&str, &[u64]),
    (their_head, theirs): (&str, &[u64]),
    merged: &str,
) -> anyhow::Result<()> {
    let result = rest.objects(REPOSITORY, merged, "").await?;
    let ours_there: BTreeMap<_, _> = rest.objects(REPOSITORY, our_head, "").await?;
    let theirs_there = rest.objects(REPOSITORY, their_head, "").await?;
    for (numbers, side) in [(ours, &ours_there), (theirs, &theirs_there)] {
        for number in numbers {
            let path = path(*number);
            ensure!(result.get(&path) == side.get(&path), "the merge LOST the change of {path}");
        }
    }
    Ok(())
}
