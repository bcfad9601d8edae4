//! Signing keys, and the signatures of requests and chunks.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Secret;
use crate::mac::hmac;

/// The algorithm's name, as requests write it.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The scope that a credential is limited to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Scope {
    pub(super) day: String,
    pub(super) region: String,
    pub(super) service: String,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.day, self.region, self.service)
    }
}

/// A key derived from a secret for one scope.
#[derive(Clone)]
pub(super) struct SigningKey([u8; 32]);

impl SigningKey {
    pub(super) fn derive(secret: &Secret, scope: &Scope) -> Self {
        let mut start = b"AWS4".to_vec();
        start.extend_from_slice(secret.expose().as_bytes());
        let steps =
            [scope.day.as_bytes(), scope.region.as_bytes(), scope.service.as_bytes(), b"aws4_request"];
        let mut key = hmac(&start, steps[0]);
        for step in &steps[1..] {
            key = hmac(&key, step);
        }
        SigningKey(key)
    }

    /// The signature of a text, as 64 hexadecimal characters.
    pub(super) fn sign(&self, text: &str) -> String {
        hex::encode(hmac(&self.0, text.as_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[signing key]")
    }
}

/// The digest of some bytes, as 64 hexadecimal characters.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Compares two signatures in a time that depends on their lengths only.
pub(super) fn signatures_equal(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

/// Signs the chunks of a body one after the other, each over the signature before it.
///
/// Begins with the signature of the request's headers, which the client has proved to know.
#[derive(Clone, Debug)]
pub struct ChunkSigner {
    pub(super) key: SigningKey,
    pub(super) date: String,
    pub(super) scope: Scope,
    pub(super) previous: String,
}

impl ChunkSigner {
    /// The signature of the next chunk, given the digest of its data; moves on.
    pub(super) fn next_chunk(&mut self, digest_hex: &str) -> String {
        let empty = sha256_hex(b"");
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{empty}\n{digest_hex}",
            self.date, self.scope, self.previous
        );
        self.previous = self.key.sign(&text);
        self.previous.clone()
    }

    /// The signature of the trailer, given its lines `name:value\n`.
    pub(super) fn trailer(&self, lines: &str) -> String {
        let digest = sha256_hex(lines.as_bytes());
        let text =
            format!("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{digest}", self.date, self.scope, self.previous);
        self.key.sign(&text)
    }
}
