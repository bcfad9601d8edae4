//! `anabranch user` and `anabranch key`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, ValueList};
use super::output::{Answer, field, moment, shown, table};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch user create ann
  anabranch group add Developers ann
  anabranch key create ann                      # prints the secret, this once")]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    verb: UserVerb,
}

#[derive(Subcommand, Debug)]
enum UserVerb {
    /// Makes a user. It may do nothing until it is in a group or has a policy.
    Create {
        /// The user's name.
        name: String,
    },
    /// Lists users.
    List,
    /// Shows a user, its groups and what it may do.
    Show {
        /// The user; left out: whoever the keys belong to.
        name: Option<String>,
    },
    /// Deletes a user. Its keys stop working.
    Delete {
        /// The user.
        name: String,
    },
}

pub(super) async fn user(client: &Client, args: UserArgs) -> anyhow::Result<Answer> {
    match args.verb {
        UserVerb::Create { name } => {
            let request = client.request(Method::POST, &["auth", "users"])?;
            let made: Value = client.json(request.json(&json!({"id": name, "invite_user": false}))).await?;
            let text =
                format!("created user {0}; `anabranch key create {0}` makes its first key\n", shown(&name));
            Ok(Answer::clean(text, made))
        }
        UserVerb::List => {
            let (found, _) = client.list::<ValueList, Value>(&["auth", "users"], &[], None).await?;
            Ok(Answer::clean(names(&found), json!({"results": found})))
        }
        UserVerb::Show { name } => show(client, name).await,
        UserVerb::Delete { name } => {
            client.send(client.request(Method::DELETE, &["auth", "users", &name])?).await?;
            Ok(Answer::clean(format!("deleted user {}\n", shown(&name)), json!({"deleted": name})))
        }
    }
}

async fn show(client: &Client, name: Option<String>) -> anyhow::Result<Answer> {
    let name = match name {
        Some(name) => name,
        None => caller(client).await?,
    };
    let segments = ["auth", "users", name.as_str()];
    let user: Value = client.json(client.request(Method::GET, &segments)?).await?;
    let segments = ["auth", "users", name.as_str(), "groups"];
    let (groups, _) = client.list::<ValueList, Value>(&segments, &[], None).await?;
    let segments = ["auth", "users", name.as_str(), "policies"];
    let query = [("effective", "true")];
    let (policies, _) = client.list::<ValueList, Value>(&segments, &query, None).await?;
    let ids = |values: &[Value]| values.iter().map(|value| field(value, "id")).collect::<Vec<_>>();
    let text = format!(
        "user      {}\ngroups    {}\npolicies  {}\n",
        shown(&name),
        ids(&groups).join(", "),
        ids(&policies).join(", ")
    );
    let json = json!({"user": user, "groups": groups, "policies": policies});
    Ok(Answer::clean(text, json))
}

/// Whoever the keys belong to.
async fn caller(client: &Client) -> anyhow::Result<String> {
    let answer: Value = client.json(client.request(Method::GET, &["user"])?).await?;
    Ok(answer.get("user").map(|user| field(user, "id")).unwrap_or_default())
}

/// Names and when they were made, one per line.
pub(super) fn names(found: &[Value]) -> String {
    let rows: Vec<_> =
        found.iter().map(|value| [field(value, "id"), moment(value, "creation_date")]).collect();
    table(["NAME", "CREATED"], &rows)
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch key create                          # one of your own
  anabranch key create ann --json > ann.json
  anabranch key delete AKIA… --user ann         # at once on this server, everywhere within seconds

To change a key without a break, make a second one, use it everywhere, and delete the first.")]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    verb: KeyVerb,
}

#[derive(Subcommand, Debug)]
enum KeyVerb {
    /// Makes a key pair and prints its secret, this once.
    Create {
        /// The user; left out: whoever the keys in use belong to.
        user: Option<String>,
    },
    /// Lists the access key ids of a user.
    List {
        /// The user; left out: whoever the keys in use belong to.
        user: Option<String>,
    },
    /// Deletes a key pair.
    Delete {
        /// The access key id.
        // Its own name inside: the flag of the connection has this one, and would get this value.
        #[arg(id = "key_to_delete", value_name = "ACCESS_KEY_ID")]
        access_key_id: String,
        /// The user; left out: whoever the keys in use belong to.
        #[arg(long)]
        user: Option<String>,
    },
}

pub(super) async fn key(client: &Client, args: KeyArgs) -> anyhow::Result<Answer> {
    let (KeyVerb::Create { user } | KeyVerb::List { user } | KeyVerb::Delete { user, .. }) = &args.verb;
    let user = match user {
        Some(user) => user.clone(),
        None => caller(client).await?,
    };
    let segments = ["auth", "users", user.as_str(), "credentials"];
    match args.verb {
        KeyVerb::Create { .. } => {
            let made: Value = client.json(client.request(Method::POST, &segments)?).await?;
            let text = format!(
                "created a key of {}. Its secret is shown this once:\n  access key id      {}\n  secret access key  {}\n",
                shown(&user),
                field(&made, "access_key_id"),
                field(&made, "secret_access_key")
            );
            Ok(Answer::clean(text, made))
        }
        KeyVerb::List { .. } => {
            let (found, _) = client.list::<ValueList, Value>(&segments, &[], None).await?;
            let rows: Vec<_> = found
                .iter()
                .map(|value| [field(value, "access_key_id"), moment(value, "creation_date")])
                .collect();
            Ok(Answer::clean(table(["ACCESS KEY ID", "CREATED"], &rows), json!({"results": found})))
        }
        KeyVerb::Delete { access_key_id, .. } => {
            let segments = ["auth", "users", user.as_str(), "credentials", access_key_id.as_str()];
            client.send(client.request(Method::DELETE, &segments)?).await?;
            let text = format!("deleted the key {} of {}\n", shown(&access_key_id), shown(&user));
            Ok(Answer::clean(text, json!({"deleted": access_key_id, "user": user})))
        }
    }
}
