//! Which server is asked, and with which keys.

use std::path::PathBuf;

use anabranch_auth::KeyPair;
use anyhow::{Context, bail};
use clap::Args;

use crate::serve::data_folder::read_admin_key;

/// Which server, which keys, and in which form the answer is printed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The server.
    #[arg(
        long,
        global = true,
        env = "ANABRANCH_ENDPOINT",
        default_value = "http://127.0.0.1:8000",
        value_name = "URL"
    )]
    pub(super) endpoint: String,
    /// The access key id. Without one, the key that the first `serve` left in --data is used.
    #[arg(long, global = true, env = "ANABRANCH_ACCESS_KEY_ID", value_name = "ID")]
    access_key_id: Option<String>,
    /// The secret of the access key.
    #[arg(
        long,
        global = true,
        env = "ANABRANCH_SECRET_ACCESS_KEY",
        value_name = "SECRET",
        hide_env_values = true
    )]
    secret_access_key: Option<String>,
    /// The data folder of a server on this machine, for its key.
    #[arg(long, global = true, default_value = "anabranch-data", env = "ANABRANCH_DATA", value_name = "DIR")]
    data: PathBuf,
    /// Prints JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl ConnectionArgs {
    /// The keys: those that were given, or else those of the data folder.
    pub(super) fn keys(&self) -> anyhow::Result<KeyPair> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        match (given(&self.access_key_id), given(&self.secret_access_key)) {
            (Some(id), Some(secret)) => Ok(KeyPair::new(id, secret)),
            (Some(_), None) => bail!(
                "the secret is missing: give --secret-access-key, or set ANABRANCH_SECRET_ACCESS_KEY"
            ),
            (None, Some(_)) => {
                bail!("the access key id is missing: give --access-key-id, or set ANABRANCH_ACCESS_KEY_ID")
            }
            (None, None) => read_admin_key(&self.data).context(
                "no keys: set ANABRANCH_ACCESS_KEY_ID and ANABRANCH_SECRET_ACCESS_KEY, or name the server's data \
                 folder with --data",
            ),
        }
    }
}
