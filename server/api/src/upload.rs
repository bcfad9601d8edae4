//! The body of an upload: the field `content` of a multipart form, or the body as it is. Neither is held in memory.

use std::pin::Pin;
use std::task::{Context, Poll};

use anabranch_app::{BodyError, BodyStream, ObjectAttributes, WriteCondition};
use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};

use crate::error::ApiError;
use crate::wire::Metadata;

const METADATA_PREFIX: &str = "x-lakefs-meta-";

/// An upload as it arrives.
pub(crate) struct Upload {
    pub(crate) body: BodyStream,
    /// How many bytes the client announced. Unknown within a form.
    pub(crate) size: Option<u64>,
    pub(crate) attributes: ObjectAttributes,
}

/// Begins to read an upload.
pub(crate) async fn begin(headers: &HeaderMap, body: Body) -> Result<Upload, ApiError> {
    let metadata = user_metadata(headers)?;
    let content_type = match headers.get(CONTENT_TYPE) {
        Some(value) => value.to_str().map_err(|_| ApiError::bad_request("Content-Type is not plain text"))?,
        None => "",
    };
    let is_form =
        content_type.get(..19).is_some_and(|start| start.eq_ignore_ascii_case("multipart/form-data"));
    if is_form {
        let (body, content_type) = form_content(content_type, body).await?;
        return Ok(Upload { body, size: None, attributes: ObjectAttributes { content_type, metadata } });
    }
    Ok(Upload {
        body: plain_body(body).boxed(),
        size: announced_size(headers)?,
        attributes: ObjectAttributes { content_type: content_type.to_owned(), metadata },
    })
}

/// The body as it is.
pub(crate) fn plain_body(body: Body) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
    body.into_data_stream().map(|piece| piece.map_err(|error| BodyError::Broken(error.to_string())))
}

/// What the path must hold before the write.
pub(crate) fn condition(headers: &HeaderMap) -> Result<WriteCondition, ApiError> {
    match (headers.get(IF_NONE_MATCH), headers.get(IF_MATCH)) {
        (None, None) => Ok(WriteCondition::None),
        (Some(_), Some(_)) => Err(ApiError::bad_request("give If-None-Match or If-Match, not both")),
        (Some(tag), None) if tag.as_bytes() == b"*" => Ok(WriteCondition::Absent),
        (Some(_), None) => {
            Err(ApiError::bad_request("If-None-Match of a write takes only '*': create, never replace"))
        }
        (None, Some(tag)) if tag.as_bytes() == b"*" => Ok(WriteCondition::Present),
        (None, Some(tag)) => {
            let tag = tag.to_str().map_err(|_| ApiError::bad_request("If-Match is not plain text"))?;
            Ok(WriteCondition::Matches(tag.trim().trim_matches('"').to_owned()))
        }
    }
}

fn announced_size(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(CONTENT_LENGTH) else { return Ok(None) };
    let size = value.to_str().ok().and_then(|text| text.parse().ok());
    size.map(Some).ok_or_else(|| ApiError::bad_request("Content-Length is no whole number"))
}

fn user_metadata(headers: &HeaderMap) -> Result<Metadata, ApiError> {
    let mut metadata = Metadata::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(METADATA_PREFIX) else { continue };
        let value = std::str::from_utf8(value.as_bytes())
            .map_err(|_| ApiError::bad_request(format!("the header {METADATA_PREFIX}{name} is not UTF-8")))?;
        metadata.insert(name.to_owned(), value.to_owned());
    }
    Ok(metadata)
}

type Form = multer::Multipart<'static>;
type Field = multer::Field<'static>;

/// The field `content` of a form, and the media type it names.
async fn form_content(content_type: &str, body: Body) -> Result<(BodyStream, String), ApiError> {
    let boundary = multer::parse_boundary(content_type)
        .map_err(|error| ApiError::bad_request(format!("the form cannot be read: {error}")))?;
    let pieces = OnePiecePerPoll { body: body.into_data_stream(), gave: false };
    let mut form = Form::new(pieces, boundary);
    let field = form
        .next_field()
        .await
        .map_err(|error| ApiError::bad_request(format!("the form cannot be read: {error}")))?
        .ok_or_else(|| ApiError::bad_request("the form is empty: send the object as its field 'content'"))?;
    if field.name() != Some("content") {
        return Err(ApiError::bad_request("the form has another field than 'content': send only that one"));
    }
    let content_type = field.content_type().map(ToString::to_string).unwrap_or_default();
    Ok((form_pieces(form, field), content_type))
}

/// The bytes of the field. They end well only where the form does: a form that broke off must not become an object.
fn form_pieces(form: Form, field: Field) -> BodyStream {
    let broken = |error: multer::Error| BodyError::Broken(error.to_string());
    let state = Some((form, field));
    stream::try_unfold(state, move |state| async move {
        let Some((mut form, mut field)) = state else { return Ok(None) };
        if let Some(piece) = field.chunk().await.map_err(broken)? {
            return Ok(Some((piece, Some((form, field)))));
        }
        drop(field);
        match form.next_field().await.map_err(broken)? {
            None => Ok(None),
            Some(_) => Err(BodyError::Broken("the form has a second field: send only 'content'".into())),
        }
    })
    .boxed()
}

/// Gives one piece per poll. The form's reader takes all that is ready into memory before it hands anything on; a
/// client that sends faster than the storage writes would fill it.
struct OnePiecePerPoll {
    body: BodyDataStream,
    gave: bool,
}

impl Stream for OnePiecePerPoll {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.gave {
            self.gave = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = Pin::new(&mut self.body).poll_next(context);
        self.gave = matches!(piece, Poll::Ready(Some(_)));
        piece
    }
}
