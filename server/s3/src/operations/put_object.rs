//! PutObject: writes to a branch, conditionally if asked.

use anabranch_app::{AppError, ObjectChecksum, PutInput};
use s3s::S3Result;
use s3s::dto::{ETag, ETagCondition, PutObjectInput, PutObjectOutput};

use super::incoming;
use crate::attributes::{given, refuse_unsupported};
use crate::checksum::set_typed_checksum;
use crate::conditions::{self, etag};
use crate::gateway::Call;
use crate::key;

/// The MD5 of no bytes.
const EMPTY_MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

pub(crate) async fn serve(call: &Call<'_>, mut input: PutObjectInput) -> S3Result<PutObjectOutput> {
    refuse_unsupported!(
        input,
        server_side_encryption = "x-amz-server-side-encryption",
        sse_customer_algorithm = "x-amz-server-side-encryption-customer-algorithm",
        object_lock_mode = "x-amz-object-lock-mode",
        object_lock_legal_hold_status = "x-amz-object-lock-legal-hold",
        write_offset_bytes = "x-amz-write-offset-bytes",
        website_redirect_location = "x-amz-website-redirect-location",
    );
    if let Some(branch) = marked_branch(&input) {
        call.app
            .branch(&call.who, &input.bucket, branch)
            .await
            .map_err(call.about(&input.bucket, &input.key))?;
        let e_tag = Some(ETag::Strong(EMPTY_MD5.to_owned()));
        return Ok(PutObjectOutput { e_tag, ..PutObjectOutput::default() });
    }
    let target = key::of_write(&input.bucket, &input.key)?;
    let condition = conditions::of_write(input.if_match.as_ref(), input.if_none_match.as_ref(), &input.key)?;
    let attributes = given!(input).into_attributes(&input.key)?;
    let put = PutInput {
        body: incoming::body(input.body.take()),
        size: input.content_length.and_then(|length| u64::try_from(length).ok()),
        attributes,
        condition,
        expected_md5: incoming::md5(input.content_md5.as_deref(), &input.key)?,
        checksum: call.checksum,
    };
    let written = call.app.put_object(&call.who, &input.bucket, target.reference, target.path, put).await;
    let info = written
        .map_err(|error| conditional(call, error, &input.bucket, &input.key, input.if_match.as_ref()))?;
    let mut output = PutObjectOutput { e_tag: Some(etag(&info.entry)), ..PutObjectOutput::default() };
    set_typed_checksum!(output, ObjectChecksum::of_entry(&info.entry));
    Ok(output)
}

/// The branch, if the write is the empty marker of a branch's own folder. File systems write one for every
/// folder above a file; a branch is there without it, so nothing is stored.
fn marked_branch(input: &PutObjectInput) -> Option<&str> {
    let branch = input.key.strip_suffix('/').filter(|branch| !branch.contains('/'))?;
    (input.content_length == Some(0)).then_some(branch)
}

/// A write with `If-Match` to a key that holds nothing is a missing key on S3, not a failed condition.
pub(crate) fn conditional(
    call: &Call<'_>,
    error: AppError,
    bucket: &str,
    key: &str,
    if_match: Option<&ETagCondition>,
) -> s3s::S3Error {
    match error {
        AppError::PreconditionFailed { path, actual: None } if if_match.is_some() => {
            let hint = ": If-Match takes only what exists".to_owned();
            call.about(bucket, key)(AppError::NotFound { kind: "object", name: path, hint })
        }
        error => call.about(bucket, key)(error),
    }
}
