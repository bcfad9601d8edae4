//! The S3 calls that the rows consist of: signed by header, payload unsigned.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anabranch_auth::KeyPair;
use anabranch_auth::sigv4::sign::Signer;
use anyhow::Context;
use bytes::Bytes;
use http::header::{ETAG, HOST};
use http::{HeaderMap, HeaderValue, Method, Uri};

use crate::connection::{Answer, Connection};
use crate::target::Target;

/// A client of one server over one connection.
pub(crate) struct S3 {
    connection: Connection,
    /// `None`: requests are not signed.
    signer: Option<Signer>,
    host: HeaderValue,
}

impl S3 {
    pub(crate) fn new(address: SocketAddr, target: &Target) -> anyhow::Result<Self> {
        let key = KeyPair::new(target.access_key_id.clone(), target.secret_access_key.clone());
        let signer = Signer { key, region: "us-east-1".into() };
        Ok(S3 {
            connection: Connection::new(address),
            signer: target.wants_signatures.then_some(signer),
            host: HeaderValue::try_from(address.to_string())?,
        })
    }

    /// Writes an object; gives its entity tag.
    pub(crate) async fn put(&mut self, path: &str, body: Bytes) -> anyhow::Result<String> {
        let answer = self.send(&Method::PUT, path, body).await?.accepted()?;
        let tag = answer.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).context("no ETag")?;
        Ok(tag.trim_matches('"').to_owned())
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        Ok(self.send(&Method::GET, path, Bytes::new()).await?.accepted()?.body)
    }

    async fn send(&mut self, method: &Method, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        let uri: Uri = path.parse()?;
        let mut headers = HeaderMap::new();
        headers.insert(HOST, self.host.clone());
        if let Some(signer) = &self.signer {
            signer.sign_header(method, &uri, &mut headers, "UNSIGNED-PAYLOAD", now_ms())?;
        }
        self.connection.send(method, path, headers, body).await
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
