//! What a merge would do, did, or will do, for people: the same report as JSON, Markdown or a page, as `Accept` asks.

mod document;
#[cfg(test)]
mod golden;
mod html;
mod markdown;
mod rows;
mod tables;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use self::document::Document;
use crate::error::ApiError;

/// What a page may do: nothing but show itself. Names in it come from whoever wrote to the repository.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// Something with a report for people.
pub(crate) trait Described: Serialize {
    /// The report.
    fn document(&self) -> Document;
}

/// In which form a report is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    Json,
    Markdown,
    Html,
}

impl Wanted {
    /// In the order in which they are given to those who do not mind.
    const ALL: [Wanted; 3] = [Wanted::Json, Wanted::Markdown, Wanted::Html];

    fn media_type(self) -> (&'static str, &'static str) {
        match self {
            Wanted::Json => ("application", "json"),
            Wanted::Markdown => ("text", "markdown"),
            Wanted::Html => ("text", "html"),
        }
    }

    /// Reads `Accept`; none when nothing in it is a form that there is.
    fn read(headers: &HeaderMap) -> Option<Self> {
        most_wanted(headers, &Wanted::ALL.map(|wanted| (wanted, wanted.media_type())))
    }

    /// The answer in this form.
    pub(crate) fn answer(self, report: impl Described) -> Response {
        let mut response = match self {
            Wanted::Json => Json(report).into_response(),
            Wanted::Markdown => {
                let text = markdown::render(&report.document());
                ([(CONTENT_TYPE, "text/markdown; charset=utf-8")], text).into_response()
            }
            Wanted::Html => {
                let headers = [
                    (CONTENT_TYPE, "text/html; charset=utf-8"),
                    (CONTENT_SECURITY_POLICY, POLICY),
                    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
                ];
                (headers, html::render(&report.document())).into_response()
            }
        };
        response.headers_mut().insert(VARY, http::HeaderValue::from_static("accept"));
        response
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Wanted::read(&parts.headers).ok_or_else(|| {
            ApiError::refused(
                StatusCode::NOT_ACCEPTABLE,
                "this is answered as application/json, text/markdown or text/html: name one of them in Accept",
            )
        })
    }
}

/// The media type of Arrow's stream format.
pub(crate) const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";

/// In which form rows are asked for: as a report, one row a line, or as typed batches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WantedRows {
    Report(Wanted),
    Lines,
    Arrow,
}

impl WantedRows {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let [json, markdown, html] =
            Wanted::ALL.map(|wanted| (WantedRows::Report(wanted), wanted.media_type()));
        let lines = (WantedRows::Lines, ("application", "x-ndjson"));
        let arrow = (WantedRows::Arrow, ("application", "vnd.apache.arrow.stream"));
        most_wanted(headers, &[json, lines, arrow, markdown, html])
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WantedRows {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        WantedRows::read(&parts.headers).ok_or_else(|| {
            ApiError::refused(
                StatusCode::NOT_ACCEPTABLE,
                "this is answered as application/json, application/x-ndjson, application/vnd.apache.arrow.stream, \
                 text/markdown or text/html: name one of them in Accept",
            )
        })
    }
}

/// In which form a list is asked for: as a report, or one entry a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WantedList {
    Report(Wanted),
    Lines,
}

impl<S: Send + Sync> FromRequestParts<S> for WantedList {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let [json, markdown, html] =
            Wanted::ALL.map(|wanted| (WantedList::Report(wanted), wanted.media_type()));
        let lines = (WantedList::Lines, ("application", "x-ndjson"));
        most_wanted(&parts.headers, &[json, lines, markdown, html]).ok_or_else(|| {
            ApiError::refused(
                StatusCode::NOT_ACCEPTABLE,
                "this is answered as application/json, application/x-ndjson, text/markdown or text/html: name one of \
                 them in Accept",
            )
        })
    }
}

/// The form that `Accept` wants most; of those that it wants equally, the first.
fn most_wanted<T: Copy>(headers: &HeaderMap, forms: &[(T, (&str, &str))]) -> Option<T> {
    if !headers.contains_key(ACCEPT) {
        return forms.first().map(|(form, _)| *form);
    }
    let lines = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<Range> = lines.flat_map(|line| line.split(',')).filter_map(Range::read).collect();
    let mut best = None;
    for (form, media_type) in forms {
        let quality = quality(&ranges, *media_type);
        if quality > best.map_or(0, |(_, quality)| quality) {
            best = Some((*form, quality));
        }
    }
    best.map(|(form, _)| form)
}

/// One entry of `Accept`.
struct Range {
    kind: String,
    subtype: String,
    /// In thousandths.
    quality: u32,
}

impl Range {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let quality = quality.map_or(1.0, |text| text.parse::<f32>().unwrap_or(0.0).clamp(0.0, 1.0));
        let (kind, subtype) = (kind.to_ascii_lowercase(), subtype.to_ascii_lowercase());
        Some(Range { kind, subtype, quality: (quality * 1000.0) as u32 })
    }
}

/// How much a media type is wanted: what the most specific entry says.
fn quality(ranges: &[Range], (kind, subtype): (&str, &str)) -> u32 {
    let entry = |kind: &str, subtype: &str| {
        ranges.iter().find(|range| range.kind == kind && range.subtype == subtype).map(|range| range.quality)
    };
    entry(kind, subtype).or_else(|| entry(kind, "*")).or_else(|| entry("*", "*")).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_the_one_that_is_wanted_most() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (accept, expected) in [
            ("*/*", Some(Wanted::Json)),
            ("application/json", Some(Wanted::Json)),
            ("text/markdown", Some(Wanted::Markdown)),
            ("TEXT/Markdown; charset=utf-8", Some(Wanted::Markdown)),
            ("text/*", Some(Wanted::Markdown)),
            ("text/markdown;q=0.5, application/json;q=0.4", Some(Wanted::Markdown)),
            ("*/*, application/json;q=0", Some(Wanted::Markdown)),
            (browser, Some(Wanted::Html)),
            ("image/png", None),
            ("text/markdown;q=0", None),
            ("nonsense", None),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(Wanted::read(&headers), expected, "{accept}");
        }
        assert_eq!(Wanted::read(&HeaderMap::new()), Some(Wanted::Json));
        for (accept, expected) in [
            ("application/x-ndjson", WantedRows::Lines),
            ("application/*", WantedRows::Report(Wanted::Json)),
            (ARROW_STREAM, WantedRows::Arrow),
            ("text/markdown, application/x-ndjson;q=0.9", WantedRows::Report(Wanted::Markdown)),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(WantedRows::read(&headers), Some(expected), "{accept}");
        }
    }
}
