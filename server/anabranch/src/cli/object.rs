//! `anabranch ls`, `stat` and `cat`.

use std::io::Write;

use anabranch_api::{utc, wire};
use anyhow::Context;
use clap::Args;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{Client, Refused, to_json};
use super::output::{Answer, counted, shown, table, unless_reader_left};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch ls sales main
  anabranch ls sales v1.0 tables/flights/
  anabranch ls sales main~2 --recursive")]
pub(crate) struct LsArgs {
    /// The repository.
    repository: String,
    /// A branch, tag, commit id or an expression such as main~2.
    r#ref: String,
    /// What the paths begin with; a folder's ends in '/'.
    #[arg(default_value = "")]
    prefix: String,
    /// Lists everything below, not folders.
    #[arg(long, short)]
    recursive: bool,
}

pub(super) async fn ls(client: &Client, args: LsArgs) -> anyhow::Result<Answer> {
    let segments = ["repositories", args.repository.as_str(), "refs", args.r#ref.as_str(), "objects", "ls"];
    let delimiter = if args.recursive { "" } else { "/" };
    let query = [("prefix", args.prefix.as_str()), ("delimiter", delimiter)];
    let (found, _) = client.list::<wire::ObjectStatsList, _>(&segments, &query, None).await?;
    let rows: Vec<_> = found.iter().map(row).collect();
    let text = table(["SIZE", "MODIFIED", "PATH"], &rows);
    Ok(Answer::clean(text, json!({"results": to_json(&found)?})))
}

fn row(object: &wire::ObjectStats) -> [String; 3] {
    let path = shown(&object.path);
    match object.path_type {
        wire::PathType::CommonPrefix => ["-".into(), "-".into(), path],
        wire::PathType::Object => {
            [object.size_bytes.unwrap_or_default().to_string(), utc(object.mtime), path]
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct StatArgs {
    /// The repository.
    repository: String,
    /// A branch, tag, commit id or an expression such as main~2.
    r#ref: String,
    /// The path.
    path: String,
}

pub(super) async fn stat(client: &Client, args: StatArgs) -> anyhow::Result<Answer> {
    let found = stat_of(client, &args.repository, &args.r#ref, &args.path).await?;
    Ok(Answer::clean(facts(&found), to_json(&found)?))
}

/// What the server knows of an object.
pub(super) async fn stat_of(
    client: &Client,
    repository: &str,
    reference: &str,
    path: &str,
) -> anyhow::Result<wire::ObjectStats> {
    let segments = ["repositories", repository, "refs", reference, "objects", "stat"];
    client.json(client.request(Method::GET, &segments)?.query(&[("path", path)])).await
}

/// What the server knows of an object; `None` if there is none.
pub(super) async fn stat_if_there(
    client: &Client,
    repository: &str,
    reference: &str,
    path: &str,
) -> anyhow::Result<Option<wire::ObjectStats>> {
    match stat_of(client, repository, reference, path).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_not_found(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == StatusCode::NOT_FOUND)
}

/// All objects whose paths begin with `prefix`.
pub(super) async fn objects_below(
    client: &Client,
    repository: &str,
    reference: &str,
    prefix: &str,
) -> anyhow::Result<Vec<wire::ObjectStats>> {
    let segments = ["repositories", repository, "refs", reference, "objects", "ls"];
    let (found, _) = client.list::<wire::ObjectStatsList, _>(&segments, &[("prefix", prefix)], None).await?;
    Ok(found)
}

fn facts(object: &wire::ObjectStats) -> String {
    let mut lines = vec![
        ("path", shown(&object.path)),
        ("size", counted(object.size_bytes.unwrap_or_default(), "byte")),
        ("modified", utc(object.mtime)),
        ("checksum", shown(&object.checksum)),
        ("media type", shown(object.content_type.as_deref().unwrap_or_default())),
        ("address", shown(&object.physical_address)),
    ];
    for (name, value) in object.metadata.iter().flatten() {
        lines.push(("metadata", format!("{}={}", shown(name), shown(value))));
    }
    lines.iter().map(|(name, value)| format!("{name:<12}{value}\n")).collect()
}

#[derive(Args, Debug)]
pub(crate) struct CatArgs {
    /// The repository.
    repository: String,
    /// A branch, tag, commit id or an expression such as main~2.
    r#ref: String,
    /// The path.
    path: String,
}

pub(super) async fn cat(client: &Client, args: CatArgs) -> anyhow::Result<Answer> {
    let segments = ["repositories", args.repository.as_str(), "refs", args.r#ref.as_str(), "objects"];
    let request = client.request(Method::GET, &segments)?.query(&[("path", args.path.as_str())]);
    let mut response = client.send(request).await?;
    while let Some(piece) =
        response.chunk().await.with_context(|| format!("reading {} broke off", args.path))?
    {
        if !unless_reader_left(std::io::stdout().write_all(&piece))? {
            break;
        }
    }
    Ok(Answer::clean("", Value::Null))
}
