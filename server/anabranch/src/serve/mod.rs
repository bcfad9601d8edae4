//! `anabranch serve`: opens the data folder, wires backends, mergers and doors, and answers requests.

mod chores;
pub(crate) mod data_folder;
mod http;
mod namespaces;
mod wiring;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anabranch_app::LinkKey;
use anabranch_auth::{KeyPair, Secret, StaticKeys};
use anyhow::{Context, bail};
use tokio::net::TcpListener;

use crate::system::SystemIds;
use data_folder::DataFolder;
use namespaces::{AllowLists, S3Access};

/// Starts the server.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ServeArgs {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8000", env = "ANABRANCH_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// The folder that everything lives below; made if it is absent.
    #[arg(long, default_value = "anabranch-data", env = "ANABRANCH_DATA")]
    pub(crate) data: PathBuf,
    /// Keeps refs and staged changes in this Postgres database instead of SQLite below the data folder.
    #[arg(long, env = "ANABRANCH_POSTGRES", hide_env_values = true, value_name = "URL")]
    pub(crate) postgres: Option<String>,
    /// The endpoint of `s3://` namespaces; AWS itself when left out.
    #[arg(long, env = "ANABRANCH_S3_ENDPOINT", value_name = "URL")]
    pub(crate) s3_endpoint: Option<String>,
    /// The region of `s3://` namespaces.
    #[arg(long, env = "ANABRANCH_S3_REGION", default_value = "us-east-1")]
    pub(crate) s3_region: String,
    /// The access key for `s3://` namespaces; without it they are refused.
    #[arg(long, env = "ANABRANCH_S3_ACCESS_KEY_ID", requires = "s3_secret_access_key")]
    pub(crate) s3_access_key_id: Option<String>,
    /// Its secret.
    #[arg(long, env = "ANABRANCH_S3_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub(crate) s3_secret_access_key: Option<String>,
    /// A prefix below which repositories may lie, as `s3://BUCKET/PREFIX`; may be given several times. Without one only
    /// `local://` and `mem://` namespaces are taken.
    #[arg(
        long = "allow-namespace",
        env = "ANABRANCH_ALLOW_NAMESPACES",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub(crate) allow_namespaces: Vec<String>,
    /// A prefix below which objects may be imported from, as `s3://BUCKET/PREFIX` or `local:///FOLDER`; may be given
    /// several times.
    #[arg(
        long = "import-source",
        env = "ANABRANCH_IMPORT_SOURCES",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub(crate) import_sources: Vec<String>,
    /// What clients reach this server by; signed addresses begin with it. Left out: what each request came to.
    #[arg(long, env = "ANABRANCH_PUBLIC_URL", value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// The administrator's access key; with its secret, instead of the pair that the first start makes.
    #[arg(long, env = "ANABRANCH_ACCESS_KEY_ID", requires = "secret_access_key")]
    pub(crate) access_key_id: Option<String>,
    /// Its secret.
    #[arg(long, env = "ANABRANCH_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub(crate) secret_access_key: Option<String>,
}

/// A server that accepts requests from now on.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The administrator's key pair.
    pub(crate) admin: KeyPair,
    /// Whether the pair was made by this start, and must be shown.
    pub(crate) admin_is_new: bool,
    stop: tokio::sync::watch::Sender<bool>,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
    chores: tokio::task::JoinHandle<()>,
    // The folder stays locked until the last request is answered.
    _folder: DataFolder,
}

impl Running {
    /// Lets requests that have begun finish, and ends.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        // Fails only if the server ended by itself; its task says why.
        let _ = self.stop.send(true);
        self.chores.abort();
        self.task.await.context("the server task broke off")?
    }
}

/// Runs until the process is told to end.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let running = start(args).await?;
    println!("anabranch listens on http://{}", running.address);
    if running.admin_is_new {
        println!("The administrator's key pair, shown this once:");
        println!("  access key id      {}", running.admin.access_key_id);
        println!("  secret access key  {}", running.admin.secret.expose());
    }
    wait_for_signal().await?;
    tracing::info!("stopping: requests that have begun are finished");
    running.stop().await
}

/// Starts a server and returns once it accepts requests.
pub(crate) async fn start(args: ServeArgs) -> anyhow::Result<Running> {
    let folder = DataFolder::open(&args.data)?;
    let (admin, admin_is_new) = admin_key(&args, &folder)?;
    let s3 = s3_access(&args)?;
    let allowed = AllowLists::checked(args.allow_namespaces.clone(), args.import_sources.clone())?;
    let app = wiring::app(wiring::Wiring {
        folder: &folder,
        postgres: args.postgres.as_deref(),
        s3,
        allowed,
        public_url: args.public_url.clone(),
        // All servers of an installation have the same administrator.
        link_key: LinkKey::derived_from(admin.secret.expose().as_bytes()),
    })
    .await?;
    let chores = tokio::spawn(chores::run(app.clone()));
    let keys = Arc::new(StaticKeys::admin(admin.clone()));
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let task = tokio::spawn(http::serve(listener, app, keys, stopped));
    Ok(Running { address, admin, admin_is_new, stop, task, chores, _folder: folder })
}

fn admin_key(args: &ServeArgs, folder: &DataFolder) -> anyhow::Result<(KeyPair, bool)> {
    match (&args.access_key_id, &args.secret_access_key) {
        (Some(id), Some(secret)) if !id.is_empty() && !secret.is_empty() => {
            Ok((KeyPair::new(id.clone(), secret.clone()), false))
        }
        (None, None) => folder.admin_key(&SystemIds),
        _ => bail!("ANABRANCH_ACCESS_KEY_ID and ANABRANCH_SECRET_ACCESS_KEY are set together or not at all"),
    }
}

fn s3_access(args: &ServeArgs) -> anyhow::Result<Option<S3Access>> {
    match (&args.s3_access_key_id, &args.s3_secret_access_key) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => Ok(Some(S3Access {
            endpoint: args.s3_endpoint.clone(),
            region: args.s3_region.clone(),
            access_key_id: id.clone(),
            secret_access_key: Secret::new(secret.clone()),
        })),
        _ => bail!(
            "ANABRANCH_S3_ACCESS_KEY_ID and ANABRANCH_S3_SECRET_ACCESS_KEY are set together or not at all"
        ),
    }
}

async fn wait_for_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.context("SIGINT cannot be waited for"),
        _ = terminate.recv() => Ok(()),
    }
}
