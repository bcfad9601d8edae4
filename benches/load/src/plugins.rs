//! What merges by plugins do to everybody else: the latency of reads alone, beside sixteen merges, and beside an attack.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::future::{Either, select};
use http::{Method, StatusCode};
use serde_json::json;

use crate::load::{Outcome, Until, drive, watched};
use crate::report::{Goal, Row};
use crate::rest::Rest;
use crate::target::Target;
use crate::writes::clients;

const REPOSITORY: &str = "plugins";
/// What both sides changed.
const OBJECT: &str = "hang/a.json";
/// How many merges run at one time.
const MERGES: usize = 16;
/// How many clients read beside them.
const READERS: usize = 4;

/// Never ends; a limit stops it.
const ENDLESS: &[u8] = include_bytes!("../../../testdata/plugins/endless.wasm");

/// Stat alone, beside sixteen merges by the plugin for JSON, and beside sixteen plugins that never end.
pub(crate) async fn beside_others(target: &Target, time: Duration) -> anyhow::Result<Vec<Row>> {
    prepare(target).await?;
    let alone = stats(target, time).await?;
    let p99 = alone.quantile(0.99);
    let mut rows = vec![Row::rate(format!("stat, {READERS} at a time, alone"), Goal::None, &alone)];
    for (what, repository, kind) in [
        ("merges by a plugin", REPOSITORY, "conflict"),
        ("merges by a merger that is built in", "built-in", "conflict"),
        ("plugins that never end", "endless", "merger-failed"),
    ] {
        let (beside, merges) = beside(target, time, repository, kind).await?;
        ensure!(merges.errors.is_empty(), "a merge went wrong: {:?}", merges.errors.first());
        let ratio = beside.quantile(0.99).as_secs_f64() / p99.as_secs_f64();
        let name = format!("p99 of stat beside {MERGES} {what} at once, to p99 alone");
        // What no plugin does is there to compare with.
        let goal = if repository == "built-in" { Goal::None } else { Goal::AtMost(2.0) };
        let row = Row::new(name, goal, ratio, "×").of(&beside);
        rows.push(row.note(format!("{:.0} merges a second meanwhile", merges.per_second())));
    }
    Ok(rows)
}

/// Reads until the time is over, while merges run.
async fn beside(
    target: &Target,
    time: Duration,
    repository: &str,
    kind: &str,
) -> anyhow::Result<(Outcome, Outcome)> {
    let merging = drive(clients(target, MERGES)?, Until::Time(time * 2), async |rest: &mut Rest, _| {
        let path = format!("/repositories/{repository}/refs/dev/merge/main");
        let answer = rest.ask(Method::POST, &path, Some(json!({}))).await?;
        // Nothing is published, so that each merge is the first.
        ensure!(answer.status == StatusCode::CONFLICT, "{}: {}", answer.status, answer.said());
        ensure!(answer.said().contains(kind), "another conflict: {}", answer.said());
        Ok(())
    });
    let reading = stats(target, time);
    match select(Box::pin(reading), Box::pin(merging)).await {
        Either::Left((read, merging)) => Ok((read?, merging.await)),
        Either::Right((merged, reading)) => Ok((reading.await?, merged)),
    }
}

async fn stats(target: &Target, time: Duration) -> anyhow::Result<Outcome> {
    let step = async |rest: &mut Rest, _| rest.stat(REPOSITORY, "main", OBJECT).await.map(drop);
    let outcome = watched(target, clients(target, READERS)?, Until::Time(time), step).await;
    ensure!(outcome.errors.is_empty(), "a read went wrong: {:?}", outcome.errors.first());
    Ok(outcome)
}

/// Two repositories whose `dev` and `main` changed one object differently, a member apart and one the same.
async fn prepare(target: &Target) -> anyhow::Result<()> {
    let mut rest = Rest::new(target)?;
    let answer = rest.post_bytes("/plugins", Bytes::from_static(ENDLESS)).await?.accepted()?;
    let component = answer.json()?["component"].as_str().context("a plugin without a component")?.to_owned();
    let rules = format!(
        "[plugins.endless]\ncomponent = '{component}'\n\n[[rule]]\npath = 'hang/'\nmerge = 'endless'\n"
    );
    let built_in = "[[rule]]\npath = 'hang/a.json'\nmerge = 'text'\n".to_owned();
    for (repository, rules) in [(REPOSITORY, None), ("built-in", Some(built_in)), ("endless", Some(rules))] {
        rest.create_repository(repository, None).await?;
        if let Some(rules) = rules {
            rest.put(repository, "main", "_anabranch/merge.toml", rules.into()).await?;
        }
        rest.put(repository, "main", OBJECT, document(0, 0).into()).await?;
        rest.commit_all(repository, "main").await?;
        rest.create_branch(repository, "dev", "main").await?;
        for (branch, own) in [("dev", 1), ("main", 2)] {
            rest.put(repository, branch, OBJECT, document(own, own).into()).await?;
            rest.commit_all(repository, branch).await?;
        }
    }
    Ok(())
}

/// A document of about 20 kB.
fn document(first: u32, last: u32) -> String {
    let rows: Vec<String> =
        (0..500).map(|row| format!("    \"row{row:04}\": {{\"id\": {row}, \"n\": 7}}")).collect();
    format!(
        "{{\n  \"first\": {first},\n  \"rows\": {{\n{}\n  }},\n  \"last\": {last}\n}}\n",
        rows.join(",\n")
    )
}
