//! Settings of buckets that clients ask for without needing them. No bucket here has any, and each operation says so
//! in S3's own words: with its code for an absent setting, or with an empty one.

use http::StatusCode;
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::gateway::Call;
use crate::key;

/// Operations that S3 answers with a code of their own while nothing is set.
macro_rules! absent {
    ($($operation:ident: $input:ident -> $output:ident = $code:ident;)*) => {
        $(pub(crate) mod $operation {
            use super::*;

            pub(crate) async fn serve(call: &Call<'_>, input: $input) -> S3Result<$output> {
                let bucket = &input.bucket;
                call.app.repository(&call.who, bucket).await.map_err(call.about_bucket(bucket))?;
                Err(missing(S3ErrorCode::$code, bucket))
            }
        })*
    };
}

/// Operations that S3 answers with a message while nothing is set.
macro_rules! unset {
    ($($operation:ident: $input:ident -> $output:ident = $answer:expr;)*) => {
        $(pub(crate) mod $operation {
            use super::*;

            pub(crate) async fn serve(call: &Call<'_>, input: $input) -> S3Result<$output> {
                let bucket = &input.bucket;
                call.app.repository(&call.who, bucket).await.map_err(call.about_bucket(bucket))?;
                Ok($answer)
            }
        })*
    };
}

/// Locks of one object.
macro_rules! unlocked {
    ($($operation:ident: $input:ident -> $output:ident;)*) => {
        $(pub(crate) mod $operation {
            use super::*;

            pub(crate) async fn serve(call: &Call<'_>, input: $input) -> S3Result<$output> {
                let target = key::of_read(&input.bucket, &input.key)?;
                call.app
                    .stat(&call.who, &input.bucket, target.reference, target.path)
                    .await
                    .map_err(call.about(&input.bucket, &input.key))?;
                Err(s3_error!(NoSuchObjectLockConfiguration, "key {:?} has no lock", input.key))
            }
        })*
    };
}

absent! {
    get_bucket_cors: GetBucketCorsInput -> GetBucketCorsOutput = NoSuchCORSConfiguration;
    get_bucket_encryption: GetBucketEncryptionInput -> GetBucketEncryptionOutput
        = ServerSideEncryptionConfigurationNotFoundError;
    get_bucket_lifecycle_configuration:
        GetBucketLifecycleConfigurationInput -> GetBucketLifecycleConfigurationOutput
        = NoSuchLifecycleConfiguration;
    get_bucket_policy: GetBucketPolicyInput -> GetBucketPolicyOutput = NoSuchBucketPolicy;
    get_bucket_policy_status: GetBucketPolicyStatusInput -> GetBucketPolicyStatusOutput = NoSuchBucketPolicy;
    get_bucket_replication: GetBucketReplicationInput -> GetBucketReplicationOutput
        = ReplicationConfigurationNotFoundError;
    get_bucket_tagging: GetBucketTaggingInput -> GetBucketTaggingOutput = NoSuchTagSet;
    get_bucket_website: GetBucketWebsiteInput -> GetBucketWebsiteOutput = NoSuchWebsiteConfiguration;
    get_object_lock_configuration: GetObjectLockConfigurationInput -> GetObjectLockConfigurationOutput
        = ObjectLockConfigurationNotFoundError;
}

unset! {
    get_bucket_accelerate_configuration:
        GetBucketAccelerateConfigurationInput -> GetBucketAccelerateConfigurationOutput
        = GetBucketAccelerateConfigurationOutput::default();
    get_bucket_logging: GetBucketLoggingInput -> GetBucketLoggingOutput = GetBucketLoggingOutput::default();
    get_bucket_notification_configuration:
        GetBucketNotificationConfigurationInput -> GetBucketNotificationConfigurationOutput
        = GetBucketNotificationConfigurationOutput::default();
    get_bucket_ownership_controls: GetBucketOwnershipControlsInput -> GetBucketOwnershipControlsOutput
        = GetBucketOwnershipControlsOutput { ownership_controls: Some(owner_enforced()) };
    get_bucket_request_payment: GetBucketRequestPaymentInput -> GetBucketRequestPaymentOutput
        = GetBucketRequestPaymentOutput { payer: Some(Payer::from_static(Payer::BUCKET_OWNER)) };
    get_public_access_block: GetPublicAccessBlockInput -> GetPublicAccessBlockOutput
        = GetPublicAccessBlockOutput { public_access_block_configuration: Some(all_blocked()) };
}

unlocked! {
    get_object_legal_hold: GetObjectLegalHoldInput -> GetObjectLegalHoldOutput;
    get_object_retention: GetObjectRetentionInput -> GetObjectRetentionOutput;
}

/// S3 answers 404 for all of them; s3s knows the status of some.
fn missing(code: S3ErrorCode, bucket: &str) -> S3Error {
    let message = format!("bucket {bucket} has no such setting, and cannot have one");
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(StatusCode::NOT_FOUND);
    error
}

/// No object has an access list of its own.
fn owner_enforced() -> OwnershipControls {
    let object_ownership = ObjectOwnership::from_static(ObjectOwnership::BUCKET_OWNER_ENFORCED);
    OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership }] }
}

/// Nothing is served to nobody.
fn all_blocked() -> PublicAccessBlockConfiguration {
    PublicAccessBlockConfiguration {
        block_public_acls: Some(true),
        block_public_policy: Some(true),
        ignore_public_acls: Some(true),
        restrict_public_buckets: Some(true),
    }
}
