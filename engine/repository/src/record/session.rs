//! The records of a merge session: JSON, format version 1.

use anabranch_types::Entry;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::RecordError;
use crate::details::StoredAddress;

const VERSION: u8 = 1;

/// A merge that people decide. Its id is the key of the record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    format: u8,
    /// What is merged, as it was named.
    pub(crate) source: String,
    /// Into which branch.
    pub(crate) destination: String,
    /// The commit that is merged, in hexadecimal: a source that moves on is another merge.
    pub(crate) theirs: String,
    /// The head of the destination that the conflicts were found with.
    pub(crate) ours: String,
    pub(crate) squash: bool,
    pub(crate) begun_ms: i64,
    pub(crate) begun_by: String,
    /// Where the report with the conflicts lies.
    pub(crate) details: StoredAddress,
}

/// What somebody chose for one conflict. The conflict's id is the key of the record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct ChoiceRecord {
    format: u8,
    pub(crate) path: String,
    pub(crate) choice: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<serde_json::Value>,
    /// The uploaded object: an encoded entry, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    pub(crate) by: String,
    pub(crate) at_ms: i64,
}

/// Beginning and merge of a session.
pub(crate) struct Begun {
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) theirs: String,
    pub(crate) ours: String,
    pub(crate) squash: bool,
    pub(crate) begun_ms: i64,
    pub(crate) begun_by: String,
}

impl SessionRecord {
    pub(crate) fn new(begun: Begun, details: StoredAddress) -> SessionRecord {
        let Begun { source, destination, theirs, ours, squash, begun_ms, begun_by } = begun;
        SessionRecord {
            format: VERSION,
            source,
            destination,
            theirs,
            ours,
            squash,
            begun_ms,
            begun_by,
            details,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        // Nothing in it can fail to be JSON; an empty record would be refused when it is read.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what [`SessionRecord::encode`] wrote. Total.
    pub(crate) fn decode(bytes: &[u8]) -> Result<SessionRecord, RecordError> {
        decode("merge session", bytes, |record: &SessionRecord| record.format)
    }
}

impl ChoiceRecord {
    pub(crate) fn new(
        path: String,
        (choice, value): (String, Option<serde_json::Value>),
        object: Option<&Entry>,
        (by, at_ms): (String, i64),
    ) -> Result<ChoiceRecord, anabranch_tree::TreeError> {
        let object = object.map(anabranch_tree::encode_entry).transpose()?.map(hex::encode);
        Ok(ChoiceRecord { format: VERSION, path, choice, value, object, by, at_ms })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what [`ChoiceRecord::encode`] wrote. Total.
    pub(crate) fn decode(bytes: &[u8]) -> Result<ChoiceRecord, RecordError> {
        decode("choice", bytes, |record: &ChoiceRecord| record.format)
    }

    /// The uploaded object.
    pub(crate) fn object(&self) -> Result<Option<Entry>, RecordError> {
        let Some(object) = &self.object else { return Ok(None) };
        let damaged = RecordError::Damaged { kind: "choice", what: "its object" };
        let bytes = hex::decode(object).map_err(|_| damaged.clone())?;
        anabranch_tree::decode_entry(&bytes).map(Some).map_err(|_| damaged)
    }
}

fn decode<T: DeserializeOwned>(
    kind: &'static str,
    bytes: &[u8],
    format: impl Fn(&T) -> u8,
) -> Result<T, RecordError> {
    let record: T = serde_json::from_slice(bytes).map_err(|_| RecordError::Damaged { kind, what: "JSON" })?;
    match format(&record) {
        VERSION => Ok(record),
        found => Err(RecordError::UnknownVersion { kind, found, known: VERSION }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choice() -> ChoiceRecord {
        let value = Some(serde_json::json!({"id": 7}));
        ChoiceRecord::new("t/a".into(), ("ours".into(), value), None, ("ann".into(), 5)).unwrap()
    }

    #[test]
    fn records_survive_their_encoding_and_newer_ones_are_refused() {
        assert_eq!(ChoiceRecord::decode(&choice().encode()), Ok(choice()));
        let newer = ChoiceRecord { format: 9, ..choice() }.encode();
        let refused = ChoiceRecord::decode(&newer);
        assert!(matches!(refused, Err(RecordError::UnknownVersion { found: 9, .. })), "{refused:?}");
    }

    proptest! {
        #[test]
        fn decode_is_total(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = ChoiceRecord::decode(&bytes);
            let _ = SessionRecord::decode(&bytes);
        }
    }
}
