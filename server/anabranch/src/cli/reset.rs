//! `anabranch reset`.

use anabranch_api::wire;
use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::client::Client;
use super::confirm::confirm;
use super::output::{Answer, counted};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch reset sales dev --path raw/2024.csv
  anabranch reset sales dev --prefix tables/flights/
  anabranch reset sales dev --yes                       # everything that is not committed")]
pub(crate) struct ResetArgs {
    /// The repository.
    repository: String,
    /// The branch whose uncommitted changes are thrown away.
    branch: String,
    /// Only the change of this object.
    #[arg(long, value_name = "PATH", conflicts_with = "prefix")]
    path: Option<String>,
    /// Only changes of paths that begin with this.
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Does not ask.
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(client: &Client, args: ResetArgs) -> anyhow::Result<Answer> {
    let prefix = args.path.as_deref().or(args.prefix.as_deref()).unwrap_or_default();
    let segments = ["repositories", args.repository.as_str(), "branches", args.branch.as_str(), "diff"];
    let (mut lost, _) =
        client.list::<wire::DiffList, wire::Diff>(&segments, &[("prefix", prefix)], None).await?;
    if let Some(path) = &args.path {
        lost.retain(|line| line.path == *path);
    }
    let count = lost.len() as u64;
    if count == 0 {
        let text = format!("nothing is uncommitted there on {}\n", args.branch);
        return Ok(Answer::clean(text, json!({"branch": args.branch, "thrown_away": []})));
    }
    let what = counted(count, "uncommitted change");
    confirm(&format!("throw away {what} of the branch {} of {}", args.branch, args.repository), args.yes)?;
    let (r#type, path) = match (args.path, args.prefix) {
        (Some(path), _) => (wire::ResetType::Object, Some(path)),
        (None, Some(prefix)) => (wire::ResetType::CommonPrefix, Some(prefix)),
        (None, None) => (wire::ResetType::Reset, None),
    };
    let creation = wire::ResetCreation { r#type, path, force: None };
    let segments = ["repositories", args.repository.as_str(), "branches", args.branch.as_str()];
    client.send(client.request(Method::PUT, &segments)?.json(&creation)).await?;
    let paths: Vec<_> = lost.into_iter().map(|line| line.path).collect();
    let text = format!("threw away {what} of {}\n", args.branch);
    Ok(Answer::clean(text, json!({"branch": args.branch, "thrown_away": paths})))
}
