//! Who is calling, and what was granted to it.

use std::fmt;
use std::sync::Arc;

use crate::{Pattern, Resource};

/// What a principal may do, in broad strokes. Ordered from least to most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Sees everything, changes nothing.
    ReadOnly,
    /// Works with data, branches, tags, commits and merges; makes and deletes no repository.
    ReadWrite,
    /// May do everything.
    Admin,
}

impl Role {
    /// Its name, as policies and messages show it.
    pub fn name(self) -> &'static str {
        match self {
            Role::ReadOnly => "read-only",
            Role::ReadWrite => "read-write",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A role on the repositories that fit a pattern; its writes only on the branches that fit another.
///
/// The branch pattern restricts writes, never reads: a grant whose branch pattern a write does not fit counts as
/// read-only for it. Writes that are about no single branch (tags, the repository itself, the server) need a grant
/// for all branches.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Grant {
    /// What may be done.
    pub role: Role,
    /// In which repositories.
    pub repositories: Pattern,
    /// On which of their branches.
    pub branches: Pattern,
}

impl Grant {
    /// The role everywhere.
    pub fn everywhere(role: Role) -> Self {
        Grant { role, repositories: Pattern::any(), branches: Pattern::any() }
    }

    /// The role that this grant gives on a resource, if any.
    pub(crate) fn role_on(&self, resource: &Resource<'_>) -> Option<Role> {
        let (in_repository, on_branch) = match resource {
            // Everybody who may do anything may ask what server this is.
            Resource::Server => (true, self.repositories.is_any() && self.branches.is_any()),
            Resource::Repository(repository) => {
                (self.repositories.matches(repository), self.branches.is_any())
            }
            Resource::Branch { repository, branch } => {
                (self.repositories.matches(repository), self.branches.matches(branch))
            }
        };
        match (in_repository, on_branch) {
            (false, _) => None,
            (true, true) => Some(self.role),
            (true, false) => Some(Role::ReadOnly),
        }
    }
}

/// A caller whose identity has been checked.
///
/// Front doors make one after they have verified a signature or a secret; everything behind them
/// believes it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Principal {
    name: Arc<str>,
    grants: Arc<[Grant]>,
}

impl Principal {
    /// The caller of this name, with one role everywhere. Whoever calls this has checked that it is so.
    pub fn new(name: impl AsRef<str>, role: Role) -> Self {
        Principal::with_grants(name, vec![Grant::everywhere(role)])
    }

    /// The caller of this name, with these grants. Whoever calls this has checked that it is so.
    pub fn with_grants(name: impl AsRef<str>, grants: Vec<Grant>) -> Self {
        Principal { name: Arc::from(name.as_ref()), grants: Arc::from(grants) }
    }

    /// Its name, as commits and messages show it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was granted to it.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// The most that it may do anywhere.
    pub fn widest_role(&self) -> Option<Role> {
        self.grants.iter().map(|grant| grant.role).max()
    }

    /// What it may do with a resource: the most that any of its grants gives.
    pub fn role_on(&self, resource: &Resource<'_>) -> Option<Role> {
        self.grants.iter().filter_map(|grant| grant.role_on(resource)).max()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
