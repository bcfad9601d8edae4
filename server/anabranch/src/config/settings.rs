//! The settings of a server, typed and consistent.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anabranch_auth::{KeyPair, Secret, ServerKey};

use super::sources::Values;
use super::value;

/// What a server is told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Its own folder.
    pub(crate) data: PathBuf,
    /// What clients reach it by, if that is given: without a `/` at the end.
    pub(crate) public_url: Option<String>,
    /// The administrator's key pair, if it is given.
    pub(crate) admin: Option<KeyPair>,
    /// The key for secrets at rest, sessions and addresses, if it is given.
    pub(crate) server_key: Option<ServerKey>,
    /// Earlier ones.
    pub(crate) old_server_keys: Vec<ServerKey>,
    /// How long a login lasts.
    pub(crate) session_lifetime: Duration,
    /// Refs and staged changes.
    pub(crate) refs: RefsSettings,
    /// Objects.
    pub(crate) objects: ObjectsSettings,
    /// The S3 door.
    pub(crate) gateway: GatewaySettings,
    /// Certificate and key, if the server speaks TLS.
    pub(crate) tls: Option<TlsFiles>,
    /// Where `/metrics` is served by itself.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// The log.
    pub(crate) log: LogSettings,
    /// Traces, if they are sent.
    pub(crate) trace: Option<TraceSettings>,
    /// What is too much.
    pub(crate) limits: Limits,
    /// What plugins may use.
    pub(crate) plugins: PluginSettings,
}

/// Where refs and staged changes are kept.
#[derive(Clone, Debug)]
pub(crate) struct RefsSettings {
    /// A Postgres URL; none for SQLite below the data folder.
    pub(crate) postgres: Option<Secret>,
    /// The schema of the database.
    pub(crate) schema: String,
    /// The most connections.
    pub(crate) connections: u32,
    /// How long a request waits for a database that does not answer.
    pub(crate) wait: Duration,
}

/// Which storages there are and who may use what of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObjectsSettings {
    /// What the namespace of a repository begins with when none is given: `local://`, or ending in `/`.
    pub(crate) default_namespace: String,
    /// What namespaces must begin with.
    pub(crate) allow: Vec<String>,
    /// What sources of imports must begin with.
    pub(crate) allow_import: Vec<String>,
    /// How `s3://` is reached.
    pub(crate) s3: Option<S3Access>,
    /// How `az://` is reached.
    pub(crate) azure: Option<AzureAccess>,
}

/// How `s3://` namespaces are reached.
#[derive(Clone, Debug)]
pub(crate) struct S3Access {
    pub(crate) endpoint: Option<String>,
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
}

/// How `az://` namespaces are reached.
#[derive(Clone, Debug)]
pub(crate) struct AzureAccess {
    pub(crate) account: String,
    pub(crate) access_key: Secret,
    pub(crate) endpoint: Option<String>,
}

impl AzureAccess {
    /// Container and prefix of an address like `https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX`, if it is one
    /// of this account.
    pub(crate) fn container_of<'a>(&self, address: &'a str) -> Option<&'a str> {
        let own = format!("https://{}.blob.core.windows.net", self.account);
        let places = [Some(own.as_str()), self.endpoint.as_deref()];
        let found =
            places.into_iter().flatten().find_map(|place| address.strip_prefix(place.trim_end_matches('/')));
        found?.strip_prefix('/')
    }
}

/// The S3 door.
#[derive(Clone, Debug)]
pub(crate) struct GatewaySettings {
    /// Domains below which buckets are hosts.
    pub(crate) domains: Vec<String>,
    /// The region that clients must sign for; any if none.
    pub(crate) region: Option<String>,
}

/// The files of a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// The log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LogSettings {
    /// What is logged, as `tracing_subscriber::EnvFilter` reads it.
    pub(crate) level: String,
    /// Whether lines are JSON.
    pub(crate) json: bool,
}

/// Where traces go.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct TraceSettings {
    /// The collector.
    pub(crate) endpoint: String,
    /// The share of requests that are traced.
    pub(crate) sample: f64,
}

/// What is too much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) requests: usize,
    pub(crate) header_bytes: usize,
    pub(crate) header_time: Duration,
    pub(crate) body_bytes: u64,
    pub(crate) body_idle: Duration,
    pub(crate) body_rate: u64,
    pub(crate) request_time: Duration,
    pub(crate) shutdown_time: Duration,
    pub(crate) rows_bytes: u64,
    pub(crate) rows_disk_bytes: u64,
    pub(crate) cache_bytes: u64,
}

/// What plugins may use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PluginSettings {
    /// Whether those that come with the server take objects for which no rule names a merger.
    pub(crate) shipped: bool,
    pub(crate) calls: usize,
    /// For answers that are kept.
    pub(crate) answers_bytes: u64,
    pub(crate) component_bytes: u64,
    pub(crate) compile_seconds: u64,
    /// Of one call.
    pub(crate) limits: anabranch_plugin_host::Limits,
}

/// The least that hyper reads a request into.
const HEADER_BYTES_MIN: usize = 8192;

impl Settings {
    /// The settings that these values say. The values were checked one by one; here they are checked together.
    pub(crate) fn from_values(values: &Values) -> Result<Settings, Vec<String>> {
        let mut reader = Reader { values, wrong: Vec::new() };
        let admin = reader.pair("access_key_id", "secret_access_key");
        let s3 = reader.pair("s3.access_key_id", "s3.secret_access_key");
        let azure = reader.pair("azure.account", "azure.access_key");
        let s3 = s3.map(|pair| S3Access {
            endpoint: reader.optional("s3.endpoint"),
            region: reader.text("s3.region"),
            access_key_id: pair.access_key_id,
            secret_access_key: pair.secret,
        });
        let azure = azure.map(|pair| AzureAccess {
            account: pair.access_key_id,
            access_key: pair.secret,
            endpoint: reader.optional("azure.endpoint"),
        });
        let settings = Settings {
            listen: reader.address("listen").unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8000))),
            data: reader.text("data").into(),
            public_url: reader.optional("public_url").map(|url| url.trim_end_matches('/').to_owned()),
            admin,
            server_key: reader.server_keys("server_key").into_iter().next(),
            old_server_keys: reader.server_keys("old_server_keys"),
            session_lifetime: reader.duration("session_lifetime"),
            refs: reader.refs(),
            objects: ObjectsSettings {
                default_namespace: reader.default_namespace(),
                allow: reader.list("objects.allow"),
                allow_import: reader.list("objects.allow_import"),
                s3,
                azure,
            },
            gateway: GatewaySettings {
                domains: reader.list("gateway.domains"),
                region: reader.optional("gateway.region"),
            },
            tls: reader.tls(),
            metrics_listen: reader.address("metrics.listen"),
            log: reader.log(),
            trace: reader.trace(),
            limits: reader.limits(),
            plugins: reader.plugins(),
        };
        if reader.wrong.is_empty() { Ok(settings) } else { Err(reader.wrong) }
    }
}

/// Takes values out, and notes what does not fit together.
struct Reader<'a> {
    values: &'a Values,
    wrong: Vec<String>,
}

impl Reader<'_> {
    fn optional(&self, name: &str) -> Option<String> {
        let found =
            self.values.get(name).filter(|found| !found.text.is_empty() || found.held_by.is_some())?;
        Some(found.text.clone())
    }

    fn text(&self, name: &str) -> String {
        self.optional(name).unwrap_or_default()
    }

    /// What a value means. Its kind was checked before, so that a failure here is only noted, not explained.
    fn read<T: Default>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> T {
        read(&self.text(name)).unwrap_or_else(|expected| {
            self.wrong.push(format!("{name}: give {expected}"));
            T::default()
        })
    }

    fn address(&self, name: &str) -> Option<SocketAddr> {
        self.optional(name)?.parse().ok()
    }

    fn duration(&mut self, name: &str) -> Duration {
        self.read(name, value::duration)
    }

    fn bytes(&mut self, name: &str) -> u64 {
        self.read(name, value::bytes)
    }

    fn size(&mut self, name: &str, read: impl Fn(&str) -> Result<u64, String>, least: usize) -> usize {
        let number = self.read(name, read);
        let size = usize::try_from(number).unwrap_or(usize::MAX);
        if size < least {
            self.wrong.push(format!("{name} is {size}: give at least {least}"));
        }
        size
    }

    fn list(&self, name: &str) -> Vec<String> {
        value::list(&self.text(name))
    }

    /// Two values that are given together or not at all.
    fn pair(&mut self, name: &str, secret: &str) -> Option<KeyPair> {
        match (self.optional(name), self.optional(secret)) {
            (Some(id), Some(secret)) => Some(KeyPair::new(id, secret)),
            (None, None) => None,
            (Some(_), None) => {
                self.wrong.push(format!("{name} is given without {secret}: give both, or none"));
                None
            }
            (None, Some(_)) => {
                self.wrong.push(format!("{secret} is given without {name}: give both, or none"));
                None
            }
        }
    }

    /// Server keys, separated by commas. One whose file cannot be read here is left out.
    fn server_keys(&mut self, name: &str) -> Vec<ServerKey> {
        let text = self.text(name);
        let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        let keys: Result<Vec<_>, _> = texts.map(ServerKey::parse).collect();
        keys.unwrap_or_else(|_| {
            // The key is secret, so it is not repeated.
            self.wrong
                .push(format!("{name}: give 64 hexadecimal digits, as `openssl rand -hex 32` makes them"));
            Vec::new()
        })
    }

    fn refs(&mut self) -> RefsSettings {
        let url = self.text("refs.url");
        let unread =
            self.values.get("refs.url").is_some_and(|found| found.held_by.is_some()) && url.is_empty();
        let postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        if !postgres && url != "sqlite:" && !unread {
            // The URL may hold a password, so it is not repeated.
            self.wrong.push("refs.url: give sqlite: or postgres://USER:PASSWORD@HOST:PORT/DATABASE".into());
        }
        let connections = self.size("refs.connections", value::count, 1);
        RefsSettings {
            postgres: postgres.then(|| Secret::new(url)),
            schema: self.text("refs.schema"),
            connections: u32::try_from(connections).unwrap_or(u32::MAX),
            wait: self.duration("refs.wait"),
        }
    }

    fn default_namespace(&mut self) -> String {
        let namespace = self.text("objects.default_namespace");
        let known =
            ["local://", "s3://", "az://", "gs://"].iter().any(|scheme| namespace.starts_with(scheme));
        if !known {
            self.wrong.push(format!(
                "objects.default_namespace is {namespace:?}: give local://, or one that begins with s3://BUCKET/ or az://CONTAINER/"
            ));
        }
        if namespace.ends_with('/') { namespace } else { format!("{namespace}/") }
    }

    fn tls(&mut self) -> Option<TlsFiles> {
        match (self.optional("tls.cert"), self.optional("tls.key")) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.into(), key: key.into() }),
            (None, None) => None,
            _ => {
                self.wrong.push("tls.cert and tls.key are given together or not at all".into());
                None
            }
        }
    }

    fn log(&mut self) -> LogSettings {
        let level = self.text("log.level");
        if let Err(error) = level.parse::<tracing_subscriber::EnvFilter>() {
            self.wrong.push(format!("log.level is {level:?}: {error}"));
        }
        LogSettings { level, json: self.text("log.format") == "json" }
    }

    fn trace(&mut self) -> Option<TraceSettings> {
        let endpoint = self.optional("trace.endpoint")?;
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            self.wrong.push(format!("trace.endpoint is {endpoint:?}: give a URL like http://127.0.0.1:4318"));
        }
        Some(TraceSettings { endpoint, sample: self.read("trace.sample", value::fraction) })
    }

    fn limits(&mut self) -> Limits {
        Limits {
            connections: self.size("limits.connections", value::count, 1),
            requests: self.size("limits.requests", value::count, 1),
            header_bytes: self.size("limits.header_bytes", value::bytes, HEADER_BYTES_MIN),
            header_time: self.duration("limits.header_time"),
            body_bytes: self.bytes("limits.body_bytes"),
            body_idle: self.duration("limits.body_idle"),
            body_rate: self.bytes("limits.body_rate"),
            request_time: self.duration("limits.request_time"),
            shutdown_time: self.duration("limits.shutdown_time"),
            rows_bytes: self.bytes("limits.rows_bytes"),
            rows_disk_bytes: self.bytes("limits.rows_disk_bytes"),
            cache_bytes: self.bytes("limits.cache_bytes"),
        }
    }

    fn plugins(&mut self) -> PluginSettings {
        let mut count = |name: &str| self.read(name, value::count);
        let (seconds, fuel) = (count("plugins.seconds"), count("plugins.fuel"));
        let (table_elements, handles) = (count("plugins.table_elements"), count("plugins.handles"));
        let open_objects = count("plugins.open_objects");
        let (edits, changes) = (count("plugins.edits"), count("plugins.changes"));
        let (conflicts, log_lines) = (count("plugins.conflicts"), count("plugins.log_lines"));
        let compile_seconds = count("plugins.compile_seconds");
        let limits = anabranch_plugin_host::Limits {
            seconds,
            fuel,
            memory_bytes: self.bytes("plugins.memory_bytes"),
            table_elements,
            stack_bytes: self.bytes("plugins.stack_bytes"),
            hostcall_bytes: self.bytes("plugins.hostcall_bytes"),
            handles,
            read_bytes: self.bytes("plugins.read_bytes"),
            open_objects,
            written_bytes: self.bytes("plugins.written_bytes"),
            edits,
            changes,
            conflicts,
            kept_bytes: self.bytes("plugins.kept_bytes"),
            log_lines,
            log_bytes: self.bytes("plugins.log_bytes"),
        };
        PluginSettings {
            shipped: self.text("plugins.shipped") == "on",
            calls: self.size("plugins.calls", value::count, 1),
            answers_bytes: self.bytes("plugins.answers_bytes"),
            component_bytes: self.bytes("plugins.component_bytes"),
            compile_seconds,
            limits,
        }
    }
}
