//! `anabranch plugin`: makes, checks and tests plugins on this machine, and manages those of a server.

mod build;
mod cases;
mod check;
mod local;

use clap::{Args, Subcommand};

use super::output::Answer;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch plugin build my-plugin
  anabranch plugin check my-plugin/my-plugin.wasm
  anabranch plugin test my-plugin/my-plugin.wasm my-plugin/cases")]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    verb: PluginVerb,
}

#[derive(Subcommand, Debug)]
enum PluginVerb {
    /// Builds the plugin of a folder by its plugin.toml, and checks it.
    Build(build::BuildArgs),
    /// Checks a plugin as a server does when it is installed, and shows what it is.
    Check(check::CheckArgs),
    /// Runs a plugin over folders of cases, in the runtime of the server. Exit code 1 if one fails.
    Test(cases::TestArgs),
}

/// Runs a verb; with the answer comes whether it is wanted as JSON.
pub(super) async fn run(args: PluginArgs) -> anyhow::Result<(Answer, bool)> {
    match args.verb {
        PluginVerb::Build(args) => Ok((build::run(&args).await?, args.json)),
        PluginVerb::Check(args) => Ok((check::run(&args).await?, args.json)),
        PluginVerb::Test(args) => Ok((cases::run(&args).await?, args.json)),
    }
}
