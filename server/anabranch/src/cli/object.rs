//! `anabranch ls`, `put`, `cat` and `rm`.

use std::io::Write;
use std::path::PathBuf;

use anabranch_api::{utc, wire};
use anyhow::{Context, bail};
use clap::Args;
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::client::{Client, to_json};
use super::output::{Answer, counted, shown, table, unless_reader_left};

/// What the server takes in one request to delete.
const DELETED_AT_ONCE: usize = 1000;

#[derive(Args, Debug)]
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
pub(crate) struct PutArgs {
    /// The repository.
    repository: String,
    /// The branch.
    branch: String,
    /// The path on the branch.
    path: String,
    /// The file; '-' for the standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The media type of the object.
    #[arg(long, default_value = "application/octet-stream", value_name = "TYPE")]
    content_type: String,
    /// Fails if the path holds an object.
    #[arg(long)]
    create_only: bool,
}

pub(super) async fn put(client: &Client, args: PutArgs) -> anyhow::Result<Answer> {
    let source = if args.file.as_os_str() == "-" { PathBuf::from("/dev/stdin") } else { args.file };
    let unreadable = || format!("{} cannot be read", source.display());
    let file = File::open(&source).await.with_context(unreadable)?;
    let facts = file.metadata().await.with_context(unreadable)?;
    if facts.is_dir() {
        bail!("{} is a folder: put its files one by one", source.display());
    }
    let segments = ["repositories", args.repository.as_str(), "branches", args.branch.as_str(), "objects"];
    let mut request = client
        .request(Method::POST, &segments)?
        .query(&[("path", args.path.as_str())])
        .header("content-type", &args.content_type);
    if facts.is_file() {
        request = request.header("content-length", facts.len());
    }
    if args.create_only {
        request = request.header("if-none-match", "*");
    }
    let request = request.body(Body::wrap_stream(ReaderStream::with_capacity(file, 256 * 1024)));
    let made: wire::ObjectStats = client.json(request).await?;
    let size = made.size_bytes.unwrap_or_default();
    let text =
        format!("wrote {} ({}), uncommitted on {}\n", shown(&made.path), counted(size, "byte"), args.branch);
    Ok(Answer::clean(text, to_json(&made)?))
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

#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    /// The repository.
    repository: String,
    /// The branch.
    branch: String,
    /// The paths. One that is absent is no error.
    #[arg(required = true)]
    paths: Vec<String>,
}

pub(super) async fn rm(client: &Client, args: RmArgs) -> anyhow::Result<Answer> {
    let segments =
        ["repositories", args.repository.as_str(), "branches", args.branch.as_str(), "objects", "delete"];
    let mut errors = Vec::new();
    for paths in args.paths.chunks(DELETED_AT_ONCE) {
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
    let count = args.paths.len() as u64;
    let text = format!("removed {}, uncommitted on {}\n", counted(count, "path"), args.branch);
    Ok(Answer::clean(text, json!({"removed": args.paths})))
}
