//! The record of an import: what is asked for, how far it is, and who works on it.
//!
//! All imports are in one partition of the ref-store, `jobs`, with the key `import/<repository>/<id>`. Whoever works on
//! one holds a lease, which each write of the record prolongs. Every write expects the version that the writer knows:
//! who lost the lease, or whose import was cancelled, finds out with its next write and stops.

use std::collections::BTreeMap;

use anabranch_refs::{
    Edit, Expect, Operation, Partition, RefUpdate, ScanRange, VALUE_BYTES_MAX, Version, WriteId,
};
use anabranch_types::RepositoryName;
use serde::{Deserialize, Serialize};

use crate::{App, AppError};

const FORMAT_VERSION: u8 = 1;
/// For how long who wrote the record last is taken to be at work.
pub(super) const LEASE_MS: i64 = 60_000;
/// How many records are read at once.
const PAGE: usize = 100;

/// One thing to be imported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct SourceRecord {
    /// The URL of an object, or of what URLs begin with, ending in `/`.
    pub(super) url: String,
    /// Whether `url` is an object.
    pub(super) single: bool,
    /// The path of the object, or what the paths begin with: empty, or ending in `/`.
    pub(super) destination: String,
}

/// How far an import is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stage {
    /// Objects are being staged on the import's own branch.
    Staging,
    /// Everything is staged; from now on it cannot be cancelled.
    Publishing,
    /// It is one commit on the destination.
    Done(String),
    /// It ended without a commit; why.
    Failed(String),
    /// Somebody cancelled it.
    Cancelled,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct ImportRecord {
    pub(super) format: u8,
    /// Tells the repository from others of the name.
    pub(super) repository_created_ms: i64,
    pub(super) branch: String,
    pub(super) sources: Vec<SourceRecord>,
    pub(super) message: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) allow_empty: bool,
    pub(super) committer: String,
    pub(super) stage: Stage,
    /// Which source is being read, and the key in it after which it goes on.
    pub(super) at: (usize, Option<String>),
    pub(super) ingested: u64,
    /// How often somebody began to work on it.
    pub(super) attempt: u32,
    pub(super) updated_ms: i64,
    pub(super) lease_until_ms: i64,
}

impl ImportRecord {
    /// Whether somebody has to work on it, sooner or later.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Staging | Stage::Publishing)
    }

    pub(super) fn format() -> u8 {
        FORMAT_VERSION
    }
}

/// A record and the version that was read or written last.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) repository: RepositoryName,
    pub(super) id: String,
    pub(super) record: ImportRecord,
    pub(super) version: Version,
}

impl Held {
    /// The branch that the import stages on.
    pub(super) fn own_branch(&self) -> String {
        format!("import-{}", self.id)
    }
}

fn partition() -> Partition {
    Partition("jobs".into())
}

fn key(repository: &RepositoryName, id: &str) -> String {
    format!("import/{repository}/{id}")
}

pub(super) fn no_import(id: &str) -> AppError {
    AppError::NotFound { kind: "import", name: id.chars().take(100).collect(), hint: String::new() }
}

impl App {
    /// The record of an import of this repository.
    pub(super) async fn import_record(
        &self,
        repository: &RepositoryName,
        created_ms: i64,
        id: &str,
    ) -> Result<Held, AppError> {
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(no_import(id));
        }
        let row =
            self.parts.refs.get(&partition(), &key(repository, id)).await.map_err(AppError::internal)?;
        let row = row.ok_or_else(|| no_import(id))?;
        let record = decode(&key(repository, id), &row.value)?;
        if record.repository_created_ms != created_ms {
            return Err(no_import(id));
        }
        Ok(Held { repository: repository.clone(), id: id.to_owned(), record, version: row.version })
    }

    /// Writes a record that nobody else has written since; answers whether that was so.
    pub(super) async fn save_import(&self, held: &mut Held) -> Result<bool, AppError> {
        let expect = match held.version {
            Version(0) => Expect::Absent,
            version => Expect::Is(version),
        };
        held.record.updated_ms = self.now_ms();
        held.record.lease_until_ms = self.now_ms().saturating_add(LEASE_MS);
        let value = serde_json::to_vec(&held.record).map_err(AppError::internal)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(AppError::TooLarge {
                what: "the list of sources, message and metadata of one import".into(),
                limit: "64 KiB: split it, or import a prefix".into(),
            });
        }
        let operation = Operation::Put { value: value.into(), fence: None };
        let edit = Edit { key: key(&held.repository, &held.id), expect, operation };
        match self.apply_to_jobs(&[edit]).await? {
            RefUpdate::Applied(versions) => {
                held.version = versions.into_iter().next().flatten().unwrap_or(held.version);
                Ok(true)
            }
            RefUpdate::Rejected { .. } => Ok(false),
        }
    }

    /// Removes a record that ended.
    pub(super) async fn forget_import(&self, held: &Held) -> Result<(), AppError> {
        let key = key(&held.repository, &held.id);
        let edit = Edit { key, expect: Expect::Is(held.version), operation: Operation::Delete };
        // Whoever wrote it meanwhile decides about it.
        self.apply_to_jobs(&[edit]).await.map(|_| ())
    }

    async fn apply_to_jobs(&self, edits: &[Edit]) -> Result<RefUpdate, AppError> {
        let write_id = WriteId(self.parts.ids.id16());
        self.parts.refs.apply(&partition(), edits, write_id).await.map_err(AppError::internal)
    }

    /// All imports that are known, in order of repository and id, those after `after`.
    pub(super) async fn imports_page(
        &self,
        after: Option<String>,
    ) -> Result<(Vec<Held>, Option<String>), AppError> {
        let range = ScanRange { prefix: "import/".into(), after };
        let page = self.parts.refs.scan(&partition(), &range, PAGE).await.map_err(AppError::internal)?;
        let next = page.rows.last().map(|(key, _)| key.clone()).filter(|_| page.more);
        let mut found = Vec::with_capacity(page.rows.len());
        for (key, row) in page.rows {
            let mut segments = key.split('/').skip(1);
            let (Some(repository), Some(id)) = (segments.next(), segments.next()) else { continue };
            let record = decode(&key, &row.value)?;
            found.push(Held {
                repository: RepositoryName::new(repository)?,
                id: id.to_owned(),
                record,
                version: row.version,
            });
        }
        Ok((found, next))
    }
}

fn decode(key: &str, value: &[u8]) -> Result<ImportRecord, AppError> {
    let damaged = |why: String| AppError::internal(std::io::Error::other(format!("record {key} {why}")));
    let record: ImportRecord =
        serde_json::from_slice(value).map_err(|error| damaged(format!("is damaged: {error}")))?;
    match record.format {
        FORMAT_VERSION => Ok(record),
        found => Err(damaged(format!("has format version {found}; this server reads {FORMAT_VERSION}"))),
    }
}
