//! `anabranch fsck`.

use anabranch_api::wire;
use clap::Args;
use reqwest::Method;

use super::client::{Client, to_json};
use super::output::{Answer, DIFFERS, counted, shown};

#[derive(Args, Debug)]
pub(crate) struct FsckArgs {
    /// The repository.
    repository: String,
}

pub(super) async fn run(client: &Client, args: FsckArgs) -> anyhow::Result<Answer> {
    let request = client.request(Method::POST, &["repositories", &args.repository, "fsck"])?;
    let report: wire::FsckReport = client.json(request).await?;
    let mut text: String = report.problems.iter().map(|problem| format!("{}\n", shown(problem))).collect();
    let verdict = match report.problems.len() as u64 {
        0 => "nothing is wrong".to_owned(),
        count => counted(count, "problem"),
    };
    let wire::FsckReport { branches, tags, commits, packs, entries, objects, .. } = report;
    text.push_str(&format!(
        "{}: {verdict}. Looked at branches: {branches}, tags: {tags}, commits: {commits}, packs: {packs}, \
         entries: {entries}, objects: {objects}\n",
        args.repository,
    ));
    let exit_code = if report.clean { 0 } else { DIFFERS };
    Ok(Answer { text, json: to_json(&report)?, exit_code })
}
