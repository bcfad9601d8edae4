//! CopyObject: within a repository, a new entry for the same bytes.

use anabranch_app::{CopyInput, ObjectChecksum, SourceObject};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETagCondition, MetadataDirective,
    TaggingDirective,
};
use s3s::{S3Result, s3_error};

use super::get_object::{judge, last_modified, refuse_version};
use super::put_object::conditional;
use crate::attributes::{given, refuse_unsupported};
use crate::checksum::set_typed_checksum;
use crate::conditions::{self, ReadConditions, etag};
use crate::gateway::Call;
use crate::{key, tags};

pub(crate) async fn serve(call: &Call<'_>, mut input: CopyObjectInput) -> S3Result<CopyObjectOutput> {
    refuse_unsupported!(
        input,
        server_side_encryption = "x-amz-server-side-encryption",
        sse_customer_algorithm = "x-amz-server-side-encryption-customer-algorithm",
        copy_source_sse_customer_algorithm = "x-amz-copy-source-server-side-encryption-customer-algorithm",
        object_lock_mode = "x-amz-object-lock-mode",
        object_lock_legal_hold_status = "x-amz-object-lock-legal-hold",
    );
    let target = key::of_write(&input.bucket, &input.key)?;
    let source = source(&input.copy_source, &input.key)?;
    let metadata_directive = input.metadata_directive.as_ref().map(MetadataDirective::as_str);
    let replace = replaces("x-amz-metadata-directive", metadata_directive)?;
    let tagging_directive = input.tagging_directive.as_ref().map(TaggingDirective::as_str);
    let replace_tags = replaces("x-amz-tagging-directive", tagging_directive)?;
    let tagging = input.tagging.take().unwrap_or_default();
    let tags = replace_tags.then(|| tags::of_header(&tagging, &input.key)).transpose()?;
    let itself = source.repository == input.bucket
        && source.reference == target.reference
        && source.path == target.path;
    if itself && !replace && !replace_tags {
        return Err(s3_error!(
            InvalidRequest,
            "key {:?} would be copied to itself unchanged; set x-amz-metadata-directive to REPLACE",
            input.key
        ));
    }
    let conditions = ReadConditions {
        if_match: input.copy_source_if_match.clone(),
        if_none_match: input.copy_source_if_none_match.clone(),
        if_modified_since: input.copy_source_if_modified_since.clone(),
        if_unmodified_since: input.copy_source_if_unmodified_since.clone(),
    };
    check_source(call, &source, &conditions).await?;
    let if_match = condition_in(call, "if-match")?;
    let if_none_match = condition_in(call, "if-none-match")?;
    let attributes = if replace { Some(given!(input).into_attributes(&input.key)?) } else { None };
    if source.repository != input.bucket {
        // Within a bucket no byte moves.
        call.begin_long_work();
    }
    let copy = CopyInput {
        source,
        attributes,
        tags,
        condition: conditions::of_write(if_match.as_ref(), if_none_match.as_ref(), &input.key)?,
        source_matches: exact(input.copy_source_if_match.as_ref()),
    };
    let info = call
        .app
        .copy_object(&call.who, &input.bucket, target.reference, target.path, copy)
        .await
        .map_err(|error| conditional(call, error, &input.bucket, &input.key, if_match.as_ref()))?;
    let mut result = CopyObjectResult {
        e_tag: Some(etag(&info.entry)),
        last_modified: Some(last_modified(&info)),
        ..CopyObjectResult::default()
    };
    set_typed_checksum!(result, ObjectChecksum::of_entry(&info.entry));
    Ok(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
}

/// Whether a directive says that what comes with the request takes the place of what the source has.
fn replaces(header: &str, directive: Option<&str>) -> S3Result<bool> {
    match directive {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(s3_error!(InvalidArgument, "{header} {other:?} is neither COPY nor REPLACE")),
    }
}

/// A condition on the target, which s3s does not read for copies.
fn condition_in(call: &Call<'_>, name: &str) -> S3Result<Option<ETagCondition>> {
    let Some(value) = call.headers.get(name) else { return Ok(None) };
    match ETagCondition::parse_http_header(value.as_bytes()) {
        Ok(condition) => Ok(Some(condition)),
        Err(_) => Err(s3_error!(InvalidArgument, "the header {name} is neither * nor an entity tag")),
    }
}

/// The object that `x-amz-copy-source` names.
pub(crate) fn source(source: &CopySource, key: &str) -> S3Result<SourceObject> {
    let CopySource::Bucket { bucket, key: source_key, version_id } = source else {
        return Err(s3_error!(NotImplemented, "x-amz-copy-source of key {key:?} must be BUCKET/REF/PATH"));
    };
    refuse_version(version_id.as_deref(), source_key)?;
    let target = key::of_read(bucket, source_key)?;
    Ok(SourceObject {
        repository: bucket.to_string(),
        reference: target.reference.to_owned(),
        path: target.path.to_owned(),
    })
}

/// Judges the conditions on a source that the application does not take itself. S3 has no 304 here.
pub(crate) async fn check_source(
    call: &Call<'_>,
    source: &SourceObject,
    conditions: &ReadConditions,
) -> S3Result<()> {
    if !conditions.any() {
        return Ok(());
    }
    let key = format!("{}/{}", source.reference, source.path);
    let info = call
        .app
        .stat(&call.who, &source.repository, &source.reference, &source.path)
        .await
        .map_err(call.about(&source.repository, &key))?;
    judge(conditions, &info, &key).map_err(|mut error| {
        error.set_code(s3s::S3ErrorCode::PreconditionFailed);
        error
    })
}

fn exact(condition: Option<&ETagCondition>) -> Option<String> {
    condition.and_then(ETagCondition::as_etag).map(|etag| etag.value().to_owned())
}
