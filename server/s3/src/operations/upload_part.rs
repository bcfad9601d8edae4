//! UploadPart: stores one part of an upload.

use s3s::dto::{ETag, UploadPartInput, UploadPartOutput};
use s3s::{S3Result, s3_error};

use super::incoming;
use crate::attributes::refuse_unsupported;
use crate::checksum::set_checksum;
use crate::gateway::Call;
use crate::key;

pub(crate) async fn serve(call: &Call<'_>, input: UploadPartInput) -> S3Result<UploadPartOutput> {
    refuse_unsupported!(input, sse_customer_algorithm = "x-amz-server-side-encryption-customer-algorithm",);
    let target = key::of_write(&input.bucket, &input.key)?;
    let part = call
        .app
        .put_part(
            &call.who,
            &input.bucket,
            target.reference,
            target.path,
            &input.upload_id,
            part_number(input.part_number, &input.key)?,
            incoming::body(input.body),
            input.content_length.and_then(|length| u64::try_from(length).ok()),
            incoming::md5(input.content_md5.as_deref(), &input.key)?,
        )
        .await
        .map_err(call.about(&input.bucket, &input.key))?;
    let mut output = UploadPartOutput { e_tag: Some(ETag::Strong(part.etag)), ..UploadPartOutput::default() };
    set_checksum!(output, part.checksum);
    Ok(output)
}

/// The number of a part, between 1 and 10,000.
pub(crate) fn part_number(number: i32, key: &str) -> S3Result<u32> {
    match u32::try_from(number) {
        Ok(number @ 1..=10_000) => Ok(number),
        _ => {
            Err(s3_error!(InvalidArgument, "part number {number} of key {key:?} is not between 1 and 10000"))
        }
    }
}
