//! GetObject: reads an object, a range or a part of it, under conditions.

use anabranch_app::{AppError, ByteRange, ObjectChecksum, ObjectInfo};
use anabranch_types::{Attribute, Entry};
use futures::TryStreamExt;
use http_body::Frame;
use http_body_util::StreamBody;
use s3s::dto::{ChecksumMode, GetObjectInput, GetObjectOutput, Range, StreamingBlob, Timestamp};
use s3s::{Body, S3Error, S3Result, s3_error};

use super::upload_part::part_number;
use crate::attributes::of_entry;
use crate::checksum::set_typed_checksum;
use crate::conditions::{ReadConditions, etag, timestamp};
use crate::gateway::Call;
use crate::key;

pub(crate) async fn serve(call: &Call<'_>, input: GetObjectInput) -> S3Result<GetObjectOutput> {
    let target = key::of_read(&input.bucket, &input.key)?;
    refuse_version(input.version_id.as_deref(), &input.key)?;
    let conditions = ReadConditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    let about = call.about(&input.bucket, &input.key);
    let range = wanted(input.range, input.part_number, &input.key)?;
    if conditions.any() && range.is_some() {
        // A condition comes before a range that may lie outside.
        let info =
            call.app.stat(&call.who, &input.bucket, target.reference, target.path).await.map_err(&about)?;
        judge(&conditions, &info, &input.key)?;
    }
    let read = call
        .app
        .get_object(&call.who, &input.bucket, target.reference, target.path, range)
        .await
        .map_err(&about)?;
    judge(&conditions, &read.info, &input.key)?;
    let entry = &read.info.entry;
    let given = of_entry(entry);
    let content_range = range.and_then(|_| content_range(&read.range, entry.size));
    let length = read.range.end.saturating_sub(read.range.start);
    let tag_count = i32::try_from(entry.attributes(Attribute::Tag).count()).ok().filter(|count| *count > 0);
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(length).ok(),
        content_range,
        content_type: given.content_type,
        cache_control: given.cache_control,
        // Saved and not shown, unless the writer or the request says otherwise.
        content_disposition: Some(given.content_disposition.unwrap_or_else(|| "attachment".to_owned())),
        content_encoding: given.content_encoding,
        content_language: given.content_language,
        expires: given.expires,
        metadata: given.metadata,
        e_tag: Some(etag(entry)),
        last_modified: Some(last_modified(&read.info)),
        tag_count,
        parts_count: parts_count(range, entry),
        ..GetObjectOutput::default()
    };
    if is_enabled(input.checksum_mode.as_ref()) && length == entry.size {
        set_typed_checksum!(output, ObjectChecksum::of_entry(entry));
    }
    output.body = Some(blob(read.body, call.request_id.clone()));
    Ok(output)
}

/// Whether the client wants to know the object's checksum.
pub(crate) fn is_enabled(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str().eq_ignore_ascii_case("ENABLED"))
}

/// The answer's body. What breaks off on the way is logged, because the status is sent already.
fn blob(body: anabranch_app::ReadStream, request_id: String) -> StreamingBlob {
    let logged = body.inspect_err(move |error: &AppError| {
        tracing::error!(%request_id, %error, "an object broke off while it was sent");
    });
    let frames = StreamBody::new(logged.map_ok(Frame::data));
    StreamingBlob::from(Body::http_body_unsync(frames))
}

pub(crate) fn byte_range(range: Range) -> ByteRange {
    match range {
        Range::Int { first, last } => ByteRange::FromTo(first, last),
        Range::Suffix { length } => ByteRange::Last(length),
    }
}

pub(crate) fn last_modified(info: &ObjectInfo) -> Timestamp {
    timestamp(info.entry.modified_ms)
}

/// Ends a read whose conditions do not hold.
pub(crate) fn judge(conditions: &ReadConditions, info: &ObjectInfo, key: &str) -> S3Result<()> {
    match conditions.refuse(&info.entry) {
        None => Ok(()),
        Some(code) => {
            let message = format!(
                "a condition of the read of key {key:?} does not hold; its ETag is {}",
                info.entry.etag()
            );
            let mut error = S3Error::with_message(code, message);
            if let Ok(tag) = etag(&info.entry).to_http_header() {
                error.set_headers(http::HeaderMap::from_iter([(http::header::ETAG, tag)]));
            }
            Err(error)
        }
    }
}

/// S3's own versions do not exist here; the only one is the current one.
pub(crate) fn refuse_version(version: Option<&str>, key: &str) -> S3Result<()> {
    match version {
        None | Some("" | "null") => Ok(()),
        Some(version) => Err(s3_error!(
            NoSuchVersion,
            "key {key:?} has no version {version:?}: name a commit as the key's first segment instead"
        )),
    }
}

/// What of an object is asked for: a range, a part by its number, or all of it.
pub(crate) fn wanted(range: Option<Range>, part: Option<i32>, key: &str) -> S3Result<Option<ByteRange>> {
    match (range, part) {
        (Some(_), Some(_)) => Err(s3_error!(
            InvalidRequest,
            "a range and a part of key {key:?} are asked for; leave one of them out"
        )),
        (range, None) => Ok(range.map(byte_range)),
        (None, Some(number)) => Ok(Some(ByteRange::Part(part_number(number, key)?))),
    }
}

/// The header that says where a range is; none for an empty one, which it has no words for.
pub(crate) fn content_range(range: &std::ops::Range<u64>, size: u64) -> Option<String> {
    let last = range.end.checked_sub(1).filter(|last| *last >= range.start)?;
    Some(format!("bytes {}-{last}/{size}", range.start))
}

/// How many parts an object has, for who asks for one of them.
pub(crate) fn parts_count(wanted: Option<ByteRange>, entry: &Entry) -> Option<i32> {
    let parts = matches!(wanted, Some(ByteRange::Part(_))).then_some(entry.parts);
    parts.filter(|parts| *parts > 0).and_then(|parts| i32::try_from(parts).ok())
}
