//! `anabranch commit` and `anabranch log`.

use anabranch_api::{utc, wire};
use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::client::{Client, to_json};
use super::output::{Answer, short, shown};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch commit sales dev -m 'backfill of May'
  anabranch commit sales dev -m 'backfill of May' --meta job=42")]
pub(crate) struct CommitArgs {
    /// The repository.
    repository: String,
    /// The branch whose staged changes are committed.
    branch: String,
    /// What the commit says.
    #[arg(long, short)]
    message: String,
    /// Metadata to attach; may be given several times.
    #[arg(long = "meta", value_name = "NAME=VALUE", value_parser = name_and_value)]
    metadata: Vec<(String, String)>,
    /// Makes a commit without changes too.
    #[arg(long)]
    allow_empty: bool,
}

/// Reads `name=value`.
pub(super) fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give NAME=VALUE".into()),
    }
}

pub(super) async fn commit(client: &Client, args: CommitArgs) -> anyhow::Result<Answer> {
    let creation = wire::CommitCreation {
        message: args.message,
        metadata: Some(args.metadata.into_iter().collect()),
        allow_empty: Some(args.allow_empty),
        ..Default::default()
    };
    let segments = ["repositories", args.repository.as_str(), "branches", args.branch.as_str(), "commits"];
    let made: wire::Commit = client.json(client.request(Method::POST, &segments)?.json(&creation)).await?;
    let text = format!("committed {} on {}: {}\n", short(&made.id), args.branch, first_line(&made.message));
    Ok(Answer::clean(text, to_json(&made)?))
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch log sales main -n 10
  anabranch log sales main --path tables/flights/")]
pub(crate) struct LogArgs {
    /// The repository.
    repository: String,
    /// A branch, tag, commit id or an expression such as main~2.
    r#ref: String,
    /// Shows at most so many commits.
    #[arg(long, short = 'n', default_value_t = 100, value_name = "NUMBER")]
    amount: usize,
    /// Shows only commits that changed something at or below this path.
    #[arg(long, value_name = "PREFIX")]
    path: Option<String>,
    /// Follows only first parents.
    #[arg(long)]
    first_parent: bool,
}

pub(super) async fn log(client: &Client, args: LogArgs) -> anyhow::Result<Answer> {
    let segments = ["repositories", args.repository.as_str(), "refs", args.r#ref.as_str(), "commits"];
    let mut query = vec![("first_parent", if args.first_parent { "true" } else { "false" })];
    query.extend(args.path.as_deref().map(|path| ("prefixes", path)));
    let (found, more) = client.list::<wire::CommitList, _>(&segments, &query, Some(args.amount)).await?;
    let mut text: String = found.iter().map(entry).collect();
    if more {
        text.push_str(&format!("older commits follow: give -n a larger number than {}\n", args.amount));
    }
    Ok(Answer::clean(text, json!({"has_more": more, "results": to_json(&found)?})))
}

fn entry(commit: &wire::Commit) -> String {
    let merge = if commit.parents.len() > 1 {
        let parents: Vec<_> = commit.parents.iter().map(|parent| short(parent)).collect();
        format!("  merges {}", parents.join(" "))
    } else {
        String::new()
    };
    format!(
        "{}  {}  {}{merge}\n    {}\n",
        short(&commit.id),
        utc(commit.creation_date),
        shown(&commit.committer),
        first_line(&commit.message)
    )
}

fn first_line(message: &str) -> String {
    shown(message.lines().next().unwrap_or_default())
}
