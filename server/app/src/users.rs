//! Users, their keys, groups and policies: who may do what with them.
//!
//! Everybody may read itself and manage its own keys; everything else takes an administrator of the whole server. The
//! key pair of the server's configuration is one always, so that nobody can lock everybody out.

use anabranch_auth::{
    AccountName, Action, DirectoryError, Grant, GroupInfo, Holder, KeyInfo, Listing, NewKey, Page,
    PolicyInfo, Principal, Resource, UserInfo,
};
use anabranch_repository::{Paged, Paging};

use crate::app::permit;
use crate::{App, AppError};

/// Fails unless `who` is that user or may do `action` with all users.
fn permit_for(who: &Principal, action: Action, user: &str) -> Result<(), AppError> {
    if who.name() == user { Ok(()) } else { permit(who, action, &Resource::Server) }
}

fn permit_all(who: &Principal, action: Action) -> Result<(), AppError> {
    permit(who, action, &Resource::Server)
}

/// The name of something that should be there: one that nothing can have does not exist.
fn known(kind: &'static str, name: &str) -> Result<AccountName, AppError> {
    AccountName::new(name).map_err(|_| AppError::NotFound {
        kind,
        name: name.chars().take(100).collect(),
        hint: String::new(),
    })
}

/// The name of something to be made.
fn fresh(name: &str) -> Result<AccountName, AppError> {
    AccountName::new(name).map_err(|error| AppError::Invalid { message: error.to_string() })
}

fn user_holder(user: &str) -> Result<Holder, AppError> {
    known("user", user).map(Holder::User)
}

fn group_holder(group: &str) -> Result<Holder, AppError> {
    known("group", group).map(Holder::Group)
}

fn page(paging: Paging) -> Page {
    Page { prefix: paging.prefix, after: paging.after, amount: paging.amount }
}

fn paged<T>(listing: Listing<T>) -> Paged<T> {
    Paged { results: listing.results, more: listing.more, next: listing.next }
}

impl From<DirectoryError> for AppError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::NotFound { kind, name } => AppError::NotFound { kind, name, hint: String::new() },
            DirectoryError::AlreadyExists { kind, name } => AppError::AlreadyExists { kind, name },
            DirectoryError::Invalid { message } => AppError::Invalid { message },
            DirectoryError::Busy { kind, name } => AppError::Contended { what: format!("{kind} {name}") },
            other => AppError::internal(other),
        }
    }
}

/// Users.
impl App {
    /// Who is calling. A caller without a record, as tests have them, was made at no time.
    pub async fn current_user(&self, who: &Principal) -> Result<UserInfo, AppError> {
        let name = fresh(who.name())?;
        match self.parts.directory.user(&name).await {
            Err(DirectoryError::NotFound { .. }) => Ok(UserInfo { name, created_ms: 0 }),
            found => Ok(found?),
        }
    }

    /// Makes a user, without keys and without grants.
    pub async fn create_user(&self, who: &Principal, user: &str) -> Result<UserInfo, AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.create_user(&fresh(user)?).await?)
    }

    /// Looks a user up.
    pub async fn user(&self, who: &Principal, user: &str) -> Result<UserInfo, AppError> {
        permit_for(who, Action::ReadUsers, user)?;
        Ok(self.parts.directory.user(&known("user", user)?).await?)
    }

    /// Lists users in order of name.
    pub async fn list_users(&self, who: &Principal, paging: Paging) -> Result<Paged<UserInfo>, AppError> {
        permit_all(who, Action::ReadUsers)?;
        Ok(paged(self.parts.directory.list_users(&page(paging)).await?))
    }

    /// Deletes a user and all its keys.
    pub async fn delete_user(&self, who: &Principal, user: &str) -> Result<(), AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.delete_user(&known("user", user)?).await?)
    }

    /// Lists the groups that a user is in.
    pub async fn groups_of_user(
        &self,
        who: &Principal,
        user: &str,
        paging: Paging,
    ) -> Result<Paged<GroupInfo>, AppError> {
        permit_for(who, Action::ReadUsers, user)?;
        Ok(paged(self.parts.directory.groups_of(&known("user", user)?, &page(paging)).await?))
    }

    /// Lists the policies of a user; with `effective`, also those of its groups.
    pub async fn policies_of_user(
        &self,
        who: &Principal,
        user: &str,
        paging: Paging,
        effective: bool,
    ) -> Result<Paged<PolicyInfo>, AppError> {
        permit_for(who, Action::ReadUsers, user)?;
        let holder = user_holder(user)?;
        Ok(paged(self.parts.directory.policies_of(&holder, &page(paging), effective).await?))
    }
}

/// Access keys.
impl App {
    /// Makes another access key for a user. Its secret is in the answer and nowhere else.
    pub async fn create_key(&self, who: &Principal, user: &str) -> Result<NewKey, AppError> {
        permit_for(who, Action::WriteUsers, user)?;
        Ok(self.parts.directory.create_key(&known("user", user)?).await?)
    }

    /// Lists the access keys of a user, without their secrets.
    pub async fn list_keys(
        &self,
        who: &Principal,
        user: &str,
        paging: Paging,
    ) -> Result<Paged<KeyInfo>, AppError> {
        permit_for(who, Action::ReadUsers, user)?;
        Ok(paged(self.parts.directory.list_keys(&known("user", user)?, &page(paging)).await?))
    }

    /// Looks an access key of a user up, without its secret.
    pub async fn key(&self, who: &Principal, user: &str, access_key_id: &str) -> Result<KeyInfo, AppError> {
        permit_for(who, Action::ReadUsers, user)?;
        Ok(self.parts.directory.key(&known("user", user)?, access_key_id).await?)
    }

    /// Deletes an access key of a user.
    pub async fn delete_key(&self, who: &Principal, user: &str, access_key_id: &str) -> Result<(), AppError> {
        permit_for(who, Action::WriteUsers, user)?;
        Ok(self.parts.directory.delete_key(&known("user", user)?, access_key_id).await?)
    }
}

/// Groups.
impl App {
    /// Makes a group.
    pub async fn create_group(
        &self,
        who: &Principal,
        group: &str,
        description: String,
    ) -> Result<GroupInfo, AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.create_group(&fresh(group)?, description).await?)
    }

    /// Looks a group up.
    pub async fn group(&self, who: &Principal, group: &str) -> Result<GroupInfo, AppError> {
        permit_all(who, Action::ReadUsers)?;
        Ok(self.parts.directory.group(&known("group", group)?).await?)
    }

    /// Lists groups in order of name.
    pub async fn list_groups(&self, who: &Principal, paging: Paging) -> Result<Paged<GroupInfo>, AppError> {
        permit_all(who, Action::ReadUsers)?;
        Ok(paged(self.parts.directory.list_groups(&page(paging)).await?))
    }

    /// Deletes a group: its members lose what it granted.
    pub async fn delete_group(&self, who: &Principal, group: &str) -> Result<(), AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.delete_group(&known("group", group)?).await?)
    }

    /// Puts a user into a group.
    pub async fn add_member(&self, who: &Principal, group: &str, user: &str) -> Result<(), AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.add_member(&known("group", group)?, &known("user", user)?).await?)
    }

    /// Takes a user out of a group.
    pub async fn remove_member(&self, who: &Principal, group: &str, user: &str) -> Result<(), AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.remove_member(&known("group", group)?, &known("user", user)?).await?)
    }

    /// Lists the members of a group.
    pub async fn members(
        &self,
        who: &Principal,
        group: &str,
        paging: Paging,
    ) -> Result<Paged<UserInfo>, AppError> {
        permit_all(who, Action::ReadUsers)?;
        Ok(paged(self.parts.directory.members(&known("group", group)?, &page(paging)).await?))
    }

    /// Lists the policies of a group.
    pub async fn policies_of_group(
        &self,
        who: &Principal,
        group: &str,
        paging: Paging,
    ) -> Result<Paged<PolicyInfo>, AppError> {
        permit_all(who, Action::ReadUsers)?;
        let holder = group_holder(group)?;
        Ok(paged(self.parts.directory.policies_of(&holder, &page(paging), false).await?))
    }
}

/// Policies.
impl App {
    /// Makes a policy.
    pub async fn create_policy(
        &self,
        who: &Principal,
        policy: &str,
        grants: Vec<Grant>,
    ) -> Result<PolicyInfo, AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.create_policy(&fresh(policy)?, grants).await?)
    }

    /// Looks a policy up.
    pub async fn policy(&self, who: &Principal, policy: &str) -> Result<PolicyInfo, AppError> {
        permit_all(who, Action::ReadUsers)?;
        Ok(self.parts.directory.policy(&known("policy", policy)?).await?)
    }

    /// Lists policies in order of name.
    pub async fn list_policies(
        &self,
        who: &Principal,
        paging: Paging,
    ) -> Result<Paged<PolicyInfo>, AppError> {
        permit_all(who, Action::ReadUsers)?;
        Ok(paged(self.parts.directory.list_policies(&page(paging)).await?))
    }

    /// Changes what a policy grants.
    pub async fn update_policy(
        &self,
        who: &Principal,
        policy: &str,
        grants: Vec<Grant>,
    ) -> Result<PolicyInfo, AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.update_policy(&known("policy", policy)?, grants).await?)
    }

    /// Deletes a policy: whoever has it loses what it grants.
    pub async fn delete_policy(&self, who: &Principal, policy: &str) -> Result<(), AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.delete_policy(&known("policy", policy)?).await?)
    }

    /// Attaches a policy to a user.
    pub async fn attach_to_user(&self, who: &Principal, user: &str, policy: &str) -> Result<(), AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.attach(&user_holder(user)?, &known("policy", policy)?).await?)
    }

    /// Detaches a policy from a user.
    pub async fn detach_from_user(&self, who: &Principal, user: &str, policy: &str) -> Result<(), AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.detach(&user_holder(user)?, &known("policy", policy)?).await?)
    }

    /// Attaches a policy to a group.
    pub async fn attach_to_group(&self, who: &Principal, group: &str, policy: &str) -> Result<(), AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.attach(&group_holder(group)?, &known("policy", policy)?).await?)
    }

    /// Detaches a policy from a group.
    pub async fn detach_from_group(
        &self,
        who: &Principal,
        group: &str,
        policy: &str,
    ) -> Result<(), AppError> {
        permit_all(who, Action::WriteUsers)?;
        Ok(self.parts.directory.detach(&group_holder(group)?, &known("policy", policy)?).await?)
    }
}
