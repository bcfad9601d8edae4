//! `anabranch plugin check`: what a plugin is, and whether a server takes it.

use std::fmt::Write as _;
use std::path::PathBuf;

use anabranch_merge::UnitKind;
use anabranch_plugin_host::{Claim, Plugin};
use clap::Args;
use serde_json::{Value, json};

use super::local::{Runtime, read};
use crate::cli::output::{Answer, shown};

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// The plugin: a component, or a core module that carries its world.
    file: PathBuf,
}

pub(super) async fn run(args: &CheckArgs) -> anyhow::Result<Answer> {
    let bytes = read(&args.file)?;
    let size = bytes.len();
    let runtime = Runtime::start()?;
    let plugin = runtime.open(&args.file).await?;
    Ok(Answer::clean(text(&plugin, size), value(&plugin, size)))
}

/// A plugin for people.
pub(super) fn text(plugin: &Plugin, size: usize) -> String {
    let mut text = format!("{} {}: {}\n", plugin.name(), shown(plugin.version()), shown(plugin.summary()));
    let _ = writeln!(text, "  component  {}", plugin.component());
    let _ = writeln!(text, "  size       {}", bytes_of(size));
    let does = if plugin.merges() { "compares and merges" } else { "compares" };
    let _ = writeln!(text, "  does       {does}");
    for claim in plugin.claims() {
        let _ = writeln!(text, "  claim      {}", claim_text(claim));
    }
    let options = match plugin.options_schema() {
        None => "none".to_owned(),
        Some(schema) => option_names(schema),
    };
    let _ = writeln!(text, "  options    {options}");
    text
}

fn claim_text(claim: &Claim) -> String {
    let unit = unit_name(claim.unit);
    let hints: Vec<&str> = [&claim.patterns, &claim.markers, &claim.media_types]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    match hints.is_empty() {
        true => format!("{} ({unit})", shown(&claim.id)),
        false => format!("{} ({unit}): {}", shown(&claim.id), shown(&hints.join(", "))),
    }
}

fn unit_name(unit: UnitKind) -> &'static str {
    match unit {
        UnitKind::Object => "object",
        UnitKind::Folder => "folder",
    }
}

fn option_names(schema: &Value) -> String {
    let properties = schema.get("properties").and_then(Value::as_object);
    let names: Vec<String> = properties.into_iter().flatten().map(|(name, _)| shown(name)).collect();
    if names.is_empty() { "by its schema".to_owned() } else { names.join(", ") }
}

fn bytes_of(size: usize) -> String {
    match size {
        0..10_000 => format!("{size} bytes"),
        10_000..10_000_000 => format!("{} KB", size / 1_000),
        _ => format!("{} MB", size / 1_000_000),
    }
}

/// A plugin for programs.
pub(super) fn value(plugin: &Plugin, size: usize) -> Value {
    let claims = plugin.claims().iter().map(|claim| {
        json!({
            "id": claim.id,
            "unit": unit_name(claim.unit),
            "patterns": claim.patterns,
            "markers": claim.markers,
            "media_types": claim.media_types,
        })
    });
    json!({
        "name": plugin.name(),
        "version": plugin.version(),
        "summary": plugin.summary(),
        "component": plugin.component(),
        "digest": plugin.digest(),
        "size_bytes": size,
        "merges": plugin.merges(),
        "claims": claims.collect::<Vec<_>>(),
        "options_schema": plugin.options_schema(),
    })
}
