//! Which server is asked, and with which keys.

use std::path::{Path, PathBuf};

use anabranch_auth::KeyPair;
use anyhow::{Context, bail};
use clap::Args;
use reqwest::Url;

use super::profiles::{self, Profiles};
use crate::serve::data_folder::read_admin_key;

const LOCAL_ENDPOINT: &str = "http://127.0.0.1:8000";
const LOCAL_DATA: &str = "anabranch-data";

/// Which server, which keys, and in which form the answer is printed.
///
/// The environment is read by hand, because a profile that is named stands between the flags and the environment.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The server, http:// or https:// [env: ANABRANCH_ENDPOINT] [default: http://127.0.0.1:8000].
    #[arg(long, global = true, value_name = "URL")]
    endpoint: Option<String>,
    /// The access key id [env: ANABRANCH_ACCESS_KEY_ID].
    ///
    /// Without one, a server on this machine is asked with the key that its first start left in --data.
    #[arg(long, global = true, value_name = "ID")]
    access_key_id: Option<String>,
    /// The secret of the access key [env: ANABRANCH_SECRET_ACCESS_KEY].
    #[arg(long, global = true, value_name = "SECRET")]
    secret_access_key: Option<String>,
    /// Takes server and keys from this profile: see `anabranch profile` [env: ANABRANCH_PROFILE].
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// Trusts the certificates of this PEM file besides those of the system [env: ANABRANCH_CA_CERT].
    #[arg(long, global = true, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// The data folder of a server on this machine, for its key [env: ANABRANCH_DATA] [default: anabranch-data].
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// A server and how it is asked.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) endpoint: Url,
    pub(super) keys: KeyPair,
    pub(super) ca_cert: Option<PathBuf>,
}

/// One place that may say which server and which keys.
#[derive(Clone, Debug, Default)]
struct Layer {
    endpoint: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    ca_cert: Option<PathBuf>,
}

impl ConnectionArgs {
    /// The server and the keys: flags first, then the profile that is named, the environment, the profile in use, and
    /// at last the server of this machine.
    pub(super) fn resolve(&self) -> anyhow::Result<Connection> {
        let environment = |name: &str| std::env::var(name).ok();
        let file = profiles::path(&environment)?;
        self.resolve_with(&environment, &Profiles::read(&file)?)
    }

    fn resolve_with(
        &self,
        environment: &dyn Fn(&str) -> Option<String>,
        profiles: &Profiles,
    ) -> anyhow::Result<Connection> {
        let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
        let flags = Layer {
            endpoint: self.endpoint.clone(),
            access_key_id: given(&self.access_key_id),
            secret_access_key: given(&self.secret_access_key),
            ca_cert: self.ca_cert.clone(),
        };
        let environment = Layer {
            endpoint: variable("ANABRANCH_ENDPOINT"),
            access_key_id: variable("ANABRANCH_ACCESS_KEY_ID"),
            secret_access_key: variable("ANABRANCH_SECRET_ACCESS_KEY"),
            ca_cert: variable("ANABRANCH_CA_CERT").map(PathBuf::from),
        };
        let named = self.profile.clone().or_else(|| variable("ANABRANCH_PROFILE"));
        let named = named.map(|name| profile_layer(profiles, &name)).transpose()?;
        let in_use = match &named {
            Some(_) => None,
            None => profiles.in_use.as_deref().map(|name| profile_layer(profiles, name)).transpose()?,
        };
        let layers: Vec<Layer> =
            [Some(flags), named, Some(environment), in_use].into_iter().flatten().collect();
        let data = self.data.clone().or_else(|| variable("ANABRANCH_DATA").map(PathBuf::from));
        merged(&layers, data.as_deref())
    }
}

fn given(value: &Option<String>) -> Option<String> {
    value.clone().filter(|value| !value.is_empty())
}

fn profile_layer(profiles: &Profiles, name: &str) -> anyhow::Result<Layer> {
    let profile = profiles.get(name)?;
    Ok(Layer {
        endpoint: Some(profile.endpoint.clone()),
        access_key_id: Some(profile.access_key_id.clone()),
        secret_access_key: Some(profile.secret_access_key.clone()),
        ca_cert: profile.ca_cert.clone(),
    })
}

/// The first layer that says something wins. Keys and certificates of a layer go only to the server that it names: a
/// secret never travels to another.
fn merged(layers: &[Layer], data: Option<&Path>) -> anyhow::Result<Connection> {
    let text = layers.iter().find_map(|layer| layer.endpoint.as_deref()).unwrap_or(LOCAL_ENDPOINT);
    let endpoint = parse_endpoint(text)?;
    let same_server = |layer: &&Layer| match &layer.endpoint {
        None => true,
        Some(own) => parse_endpoint(own).is_ok_and(|own| own == endpoint),
    };
    let ca_cert = layers.iter().filter(same_server).find_map(|layer| layer.ca_cert.clone());
    let mut keys = None;
    for layer in layers.iter().filter(same_server) {
        if let Some(pair) = layer_keys(layer)? {
            keys = Some(pair);
            break;
        }
    }
    let keys = match keys {
        Some(keys) => keys,
        None => data_folder_keys(&endpoint, data).map_err(|error| {
            let elsewhere = layers.iter().find(|layer| layer.access_key_id.is_some() && !same_server(layer));
            match elsewhere.and_then(|layer| layer.endpoint.as_deref()) {
                Some(other) => {
                    error.context(format!("the keys at hand are for {other} and go to no other server"))
                }
                None => error,
            }
        })?,
    };
    Ok(Connection { endpoint, keys, ca_cert })
}

fn layer_keys(layer: &Layer) -> anyhow::Result<Option<KeyPair>> {
    match (&layer.access_key_id, &layer.secret_access_key) {
        (Some(id), Some(secret)) => Ok(Some(KeyPair::new(id.clone(), secret.clone()))),
        (None, None) => Ok(None),
        (Some(_), None) => {
            bail!("the secret is missing: give --secret-access-key, or set ANABRANCH_SECRET_ACCESS_KEY")
        }
        (None, Some(_)) => {
            bail!("the access key id is missing: give --access-key-id, or set ANABRANCH_ACCESS_KEY_ID")
        }
    }
}

/// The key of a server on this machine. It goes to another machine only if its folder was named.
fn data_folder_keys(endpoint: &Url, data: Option<&Path>) -> anyhow::Result<KeyPair> {
    if data.is_none() && !is_local(endpoint) {
        bail!(
            "no keys for {endpoint}: give --access-key-id and --secret-access-key, set ANABRANCH_ACCESS_KEY_ID and \
             ANABRANCH_SECRET_ACCESS_KEY, or keep them with `anabranch profile add`"
        );
    }
    read_admin_key(data.unwrap_or(Path::new(LOCAL_DATA))).context(
        "no keys: set ANABRANCH_ACCESS_KEY_ID and ANABRANCH_SECRET_ACCESS_KEY, use a profile, or name the server's \
         data folder with --data",
    )
}

/// Whether the server is on this machine.
pub(super) fn is_local(endpoint: &Url) -> bool {
    match endpoint.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Reads the address of a server.
pub(super) fn parse_endpoint(text: &str) -> anyhow::Result<Url> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .filter(|url| url.username().is_empty() && url.password().is_none())
        .with_context(|| {
            format!("{text:?} is no address of a server: give one like http://127.0.0.1:8000 or https://lake.example.com")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const PROFILES: &str = r#"
        in_use = "prod"
        [profiles.prod]
        endpoint = "https://prod.example"
        access_key_id = "PRODKEY"
        secret_access_key = "prod-secret"
        [profiles.test]
        endpoint = "http://test.example:8000"
        access_key_id = "TESTKEY"
        secret_access_key = "test-secret"
        ca_cert = "/etc/test.pem"
    "#;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        connection: ConnectionArgs,
    }

    /// Resolves flags and an environment, written as on a command line, over the profiles above.
    fn check(flags: &str, environment: &str, expected: Expect) {
        let line: Line = clap::Parser::parse_from(["anabranch"].into_iter().chain(flags.split_whitespace()));
        let variable = |name: &str| {
            let mut pairs = environment.split_whitespace().filter_map(|pair| pair.split_once('='));
            pairs.find(|(own, _)| *own == name).map(|(_, value)| value.to_owned())
        };
        let profiles = Profiles::parse(PROFILES).unwrap();
        let shown = match line.connection.resolve_with(&variable, &profiles) {
            Ok(Connection { endpoint, keys, ca_cert }) => format!(
                "{endpoint} {} {}{}\n",
                keys.access_key_id,
                keys.secret.expose(),
                ca_cert.map(|file| format!(" {}", file.display())).unwrap_or_default()
            ),
            Err(error) => format!("{error:#}\n"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn the_profile_in_use_is_asked_when_nothing_is_said() {
        check(
            "",
            "",
            expect![[r"
            https://prod.example/ PRODKEY prod-secret
        "]],
        );
    }

    #[test]
    fn a_named_profile_goes_before_the_environment_and_flags_before_both() {
        let environment =
            "ANABRANCH_ENDPOINT=http://env:1 ANABRANCH_ACCESS_KEY_ID=ENV ANABRANCH_SECRET_ACCESS_KEY=s";
        check(
            "",
            environment,
            expect![[r"
            http://env:1/ ENV s
        "]],
        );
        check(
            "--profile test",
            environment,
            expect![[r"
            http://test.example:8000/ TESTKEY test-secret /etc/test.pem
        "]],
        );
        check(
            "",
            &format!("{environment} ANABRANCH_PROFILE=test"),
            expect![[r"
            http://test.example:8000/ TESTKEY test-secret /etc/test.pem
        "]],
        );
        check(
            "--profile test --access-key-id FLAG --secret-access-key f",
            environment,
            expect![[r"
            http://test.example:8000/ FLAG f /etc/test.pem
        "]],
        );
    }

    #[test]
    fn keys_of_one_server_never_go_to_another() {
        check(
            "--endpoint https://other.example",
            "",
            expect![[r#"
                the keys at hand are for https://prod.example and go to no other server: no keys for https://other.example/: give --access-key-id and --secret-access-key, set ANABRANCH_ACCESS_KEY_ID and ANABRANCH_SECRET_ACCESS_KEY, or keep them with `anabranch profile add`
            "#]],
        );
        check(
            "--endpoint https://prod.example:443/",
            "",
            expect![[r"
            https://prod.example/ PRODKEY prod-secret
        "]],
        );
    }

    #[test]
    fn what_cannot_be_is_said() {
        check(
            "--profile nowhere",
            "",
            expect![[r#"
            there is no profile "nowhere": the profiles are prod, test
        "#]],
        );
        check(
            "--access-key-id A",
            "",
            expect![[r"
            the secret is missing: give --secret-access-key, or set ANABRANCH_SECRET_ACCESS_KEY
        "]],
        );
        check(
            "--endpoint ftp://x",
            "",
            expect![[r#"
            "ftp://x" is no address of a server: give one like http://127.0.0.1:8000 or https://lake.example.com
        "#]],
        );
    }
}
