//! PutObjectTagging: a staged change of an object's tags that moves no byte.

use s3s::S3Result;
use s3s::dto::{PutObjectTaggingInput, PutObjectTaggingOutput};

use super::get_object::refuse_version;
use crate::gateway::Call;
use crate::{key, tags};

pub(crate) async fn serve(call: &Call<'_>, input: PutObjectTaggingInput) -> S3Result<PutObjectTaggingOutput> {
    let target = key::of_write(&input.bucket, &input.key)?;
    refuse_version(input.version_id.as_deref(), &input.key)?;
    let tags = tags::of_message(input.tagging.tag_set, &input.key)?;
    call.app
        .set_object_tags(&call.who, &input.bucket, target.reference, target.path, tags)
        .await
        .map_err(call.about(&input.bucket, &input.key))?;
    Ok(PutObjectTaggingOutput::default())
}
