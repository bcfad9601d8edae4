//! What a principal may do: one permission per kind of operation, decided in one place.

use std::fmt;

use crate::{Principal, Role};

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $role:ident;)*) => {
        /// A permission. Every use case asks for exactly one before it does anything.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Action {
            $($(#[$doc])* $variant,)*
        }

        impl Action {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Action] = &[$(Action::$variant,)*];

            /// Its name, as messages and policies show it: `object:read`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Action::$variant => $name,)*
                }
            }

            /// The least role that has it.
            fn least_role(self) -> Role {
                match self {
                    $(Action::$variant => Role::$role,)*
                }
            }
        }
    };
}

actions! {
    /// Read facts about the server: version, limits, configuration.
    ReadServer = "server:read", ReadOnly;
    /// List repositories.
    ListRepositories = "repository:list", ReadOnly;
    /// Create a repository.
    CreateRepository = "repository:create", Admin;
    /// Read what a repository is.
    ReadRepository = "repository:read", ReadOnly;
    /// Delete a repository and everything in it.
    DeleteRepository = "repository:delete", Admin;
    /// Walk and verify everything that a repository stores.
    CheckRepository = "repository:check", ReadOnly;
    /// List branches.
    ListBranches = "branch:list", ReadOnly;
    /// Read the head of a branch.
    ReadBranch = "branch:read", ReadOnly;
    /// Create a branch.
    CreateBranch = "branch:create", ReadWrite;
    /// Delete a branch.
    DeleteBranch = "branch:delete", ReadWrite;
    /// Throw uncommitted changes of a branch away.
    ResetBranch = "branch:reset", ReadWrite;
    /// List tags.
    ListTags = "tag:list", ReadOnly;
    /// Read what a tag names.
    ReadTag = "tag:read", ReadOnly;
    /// Create a tag.
    CreateTag = "tag:create", ReadWrite;
    /// Delete a tag.
    DeleteTag = "tag:delete", ReadWrite;
    /// Read commits, logs and merge bases; resolve ref expressions.
    ReadCommit = "commit:read", ReadOnly;
    /// Commit what is staged.
    CreateCommit = "commit:create", ReadWrite;
    /// Compare two refs, or a branch with its uncommitted changes.
    Diff = "diff:read", ReadOnly;
    /// Merge into a branch.
    Merge = "merge:create", ReadWrite;
    /// Revert a commit on a branch.
    Revert = "revert:create", ReadWrite;
    /// Apply the changes of a commit to a branch.
    CherryPick = "cherry-pick:create", ReadWrite;
    /// List objects and uploads.
    ListObjects = "object:list", ReadOnly;
    /// Read objects and what is known about them.
    ReadObject = "object:read", ReadOnly;
    /// Write objects: put, copy to, multipart uploads, links.
    WriteObject = "object:write", ReadWrite;
    /// Delete objects.
    DeleteObject = "object:delete", ReadWrite;
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A principal may not do what it asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{principal} is not permitted to {action}{}: that needs the role {needed}, and {principal} has {role}", on(.repository))]
pub struct Denied {
    /// Who asked.
    pub principal: String,
    /// Its role.
    pub role: Role,
    /// For what.
    pub action: Action,
    /// On which repository, if on one.
    pub repository: Option<String>,
    /// The least role that is permitted.
    pub needed: Role,
}

fn on(repository: &Option<String>) -> String {
    match repository {
        Some(repository) => format!(" on repository {repository}"),
        None => String::new(),
    }
}

/// Decides whether `principal` may do `action`; on `repository`, if the action is about one.
pub fn authorize(principal: &Principal, action: Action, repository: Option<&str>) -> Result<(), Denied> {
    let needed = action.least_role();
    if principal.role() >= needed {
        return Ok(());
    }
    Err(Denied {
        principal: principal.name().to_owned(),
        role: principal.role(),
        action,
        repository: repository.map(str::to_owned),
        needed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permitted(role: Role) -> Vec<&'static str> {
        let who = Principal::new("somebody", role);
        let may = |action: &&Action| authorize(&who, **action, Some("sales")).is_ok();
        Action::ALL.iter().filter(may).map(|action| action.name()).collect()
    }

    #[test]
    fn an_admin_may_do_everything() {
        assert_eq!(permitted(Role::Admin).len(), Action::ALL.len());
    }

    #[test]
    fn a_reader_changes_nothing() {
        for name in permitted(Role::ReadOnly) {
            let verb = name.split(':').nth(1).expect("a name has two parts");
            assert!(["read", "list", "check"].contains(&verb), "{name}");
        }
    }

    #[test]
    fn a_writer_makes_and_deletes_no_repository() {
        let writer = permitted(Role::ReadWrite);
        let missing: Vec<_> =
            Action::ALL.iter().map(|action| action.name()).filter(|name| !writer.contains(name)).collect();
        assert_eq!(missing, ["repository:create", "repository:delete"]);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Action::ALL.iter().map(|action| action.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Action::ALL.len());
    }

    #[test]
    fn a_denial_says_who_what_and_what_is_needed() {
        let who = Principal::new("anna", Role::ReadOnly);
        let denied = authorize(&who, Action::WriteObject, Some("sales")).expect_err("a reader");
        assert_eq!(
            denied.to_string(),
            "anna is not permitted to object:write on repository sales: that needs the role read-write, \
             and anna has read-only"
        );
    }
}
