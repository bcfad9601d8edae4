//! The table of settings: one entry is a key of the file, a flag, a variable of the environment and a line of the
//! documentation.

use std::fmt::Write;

/// What a value must look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// Text that is never shown. It can also come from a file, whose path is given as `NAME_file`.
    Secret,
    /// A whole number.
    Count,
    /// A number between 0 and 1.
    Fraction,
    /// A number of bytes: `65536`, `64 KiB`, `5 GiB`.
    Bytes,
    /// A span of time: `500ms`, `30s`, `10m`, `12h`, `30d`.
    Duration,
    /// An address and a port: `127.0.0.1:8000`.
    Address,
    /// A file or a folder.
    Path,
    /// Several texts: a list in the file, separated by commas elsewhere.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// How the documentation calls it.
    fn shown(self) -> String {
        match self {
            Kind::Text => "text".to_owned(),
            Kind::Secret => "secret".to_owned(),
            Kind::Count => "number".to_owned(),
            Kind::Fraction => "0 to 1".to_owned(),
            Kind::Bytes => "bytes".to_owned(),
            Kind::Duration => "time".to_owned(),
            Kind::Address => "address".to_owned(),
            Kind::Path => "path".to_owned(),
            Kind::List => "list".to_owned(),
            Kind::Choice(words) => words.join(", "),
        }
    }
}

/// One setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    /// The key of the file, with dots between sections. Flag and variable follow from it.
    pub(crate) name: &'static str,
    /// What a value must look like.
    pub(crate) kind: Kind,
    /// The value when nobody gives one.
    pub(crate) default: Option<&'static str>,
    /// One or two sentences.
    pub(crate) help: &'static str,
}

impl Key {
    /// The flag of `serve`, without the dashes before it.
    pub(crate) fn flag(&self) -> String {
        flag_of(self.name)
    }

    /// The variable of the environment.
    pub(crate) fn variable(&self) -> String {
        variable_of(self.name)
    }

    /// The key that names a file with the value, for secrets.
    pub(crate) fn file_name(&self) -> Option<String> {
        (self.kind == Kind::Secret).then(|| format!("{}_file", self.name))
    }
}

/// `s3.access_key_id` → `s3-access-key-id`.
pub(crate) fn flag_of(name: &str) -> String {
    name.replace(['.', '_'], "-")
}

/// `s3.access_key_id` → `ANABRANCH_S3_ACCESS_KEY_ID`.
pub(crate) fn variable_of(name: &str) -> String {
    format!("ANABRANCH_{}", name.replace('.', "_").to_uppercase())
}

/// The setting of this name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

macro_rules! keys {
    ($($name:literal: $kind:expr $(, = $default:literal)?, $help:literal;)*) => {
        /// Every setting, in the order of the documentation.
        pub(crate) const KEYS: &[Key] = &[
            $(Key { name: $name, kind: $kind, default: keys!(@default $($default)?), help: $help },)*
        ];
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}

keys! {
    "listen": Kind::Address, = "127.0.0.1:8000", "Where the server listens.";
    "data": Kind::Path, = "anabranch-data",
        "The folder of this server: made if it is absent, locked while the server runs. SQLite and `local://` namespaces live below it.";
    "public_url": Kind::Text,
        "What clients reach the server by, as `https://lake.example.org`; signed addresses begin with it. What each request came to when left out.";
    "access_key_id": Kind::Text,
        "The administrator's access key; with its secret, instead of the pair that the first start makes. Several servers of one installation need it, or users made with `anabranch user`.";
    "secret_access_key": Kind::Secret, "Its secret.";
    "server_key": Kind::Secret,
        "The key that encrypts secrets at rest and signs sessions and addresses: 64 hexadecimal digits. All servers of one installation share it. Without one, the first start makes it in the data folder.";
    "old_server_keys": Kind::Secret,
        "Earlier server keys, separated by commas, so that one can be replaced: the next start encrypts everything with `server_key`, and then they can be left out.";
    "session_lifetime": Kind::Duration, = "12h", "How long a login lasts.";

    "refs.url": Kind::Secret, = "sqlite:",
        "Where refs and staged changes are kept: `sqlite:` (below the data folder) or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. `?sslmode=verify-full&sslrootcert=FILE` asks Postgres for TLS.";
    "refs.schema": Kind::Text, = "anabranch", "The schema of the Postgres database.";
    "refs.connections": Kind::Count, = "20", "The most connections to Postgres.";
    "refs.wait": Kind::Duration, = "10s", "How long a request waits for a database that does not answer.";

    "objects.default_namespace": Kind::Text, = "local://",
        "Where a repository's objects go when its namespace is left out: below this, in a folder of the repository's name.";
    "objects.allow": Kind::List, = "local://, mem://, s3://, az://, gs://",
        "What storage namespaces of new repositories must begin with. `s3://lake/` allows the whole bucket, `s3://lake/teams/` one folder of it.";
    "objects.allow_import": Kind::List, = "",
        "What sources of imports must lie below: `s3://raw/2026`, or `local:///srv/raw` for files of this machine; nothing can be imported from elsewhere.";

    "s3.endpoint": Kind::Text, "The endpoint of `s3://` namespaces; AWS itself when left out.";
    "s3.region": Kind::Text, = "us-east-1", "The region of `s3://` namespaces.";
    "s3.access_key_id": Kind::Text, "The access key for `s3://` namespaces; without it they are refused.";
    "s3.secret_access_key": Kind::Secret, "Its secret.";

    "azure.account": Kind::Text, "The storage account of `az://` namespaces; without it they are refused.";
    "azure.access_key": Kind::Secret, "The access key of the storage account, in base64.";
    "azure.endpoint": Kind::Text, "The endpoint of the storage account, with its name; Azure itself when left out.";

    "gateway.domains": Kind::List, = "",
        "Domains below which buckets are hosts: `s3.example.org` makes `BUCKET.s3.example.org` work. Any other host is path-style.";
    "gateway.region": Kind::Text, "The region that S3 clients must sign for; any when left out.";

    "tls.cert": Kind::Path,
        "A PEM file with the server's certificate and those between it and the root. Makes the server speak TLS; read again on SIGHUP.";
    "tls.key": Kind::Path, "The PEM file with its private key.";

    "metrics.listen": Kind::Address,
        "Serves `/metrics` here, without credentials, and nowhere else. Without it `/metrics` is on the main address and asks for an access key by basic authentication.";

    "log.level": Kind::Text, = "info,s3s=off",
        "What is logged: `error`, `warn`, `info`, `debug`, or per part, as in `info,anabranch::request=debug`, which shows every request.";
    "log.format": Kind::Choice(&["text", "json"]), = "text", "How log lines on stderr look.";

    "trace.endpoint": Kind::Text,
        "Sends OpenTelemetry traces to this collector by OTLP over HTTP: `http://127.0.0.1:4318`.";
    "trace.sample": Kind::Fraction, = "1", "The share of requests that are traced, if the client does not decide.";

    "limits.connections": Kind::Count, = "16000",
        "The most open connections; further ones are answered 503. Never more than the process may open files.";
    "limits.requests": Kind::Count, = "2048",
        "The most requests at a time; further ones are answered 503 with Retry-After (SlowDown for S3).";
    "limits.header_bytes": Kind::Bytes, = "64 KiB", "The most bytes of a request line with its headers (431).";
    "limits.header_time": Kind::Duration, = "30s",
        "How long a client may take for them, and how long a connection may wait for its next request.";
    "limits.body_bytes": Kind::Bytes, = "5 GiB", "The most bytes of a request body (413, EntityTooLarge).";
    "limits.body_idle": Kind::Duration, = "30s",
        "How long the server waits for the body of a request beyond what `limits.body_rate` grants (408, RequestTimeout).";
    "limits.body_rate": Kind::Bytes, = "1 KiB",
        "Bytes per second that a client must send or read at least; time that the server takes itself does not count.";
    "limits.request_time": Kind::Duration, = "10m",
        "How long the server works on a request after it has the body (503). What has begun to be published is published.";
    "limits.shutdown_time": Kind::Duration, = "30s",
        "How long requests that have begun may go on after SIGTERM; then they end with an error.";
    "limits.rows_bytes": Kind::Bytes, = "256 MiB",
        "Memory for the rows of one table that both sides of a merge changed. What does not fit is sorted on disk, below `tmp` in the data folder.";
    "limits.rows_disk_bytes": Kind::Bytes, = "64 GiB", "The most bytes of disk for such rows of one table.";
    "limits.cache_bytes": Kind::Bytes, = "256 MiB", "Decoded tree nodes kept in memory for each repository.";
    "plugins.shipped": Kind::Choice(&["on", "off"]), = "on",
        "Whether the mergers that come with the server take JSON, YAML, CSV, notebooks, texts, Parquet files and Hudi tables for which `merge.toml` names none.";
    "plugins.calls": Kind::Count, = "16", "How many calls of plugins run at the same time; further ones wait.";
    "plugins.answers_bytes": Kind::Bytes, = "64 MiB",
        "Memory for answers of plugins, so that the same question needs no second call; 0: none are kept.";
    "plugins.component_bytes": Kind::Bytes, = "64 MiB", "The most bytes of a plugin that is installed.";
    "plugins.compile_seconds": Kind::Count, = "120", "How long a plugin may take to compile, in seconds.";
    "plugins.seconds": Kind::Count, = "60",
        "How long one call of a plugin may run or wait for the store, in seconds. Three times that is the most with what it waits for a core.";
    "plugins.fuel": Kind::Count, = "50000000000", "Instructions of one call, roughly: about a billion a second.";
    "plugins.memory_bytes": Kind::Bytes, = "512 MiB", "Memory of one call.";
    "plugins.table_elements": Kind::Count, = "200000", "Elements of the tables of one call.";
    "plugins.stack_bytes": Kind::Bytes, = "1 MiB", "Stack of one call.";
    "plugins.hostcall_bytes": Kind::Bytes, = "16 MiB", "What a plugin may hand to the server at one time.";
    "plugins.handles": Kind::Count, = "10000", "Handles of a plugin that are alive at one time.";
    "plugins.read_bytes": Kind::Bytes, = "64 GiB", "What one call may read.";
    "plugins.open_objects": Kind::Count, = "16", "New objects that one call is writing at one time.";
    "plugins.written_bytes": Kind::Bytes, = "4 GiB", "What one call may write.";
    "plugins.edits": Kind::Count, = "10000000", "Paths that one call may touch.";
    "plugins.changes": Kind::Count, = "10000000", "Changes that one comparison may show.";
    "plugins.conflicts": Kind::Count, = "100000", "Conflicts that one merge may report.";
    "plugins.kept_bytes": Kind::Bytes, = "512 MiB", "Memory of the server for what one call reports.";
    "plugins.log_lines": Kind::Count, = "10000", "Lines that one call may log.";
    "plugins.log_bytes": Kind::Bytes, = "4 MiB", "Bytes that one call may log.";
}

/// The documentation of all settings.
pub(crate) fn documentation() -> String {
    let mut text = String::from(INTRODUCTION);
    text.push_str("| key of the file | flag of `serve` | variable | value | default | |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    for key in KEYS {
        let default = match key.default {
            None => String::new(),
            Some("") => "none".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `{}` | `--{}` | `{}` | {} | {default} | {} |",
            key.name,
            key.flag(),
            key.variable(),
            key.kind.shown(),
            key.help,
        );
    }
    text
}

const INTRODUCTION: &str = "# Configuration

<!-- Generated from server/anabranch/src/config/keys.rs; `UPDATE_EXPECT=1 cargo test -p anabranch configuration` writes it. -->

`anabranch serve` needs no configuration. Each setting can come from a flag, from a variable of the environment, or from a
TOML file that `--config FILE` or `ANABRANCH_CONFIG` names. A flag goes before a variable, a variable before the file, the
file before the default; an empty variable counts as unset. Keys that nobody knows are refused.

```toml
listen = \"0.0.0.0:8000\"

[refs]
url_file = \"/etc/anabranch/postgres-url\"

[s3]
access_key_id = \"AKIA…\"
secret_access_key_file = \"/etc/anabranch/s3-secret\"

[limits]
requests = 512
body_bytes = \"1 GiB\"
```

Every secret can come from a file: `NAME_file` in place of `NAME`, `--NAME-file`, `ANABRANCH_NAME_FILE`.

- `anabranch config check FILE` says what is wrong with a file, and opens nothing: exit code 0 or 2.
- `anabranch config show` takes the flags of `serve` and shows every value and where it comes from.

";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_documentation_of_the_configuration_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        expect_test::expect_file![path].assert_eq(&documentation());
    }

    #[test]
    fn flags_and_variables_are_unique() {
        let names: Vec<String> =
            KEYS.iter().flat_map(|key| [Some(key.name.to_owned()), key.file_name()]).flatten().collect();
        let flags: BTreeSet<String> = names.iter().map(|name| flag_of(name)).collect();
        let variables: BTreeSet<String> = names.iter().map(|name| variable_of(name)).collect();
        assert_eq!((flags.len(), variables.len()), (names.len(), names.len()));
    }

    #[test]
    fn every_name_follows_the_rule() {
        for key in KEYS {
            assert!(
                key.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._".contains(&b))
            );
            assert!(key.help.ends_with('.') && !key.help.contains('|'), "{}", key.name);
        }
    }
}
