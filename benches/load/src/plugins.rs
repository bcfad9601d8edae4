//! What merges by plugins do to everybody else: the latency of reads alone, beside sixteen merges, and beside attacks.

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

/// Plugins that mean harm, until a limit stops them: their repositories, and what they do.
const ATTACKS: [(&str, &str, &[u8]); 3] = [
    ("endless", "plugins that never end", include_bytes!("../../../testdata/plugins/endless.wasm")),
    ("memory", "plugins that use 512 MB each", include_bytes!("../../../testdata/plugins/memory.wasm")),
    ("writes", "plugins that write 256 MB each", include_bytes!("../../../testdata/plugins/writes.wasm")),
];
/// Settings of the server that is measured. Kept answers would leave nothing to run.
pub(crate) const SETTINGS: [&str; 6] =
    ["--plugins-answers-bytes", "0", "--plugins-written-bytes", "256MiB", "--plugins-seconds", "5"];

/// Stat alone, beside sixteen merges by the plugin for JSON, and beside sixteen plugins of each attack.
pub(crate) async fn beside_others(target: &Target, time: Duration) -> anyhow::Result<Vec<Row>> {
    prepare(target).await?;
    let alone = stats(target, time).await?;
    let p99 = alone.quantile(0.99);
    let mut rows = vec![Row::rate(format!("stat, {READERS} at a time, alone"), Goal::None, &alone)];
    let well_meant = [
        ("merges by a plugin", REPOSITORY, "conflict"),
        ("merges by a merger that is built in", "built-in", "conflict"),
    ];
    let attacks = ATTACKS.map(|(repository, what, _)| (what, repository, "merger-failed"));
    for (what, repository, kind) in well_meant.into_iter().chain(attacks) {
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

/// Repositories whose `dev` and `main` changed one object differently, a member apart and one the same.
async fn prepare(target: &Target) -> anyhow::Result<()> {
    let mut rest = Rest::new(target)?;
    prepare_one(&mut rest, REPOSITORY, None).await?;
    let built_in = "[[rule]]\npath = 'hang/a.json'\nmerge = 'text'\n";
    prepare_one(&mut rest, "built-in", Some(built_in.into())).await?;
    for (repository, _, component) in ATTACKS {
        let answer = rest.post_bytes("/plugins", Bytes::from_static(component)).await?.accepted()?;
        let answer = answer.json()?;
        let component = answer["component"].as_str().context("a plugin without a component")?;
        let rules = format!(
            "[plugins.attack]\ncomponent = '{component}'\n\n[[rule]]\npath = 'hang/'\nmerge = 'attack'\n"
        );
        prepare_one(&mut rest, repository, Some(rules)).await?;
    }
    Ok(())
}

async fn prepare_one(rest: &mut Rest, repository: &str, rules: Option<String>) -> anyhow::Result<()> {
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
