//! Published examples, properties, and what hostile requests get.

mod chunks;
mod examples;
mod laws;
mod refusals;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::sign::Signer;
use super::*;
use crate::test_time::{authenticator, now};
use crate::{KeyPair, Secret, StaticKeys};

/// 2013-05-24T00:00:00Z, the moment of the published examples.
const NOW_MS: i64 = 1_369_353_600_000;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn signer() -> Signer {
    Signer { key: KeyPair::new("AKIAIOSFODNN7EXAMPLE", SECRET), region: "us-east-1".to_owned() }
}

/// A request that can be taken apart and changed.
#[derive(Clone, Debug)]
struct Sample {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Sample {
    fn new(method: &str, uri: &str, headers: &[(&str, &str)]) -> Self {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a header name");
            map.append(name, HeaderValue::from_str(value).expect("a header value"));
        }
        Sample { method: method.parse().expect("a method"), uri: uri.parse().expect("a URI"), headers: map }
    }

    fn signed(&self) -> Signed<'_> {
        Signed { method: &self.method, uri: &self.uri, headers: &self.headers }
    }

    fn sign(mut self, payload: &str) -> (Self, ChunkSigner) {
        let chunks = signer()
            .sign_header(&self.method, &self.uri, &mut self.headers, payload, NOW_MS)
            .expect("a request that can be signed");
        (self, chunks)
    }

    fn verify_at(&self, now_ms: i64) -> Result<Verified, SigV4Error> {
        let keys = StaticKeys::admin(signer().key);
        let answer = now(authenticator(keys, now_ms).signature(&Policy::default(), self.signed(), None));
        answer.map(|(principal, verified)| {
            assert_eq!(principal.name(), "admin");
            verified
        })
    }

    fn verify(&self) -> Result<Verified, SigV4Error> {
        self.verify_at(NOW_MS)
    }

    /// The error of a request that must be refused.
    fn refusal(&self) -> String {
        self.verify().expect_err("this request must be refused").to_string()
    }
}
