//! The client's side, for tests: signs requests and bodies as a client does.

use http::{HeaderMap, HeaderValue, Method, Uri};

use super::canonical::{self, encode};
use super::claim::Claim;
use super::date::AmzDate;
use super::key::{ALGORITHM, ChunkSigner, Scope, SigningKey, sha256_hex};
use super::{SigV4Error, Signed};
use crate::KeyPair;

/// Signs with one key pair for one region.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The key pair.
    pub key: KeyPair,
    /// The region.
    pub region: String,
}

impl Signer {
    /// Adds `x-amz-date`, `x-amz-content-sha256` and `Authorization` to `headers`, which must hold the
    /// host. `payload` is what `x-amz-content-sha256` says. Gives what signs the body's chunks.
    pub fn sign_header(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
        payload: &str,
        now_ms: i64,
    ) -> Result<ChunkSigner, SigV4Error> {
        let date = AmzDate::of_ms(now_ms);
        headers.insert("x-amz-date", value(&date.text)?);
        headers.insert("x-amz-content-sha256", value(payload)?);
        let mut names: Vec<String> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        let signed = Signed { method, uri, headers };
        let (scope, key) = self.scope_and_key(&date);
        let claim = self.claim(date, scope.clone(), names.clone(), None);
        let canonical = canonical::request(signed, &canonical::path(uri.path()), &names, payload)?;
        let signature = key.sign(&claim.string_to_sign(&canonical));
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            self.key.access_key_id,
            names.join(";")
        );
        headers.insert(http::header::AUTHORIZATION, value(&authorization)?);
        Ok(ChunkSigner { key, date: claim.date.text, scope, previous: signature })
    }

    /// The target of a presigned request: `path` is encoded already, `query` holds decoded pairs.
    pub fn presign(
        &self,
        method: &Method,
        host: &str,
        path: &str,
        query: &[(&str, &str)],
        expires_s: i64,
        now_ms: i64,
    ) -> Result<String, SigV4Error> {
        let date = AmzDate::of_ms(now_ms);
        let (scope, key) = self.scope_and_key(&date);
        let credential = format!("{}/{scope}", self.key.access_key_id);
        let expires = expires_s.to_string();
        let mut pairs = query.to_vec();
        pairs.extend([
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &date.text),
            ("X-Amz-Expires", &expires),
            ("X-Amz-SignedHeaders", "host"),
        ]);
        let encoded = |text: &str| encode(text.as_bytes(), false);
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let target = format!("{path}?{}", pairs.join("&"));
        let bad = |_| SigV4Error::Malformed { what: "the path", rule: "it is no URI" };
        let uri: Uri = target.parse().map_err(bad)?;
        let mut headers = HeaderMap::new();
        headers.insert(http::header::HOST, value(host)?);
        let names = vec!["host".to_owned()];
        let signed = Signed { method, uri: &uri, headers: &headers };
        let canonical = canonical::request(signed, &canonical::path(path), &names, "UNSIGNED-PAYLOAD")?;
        let claim = self.claim(date, scope, names, Some(expires_s));
        Ok(format!("{target}&X-Amz-Signature={}", key.sign(&claim.string_to_sign(&canonical))))
    }

    fn scope_and_key(&self, date: &AmzDate) -> (Scope, SigningKey) {
        let scope =
            Scope { day: date.day().to_owned(), region: self.region.clone(), service: "s3".to_owned() };
        let key = SigningKey::derive(&self.key.secret, &scope);
        (scope, key)
    }

    fn claim(&self, date: AmzDate, scope: Scope, names: Vec<String>, expires_s: Option<i64>) -> Claim {
        Claim {
            access_key_id: self.key.access_key_id.clone(),
            scope,
            date,
            signed_headers: names,
            signature: String::new(),
            expires_s,
        }
    }
}

/// A body in chunks, with signatures if there is a signer, and with trailers if there are any.
pub fn chunked_body(mut signer: Option<ChunkSigner>, chunks: &[&[u8]], trailers: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in chunks.iter().copied().chain([&b""[..]]) {
        let signature = match &mut signer {
            Some(signer) => format!(";chunk-signature={}", signer.next_chunk(&sha256_hex(chunk))),
            None => String::new(),
        };
        body.extend_from_slice(format!("{:x}{signature}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        if !chunk.is_empty() {
            body.extend_from_slice(b"\r\n");
        }
    }
    let mut lines = String::new();
    for (name, value) in trailers {
        body.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
        lines.push_str(&format!("{name}:{value}\n"));
    }
    if let Some(signer) = signer.filter(|_| !trailers.is_empty()) {
        body.extend_from_slice(format!("x-amz-trailer-signature:{}\r\n", signer.trailer(&lines)).as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    body
}

/// What `x-amz-content-sha256` says about a body in one piece.
pub fn payload_digest(body: &[u8]) -> String {
    sha256_hex(body)
}

fn value(text: &str) -> Result<HeaderValue, SigV4Error> {
    HeaderValue::from_str(text)
        .map_err(|_| SigV4Error::Malformed { what: "a header", rule: "its value is not visible ASCII" })
}
