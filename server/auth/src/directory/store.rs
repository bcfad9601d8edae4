//! Reads and writes the records; a write whose reply was lost is asked for again, a lost race is decided anew.

use std::sync::Arc;

use anabranch_refs::{
    Edit, Expect, Operation, RefUpdate, RefsBackend, RefsError, ScanRange, Version, WriteId,
};
use anabranch_types::IdSource;

use super::DirectoryError;
use super::model::{Listing, Page};
use crate::record::{Record, key, partition};

/// How often a write is sent before its fate counts as unknown. Repeats carry the same write-id.
const SENDS_MAX: usize = 4;
/// How often a change is decided anew because others changed the same record.
const RACES_MAX: usize = 20;
/// Records read for one page of a listing that passes some over.
const SCAN_ROWS: usize = 1_000;
const SCANS_MAX: usize = 20;

/// What becomes of a record.
pub(super) enum Change<R> {
    Keep,
    Set(R),
}

#[derive(Clone)]
pub(super) struct Store {
    pub(super) refs: Arc<dyn RefsBackend>,
    pub(super) ids: Arc<dyn IdSource>,
}

impl Store {
    pub(super) async fn get<R: Record>(&self, name: &str) -> Result<Option<(R, Version)>, DirectoryError> {
        let row = self.refs.get(&partition(), &key::<R>(name)).await;
        let row = row.map_err(DirectoryError::store("reading an account"))?;
        row.map(|row| Ok((decode(name, &row.value)?, row.version))).transpose()
    }

    /// The record, which must be there.
    pub(super) async fn expect<R: Record>(&self, name: &str) -> Result<(R, Version), DirectoryError> {
        self.get(name).await?.ok_or_else(|| DirectoryError::not_found(R::KIND, name))
    }

    /// The records that `keep` keeps, in order of name.
    pub(super) async fn list<R: Record>(
        &self,
        page: &Page,
        keep: impl Fn(&R) -> bool,
    ) -> Result<Listing<(String, R)>, DirectoryError> {
        let wanted = page.amount.clamp(1, SCAN_ROWS);
        let mut after = page.after.clone().filter(|after| !after.is_empty());
        let mut results = Vec::new();
        for _ in 0..SCANS_MAX {
            let range = ScanRange { prefix: key::<R>(&page.prefix), after: after.as_deref().map(key::<R>) };
            let rows = self.refs.scan(&partition(), &range, SCAN_ROWS).await;
            let rows = rows.map_err(DirectoryError::store("listing accounts"))?;
            for (at, row) in rows.rows {
                let name = at.strip_prefix(R::PREFIX).unwrap_or(&at).to_owned();
                let record: R = decode(&name, &row.value)?;
                if !keep(&record) {
                    after = Some(name);
                    continue;
                }
                if results.len() == wanted {
                    return Ok(Listing { results, more: true, next: after.unwrap_or_default() });
                }
                after = Some(name.clone());
                results.push((name, record));
            }
            if !rows.more {
                return Ok(Listing { results, more: false, next: String::new() });
            }
        }
        Ok(Listing { results, more: true, next: after.unwrap_or_default() })
    }

    pub(super) async fn apply(
        &self,
        action: &'static str,
        edits: &[Edit],
    ) -> Result<RefUpdate, DirectoryError> {
        let write_id = WriteId(self.ids.id16());
        let mut sends = 1;
        loop {
            match self.refs.apply(&partition(), edits, write_id).await {
                Err(RefsError::Unknown { .. }) if sends < SENDS_MAX => sends += 1,
                answer => return answer.map_err(DirectoryError::store(action)),
            }
        }
    }

    /// Makes a record. Whether it was made: a record of that name may be there already.
    pub(super) async fn create<R: Record>(&self, name: &str, record: &R) -> Result<bool, DirectoryError> {
        let edit = put(name, record, Expect::Absent);
        Ok(matches!(self.apply("making an account", &[edit]).await?, RefUpdate::Applied(_)))
    }

    /// Changes a record that must be there. `decide` is asked again when another change came first.
    pub(super) async fn update<R: Record>(
        &self,
        name: &str,
        decide: impl Fn(R) -> Result<Change<R>, DirectoryError>,
    ) -> Result<(), DirectoryError> {
        for _ in 0..RACES_MAX {
            let (record, version) = self.expect::<R>(name).await?;
            let Change::Set(changed) = decide(record)? else {
                return Ok(());
            };
            let edit = put(name, &changed, Expect::Is(version));
            if let RefUpdate::Applied(_) = self.apply("changing an account", &[edit]).await? {
                return Ok(());
            }
        }
        Err(busy::<R>(name))
    }
}

pub(super) fn busy<R: Record>(name: &str) -> DirectoryError {
    DirectoryError::Busy { kind: R::KIND, name: name.to_owned() }
}

pub(super) fn put<R: Record>(name: &str, record: &R, expect: Expect) -> Edit {
    let operation = Operation::Put { value: record.encode().into(), fence: None };
    Edit { key: key::<R>(name), expect, operation }
}

pub(super) fn delete<R: Record>(name: &str, expect: Expect) -> Edit {
    Edit { key: key::<R>(name), expect, operation: Operation::Delete }
}

fn decode<R: Record>(name: &str, value: &[u8]) -> Result<R, DirectoryError> {
    R::decode(value).map_err(|source| DirectoryError::Damaged {
        kind: R::KIND,
        name: name.to_owned(),
        source,
    })
}
