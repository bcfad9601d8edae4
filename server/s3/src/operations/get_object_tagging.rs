//! GetObjectTagging: the tags of an object at any ref.

use anabranch_types::Attribute;
use s3s::S3Result;
use s3s::dto::{GetObjectTaggingInput, GetObjectTaggingOutput};

use super::get_object::refuse_version;
use crate::gateway::Call;
use crate::{key, tags};

pub(crate) async fn serve(call: &Call<'_>, input: GetObjectTaggingInput) -> S3Result<GetObjectTaggingOutput> {
    let target = key::of_read(&input.bucket, &input.key)?;
    refuse_version(input.version_id.as_deref(), &input.key)?;
    let info = call
        .app
        .stat(&call.who, &input.bucket, target.reference, target.path)
        .await
        .map_err(call.about(&input.bucket, &input.key))?;
    let tag_set = tags::to_message(info.entry.attributes(Attribute::Tag));
    Ok(GetObjectTaggingOutput { tag_set, version_id: None })
}
