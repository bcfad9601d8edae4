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
    /// Change what is attached to a repository.
    ChangeRepository = "repository:change", ReadWrite;
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
    /// Move a branch to any other commit.
    MoveBranch = "branch:move", ReadWrite;
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
    /// Give uploads up that are not completed: no branch changes by it.
    AbortUpload = "upload:abort", ReadWrite;
    /// Delete objects.
    DeleteObject = "object:delete", ReadWrite;
    /// Read which branches are protected.
    ReadBranchProtection = "branch-protection:read", ReadOnly;
    /// Say which branches are protected.
    WriteBranchProtection = "branch-protection:write", Admin;
    /// Read users, groups, policies and whose keys there are; oneself may be read by everybody.
    ReadUsers = "users:read", Admin;
    /// Make, change and delete users, groups, policies and keys; one's own keys may be managed by everybody.
    WriteUsers = "users:write", Admin;
    /// Read which plugins are installed.
    ReadPlugins = "plugins:read", ReadOnly;
    /// Install, switch on and off, and remove plugins.
    WritePlugins = "plugins:write", Admin;
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an action is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource<'a> {
    /// The server as a whole: its facts, its users, the list of its repositories.
    Server,
    /// A repository, or something in it that is no branch. Reads are about this too, whatever ref they name.
    Repository(&'a str),
    /// A branch that is to be made, changed, moved or deleted.
    Branch {
        /// Its repository.
        repository: &'a str,
        /// Its name.
        branch: &'a str,
    },
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = |name: &str| name.chars().take(100).collect::<String>();
        match self {
            Resource::Server => f.write_str("the server"),
            Resource::Repository(repository) => write!(f, "repository {}", cut(repository)),
            Resource::Branch { repository, branch } => {
                write!(f, "branch {} of repository {}", cut(branch), cut(repository))
            }
        }
    }
}

/// A principal may not do what it asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{principal} is not permitted to {action} on {resource}: that needs the role {needed}, and {principal} has {}", shown(.role))]
pub struct Denied {
    /// Who asked.
    pub principal: String,
    /// Its role there, if it has one.
    pub role: Option<Role>,
    /// For what.
    pub action: Action,
    /// On what.
    pub resource: String,
    /// The least role that is permitted.
    pub needed: Role,
}

fn shown(role: &Option<Role>) -> &'static str {
    role.map_or("none", Role::name)
}

/// Decides whether `principal` may do `action` with `resource`.
pub fn authorize(principal: &Principal, action: Action, resource: &Resource<'_>) -> Result<(), Denied> {
    let needed = action.least_role();
    let role = principal.role_on(resource);
    if role >= Some(needed) {
        return Ok(());
    }
    Err(Denied {
        principal: principal.name().to_owned(),
        role,
        action,
        resource: resource.to_string(),
        needed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Grant, Pattern};

    fn permitted(role: Role) -> Vec<&'static str> {
        let who = Principal::new("somebody", role);
        let may = |action: &&Action| authorize(&who, **action, &Resource::Repository("sales")).is_ok();
        Action::ALL.iter().filter(may).map(|action| action.name()).collect()
    }

    fn grant(role: Role, repositories: &str, branches: &str) -> Grant {
        let pattern = |text: &str| Pattern::new(text).unwrap();
        Grant { role, repositories: pattern(repositories), branches: pattern(branches) }
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
    fn a_writer_makes_and_deletes_no_repository_and_manages_nobody() {
        let writer = permitted(Role::ReadWrite);
        let missing: Vec<_> =
            Action::ALL.iter().map(|action| action.name()).filter(|name| !writer.contains(name)).collect();
        assert_eq!(
            missing,
            [
                "repository:create",
                "repository:delete",
                "branch-protection:write",
                "users:read",
                "users:write",
                "plugins:write"
            ]
        );
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
        let main = Resource::Branch { repository: "sales", branch: "main" };
        let denied = authorize(&who, Action::WriteObject, &main).expect_err("a reader");
        assert_eq!(
            denied.to_string(),
            "anna is not permitted to object:write on branch main of repository sales: that needs the role \
             read-write, and anna has read-only"
        );
        let nobody = Principal::with_grants("ben", Vec::new());
        let denied = authorize(&nobody, Action::ReadServer, &Resource::Server).expect_err("without grants");
        assert!(denied.to_string().ends_with("and ben has none"), "{denied}");
    }

    #[test]
    fn a_branch_pattern_restricts_writes_only() {
        let who = Principal::with_grants("anna", vec![grant(Role::ReadWrite, "sales-*", "dev-*")]);
        let may = |action, resource: Resource<'_>| authorize(&who, action, &resource).is_ok();
        let on = |repository, branch| Resource::Branch { repository, branch };
        assert!(may(Action::WriteObject, on("sales-eu", "dev-anna")));
        assert!(!may(Action::WriteObject, on("sales-eu", "main")), "another branch");
        assert!(!may(Action::WriteObject, on("hr-eu", "dev-anna")), "another repository");
        assert!(may(Action::ReadObject, Resource::Repository("sales-eu")), "reads are per repository");
        assert!(may(Action::ReadBranch, on("sales-eu", "main")));
        assert!(!may(Action::ReadObject, Resource::Repository("hr-eu")));
        assert!(!may(Action::CreateTag, Resource::Repository("sales-eu")), "a tag is on no branch");
        assert!(may(Action::ReadServer, Resource::Server) && may(Action::ListRepositories, Resource::Server));
    }

    #[test]
    fn grants_add_up() {
        let grants = vec![
            grant(Role::ReadOnly, "*", "*"),
            grant(Role::ReadWrite, "sales", "*"),
            grant(Role::Admin, "scratch-*", "*"),
        ];
        let who = Principal::with_grants("anna", grants);
        let role = |resource: Resource<'_>| who.role_on(&resource);
        assert_eq!(role(Resource::Repository("hr-eu")), Some(Role::ReadOnly));
        assert_eq!(role(Resource::Branch { repository: "sales", branch: "main" }), Some(Role::ReadWrite));
        assert_eq!(role(Resource::Repository("scratch-1")), Some(Role::Admin));
        assert_eq!(
            role(Resource::Server),
            Some(Role::ReadOnly),
            "an admin of some repositories is none here"
        );
    }
}
