//! `anabranch plugin record`: a merge that happened becomes a case.

use std::path::PathBuf;

use anabranch_api::wire;
use anabranch_merge::{RULES_PATH, Rules};
use anyhow::{Context, bail};
use clap::Args;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::local::write;
use crate::cli::client::{Client, Refused};
use crate::cli::output::{Answer, counted, short};

/// What a case may hold.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

#[derive(Args, Debug)]
pub(super) struct RecordArgs {
    /// The repository.
    repository: String,
    /// The merge: a commit with two parents, or a ref that names one.
    commit: String,
    /// The object; with `/` at its end a folder that is merged as one.
    path: String,
    /// The folder of the case, which must not be there yet.
    folder: PathBuf,
}

pub(super) async fn run(client: &Client, args: &RecordArgs) -> anyhow::Result<Answer> {
    if args.folder.exists() {
        bail!("{} is there already: name a new folder", args.folder.display());
    }
    let repository = args.repository.as_str();
    let segments = ["repositories", repository, "commits", args.commit.as_str()];
    let commit: wire::Commit = client.json(client.request(Method::GET, &segments)?).await?;
    let [ours, theirs] = commit.parents.as_slice() else {
        bail!(
            "commit {} has {}: a merge has two",
            short(&commit.id),
            counted(commit.parents.len() as u64, "parent")
        );
    };
    let segments = ["repositories", repository, "refs", theirs, "merge", ours];
    let found: wire::FindMergeBaseResult = client.json(client.request(Method::GET, &segments)?).await?;
    let sides =
        [("base", &found.base_commit_id), ("ours", ours), ("theirs", theirs), ("expected", &commit.id)];
    let (mut files, mut left) = (0_u64, BYTES_MAX);
    for (side, reference) in sides {
        // Histories without a common commit have no base.
        if reference.is_empty() {
            continue;
        }
        for path in paths(client, repository, reference, &args.path).await? {
            let Some(body) = read(client, repository, reference, &path).await? else { continue };
            left = left.checked_sub(body.len() as u64).with_context(|| {
                format!("{} has more than {BYTES_MAX} bytes on its sides: record a smaller unit", args.path)
            })?;
            write(&args.folder.join(side).join(relative(&args.path, &path)?), &body)?;
            files += 1;
        }
    }
    if files == 0 {
        bail!("no side of the merge has {}", args.path);
    }
    let options = options(client, repository, ours, &args.path).await?;
    if !options.is_empty() {
        let text = toml::to_string(&toml::Table::from_iter([("options".to_owned(), options.into())]))?;
        write(&args.folder.join("expect.toml"), text.as_bytes())?;
    }
    let shown = args.folder.display();
    let text = format!("recorded {} as {shown}: {}\n", short(&commit.id), counted(files, "file"));
    Ok(Answer::clean(text, json!({"commit": commit.id, "folder": shown.to_string(), "files": files})))
}

/// What lies at a path, or below it where it is a folder.
async fn paths(
    client: &Client,
    repository: &str,
    reference: &str,
    path: &str,
) -> anyhow::Result<Vec<String>> {
    if !path.ends_with('/') {
        return Ok(vec![path.to_owned()]);
    }
    let segments = ["repositories", repository, "refs", reference, "objects", "ls"];
    let (found, _) = client.list::<wire::ObjectStatsList, _>(&segments, &[("prefix", path)], None).await?;
    Ok(found.into_iter().map(|object| object.path).collect())
}

/// The bytes of an object; none where the ref does not have it.
async fn read(
    client: &Client,
    repository: &str,
    reference: &str,
    path: &str,
) -> anyhow::Result<Option<bytes::Bytes>> {
    let segments = ["repositories", repository, "refs", reference, "objects"];
    let request = client.request(Method::GET, &segments)?.query(&[("path", path)]);
    match client.send(request).await {
        Ok(response) => {
            Ok(Some(response.bytes().await.with_context(|| format!("reading {path} broke off"))?))
        }
        Err(error) => match error.downcast_ref::<Refused>() {
            Some(refused) if refused.status == StatusCode::NOT_FOUND => Ok(None),
            _ => Err(error),
        },
    }
}

/// The path of a file within its side: the name of an object, or the rest of a path in a folder.
fn relative<'p>(unit: &str, path: &'p str) -> anyhow::Result<&'p str> {
    let inside = match unit.ends_with('/') {
        true => path.strip_prefix(unit).unwrap_or(path),
        false => path.rsplit('/').next().unwrap_or(path),
    };
    // Object paths are freer than file names; what would leave the folder is refused.
    if inside.split('/').any(|part| matches!(part, "" | "." | "..")) {
        bail!("{path:?} cannot be a file");
    }
    Ok(inside)
}

/// The options that the rules of ours gave the unit.
async fn options(client: &Client, repository: &str, ours: &str, path: &str) -> anyhow::Result<toml::Table> {
    let Some(text) = read(client, repository, ours, RULES_PATH).await? else { return Ok(toml::Table::new()) };
    let text = String::from_utf8_lossy(&text);
    let rules =
        Rules::parse(&text).map_err(|why| anyhow::anyhow!("{RULES_PATH} of {}: {why}", short(ours)))?;
    let rule = match path.strip_suffix('/') {
        Some(folder) => rules.folder(folder),
        None => rules.object(path),
    };
    let options = rule.map(|rule| serde_json::from_value(rule.options.clone())).transpose()?;
    Ok(options.unwrap_or_default())
}
