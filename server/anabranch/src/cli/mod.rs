//! The command line: verbs that talk REST to a server, and some that need none.
//!
//! One file per noun. A verb asks through [`client::Client`] and answers a value; printing happens here, once.

mod address;
mod branch;
mod client;
mod commit;
mod completions;
mod confirm;
mod connection;
mod cp;
mod diff;
mod diff_rows;
mod fsck;
mod get;
mod group;
mod import;
mod merge;
mod object;
mod output;
mod plugin;
mod preview;
mod profile;
mod profiles;
mod put;
mod repo;
mod reset;
mod rm;
mod session;
mod tag;
mod transfer;
mod user;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::client::Client;
use self::connection::ConnectionArgs;
use self::output::Answer;

/// What can be asked of a server.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Creates, lists, shows and deletes repositories.
    Repo(Call<repo::RepoArgs>),
    /// Creates, lists and deletes branches.
    Branch(Call<branch::BranchArgs>),
    /// Creates, lists and deletes tags.
    Tag(Call<tag::TagArgs>),
    /// Commits what is staged on a branch.
    Commit(Call<commit::CommitArgs>),
    /// Shows the commits that a ref reaches, newest first.
    Log(Call<commit::LogArgs>),
    /// Lists the objects of a ref, uncommitted ones of a branch included.
    Ls(Call<object::LsArgs>),
    /// Shows what is known of an object.
    Stat(Call<object::StatArgs>),
    /// Writes an object to the standard output.
    Cat(Call<object::CatArgs>),
    /// Writes a file, a folder or the standard input to a branch.
    Put(Call<put::PutArgs>),
    /// Writes an object or a folder of a ref to files.
    Get(Call<get::GetArgs>),
    /// Copies an object or a folder within a branch, to another branch or to another repository.
    Cp(Call<cp::CpArgs>),
    /// Removes objects from a branch.
    Rm(Call<rm::RmArgs>),
    /// Throws uncommitted changes of a branch away.
    Reset(Call<reset::ResetArgs>),
    /// Imports objects that lie in a store already, without copying them.
    Import(Call<import::ImportArgs>),
    /// Shows what differs: uncommitted changes of a branch, or two refs. Exit code 1 if something does.
    Diff(Call<diff::DiffArgs>),
    /// Merges a ref into a branch. Exit code 1 if there are conflicts; then nothing is changed.
    Merge(Call<merge::MergeArgs>),
    /// Decides the conflicts of a merge one by one. `anabranch merge --session` begins.
    Session(Call<session::SessionArgs>),
    /// Shows what a merge did, and who decided what: the report that its commit keeps.
    Explain(Call<preview::ExplainArgs>),
    /// Undoes a commit on a branch by a new commit.
    Revert(Call<merge::PickArgs>),
    /// Repeats a commit on a branch by a new commit.
    CherryPick(Call<merge::PickArgs>),
    /// Walks and verifies everything that a repository stores. Exit code 1 if something is wrong.
    Fsck(Call<fsck::FsckArgs>),
    /// Creates, lists, shows and deletes users.
    User(Call<user::UserArgs>),
    /// Creates, lists and deletes the key pairs of users.
    Key(Call<user::KeyArgs>),
    /// Creates, lists and deletes groups, and puts users into them.
    Group(Call<group::GroupArgs>),
    /// Creates, lists and deletes policies, and gives them to users and groups.
    Policy(Call<group::PolicyArgs>),
    /// Makes, checks and tests plugins, and manages those of a server.
    Plugin(Call<plugin::PluginArgs>),
    /// Keeps servers and keys under names.
    Profile(profile::ProfileArgs),
    /// Prints what makes a shell complete this command.
    Completions(completions::CompletionsArgs),
}

/// What is asked, and of which server.
#[derive(Args, Debug)]
pub(crate) struct Call<T: Args> {
    #[command(flatten)]
    what: T,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Asks the server and prints its answer. An error is one line that says what to do.
pub(crate) async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    macro_rules! ask {
        ($call:expr, $run:path) => {{
            let client = Client::connect($call.connection.resolve()?)?;
            ($run(&client, $call.what).await?, $call.connection.json)
        }};
    }
    let (answer, as_json): (Answer, bool) = match verb {
        Verb::Repo(call) => ask!(call, repo::run),
        Verb::Branch(call) => ask!(call, branch::run),
        Verb::Tag(call) => ask!(call, tag::run),
        Verb::Commit(call) => ask!(call, commit::commit),
        Verb::Log(call) => ask!(call, commit::log),
        Verb::Ls(call) => ask!(call, object::ls),
        Verb::Stat(call) => ask!(call, object::stat),
        Verb::Cat(call) => ask!(call, object::cat),
        Verb::Put(call) => ask!(call, put::put),
        Verb::Get(call) => ask!(call, get::get),
        Verb::Cp(call) => ask!(call, cp::cp),
        Verb::Rm(call) => ask!(call, rm::rm),
        Verb::Reset(call) => ask!(call, reset::run),
        Verb::Import(call) => ask!(call, import::run),
        Verb::Diff(call) => ask!(call, diff::run),
        Verb::Merge(call) => ask!(call, merge::merge),
        Verb::Session(call) => ask!(call, session::run),
        Verb::Explain(call) => ask!(call, preview::explain),
        Verb::Revert(call) => ask!(call, merge::revert),
        Verb::CherryPick(call) => ask!(call, merge::cherry_pick),
        Verb::Fsck(call) => ask!(call, fsck::run),
        Verb::User(call) => ask!(call, user::user),
        Verb::Key(call) => ask!(call, user::key),
        Verb::Group(call) => ask!(call, group::group),
        Verb::Policy(call) => ask!(call, group::policy),
        Verb::Plugin(call) => {
            let as_json = call.connection.json;
            (plugin::run(call).await?, as_json)
        }
        Verb::Profile(args) => {
            let as_json = args.json;
            (profile::run(args)?, as_json)
        }
        Verb::Completions(args) => (completions::run(&args), false),
    };
    output::print(&answer, as_json)?;
    Ok(ExitCode::from(answer.exit_code))
}
