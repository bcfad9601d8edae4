//! CreateBucket: a repository with its objects at the default place, for those who may create repositories.

use anabranch_app::CreateRepositoryInput;
use s3s::S3Result;
use s3s::dto::{CreateBucketInput, CreateBucketOutput};

use crate::gateway::Call;

pub(crate) async fn serve(call: &Call<'_>, input: CreateBucketInput) -> S3Result<CreateBucketOutput> {
    if input.object_lock_enabled_for_bucket.unwrap_or(false) {
        return Err(s3s::s3_error!(
            NotImplemented,
            "bucket {} cannot have object locks; leave x-amz-bucket-object-lock-enabled out",
            input.bucket
        ));
    }
    let repository = CreateRepositoryInput {
        name: input.bucket.to_string(),
        storage_namespace: None,
        default_branch: None,
        metadata: Default::default(),
    };
    let created = call.app.create_repository(&call.who, repository).await;
    let created = created.map_err(call.about_bucket(&input.bucket))?;
    Ok(CreateBucketOutput { location: Some(format!("/{}", created.name)) })
}
