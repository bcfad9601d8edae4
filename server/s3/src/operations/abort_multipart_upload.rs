//! AbortMultipartUpload: gives an upload up.

use s3s::S3Result;
use s3s::dto::{AbortMultipartUploadInput, AbortMultipartUploadOutput};

use crate::gateway::Call;
use crate::key;

pub(crate) async fn serve(
    call: &Call<'_>,
    input: AbortMultipartUploadInput,
) -> S3Result<AbortMultipartUploadOutput> {
    let target = key::of_write(&input.bucket, &input.key)?;
    call.app
        .abort_upload(&call.who, &input.bucket, target.reference, target.path, &input.upload_id)
        .await
        .map_err(call.about(&input.bucket, &input.key))?;
    Ok(AbortMultipartUploadOutput::default())
}
