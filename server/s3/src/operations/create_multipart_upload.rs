//! CreateMultipartUpload: begins an upload to a branch.

use anabranch_app::{ChecksumKind, UploadChecksum, UploadInput};
use s3s::dto::{ChecksumAlgorithm, ChecksumType, CreateMultipartUploadInput, CreateMultipartUploadOutput};
use s3s::{S3Result, s3_error};

use crate::attributes::{given, refuse_unsupported};
use crate::gateway::Call;
use crate::key;

pub(crate) async fn serve(
    call: &Call<'_>,
    mut input: CreateMultipartUploadInput,
) -> S3Result<CreateMultipartUploadOutput> {
    refuse_unsupported!(
        input,
        server_side_encryption = "x-amz-server-side-encryption",
        sse_customer_algorithm = "x-amz-server-side-encryption-customer-algorithm",
        object_lock_mode = "x-amz-object-lock-mode",
        object_lock_legal_hold_status = "x-amz-object-lock-legal-hold",
    );
    let target = key::of_write(&input.bucket, &input.key)?;
    let attributes = given!(input).into_attributes(&input.key)?;
    let checksum = planned(
        input.checksum_algorithm.as_ref().map(ChecksumAlgorithm::as_str),
        input.checksum_type.as_ref().map(ChecksumType::as_str),
        &input.key,
    )?;
    let upload = UploadInput { attributes, checksum };
    let upload_id = call
        .app
        .create_upload(&call.who, &input.bucket, target.reference, target.path, upload)
        .await
        .map_err(call.about(&input.bucket, &input.key))?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload_id),
        checksum_algorithm: Some(ChecksumAlgorithm::from_static(checksum.algorithm.name())),
        checksum_type: Some(ChecksumType::from_static(checksum.kind.name())),
        ..CreateMultipartUploadOutput::default()
    })
}

/// What the checksum of the object will be. As on S3, it is a CRC-64 of the whole where nothing is said.
fn planned(algorithm: Option<&str>, kind: Option<&str>, key: &str) -> S3Result<UploadChecksum> {
    let Some(name) = algorithm else {
        return match kind {
            None => Ok(UploadChecksum::default()),
            Some(_) => Err(s3_error!(
                InvalidRequest,
                "x-amz-checksum-type for key {key:?} needs x-amz-checksum-algorithm beside it"
            )),
        };
    };
    let algorithm = anabranch_app::ChecksumAlgorithm::parse(name).ok_or_else(|| {
        s3_error!(InvalidRequest, "x-amz-checksum-algorithm {name:?} for key {key:?} is not known")
    })?;
    let kind = match kind {
        None => algorithm.default_kind(),
        Some(text) => ChecksumKind::parse(text).ok_or_else(|| {
            s3_error!(InvalidRequest, "x-amz-checksum-type {text:?} is neither FULL_OBJECT nor COMPOSITE")
        })?,
    };
    if !algorithm.supports(kind) {
        let (algorithm, kind) = (algorithm.name(), kind.name());
        return Err(s3_error!(
            InvalidRequest,
            "the checksum of key {key:?} cannot be {algorithm} of type {kind}"
        ));
    }
    Ok(UploadChecksum { algorithm, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithm_and_type_go_together_as_on_s3() {
        let check = |algorithm, kind| match planned(algorithm, kind, "main/a") {
            Ok(planned) => format!("{} {}", planned.algorithm.name(), planned.kind.name()),
            Err(error) => error.code().as_str().to_owned(),
        };
        assert_eq!(check(None, None), "CRC64NVME FULL_OBJECT");
        assert_eq!(check(Some("CRC32"), None), "CRC32 COMPOSITE");
        assert_eq!(check(Some("CRC32C"), Some("FULL_OBJECT")), "CRC32C FULL_OBJECT");
        assert_eq!(check(Some("SHA256"), Some("COMPOSITE")), "SHA256 COMPOSITE");
        for (algorithm, kind) in [
            (None, Some("COMPOSITE")),
            (Some("SHA1"), Some("FULL_OBJECT")),
            (Some("CRC64NVME"), Some("COMPOSITE")),
            (Some("XXHASH"), None),
            (Some("CRC32"), Some("HALF")),
        ] {
            assert_eq!(check(algorithm, kind), "InvalidRequest", "{algorithm:?} {kind:?}");
        }
    }
}
