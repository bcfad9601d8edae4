//! `anabranch repo`.

use anabranch_api::{utc, wire};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::client::{Client, to_json};
use super::output::{Answer, shown, table};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch repo create sales
  anabranch repo create sales --storage-namespace s3://lake/sales
  anabranch repo list --json")]
pub(crate) struct RepoArgs {
    #[command(subcommand)]
    verb: RepoVerb,
}

#[derive(Subcommand, Debug)]
enum RepoVerb {
    /// Makes a repository.
    Create {
        /// 3 to 63 lower-case letters, digits and hyphens.
        name: String,
        /// Where its objects go: local://NAME, s3://BUCKET/PREFIX or mem://NAME; left out: a local folder.
        #[arg(long, value_name = "NAMESPACE")]
        storage_namespace: Option<String>,
        /// The branch that exists from the start.
        #[arg(long, default_value = "main", value_name = "BRANCH")]
        default_branch: String,
    },
    /// Lists repositories.
    List,
    /// Shows one repository.
    Show {
        /// The repository.
        name: String,
    },
    /// Deletes a repository. Its objects stay in their storage.
    Delete {
        /// The repository.
        name: String,
    },
}

pub(super) async fn run(client: &Client, args: RepoArgs) -> anyhow::Result<Answer> {
    match args.verb {
        RepoVerb::Create { name, storage_namespace, default_branch } => {
            let creation = wire::RepositoryCreation {
                name,
                storage_namespace,
                default_branch: Some(default_branch),
                ..Default::default()
            };
            let request = client.request(Method::POST, &["repositories"])?.json(&creation);
            let made: wire::Repository = client.json(request).await?;
            let text = format!("created repository {} at {}\n", made.id, shown(&made.storage_namespace));
            Ok(Answer::clean(text, to_json(&made)?))
        }
        RepoVerb::List => {
            let (found, _) = client.list::<wire::RepositoryList, _>(&["repositories"], &[], None).await?;
            let rows: Vec<_> = found.iter().map(row).collect();
            let text = table(["NAME", "DEFAULT BRANCH", "CREATED", "NAMESPACE"], &rows);
            Ok(Answer::clean(text, json!({"results": to_json(&found)?})))
        }
        RepoVerb::Show { name } => {
            let found: wire::Repository =
                client.json(client.request(Method::GET, &["repositories", &name])?).await?;
            let text = table(["NAME", "DEFAULT BRANCH", "CREATED", "NAMESPACE"], &[row(&found)]);
            Ok(Answer::clean(text, to_json(&found)?))
        }
        RepoVerb::Delete { name } => {
            client.send(client.request(Method::DELETE, &["repositories", &name])?).await?;
            Ok(Answer::clean(format!("deleted repository {name}\n"), json!({"deleted": name})))
        }
    }
}

fn row(repository: &wire::Repository) -> [String; 4] {
    [
        repository.id.clone(),
        repository.default_branch.clone(),
        utc(repository.creation_date),
        shown(&repository.storage_namespace),
    ]
}
