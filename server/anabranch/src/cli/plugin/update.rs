//! `anabranch plugin update`: a repository's rules take another version of a plugin.

use anabranch_merge::RULES_PATH;
use anyhow::{Context, bail};
use clap::Args;
use reqwest::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::installed::find;
use crate::cli::client::{Client, Refused};
use crate::cli::output::{Answer, shown};

#[derive(Args, Debug)]
pub(super) struct UpdateArgs {
    /// The repository.
    repository: String,
    /// The branch whose merge.toml is rewritten. Nothing is committed.
    branch: String,
    /// The installed plugin to use from now on: its digest or the beginning of one, its name where it is alone.
    plugin: String,
}

pub(super) async fn run(client: &Client, args: &UpdateArgs) -> anyhow::Result<Answer> {
    let (repository, branch) = (shown(&args.repository), shown(&args.branch));
    let plugin = find(client, &args.plugin).await?;
    let segments = ["repositories", &args.repository, "refs", &args.branch, "objects"];
    let request = client.request(Method::GET, &segments)?.query(&[("path", RULES_PATH)]);
    let response = client.send(request).await.map_err(|error| match error.downcast_ref::<Refused>() {
        Some(refused) if refused.status == StatusCode::NOT_FOUND => error.context(format!(
            "{repository} has no rules on {branch}: `anabranch plugin show` and docs/plugins.md say what to write"
        )),
        _ => error,
    })?;
    let tag = response.headers().get(ETAG).cloned();
    let text = response.text().await.with_context(|| format!("reading {RULES_PATH} broke off"))?;
    let pinned =
        pinned(&text, &plugin.name).with_context(|| format!("{RULES_PATH} of {repository}/{branch}"))?;
    let old: Vec<&String> = pinned.iter().filter(|component| **component != plugin.component).collect();
    let component = shown(&plugin.component);
    if pinned.is_empty() {
        bail!("no [plugins.NAME] in {RULES_PATH} of {repository}/{branch} is {}", shown(&plugin.name));
    }
    if old.is_empty() {
        let text = format!("{repository}/{branch} uses {component} already\n");
        return Ok(Answer::clean(text, json!({"component": plugin.component, "replaced": []})));
    }
    // A digest stands nowhere by chance, and all else in the file stays as people wrote it.
    let updated = old.iter().fold(text, |text, old| text.replace(old.as_str(), &plugin.component));
    let segments = ["repositories", &args.repository, "branches", &args.branch, "objects"];
    let mut request = client.request(Method::POST, &segments)?.query(&[("path", RULES_PATH)]);
    if let Some(tag) = tag {
        // Somebody else may be rewriting it.
        request = request.header(IF_MATCH, tag);
    }
    client.send(request.header(CONTENT_TYPE, "application/octet-stream").body(updated)).await?;
    let text = format!(
        "{RULES_PATH} of {repository}/{branch} names {component}; it counts once it is committed:\n\n  \
         anabranch commit {repository} {branch} -m \"{}\"\n",
        format_args!("merge with {} {}", shown(&plugin.name), shown(&plugin.version))
    );
    Ok(Answer::clean(text, json!({"component": plugin.component, "replaced": old})))
}

/// What rules pin of the plugin of this name, each once.
fn pinned(text: &str, name: &str) -> anyhow::Result<Vec<String>> {
    let rules: toml::Table = text.parse().context("it is no TOML")?;
    let plugins = rules.get("plugins").and_then(toml::Value::as_table);
    let components = plugins.into_iter().flat_map(toml::Table::values);
    let components = components.filter_map(|plugin| plugin.get("component")?.as_str());
    let mut found: Vec<String> = Vec::new();
    for component in components {
        let is_of_name =
            component.split_once('@').is_some_and(|(of, digest)| of == name && !digest.is_empty());
        if is_of_name && !found.iter().any(|other| other == component) {
            found.push(component.to_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pinned_is_found_by_the_name_of_the_plugin() {
        let text = "[plugins.a]\ncomponent = 'csv@sha256:11'\n[plugins.b]\ncomponent = \"csv@sha256:22\"\n\
                    [plugins.c]\ncomponent = 'csv@sha256:11'\n[plugins.csv]\ncomponent = 'json@sha256:33'\n";
        assert_eq!(pinned(text, "csv").unwrap(), ["csv@sha256:11", "csv@sha256:22"]);
        assert_eq!(pinned(text, "json").unwrap(), ["json@sha256:33"]);
        assert!(pinned(text, "yaml").unwrap().is_empty());
        assert!(pinned("", "csv").unwrap().is_empty());
        assert!(pinned("plugins = 3", "csv").unwrap().is_empty());
        assert!(pinned("[", "csv").is_err());
    }
}
