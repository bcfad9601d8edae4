//! The binary: the server and the command line.

mod cli;
mod config;
mod quickstart;
mod serve;
mod system;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Requests are many small allocations on several threads at once, which the system's allocator serves slower.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
    Serve(Box<config::SettingFlags>),
    /// Checks a configuration file; shows every setting and where it comes from.
    Config(config::ConfigArgs),
    /// Shows the main job on real data: two branches change one Delta table, and a merge makes them one.
    Quickstart(quickstart::QuickstartArgs),
    #[command(flatten)]
    Client(Box<cli::Verb>),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Libraries that speak TLS ask the process what to compute with, and panic where they find two and nobody chose.
    // This is the first call, so that it cannot fail.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(anyhow::Error::new(error).context("the async runtime cannot be started"));
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve(flags) => serve::run(flags.settings()?).await.map(|()| ExitCode::SUCCESS),
            Command::Config(args) => config::run(args),
            Command::Quickstart(args) => quickstart::run(args).await.map(|()| ExitCode::SUCCESS),
            Command::Client(verb) => cli::run(*verb).await,
        }
    });
    result.unwrap_or_else(failed)
}

/// One line on stderr, and the exit code of an error.
fn failed(error: anyhow::Error) -> ExitCode {
    eprintln!("anabranch: {error:#}");
    ExitCode::from(2)
}
