//! The report of a merge as it is kept: JSON with a version, in the metadata of the merge commit or, if it is long, in an
//! object that the metadata names. Previews and merge sessions keep theirs in objects too.

use std::collections::BTreeMap;

use anabranch_merge::{Conflict, ConflictId, MergeReport, TableFormat, UnitDecision};
use anabranch_types::{Address, Commit, CommitId, ObjectKey};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::commit::RESERVED_METADATA;
use crate::repository::Inner;
use crate::{Decided, MergeDetails, MergeSummary, Repository, RepositoryError, TableSummary, Verdict};

const FORMAT_VERSION: u8 = 1;

/// A report up to this size stands in the metadata itself.
const INLINE_BYTES_MAX: usize = 1_024;

/// The longest report that is read.
const DETAILS_BYTES_MAX: u64 = 1 << 30;

/// The metadata that holds the report, or names its object.
fn metadata_name() -> String {
    format!("{RESERVED_METADATA}report")
}

#[derive(Serialize, Deserialize)]
struct StoredDetails {
    format: u8,
    source: String,
    destination: String,
    verdict: String,
    base: Option<String>,
    ours: Option<String>,
    theirs: Option<String>,
    objects_changed: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tables: Vec<StoredTable>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<Conflict>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    decided: Vec<StoredDecided>,
}

#[derive(Serialize, Deserialize)]
struct StoredTable {
    root: String,
    /// Absent in records of earlier servers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_object: bool,
    format: Option<TableFormat>,
    merger: Option<String>,
    decision: UnitDecision,
    report: MergeReport,
}

#[derive(Serialize, Deserialize)]
struct StoredDecided {
    conflict: ConflictId,
    path: String,
    choice: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<serde_json::Value>,
    by: String,
    at_ms: i64,
}

/// An address in a record of JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct StoredAddress {
    object: String,
    offset: u64,
    length: u64,
}

impl From<&Address> for StoredAddress {
    fn from(address: &Address) -> Self {
        let object = address.object.as_str().to_owned();
        StoredAddress { object, offset: address.offset, length: address.length }
    }
}

impl StoredAddress {
    pub(crate) fn address(&self) -> Address {
        Address { object: ObjectKey::new(&*self.object), offset: self.offset, length: self.length }
    }
}

fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "clean",
        Verdict::FastForward => "fast-forward",
        Verdict::UpToDate => "up-to-date",
        Verdict::Conflicts => "conflicts",
    }
}

fn verdict_of(word: &str) -> Option<Verdict> {
    let all = [Verdict::Clean, Verdict::FastForward, Verdict::UpToDate, Verdict::Conflicts];
    all.into_iter().find(|verdict| verdict_word(*verdict) == word)
}

/// The id of a commit that a record of JSON names.
pub(crate) fn commit_id(hex_text: &str) -> Option<CommitId> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(hex_text, &mut bytes).ok()?;
    Some(CommitId::from_bytes(bytes))
}

impl MergeDetails {
    /// Writes the report.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, RepositoryError> {
        let id = |id: &Option<CommitId>| id.as_ref().map(CommitId::to_hex);
        let table = |table: &TableSummary| StoredTable {
            root: table.root.clone(),
            is_object: table.is_object,
            format: table.format,
            merger: table.merger.clone(),
            decision: table.decision,
            report: table.report.clone(),
        };
        let decided = |decided: &Decided| StoredDecided {
            conflict: decided.conflict.clone(),
            path: decided.path.clone(),
            choice: decided.choice.clone(),
            value: decided.value.clone(),
            by: decided.by.clone(),
            at_ms: decided.at_ms,
        };
        let stored = StoredDetails {
            format: FORMAT_VERSION,
            source: self.source.clone(),
            destination: self.destination.clone(),
            verdict: verdict_word(self.verdict).to_owned(),
            base: id(&self.summary.base),
            ours: id(&self.summary.ours),
            theirs: id(&self.summary.theirs),
            objects_changed: self.summary.objects_changed,
            tables: self.summary.tables.iter().map(table).collect(),
            conflicts: self.conflicts.clone(),
            decided: self.decided.iter().map(decided).collect(),
        };
        serde_json::to_vec(&stored)
            .map_err(|error| RepositoryError::damaged("the report of a merge", format!("not JSON: {error}")))
    }

    /// Reads what [`MergeDetails::encode`] wrote. Total: the error says what is wrong.
    pub(crate) fn decode(bytes: &[u8]) -> Result<MergeDetails, String> {
        let stored: StoredDetails = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if stored.format != FORMAT_VERSION {
            return Err(format!("it has format {}; this server reads {FORMAT_VERSION}", stored.format));
        }
        let id = |text: Option<String>| match text {
            None => Ok(None),
            Some(text) => commit_id(&text).map(Some).ok_or_else(|| format!("{text:?} is no commit id")),
        };
        let verdict =
            verdict_of(&stored.verdict).ok_or_else(|| format!("verdict {:?} is unknown", stored.verdict))?;
        let table = |table: StoredTable| TableSummary {
            root: table.root,
            is_object: table.is_object,
            format: table.format,
            merger: table.merger,
            decision: table.decision,
            report: table.report,
        };
        let decided = |decided: StoredDecided| Decided {
            conflict: decided.conflict,
            path: decided.path,
            choice: decided.choice,
            value: decided.value,
            by: decided.by,
            at_ms: decided.at_ms,
        };
        Ok(MergeDetails {
            source: stored.source,
            destination: stored.destination,
            verdict,
            summary: MergeSummary {
                tables: stored.tables.into_iter().map(table).collect(),
                objects_changed: stored.objects_changed,
                base: id(stored.base)?,
                ours: id(stored.ours)?,
                theirs: id(stored.theirs)?,
            },
            conflicts: stored.conflicts,
            decided: stored.decided.into_iter().map(decided).collect(),
        })
    }
}

impl Inner {
    /// Stores a report in an object that nothing refers to yet.
    pub(crate) async fn store_details(&self, details: &MergeDetails) -> Result<Address, RepositoryError> {
        let stored = self.segments.append(Bytes::from(details.encode()?)).await;
        stored.map_err(RepositoryError::storage(&self.info.name))
    }

    /// Reads a report.
    pub(crate) async fn load_details(&self, address: &Address) -> Result<MergeDetails, RepositoryError> {
        let what = || format!("the report of a merge at {}", address.object);
        if address.length > DETAILS_BYTES_MAX {
            return Err(RepositoryError::damaged(what(), format!("{} bytes", address.length)));
        }
        let range = address.offset..address.offset.saturating_add(address.length);
        let bytes = self.storage.get(&address.object, Some(range)).await;
        let bytes = bytes.map_err(RepositoryError::storage(&self.info.name))?;
        MergeDetails::decode(&bytes).map_err(|why| RepositoryError::damaged(what(), why))
    }

    /// Puts a report into the metadata of the commit to be.
    pub(crate) async fn attach_details(
        &self,
        metadata: &mut BTreeMap<String, String>,
        details: &MergeDetails,
    ) -> Result<(), RepositoryError> {
        let text = details.encode()?;
        let value = match String::from_utf8(text) {
            Ok(text) if text.len() <= INLINE_BYTES_MAX => text,
            _ => {
                let address = self.store_details(details).await?;
                serde_json::to_string(&Elsewhere { object: StoredAddress::from(&address) }).map_err(
                    |error| RepositoryError::damaged("the report of a merge", format!("not JSON: {error}")),
                )?
            }
        };
        metadata.insert(metadata_name(), value);
        Ok(())
    }
}

/// Where a report lies that does not stand in the metadata itself.
#[derive(Serialize, Deserialize)]
struct Elsewhere {
    object: StoredAddress,
}

impl Repository {
    /// The report of a merge commit; none for a commit that no merge made, or that an older server made.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for a ref that stands for nothing, [`RepositoryError::Damaged`] for a report that
    /// cannot be read.
    pub async fn merge_report(
        &self,
        reference: &str,
    ) -> Result<(CommitId, Option<MergeDetails>), RepositoryError> {
        let id = self.inner.resolve(reference).await?.commit;
        let commit = self.inner.commit_of(&id).await?;
        Ok((id, self.report_of(&commit.commit).await?))
    }

    async fn report_of(&self, commit: &Commit) -> Result<Option<MergeDetails>, RepositoryError> {
        let Some(text) = commit.metadata.get(&metadata_name()) else { return Ok(None) };
        let damaged = |why: String| RepositoryError::damaged("the report of a merge", why);
        match serde_json::from_str::<Elsewhere>(text) {
            Ok(Elsewhere { object }) => self.inner.load_details(&object.address()).await.map(Some),
            Err(_) => MergeDetails::decode(text.as_bytes()).map(Some).map_err(damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use anabranch_merge::ConflictKind;
    use proptest::prelude::*;

    use super::*;

    fn details() -> MergeDetails {
        let conflict = Conflict {
            table: Some("t".into()),
            path: "t/x".into(),
            kind: ConflictKind::RowConflict,
            key: Some(serde_json::json!({"id": 1})),
            column: None,
            message: "a row".into(),
            rule: "row-conflict".into(),
            base: None,
            ours: Some(serde_json::json!(1)),
            theirs: None,
            choices: Conflict::sides(),
        };
        let decided = Decided {
            conflict: conflict.id(),
            path: conflict.path.clone(),
            choice: "ours".into(),
            value: None,
            by: "ann".into(),
            at_ms: 5,
        };
        MergeDetails {
            source: "dev".into(),
            destination: "main".into(),
            verdict: Verdict::Clean,
            summary: MergeSummary {
                tables: vec![TableSummary {
                    root: "t".into(),
                    is_object: true,
                    format: Some(TableFormat::Delta),
                    merger: Some("delta".into()),
                    decision: UnitDecision::Merged,
                    report: MergeReport::new("metadata"),
                }],
                objects_changed: 3,
                base: None,
                ours: Some(CommitId::of(b"o")),
                theirs: Some(CommitId::of(b"t")),
            },
            conflicts: vec![conflict],
            decided: vec![decided],
        }
    }

    #[test]
    fn reports_survive_their_encoding_and_newer_ones_are_refused() {
        let bytes = details().encode().unwrap();
        assert_eq!(MergeDetails::decode(&bytes), Ok(details()));
        let newer = String::from_utf8(bytes).unwrap().replacen("\"format\":1", "\"format\":9", 1);
        assert!(MergeDetails::decode(newer.as_bytes()).unwrap_err().contains("format 9"));
    }

    proptest! {
        #[test]
        fn decode_is_total(at in 0_usize..400, byte in any::<u8>()) {
            let mut bytes = details().encode().unwrap();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let _ = MergeDetails::decode(&bytes);
        }
    }
}
