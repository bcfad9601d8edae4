//! The server as the verbs see it: typed REST calls, and errors in one line.

use std::time::Duration;

use anabranch_api::wire;
use anabranch_auth::KeyPair;
use anyhow::{Context, bail};
use reqwest::{Certificate, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::{Connection, is_local};

/// How many results one request asks for.
const PAGE: usize = 1000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server and the keys to ask it with.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    keys: KeyPair,
}

/// A refusal of the server: its status and what it says.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

/// How a merge, revert or cherry-pick ended.
pub(super) enum Merged<T> {
    /// It is published.
    Done(T),
    /// It cannot be decided.
    Conflicts(Box<wire::MergeConflict>),
    /// There is nothing to do; the server's sentence.
    NoChanges(String),
}

impl Client {
    /// A client of a server. Nothing is sent yet.
    pub(super) fn connect(connection: Connection) -> anyhow::Result<Self> {
        let Connection { endpoint: base, keys, ca_cert } = connection;
        let mut http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
        // A proxy of the environment is for servers elsewhere.
        if is_local(&base) {
            http = http.no_proxy();
        }
        if let Some(file) = &ca_cert {
            let pem = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
            let certificates = Certificate::from_pem_bundle(&pem).ok().filter(|found| !found.is_empty());
            let certificates = certificates
                .with_context(|| format!("{} holds no certificate in PEM form", file.display()))?;
            for certificate in certificates {
                http = http.add_root_certificate(certificate);
            }
        }
        Ok(Client { http: http.build().context("no HTTP client can be made")?, base, keys })
    }

    /// A request to the operation at these path segments below `/api/v1`.
    pub(super) fn request(&self, method: Method, segments: &[&str]) -> anyhow::Result<RequestBuilder> {
        // Such a segment would vanish from the address, and another operation would answer.
        if let Some(bad) = segments.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
            bail!("{bad:?} is no name of a repository, branch or ref");
        }
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(segments);
        }
        let request = self.http.request(method, url);
        Ok(request.basic_auth(&self.keys.access_key_id, Some(self.keys.secret.expose())))
    }

    /// Sends a request; a refusal becomes an error that carries the server's sentence.
    pub(super) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = self.reach(request).await?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await.into()) }
    }

    /// Sends a request and reads the JSON of its answer.
    pub(super) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let response = self.send(request).await?;
        response.json().await.context("the server's answer cannot be read: is it an anabranch server?")
    }

    /// Sends a merge, revert or cherry-pick.
    pub(super) async fn merge(&self, request: RequestBuilder) -> anyhow::Result<Merged<Response>> {
        let response = self.reach(request).await?;
        match response.status() {
            status if status.is_success() => Ok(Merged::Done(response)),
            StatusCode::CONFLICT => {
                let text = response.text().await.context("the server's answer broke off")?;
                match serde_json::from_str(&text) {
                    Ok(conflict) => Ok(Merged::Conflicts(Box::new(conflict))),
                    Err(_) => Err(refused(StatusCode::CONFLICT, &text).into()),
                }
            }
            _ => match refusal(response).await {
                Refused { status: StatusCode::BAD_REQUEST, message } if message.starts_with("no changes") => {
                    Ok(Merged::NoChanges(message))
                }
                refused => Err(refused.into()),
            },
        }
    }

    /// Sends a choice for a conflict; answers somebody else's that stands as a value.
    pub(super) async fn choose(
        &self,
        request: RequestBuilder,
    ) -> anyhow::Result<Result<wire::Decided, Box<wire::AlreadyDecided>>> {
        let response = self.reach(request).await?;
        match response.status() {
            status if status.is_success() => {
                let decided = response.json().await;
                decided.map(Ok).context("the server's answer cannot be read: is it an anabranch server?")
            }
            StatusCode::CONFLICT => {
                let text = response.text().await.context("the server's answer broke off")?;
                match serde_json::from_str(&text) {
                    Ok(standing) => Ok(Err(Box::new(standing))),
                    Err(_) => Err(refused(StatusCode::CONFLICT, &text).into()),
                }
            }
            _ => Err(refusal(response).await.into()),
        }
    }

    /// Collects a listing: all of it, or its first `limit` results. Answers whether more follow.
    pub(super) async fn list<P, T>(
        &self,
        segments: &[&str],
        query: &[(&str, &str)],
        limit: Option<usize>,
    ) -> anyhow::Result<(Vec<T>, bool)>
    where
        P: DeserializeOwned + Page<T>,
    {
        let mut results = Vec::new();
        let mut after = String::new();
        loop {
            let wanted = limit.map_or(PAGE, |limit| limit.saturating_sub(results.len()).min(PAGE));
            if wanted == 0 {
                return Ok((results, true));
            }
            let amount = wanted.to_string();
            let request = self
                .request(Method::GET, segments)?
                .query(query)
                .query(&[("after", after.as_str()), ("amount", amount.as_str())]);
            let (pagination, page) = self.json::<P>(request).await?.split();
            results.extend(page);
            if !pagination.has_more {
                return Ok((results, false));
            }
            after = pagination.next_offset;
        }
    }

    async fn reach(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        request.send().await.map_err(|error| {
            let hint = if !error.is_connect() {
                ""
            } else if self.base.scheme() == "https" {
                ": is the address right, and its certificate trusted? --ca-cert names one of your own"
            } else {
                ": is the server running? `anabranch serve` starts one"
            };
            anyhow::Error::new(error.without_url()).context(format!("{} does not answer{hint}", self.base))
        })
    }
}

/// A page of a listing of the API.
pub(super) trait Page<T> {
    /// Its account and its results.
    fn split(self) -> (wire::Pagination, Vec<T>);
}

macro_rules! pages {
    ($($list:ident of $item:ident),* $(,)?) => {
        $(impl Page<wire::$item> for wire::$list {
            fn split(self) -> (wire::Pagination, Vec<wire::$item>) {
                (self.pagination, self.results)
            }
        })*
    };
}

pages!(
    RepositoryList of Repository,
    RefList of Ref,
    CommitList of Commit,
    ObjectStatsList of ObjectStats,
    DiffList of Diff,
    TableDiffList of TableDiff,
    MergeSessionList of MergeSession,
    SessionConflictList of SessionConflict,
);

/// A page whose results are shown as they come.
#[derive(serde::Deserialize)]
pub(super) struct ValueList {
    pagination: wire::Pagination,
    results: Vec<serde_json::Value>,
}

impl Page<serde_json::Value> for ValueList {
    fn split(self) -> (wire::Pagination, Vec<serde_json::Value>) {
        (self.pagination, self.results)
    }
}

async fn refusal(response: Response) -> Refused {
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    refused(status, &text)
}

fn refused(status: StatusCode, text: &str) -> Refused {
    let message = match serde_json::from_str::<wire::Error>(text) {
        Ok(error) => error.message,
        Err(_) => format!("the server answered {status}: is it an anabranch server?"),
    };
    let hint = match status {
        StatusCode::UNAUTHORIZED => ": check --access-key-id and --secret-access-key, the profile, or --data",
        _ => "",
    };
    Refused { status, message: format!("{message}{hint}") }
}

/// A value as JSON, for `--json`.
pub(super) fn to_json(value: &impl Serialize) -> anyhow::Result<serde_json::Value> {
    serde_json::to_value(value).context("the answer cannot be shown as JSON")
}
