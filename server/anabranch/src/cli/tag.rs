//! `anabranch tag`.

use anabranch_api::wire;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::branch::refs;
use super::client::{Client, to_json};
use super::output::{Answer, short};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch tag create sales v1.0 main
  anabranch tag create sales latest main --force")]
pub(crate) struct TagArgs {
    #[command(subcommand)]
    verb: TagVerb,
}

#[derive(Subcommand, Debug)]
enum TagVerb {
    /// Makes a tag.
    Create {
        /// The repository.
        repository: String,
        /// The new tag.
        tag: String,
        /// The ref whose commit it names.
        r#ref: String,
        /// Moves a tag of that name.
        #[arg(long)]
        force: bool,
    },
    /// Lists tags.
    List {
        /// The repository.
        repository: String,
    },
    /// Shows one tag.
    Show {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// Deletes a tag.
    Delete {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
    },
}

pub(super) async fn run(client: &Client, args: TagArgs) -> anyhow::Result<Answer> {
    match args.verb {
        TagVerb::Create { repository, tag, r#ref, force } => {
            let creation = wire::TagCreation { id: tag, r#ref, force: Some(force) };
            let request =
                client.request(Method::POST, &["repositories", &repository, "tags"])?.json(&creation);
            let made: wire::Ref = client.json(request).await?;
            let text = format!("created tag {} at {}\n", made.id, short(&made.commit_id));
            Ok(Answer::clean(text, to_json(&made)?))
        }
        TagVerb::List { repository } => {
            let segments = ["repositories", repository.as_str(), "tags"];
            let (found, _) = client.list::<wire::RefList, _>(&segments, &[], None).await?;
            Ok(Answer::clean(refs(&found), json!({"results": to_json(&found)?})))
        }
        TagVerb::Show { repository, tag } => {
            let segments = ["repositories", repository.as_str(), "tags", tag.as_str()];
            let found: wire::Ref = client.json(client.request(Method::GET, &segments)?).await?;
            Ok(Answer::clean(refs(std::slice::from_ref(&found)), to_json(&found)?))
        }
        TagVerb::Delete { repository, tag } => {
            let segments = ["repositories", repository.as_str(), "tags", tag.as_str()];
            client.send(client.request(Method::DELETE, &segments)?).await?;
            Ok(Answer::clean(format!("deleted tag {tag}\n"), json!({"deleted": tag})))
        }
    }
}
