//! The record of a branch, format version 1.

use anabranch_refs::{FenceMark, Token};
use anabranch_types::CommitId;

use super::RecordError;
use super::wire::Reader;

const KIND: &str = "branch";
const VERSION: u8 = 1;
const FLAG_HIDDEN: u8 = 1;

/// Tells a branch from an earlier one of the same name, and from itself before it was moved to a commit that need not
/// descend from its head: the first half is fresh and random for each branch, the second for each such move.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Incarnation(pub(crate) [u8; 16]);

impl Incarnation {
    /// That of the same branch after a move.
    pub(crate) fn moved(self, random: [u8; 16]) -> Incarnation {
        let [branch, moved] = [self.0, random].map(u128::from_be_bytes);
        let low = u128::from(u64::MAX);
        Incarnation(((branch & !low) | (moved & low)).to_be_bytes())
    }

    /// Whether both are of one branch, wherever it was moved.
    pub(crate) fn same_branch(self, other: Incarnation) -> bool {
        let [left, right] = [self.0, other.0].map(u128::from_be_bytes);
        left >> 64 == right >> 64
    }
}

/// A branch: its head and its staging areas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct BranchRecord {
    pub(crate) incarnation: Incarnation,
    pub(crate) hidden: bool,
    /// How often the record was written.
    pub(crate) epoch: u64,
    pub(crate) head: CommitId,
    /// The staging area that takes writes.
    pub(crate) token: Token,
    /// Staging areas that take no more writes and are not committed yet, newest first.
    pub(crate) sealed: Vec<Token>,
    /// Staging areas that are committed or thrown away, and may not be dropped yet.
    pub(crate) retired: Vec<Token>,
}

impl BranchRecord {
    /// How many tokens either list holds at most; far below what a value of the ref-store takes.
    pub(crate) const TOKENS_MAX: usize = 1_000;

    /// What staging writes are fenced by.
    pub(crate) fn fence_mark(&self) -> FenceMark {
        FenceMark { token: self.token, head: *self.head.as_bytes() }
    }

    /// All staging areas with uncommitted changes, newest first.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        std::iter::once(self.token).chain(self.sealed.iter().copied()).collect()
    }

    /// `version u8 | flags u8 | incarnation 16 | epoch u64 | head 32 | token 16 | sealed u16, 16 each | retired u16, 16 each`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, if self.hidden { FLAG_HIDDEN } else { 0 }];
        out.extend(self.incarnation.0);
        out.extend(self.epoch.to_le_bytes());
        out.extend(self.head.as_bytes());
        out.extend(self.token.0);
        for tokens in [&self.sealed, &self.retired] {
            out.extend((tokens.len() as u16).to_le_bytes());
            for token in tokens {
                out.extend(token.0);
            }
        }
        out
    }

    /// Reads what [`BranchRecord::encode`] wrote. Total.
    pub(crate) fn decode(bytes: &[u8]) -> Result<BranchRecord, RecordError> {
        let mut reader = Reader::new(KIND, VERSION, bytes)?;
        let [flags] = reader.array("flags")?;
        if flags & !FLAG_HIDDEN != 0 {
            return Err(reader.damaged("flags"));
        }
        let record = BranchRecord {
            hidden: flags & FLAG_HIDDEN != 0,
            incarnation: Incarnation(reader.array("incarnation")?),
            epoch: reader.u64("epoch")?,
            head: CommitId::from_bytes(reader.array("head")?),
            token: Token(reader.array("token")?),
            sealed: tokens(&mut reader, "sealed")?,
            retired: tokens(&mut reader, "retired")?,
        };
        reader.finish()?;
        Ok(record)
    }
}

fn tokens(reader: &mut Reader<'_>, what: &'static str) -> Result<Vec<Token>, RecordError> {
    let count = usize::from(reader.u16(what)?);
    if count > BranchRecord::TOKENS_MAX {
        return Err(reader.damaged(what));
    }
    (0..count).map(|_| Ok(Token(reader.array(what)?))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records() -> impl Strategy<Value = BranchRecord> {
        let tokens = || prop::collection::vec(any::<[u8; 16]>().prop_map(Token), 0..5);
        let ids = (any::<[u8; 16]>(), any::<[u8; 32]>(), any::<[u8; 16]>());
        (ids, any::<bool>(), any::<u64>(), tokens(), tokens()).prop_map(
            |((incarnation, head, token), hidden, epoch, sealed, retired)| BranchRecord {
                incarnation: Incarnation(incarnation),
                hidden,
                epoch,
                head: CommitId::from_bytes(head),
                token: Token(token),
                sealed,
                retired,
            },
        )
    }

    proptest! {
        #[test]
        fn a_moved_branch_is_the_same_branch_elsewhere(from: [u8; 16], to: [u8; 16], other: [u8; 16]) {
            let (from, other) = (Incarnation(from), Incarnation(other));
            let moved = from.moved(to);
            prop_assert!(moved.same_branch(from));
            prop_assert_eq!(&moved.0[8..], &to[8..]);
            prop_assert_eq!(other.same_branch(from), other.0[..8] == from.0[..8]);
        }

        #[test]
        fn decode_undoes_encode(record in records()) {
            prop_assert_eq!(BranchRecord::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn decode_is_total(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = BranchRecord::decode(&bytes);
        }

        #[test]
        fn a_cut_record_is_refused(record in records(), cut in 1usize..40) {
            let bytes = record.encode();
            prop_assert!(BranchRecord::decode(&bytes[..bytes.len().saturating_sub(cut)]).is_err());
        }
    }
}
