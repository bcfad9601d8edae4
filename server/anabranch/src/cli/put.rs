//! `anabranch put`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anabranch_api::wire;
use anyhow::{Context, bail};
use clap::Args;

use super::address::{folder, is_folder};
use super::client::{Client, to_json};
use super::object::{objects_below, stat_if_there};
use super::output::{Answer, counted, shown};
use super::transfer::{self, LocalFile, Moved, Progress, TransferArgs, Upload};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch put sales dev raw/2024.csv 2024.csv
  anabranch put sales dev tables/flights ./flights      # a whole folder, below tables/flights/
  generate | anabranch put sales dev raw/today.csv -

A folder that was put only in part is put again with the same command: what is there already with the same size and
checksum is not sent twice. Logs of tables are sent last.")]
pub(crate) struct PutArgs {
    /// The repository.
    repository: String,
    /// The branch.
    branch: String,
    /// The path on the branch. One that ends in '/' is a folder, which the file goes into.
    path: String,
    /// The file or folder; '-' for the standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The media type of the objects; left out: by the ending of each name.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Fails if a path holds an object.
    #[arg(long)]
    create_only: bool,
    #[command(flatten)]
    transfer: TransferArgs,
}

pub(super) async fn put(client: &Client, args: PutArgs) -> anyhow::Result<Answer> {
    if args.file.as_os_str() == "-" {
        if is_folder(&args.path) {
            bail!("{:?} is a folder: name the object that the standard input becomes", args.path);
        }
        return put_one(client, &args, None, &args.path, 0).await;
    }
    let unreadable = || format!("{} cannot be read", args.file.display());
    let facts = tokio::fs::metadata(&args.file).await.with_context(unreadable)?;
    if facts.is_dir() { put_folder(client, &args).await } else { put_file(client, &args, facts.len()).await }
}

async fn put_file(client: &Client, args: &PutArgs, size: u64) -> anyhow::Result<Answer> {
    let path = if is_folder(&args.path) {
        let name = args.file.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("the name of {} is not UTF-8", args.file.display()))?;
        format!("{}{name}", folder(&args.path))
    } else {
        args.path.clone()
    };
    put_one(client, args, Some(&args.file), &path, size).await
}

async fn put_one(
    client: &Client,
    args: &PutArgs,
    file: Option<&Path>,
    path: &str,
    size: u64,
) -> anyhow::Result<Answer> {
    let known = if args.create_only || args.transfer.always || file.is_none() {
        None
    } else {
        stat_if_there(client, &args.repository, &args.branch, path).await?
    };
    let progress = Progress::bytes(size, !args.transfer.no_progress);
    let upload = upload(args, file, path, known.as_ref());
    let moved = transfer::upload(client, &upload, &progress).await;
    progress.end();
    let (verb, object) = match (moved?, known) {
        ((_, Some(made)), _) => ("wrote", made),
        ((_, None), Some(known)) => ("there already:", known),
        ((_, None), None) => bail!("the server did not say what it wrote to {path}"),
    };
    let size = object.size_bytes.unwrap_or_default();
    let place = if verb == "wrote" { format!(", uncommitted on {}", args.branch) } else { String::new() };
    let text = format!("{verb} {} ({}){place}\n", shown(&object.path), counted(size, "byte"));
    Ok(Answer::clean(text, to_json(&object)?))
}

async fn put_folder(client: &Client, args: &PutArgs) -> anyhow::Result<Answer> {
    let root = args.file.clone();
    let found = tokio::task::spawn_blocking(move || transfer::files(&root)).await;
    let (mut files, left_out) = found.context("the folder cannot be read")??;
    for path in &left_out {
        eprintln!("anabranch: {} is left out: no file of its own", path.display());
    }
    let prefix = folder(&args.path);
    for file in &mut files {
        file.path.insert_str(0, &prefix);
    }
    let known = if args.create_only || args.transfer.always {
        BTreeMap::new()
    } else {
        let objects = objects_below(client, &args.repository, &args.branch, &prefix).await?;
        objects.into_iter().map(|object| (object.path.clone(), object)).collect()
    };
    let total = files.iter().map(|file| file.size).sum();
    let progress = Progress::bytes(total, !args.transfer.no_progress);
    let one = |file: LocalFile| {
        let (known, progress) = (&known, &progress);
        async move {
            let upload = upload(args, Some(&file.file), &file.path, known.get(&file.path));
            transfer::upload(client, &upload, progress).await.map(|(moved, _): (Moved, _)| moved)
        }
    };
    let report = transfer::run(files, |file| &file.path, &args.transfer, one).await;
    progress.end();
    let place =
        format!(" below {}, uncommitted on {}", if prefix.is_empty() { "/" } else { &prefix }, args.branch);
    report.answer("wrote", &shown(&place))
}

fn upload<'a>(
    args: &'a PutArgs,
    file: Option<&'a Path>,
    path: &'a str,
    known: Option<&'a wire::ObjectStats>,
) -> Upload<'a> {
    let content_type = match &args.content_type {
        Some(given) => given,
        None => mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream"),
    };
    Upload {
        file,
        repository: &args.repository,
        branch: &args.branch,
        path,
        content_type,
        create_only: args.create_only,
        known,
    }
}
