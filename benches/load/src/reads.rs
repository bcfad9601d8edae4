//! Reads of a large repository, by branch and by commit.

use std::time::Duration;

use anyhow::ensure;
use http::Method;

use crate::bulk::{REPOSITORY, path};
use crate::load::{Until, watched};
use crate::report::{Goal, Row};
use crate::rest::Rest;
use crate::target::Target;
use crate::writes::clients;

/// Spreads consecutive numbers over all objects.
fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16
}

pub(crate) async fn stats(target: &Target, workers: usize, time: Duration) -> anyhow::Result<Vec<Row>> {
    let head = Rest::new(target)?.head(REPOSITORY, "main").await?;
    let mut rows = Vec::new();
    for (name, reference) in [("branch", "main"), ("commit", head.as_str())] {
        let outcome =
            watched(target, clients(target, workers)?, Until::Time(time), async |rest: &mut Rest, number| {
                let path = path(spread(number));
                let answer = rest.stat(REPOSITORY, reference, &path).await?;
                ensure!(
                    answer.said().contains(&format!("\"path\":\"{path}\"")),
                    "another object: {}",
                    answer.said()
                );
                Ok(())
            })
            .await;
        let row =
            Row::rate(format!("stat, {workers} at a time, by {name}"), Goal::AtLeast(15_000.0), &outcome)
                .p99_goal(Duration::from_millis(30));
        rows.push(row);
    }
    Ok(rows)
}

pub(crate) async fn lists(target: &Target, workers: usize, time: Duration) -> anyhow::Result<Row> {
    let outcome =
        watched(target, clients(target, workers)?, Until::Time(time), async |rest: &mut Rest, number| {
            let folder = spread(number) % 1000;
            let target =
                format!("/repositories/{REPOSITORY}/refs/main/objects/ls?prefix=d{folder:03}/&amount=100");
            let answer = rest.ask(Method::GET, &target, None).await?.accepted()?;
            // All answers are counted cheaply; some are read in full.
            if number % 64 == 0 {
                let results = answer.json()?["results"].as_array().map_or(0, Vec::len);
                ensure!(results == 100, "{results} results instead of 100");
            }
            ensure!(answer.body.len() > 10_000, "a short answer: {}", answer.said());
            Ok(())
        })
        .await;
    let what = format!("list a prefix of 100 objects, {workers} at a time");
    Ok(Row::rate(what, Goal::AtLeast(5000.0), &outcome))
}
