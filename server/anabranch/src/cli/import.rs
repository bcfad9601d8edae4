//! `anabranch import`.

use std::time::Duration;

use anabranch_api::wire;
use anyhow::bail;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{Client, to_json};
use super::commit::name_and_value;
use super::output::{Answer, counted, short, shown};
use super::transfer::Progress;

/// How long to wait between two questions of how far it is: short at first, for imports that are small.
const WAITS_MS: [u64; 4] = [100, 200, 500, 1000];

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch import start sales main s3://lake/events/2024/ events/2024/ -m \"events of 2024\"
  anabranch import start sales main s3://lake/one.parquet raw/one.parquet --no-wait
  anabranch import status sales main ID
  anabranch import cancel sales main ID

No byte is copied: the entries point to where the objects lie. The server imports only from stores that its operator
allows.")]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    verb: ImportVerb,
}

#[derive(Subcommand, Debug)]
enum ImportVerb {
    /// Starts an import and waits for its end: one commit on the branch.
    Start(StartArgs),
    /// Shows how far an import is.
    Status(JobArgs),
    /// Waits for the end of an import.
    Wait(JobArgs),
    /// Cancels an import. Nothing of it is committed.
    Cancel(JobArgs),
}

#[derive(Args, Debug)]
struct StartArgs {
    /// The repository.
    repository: String,
    /// The branch.
    branch: String,
    /// Where the objects lie: s3://BUCKET/PREFIX/, all below it; without the slash at its end, one object.
    source: String,
    /// The path or folder that they get on the branch; left out: the whole branch.
    #[arg(default_value = "")]
    destination: String,
    /// What the commit says.
    #[arg(long, short)]
    message: Option<String>,
    /// Metadata to attach to the commit; may be given several times.
    #[arg(long = "meta", value_name = "NAME=VALUE", value_parser = name_and_value)]
    metadata: Vec<(String, String)>,
    /// Does not wait for the end.
    #[arg(long)]
    no_wait: bool,
}

#[derive(Args, Debug)]
struct JobArgs {
    /// The repository.
    repository: String,
    /// The branch.
    branch: String,
    /// The import's id.
    id: String,
}

/// How far an import is.
#[derive(Serialize, Deserialize)]
struct Status {
    completed: bool,
    ingested_objects: Option<u64>,
    commit: Option<wire::Commit>,
    error: Option<wire::Error>,
}

#[derive(Deserialize)]
struct Started {
    id: String,
}

pub(super) async fn run(client: &Client, args: ImportArgs) -> anyhow::Result<Answer> {
    match args.verb {
        ImportVerb::Start(args) => start(client, args).await,
        ImportVerb::Status(job) => answer(&job, &status(client, &job).await?),
        ImportVerb::Wait(job) => wait(client, job).await,
        ImportVerb::Cancel(job) => {
            let request = client.request(Method::DELETE, &segments(&job.repository, &job.branch))?;
            client.send(request.query(&[("id", job.id.as_str())])).await?;
            let text = format!("cancelled the import {}\n", shown(&job.id));
            Ok(Answer::clean(text, json!({"id": job.id, "cancelled": true})))
        }
    }
}

async fn start(client: &Client, args: StartArgs) -> anyhow::Result<Answer> {
    let StartArgs { repository, branch, source, destination, message, metadata, no_wait } = args;
    let kind = if source.ends_with('/') { "common_prefix" } else { "object" };
    if kind == "object" && destination.is_empty() {
        bail!(
            "{source} is one object: name the path that it gets, or end the source with '/' for all below it"
        );
    }
    let message = message.unwrap_or_else(|| format!("import of {source}"));
    let metadata: wire::Metadata = metadata.into_iter().collect();
    let body = json!({
        "paths": [{"type": kind, "path": source, "destination": destination}],
        "commit": {"message": message, "metadata": metadata},
    });
    let request = client.request(Method::POST, &segments(&repository, &branch))?.json(&body);
    let Started { id } = client.json(request).await?;
    let job = JobArgs { repository, branch, id };
    if no_wait {
        let text = format!(
            "started the import {0}; `anabranch import wait {1} {2} {0}` waits for its end\n",
            shown(&job.id),
            job.repository,
            job.branch
        );
        return Ok(Answer::clean(text, json!({"id": job.id, "completed": false})));
    }
    wait(client, job).await
}

fn segments<'a>(repository: &'a str, branch: &'a str) -> [&'a str; 5] {
    ["repositories", repository, "branches", branch, "import"]
}

async fn status(client: &Client, job: &JobArgs) -> anyhow::Result<Status> {
    let request = client.request(Method::GET, &segments(&job.repository, &job.branch))?;
    client.json(request.query(&[("id", job.id.as_str())])).await
}

/// Waits for the end. Told to stop, it leaves the import going and says how to come back to it.
async fn wait(client: &Client, job: JobArgs) -> anyhow::Result<Answer> {
    let progress = Progress::counting(true);
    let ended = tokio::select! {
        ended = poll(client, &job, &progress) => ended,
        _ = tokio::signal::ctrl_c() => {
            let (repository, branch, id) = (&job.repository, &job.branch, &job.id);
            Err(anyhow::anyhow!(
                "the import {id} goes on: `anabranch import wait {repository} {branch} {id}` waits for it again, \
                 `anabranch import cancel {repository} {branch} {id}` cancels it"
            ))
        }
    };
    progress.end();
    answer(&job, &ended?)
}

async fn poll(client: &Client, job: &JobArgs, progress: &Progress) -> anyhow::Result<Status> {
    for wait_ms in WAITS_MS.into_iter().chain(std::iter::repeat(1000)) {
        let status = status(client, job).await?;
        if status.completed || status.error.is_some() {
            return Ok(status);
        }
        let count = status.ingested_objects.unwrap_or_default();
        progress.say(format!("importing: {} so far", counted(count, "object")));
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }
    bail!("the import {} does not end", job.id)
}

fn answer(job: &JobArgs, status: &Status) -> anyhow::Result<Answer> {
    if let Some(error) = &status.error {
        bail!("the import {} failed: {}", job.id, shown(&error.message));
    }
    let count = counted(status.ingested_objects.unwrap_or_default(), "object");
    let text = match (&status.commit, status.completed) {
        (Some(commit), true) => format!("imported {count} to {}: {}\n", job.branch, short(&commit.id)),
        (None, true) => format!("imported {count} to {}\n", job.branch),
        (_, false) => format!("the import {} goes on: {count} so far\n", shown(&job.id)),
    };
    let mut json = to_json(status)?;
    if let Some(fields) = json.as_object_mut() {
        fields.insert("id".into(), job.id.clone().into());
    }
    Ok(Answer::clean(text, json))
}
