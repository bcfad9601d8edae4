//! The record of a preview: JSON, format version 1. It is dropped some time after it has expired.

use serde::{Deserialize, Serialize};

use super::RecordError;
use crate::details::StoredAddress;

const KIND: &str = "preview";
const VERSION: u8 = 1;

/// A preview. Its id is the key of the record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct PreviewRecord {
    format: u8,
    /// What is merged, as it was named.
    pub(crate) source: String,
    /// Into which branch.
    pub(crate) destination: String,
    /// The commits that it was made of, in hexadecimal.
    pub(crate) ours: String,
    pub(crate) theirs: String,
    pub(crate) expires_ms: i64,
    /// Where the merged tree lies: the encoded record of a commit that nothing names, in hexadecimal. None where the
    /// merge cannot be published.
    pub(crate) tree: Option<String>,
    /// Where its report lies.
    pub(crate) details: StoredAddress,
}

impl PreviewRecord {
    pub(crate) fn new(
        (source, destination): (String, String),
        (ours, theirs): (String, String),
        expires_ms: i64,
        tree: Option<String>,
        details: StoredAddress,
    ) -> PreviewRecord {
        PreviewRecord { format: VERSION, source, destination, ours, theirs, expires_ms, tree, details }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        // Nothing in it can fail to be JSON; an empty record would be refused when it is read.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what [`PreviewRecord::encode`] wrote. Total.
    pub(crate) fn decode(bytes: &[u8]) -> Result<PreviewRecord, RecordError> {
        let record: PreviewRecord =
            serde_json::from_slice(bytes).map_err(|_| RecordError::Damaged { kind: KIND, what: "JSON" })?;
        if record.format != VERSION {
            return Err(RecordError::UnknownVersion { kind: KIND, found: record.format, known: VERSION });
        }
        Ok(record)
    }
}
