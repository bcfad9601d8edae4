//! Containers of Azure Blob Storage.

use std::sync::Arc;

use anabranch_types::IdSource;
use object_store::azure::MicrosoftAzureBuilder;

use crate::remote::{Kind, RemoteStorage, client_options};
use crate::{ObjectStorage, StorageError};

/// Where the objects are and who asks for them.
#[derive(Clone)]
pub struct AzureConfig {
    /// The storage account's URL, with the account's name where it is part of the path; none for Azure itself.
    pub endpoint: Option<String>,
    /// The storage account.
    pub account: String,
    /// The account's access key, in base64. Never printed.
    pub access_key: String,
    /// The container, which must exist.
    pub container: String,
    /// What every blob's name begins with, without a `/` at either end; may be empty.
    pub prefix: String,
    /// Whether an endpoint without TLS is taken.
    pub allow_http: bool,
}

impl std::fmt::Debug for AzureConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AzureConfig")
            .field("endpoint", &self.endpoint)
            .field("account", &self.account)
            .field("container", &self.container)
            .field("prefix", &self.prefix)
            .field("allow_http", &self.allow_http)
            .finish_non_exhaustive()
    }
}

/// Opens a container. Sends nothing yet. See [`RemoteStorage::azure`].
pub fn open_azure(
    config: &AzureConfig,
    ids: Arc<dyn IdSource>,
) -> Result<Arc<dyn ObjectStorage>, StorageError> {
    Ok(Arc::new(RemoteStorage::azure(config, ids)?))
}

impl RemoteStorage {
    /// Opens a container. Sends nothing yet; reads no environment variable and no file.
    pub fn azure(config: &AzureConfig, ids: Arc<dyn IdSource>) -> Result<Self, StorageError> {
        let kind = Kind {
            scheme: "az",
            bucket: &config.container,
            prefix: &config.prefix,
            // Azure takes only identifiers of C# as names of metadata.
            write_id: "anabranch_write_id",
        };
        RemoteStorage::new(&kind, ids, |retry| {
            let mut builder = MicrosoftAzureBuilder::new()
                .with_account(&config.account)
                .with_access_key(&config.access_key)
                .with_container_name(&config.container)
                .with_allow_http(config.allow_http)
                .with_client_options(client_options(config.allow_http))
                .with_retry(retry);
            if let Some(endpoint) = &config.endpoint {
                builder = builder.with_endpoint(endpoint.clone());
            }
            builder.build()
        })
    }
}
