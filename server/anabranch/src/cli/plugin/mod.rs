//! `anabranch plugin`: makes, checks and tests plugins on this machine, and manages those of a server.

mod build;
mod cases;
mod check;
mod installed;
mod local;
mod new;
mod record;
mod update;

use clap::{Args, Subcommand};

use super::Call;
use super::client::Client;
use super::output::Answer;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch plugin new my-plugin --language python
  anabranch plugin build my-plugin
  anabranch plugin test my-plugin/my-plugin.wasm my-plugin/cases
  anabranch plugin install my-plugin/my-plugin.wasm
  anabranch plugin list")]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    verb: PluginVerb,
}

#[derive(Subcommand, Debug)]
enum PluginVerb {
    /// Makes a project: a small merger that works, its cases, and the SDK of its language. Needs no server.
    New(new::NewArgs),
    /// Builds the plugin of a folder by its plugin.toml, and checks it. Needs no server.
    Build(build::BuildArgs),
    /// Checks a plugin as a server does when it is installed, and shows what it is. Needs no server.
    Check(check::CheckArgs),
    /// Runs a plugin over folders of cases, in the runtime of the server. Exit code 1 if one fails. Needs no server.
    Test(cases::TestArgs),
    /// Makes a case of a merge that happened: what the sides had at a path, and what came of it.
    Record(record::RecordArgs),
    /// Installs a plugin on the server. Takes an administrator.
    Install(installed::InstallArgs),
    /// Makes the rules of a branch name another version of a plugin that they name.
    Update(update::UpdateArgs),
    /// Lists the plugins of the server.
    List,
    /// Shows a plugin of the server.
    Show(installed::NameArgs),
    /// Lets merges use a plugin again.
    Enable(installed::NameArgs),
    /// Keeps merges from using a plugin: those whose rules name it fail.
    Disable(installed::NameArgs),
    /// Removes a plugin from the server.
    Remove(installed::NameArgs),
}

pub(super) async fn run(call: Call<PluginArgs>) -> anyhow::Result<Answer> {
    let client = || Client::connect(call.connection.resolve()?);
    match call.what.verb {
        PluginVerb::New(args) => new::run(&args),
        PluginVerb::Record(args) => record::run(&client()?, &args).await,
        PluginVerb::Build(args) => build::run(&args).await,
        PluginVerb::Check(args) => check::run(&args).await,
        PluginVerb::Test(args) => cases::run(&args).await,
        PluginVerb::Install(args) => installed::install(&client()?, &args).await,
        PluginVerb::Update(args) => update::run(&client()?, &args).await,
        PluginVerb::List => installed::list(&client()?).await,
        PluginVerb::Show(args) => installed::show(&client()?, &args).await,
        PluginVerb::Enable(args) => installed::set_enabled(&client()?, &args, true).await,
        PluginVerb::Disable(args) => installed::set_enabled(&client()?, &args, false).await,
        PluginVerb::Remove(args) => installed::remove(&client()?, &args).await,
    }
}
