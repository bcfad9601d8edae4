//! DeleteObject: removes from a branch. A key that holds nothing is no error, as on S3.

use anabranch_app::WriteCondition;
use s3s::S3Result;
use s3s::dto::{DeleteObjectInput, DeleteObjectOutput};

use super::get_object::refuse_version;
use super::put_object::conditional;
use crate::attributes::refuse_unsupported;
use crate::gateway::Call;
use crate::{conditions, key};

pub(crate) async fn serve(call: &Call<'_>, input: DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
    refuse_unsupported!(
        input,
        if_match_last_modified_time = "x-amz-if-match-last-modified-time",
        if_match_size = "x-amz-if-match-size",
    );
    refuse_version(input.version_id.as_deref(), &input.key)?;
    // File systems delete the markers of folders above a file, the branch itself among them.
    let Some(target) = key::split(&input.key) else {
        call.app.repository(&call.who, &input.bucket).await.map_err(call.about_bucket(&input.bucket))?;
        return Ok(DeleteObjectOutput::default());
    };
    let condition = conditions::of_write(input.if_match.as_ref(), None, &input.key)?;
    let deleted = match condition {
        WriteCondition::None => {
            call.app.delete_object(&call.who, &input.bucket, target.reference, target.path).await
        }
        condition => {
            call.app
                .delete_object_if(&call.who, &input.bucket, target.reference, target.path, condition)
                .await
        }
    };
    deleted.map_err(|error| conditional(call, error, &input.bucket, &input.key, input.if_match.as_ref()))?;
    Ok(DeleteObjectOutput::default())
}
