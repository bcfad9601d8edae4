//! `anabranch quickstart`: the main job on real data, with nothing but this binary.
//!
//! It plays the requests that real engines' writes consist of against a server of its own, so that what it shows
//! is what any client would see.

mod client;
mod table;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use include_dir::{Dir, include_dir};

use crate::serve::{self, ServeArgs};
use client::Client;

static DATA: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../testdata/quickstart");
const REPOSITORY: &str = "quickstart";
const TABLE: &str = "flights";

/// Shows the main job on real data.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct QuickstartArgs {
    /// Keeps the server's data in this folder, to go on with; without it everything is removed at the end.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Runs the demonstration from an empty folder to the merged table.
pub(crate) async fn run(args: QuickstartArgs) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("no temporary folder can be made")?;
    let data = args.keep.clone().unwrap_or_else(|| scratch.path().join("anabranch-data"));
    let running = serve::start(ServeArgs {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        data: data.clone(),
        postgres: None,
        s3_endpoint: None,
        s3_region: "us-east-1".into(),
        s3_access_key_id: None,
        s3_secret_access_key: None,
        allow_namespaces: Vec::new(),
        import_sources: Vec::new(),
        public_url: None,
        access_key_id: None,
        secret_access_key: None,
    })
    .await?;
    println!("A server runs on http://{}, its data in {}.\n", running.address, data.display());
    let client = Client::new(running.address, &running.admin)?;
    let shown = show(&client).await;
    running.stop().await?;
    shown?;
    match args.keep {
        Some(folder) => print_next_steps(&folder),
        None => println!(
            "Everything was removed again. To go on with these data:\n  anabranch quickstart --keep anabranch-data"
        ),
    }
    Ok(())
}

async fn show(client: &Client) -> anyhow::Result<()> {
    println!("1. A table of flights, written by delta-rs: 1 to 3 January, a commit each.");
    client.create_repository(REPOSITORY).await?;
    write(client, "main", "base").await?;
    client.commit(REPOSITORY, "main", "flights of 1 to 3 January").await?;
    client.create_branch(REPOSITORY, "dev", "main").await?;
    print_days("main", &table::read(client, REPOSITORY, "main", TABLE).await?);

    println!("\n2. main goes on: delta-rs appends the flights of 4 January.");
    write(client, "main", "main").await?;
    client.commit(REPOSITORY, "main", "flights of 4 January").await?;
    println!(
        "   dev meanwhile: delta-rs deletes the cancelled flights of 2 January, DuckDB inserts 5 January."
    );
    write(client, "dev", "dev").await?;
    client.commit(REPOSITORY, "dev", "2 January cleaned, flights of 5 January").await?;
    let ours = table::read(client, REPOSITORY, "main", TABLE).await?;
    let theirs = table::read(client, REPOSITORY, "dev", TABLE).await?;
    print_days("main", &ours);
    print_days("dev", &theirs);
    println!(
        "   Both wrote version 3 of the log: file by file this is a conflict, and the table would be lost."
    );

    client.command_line(&["diff", REPOSITORY, "main", "dev"]).await?;
    client.command_line(&["merge", REPOSITORY, "dev", "main"]).await?;
    client.command_line(&["log", REPOSITORY, "main"]).await?;

    println!("\n3. main holds both changes, in one log.");
    let merged = table::read(client, REPOSITORY, "main", TABLE).await?;
    print_days("main", &merged);
    println!("\n   The first merged rows of each day:");
    for line in merged.sample()? {
        println!("   {line}");
    }
    println!();
    Ok(())
}

/// Uploads the files of one branch, data before log, as a Delta writer does.
async fn write(client: &Client, branch: &str, folder: &str) -> anyhow::Result<()> {
    let root = DATA.get_dir(folder).with_context(|| format!("the binary lacks its data of {folder}"))?;
    let mut files = Vec::new();
    collect(root, &mut files);
    files.sort_by_key(|(path, _)| (path.contains("/_delta_log/"), path.clone()));
    for (path, content) in files {
        let path = path.strip_prefix(&format!("{folder}/")).unwrap_or(&path).to_owned();
        client.upload(REPOSITORY, branch, &path, content).await?;
    }
    Ok(())
}

fn collect(folder: &'static Dir<'static>, files: &mut Vec<(String, &'static [u8])>) {
    for file in folder.files() {
        files.push((file.path().to_string_lossy().into_owned(), file.contents()));
    }
    for child in folder.dirs() {
        collect(child, files);
    }
}

fn print_days(branch: &str, table: &table::Table) {
    let days: Vec<String> =
        table.rows_by_day.iter().map(|(day, rows)| format!("{day} January: {rows}")).collect();
    println!("   {branch:<5} version {}, {} rows ({})", table.version, table.rows, days.join(", "));
}

fn print_next_steps(folder: &std::path::Path) {
    let folder = folder.display();
    println!("The data are kept in {folder}. Go on with:");
    println!("  anabranch serve --data {folder}");
    println!("  anabranch log {REPOSITORY} main --data {folder}");
    println!("  anabranch ls {REPOSITORY} main {TABLE}/ --data {folder}");
    println!("The key pair is in {folder}/admin-key.json. With Python and delta-rs:");
    println!(
        "  DeltaTable(\"s3://{REPOSITORY}/main/{TABLE}\", storage_options={{\"aws_endpoint\": \"http://127.0.0.1:8000\", \
         \"aws_allow_http\": \"true\", \"aws_region\": \"us-east-1\", \"aws_access_key_id\": …, \"aws_secret_access_key\": …, \
         \"aws_conditional_put\": \"etag\"}})"
    );
}
