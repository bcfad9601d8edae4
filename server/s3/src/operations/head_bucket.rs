//! HeadBucket: whether a repository exists.

use s3s::S3Result;
use s3s::dto::{HeadBucketInput, HeadBucketOutput};

use crate::gateway::Call;

pub(crate) async fn serve(call: &Call<'_>, input: HeadBucketInput) -> S3Result<HeadBucketOutput> {
    call.app.repository(&call.who, &input.bucket).await.map_err(call.about_bucket(&input.bucket))?;
    let region = call.region.unwrap_or("us-east-1").to_owned();
    Ok(HeadBucketOutput { bucket_region: Some(region), ..HeadBucketOutput::default() })
}
