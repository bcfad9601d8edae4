//! UploadPartCopy: takes one part of an upload from an object that exists.

use anabranch_app::ByteRange;
use s3s::dto::{CopyPartResult, ETag, Range, UploadPartCopyInput, UploadPartCopyOutput};
use s3s::{S3Result, s3_error};

use super::copy_object::{check_source, source};
use super::upload_part::part_number;
use crate::attributes::refuse_unsupported;
use crate::checksum::set_checksum;
use crate::conditions::{ReadConditions, timestamp};
use crate::gateway::Call;
use crate::key;

pub(crate) async fn serve(call: &Call<'_>, input: UploadPartCopyInput) -> S3Result<UploadPartCopyOutput> {
    refuse_unsupported!(
        input,
        sse_customer_algorithm = "x-amz-server-side-encryption-customer-algorithm",
        copy_source_sse_customer_algorithm = "x-amz-copy-source-server-side-encryption-customer-algorithm",
    );
    let target = key::of_write(&input.bucket, &input.key)?;
    let source = source(&input.copy_source, &input.key)?;
    let conditions = ReadConditions {
        if_match: input.copy_source_if_match,
        if_none_match: input.copy_source_if_none_match,
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    check_source(call, &source, &conditions).await?;
    let range = input.copy_source_range.as_deref().map(|text| byte_range(text, &input.key)).transpose()?;
    call.begin_long_work();
    let part = call
        .app
        .put_part_copy(
            &call.who,
            &input.bucket,
            target.reference,
            target.path,
            &input.upload_id,
            part_number(input.part_number, &input.key)?,
            source,
            range,
        )
        .await
        .map_err(call.about(&input.bucket, &input.key))?;
    let mut result = CopyPartResult {
        e_tag: Some(ETag::Strong(part.etag)),
        last_modified: Some(timestamp(part.modified_ms)),
        ..CopyPartResult::default()
    };
    set_checksum!(result, part.checksum);
    Ok(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
}

/// Here S3 takes only ranges with both ends.
fn byte_range(text: &str, key: &str) -> S3Result<ByteRange> {
    match Range::parse(text) {
        Ok(Range::Int { first, last: Some(last) }) => Ok(ByteRange::FromTo(first, Some(last))),
        _ => Err(s3_error!(
            InvalidArgument,
            "x-amz-copy-source-range {text:?} of key {key:?} is not bytes=FIRST-LAST"
        )),
    }
}
