//! AWS Signature Version 4, as S3 uses it: in a header, in a presigned query, and for chunked bodies.
//!
//! Everything that decides is pure: method, URI, headers and the time go in, a verdict comes out.
//! [`Claim::read`] reads what a request says about itself, [`Claim::verify`] checks it with the
//! secret, and [`Authenticator::signature`](crate::Authenticator::signature) puts the key look-up between the two. What the signature says about
//! the body is a [`Payload`]; who reads the body checks it with [`chunked::Decoder`] or against the
//! digest.
//!
//! The S3 flavour: the path is encoded once, `x-amz-content-sha256` is required, and every `x-amz-`
//! header must be signed.

mod canonical;
pub mod chunked;
mod claim;
mod date;
mod error;
mod key;
#[cfg(any(test, feature = "test-support"))]
pub mod sign;
#[cfg(test)]
mod tests;
mod verify;

use http::{HeaderMap, Method, Uri};

pub use claim::{Claim, is_signed, is_version_2};
pub use error::SigV4Error;
pub use key::ChunkSigner;
pub use verify::{Payload, Policy, Verified};

/// The parts of a request that a signature covers.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target as it came over the wire, still percent-encoded.
    pub uri: &'a Uri,
    /// All headers.
    pub headers: &'a HeaderMap,
}
