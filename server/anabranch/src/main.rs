//! The binary: the server and the command line.

mod cli;
mod quickstart;
mod serve;
mod system;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A version-control server for data lakes that merges tables, not files.
#[derive(Parser, Debug)]
#[command(name = "anabranch", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Starts the server.
    Serve(serve::ServeArgs),
    /// Shows the main job on real data: two branches change one Delta table, and a merge makes them one.
    Quickstart(quickstart::QuickstartArgs),
    #[command(flatten)]
    Client(cli::Verb),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(anyhow::Error::new(error).context("the async runtime cannot be started"));
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => {
                log_to_stderr();
                serve::run(args).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Quickstart(args) => quickstart::run(args).await.map(|()| ExitCode::SUCCESS),
            Command::Client(verb) => cli::run(verb).await,
        }
    });
    result.unwrap_or_else(failed)
}

/// One line on stderr, and the exit code of an error.
fn failed(error: anyhow::Error) -> ExitCode {
    eprintln!("anabranch: {error:#}");
    ExitCode::from(2)
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ANABRANCH_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,s3s=off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
