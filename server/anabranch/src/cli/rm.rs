//! `anabranch rm`.

use std::collections::BTreeSet;

use anabranch_api::wire;
use anyhow::bail;
use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::address::folder;
use super::client::Client;
use super::confirm::confirm;
use super::object::{objects_below, stat_if_there};
use super::output::{Answer, counted, shown};

/// What the server takes in one request to delete.
const DELETED_AT_ONCE: usize = 1000;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch rm sales dev raw/2024.csv
  anabranch rm sales dev raw/2023 raw/2022 --recursive
  anabranch rm sales dev staging --recursive --yes      # in a script")]
pub(crate) struct RmArgs {
    /// The repository.
    repository: String,
    /// The branch.
    branch: String,
    /// The paths. One that is absent is no error.
    #[arg(required = true)]
    paths: Vec<String>,
    /// Removes also everything below the paths; '/' is everything on the branch. Asks before it does.
    #[arg(long, short)]
    recursive: bool,
    /// Does not ask.
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn rm(client: &Client, args: RmArgs) -> anyhow::Result<Answer> {
    let paths = if args.recursive { all_below(client, &args).await? } else { args.paths.clone() };
    if args.recursive {
        let count = counted(paths.len() as u64, "object");
        if paths.is_empty() {
            let text = format!("nothing is there on {}: nothing was removed\n", args.branch);
            return Ok(Answer::clean(text, json!({"removed": []})));
        }
        confirm(&format!("remove {count} from the branch {} of {}", args.branch, args.repository), args.yes)?;
    }
    remove(client, &args.repository, &args.branch, &paths).await?;
    let what = if args.recursive { "object" } else { "path" };
    let text = format!("removed {}, uncommitted on {}\n", counted(paths.len() as u64, what), args.branch);
    Ok(Answer::clean(text, json!({"removed": paths})))
}

/// The objects at and below the paths, each once and in order.
async fn all_below(client: &Client, args: &RmArgs) -> anyhow::Result<Vec<String>> {
    let mut found = BTreeSet::new();
    for path in &args.paths {
        let objects = objects_below(client, &args.repository, &args.branch, &folder(path)).await?;
        found.extend(objects.into_iter().map(|object| object.path));
        if !folder(path).is_empty() && !path.ends_with('/') {
            let object = stat_if_there(client, &args.repository, &args.branch, path).await?;
            found.extend(object.map(|object| object.path));
        }
    }
    Ok(found.into_iter().collect())
}

async fn remove(client: &Client, repository: &str, branch: &str, paths: &[String]) -> anyhow::Result<()> {
    let segments = ["repositories", repository, "branches", branch, "objects", "delete"];
    let mut errors = Vec::new();
    for paths in paths.chunks(DELETED_AT_ONCE) {
        let list = wire::PathList { paths: paths.to_vec() };
        let request = client.request(Method::POST, &segments)?.json(&list);
        errors.extend(client.json::<wire::ObjectErrorList>(request).await?.errors);
    }
    if let Some(error) = errors.first() {
        let others = match errors.len() {
            1 => String::new(),
            count => format!(" (and {} more)", counted(count as u64 - 1, "path")),
        };
        bail!("{}{others}", shown(&error.message));
    }
    Ok(())
}
