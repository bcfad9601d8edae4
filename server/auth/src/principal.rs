//! Who is calling.

use std::fmt;

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

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::ReadOnly => "read-only",
            Role::ReadWrite => "read-write",
            Role::Admin => "admin",
        })
    }
}

/// A caller whose identity has been checked.
///
/// Front doors make one after they have verified a signature or a secret; everything behind them
/// believes it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Principal {
    name: String,
    role: Role,
}

impl Principal {
    /// The caller of this name. Whoever calls this has checked that it is so.
    pub fn new(name: impl Into<String>, role: Role) -> Self {
        Principal { name: name.into(), role }
    }

    /// Its name, as commits and messages show it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may do.
    pub fn role(&self) -> Role {
        self.role
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
