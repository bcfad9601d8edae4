//! Checks a claim: scope, time, coverage, signature.

use super::canonical;
use super::claim::Claim;
use super::key::{ALGORITHM, ChunkSigner, SigningKey, sha256_hex, signatures_equal};
use super::{SigV4Error, Signed};
use crate::Secret;

/// The longest that a presigned request may be valid, in seconds: seven days.
const EXPIRES_S_MAX: i64 = 7 * 24 * 60 * 60;

/// What a server accepts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The region that credentials must be for; none: any well-formed one, because clients take theirs
    /// from their surroundings and a server of one's own is in all of them.
    pub region: Option<String>,
    /// How far the clocks of client and server may be apart, in seconds.
    pub skew_s_max: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { region: None, skew_s_max: 15 * 60 }
    }
}

/// What the signature says about the body. Whoever reads the body checks it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// Nothing.
    Unsigned,
    /// The SHA-256 of the body.
    Digest([u8; 32]),
    /// The body comes in chunks of its own framing.
    Chunked {
        /// Each chunk, and the trailer, carries a signature.
        signed: bool,
        /// Headers follow the last chunk.
        trailer: bool,
    },
}

impl Payload {
    fn parse(text: &str) -> Result<Self, SigV4Error> {
        let chunked = |signed, trailer| Ok(Payload::Chunked { signed, trailer });
        match text {
            "UNSIGNED-PAYLOAD" => Ok(Payload::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => chunked(true, false),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => chunked(true, true),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => chunked(false, true),
            _ => {
                let mut digest = [0; 32];
                match hex::decode_to_slice(text, &mut digest) {
                    Ok(()) => Ok(Payload::Digest(digest)),
                    Err(_) => Err(SigV4Error::Malformed {
                        what: "the header x-amz-content-sha256",
                        rule: "it is neither a SHA-256 in hexadecimal nor UNSIGNED-PAYLOAD, \
                               STREAMING-UNSIGNED-PAYLOAD-TRAILER or \
                               STREAMING-AWS4-HMAC-SHA256-PAYLOAD[-TRAILER]",
                    }),
                }
            }
        }
    }
}

/// A signature that was checked.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What it says about the body.
    pub payload: Payload,
    /// Signs the chunks of the body, if they are signed.
    pub chunk_signer: ChunkSigner,
    /// Whether the signature was in the query.
    pub presigned: bool,
}

impl Claim {
    /// Checks everything that needs no secret: service, region, day, clock skew, lifetime.
    ///
    /// A request that fails here costs no key look-up.
    pub fn check_scope_and_time(&self, policy: &Policy, now_ms: i64) -> Result<(), SigV4Error> {
        if self.scope.service != "s3" {
            return Err(SigV4Error::Service { given: self.scope.service.chars().take(50).collect() });
        }
        if let Some(expected) = policy.region.as_ref().filter(|region| **region != self.scope.region) {
            return Err(SigV4Error::Region { given: self.scope.region.clone(), expected: expected.clone() });
        }
        if self.scope.day != self.date.day() {
            let given = self.scope.day.chars().take(50).collect();
            return Err(SigV4Error::Day { given, date: self.date.text.clone() });
        }
        let age_ms = now_ms.saturating_sub(self.date.ms);
        let skewed = |off_ms: i64| SigV4Error::Skewed {
            date: self.date.text.clone(),
            off_s: off_ms / 1000,
            max_s: policy.skew_s_max,
        };
        let skew_ms_max = policy.skew_s_max.saturating_mul(1000);
        match self.expires_s {
            None if age_ms.saturating_abs() > skew_ms_max => Err(skewed(age_ms.saturating_abs())),
            None => Ok(()),
            Some(given) if !(1..=EXPIRES_S_MAX).contains(&given) => {
                Err(SigV4Error::Lifetime { given, max_s: EXPIRES_S_MAX })
            }
            Some(_) if age_ms < -skew_ms_max => Err(skewed(age_ms.saturating_abs())),
            Some(expires_s) if age_ms > expires_s * 1000 => {
                Err(SigV4Error::Expired { ago_s: age_ms / 1000 - expires_s })
            }
            Some(_) => Ok(()),
        }
    }

    /// Checks the claim with the secret of its key. `request` is the one that the claim was read from.
    pub fn verify(
        &self,
        request: Signed<'_>,
        secret: &Secret,
        policy: &Policy,
        now_ms: i64,
    ) -> Result<Verified, SigV4Error> {
        self.check_scope_and_time(policy, now_ms)?;
        self.check_coverage(request)?;
        let (payload_text, payload) = self.payload(request)?;
        let key = SigningKey::derive(secret, &self.scope);
        let expected =
            self.signature_of(request, &key, &canonical::path(request.uri.path()), &payload_text)?;
        let mut matches = signatures_equal(&expected, &self.signature);
        if !matches {
            // Some clients sign the path as they send it, with `=` or `:` left as they are. It is the same
            // path: every byte of it is covered either way.
            let as_sent = self.signature_of(request, &key, request.uri.path(), &payload_text)?;
            matches = signatures_equal(&as_sent, &self.signature);
        }
        if !matches {
            return Err(SigV4Error::Mismatch);
        }
        let chunk_signer = ChunkSigner {
            key,
            date: self.date.text.clone(),
            scope: self.scope.clone(),
            previous: self.signature.clone(),
        };
        Ok(Verified { payload, chunk_signer, presigned: self.expires_s.is_some() })
    }

    /// The host and every `x-amz-` header must be signed, or somebody on the way could add one.
    fn check_coverage(&self, request: Signed<'_>) -> Result<(), SigV4Error> {
        let covered = |name: &str| self.signed_headers.iter().any(|signed| signed == name);
        if !covered("host") {
            return Err(SigV4Error::UnsignedHeader { name: "host".to_owned() });
        }
        for name in request.headers.keys().map(http::HeaderName::as_str) {
            // A presigned request fixes the payload's mode in its query; what the header adds is checked
            // against the body and can only refuse more.
            let exempt = self.expires_s.is_some() && name == "x-amz-content-sha256";
            if name.starts_with("x-amz-") && !exempt && !covered(name) {
                return Err(SigV4Error::UnsignedHeader { name: name.to_owned() });
            }
        }
        Ok(())
    }

    /// What is signed about the payload, and what is to be checked about the body.
    fn payload(&self, request: Signed<'_>) -> Result<(String, Payload), SigV4Error> {
        const NAME: &str = "x-amz-content-sha256";
        const WHAT: &str = "the header x-amz-content-sha256";
        let mut values = request.headers.get_all(NAME).iter();
        let value = values.next().map(|value| value.to_str().unwrap_or_default());
        if values.next().is_some() {
            return Err(SigV4Error::Malformed { what: WHAT, rule: "there is more than one" });
        }
        let in_query = self.expires_s.is_some();
        match value {
            None if in_query => Ok(("UNSIGNED-PAYLOAD".to_owned(), Payload::Unsigned)),
            None => Err(SigV4Error::Missing { what: WHAT }),
            Some(text) => {
                let payload = Payload::parse(text)?;
                let signed = self.signed_headers.iter().any(|name| name == NAME);
                match payload {
                    Payload::Chunked { .. } if in_query => Err(SigV4Error::Malformed {
                        what: WHAT,
                        rule: "a presigned request cannot have a chunked body",
                    }),
                    payload if in_query && !signed => Ok(("UNSIGNED-PAYLOAD".to_owned(), payload)),
                    payload => Ok((text.to_owned(), payload)),
                }
            }
        }
    }

    fn signature_of(
        &self,
        request: Signed<'_>,
        key: &SigningKey,
        path: &str,
        payload: &str,
    ) -> Result<String, SigV4Error> {
        let canonical = canonical::request(request, path, &self.signed_headers, payload)?;
        Ok(key.sign(&self.string_to_sign(&canonical)))
    }

    pub(super) fn string_to_sign(&self, canonical: &str) -> String {
        format!("{ALGORITHM}\n{}\n{}\n{}", self.date.text, self.scope, sha256_hex(canonical.as_bytes()))
    }
}
