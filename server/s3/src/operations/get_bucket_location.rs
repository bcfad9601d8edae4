//! GetBucketLocation: the server's region.

use s3s::S3Result;
use s3s::dto::{BucketLocationConstraint, GetBucketLocationInput, GetBucketLocationOutput};

use crate::gateway::Call;

pub(crate) async fn serve(
    call: &Call<'_>,
    input: GetBucketLocationInput,
) -> S3Result<GetBucketLocationOutput> {
    call.app.repository(&call.who, &input.bucket).await.map_err(call.about_bucket(&input.bucket))?;
    // S3 writes its first region as an empty one.
    let region = call.region.filter(|region| *region != "us-east-1").unwrap_or_default();
    Ok(GetBucketLocationOutput {
        location_constraint: Some(BucketLocationConstraint::from(region.to_owned())),
    })
}
