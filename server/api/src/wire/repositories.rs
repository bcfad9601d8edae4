//! Repositories.

use anabranch_app::{CreateRepositoryInput, RepositoryInfo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Metadata, Pagination, seconds};

/// A repository.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Repository {
    /// Its name.
    pub id: String,
    /// When it was made, in seconds since the Unix epoch.
    pub creation_date: i64,
    /// The branch that exists from the start.
    pub default_branch: String,
    /// Always empty: this server has one store per repository, which `storage_namespace` names.
    #[serde(default)]
    pub storage_id: String,
    /// Where its objects are.
    pub storage_namespace: String,
    /// Always false.
    #[serde(default)]
    pub read_only: bool,
}

impl From<RepositoryInfo> for Repository {
    fn from(info: RepositoryInfo) -> Self {
        Repository {
            id: info.name.to_string(),
            creation_date: seconds(info.created_ms),
            default_branch: info.default_branch.to_string(),
            storage_id: String::new(),
            storage_namespace: info.storage_namespace,
            read_only: false,
        }
    }
}

/// A page of repositories, in order of name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RepositoryList {
    /// Which page.
    pub pagination: Pagination,
    /// The repositories.
    pub results: Vec<Repository>,
}

/// A repository to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RepositoryCreation {
    /// Its name: 3 to 63 lower-case letters, digits and hyphens.
    pub name: String,
    /// Where its objects go: `local://NAME`, `s3://BUCKET/PREFIX`, `mem://NAME`. Left out: a local folder of its own
    /// name.
    pub storage_namespace: Option<String>,
    /// Must be empty: there is one store per repository.
    pub storage_id: Option<String>,
    /// The branch that exists from the start; left out: `main`.
    pub default_branch: Option<String>,
    /// Whether the repository begins with sample data.
    pub sample_data: Option<bool>,
    /// Not supported yet.
    pub read_only: Option<bool>,
    /// User metadata. Of our own: lakeFS sets it by another call.
    pub metadata: Option<Metadata>,
}

impl From<RepositoryCreation> for CreateRepositoryInput {
    fn from(creation: RepositoryCreation) -> Self {
        CreateRepositoryInput {
            name: creation.name,
            storage_namespace: creation.storage_namespace,
            default_branch: creation.default_branch.filter(|name| !name.is_empty()),
            metadata: creation.metadata.unwrap_or_default(),
        }
    }
}

/// What is to be attached to a repository.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RepositoryMetadataSet {
    /// Names and values; what is attached under other names stays.
    pub metadata: Metadata,
}

/// What is to be taken away from a repository.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RepositoryMetadataKeys {
    /// The names.
    pub keys: Vec<String>,
}

/// What a check of a repository found. Of our own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FsckReport {
    /// Whether nothing is wrong.
    pub clean: bool,
    /// Branches that were walked.
    pub branches: u64,
    /// Tags that were walked.
    pub tags: u64,
    /// Commits that were read and verified.
    pub commits: u64,
    /// Packs that were read and verified.
    pub packs: u64,
    /// Tree entries that were looked at.
    pub entries: u64,
    /// Objects behind entries that were looked for.
    pub objects: u64,
    /// What is wrong, one sentence each.
    pub problems: Vec<String>,
}

impl From<anabranch_app::FsckReport> for FsckReport {
    fn from(report: anabranch_app::FsckReport) -> Self {
        FsckReport {
            clean: report.is_clean(),
            branches: report.branches,
            tags: report.tags,
            commits: report.commits,
            packs: report.packs,
            entries: report.entries,
            objects: report.objects,
            problems: report.problems,
        }
    }
}
