//! Why a signature was not accepted.

use crate::{KeysError, TooManyAttempts};

/// A request's signature was not accepted. No variant holds a secret or a valid signature.
#[derive(Debug, thiserror::Error)]
pub enum SigV4Error {
    /// The request carries no signature at all.
    #[error("the request is not signed; anonymous requests are not served")]
    Anonymous,
    /// The request is signed with version 2.
    #[error("Signature Version 2 is not accepted; sign with AWS4-HMAC-SHA256 (Signature Version 4)")]
    Version2,
    /// Another algorithm than HMAC-SHA256.
    #[error("the signing algorithm {algorithm:?} is not accepted; sign with AWS4-HMAC-SHA256")]
    Algorithm {
        /// Which, cut to a length that can be shown.
        algorithm: String,
    },
    /// Something that must be there is not.
    #[error("{what} is missing")]
    Missing {
        /// The header, query parameter or field.
        what: &'static str,
    },
    /// Something cannot be read.
    #[error("{what} is malformed: {rule}")]
    Malformed {
        /// The header, query parameter or field.
        what: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The credential is for another region.
    #[error("the credential is for region {given:?}; this server is {expected:?}")]
    Region {
        /// What the credential says.
        given: String,
        /// What it has to say.
        expected: String,
    },
    /// The credential is for another service.
    #[error("the credential is for service {given:?}; it must be for \"s3\"")]
    Service {
        /// What the credential says.
        given: String,
    },
    /// The day in the credential's scope is not the day of the request.
    #[error("the credential is for day {given:?}, but the request is dated {date}")]
    Day {
        /// What the credential says.
        given: String,
        /// The date of the request.
        date: String,
    },
    /// The clocks of client and server are too far apart, or the request is a replay of an old one.
    #[error(
        "the request is dated {date}, which is {off_s} s away from the server's time; at most {max_s} s are accepted: set the clock"
    )]
    Skewed {
        /// The date of the request.
        date: String,
        /// How far off it is, in seconds.
        off_s: i64,
        /// How far off it may be, in seconds.
        max_s: i64,
    },
    /// A presigned request came after its time.
    #[error("the presigned request expired {ago_s} s ago")]
    Expired {
        /// How long ago, in seconds.
        ago_s: i64,
    },
    /// A presigned request is valid for too long, or not at all.
    #[error("X-Amz-Expires is {given} s; it must be between 1 and {max_s} s (seven days)")]
    Lifetime {
        /// What the request says, in seconds.
        given: i64,
        /// The most that is accepted, in seconds.
        max_s: i64,
    },
    /// A header that the signature has to cover is not covered.
    #[error("the header {name} is not covered by the signature")]
    UnsignedHeader {
        /// Which.
        name: String,
    },
    /// A header that the signature covers is not there.
    #[error("the signature covers the header {name}, which the request does not have")]
    AbsentHeader {
        /// Which, cut to a length that can be shown.
        name: String,
    },
    /// There is no such key.
    #[error("the access key id {access_key_id:?} does not exist")]
    UnknownKey {
        /// Which.
        access_key_id: String,
    },
    /// The signature is another one than that of this request with this key.
    #[error("the signature does not match the request; check the secret key and what was signed")]
    Mismatch,
    /// Somebody guesses.
    #[error(transparent)]
    TooMany(TooManyAttempts),
    /// Nothing is known about the key now.
    #[error("the signature could not be checked")]
    Keys {
        /// Why.
        #[source]
        source: KeysError,
    },
}
