//! ListParts: the parts of an upload that have arrived.

use anabranch_app::PartInfo;
use s3s::S3Result;
use s3s::dto::{ChecksumAlgorithm, ETag, ListPartsInput, ListPartsOutput, Part};

use crate::checksum::set_checksum;
use crate::conditions::timestamp;
use crate::gateway::Call;
use crate::key;

/// The most parts of one answer: the limit of S3.
const PARTS_MAX: i32 = 1000;

pub(crate) async fn serve(call: &Call<'_>, input: ListPartsInput) -> S3Result<ListPartsOutput> {
    let target = key::of_write(&input.bucket, &input.key)?;
    let max = input.max_parts.unwrap_or(PARTS_MAX).clamp(1, PARTS_MAX);
    let after = input.part_number_marker.and_then(|marker| u32::try_from(marker).ok()).unwrap_or_default();
    let (parts, more) = call
        .app
        .list_parts(
            &call.who,
            &input.bucket,
            target.reference,
            target.path,
            &input.upload_id,
            after,
            usize::try_from(max).unwrap_or_default(),
        )
        .await
        .map_err(call.about(&input.bucket, &input.key))?;
    let last = parts.last().and_then(|part| i32::try_from(part.number).ok());
    let algorithm = parts.iter().find_map(|part| part.checksum.as_ref()).map(|checksum| checksum.algorithm);
    let parts = parts.into_iter().map(shown);
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        checksum_algorithm: algorithm.map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
        is_truncated: Some(more),
        key: Some(input.key),
        max_parts: Some(max),
        next_part_number_marker: last.filter(|_| more),
        part_number_marker: input.part_number_marker,
        parts: Some(parts.collect()),
        upload_id: Some(input.upload_id),
        ..ListPartsOutput::default()
    })
}

fn shown(part: PartInfo) -> Part {
    let mut line = Part {
        e_tag: Some(ETag::Strong(part.etag)),
        last_modified: Some(timestamp(part.modified_ms)),
        part_number: i32::try_from(part.number).ok(),
        size: i64::try_from(part.size).ok(),
        ..Part::default()
    };
    set_checksum!(line, part.checksum);
    line
}
