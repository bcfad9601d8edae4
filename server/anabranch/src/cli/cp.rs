//! `anabranch cp`.

use std::collections::BTreeMap;

use anabranch_api::wire;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::address::{Address, folder, is_folder, name};
use super::client::Client;
use super::object::{objects_below, stat_if_there, stat_of};
use super::output::{Answer, counted, shown};
use super::transfer::{self, CopyPlace, Moved, Progress, TransferArgs};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch cp sales/main/raw/a.csv sales/dev/raw/b.csv
  anabranch cp sales/v1.0/tables/flights/ sales/dev/tables/flights/    # a folder, from a tag
  anabranch cp sales/main/raw/a.csv archive/main/2024/                 # to another repository

Within a repository no byte moves. To another one the bytes go through this machine. What is at the destination already
with the same size and checksum is not copied again. The copies are uncommitted.")]
pub(crate) struct CpArgs {
    /// An object, or a folder that ends in '/': REPOSITORY/REF/PATH.
    source: Address,
    /// Where it goes: REPOSITORY/BRANCH/PATH. One that ends in '/' is a folder.
    destination: Address,
    /// Takes SOURCE for a folder.
    #[arg(long, short)]
    recursive: bool,
    #[command(flatten)]
    transfer: TransferArgs,
}

pub(super) async fn cp(client: &Client, args: CpArgs) -> anyhow::Result<Answer> {
    if args.recursive || is_folder(&args.source.path) {
        return copy_folder(client, &args).await;
    }
    let CpArgs { source, destination, .. } = &args;
    let to_path = match is_folder(&destination.path) {
        true => format!("{}{}", destination.path, name(&source.path)),
        false => destination.path.clone(),
    };
    let Some(object) = stat_if_there(client, &source.repository, &source.reference, &source.path).await?
    else {
        let below =
            objects_below(client, &source.repository, &source.reference, &folder(&source.path)).await?;
        match below.len() as u64 {
            0 => bail!("there is no object at {}", shown(&source.to_string())),
            count => bail!(
                "{0} is no object but a folder of {1}: write '{0}/' to copy all of it",
                shown(&source.to_string()),
                counted(count, "object")
            ),
        }
    };
    let progress = Progress::bytes(object.size_bytes.unwrap_or_default(), !args.transfer.no_progress);
    let copied = transfer::copy(client, &place(&args), &object, &to_path, &progress).await;
    progress.end();
    copied?;
    let made = stat_of(client, &destination.repository, &destination.reference, &to_path).await?;
    let size = counted(made.size_bytes.unwrap_or_default(), "byte");
    let to = Address { path: to_path, ..destination.clone() };
    let text = format!(
        "copied {} to {} ({size}), uncommitted\n",
        shown(&source.to_string()),
        shown(&to.to_string())
    );
    let json = json!({
        "source": source.to_string(), "destination": to.to_string(), "bytes": made.size_bytes, "checksum": made.checksum,
    });
    Ok(Answer::clean(text, json))
}

async fn copy_folder(client: &Client, args: &CpArgs) -> anyhow::Result<Answer> {
    let CpArgs { source, destination, .. } = args;
    let (from, to) = (folder(&source.path), folder(&destination.path));
    // All of it is listed before anything is written: a folder can be copied into itself.
    let objects = objects_below(client, &source.repository, &source.reference, &from).await?;
    if objects.is_empty() {
        bail!("nothing is below {}", shown(&source.to_string()));
    }
    let known: BTreeMap<String, wire::ObjectStats> = if args.transfer.always {
        BTreeMap::new()
    } else {
        let there = objects_below(client, &destination.repository, &destination.reference, &to).await?;
        there.into_iter().map(|object| (object.path.clone(), object)).collect()
    };
    let total = objects.iter().filter_map(|object| object.size_bytes).sum();
    let progress = Progress::bytes(total, !args.transfer.no_progress);
    let place = place(args);
    let one = |object: wire::ObjectStats| {
        let (known, progress, place, from, to) = (&known, &progress, &place, &from, &to);
        async move {
            let relative =
                object.path.strip_prefix(from.as_str()).context("the server listed another folder")?;
            let path = format!("{to}{relative}");
            if known.get(&path).is_some_and(|there| same(there, &object)) {
                progress.add(object.size_bytes.unwrap_or_default());
                return Ok(Moved::Skipped);
            }
            transfer::copy(client, place, &object, &path, progress).await
        }
    };
    let report = transfer::run(objects, |object| &object.path, &args.transfer, one).await;
    progress.end();
    let to = Address { path: to.clone(), ..destination.clone() };
    report.answer("copied", &shown(&format!(" to {to}, uncommitted")))
}

fn place(args: &CpArgs) -> CopyPlace<'_> {
    CopyPlace {
        from_repository: &args.source.repository,
        from_reference: &args.source.reference,
        to_repository: &args.destination.repository,
        to_branch: &args.destination.reference,
    }
}

fn same(left: &wire::ObjectStats, right: &wire::ObjectStats) -> bool {
    left.size_bytes == right.size_bytes
        && left.checksum == right.checksum
        && left.content_type == right.content_type
        && left.metadata == right.metadata
}
