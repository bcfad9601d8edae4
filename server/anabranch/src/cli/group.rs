//! `anabranch group` and `anabranch policy`: what users may do.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, ValueList};
use super::output::{Answer, field, shown, table};
use super::user::names;

#[derive(Args, Debug)]
pub(crate) struct GroupArgs {
    #[command(subcommand)]
    verb: GroupVerb,
}

#[derive(Subcommand, Debug)]
enum GroupVerb {
    /// Makes a group.
    Create {
        /// The group's name.
        name: String,
    },
    /// Lists groups.
    List,
    /// Lists the users of a group.
    Members {
        /// The group.
        name: String,
    },
    /// Puts a user into a group.
    Add {
        /// The group.
        name: String,
        /// The user.
        user: String,
    },
    /// Takes a user out of a group.
    Remove {
        /// The group.
        name: String,
        /// The user.
        user: String,
    },
    /// Deletes a group. Its users stay.
    Delete {
        /// The group.
        name: String,
    },
}

pub(super) async fn group(client: &Client, args: GroupArgs) -> anyhow::Result<Answer> {
    match args.verb {
        GroupVerb::Create { name } => {
            let request = client.request(Method::POST, &["auth", "groups"])?.json(&json!({"id": name}));
            let made: Value = client.json(request).await?;
            Ok(Answer::clean(format!("created group {}\n", shown(&name)), made))
        }
        GroupVerb::List => {
            let (found, _) = client.list::<ValueList, Value>(&["auth", "groups"], &[], None).await?;
            Ok(Answer::clean(names(&found), json!({"results": found})))
        }
        GroupVerb::Members { name } => {
            let segments = ["auth", "groups", name.as_str(), "members"];
            let (found, _) = client.list::<ValueList, Value>(&segments, &[], None).await?;
            Ok(Answer::clean(names(&found), json!({"results": found})))
        }
        GroupVerb::Add { name, user } => {
            client.send(client.request(Method::PUT, &["auth", "groups", &name, "members", &user])?).await?;
            let text = format!("{} is in {}\n", shown(&user), shown(&name));
            Ok(Answer::clean(text, json!({"group": name, "user": user, "member": true})))
        }
        GroupVerb::Remove { name, user } => {
            client
                .send(client.request(Method::DELETE, &["auth", "groups", &name, "members", &user])?)
                .await?;
            let text = format!("{} is no longer in {}\n", shown(&user), shown(&name));
            Ok(Answer::clean(text, json!({"group": name, "user": user, "member": false})))
        }
        GroupVerb::Delete { name } => {
            client.send(client.request(Method::DELETE, &["auth", "groups", &name])?).await?;
            Ok(Answer::clean(format!("deleted group {}\n", shown(&name)), json!({"deleted": name})))
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = "A policy is JSON, as lakeFS writes it:
  {\"id\": \"ReadSales\", \"statement\": [{\"effect\": \"allow\", \"action\": [\"fs:Read*\", \"fs:List*\"],
   \"resource\": \"arn:lakefs:fs:::repository/sales\"}]}")]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    verb: PolicyVerb,
}

#[derive(Subcommand, Debug)]
enum PolicyVerb {
    /// Makes a policy of a file.
    Create {
        /// The file, JSON.
        file: PathBuf,
    },
    /// Lists policies.
    List,
    /// Shows a policy as JSON.
    Show {
        /// The policy.
        name: String,
    },
    /// Lets a user or a group do what a policy says.
    Attach {
        /// The policy.
        name: String,
        #[command(flatten)]
        holder: Holder,
    },
    /// Takes a policy from a user or a group.
    Detach {
        /// The policy.
        name: String,
        #[command(flatten)]
        holder: Holder,
    },
    /// Deletes a policy.
    Delete {
        /// The policy.
        name: String,
    },
}

/// Who has a policy.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Holder {
    /// The user.
    #[arg(long)]
    user: Option<String>,
    /// The group.
    #[arg(long)]
    group: Option<String>,
}

impl Holder {
    /// `users` or `groups`, and the name.
    fn place(&self) -> (&'static str, &str) {
        match (&self.user, &self.group) {
            (Some(user), _) => ("users", user),
            (None, group) => ("groups", group.as_deref().unwrap_or_default()),
        }
    }
}

pub(super) async fn policy(client: &Client, args: PolicyArgs) -> anyhow::Result<Answer> {
    match args.verb {
        PolicyVerb::Create { file } => {
            let unreadable = || format!("{} cannot be read", file.display());
            let text = tokio::fs::read_to_string(&file).await.with_context(unreadable)?;
            let policy: Value =
                serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
            let request = client.request(Method::POST, &["auth", "policies"])?.json(&policy);
            let made: Value = client.json(request).await?;
            Ok(Answer::clean(format!("created policy {}\n", field(&made, "id")), made))
        }
        PolicyVerb::List => {
            let (found, _) = client.list::<ValueList, Value>(&["auth", "policies"], &[], None).await?;
            let rows: Vec<_> = found.iter().map(|policy| [field(policy, "id"), statements(policy)]).collect();
            Ok(Answer::clean(table(["NAME", "STATEMENTS"], &rows), json!({"results": found})))
        }
        PolicyVerb::Show { name } => {
            let found: Value =
                client.json(client.request(Method::GET, &["auth", "policies", &name])?).await?;
            Ok(Answer::clean(format!("{found:#}\n"), found))
        }
        PolicyVerb::Attach { name, holder } => change(client, Method::PUT, &name, &holder).await,
        PolicyVerb::Detach { name, holder } => change(client, Method::DELETE, &name, &holder).await,
        PolicyVerb::Delete { name } => {
            client.send(client.request(Method::DELETE, &["auth", "policies", &name])?).await?;
            Ok(Answer::clean(format!("deleted policy {}\n", shown(&name)), json!({"deleted": name})))
        }
    }
}

async fn change(client: &Client, method: Method, name: &str, holder: &Holder) -> anyhow::Result<Answer> {
    let attached = method == Method::PUT;
    let (kind, who) = holder.place();
    client.send(client.request(method, &["auth", kind, who, "policies", name])?).await?;
    let verb = if attached { "has" } else { "no longer has" };
    let text = format!("{} {verb} the policy {}\n", shown(who), shown(name));
    Ok(Answer::clean(text, json!({"policy": name, kind.trim_end_matches('s'): who, "attached": attached})))
}

/// A policy in one line: `allow fs:Read* on …; …`.
fn statements(policy: &Value) -> String {
    let statements = policy.get("statement").and_then(Value::as_array).cloned().unwrap_or_default();
    let one = |statement: &Value| {
        let actions = statement.get("action").and_then(Value::as_array).cloned().unwrap_or_default();
        let actions: Vec<_> = actions.iter().filter_map(Value::as_str).map(shown).collect();
        format!("{} {} on {}", field(statement, "effect"), actions.join(","), field(statement, "resource"))
    };
    statements.iter().map(one).collect::<Vec<_>>().join("; ")
}
