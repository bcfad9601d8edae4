//! Imports.

use anabranch_app::ImportSourceInput;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Commit, CommitCreation, Error, PathType};
use crate::time::date_time;

/// What is to be imported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportCreation {
    /// From where, and to where.
    pub paths: Vec<ImportLocation>,
    /// The commit that it becomes.
    pub commit: CommitCreation,
    /// Without effect.
    pub force: Option<bool>,
}

/// One thing to be imported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportLocation {
    /// Whether `path` is one object, or everything below it.
    pub r#type: PathType,
    /// A URL below one of the sources that this server may read.
    pub path: String,
    /// The path of the object on the branch, or the folder that the objects come to.
    pub destination: String,
}

impl From<ImportLocation> for ImportSourceInput {
    fn from(location: ImportLocation) -> Self {
        ImportSourceInput {
            url: location.path,
            single: location.r#type == PathType::Object,
            destination: location.destination,
        }
    }
}

/// The id by which an import is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportCreationResponse {
    /// The id.
    pub id: String,
}

/// How far an import is. It has ended when `completed` is true or `error` is there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportStatus {
    /// Whether it is a commit.
    pub completed: bool,
    /// When that was last noted.
    #[schema(format = DateTime)]
    pub update_time: String,
    /// How many objects it has taken.
    pub ingested_objects: u64,
    /// The tree of its commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metarange_id: Option<String>,
    /// Its commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Why it ended without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

impl From<anabranch_app::ImportStatus> for ImportStatus {
    fn from(status: anabranch_app::ImportStatus) -> Self {
        let commit = status.commit.map(Commit::from);
        ImportStatus {
            completed: status.completed,
            update_time: date_time(status.updated_ms),
            ingested_objects: status.ingested,
            metarange_id: commit.as_ref().map(|commit| commit.meta_range_id.clone()),
            commit,
            error: status.error.map(|message| Error { message }),
        }
    }
}
