//! The few REST calls that the demonstration makes.

use std::net::SocketAddr;

use anabranch_auth::KeyPair;
use anyhow::{Context, bail};
use reqwest::{Method, RequestBuilder, StatusCode};
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
        self.json(Method::POST, "/repositories", &body).await.map(drop)
    }

    pub(super) async fn create_branch(
        &self,
        repository: &str,
        name: &str,
        source: &str,
    ) -> anyhow::Result<()> {
        let path = format!("/repositories/{repository}/branches");
        let request = self.request(Method::POST, &path).json(&json!({"name": name, "source": source}));
        accepted(&path, request).await.map(drop)
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
        self.json(Method::POST, &path, &json!({"message": message})).await.map(drop)
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

    /// What the right ref brings, a line each.
    pub(super) async fn diff(
        &self,
        repository: &str,
        left: &str,
        right: &str,
    ) -> anyhow::Result<Vec<String>> {
        let path = format!("/repositories/{repository}/refs/{left}/diff/{right}");
        let request = self.request(Method::GET, &path).query(&[("type", "three_dot"), ("amount", "1000")]);
        let answer: Value = accepted(&path, request).await?.json().await.context("a diff is no JSON")?;
        let results = answer.get("results").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(results.iter().map(|item| format!("{:<8} {}", text(item, "type"), text(item, "path"))).collect())
    }

    /// Merges, and says what was done, a line each.
    pub(super) async fn merge(
        &self,
        repository: &str,
        source: &str,
        target: &str,
    ) -> anyhow::Result<Vec<String>> {
        let path = format!("/repositories/{repository}/refs/{source}/merge/{target}");
        let answer = self.json(Method::POST, &path, &json!({})).await?;
        let mut lines = vec![format!("merged as commit {}", text(&answer, "reference"))];
        let tables = answer.pointer("/summary/tables").and_then(Value::as_array).cloned().unwrap_or_default();
        for table in tables {
            let count = |name: &str| table.get(name).and_then(Value::as_u64).unwrap_or_default();
            lines.push(format!(
                "table {}: merged by {}, {} files came, {} left, {} bytes written, verification: {}",
                text(&table, "root"),
                text(&table, "how"),
                count("files_added"),
                count("files_removed"),
                count("bytes_written"),
                text(&table, "verification"),
            ));
        }
        Ok(lines)
    }

    async fn json(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let response = accepted(path, self.request(method, path).json(body)).await?;
        response.json().await.with_context(|| format!("the answer of {path} is no JSON"))
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
        StatusCode::CONFLICT => bail!("{path}: {}", response.text().await.unwrap_or_default()),
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
