//! GetObjectAttributes: those facts of an object that the client names.

use anabranch_app::ObjectChecksum;
use s3s::dto::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, StorageClass,
};
use s3s::{S3Result, s3_error};

use super::get_object::{last_modified, refuse_version};
use crate::checksum::set_typed_checksum;
use crate::conditions::etag;
use crate::gateway::Call;
use crate::key;

pub(crate) async fn serve(
    call: &Call<'_>,
    input: GetObjectAttributesInput,
) -> S3Result<GetObjectAttributesOutput> {
    let target = key::of_read(&input.bucket, &input.key)?;
    refuse_version(input.version_id.as_deref(), &input.key)?;
    let info = call
        .app
        .stat(&call.who, &input.bucket, target.reference, target.path)
        .await
        .map_err(call.about(&input.bucket, &input.key))?;
    let entry = &info.entry;
    let mut output =
        GetObjectAttributesOutput { last_modified: Some(last_modified(&info)), ..Default::default() };
    let names = input.object_attributes.iter().flat_map(|names| names.as_str().split(','));
    for name in names.map(str::trim) {
        match name {
            "ETag" => output.e_tag = Some(etag(entry)),
            "ObjectSize" => output.object_size = i64::try_from(entry.size).ok(),
            "StorageClass" => {
                output.storage_class = Some(StorageClass::from_static(StorageClass::STANDARD));
            }
            "Checksum" => {
                output.checksum = ObjectChecksum::of_entry(entry).map(|checksum| {
                    let mut shown = Checksum::default();
                    set_typed_checksum!(shown, Some(checksum));
                    shown
                });
            }
            // Single parts are shown only of objects whose parts have checksums of their own, which are not kept.
            "ObjectParts" if entry.parts > 0 => {
                let total_parts_count = i32::try_from(entry.parts).ok();
                output.object_parts =
                    Some(GetObjectAttributesParts { total_parts_count, ..Default::default() });
            }
            "ObjectParts" => {}
            other => {
                return Err(s3_error!(
                    InvalidArgument,
                    "x-amz-object-attributes {other:?} is not ETag, Checksum, ObjectParts, StorageClass or ObjectSize"
                ));
            }
        }
    }
    Ok(output)
}
