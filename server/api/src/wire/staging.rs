//! Objects that clients write to the store themselves.

use anabranch_app::{LinkInput, ObjectAttributes, WriteCondition};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Metadata;

/// Where a client shall write an object.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct StagingLocation {
    /// The address, which linking names again.
    pub physical_address: Option<String>,
    /// Where the object can be written by PUT without credentials of the store, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presigned_url: Option<String>,
    /// When that ends, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presigned_url_expiry: Option<i64>,
}

/// What a client wrote to its address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StagingMetadata {
    /// The address that it was given.
    pub staging: StagingLocation,
    /// The entity tag that the store answered.
    pub checksum: String,
    /// How many bytes it wrote.
    pub size_bytes: i64,
    /// User metadata.
    pub user_metadata: Option<Metadata>,
    /// The media type.
    pub content_type: Option<String>,
    /// Without effect: the time of linking counts.
    pub mtime: Option<i64>,
    /// Without effect.
    pub force: Option<bool>,
}

impl StagingMetadata {
    /// The application's input, or what is missing.
    pub(crate) fn input(self, condition: WriteCondition) -> Result<LinkInput, String> {
        let address = self.staging.physical_address.filter(|address| !address.is_empty());
        Ok(LinkInput {
            physical_address: address
                .ok_or("staging.physical_address is missing: send the address that this server gave")?,
            checksum: self.checksum,
            size: size(self.size_bytes)?,
            attributes: attributes(self.content_type, self.user_metadata),
            condition,
        })
    }
}

/// An object that is in the store already.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ObjectStageCreation {
    /// Where it lies.
    pub physical_address: String,
    /// The entity tag that the store has for it.
    pub checksum: String,
    /// How many bytes it has.
    pub size_bytes: i64,
    /// Without effect: the time of staging counts.
    pub mtime: Option<i64>,
    /// User metadata.
    pub metadata: Option<Metadata>,
    /// The media type.
    pub content_type: Option<String>,
    /// Without effect.
    pub force: Option<bool>,
}

impl ObjectStageCreation {
    /// The application's input, or what is wrong.
    pub(crate) fn input(self) -> Result<LinkInput, String> {
        Ok(LinkInput {
            physical_address: self.physical_address,
            checksum: self.checksum,
            size: size(self.size_bytes)?,
            attributes: attributes(self.content_type, self.metadata),
            condition: WriteCondition::None,
        })
    }
}

/// User metadata that replaces an object's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpdateObjectUserMetadata {
    /// All of it.
    pub set: Metadata,
}

fn size(bytes: i64) -> Result<u64, String> {
    u64::try_from(bytes).map_err(|_| format!("size_bytes is {bytes}: give the number of bytes written"))
}

fn attributes(content_type: Option<String>, metadata: Option<Metadata>) -> ObjectAttributes {
    ObjectAttributes {
        content_type: content_type.unwrap_or_default(),
        metadata: metadata.unwrap_or_default(),
    }
}
