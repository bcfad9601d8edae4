//! The S3 calls that the rows consist of: signed by header, payload unsigned.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anabranch_auth::KeyPair;
use anabranch_auth::sigv4::sign::Signer;
use anyhow::{Context, ensure};
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

    /// Reads an object that should have these bytes; compares all of them, or only how many there are.
    pub(crate) async fn get(&mut self, path: &str, expected: &Bytes, compare: bool) -> anyhow::Result<()> {
        let headers = self.signed(&Method::GET, path)?;
        let (mut length, mut is_equal) = (0, true);
        let watch = |data: &[u8]| {
            is_equal &= !compare || expected.get(length..length + data.len()) == Some(data);
            length += data.len();
        };
        self.connection.send_and_watch((&Method::GET, path), headers, watch).await?.accepted()?;
        ensure!(length == expected.len(), "{path} has {length} bytes instead of {}", expected.len());
        ensure!(is_equal, "{path} has other bytes than were written");
        Ok(())
    }

    async fn send(&mut self, method: &Method, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        let headers = self.signed(method, path)?;
        self.connection.send(method, path, headers, body).await
    }

    fn signed(&self, method: &Method, path: &str) -> anyhow::Result<HeaderMap> {
        let uri: Uri = path.parse()?;
        let mut headers = HeaderMap::new();
        headers.insert(HOST, self.host.clone());
        if let Some(signer) = &self.signer {
            signer.sign_header(method, &uri, &mut headers, "UNSIGNED-PAYLOAD", now_ms())?;
        }
        Ok(headers)
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
