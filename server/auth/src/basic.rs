//! HTTP basic authentication: access key id and secret in an `Authorization` header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{Keys, KeysError, Principal, Secret, TooManyAttempts};

/// A header this long holds no key pair of ours; it is refused before it is decoded.
const HEADER_BYTES_MAX: usize = 4096;

/// Basic credentials were not accepted.
#[derive(Debug, thiserror::Error)]
pub enum BasicError {
    /// The header is not `Basic` followed by base64 of `id:secret`.
    #[error("the Authorization header is malformed: {rule}")]
    Malformed {
        /// What is wrong with it.
        rule: &'static str,
    },
    /// There is no such key, or the secret is another one. Which of the two is not said.
    #[error("access key id or secret are wrong")]
    Refused,
    /// Somebody guesses.
    #[error(transparent)]
    TooMany(TooManyAttempts),
    /// Nothing is known about the key now.
    #[error("basic credentials could not be checked")]
    Keys {
        /// Why.
        #[source]
        source: KeysError,
    },
}

/// What a basic `Authorization` header claims.
#[derive(Debug)]
pub struct Credentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret, unchecked.
    pub secret: Secret,
}

/// Whether an `Authorization` header is one of basic authentication.
pub fn is_basic(header: &str) -> bool {
    header.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic "))
}

/// Reads what the value of an `Authorization` header claims; checks nothing.
pub fn parse(header: &str) -> Result<Credentials, BasicError> {
    let malformed = |rule| BasicError::Malformed { rule };
    if header.len() > HEADER_BYTES_MAX {
        return Err(malformed("it is too long"));
    }
    let encoded = match header.get(6..) {
        Some(encoded) if is_basic(header) => encoded.trim(),
        _ => return Err(malformed("it does not begin with 'Basic '")),
    };
    let bytes = STANDARD.decode(encoded).map_err(|_| malformed("what follows 'Basic ' is not base64"))?;
    let text = String::from_utf8(bytes).map_err(|_| malformed("the credentials are not UTF-8"))?;
    let (id, secret) = text.split_once(':').ok_or_else(|| malformed("the credentials hold no ':'"))?;
    Ok(Credentials { access_key_id: id.to_owned(), secret: Secret::new(secret) })
}

/// Finds out who has this access key id and secret.
///
/// A key that does not exist and a wrong secret are told apart neither by the answer nor by whether a
/// comparison took place.
pub(crate) async fn check(
    keys: &dyn Keys,
    access_key_id: &str,
    secret: &str,
) -> Result<Principal, BasicError> {
    let found = keys.find(access_key_id).await.map_err(|source| BasicError::Keys { source })?;
    match found {
        Some(identity) if identity.key.secret.equals(secret) => Ok(identity.principal),
        Some(_) => Err(BasicError::Refused),
        None => {
            // The comparison that a known key would have cost.
            let _ = Secret::new(secret).equals(secret);
            Err(BasicError::Refused)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_time::{authenticator, now};
    use crate::{KeyPair, StaticKeys};

    fn header(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    fn answer(header: &str) -> String {
        let keys = StaticKeys::admin(KeyPair::new("AKID", "s3cr:et"));
        match now(authenticator(keys, 0).basic(header, None)) {
            Ok(principal) => principal.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_right_pair_is_accepted_and_nothing_else() {
        assert_eq!(answer(&header("AKID:s3cr:et")), "admin");
        assert_eq!(answer(&header("AKID:s3cr:et").replace("Basic", "bAsIc")), "admin");
        let refused = "access key id or secret are wrong";
        for wrong in ["AKID:", "AKID:s3cr:e", "AKID:s3cr:ett", "OTHER:s3cr:et", "akid:s3cr:et", ":"] {
            assert_eq!(answer(&header(wrong)), refused, "{wrong}");
        }
    }

    #[test]
    fn malformed_headers_are_refused_without_showing_them() {
        for bad in
            ["", "Basic", "Basic !!!", "Bearer abc", "Basic é", &header("no colon"), &"Basic ".repeat(900)]
        {
            let message = answer(bad);
            assert!(message.starts_with("the Authorization header is malformed"), "{bad}: {message}");
        }
    }
}
