//! `anabranch merge --preview`, and `anabranch explain`.

use anabranch_api::utc;
use anabranch_api::wire::{self, Verdict};
use clap::Args;
use reqwest::header::ACCEPT;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::client::{Client, to_json};
use super::merge::{conflict_table, summary};
use super::output::{Answer, DIFFERS, counted, short, shown};

/// How many paths in the way are named.
const PATHS_SHOWN: usize = 20;

/// A preview, and what to type to publish it: `again` is the command of the merge without its flag `--preview`.
pub(super) fn preview(preview: &wire::MergePreview, again: &str) -> anyhow::Result<Answer> {
    let (source, destination) = (shown(&preview.source), shown(&preview.destination));
    let mut text = format!("preview of {source} into {destination}: {}\n", preview.verdict.as_str());
    text.push_str(&summary(&preview.summary));
    if preview.uncommitted_on_source > 0 {
        let count = counted(preview.uncommitted_on_source, "uncommitted change");
        text.push_str(&format!("{source} has {count}: only commits are merged\n"));
    }
    if !preview.in_the_way.is_empty() {
        text.push_str(&format!(
            "uncommitted changes on {destination} stand in the way: commit or reset them first\n"
        ));
        text.extend(preview.in_the_way.iter().take(PATHS_SHOWN).map(|path| format!("  {}\n", shown(path))));
        let hidden = preview.in_the_way.len().saturating_sub(PATHS_SHOWN);
        if hidden > 0 {
            text.push_str(&format!("  and at least {hidden} more\n"));
        }
    }
    match preview.verdict {
        Verdict::Conflicts | Verdict::Violations => {
            let count = wire::count_conflicts(&preview.conflicts);
            text.push_str(&conflict_table(&preview.conflicts));
            text.push_str(&format!("{count}: decide one by one with\n  {again} --session\n"));
        }
        Verdict::UpToDate => text.push_str(&format!("{destination} has all that {source} brings\n")),
        // What is in the way is named already; there is nothing to execute until it is gone.
        Verdict::Clean | Verdict::FastForward if !preview.in_the_way.is_empty() => {}
        Verdict::Clean | Verdict::FastForward => text.push_str(&format!(
            "nothing is published yet; until {} this publishes exactly that:\n  {again} --execute {}\n",
            utc(preview.expires),
            preview.id
        )),
    }
    Ok(Answer { text, json: to_json(preview)?, exit_code: exit_code(preview) })
}

/// 1 when something has to be done before it can be published.
pub(super) fn exit_code(preview: &wire::MergePreview) -> u8 {
    let stands = !preview.verdict.is_open() && preview.in_the_way.is_empty();
    if stands { 0 } else { DIFFERS }
}

/// The Markdown of a report. The server has escaped what stands in it.
pub(super) async fn markdown(client: &Client, request: RequestBuilder) -> anyhow::Result<String> {
    Ok(client.send(request.header(ACCEPT, "text/markdown")).await?.text().await?)
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch explain sales main                  # the merge at the head of main
  anabranch explain sales 3f2a9c --markdown     # for a pull request")]
pub(crate) struct ExplainArgs {
    /// The repository.
    repository: String,
    /// The commit that a merge made, as an id or any ref expression.
    commit: String,
    /// Prints the report as Markdown.
    #[arg(long)]
    markdown: bool,
}

pub(super) async fn explain(client: &Client, args: ExplainArgs) -> anyhow::Result<Answer> {
    let segments = ["repositories", args.repository.as_str(), "commits", &args.commit, "report"];
    if args.markdown {
        let text = markdown(client, client.request(Method::GET, &segments)?).await?;
        return Ok(Answer::clean(text.clone(), json!({"markdown": text})));
    }
    let report: wire::MergeReport = client.json(client.request(Method::GET, &segments)?).await?;
    Ok(Answer::clean(explained(&report), to_json(&report)?))
}

/// A report for a terminal.
pub(super) fn explained(report: &wire::MergeReport) -> String {
    let (source, destination) = (shown(&report.source), shown(&report.destination));
    let mut text = match &report.commit {
        Some(commit) => format!("commit {} merged {source} into {destination}", short(commit)),
        None => format!("{source} into {destination}, as decided so far"),
    };
    text.push_str(&format!(": {}\n", report.verdict.as_str()));
    let parts =
        [("ours", &report.summary.ours), ("theirs", &report.summary.theirs), ("base", &report.summary.base)];
    let parts = parts.iter().filter_map(|(what, id)| id.as_ref().map(|id| format!("{what} {}", short(id))));
    text.push_str(&format!("  {}\n", parts.collect::<Vec<_>>().join(", ")));
    text.push_str(&summary(&report.summary));
    if report.commit.is_none() && !report.conflicts.is_empty() {
        text.push_str(&conflict_table(&report.conflicts));
    }
    for one in &report.decided {
        text.push_str(&format!(
            "  {}: {} by {} on {}\n",
            shown(&one.path),
            shown(&one.choice),
            shown(&one.by),
            utc(one.date)
        ));
    }
    text
}
