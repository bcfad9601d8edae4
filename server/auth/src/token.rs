//! Tokens of a login: JSON Web Tokens signed with HMAC-SHA256, in exactly the form that is made here.
//!
//! A token names the access key that it was made with and is worth nothing without it: the key is looked up each
//! time, so that a token dies with its key or its user, and with the server key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::server_key::TokenKey;
use crate::{Keys, KeysError, Principal, Secret};

/// How long a token is valid, in seconds.
pub(crate) const LIFETIME_S: i64 = 12 * 60 * 60;
/// The one header that tokens have; another algorithm is never asked for.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
/// Longer ones are refused before they are taken apart.
const TOKEN_BYTES_MAX: usize = 2048;

/// A fresh token. `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Token {
    /// What the client sends back.
    pub text: Secret,
    /// When it ends, in seconds since the Unix epoch.
    pub expires_s: i64,
}

/// A token was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is none of this server's.
    #[error("the token is not one of this server: log in")]
    Refused,
    /// Its time is over.
    #[error("the token has expired: log in again")]
    Expired,
    /// Its access key or its user is gone.
    #[error("the access key that the token was made with does not exist any more: log in with another")]
    Revoked,
    /// Nothing is known about the key now.
    #[error("the token could not be checked")]
    Keys {
        /// Why.
        #[source]
        source: KeysError,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    /// The user.
    sub: String,
    /// The access key that was logged in with.
    key: String,
    iat: i64,
    exp: i64,
}

/// Makes a token for somebody who has proved to have the key.
pub(crate) fn make(
    signer: &TokenKey,
    who: &Principal,
    access_key_id: &str,
    lifetime_s: i64,
    now_ms: i64,
) -> Token {
    let iat = now_ms.div_euclid(1000);
    let exp = iat.saturating_add(lifetime_s);
    let claims = Claims { sub: who.name().to_owned(), key: access_key_id.to_owned(), iat, exp };
    // Texts and numbers always serialize; without claims the token would be refused.
    let body = serde_json::to_vec(&claims).unwrap_or_default();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(body));
    let signature = URL_SAFE_NO_PAD.encode(signer.sign(&signed));
    Token { text: Secret::new(format!("{signed}.{signature}")), expires_s: claims.exp }
}

/// Finds out whose token this is.
pub(crate) async fn check(
    signer: &TokenKey,
    keys: &dyn Keys,
    token: &str,
    now_ms: i64,
) -> Result<Principal, TokenError> {
    let claims = read(signer, token).ok_or(TokenError::Refused)?;
    if now_ms.div_euclid(1000) >= claims.exp {
        return Err(TokenError::Expired);
    }
    match keys.find(&claims.key).await.map_err(|source| TokenError::Keys { source })? {
        Some(identity) if identity.principal.name() == claims.sub => Ok(identity.principal),
        _ => Err(TokenError::Revoked),
    }
}

/// The claims of a token whose signature holds. The signature is checked before anything is decoded.
fn read(signer: &TokenKey, token: &str) -> Option<Claims> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !signer.verify(signed, &signature) {
        return None;
    }
    let (header, body) = signed.split_once('.')?;
    if URL_SAFE_NO_PAD.decode(header).ok()? != HEADER.as_bytes() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_time::now;
    use crate::{KeyPair, ServerKey, StaticKeys};

    const NOW_MS: i64 = 1_795_369_318_000;

    fn signer(digit: &str) -> TokenKey {
        ServerKey::parse(&digit.repeat(64)).unwrap().token_key()
    }

    fn keys(id: &str) -> StaticKeys {
        StaticKeys::admin(KeyPair::new(id, "secret"))
    }

    fn token() -> String {
        let who = Principal::new("admin", crate::Role::Admin);
        make(&signer("1"), &who, "AKID", LIFETIME_S, NOW_MS).text.expose().to_owned()
    }

    fn answer(signer: &TokenKey, keys: &StaticKeys, token: &str, now_ms: i64) -> String {
        match now(check(signer, keys, token, now_ms)) {
            Ok(principal) => principal.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_token_lives_as_long_as_it_says_and_as_its_key() {
        let (signer, keys) = (signer("1"), keys("AKID"));
        assert_eq!(answer(&signer, &keys, &token(), NOW_MS), "admin");
        assert_eq!(answer(&signer, &keys, &token(), NOW_MS + LIFETIME_S * 1000 - 1), "admin");
        let over = answer(&signer, &keys, &token(), NOW_MS + LIFETIME_S * 1000);
        assert_eq!(over, "the token has expired: log in again");
        let revoked = answer(&signer, &self::keys("OTHER"), &token(), NOW_MS);
        assert!(revoked.contains("does not exist any more"), "{revoked}");
    }

    #[test]
    fn the_key_of_another_user_is_not_believed() {
        let identity = crate::Identity {
            key: KeyPair::new("AKID", "secret"),
            principal: Principal::new("somebody-else", crate::Role::ReadOnly),
        };
        let moved = answer(&signer("1"), &StaticKeys::new(vec![identity]), &token(), NOW_MS);
        assert!(moved.contains("does not exist any more"), "{moved}");
    }

    #[test]
    fn a_token_that_was_changed_or_made_elsewhere_is_refused() {
        let refused = "the token is not one of this server: log in";
        let (one, keys) = (signer("1"), keys("AKID"));
        assert_eq!(answer(&signer("2"), &keys, &token(), NOW_MS), refused, "another server key");
        let token = token();
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last character of a signature has bits that stand for nothing; decoding is strict about them.
            assert_eq!(answer(&one, &keys, &changed, NOW_MS), refused, "byte {at}");
        }
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let body = token.split('.').nth(1).unwrap();
        for forged in [format!("{none}.{body}."), format!("{none}.{body}"), String::new(), "..".into()] {
            assert_eq!(answer(&one, &keys, &forged, NOW_MS), refused, "{forged}");
        }
        assert_eq!(answer(&one, &keys, &"x.".repeat(2000), NOW_MS), refused);
    }

    #[test]
    fn another_header_is_refused_even_when_it_is_signed() {
        let one = signer("1");
        let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#);
        let body = token().split('.').nth(1).unwrap().to_owned();
        let signed = format!("{header}.{body}");
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(one.sign(&signed)));
        assert!(answer(&one, &keys("AKID"), &token, NOW_MS).contains("not one of this server"));
    }

    #[test]
    fn debug_output_shows_no_token() {
        let who = Principal::new("admin", crate::Role::Admin);
        let made = make(&signer("1"), &who, "AKID", LIFETIME_S, NOW_MS);
        assert!(!format!("{made:?} {:?}", signer("1")).contains(made.text.expose()));
    }
}
