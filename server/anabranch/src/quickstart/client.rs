//! The few REST calls that the demonstration makes.

use std::net::SocketAddr;

use anabranch_auth::KeyPair;
use anyhow::{Context, bail};
use clap::Parser;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// Calls one server with one key pair.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    key: KeyPair,
}

impl Client {
    pub(super) fn new(address: SocketAddr, key: &KeyPair) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build().context("no HTTP client can be made")?;
        Ok(Client { http, base: format!("http://{address}/api/v1"), key: key.clone() })
    }

    pub(super) async fn create_repository(&self, name: &str) -> anyhow::Result<()> {
        let body =
            json!({"name": name, "storage_namespace": format!("local://{name}"), "default_branch": "main"});
        self.post("/repositories", &body).await
    }

    pub(super) async fn create_branch(
        &self,
        repository: &str,
        name: &str,
        source: &str,
    ) -> anyhow::Result<()> {
        let path = format!("/repositories/{repository}/branches");
        self.post(&path, &json!({"name": name, "source": source})).await
    }

    pub(super) async fn upload(
        &self,
        repository: &str,
        branch: &str,
        path: &str,
        content: &'static [u8],
    ) -> anyhow::Result<()> {
        let url = format!("/repositories/{repository}/branches/{branch}/objects");
        let request = self
            .request(Method::POST, &url)
            .query(&[("path", path)])
            .header("content-type", "application/octet-stream")
            .body(content);
        accepted(&url, request).await.map(drop)
    }

    pub(super) async fn commit(&self, repository: &str, branch: &str, message: &str) -> anyhow::Result<()> {
        let path = format!("/repositories/{repository}/branches/{branch}/commits");
        self.post(&path, &json!({"message": message})).await
    }

    /// All paths below `prefix`, in order.
    pub(super) async fn list(
        &self,
        repository: &str,
        branch: &str,
        prefix: &str,
    ) -> anyhow::Result<Vec<String>> {
        let path = format!("/repositories/{repository}/refs/{branch}/objects/ls");
        let request = self.request(Method::GET, &path).query(&[("prefix", prefix), ("amount", "1000")]);
        let answer: Value = accepted(&path, request).await?.json().await.context("a listing is no JSON")?;
        Ok(texts(&answer, "path"))
    }

    pub(super) async fn read(
        &self,
        repository: &str,
        branch: &str,
        object: &str,
    ) -> anyhow::Result<bytes::Bytes> {
        let path = format!("/repositories/{repository}/refs/{branch}/objects");
        let request = self.request(Method::GET, &path).query(&[("path", object)]);
        accepted(&path, request).await?.bytes().await.with_context(|| format!("reading {object} broke off"))
    }

    /// Runs a verb of the command line against the server, as a person would: it prints its answer.
    pub(super) async fn command_line(&self, arguments: &[&str]) -> anyhow::Result<()> {
        println!("\n$ anabranch {}", arguments.join(" "));
        let endpoint = self.base.trim_end_matches("/api/v1");
        let connection = [
            "--endpoint",
            endpoint,
            "--access-key-id",
            &self.key.access_key_id,
            "--secret-access-key",
            self.key.secret.expose(),
        ];
        let all = ["anabranch"].into_iter().chain(arguments.iter().copied()).chain(connection);
        match crate::Cli::try_parse_from(all)?.command {
            crate::Command::Client(verb) => crate::cli::run(*verb).await.map(drop),
            _ => bail!("{arguments:?} is no verb of a client"),
        }
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        accepted(path, self.request(Method::POST, path).json(body)).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.http.request(method, url).basic_auth(&self.key.access_key_id, Some(self.key.secret.expose()))
    }
}

async fn accepted(path: &str, request: RequestBuilder) -> anyhow::Result<reqwest::Response> {
    let response = request.send().await.with_context(|| format!("{path} was not answered"))?;
    match response.status() {
        status if status.is_success() => Ok(response),
        status => bail!("{path} answered {status}: {}", response.text().await.unwrap_or_default()),
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(answer: &Value, name: &str) -> Vec<String> {
    let results = answer.get("results").and_then(Value::as_array).cloned().unwrap_or_default();
    results.iter().map(|item| text(item, name)).collect()
}
