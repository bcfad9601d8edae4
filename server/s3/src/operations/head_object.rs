//! HeadObject: what is known about an object, under conditions.

use anabranch_app::ObjectChecksum;
use s3s::S3Result;
use s3s::dto::{HeadObjectInput, HeadObjectOutput};

use super::get_object::{check_part_number, is_enabled, judge, last_modified, refuse_version};
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
    check_part_number(input.part_number, &info, &input.key)?;
    let given = of_entry(&info.entry);
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(info.entry.size).ok(),
        content_type: given.content_type,
        cache_control: given.cache_control,
        content_disposition: given.content_disposition,
        content_encoding: given.content_encoding,
        content_language: given.content_language,
        expires: given.expires,
        metadata: given.metadata,
        e_tag: Some(etag(&info.entry)),
        last_modified: Some(last_modified(&info)),
        ..HeadObjectOutput::default()
    };
    if is_enabled(input.checksum_mode.as_ref()) {
        set_typed_checksum!(output, ObjectChecksum::of_entry(&info.entry));
    }
    Ok(output)
}
