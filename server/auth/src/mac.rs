//! HMAC-SHA256, as signatures, tokens and derived keys use it.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The code of `data` under `key`.
pub(crate) fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    // HMAC takes keys of every length; the other arm cannot be reached and would sign nothing valid.
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(data);
            mac.finalize().into_bytes().into()
        }
        Err(_) => [0; 32],
    }
}
