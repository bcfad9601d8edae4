//! DeleteBucket: deletes a repository that holds no work. S3's clients expect that nothing can be lost by it.

use s3s::S3Result;
use s3s::dto::{DeleteBucketInput, DeleteBucketOutput};

use crate::gateway::Call;

pub(crate) async fn serve(call: &Call<'_>, input: DeleteBucketInput) -> S3Result<DeleteBucketOutput> {
    call.app
        .delete_empty_repository(&call.who, &input.bucket)
        .await
        .map_err(call.about_bucket(&input.bucket))?;
    Ok(DeleteBucketOutput::default())
}
