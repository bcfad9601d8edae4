//! Buckets of S3, or of what speaks its protocol.

use std::sync::Arc;

use anabranch_types::IdSource;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};

use crate::remote::{Kind, RemoteStorage, client_options};
use crate::{ObjectStorage, StorageError};

/// Where the objects are and who asks for them.
#[derive(Clone)]
pub struct S3Config {
    /// The server's URL; none for AWS itself.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket, which must exist.
    pub bucket: String,
    /// What every key begins with in the bucket, without a `/` at either end; may be empty.
    pub prefix: String,
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret. Never printed.
    pub secret_access_key: String,
    /// Whether an endpoint without TLS is taken.
    pub allow_http: bool,
}

impl std::fmt::Debug for S3Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Config")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .field("access_key_id", &self.access_key_id)
            .field("allow_http", &self.allow_http)
            .finish_non_exhaustive()
    }
}

/// Opens a bucket. Sends nothing yet. See [`RemoteStorage::s3`].
pub fn open_s3(config: &S3Config, ids: Arc<dyn IdSource>) -> Result<Arc<dyn ObjectStorage>, StorageError> {
    Ok(Arc::new(RemoteStorage::s3(config, ids)?))
}

impl RemoteStorage {
    /// Opens a bucket. Sends nothing yet; reads no environment variable and no file.
    pub fn s3(config: &S3Config, ids: Arc<dyn IdSource>) -> Result<Self, StorageError> {
        let kind = Kind {
            scheme: "s3",
            bucket: &config.bucket,
            prefix: &config.prefix,
            write_id: "anabranch-write-id",
        };
        RemoteStorage::new(&kind, ids, |retry| {
            let mut builder = AmazonS3Builder::new()
                .with_region(&config.region)
                .with_bucket_name(&config.bucket)
                .with_access_key_id(&config.access_key_id)
                .with_secret_access_key(&config.secret_access_key)
                .with_allow_http(config.allow_http)
                .with_conditional_put(S3ConditionalPut::ETagMatch)
                .with_client_options(client_options(config.allow_http))
                .with_retry(retry);
            if let Some(endpoint) = &config.endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            builder.build()
        })
    }
}
