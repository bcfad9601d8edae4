//! The server key: what secrets are encrypted with where they are stored, and what tokens are signed with.

use std::fmt;

use anabranch_types::IdSource;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use subtle::ConstantTimeEq;

use crate::Secret;
use crate::mac::hmac;

/// What the keys of the two uses are derived by; a new meaning gets a new text.
const SECRETS: &[u8] = b"anabranch/secrets/1";
const TOKENS: &[u8] = b"anabranch/tokens/1";
const FINGERPRINT: &[u8] = b"anabranch/fingerprint/1";

/// A text is no server key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a server key has 64 hexadecimal digits: make one with `openssl rand -hex 32`")]
pub struct InvalidServerKey;

/// 32 random bytes that all servers of one installation share. `Debug` does not show them.
#[derive(Clone)]
pub struct ServerKey([u8; 32]);

/// Tells server keys apart without telling anything about them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Fingerprint(pub(crate) [u8; 16]);

/// A secret, encrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sealed {
    /// Which server key opens it.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) nonce: [u8; 24],
    pub(crate) text: Vec<u8>,
}

impl ServerKey {
    /// Reads 64 hexadecimal digits; space around them is left out.
    pub fn parse(text: &str) -> Result<Self, InvalidServerKey> {
        let mut key = [0; 32];
        hex::decode_to_slice(text.trim(), &mut key).map_err(|_| InvalidServerKey)?;
        Ok(ServerKey(key))
    }

    /// A fresh one.
    pub fn generate(ids: &dyn IdSource) -> Self {
        let mut key = [0; 32];
        ids.fill(&mut key);
        ServerKey(key)
    }

    /// The digits that [`ServerKey::parse`] reads, for the file that keeps the key.
    pub fn to_hex(&self) -> Secret {
        Secret::new(hex::encode(self.0))
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut short = [0; 16];
        short.copy_from_slice(hmac(&self.0, FINGERPRINT).split_at(16).0);
        Fingerprint(short)
    }

    /// What tokens are signed with.
    pub(crate) fn token_key(&self) -> TokenKey {
        TokenKey(hmac(&self.0, TOKENS))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&hmac(&self.0, SECRETS).into())
    }

    /// Encrypts the secret of a key pair, bound to its access key id.
    pub(crate) fn seal(&self, ids: &dyn IdSource, access_key_id: &str, secret: &Secret) -> Option<Sealed> {
        let mut nonce = [0; 24];
        ids.fill(&mut nonce);
        let payload = Payload { msg: secret.expose().as_bytes(), aad: access_key_id.as_bytes() };
        let text = self.cipher().encrypt(XNonce::from_slice(&nonce), payload).ok()?;
        Some(Sealed { fingerprint: self.fingerprint(), nonce, text })
    }

    /// Decrypts; `None` unless it is whole, of this server key and of this access key id.
    pub(crate) fn unseal(&self, access_key_id: &str, sealed: &Sealed) -> Option<Secret> {
        let payload = Payload { msg: &sealed.text, aad: access_key_id.as_bytes() };
        let secret = self.cipher().decrypt(XNonce::from_slice(&sealed.nonce), payload).ok()?;
        String::from_utf8(secret).ok().map(Secret::new)
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[server key]")
    }
}

/// The server key in use, and those before it that still open what they encrypted.
#[derive(Clone, Debug)]
pub struct ServerKeys {
    /// Encrypts and signs.
    pub current: ServerKey,
    /// Decrypt only, until everything is encrypted with the current one.
    pub old: Vec<ServerKey>,
}

impl ServerKeys {
    /// One key, and none before it.
    pub fn only(current: ServerKey) -> Self {
        ServerKeys { current, old: Vec::new() }
    }

    /// The key of this fingerprint.
    pub(crate) fn find(&self, fingerprint: Fingerprint) -> Option<&ServerKey> {
        std::iter::once(&self.current).chain(&self.old).find(|key| key.fingerprint() == fingerprint)
    }
}

/// Signs tokens. Derived from the server key; `Debug` does not show it.
#[derive(Clone)]
pub(crate) struct TokenKey([u8; 32]);

impl TokenKey {
    pub(crate) fn sign(&self, text: &str) -> [u8; 32] {
        hmac(&self.0, text.as_bytes())
    }

    /// In a time that does not depend on where the first difference is.
    pub(crate) fn verify(&self, text: &str, signature: &[u8]) -> bool {
        self.sign(text).as_slice().ct_eq(signature).into()
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token key]")
    }
}

#[cfg(test)]
mod tests {
    use anabranch_types::test_support::SeededIds;

    use super::*;

    #[test]
    fn a_sealed_secret_opens_with_its_key_and_its_id_only() {
        let ids = SeededIds::new(1);
        let (key, other) = (ServerKey::generate(&ids), ServerKey::generate(&ids));
        let sealed = key.seal(&ids, "AKIA1", &Secret::new("s3cret")).unwrap();
        assert_eq!(key.unseal("AKIA1", &sealed).unwrap().expose(), "s3cret");
        assert!(key.unseal("AKIA2", &sealed).is_none(), "moved to another access key");
        assert!(other.unseal("AKIA1", &sealed).is_none());
        let mut torn = sealed.clone();
        torn.text[0] ^= 1;
        assert!(key.unseal("AKIA1", &torn).is_none());
        assert!(!format!("{sealed:?}").contains("s3cret"));
    }

    #[test]
    fn two_encryptions_of_one_secret_differ() {
        let ids = SeededIds::new(1);
        let key = ServerKey::generate(&ids);
        let seal = || key.seal(&ids, "AKIA1", &Secret::new("s3cret")).unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_server_key_is_read_as_it_is_written_and_never_shown() {
        let key = ServerKey::generate(&SeededIds::new(1));
        let written = key.to_hex();
        let read = ServerKey::parse(&format!(" {}\n", written.expose())).unwrap();
        assert_eq!(read.fingerprint(), key.fingerprint());
        assert_eq!(format!("{key:?} {written:?}"), "[server key] [secret]");
        for bad in ["", "abc", &"g".repeat(64), &"ab".repeat(33)] {
            assert!(ServerKey::parse(bad).is_err(), "{bad}");
        }
    }
}
