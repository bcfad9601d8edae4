//! What is allowed: limits, preconditions and conditions, decided from values that a backend has read.

use std::collections::BTreeSet;

#[cfg(any(feature = "sqlite", test))]
use crate::Version;
use crate::{
    Condition, ConditionalRow, EDITS_MAX, Edit, Expect, Fence, FenceMark, RefUpdate, RefsError, Staged,
    StagedRow, StagedValue, VALUE_BYTES_MAX, Versioned,
};

/// How long write-ids are kept at least.
pub(crate) const WRITE_ID_KEPT_MS: i64 = 10 * 60 * 1000;
/// How many write-ids of a partition are kept at least.
pub(crate) const WRITE_IDS_KEPT: usize = 1000;

/// A row of the refs table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RefRow {
    pub(crate) versioned: Versioned,
    pub(crate) fence: Option<FenceMark>,
}

/// Refuses edits beyond the limits of the contract.
pub(crate) fn check_edits(edits: &[Edit]) -> Result<(), RefsError> {
    if edits.len() > EDITS_MAX {
        return Err(RefsError::TooManyEdits { count: edits.len(), max: EDITS_MAX });
    }
    let mut keys = BTreeSet::new();
    for edit in edits {
        if let crate::Operation::Put { value, .. } = &edit.operation {
            check_bytes(&edit.key, value.len())?;
        }
        if !keys.insert(edit.key.as_str()) {
            return Err(RefsError::RepeatedKey { key: edit.key.clone() });
        }
    }
    Ok(())
}

/// Refuses staged rows beyond the limits of the contract.
pub(crate) fn check_rows(rows: &[StagedRow]) -> Result<(), RefsError> {
    for row in rows {
        if let StagedValue::Present { entry, .. } = &row.value {
            check_bytes(&row.path, entry.len())?;
        }
    }
    Ok(())
}

fn check_bytes(key: &str, bytes: usize) -> Result<(), RefsError> {
    if bytes > VALUE_BYTES_MAX {
        return Err(RefsError::ValueTooLarge { key: key.to_owned(), bytes, max: VALUE_BYTES_MAX });
    }
    Ok(())
}

/// The rejection of the first edit whose precondition fails; none if all hold. `row_of` tells what a key holds.
pub(crate) fn rejection<'a>(
    edits: &[Edit],
    mut row_of: impl FnMut(&str) -> Option<&'a RefRow>,
) -> Option<RefUpdate> {
    for (index, edit) in edits.iter().enumerate() {
        let actual = row_of(&edit.key).map(|row| &row.versioned);
        let holds = match edit.expect {
            Expect::Absent => actual.is_none(),
            Expect::Is(version) => actual.is_some_and(|actual| actual.version == version),
            Expect::Any => true,
        };
        if !holds {
            return Some(RefUpdate::Rejected { index, actual: actual.cloned() });
        }
    }
    None
}

/// Whether a branch record with `mark` lets unconditional writes of `fence` in.
pub(crate) fn fence_holds(fence: &Fence, mark: Option<FenceMark>) -> bool {
    mark.is_some_and(|mark| mark.token == fence.token)
}

/// Why a conditional write does not take place; none if it does. `staged` is the newest staged row of the path
/// over the open and the sealed staging areas.
pub(crate) fn refusal(
    fence: &Fence,
    row: &ConditionalRow,
    mark: Option<FenceMark>,
    staged: Option<&StagedValue>,
) -> Option<Staged> {
    if !mark.is_some_and(|mark| mark.token == fence.token && mark.head == row.head) {
        return Some(Staged::Moved);
    }
    let actual = match staged {
        Some(StagedValue::Present { etag, .. }) => Some(etag),
        Some(StagedValue::Deleted) => None,
        None => row.in_head.as_ref(),
    };
    let holds = match &row.condition {
        Condition::Absent => actual.is_none(),
        Condition::Matches(etag) => actual == Some(etag),
        Condition::Present => actual.is_some(),
    };
    if holds { None } else { Some(Staged::Refused { actual: actual.cloned() }) }
}

/// The last row of each path, in bytewise order of path. Equal order in all writers also keeps two of them from
/// waiting for each other's rows.
#[cfg(feature = "postgres")]
pub(crate) fn last_of_each_path(rows: &[StagedRow]) -> std::collections::BTreeMap<&str, &StagedValue> {
    rows.iter().map(|row| (row.path.as_str(), &row.value)).collect()
}

/// Encodes the versions of a write for the write-id table: eight bytes each, zero for an edit that put nothing.
#[cfg(any(feature = "sqlite", test))]
pub(crate) fn encode_versions(versions: &[Option<Version>]) -> Vec<u8> {
    versions.iter().flat_map(|version| version.map_or(0, |version| version.0).to_le_bytes()).collect()
}

/// Decodes what [`encode_versions`] made; none if it cannot have made it.
#[cfg(any(feature = "sqlite", test))]
pub(crate) fn decode_versions(bytes: &[u8]) -> Option<Vec<Option<Version>>> {
    let (words, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| {
        words
            .iter()
            .map(|word| Some(u64::from_le_bytes(*word)).filter(|word| *word != 0).map(Version))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Partition, Token};

    fn conditional(condition: Condition, in_head: Option<&str>) -> (Fence, ConditionalRow) {
        let fence = Fence { partition: Partition("p".into()), key: "main".into(), token: Token([1; 16]) };
        let row = ConditionalRow {
            row: StagedRow { path: "a".into(), value: StagedValue::Deleted },
            condition,
            sealed: vec![],
            head: [2; 32],
            in_head: in_head.map(str::to_owned),
        };
        (fence, row)
    }

    fn present(etag: &str) -> StagedValue {
        StagedValue::Present { entry: bytes::Bytes::new(), etag: etag.to_owned() }
    }

    #[test]
    fn a_condition_is_judged_by_the_newest_row_and_else_by_the_head() {
        let mark = Some(FenceMark { token: Token([1; 16]), head: [2; 32] });
        let refused = |actual: Option<&str>| Some(Staged::Refused { actual: actual.map(str::to_owned) });
        let matches = |etag: &str| Condition::Matches(etag.to_owned());
        let cases = [
            (Condition::Absent, None, None, None),
            (Condition::Absent, Some("h"), None, refused(Some("h"))),
            (Condition::Absent, Some("h"), Some(StagedValue::Deleted), None),
            (Condition::Absent, None, Some(present("s")), refused(Some("s"))),
            (matches("h"), Some("h"), None, None),
            (matches("h"), Some("h"), Some(present("s")), refused(Some("s"))),
            (matches("h"), Some("h"), Some(StagedValue::Deleted), refused(None)),
            (matches("s"), Some("h"), Some(present("s")), None),
            (Condition::Present, None, None, refused(None)),
            (Condition::Present, Some("h"), None, None),
            (Condition::Present, Some("h"), Some(StagedValue::Deleted), refused(None)),
        ];
        for (condition, in_head, staged, expected) in cases {
            let (fence, row) = conditional(condition, in_head);
            assert_eq!(refusal(&fence, &row, mark, staged.as_ref()), expected, "{row:?} over {staged:?}");
        }
    }

    #[test]
    fn a_conditional_write_needs_both_the_token_and_the_head() {
        let (fence, row) = conditional(Condition::Absent, None);
        let judged = |mark| refusal(&fence, &row, mark, None);
        assert_eq!(judged(None), Some(Staged::Moved));
        assert_eq!(judged(Some(FenceMark { token: Token([9; 16]), head: [2; 32] })), Some(Staged::Moved));
        assert_eq!(judged(Some(FenceMark { token: Token([1; 16]), head: [9; 32] })), Some(Staged::Moved));
        assert_eq!(judged(Some(FenceMark { token: Token([1; 16]), head: [2; 32] })), None);
    }

    proptest! {
        #[test]
        fn versions_survive_their_encoding(versions in prop::collection::vec(prop::option::of(1u64..), 0..100)) {
            let versions: Vec<_> = versions.into_iter().map(|version| version.map(Version)).collect();
            prop_assert_eq!(decode_versions(&encode_versions(&versions)), Some(versions));
        }

        #[test]
        fn foreign_versions_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(decode_versions(&bytes).is_some(), bytes.len() % 8 == 0);
        }
    }
}
