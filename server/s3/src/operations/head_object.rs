//! HeadObject: what is known about an object or a part of it, under conditions.

use anabranch_app::{ByteRange, ObjectChecksum, part_range};
use s3s::S3Result;
use s3s::dto::{HeadObjectInput, HeadObjectOutput};

use super::get_object::{
    content_range, is_enabled, judge, last_modified, parts_count, refuse_version, wanted,
};
use crate::attributes::of_entry;
use crate::checksum::set_typed_checksum;
use crate::conditions::{ReadConditions, etag};
use crate::gateway::Call;
use crate::key;

pub(crate) async fn serve(call: &Call<'_>, input: HeadObjectInput) -> S3Result<HeadObjectOutput> {
    let target = key::of_read(&input.bucket, &input.key)?;
    refuse_version(input.version_id.as_deref(), &input.key)?;
    let info = call
        .app
        .stat(&call.who, &input.bucket, target.reference, target.path)
        .await
        .map_err(call.about(&input.bucket, &input.key))?;
    let conditions = ReadConditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    judge(&conditions, &info, &input.key)?;
    let size = info.entry.size;
    let wanted = wanted(input.range, input.part_number, &input.key)?;
    let part = match wanted {
        Some(ByteRange::Part(number)) => {
            let part = part_range(target.path, &info.entry, number);
            Some(part.map_err(call.about(&input.bucket, &input.key))?.range)
        }
        _ => None,
    };
    let length = part.as_ref().map_or(size, |part| part.end.saturating_sub(part.start));
    let given = of_entry(&info.entry);
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(length).ok(),
        content_range: part.and_then(|part| content_range(&part, size)),
        content_type: given.content_type,
        cache_control: given.cache_control,
        content_disposition: given.content_disposition,
        content_encoding: given.content_encoding,
        content_language: given.content_language,
        expires: given.expires,
        metadata: given.metadata,
        e_tag: Some(etag(&info.entry)),
        last_modified: Some(last_modified(&info)),
        parts_count: parts_count(wanted, &info.entry),
        ..HeadObjectOutput::default()
    };
    if is_enabled(input.checksum_mode.as_ref()) && length == size {
        set_typed_checksum!(output, ObjectChecksum::of_entry(&info.entry));
    }
    Ok(output)
}
