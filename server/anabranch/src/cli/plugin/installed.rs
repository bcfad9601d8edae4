//! `anabranch plugin install`, `list`, `show`, `enable`, `disable`, `remove`: the plugins of a server.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anabranch_api::{utc, wire};
use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::local::read;
use crate::cli::client::{Client, Page, to_json};
use crate::cli::output::{Answer, shown, table};

#[derive(Args, Debug)]
pub(super) struct InstallArgs {
    /// The plugin: a component, or a core module that carries its world.
    file: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct NameArgs {
    /// The plugin: its name, its digest or the beginning of one, or both as merge.toml has them.
    plugin: String,
}

impl Page<wire::Plugin> for wire::PluginList {
    fn split(self) -> (wire::Pagination, Vec<wire::Plugin>) {
        (self.pagination, self.results)
    }
}

pub(super) async fn install(client: &Client, args: &InstallArgs) -> anyhow::Result<Answer> {
    let bytes = read(&args.file)?;
    let request = client.request(Method::POST, &["plugins"])?;
    let request = request.header("content-type", "application/wasm").body(bytes);
    let waiting =
        ProgressBar::new_spinner().with_message(format!("{}: the server compiles it", args.file.display()));
    waiting.enable_steady_tick(Duration::from_millis(100));
    let answer = client.send(request).await;
    waiting.finish_and_clear();
    let response = answer.with_context(|| args.file.display().to_string())?;
    let is_new = response.status() == StatusCode::CREATED;
    let plugin: wire::Plugin = response.json().await.context("the server's answer cannot be read")?;
    let mut text = match (is_new, plugin.enabled) {
        (true, _) => format!("installed {}\n", shown(&plugin.component)),
        (false, true) => format!("{} is installed already\n", shown(&plugin.component)),
        (false, false) => format!("{} is installed already, and disabled\n", shown(&plugin.component)),
    };
    if let Some(rule) = rule(&plugin) {
        let _ = write!(text, "a repository uses it by its _anabranch/merge.toml:\n\n{rule}");
    }
    Ok(Answer::clean(text, to_json(&plugin)?))
}

/// What a repository writes to use a plugin. Only what its author suggests is known of the paths.
fn rule(plugin: &wire::Plugin) -> Option<String> {
    let claim = plugin.claims.first().filter(|_| plugin.merges)?;
    let path = match (claim.unit.as_str(), claim.patterns.first()) {
        ("folder", _) => "path/of/a/folder/".to_owned(),
        (_, Some(pattern)) if !pattern.contains('/') => format!("**/{pattern}"),
        (_, Some(pattern)) => pattern.clone(),
        (_, None) => "path/of/an/object".to_owned(),
    };
    let text = |text: &str| toml::Value::from(shown(text)).to_string();
    // A key without quotes takes no dots.
    let name = plugin.name.replace('.', "-");
    Some(format!(
        "[plugins.{name}]\ncomponent = {}\n\n[[rule]]\npath = {}\nmerge = {}\n",
        text(&plugin.component),
        text(&path),
        text(&name),
    ))
}

pub(super) async fn list(client: &Client) -> anyhow::Result<Answer> {
    let plugins = all(client).await?;
    let rows: Vec<[String; 5]> = plugins
        .iter()
        .map(|plugin| {
            [
                shown(&plugin.name),
                shown(&plugin.version),
                if plugin.enabled { "enabled" } else { "disabled" }.to_owned(),
                shown(short(&plugin.digest)),
                shown(&plugin.summary),
            ]
        })
        .collect();
    let text = table(["NAME", "VERSION", "STATE", "DIGEST", "SUMMARY"], &rows);
    Ok(Answer::clean(text, json!({"results": to_json(&plugins)?})))
}

/// Enough of a digest to tell plugins apart.
fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}

pub(super) async fn show(client: &Client, args: &NameArgs) -> anyhow::Result<Answer> {
    let plugin = find(client, &args.plugin).await?;
    let mut text =
        format!("{} {}: {}\n", shown(&plugin.name), shown(&plugin.version), shown(&plugin.summary));
    let _ = writeln!(text, "  component  {}", shown(&plugin.component));
    let _ = writeln!(text, "  size       {} bytes", plugin.size_bytes);
    let _ = writeln!(text, "  state      {}", if plugin.enabled { "enabled" } else { "disabled" });
    let _ = writeln!(text, "  installed  {} by {}", utc(plugin.installed), shown(&plugin.installed_by));
    for claim in &plugin.claims {
        let patterns = shown(&claim.patterns.join(", "));
        let _ = writeln!(text, "  claim      {} ({}): {patterns}", shown(&claim.id), shown(&claim.unit));
    }
    if let Some(schema) = &plugin.options_schema {
        let _ = writeln!(text, "  options    {}", shown(&schema.to_string()));
    }
    Ok(Answer::clean(text, to_json(&plugin)?))
}

pub(super) async fn set_enabled(client: &Client, args: &NameArgs, enabled: bool) -> anyhow::Result<Answer> {
    let plugin = find(client, &args.plugin).await?;
    let verb = if enabled { "enable" } else { "disable" };
    let request = client.request(Method::POST, &["plugins", &plugin.digest, verb])?;
    let plugin: wire::Plugin = client.json(request).await?;
    Ok(Answer::clean(format!("{verb}d {}\n", shown(&plugin.component)), to_json(&plugin)?))
}

pub(super) async fn remove(client: &Client, args: &NameArgs) -> anyhow::Result<Answer> {
    let plugin = find(client, &args.plugin).await?;
    client.send(client.request(Method::DELETE, &["plugins", &plugin.digest])?).await?;
    let text = format!("removed {}\n", shown(&plugin.component));
    Ok(Answer::clean(text, json!({"removed": plugin.component})))
}

async fn all(client: &Client) -> anyhow::Result<Vec<wire::Plugin>> {
    Ok(client.list::<wire::PluginList, _>(&["plugins"], &[], None).await?.0)
}

/// The one plugin that is meant. Several versions of one name are told apart by their digests.
pub(super) async fn find(client: &Client, wanted: &str) -> anyhow::Result<wire::Plugin> {
    let is_it = |plugin: &wire::Plugin| {
        let digest = plugin.digest.strip_prefix("sha256:").unwrap_or(&plugin.digest);
        let begins = |part: &str| part.len() >= 6 && digest.starts_with(part);
        plugin.name == wanted
            || plugin.component == wanted
            || plugin.digest == wanted
            || begins(wanted.strip_prefix("sha256:").unwrap_or(wanted))
    };
    let mut found: Vec<wire::Plugin> = all(client).await?.into_iter().filter(is_it).collect();
    if found.len() > 1 {
        let names: Vec<String> = found.iter().map(|plugin| shown(&plugin.component)).collect();
        bail!(
            "{} plugins are called {wanted:?}: name one by its digest, {}",
            found.len(),
            names.join(" or ")
        );
    }
    found.pop().with_context(|| {
        format!("no plugin {wanted:?} is installed: `anabranch plugin list` shows those that are")
    })
}
