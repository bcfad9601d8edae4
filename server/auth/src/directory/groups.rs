//! Groups and who is in them.

use anabranch_refs::{Expect, RefUpdate};

use super::store::{Change, busy, delete};
use super::{Directory, DirectoryError, GroupInfo, Listing, Page, UserInfo, users};
use crate::AccountName;
use crate::record::{GroupRecord, Link, Uid, UserRecord};

const DESCRIPTION_BYTES_MAX: usize = 1_000;
/// How many groups a user is in at most.
const GROUPS_MAX: usize = 50;

impl Directory {
    /// Makes a group, without members and without policies.
    pub async fn create_group(
        &self,
        name: &AccountName,
        description: String,
    ) -> Result<GroupInfo, DirectoryError> {
        if description.len() > DESCRIPTION_BYTES_MAX {
            return Err(DirectoryError::invalid(format!(
                "the description of group {name} is longer than {DESCRIPTION_BYTES_MAX} bytes"
            )));
        }
        let record = GroupRecord {
            uid: Uid(self.store.ids.id16()),
            created_ms: self.now_ms(),
            description,
            policies: Vec::new(),
        };
        if !self.store.create(name.as_str(), &record).await? {
            return Err(DirectoryError::AlreadyExists { kind: "group", name: name.to_string() });
        }
        info(name.as_str(), &record)
    }

    /// Looks a group up.
    pub async fn group(&self, name: &AccountName) -> Result<GroupInfo, DirectoryError> {
        let (record, _) = self.store.expect::<GroupRecord>(name.as_str()).await?;
        info(name.as_str(), &record)
    }

    /// Lists groups in order of name.
    pub async fn list_groups(&self, page: &Page) -> Result<Listing<GroupInfo>, DirectoryError> {
        let listing = self.store.list::<GroupRecord>(page, |_| true).await?;
        let results: Result<_, DirectoryError> =
            listing.results.iter().map(|(name, record)| info(name, record)).collect();
        Ok(Listing { results: results?, more: listing.more, next: listing.next })
    }

    /// Deletes a group. Its members lose what it granted; one made anew under its name has none of them.
    pub async fn delete_group(&self, name: &AccountName) -> Result<(), DirectoryError> {
        let (_, version) = self.store.expect::<GroupRecord>(name.as_str()).await?;
        let edit = delete::<GroupRecord>(name.as_str(), Expect::Is(version));
        let update = self.store.apply("deleting a group", &[edit]).await?;
        self.cache.clear();
        match update {
            RefUpdate::Applied(_) => Ok(()),
            RefUpdate::Rejected { .. } => Err(busy::<GroupRecord>(name.as_str())),
        }
    }

    /// Puts a user into a group. One that is in it stays.
    pub async fn add_member(&self, group: &AccountName, user: &AccountName) -> Result<(), DirectoryError> {
        let (record, _) = self.store.expect::<GroupRecord>(group.as_str()).await?;
        let link = Link { name: group.clone(), uid: record.uid };
        let changed = self.store.update::<UserRecord>(user.as_str(), |mut member| {
            if member.groups.contains(&link) {
                return Ok(Change::Keep);
            }
            member.groups.retain(|other| other.name != link.name);
            if member.groups.len() >= GROUPS_MAX {
                return Err(DirectoryError::invalid(format!(
                    "user {user} is in {GROUPS_MAX} groups already: take it out of one first"
                )));
            }
            member.groups.push(link.clone());
            Ok(Change::Set(member))
        });
        let changed = changed.await;
        self.cache.clear();
        changed
    }

    /// Takes a user out of a group.
    pub async fn remove_member(&self, group: &AccountName, user: &AccountName) -> Result<(), DirectoryError> {
        self.store.expect::<GroupRecord>(group.as_str()).await?;
        let changed = self.store.update::<UserRecord>(user.as_str(), |mut member| {
            let before = member.groups.len();
            member.groups.retain(|link| link.name != *group);
            if member.groups.len() == before {
                return Err(DirectoryError::not_found("membership", &format!("of {user} in {group}")));
            }
            Ok(Change::Set(member))
        });
        let changed = changed.await;
        self.cache.clear();
        changed
    }

    /// Lists the members of a group in order of name.
    pub async fn members(
        &self,
        group: &AccountName,
        page: &Page,
    ) -> Result<Listing<UserInfo>, DirectoryError> {
        let (record, _) = self.store.expect::<GroupRecord>(group.as_str()).await?;
        let link = Link { name: group.clone(), uid: record.uid };
        users::infos(self.store.list::<UserRecord>(page, |user| user.groups.contains(&link)).await?)
    }

    /// Lists the groups that a user is in, in order of name.
    pub async fn groups_of(
        &self,
        user: &AccountName,
        page: &Page,
    ) -> Result<Listing<GroupInfo>, DirectoryError> {
        let (member, _) = self.store.expect::<UserRecord>(user.as_str()).await?;
        let mut groups = Vec::with_capacity(member.groups.len());
        for (link, record) in self.followed::<GroupRecord>(&member.groups).await? {
            groups.push(info(link.name.as_str(), &record)?);
        }
        Ok(Listing::cut(groups, page, |group| group.name.as_str()))
    }
}

fn info(name: &str, record: &GroupRecord) -> Result<GroupInfo, DirectoryError> {
    Ok(GroupInfo {
        name: AccountName::new(name)?,
        created_ms: record.created_ms,
        description: record.description.clone(),
    })
}
