//! What operations that take an object's bytes share: the body, and its MD5.

use anabranch_app::{BodyError, BodyStream};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};

/// The body as the application takes it. Why it broke off is in the door's verdict.
pub(crate) fn body(blob: Option<StreamingBlob>) -> BodyStream {
    match blob {
        Some(blob) => blob.map(|piece| piece.map_err(|error| BodyError::Broken(error.to_string()))).boxed(),
        None => futures::stream::empty().boxed(),
    }
}

/// The MD5 that a `Content-MD5` header announces.
pub(crate) fn md5(header: Option<&str>, key: &str) -> S3Result<Option<[u8; 16]>> {
    let Some(text) = header else { return Ok(None) };
    match STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()) {
        Some(md5) => Ok(Some(md5)),
        None => Err(s3_error!(InvalidDigest, "the header content-md5 of key {key:?} is no MD5 in base64")),
    }
}
