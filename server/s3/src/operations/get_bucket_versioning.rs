//! GetBucketVersioning: S3's own versions are never on; commits take their place.

use s3s::S3Result;
use s3s::dto::{GetBucketVersioningInput, GetBucketVersioningOutput};

use crate::gateway::Call;

pub(crate) async fn serve(
    call: &Call<'_>,
    input: GetBucketVersioningInput,
) -> S3Result<GetBucketVersioningOutput> {
    call.app.repository(&call.who, &input.bucket).await.map_err(call.about_bucket(&input.bucket))?;
    Ok(GetBucketVersioningOutput::default())
}
