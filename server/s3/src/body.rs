//! A request body on its way in: taken out of its framing, and checked against signature and checksums.
//!
//! What is wrong with a body shows at its end, when an operation has taken nearly all of it. The stream
//! then ends in an error, so that the operation publishes nothing, and the [`Verdict`] keeps the
//! reason in S3's terms until the operation has answered.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_auth::sigv4::chunked::Decoder;
use anabranch_auth::sigv4::{Payload, Verified};
use bytes::Bytes;
use futures::TryStreamExt;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use s3s::crypto::{Checksum, Sha256};
use s3s::{Body, S3ErrorCode};

use crate::checksum::Checksums;
use crate::error::Refusal;

/// Whatever can go wrong with a connection.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body as it comes over the wire.
pub(crate) type WireBody = UnsyncBoxBody<Bytes, BoxError>;

/// What was wrong with a body, once it is known.
#[derive(Clone, Default, Debug)]
pub(crate) struct Verdict(Arc<Mutex<Option<Refusal>>>);

impl Verdict {
    fn set(&self, refusal: Refusal) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }

    /// The reason, if the body was refused.
    pub(crate) fn take(&self) -> Option<Refusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The body was refused; the verdict says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

/// How the bytes of an object lie in the bytes of the wire.
enum Framing {
    Plain { received: u64, announced: Option<u64>, sha256: Option<(Sha256, [u8; 32])> },
    Chunked(Box<Decoder>),
}

struct Incoming {
    wire: WireBody,
    framing: Framing,
    checksums: Checksums,
    ready: VecDeque<Bytes>,
}

/// How many bytes a body has without its framing, as its headers say.
pub(crate) fn announced_length(headers: &HeaderMap, payload: &Payload) -> Result<Option<u64>, Refusal> {
    let name = match payload {
        Payload::Chunked { .. } => "x-amz-decoded-content-length",
        _ => "content-length",
    };
    let Some(value) = headers.get(name) else {
        return match payload {
            Payload::Chunked { .. } => {
                Err(Refusal::new(S3ErrorCode::MissingContentLength, format!("the header {name} is missing")))
            }
            _ => Ok(None),
        };
    };
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|text| text.parse().ok()) {
        Some(length) => Ok(Some(length)),
        None => Err(Refusal::new(
            S3ErrorCode::InvalidArgument,
            format!("the header {name} is no number of bytes"),
        )),
    }
}

/// The body behind the wire: without framing, and ending in an error if it is not what was announced.
pub(crate) fn checked(
    wire: WireBody,
    verified: Verified,
    announced: Option<u64>,
    checksums: Checksums,
    verdict: &Verdict,
) -> Body {
    let plain = |sha256| Framing::Plain { received: 0, announced, sha256 };
    let framing = match verified.payload {
        Payload::Unsigned => plain(None),
        Payload::Digest(digest) => plain(Some((Sha256::new(), digest))),
        Payload::Chunked { signed, trailer } => {
            let signer = signed.then_some(verified.chunk_signer);
            Framing::Chunked(Box::new(Decoder::new(signer, trailer, announced.unwrap_or_default())))
        }
    };
    let incoming = Incoming { wire, framing, checksums, ready: VecDeque::new() };
    let verdict = verdict.clone();
    let stream = futures::stream::try_unfold(Some(incoming), move |state| {
        let verdict = verdict.clone();
        async move {
            let Some(incoming) = state else { return Ok(None) };
            incoming.next().await.map_err(|refusal| {
                let error: BoxError = Refused(refusal.message.clone()).into();
                verdict.set(refusal);
                error
            })
        }
    });
    Body::http_body_unsync(StreamBody::new(stream.map_ok(Frame::data)))
}

impl Incoming {
    /// The next piece, and what is left; `None` at the end of a body that is as it should be.
    async fn next(mut self) -> Result<Option<(Bytes, Option<Self>)>, Refusal> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                self.checksums.update(&piece);
                return Ok(Some((piece, Some(self))));
            }
            match self.wire.frame().await {
                None => return self.finish().map(|()| None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.take(data)?;
                    }
                }
                Some(Err(error)) => {
                    let message = format!("the request body broke off: {error}");
                    return Err(Refusal::new(S3ErrorCode::IncompleteBody, message));
                }
            }
        }
    }

    fn take(&mut self, data: Bytes) -> Result<(), Refusal> {
        if data.is_empty() {
            return Ok(());
        }
        match &mut self.framing {
            Framing::Plain { received, sha256, .. } => {
                *received += data.len() as u64;
                if let Some((hasher, _)) = sha256 {
                    hasher.update(&data);
                }
                self.ready.push_back(data);
            }
            Framing::Chunked(decoder) => {
                let mut pieces = Vec::new();
                decoder.push(data, &mut pieces)?;
                self.ready.extend(pieces);
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Refusal> {
        let trailers = match self.framing {
            Framing::Plain { received, announced, sha256 } => {
                if let Some(announced) = announced.filter(|announced| *announced != received) {
                    let message = format!("the body has {received} bytes, but {announced} were announced");
                    return Err(Refusal::new(S3ErrorCode::IncompleteBody, message));
                }
                if let Some((hasher, expected)) = sha256
                    && hasher.finalize() != expected
                {
                    let message = "x-amz-content-sha256 does not fit what arrived";
                    return Err(Refusal::new(
                        S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
                        message,
                    ));
                }
                Vec::new()
            }
            Framing::Chunked(decoder) => decoder.finish()?,
        };
        self.checksums.finish(&trailers)
    }
}
