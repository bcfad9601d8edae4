//! The application: what every use case stands on.

use std::sync::Arc;

use anabranch_auth::{Action, Directory, Principal, Resource, authorize};
use anabranch_refs::RefsBackend;
use anabranch_repository::{Catalog, Repository};
use anabranch_types::{BranchName, Clock, IdSource, RepositoryName};

use crate::protection::RulesCache;
use crate::staging::Written;
use crate::{AppError, LinkKey, PluginHost};

/// How long a commit, merge, revert or cherry-pick is tried anew while other servers move the branch.
const REQUEST_TIME_MS: i64 = 60_000;

/// What an application is made from.
pub struct AppParts {
    /// The repositories.
    pub catalog: Catalog,
    /// Where uploads on their way and settings of repositories are kept.
    pub refs: Arc<dyn RefsBackend>,
    /// Users, keys, groups and policies.
    pub directory: Arc<Directory>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<dyn IdSource>,
}

/// What an operator decides about an application.
pub struct AppSettings {
    /// What signed addresses are signed with: the same on all servers of an installation.
    pub link_key: LinkKey,
    /// What clients are told about this server.
    pub facts: ServerFacts,
    /// What a new repository holds if its maker asks for sample data.
    pub samples: &'static [SampleObject],
    /// What runs plugins; none: there are no plugins here.
    pub plugins: Option<Arc<dyn PluginHost>>,
}

/// An object of the sample data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SampleObject {
    /// Its path.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// What clients are told about this server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServerFacts {
    /// What clients reach this server by, without a `/` at the end; none: what each request came to.
    pub public_url: Option<String>,
    /// Whether this server speaks TLS itself.
    pub tls: bool,
    /// Below which `s3://` and other prefixes repositories may lie, beside `local://NAME`; empty: below none.
    pub namespaces: Vec<String>,
    /// From which prefixes may be imported.
    pub import_sources: Vec<String>,
}

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) parts: Arc<AppParts>,
    pub(crate) settings: Arc<AppSettings>,
    pub(crate) rules: Arc<RulesCache>,
    pub(crate) written: Arc<Written>,
}

impl App {
    /// The application over these parts. What it signs is good for this process alone.
    pub fn new(parts: AppParts) -> Self {
        let link_key = LinkKey::derived_from(&parts.ids.id16());
        let facts = ServerFacts::default();
        App::with_settings(parts, AppSettings { link_key, facts, samples: &[], plugins: None })
    }

    /// The application over these parts, as its operator wants it.
    pub fn with_settings(parts: AppParts, settings: AppSettings) -> Self {
        App {
            parts: Arc::new(parts),
            settings: Arc::new(settings),
            rules: Arc::default(),
            written: Arc::default(),
        }
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.parts.catalog
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.parts.clock.now_ms()
    }

    /// Until when a request that begins now is tried anew.
    pub(crate) fn deadline_ms(&self) -> i64 {
        self.now_ms().saturating_add(REQUEST_TIME_MS)
    }

    /// Opens a repository for somebody who may do `action` there: for reads, and for writes that are on no branch.
    pub(crate) async fn open(
        &self,
        who: &Principal,
        action: Action,
        repository: &str,
    ) -> Result<Repository, AppError> {
        permit(who, action, &Resource::Repository(repository))?;
        self.find(repository).await
    }

    /// Opens a repository for somebody who may do `action` on this branch of it: for everything that makes, changes,
    /// moves or deletes the branch. Refused if the branch is protected from it.
    pub(crate) async fn open_branch(
        &self,
        who: &Principal,
        action: Action,
        repository: &str,
        branch: &str,
    ) -> Result<Repository, AppError> {
        permit(who, action, &Resource::Branch { repository, branch })?;
        let repository = self.find(repository).await?;
        self.refuse_protected(&repository, action, branch).await?;
        Ok(repository)
    }

    async fn find(&self, repository: &str) -> Result<Repository, AppError> {
        let name = RepositoryName::new(repository).map_err(|_| AppError::NotFound {
            kind: "repository",
            name: repository.chars().take(100).collect(),
            hint: String::new(),
        })?;
        Ok(self.catalog().repository(&name).await?)
    }

    /// Whether the caller may know what server this is; an error if not.
    pub fn may_read_server(&self, who: &Principal) -> Result<(), AppError> {
        permit(who, Action::ReadServer, &Resource::Server)
    }

    /// What clients are told about this server.
    pub fn facts(&self) -> &ServerFacts {
        &self.settings.facts
    }

    /// Whether requests can be served: the ref-store answers.
    pub async fn ready(&self) -> bool {
        let page = anabranch_repository::Paging { prefix: String::new(), after: None, amount: 1 };
        self.catalog().list_repositories(&page).await.is_ok()
    }
}

/// Fails unless the principal may do `action` with `resource`.
pub(crate) fn permit(who: &Principal, action: Action, resource: &Resource<'_>) -> Result<(), AppError> {
    Ok(authorize(who, action, resource)?)
}

/// The branch of that name; a name that no branch can have does not exist.
pub(crate) fn branch_name(name: &str) -> Result<BranchName, AppError> {
    BranchName::new(name).map_err(|_| AppError::NotFound {
        kind: "branch",
        name: name.chars().take(100).collect(),
        hint: String::new(),
    })
}
