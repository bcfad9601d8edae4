//! `anabranch profile`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::connection::parse_endpoint;
use super::output::{Answer, table};
use super::profiles::{self, Profile, Profiles};

#[derive(Args, Debug)]
pub(crate) struct ProfileArgs {
    #[command(subcommand)]
    verb: ProfileVerb,
    /// Prints JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Subcommand, Debug)]
enum ProfileVerb {
    /// Keeps a server and a key pair under a name. The first one is in use at once.
    Add {
        /// The name: letters, digits, hyphens, underscores.
        name: String,
        /// The server, http:// or https://.
        #[arg(long, value_name = "URL")]
        endpoint: String,
        /// The access key id.
        #[arg(long, value_name = "ID")]
        access_key_id: String,
        /// Its secret; left out: read from the standard input, where other processes do not see it.
        #[arg(long, value_name = "SECRET")]
        secret_access_key: Option<String>,
        /// Trusts the certificates of this PEM file besides those of the system.
        #[arg(long, value_name = "FILE")]
        ca_cert: Option<PathBuf>,
        /// Replaces a profile of that name.
        #[arg(long)]
        force: bool,
    },
    /// Lists the profiles, without secrets.
    List,
    /// Asks this profile's server from now on when nothing else is said.
    Use {
        /// The profile.
        name: String,
    },
    /// Removes a profile.
    Remove {
        /// The profile.
        name: String,
    },
}

pub(super) fn run(args: ProfileArgs) -> anyhow::Result<Answer> {
    let file = profiles::path(&|name| std::env::var(name).ok())?;
    let mut profiles = Profiles::read(&file)?;
    match args.verb {
        ProfileVerb::Add { name, endpoint, access_key_id, secret_access_key, ca_cert, force } => {
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
                bail!("{name:?} is no name of a profile: use letters, digits, hyphens and underscores");
            }
            if profiles.profiles.contains_key(&name) && !force {
                bail!("there is a profile {name:?} already: give --force to replace it");
            }
            parse_endpoint(&endpoint)?;
            // A relative path would mean another file in each folder that the profile is used from.
            let ca_cert = match ca_cert {
                Some(given) => Some(
                    given.canonicalize().with_context(|| format!("{} cannot be read", given.display()))?,
                ),
                None => None,
            };
            let secret_access_key = match secret_access_key {
                Some(secret) => secret,
                None => read_secret(&access_key_id)?,
            };
            let profile = Profile { endpoint: endpoint.clone(), access_key_id, secret_access_key, ca_cert };
            profiles.profiles.insert(name.clone(), profile);
            let in_use = profiles.in_use.get_or_insert_with(|| name.clone()).clone() == name;
            profiles.write(&file)?;
            let note = if in_use { ", in use" } else { "" };
            let text = format!("added profile {name} for {endpoint}{note}\n");
            Ok(Answer::clean(text, json!({"name": name, "endpoint": endpoint, "in_use": in_use})))
        }
        ProfileVerb::List => Ok(list(&profiles)),
        ProfileVerb::Use { name } => {
            let endpoint = profiles.get(&name)?.endpoint.clone();
            profiles.in_use = Some(name.clone());
            profiles.write(&file)?;
            let text = format!("profile {name} is in use: {endpoint}\n");
            Ok(Answer::clean(text, json!({"name": name, "endpoint": endpoint, "in_use": true})))
        }
        ProfileVerb::Remove { name } => {
            profiles.get(&name)?;
            profiles.profiles.remove(&name);
            profiles.in_use = profiles.in_use.filter(|in_use| *in_use != name);
            profiles.write(&file)?;
            Ok(Answer::clean(format!("removed profile {name}\n"), json!({"removed": name})))
        }
    }
}

fn list(profiles: &Profiles) -> Answer {
    let is_in_use = |name: &str| profiles.in_use.as_deref() == Some(name);
    let rows: Vec<_> = profiles
        .profiles
        .iter()
        .map(|(name, profile)| {
            let mark = if is_in_use(name) { "*" } else { "" };
            [mark.to_owned(), name.clone(), profile.access_key_id.clone(), profile.endpoint.clone()]
        })
        .collect();
    let results: Vec<_> = profiles
        .profiles
        .iter()
        .map(|(name, profile)| {
            json!({
                "name": name, "endpoint": profile.endpoint, "access_key_id": profile.access_key_id,
                "ca_cert": profile.ca_cert, "in_use": is_in_use(name),
            })
        })
        .collect();
    Answer::clean(table(["", "NAME", "ACCESS KEY ID", "ENDPOINT"], &rows), json!({"results": results}))
}

/// One line of the standard input; at a terminal it is asked for and not shown.
fn read_secret(access_key_id: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    let hidden = if stdin.is_terminal() {
        eprint!("secret of {access_key_id}: ");
        std::io::stderr().flush().context("the standard error cannot be written")?;
        Some(HiddenInput::begin()?)
    } else {
        None
    };
    let mut line = String::new();
    stdin.lock().read_line(&mut line).context("the secret cannot be read from the standard input")?;
    if hidden.is_some() {
        eprintln!();
    }
    let secret = line.trim_end_matches(['\r', '\n']).to_owned();
    if secret.is_empty() {
        bail!("no secret was given: give --secret-access-key, or write it to the standard input");
    }
    Ok(secret)
}

/// The terminal does not show what is typed as long as this lives.
struct HiddenInput {
    before: rustix::termios::Termios,
}

impl HiddenInput {
    fn begin() -> anyhow::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(std::io::stdin()).context("the terminal does not answer")?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &hidden)
            .context("the terminal cannot hide what is typed")?;
        Ok(HiddenInput { before })
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}
