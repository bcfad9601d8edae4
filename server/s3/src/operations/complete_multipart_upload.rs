//! CompleteMultipartUpload: makes one object of the parts, under the conditions of a put.

use anabranch_app::{ChecksumKind, CompleteInput, ObjectChecksum, WantedPart};
use s3s::dto::{ChecksumType, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart};
use s3s::{S3Result, s3_error};

use super::put_object::conditional;
use super::upload_part::part_number;
use crate::checksum::{set_typed_checksum, taken_checksum};
use crate::conditions::{self, etag};
use crate::gateway::Call;
use crate::key;

pub(crate) async fn serve(
    call: &Call<'_>,
    mut input: CompleteMultipartUploadInput,
) -> S3Result<CompleteMultipartUploadOutput> {
    let target = key::of_write(&input.bucket, &input.key)?;
    let condition = conditions::of_write(input.if_match.as_ref(), input.if_none_match.as_ref(), &input.key)?;
    let named = input.multipart_upload.take().and_then(|upload| upload.parts).unwrap_or_default();
    let complete = CompleteInput {
        parts: wanted(named, &input.key)?,
        condition,
        checksum: taken_checksum!(input),
        kind: input.checksum_type.as_ref().map(kind).transpose()?,
        size: input.mpu_object_size.map(|size| u64::try_from(size).unwrap_or(u64::MAX)),
    };
    call.begin_long_work();
    let completed = call
        .app
        .complete_upload(&call.who, &input.bucket, target.reference, target.path, &input.upload_id, complete)
        .await;
    let info = completed
        .map_err(|error| conditional(call, error, &input.bucket, &input.key, input.if_match.as_ref()))?;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(etag(&info.entry)),
        ..CompleteMultipartUploadOutput::default()
    };
    set_typed_checksum!(output, ObjectChecksum::of_entry(&info.entry));
    Ok(output)
}

fn kind(text: &ChecksumType) -> S3Result<ChecksumKind> {
    let text = text.as_str();
    ChecksumKind::parse(text).ok_or_else(|| {
        s3_error!(InvalidRequest, "x-amz-checksum-type {text:?} is neither FULL_OBJECT nor COMPOSITE")
    })
}

fn wanted(named: Vec<CompletedPart>, key: &str) -> S3Result<Vec<WantedPart>> {
    if named.is_empty() {
        return Err(s3_error!(MalformedXML, "no part of key {key:?} is named; name those to put together"));
    }
    let mut parts: Vec<WantedPart> = Vec::with_capacity(named.len());
    for mut part in named {
        let checksum = taken_checksum!(part);
        let (Some(number), Some(tag)) = (part.part_number, part.e_tag) else {
            return Err(s3_error!(MalformedXML, "a part of key {key:?} has no PartNumber or no ETag"));
        };
        let number = part_number(number, key)?;
        if parts.last().is_some_and(|last| last.number >= number) {
            return Err(s3_error!(
                InvalidPartOrder,
                "part {number} of key {key:?} is not in ascending order"
            ));
        }
        parts.push(WantedPart { number, etag: tag.value().to_owned(), checksum });
    }
    Ok(parts)
}
