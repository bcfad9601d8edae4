//! DeleteObjectTagging: a staged change that takes all tags off an object.

use std::collections::BTreeMap;

use s3s::S3Result;
use s3s::dto::{DeleteObjectTaggingInput, DeleteObjectTaggingOutput};

use super::get_object::refuse_version;
use crate::gateway::Call;
use crate::key;

pub(crate) async fn serve(
    call: &Call<'_>,
    input: DeleteObjectTaggingInput,
) -> S3Result<DeleteObjectTaggingOutput> {
    let target = key::of_write(&input.bucket, &input.key)?;
    refuse_version(input.version_id.as_deref(), &input.key)?;
    call.app
        .set_object_tags(&call.who, &input.bucket, target.reference, target.path, BTreeMap::new())
        .await
        .map_err(call.about(&input.bucket, &input.key))?;
    Ok(DeleteObjectTaggingOutput::default())
}
