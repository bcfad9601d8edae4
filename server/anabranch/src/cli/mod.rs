//! The command line: verbs that talk REST to a server.
//!
//! One file per noun. A verb asks through [`client::Client`] and answers a value; printing happens here, once.

mod branch;
mod client;
mod commit;
mod connection;
mod diff;
mod fsck;
mod merge;
mod object;
mod output;
mod repo;
mod tag;

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
    /// Writes a file to a branch.
    Put(Call<object::PutArgs>),
    /// Writes an object to the standard output.
    Cat(Call<object::CatArgs>),
    /// Removes objects from a branch.
    Rm(Call<object::RmArgs>),
    /// Shows what differs: uncommitted changes of a branch, or two refs. Exit code 1 if something does.
    Diff(Call<diff::DiffArgs>),
    /// Merges a ref into a branch. Exit code 1 if there are conflicts; then nothing is changed.
    Merge(Call<merge::MergeArgs>),
    /// Undoes a commit on a branch by a new commit.
    Revert(Call<merge::PickArgs>),
    /// Repeats a commit on a branch by a new commit.
    CherryPick(Call<merge::PickArgs>),
    /// Walks and verifies everything that a repository stores. Exit code 1 if something is wrong.
    Fsck(Call<fsck::FsckArgs>),
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
            let client = Client::connect(&$call.connection)?;
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
        Verb::Put(call) => ask!(call, object::put),
        Verb::Cat(call) => ask!(call, object::cat),
        Verb::Rm(call) => ask!(call, object::rm),
        Verb::Diff(call) => ask!(call, diff::run),
        Verb::Merge(call) => ask!(call, merge::merge),
        Verb::Revert(call) => ask!(call, merge::revert),
        Verb::CherryPick(call) => ask!(call, merge::cherry_pick),
        Verb::Fsck(call) => ask!(call, fsck::run),
    };
    output::print(&answer, as_json)?;
    Ok(ExitCode::from(answer.exit_code))
}
