//! `anabranch get`.

use std::path::{Path, PathBuf};

use anabranch_api::wire;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::address::{folder, is_folder, name};
use super::client::Client;
use super::object::{objects_below, stat_if_there};
use super::output::{Answer, counted, shown};
use super::transfer::{self, Download, Moved, Progress, TransferArgs};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch get sales main raw/2024.csv
  anabranch get sales main tables/flights/ ./flights    # a whole folder
  anabranch get sales v1.0 / ./everything

A file gets its name when all of it is there. A download that broke off goes on where it ended with the same command;
files that are there already with the same size and checksum are not downloaded again.")]
pub(crate) struct GetArgs {
    /// The repository.
    repository: String,
    /// A branch, tag, commit id or an expression such as main~2.
    r#ref: String,
    /// The path of an object; one that ends in '/' is a folder, '/' alone is everything.
    path: String,
    /// The file or folder that it becomes; left out: one of the same name, here.
    target: Option<PathBuf>,
    /// Takes PATH for a folder.
    #[arg(long, short)]
    recursive: bool,
    #[command(flatten)]
    transfer: TransferArgs,
}

pub(super) async fn get(client: &Client, args: GetArgs) -> anyhow::Result<Answer> {
    if args.recursive || is_folder(&args.path) {
        get_folder(client, &args).await
    } else {
        get_file(client, &args).await
    }
}

async fn get_file(client: &Client, args: &GetArgs) -> anyhow::Result<Answer> {
    let Some(object) = stat_if_there(client, &args.repository, &args.r#ref, &args.path).await? else {
        return Err(nothing_there(client, args).await);
    };
    let target = file_target(args.target.as_deref(), &args.path)?;
    let size = object.size_bytes.unwrap_or_default();
    let progress = Progress::bytes(size, !args.transfer.no_progress);
    let download = download(args, &object, &target);
    let moved = transfer::download(client, &download, &progress).await;
    progress.end();
    let (verb, outcome) = match moved? {
        Moved::Transferred(_) => ("wrote", "transferred"),
        Moved::Skipped => ("there already:", "skipped"),
    };
    let text = format!("{verb} {} ({})\n", target.display(), counted(size, "byte"));
    let file = target.to_string_lossy();
    Ok(Answer::clean(text, json!({"path": object.path, "file": file, "bytes": size, "outcome": outcome})))
}

/// Where a single object goes: into a folder under its own name, or to the file that is named.
fn file_target(target: Option<&Path>, path: &str) -> anyhow::Result<PathBuf> {
    match target {
        None => transfer::below(Path::new(""), name(path)),
        Some(folder) if folder.is_dir() || folder.as_os_str().as_encoded_bytes().ends_with(b"/") => {
            transfer::below(folder, name(path))
        }
        Some(file) => Ok(file.to_owned()),
    }
}

async fn nothing_there(client: &Client, args: &GetArgs) -> anyhow::Error {
    let path = &args.path;
    match objects_below(client, &args.repository, &args.r#ref, &folder(path)).await {
        Ok(found) if !found.is_empty() => anyhow::anyhow!(
            "{path:?} is no object but a folder of {}: write '{path}/' to get all of it",
            counted(found.len() as u64, "object")
        ),
        Ok(_) => anyhow::anyhow!("there is no object {path:?} on {} of {}", args.r#ref, args.repository),
        Err(error) => error,
    }
}

async fn get_folder(client: &Client, args: &GetArgs) -> anyhow::Result<Answer> {
    let prefix = folder(&args.path);
    let objects = objects_below(client, &args.repository, &args.r#ref, &prefix).await?;
    if objects.is_empty() {
        bail!("nothing is below {:?} on {} of {}", args.path, args.r#ref, args.repository);
    }
    let target = match &args.target {
        Some(target) => target.clone(),
        None if prefix.is_empty() => transfer::below(Path::new(""), &args.repository)?,
        None => transfer::below(Path::new(""), name(&prefix))?,
    };
    let total = objects.iter().filter_map(|object| object.size_bytes).sum();
    let progress = Progress::bytes(total, !args.transfer.no_progress);
    let one = |object: wire::ObjectStats| {
        let (prefix, target, progress) = (&prefix, &target, &progress);
        async move {
            let relative =
                object.path.strip_prefix(prefix.as_str()).context("the server listed another folder")?;
            if relative.is_empty() {
                // Some programs mark a folder with an empty object of its name. It is one already.
                return Ok(Moved::Skipped);
            }
            let file = transfer::below(target, relative)?;
            transfer::download(client, &download(args, &object, &file), progress).await
        }
    };
    let report = transfer::run(objects, |object| &object.path, &args.transfer, one).await;
    progress.end();
    report.answer("wrote", &format!(" below {}", shown(&target.to_string_lossy())))
}

fn download<'a>(args: &'a GetArgs, object: &'a wire::ObjectStats, target: &'a Path) -> Download<'a> {
    Download {
        repository: &args.repository,
        reference: &args.r#ref,
        object,
        target,
        always: args.transfer.always,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_goes_into_a_folder_or_to_the_file_that_is_named() {
        let target = |target: Option<&str>, path| file_target(target.map(Path::new), path).unwrap();
        assert_eq!(target(None, "a/b.csv"), Path::new("b.csv"));
        assert_eq!(target(Some("x.csv"), "a/b.csv"), Path::new("x.csv"));
        assert_eq!(target(Some("new/"), "a/b.csv"), Path::new("new/b.csv"));
        assert_eq!(target(Some("/"), "a/b.csv"), Path::new("/b.csv"));
        assert!(file_target(None, "a/..").is_err());
    }
}
