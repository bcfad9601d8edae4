//! `anabranch branch`.

use anabranch_api::wire;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::client::{Client, to_json};
use super::output::{Answer, short, table};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch branch create sales dev
  anabranch branch create sales fix --from v1.0
  anabranch branch move sales main main~2       # back by two commits
  anabranch branch list sales")]
pub(crate) struct BranchArgs {
    #[command(subcommand)]
    verb: BranchVerb,
}

#[derive(Subcommand, Debug)]
enum BranchVerb {
    /// Makes a branch.
    Create {
        /// The repository.
        repository: String,
        /// The new branch: letters, digits, underscores and hyphens.
        branch: String,
        /// The ref at whose commit it begins; left out: the default branch.
        #[arg(long, value_name = "REF")]
        from: Option<String>,
    },
    /// Lists branches.
    List {
        /// The repository.
        repository: String,
        /// Lists hidden branches too: clients' own transactions.
        #[arg(long)]
        hidden: bool,
    },
    /// Shows one branch.
    Show {
        /// The repository.
        repository: String,
        /// The branch.
        branch: String,
    },
    /// Moves a branch to another commit. Commits that it leaves behind stay, and are found by their ids.
    Move {
        /// The repository.
        repository: String,
        /// The branch.
        branch: String,
        /// The ref whose commit it moves to.
        r#ref: String,
        /// Throws uncommitted changes of the branch away, instead of refusing.
        #[arg(long)]
        force: bool,
    },
    /// Deletes a branch and what is staged on it. Its commits stay.
    Delete {
        /// The repository.
        repository: String,
        /// The branch.
        branch: String,
    },
}

pub(super) async fn run(client: &Client, args: BranchArgs) -> anyhow::Result<Answer> {
    match args.verb {
        BranchVerb::Create { repository, branch, from } => {
            let source = match from {
                Some(source) => source,
                None => default_branch(client, &repository).await?,
            };
            let creation =
                wire::BranchCreation { name: branch.clone(), source: source.clone(), ..Default::default() };
            let request =
                client.request(Method::POST, &["repositories", &repository, "branches"])?.json(&creation);
            let head = client.send(request).await?.text().await?;
            let text = format!("created branch {branch} from {source} at {}\n", short(&head));
            Ok(Answer::clean(text, json!({"id": branch, "commit_id": head})))
        }
        BranchVerb::List { repository, hidden } => {
            let segments = ["repositories", repository.as_str(), "branches"];
            let query = [("show_hidden", if hidden { "true" } else { "false" })];
            let (found, _) = client.list::<wire::RefList, _>(&segments, &query, None).await?;
            Ok(Answer::clean(refs(&found), json!({"results": to_json(&found)?})))
        }
        BranchVerb::Show { repository, branch } => {
            let segments = ["repositories", repository.as_str(), "branches", branch.as_str()];
            let found: wire::Ref = client.json(client.request(Method::GET, &segments)?).await?;
            Ok(Answer::clean(refs(std::slice::from_ref(&found)), to_json(&found)?))
        }
        BranchVerb::Move { repository, branch, r#ref, force } => {
            let place = ["repositories", repository.as_str(), "branches", branch.as_str()];
            let request = client.request(Method::PUT, &[place.as_slice(), &["hard_reset"]].concat())?;
            let force = force.to_string();
            client.send(request.query(&[("ref", r#ref.as_str()), ("force", force.as_str())])).await?;
            let found: wire::Ref = client.json(client.request(Method::GET, &place)?).await?;
            Ok(Answer::clean(format!("moved {branch} to {}\n", short(&found.commit_id)), to_json(&found)?))
        }
        BranchVerb::Delete { repository, branch } => {
            let segments = ["repositories", repository.as_str(), "branches", branch.as_str()];
            client.send(client.request(Method::DELETE, &segments)?).await?;
            Ok(Answer::clean(format!("deleted branch {branch}\n"), json!({"deleted": branch})))
        }
    }
}

async fn default_branch(client: &Client, repository: &str) -> anyhow::Result<String> {
    let request = client.request(Method::GET, &["repositories", repository])?;
    Ok(client.json::<wire::Repository>(request).await?.default_branch)
}

/// Refs and their commits, one per line.
pub(super) fn refs(refs: &[wire::Ref]) -> String {
    let rows: Vec<_> =
        refs.iter().map(|found| [found.id.clone(), short(&found.commit_id).to_owned()]).collect();
    table(["NAME", "COMMIT"], &rows)
}
