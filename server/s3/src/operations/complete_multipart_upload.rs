//! CompleteMultipartUpload: makes one object of the parts, under the conditions of a put.

use s3s::dto::{CompleteMultipartUploadInput, CompleteMultipartUploadOutput};
use s3s::{S3Result, s3_error};

use super::put_object::conditional;
use super::upload_part::part_number;
use crate::conditions::{self, etag};
use crate::gateway::Call;
use crate::key;

pub(crate) async fn serve(
    call: &Call<'_>,
    input: CompleteMultipartUploadInput,
) -> S3Result<CompleteMultipartUploadOutput> {
    let target = key::of_write(&input.bucket, &input.key)?;
    let condition = conditions::of_write(input.if_match.as_ref(), input.if_none_match.as_ref(), &input.key)?;
    let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    if named.is_empty() {
        return Err(s3_error!(
            MalformedXML,
            "no part of key {:?} is named; name those to put together",
            input.key
        ));
    }
    let mut parts: Vec<(u32, String)> = Vec::with_capacity(named.len());
    for part in named {
        let (Some(number), Some(tag)) = (part.part_number, part.e_tag) else {
            return Err(s3_error!(
                MalformedXML,
                "a part of key {:?} has no PartNumber or no ETag",
                input.key
            ));
        };
        let number = part_number(number, &input.key)?;
        if parts.last().is_some_and(|(last, _)| *last >= number) {
            return Err(s3_error!(
                InvalidPartOrder,
                "part {number} of key {:?} is not in ascending order",
                input.key
            ));
        }
        parts.push((number, tag.value().to_owned()));
    }
    let completed = call
        .app
        .complete_upload(
            &call.who,
            &input.bucket,
            target.reference,
            target.path,
            &input.upload_id,
            &parts,
            condition,
        )
        .await;
    let info = completed
        .map_err(|error| conditional(call, error, &input.bucket, &input.key, input.if_match.as_ref()))?;
    Ok(CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(etag(&info.entry)),
        ..CompleteMultipartUploadOutput::default()
    })
}
