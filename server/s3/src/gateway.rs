//! Which operations are served: each is one module of `operations`, and anything else is not implemented.

use std::sync::{Arc, OnceLock};

use anabranch_app::{App, AppError, ChecksumAlgorithm};
use anabranch_auth::Principal;
use http::{Extensions, HeaderMap};
use s3s::dto::*;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use tokio::sync::Notify;

use crate::error::of_app;
use crate::operations::*;

/// Who is calling, put into a request once its signature is checked.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) request_id: String,
    /// The algorithm of the checksum that the body is announced with.
    pub(crate) checksum: Option<ChecksumAlgorithm>,
    /// Told when work begins that may take long.
    pub(crate) begun: Option<Arc<Notify>>,
}

/// Where the name of the operation appears that a request turned out to be. Put into a request's extensions by whoever
/// wants to know: metrics, the log.
#[derive(Clone, Default, Debug)]
pub struct OperationSlot(Arc<OnceLock<&'static str>>);

impl OperationSlot {
    /// The operation, once it is known: `put_object`.
    pub fn name(&self) -> Option<&'static str> {
        self.0.get().copied()
    }

    fn set(&self, operation: &'static str) {
        // A request is one operation: a second name would be the same.
        let _ = self.0.set(operation);
    }
}

/// The operations over an application.
pub(crate) struct Gateway {
    pub(crate) app: App,
    pub(crate) region: Option<String>,
}

/// One request: what its operation needs beside the input.
pub(crate) struct Call<'a> {
    pub(crate) app: &'a App,
    pub(crate) region: Option<&'a str>,
    pub(crate) who: Principal,
    pub(crate) request_id: String,
    /// The algorithm of the checksum that the body is announced with; the body is checked against it.
    pub(crate) checksum: Option<ChecksumAlgorithm>,
    /// All headers, for what s3s does not read.
    pub(crate) headers: HeaderMap,
    begun: Option<Arc<Notify>>,
}

impl Call<'_> {
    /// Says that bytes are copied from here on, which may take long: see [`crate::keep_alive`].
    pub(crate) fn begin_long_work(&self) {
        if let Some(begun) = &self.begun {
            begun.notify_one();
        }
    }

    /// Puts what the application answers about a key into S3's terms.
    pub(crate) fn about<'a>(&'a self, bucket: &'a str, key: &'a str) -> impl Fn(AppError) -> S3Error + 'a {
        move |error| of_app(error, &self.request_id, bucket, Some(key))
    }

    /// Puts what the application answers about a bucket into S3's terms.
    pub(crate) fn about_bucket<'a>(&'a self, bucket: &'a str) -> impl Fn(AppError) -> S3Error + 'a {
        move |error| of_app(error, &self.request_id, bucket, None)
    }
}

impl Gateway {
    /// A request that the door has not checked has no caller, and is not served.
    fn call(
        &self,
        extensions: &mut Extensions,
        headers: HeaderMap,
        operation: &'static str,
    ) -> S3Result<Call<'_>> {
        if let Some(slot) = extensions.get::<OperationSlot>() {
            slot.set(operation);
        }
        let caller = extensions
            .remove::<Caller>()
            .ok_or_else(|| s3_error!(AccessDenied, "the request was not authenticated"))?;
        Ok(Call {
            app: &self.app,
            region: self.region.as_deref(),
            who: caller.principal,
            request_id: caller.request_id,
            checksum: caller.checksum,
            headers,
            begun: caller.begun,
        })
    }
}

macro_rules! serve {
    ($($operation:ident: $input:ident -> $output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Gateway {
            $(async fn $operation(&self, mut request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                let headers = std::mem::take(&mut request.headers);
                let call = self.call(&mut request.extensions, headers, stringify!($operation))?;
                match $operation::serve(&call, request.input).await {
                    Ok(output) => Ok(S3Response::new(output)),
                    Err(mut error) => {
                        error.set_request_id(call.request_id);
                        Err(error)
                    }
                }
            })*
        }
    };
}

serve! {
    list_buckets: ListBucketsInput -> ListBucketsOutput;
    head_bucket: HeadBucketInput -> HeadBucketOutput;
    get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput;
    get_bucket_versioning: GetBucketVersioningInput -> GetBucketVersioningOutput;
    list_objects: ListObjectsInput -> ListObjectsOutput;
    list_objects_v2: ListObjectsV2Input -> ListObjectsV2Output;
    put_object: PutObjectInput -> PutObjectOutput;
    get_object: GetObjectInput -> GetObjectOutput;
    head_object: HeadObjectInput -> HeadObjectOutput;
    copy_object: CopyObjectInput -> CopyObjectOutput;
    delete_object: DeleteObjectInput -> DeleteObjectOutput;
    delete_objects: DeleteObjectsInput -> DeleteObjectsOutput;
    create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput;
    upload_part: UploadPartInput -> UploadPartOutput;
    upload_part_copy: UploadPartCopyInput -> UploadPartCopyOutput;
    complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput;
    abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput;
    list_parts: ListPartsInput -> ListPartsOutput;
    list_multipart_uploads: ListMultipartUploadsInput -> ListMultipartUploadsOutput;
    create_bucket: CreateBucketInput -> CreateBucketOutput;
    delete_bucket: DeleteBucketInput -> DeleteBucketOutput;
    get_object_attributes: GetObjectAttributesInput -> GetObjectAttributesOutput;
    get_object_tagging: GetObjectTaggingInput -> GetObjectTaggingOutput;
    put_object_tagging: PutObjectTaggingInput -> PutObjectTaggingOutput;
    delete_object_tagging: DeleteObjectTaggingInput -> DeleteObjectTaggingOutput;
    get_bucket_acl: GetBucketAclInput -> GetBucketAclOutput;
    get_object_acl: GetObjectAclInput -> GetObjectAclOutput;
    get_bucket_accelerate_configuration:
        GetBucketAccelerateConfigurationInput -> GetBucketAccelerateConfigurationOutput;
    get_bucket_cors: GetBucketCorsInput -> GetBucketCorsOutput;
    get_bucket_encryption: GetBucketEncryptionInput -> GetBucketEncryptionOutput;
    get_bucket_lifecycle_configuration:
        GetBucketLifecycleConfigurationInput -> GetBucketLifecycleConfigurationOutput;
    get_bucket_logging: GetBucketLoggingInput -> GetBucketLoggingOutput;
    get_bucket_notification_configuration:
        GetBucketNotificationConfigurationInput -> GetBucketNotificationConfigurationOutput;
    get_bucket_ownership_controls: GetBucketOwnershipControlsInput -> GetBucketOwnershipControlsOutput;
    get_bucket_policy: GetBucketPolicyInput -> GetBucketPolicyOutput;
    get_bucket_policy_status: GetBucketPolicyStatusInput -> GetBucketPolicyStatusOutput;
    get_bucket_replication: GetBucketReplicationInput -> GetBucketReplicationOutput;
    get_bucket_request_payment: GetBucketRequestPaymentInput -> GetBucketRequestPaymentOutput;
    get_bucket_tagging: GetBucketTaggingInput -> GetBucketTaggingOutput;
    get_bucket_website: GetBucketWebsiteInput -> GetBucketWebsiteOutput;
    get_object_legal_hold: GetObjectLegalHoldInput -> GetObjectLegalHoldOutput;
    get_object_lock_configuration: GetObjectLockConfigurationInput -> GetObjectLockConfigurationOutput;
    get_object_retention: GetObjectRetentionInput -> GetObjectRetentionOutput;
    get_public_access_block: GetPublicAccessBlockInput -> GetPublicAccessBlockOutput;
}
