//! The record of a tag, format version 1.

use anabranch_types::CommitId;

use super::RecordError;
use super::wire::Reader;

const KIND: &str = "tag";
const VERSION: u8 = 1;

/// A tag. Its name is the key of the record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TagRecord {
    pub(crate) commit: CommitId,
}

impl TagRecord {
    /// `version u8 | commit 32`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.commit.as_bytes());
        out
    }

    /// Reads what [`TagRecord::encode`] wrote. Total.
    pub(crate) fn decode(bytes: &[u8]) -> Result<TagRecord, RecordError> {
        let mut reader = Reader::new(KIND, VERSION, bytes)?;
        let commit = CommitId::from_bytes(reader.array("commit")?);
        reader.finish()?;
        Ok(TagRecord { commit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_their_encoding_and_others_are_refused() {
        let record = TagRecord { commit: CommitId::of(b"x") };
        assert_eq!(TagRecord::decode(&record.encode()), Ok(record.clone()));
        for length in 0..33 {
            assert!(TagRecord::decode(&record.encode()[..length]).is_err(), "{length}");
        }
        assert!(matches!(TagRecord::decode(&[9; 33]), Err(RecordError::UnknownVersion { found: 9, .. })));
    }
}
