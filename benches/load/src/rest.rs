//! The REST calls that the rows consist of.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::connection::{Answer, Connection};
use crate::target::Target;

/// How an attempt to commit ended.
#[derive(Clone, Debug)]
pub(crate) enum Commit {
    /// It is a commit of its own, with this id.
    Made(String),
    /// Nothing was left to commit: somebody else's commit has it already.
    NothingLeft,
}

/// A client of one server over one connection.
pub(crate) struct Rest {
    connection: Connection,
    headers: HeaderMap,
}

impl Rest {
    pub(crate) fn new(target: &Target) -> anyhow::Result<Self> {
        Rest::at(target.address, target)
    }

    pub(crate) fn at(address: SocketAddr, target: &Target) -> anyhow::Result<Self> {
        Ok(Rest { connection: Connection::new(address), headers: headers(address, target)? })
    }

    pub(crate) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Answer> {
        let mut headers = self.headers.clone();
        let body = match body {
            Some(body) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        self.connection.send(&method, &format!("/api/v1{path}"), headers, body).await
    }

    pub(crate) async fn create_repository(
        &mut self,
        name: &str,
        namespace: Option<&str>,
    ) -> anyhow::Result<()> {
        let mut body = json!({"name": name, "default_branch": "main"});
        if let Some(namespace) = namespace {
            body["storage_namespace"] = namespace.into();
        }
        self.ask(Method::POST, "/repositories", Some(body)).await?.accepted().map(drop)
    }

    pub(crate) async fn create_branch(
        &mut self,
        repository: &str,
        name: &str,
        source: &str,
    ) -> anyhow::Result<()> {
        let body = json!({"name": name, "source": source});
        let path = format!("/repositories/{repository}/branches");
        self.ask(Method::POST, &path, Some(body)).await?.accepted().map(drop)
    }

    pub(crate) async fn put(
        &mut self,
        repository: &str,
        branch: &str,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<()> {
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let target = format!("/api/v1/repositories/{repository}/branches/{branch}/objects?path={path}");
        self.connection.send(&Method::POST, &target, headers, body).await?.accepted().map(drop)
    }

    /// Sends bytes to an address of their own.
    pub(crate) async fn post_bytes(&mut self, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        self.connection.send(&Method::POST, &format!("/api/v1{path}"), headers, body).await
    }

    pub(crate) async fn commit(&mut self, repository: &str, branch: &str) -> anyhow::Result<Commit> {
        let path = format!("/repositories/{repository}/branches/{branch}/commits");
        let answer = self.ask(Method::POST, &path, Some(json!({"message": "bench"}))).await?;
        if answer.status == StatusCode::BAD_REQUEST && answer.said().contains("no changes") {
            return Ok(Commit::NothingLeft);
        }
        Ok(Commit::Made(text(&answer.accepted()?.json()?, "id")?))
    }

    /// A commit that has to be one.
    pub(crate) async fn commit_all(&mut self, repository: &str, branch: &str) -> anyhow::Result<String> {
        match self.commit(repository, branch).await? {
            Commit::Made(id) => Ok(id),
            Commit::NothingLeft => bail!("nothing was staged on {branch}"),
        }
    }

    /// The id of the merge commit.
    pub(crate) async fn merge(
        &mut self,
        repository: &str,
        source: &str,
        into: &str,
    ) -> anyhow::Result<String> {
        let path = format!("/repositories/{repository}/refs/{source}/merge/{into}");
        let answer = self.ask(Method::POST, &path, Some(json!({}))).await?.accepted()?;
        text(&answer.json()?, "reference")
    }

    pub(crate) async fn head(&mut self, repository: &str, branch: &str) -> anyhow::Result<String> {
        let path = format!("/repositories/{repository}/branches/{branch}");
        text(&self.ask(Method::GET, &path, None).await?.accepted()?.json()?, "commit_id")
    }

    pub(crate) async fn stat(
        &mut self,
        repository: &str,
        reference: &str,
        path: &str,
    ) -> anyhow::Result<Answer> {
        let target = format!("/repositories/{repository}/refs/{reference}/objects/stat?path={path}");
        self.ask(Method::GET, &target, None).await?.accepted()
    }

    /// Checksums of all objects below a prefix, by path.
    pub(crate) async fn objects(
        &mut self,
        repository: &str,
        reference: &str,
        prefix: &str,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        let base =
            format!("/repositories/{repository}/refs/{reference}/objects/ls?prefix={prefix}&amount=1000");
        self.pages(&base, |item| {
            found.insert(text(item, "path")?, text(item, "checksum")?);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// How many commits a ref reaches, and their ids.
    pub(crate) async fn log(&mut self, repository: &str, reference: &str) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        let base = format!("/repositories/{repository}/refs/{reference}/commits?amount=1000");
        self.pages(&base, |item| {
            found.push(text(item, "id")?);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    async fn pages(
        &mut self,
        base: &str,
        mut each: impl FnMut(&Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut after = String::new();
        loop {
            let answer = self.ask(Method::GET, &format!("{base}&after={after}"), None).await?.accepted()?;
            let page = answer.json()?;
            for item in page["results"].as_array().context("a page without results")? {
                each(item)?;
            }
            if page["pagination"]["has_more"] != true {
                return Ok(());
            }
            after = text(&page["pagination"], "next_offset")?;
        }
    }
}

/// What every request says: the host, and whose it is.
pub(crate) fn headers(address: SocketAddr, target: &Target) -> anyhow::Result<HeaderMap> {
    let pair = format!("{}:{}", target.access_key_id, target.secret_access_key);
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))?);
    headers.insert(HOST, HeaderValue::try_from(address.to_string())?);
    Ok(headers)
}

fn text(value: &Value, name: &str) -> anyhow::Result<String> {
    value[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {value}"))
}
