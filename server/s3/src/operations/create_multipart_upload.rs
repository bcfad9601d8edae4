//! CreateMultipartUpload: begins an upload to a branch.

use s3s::S3Result;
use s3s::dto::{CreateMultipartUploadInput, CreateMultipartUploadOutput};

use crate::attributes::{given, refuse_unsupported};
use crate::gateway::Call;
use crate::key;

pub(crate) async fn serve(
    call: &Call<'_>,
    mut input: CreateMultipartUploadInput,
) -> S3Result<CreateMultipartUploadOutput> {
    refuse_unsupported!(
        input,
        server_side_encryption = "x-amz-server-side-encryption",
        sse_customer_algorithm = "x-amz-server-side-encryption-customer-algorithm",
        object_lock_mode = "x-amz-object-lock-mode",
        object_lock_legal_hold_status = "x-amz-object-lock-legal-hold",
        tagging = "x-amz-tagging",
    );
    let target = key::of_write(&input.bucket, &input.key)?;
    let attributes = given!(input).into_attributes(&input.key)?;
    let upload_id = call
        .app
        .create_upload(&call.who, &input.bucket, target.reference, target.path, attributes)
        .await
        .map_err(call.about(&input.bucket, &input.key))?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload_id),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: input.checksum_type,
        ..CreateMultipartUploadOutput::default()
    })
}
