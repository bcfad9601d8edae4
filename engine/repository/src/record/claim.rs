//! The record of a claim: which repository a storage namespace belongs to. Format version 1.

use anabranch_types::RepositoryName;

use super::wire::{Reader, put_text};
use super::{RecordError, RepositoryUid};

const KIND: &str = "claim";
const VERSION: u8 = 1;

/// What the keys of claims begin with: after every name that a repository can have.
const PREFIX: &str = "~namespace/";
/// The key of the record that every new claim writes anew, so that two claims are never decided at the same time.
pub(crate) const CLAIMS_KEY: &str = "~claims";

/// A claim on a namespace. The namespace is in its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ClaimRecord {
    pub(crate) uid: RepositoryUid,
    pub(crate) name: RepositoryName,
}

impl ClaimRecord {
    /// `version u8 | uid 16 | name text`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.uid.0);
        put_text(&mut out, self.name.as_str());
        out
    }

    /// Reads what [`ClaimRecord::encode`] wrote. Total.
    pub(crate) fn decode(bytes: &[u8]) -> Result<ClaimRecord, RecordError> {
        let mut reader = Reader::new(KIND, VERSION, bytes)?;
        let uid = RepositoryUid(reader.array("uid")?);
        let name = RepositoryName::new(reader.text("name")?).map_err(|_| reader.damaged("name"))?;
        reader.finish()?;
        Ok(ClaimRecord { uid, name })
    }
}

/// The key of the claim on a namespace. Keys of what lies inside it begin with it.
pub(crate) fn claim_key(namespace: &str) -> String {
    format!("{PREFIX}{}/", namespace.trim_end_matches('/'))
}

/// The keys of the claims on every namespace that `namespace` lies inside, outermost first.
pub(crate) fn outer_claim_keys(namespace: &str) -> Vec<String> {
    let namespace = namespace.trim_end_matches('/');
    let Some((scheme, rest)) = namespace.split_once("://") else { return Vec::new() };
    let ends = rest.match_indices('/').map(|(at, _)| at);
    ends.filter_map(|end| rest.get(..end)).map(|outer| claim_key(&format!("{scheme}://{outer}"))).collect()
}

/// Whether a key of the repositories' partition is a repository's name.
pub(crate) fn is_repository_key(key: &str) -> bool {
    !key.starts_with('~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_claims_around_a_namespace_are_those_of_its_folders() {
        assert_eq!(claim_key("s3://lake/a/"), "~namespace/s3://lake/a/");
        assert_eq!(outer_claim_keys("local://x"), Vec::<String>::new());
        assert_eq!(
            outer_claim_keys("s3://lake/a/b"),
            ["~namespace/s3://lake/", "~namespace/s3://lake/a/"].map(str::to_owned)
        );
        assert!(claim_key("s3://lake/a/b").starts_with(&claim_key("s3://lake/a")));
        assert!(!claim_key("s3://lake/ab").starts_with(&claim_key("s3://lake/a")));
        assert!(is_repository_key("zzz") && !is_repository_key(CLAIMS_KEY) && "zzz" < CLAIMS_KEY);
    }

    #[test]
    fn records_survive_their_encoding() {
        let name = RepositoryName::new("sales").unwrap();
        let record = ClaimRecord { uid: RepositoryUid([7; 16]), name };
        assert_eq!(ClaimRecord::decode(&record.encode()), Ok(record.clone()));
        for length in 0..record.encode().len() {
            assert!(ClaimRecord::decode(&record.encode()[..length]).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn decode_is_total(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = ClaimRecord::decode(&bytes);
        }
    }
}
