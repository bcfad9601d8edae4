//! Which namespaces are taken: no repository's storage equals another's, or lies inside it.
//!
//! A claim is written in the same write as the name of its repository and goes with it, so that neither a crash nor a
//! race leaves one without the other. Claims and names share a partition, and every new claim writes [`CLAIMS_KEY`]
//! anew: of two that were decided on the same state, one is decided again.

use anabranch_refs::{Edit, Expect, Operation, RefUpdate, ScanRange, Version, Versioned};
use anabranch_types::{IdSource, RepositoryName};
use bytes::Bytes;

use crate::RepositoryError;
use crate::ledger::Ledger;
use crate::record::{
    CLAIMS_KEY, ClaimRecord, RepositoryRecord, claim_key, is_repository_key, outer_claim_keys, repositories,
};

/// How often a claim is decided again because another was made meanwhile.
const TRIES_MAX: usize = 50;
/// How many repositories without a claim get theirs in one write.
const ADOPTED_AT_ONCE: usize = 90;

/// How making a repository ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Claimed {
    /// Name and namespace are this repository's.
    Done,
    /// The name is taken.
    NameTaken,
}

/// Writes a new repository's record and the claim on its namespace, both or neither.
///
/// # Errors
/// [`RepositoryError::Invalid`] if the namespace equals, holds or lies inside that of another repository.
pub(crate) async fn insert(
    ledger: &Ledger,
    ids: &dyn IdSource,
    name: &RepositoryName,
    record: &RepositoryRecord,
) -> Result<Claimed, RepositoryError> {
    let claim = ClaimRecord { uid: record.uid, name: name.clone() };
    for _ in 0..TRIES_MAX {
        let Some(state) = read(ledger, CLAIMS_KEY).await? else {
            adopt(ledger, ids).await?;
            continue;
        };
        match holder(ledger, ids, &record.storage_namespace).await? {
            Some(holder) if holder == *name => return Ok(Claimed::NameTaken),
            Some(holder) => return Err(taken(&record.storage_namespace, &holder)),
            None => {}
        }
        let edits = [
            put(name.as_str(), Expect::Absent, record.encode()),
            put(&claim_key(&record.storage_namespace), Expect::Absent, claim.encode()),
            put(CLAIMS_KEY, Expect::Is(state.version), Vec::new()),
        ];
        match ledger.apply("making a repository", &repositories(), &edits, ids).await? {
            RefUpdate::Applied(_) => return Ok(Claimed::Done),
            RefUpdate::Rejected { index: 0, .. } => return Ok(Claimed::NameTaken),
            RefUpdate::Rejected { .. } => {}
        }
    }
    Err(RepositoryError::busy("repository", name, TRIES_MAX))
}

/// Removes a repository's record if it still has `version`, and the claim on its namespace with it: the namespace may
/// be taken again at once. Answers whether it did.
pub(crate) async fn remove(
    ledger: &Ledger,
    ids: &dyn IdSource,
    name: &RepositoryName,
    record: &RepositoryRecord,
    version: Version,
) -> Result<bool, RepositoryError> {
    let key = claim_key(&record.storage_namespace);
    for _ in 0..TRIES_MAX {
        let mut edits = vec![delete(name.as_str(), version)];
        if let Some(row) = read(ledger, &key).await?.filter(|row| belongs_to(row, record)) {
            edits.push(delete(&key, row.version));
        }
        match ledger.apply("deleting a repository", &repositories(), &edits, ids).await? {
            RefUpdate::Applied(_) => return Ok(true),
            RefUpdate::Rejected { index: 0, .. } => return Ok(false),
            RefUpdate::Rejected { .. } => {}
        }
    }
    Err(RepositoryError::busy("repository", name, TRIES_MAX))
}

/// The refusal of a namespace that is another repository's.
pub(crate) fn taken(namespace: &str, holder: &RepositoryName) -> RepositoryError {
    RepositoryError::invalid(format!(
        "storage namespace {namespace} is refused: the objects of repository {holder} are there; choose one that neither \
         equals, holds nor lies inside another repository's"
    ))
}

/// The repository whose namespace equals `namespace`, holds it or lies inside it.
pub(crate) async fn holder(
    ledger: &Ledger,
    ids: &dyn IdSource,
    namespace: &str,
) -> Result<Option<RepositoryName>, RepositoryError> {
    for key in outer_claim_keys(namespace) {
        if let Some(row) = read(ledger, &key).await?
            && let Some(name) = living(ledger, ids, &key, &row).await?
        {
            return Ok(Some(name));
        }
    }
    let mut range = ScanRange { prefix: claim_key(namespace), after: None };
    loop {
        let page = ledger.scan("looking at namespaces", &repositories(), &range, 100).await?;
        for (key, row) in &page.rows {
            if let Some(name) = living(ledger, ids, key, row).await? {
                return Ok(Some(name));
            }
        }
        match page.rows.into_iter().next_back() {
            Some((last, _)) if page.more => range.after = Some(last),
            _ => return Ok(None),
        }
    }
}

/// The repository of a claim; a claim whose repository is gone is removed.
async fn living(
    ledger: &Ledger,
    ids: &dyn IdSource,
    key: &str,
    row: &Versioned,
) -> Result<Option<RepositoryName>, RepositoryError> {
    let claim = ClaimRecord::decode(&row.value).map_err(|why| RepositoryError::damaged(key, why))?;
    if let Some(found) = read(ledger, claim.name.as_str()).await? {
        let record = RepositoryRecord::decode(&found.value)
            .map_err(|why| RepositoryError::damaged(format!("repository {}", claim.name), why))?;
        if record.uid == claim.uid {
            return Ok(Some(claim.name));
        }
    }
    // A lost race means that somebody else removed or replaced it; the next write decides anew.
    ledger.apply("clearing a namespace", &repositories(), &[delete(key, row.version)], ids).await?;
    Ok(None)
}

/// Gives every repository that was made before there were claims its own, once.
async fn adopt(ledger: &Ledger, ids: &dyn IdSource) -> Result<(), RepositoryError> {
    let mut range = ScanRange::default();
    loop {
        let page = ledger.scan("listing repositories", &repositories(), &range, ADOPTED_AT_ONCE).await?;
        let mut edits = Vec::new();
        for (key, row) in page.rows.iter().filter(|(key, _)| is_repository_key(key)) {
            let damaged =
                |why: &dyn std::fmt::Display| RepositoryError::damaged(format!("repository {key}"), why);
            let record = RepositoryRecord::decode(&row.value).map_err(|why| damaged(&why))?;
            let name = RepositoryName::new(key.clone()).map_err(|why| damaged(&why))?;
            let key = claim_key(&record.storage_namespace);
            // Two repositories that share a namespace already: the first one's claim stands for both.
            if edits.iter().all(|edit: &Edit| edit.key != key) {
                edits.push(put(&key, Expect::Any, ClaimRecord { uid: record.uid, name }.encode()));
            }
        }
        if !edits.is_empty() {
            ledger.apply("claiming namespaces", &repositories(), &edits, ids).await?;
        }
        match page.rows.into_iter().next_back() {
            Some((last, _)) if page.more => range.after = Some(last),
            _ => break,
        }
    }
    // Whoever was first did the same.
    let done = [put(CLAIMS_KEY, Expect::Absent, Vec::new())];
    ledger.apply("claiming namespaces", &repositories(), &done, ids).await?;
    Ok(())
}

async fn read(ledger: &Ledger, key: &str) -> Result<Option<Versioned>, RepositoryError> {
    ledger.get("looking at namespaces", &repositories(), key).await
}

fn belongs_to(row: &Versioned, record: &RepositoryRecord) -> bool {
    ClaimRecord::decode(&row.value).is_ok_and(|claim| claim.uid == record.uid)
}

fn put(key: &str, expect: Expect, value: Vec<u8>) -> Edit {
    let operation = Operation::Put { value: Bytes::from(value), fence: None };
    Edit { key: key.to_owned(), expect, operation }
}

fn delete(key: &str, version: Version) -> Edit {
    Edit { key: key.to_owned(), expect: Expect::Is(version), operation: Operation::Delete }
}
