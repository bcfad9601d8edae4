//! The record of an installed plugin, format version 1: `version u8 | JSON`.

use serde::{Deserialize, Serialize};

use super::PluginInfo;

const VERSION: u8 = 1;

/// What is kept of a plugin, beside its bytes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct PluginRecord {
    pub(super) info: PluginInfo,
    /// Names the partition that holds the bytes.
    pub(super) bytes_id: String,
    /// In how many pieces.
    pub(super) pieces: u32,
}

/// The bytes are no such record.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PluginRecordError {
    /// A newer server wrote it.
    #[error("the record of a plugin has format version {found}; this server reads version {VERSION}")]
    UnknownVersion {
        /// The version it says.
        found: u8,
    },
    /// It is empty, or no JSON of this shape.
    #[error("the record of a plugin is damaged: {0}")]
    Damaged(String),
}

pub(super) fn encode(record: &PluginRecord) -> Result<Vec<u8>, PluginRecordError> {
    let mut out = vec![VERSION];
    serde_json::to_writer(&mut out, record).map_err(|error| PluginRecordError::Damaged(error.to_string()))?;
    Ok(out)
}

/// Reads what [`encode`] wrote. Total.
pub(super) fn decode(bytes: &[u8]) -> Result<PluginRecord, PluginRecordError> {
    let (version, rest) =
        bytes.split_first().ok_or_else(|| PluginRecordError::Damaged("it is empty".into()))?;
    if *version != VERSION {
        return Err(PluginRecordError::UnknownVersion { found: *version });
    }
    serde_json::from_slice(rest).map_err(|error| PluginRecordError::Damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{PluginClaim, PluginDescription};

    fn record(name: String, pieces: u32) -> PluginRecord {
        let description = PluginDescription {
            name,
            version: "1.0".into(),
            summary: "merges".into(),
            digest: "sha256:00".into(),
            merges: true,
            claims: vec![PluginClaim {
                id: "json".into(),
                unit: "object".into(),
                patterns: vec!["*.json".into()],
                markers: vec![],
                media_types: vec![],
            }],
            options_schema: Some(serde_json::json!({"type": "object"})),
        };
        let info = PluginInfo {
            description,
            size_bytes: 7,
            enabled: true,
            installed_ms: 5,
            installed_by: "root".into(),
        };
        PluginRecord { info, bytes_id: "ab".into(), pieces }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(name in "\\PC{0,20}", pieces: u32, cut in 1usize..30) {
            let record = record(name, pieces);
            let bytes = encode(&record).unwrap();
            prop_assert_eq!(decode(&bytes), Ok(record));
            prop_assert!(decode(&bytes[..bytes.len().saturating_sub(cut)]).is_err());
        }

        #[test]
        fn the_decoder_is_total(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&bytes);
            let _ = decode(&[&[VERSION][..], &bytes].concat());
        }
    }

    #[test]
    fn a_newer_record_is_refused() {
        assert_eq!(decode(&[2, 0, 0]), Err(PluginRecordError::UnknownVersion { found: 2 }));
    }
}
