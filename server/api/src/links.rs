//! Signed addresses of this server: what they look like, and what is served at them without credentials.

use anabranch_app::{App, Link, LinkPurpose, Signed, SignedAddress};
use anabranch_types::{Address, ObjectKey};
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::header::{ETAG, HOST};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::download;
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf};
use crate::router::BASE;
use crate::upload;
use crate::wire::Error;

/// What a query takes as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How this request reached the server: what addresses that clients are given begin with.
pub(crate) struct Reached(String);

impl FromRequestParts<App> for Reached {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let facts = app.facts();
        if let Some(url) = &facts.public_url {
            return Ok(Reached(url.trim_end_matches('/').to_owned()));
        }
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.or(parts.uri.authority().map(|authority| authority.as_str())).unwrap_or("127.0.0.1");
        // A proxy in front says by which scheme it was reached. Whoever lies about it misleads only itself.
        let secure = facts.tls || forwarded_by_https(&parts.headers);
        Ok(Reached(format!("{}://{host}", if secure { "https" } else { "http" })))
    }
}

fn forwarded_by_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

impl Reached {
    /// A signed address as a URL.
    pub(crate) fn url(&self, signed: &Signed) -> String {
        let link = match &signed.address {
            SignedAddress::Storage(url) => return url.clone(),
            SignedAddress::Link(link) => link,
        };
        let encoded = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
        let mut url = format!(
            "{}{BASE}/links/{}?object={}",
            self.0,
            encoded(&link.repository),
            encoded(link.address.object.as_str())
        );
        if link.purpose == LinkPurpose::Read {
            url.push_str(&format!(
                "&offset={}&length={}&etag={}&type={}&modified={}",
                link.address.offset,
                link.address.length,
                encoded(&link.etag),
                encoded(&link.content_type),
                link.modified_ms
            ));
        }
        url.push_str(&format!("&expires={}&sig={}", link.expires_ms, link.signature));
        url
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LinkQuery {
    /// The stored object.
    object: String,
    /// Where in it the bytes begin.
    #[serde(default)]
    offset: u64,
    /// How many bytes.
    #[serde(default)]
    length: u64,
    /// Their entity tag.
    #[serde(default)]
    etag: String,
    /// Their media type.
    #[serde(default)]
    r#type: String,
    /// When they were written, in milliseconds since the Unix epoch.
    #[serde(default)]
    modified: i64,
    /// When the address ends, in milliseconds since the Unix epoch.
    expires: i64,
    /// What this server signed all of it with.
    sig: String,
}

impl LinkQuery {
    fn link(self, repository: String, purpose: LinkPurpose) -> Link {
        Link {
            repository,
            purpose,
            address: Address {
                object: ObjectKey::new(self.object),
                offset: self.offset,
                length: self.length,
            },
            etag: self.etag,
            content_type: self.r#type,
            modified_ms: self.modified,
            expires_ms: self.expires,
            signature: self.sig,
        }
    }
}

/// Reads an object by an address that this server signed. Of our own.
#[utoipa::path(
    get, path = "/links/{repository}", operation_id = "readLink", tag = "objects", security(()),
    params(
        ("repository" = String, Path), LinkQuery,
        ("Range" = Option<String>, Header, description = "One range of bytes.")
    ),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "4XX", body = Error)
    )
)]
pub(crate) async fn read(
    State(app): State<App>,
    PathOf(repository): PathOf<String>,
    QueryOf(query): QueryOf<LinkQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let link = query.link(repository, LinkPurpose::Read);
    let range = download::range(request.headers());
    let read = app.read_link(&link, range).await?;
    let body = download::body(read.body, link.repository, "a signed address".into());
    Ok(download::answer(&read.info.entry, read.range, range.is_some(), body))
}

/// What reading an object by a signed address would answer, without its bytes. Of our own.
#[utoipa::path(
    head, path = "/links/{repository}", operation_id = "headLink", tag = "objects", security(()),
    params(("repository" = String, Path), LinkQuery),
    responses((status = 200), (status = 206), (status = "4XX"))
)]
pub(crate) async fn head(
    State(app): State<App>,
    PathOf(repository): PathOf<String>,
    QueryOf(query): QueryOf<LinkQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let link = query.link(repository, LinkPurpose::Read);
    let range = download::range(request.headers());
    let read = app.read_link(&link, range).await?;
    Ok(download::answer(&read.info.entry, read.range, range.is_some(), Body::empty()))
}

/// Writes an object by an address that this server signed, once. It is at no path until it is linked. Of our own.
#[utoipa::path(
    put, path = "/links/{repository}", operation_id = "writeLink", tag = "objects", security(()),
    params(("repository" = String, Path), LinkQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "`ETag` is what to link the object with."), (status = "4XX", body = Error))
)]
pub(crate) async fn write(
    State(app): State<App>,
    PathOf(repository): PathOf<String>,
    QueryOf(query): QueryOf<LinkQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let body = upload::plain_body(request.into_body()).boxed();
    let md5 = app.write_link(&query.link(repository, LinkPurpose::Write), body).await?;
    Ok((StatusCode::OK, [(ETAG, format!("\"{md5}\""))]).into_response())
}
