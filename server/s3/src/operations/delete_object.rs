//! DeleteObject: removes from a branch. A key that holds nothing is no error, as on S3.

use s3s::S3Result;
use s3s::dto::{DeleteObjectInput, DeleteObjectOutput};

use super::get_object::refuse_version;
use crate::attributes::refuse_unsupported;
use crate::gateway::Call;
use crate::key;

pub(crate) async fn serve(call: &Call<'_>, input: DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
    refuse_unsupported!(
        input,
        if_match = "if-match",
        if_match_last_modified_time = "x-amz-if-match-last-modified-time",
        if_match_size = "x-amz-if-match-size",
    );
    refuse_version(input.version_id.as_deref(), &input.key)?;
    // File systems delete the markers of folders above a file, the branch itself among them.
    let Some(target) = key::split(&input.key) else {
        call.app.repository(&call.who, &input.bucket).await.map_err(call.about_bucket(&input.bucket))?;
        return Ok(DeleteObjectOutput::default());
    };
    call.app
        .delete_object(&call.who, &input.bucket, target.reference, target.path)
        .await
        .map_err(call.about(&input.bucket, &input.key))?;
    Ok(DeleteObjectOutput::default())
}
