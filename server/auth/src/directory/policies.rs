//! Policies and what they are attached to.

use anabranch_refs::{Expect, RefUpdate};

use super::store::{Change, busy, delete};
use super::{Directory, DirectoryError, Holder, Listing, Page, PolicyInfo};
use crate::record::{GroupRecord, Link, Named, PolicyRecord, Uid, UserRecord};
use crate::{AccountName, Grant};

/// How many grants a policy has at most, and how many policies a user or a group has.
const GRANTS_MAX: usize = 50;
const POLICIES_MAX: usize = 50;

impl Directory {
    /// Makes a policy.
    pub async fn create_policy(
        &self,
        name: &AccountName,
        grants: Vec<Grant>,
    ) -> Result<PolicyInfo, DirectoryError> {
        check_grants(name, &grants)?;
        let record = PolicyRecord { uid: Uid(self.store.ids.id16()), created_ms: self.now_ms(), grants };
        if !self.store.create(name.as_str(), &record).await? {
            return Err(DirectoryError::AlreadyExists { kind: "policy", name: name.to_string() });
        }
        info(name.as_str(), record)
    }

    /// Changes what a policy grants, to everybody who has it.
    pub async fn update_policy(
        &self,
        name: &AccountName,
        grants: Vec<Grant>,
    ) -> Result<PolicyInfo, DirectoryError> {
        check_grants(name, &grants)?;
        let changed = self.store.update::<PolicyRecord>(name.as_str(), |record| {
            Ok(Change::Set(PolicyRecord { grants: grants.clone(), ..record }))
        });
        let changed = changed.await;
        self.cache.clear();
        changed?;
        self.policy(name).await
    }

    /// Looks a policy up.
    pub async fn policy(&self, name: &AccountName) -> Result<PolicyInfo, DirectoryError> {
        let (record, _) = self.store.expect::<PolicyRecord>(name.as_str()).await?;
        info(name.as_str(), record)
    }

    /// Lists policies in order of name.
    pub async fn list_policies(&self, page: &Page) -> Result<Listing<PolicyInfo>, DirectoryError> {
        let Listing { results, more, next } = self.store.list::<PolicyRecord>(page, |_| true).await?;
        let results: Result<_, DirectoryError> =
            results.into_iter().map(|(name, record)| info(&name, record)).collect();
        Ok(Listing { results: results?, more, next })
    }

    /// Deletes a policy: whoever had it loses what it granted.
    pub async fn delete_policy(&self, name: &AccountName) -> Result<(), DirectoryError> {
        let (_, version) = self.store.expect::<PolicyRecord>(name.as_str()).await?;
        let edit = delete::<PolicyRecord>(name.as_str(), Expect::Is(version));
        let update = self.store.apply("deleting a policy", &[edit]).await?;
        self.cache.clear();
        match update {
            RefUpdate::Applied(_) => Ok(()),
            RefUpdate::Rejected { .. } => Err(busy::<PolicyRecord>(name.as_str())),
        }
    }

    /// Attaches a policy to a user or a group. One that is attached stays.
    pub async fn attach(&self, holder: &Holder, policy: &AccountName) -> Result<(), DirectoryError> {
        let (record, _) = self.store.expect::<PolicyRecord>(policy.as_str()).await?;
        let link = Link { name: policy.clone(), uid: record.uid };
        self.change_policies(holder, |policies| {
            if policies.contains(&link) {
                return Ok(false);
            }
            policies.retain(|other| other.name != link.name);
            if policies.len() >= POLICIES_MAX {
                return Err(DirectoryError::invalid(format!(
                    "{POLICIES_MAX} policies are attached already: detach one, or put the grants into one policy"
                )));
            }
            policies.push(link.clone());
            Ok(true)
        })
        .await
    }

    /// Detaches a policy from a user or a group.
    pub async fn detach(&self, holder: &Holder, policy: &AccountName) -> Result<(), DirectoryError> {
        self.change_policies(holder, |policies| {
            let before = policies.len();
            policies.retain(|link| link.name != *policy);
            match policies.len() == before {
                true => Err(DirectoryError::not_found("attachment", &format!("of policy {policy}"))),
                false => Ok(true),
            }
        })
        .await
    }

    /// Lists the policies attached to a user or a group, in order of name. With `effective`, also those that a user
    /// has through its groups.
    pub async fn policies_of(
        &self,
        holder: &Holder,
        page: &Page,
        effective: bool,
    ) -> Result<Listing<PolicyInfo>, DirectoryError> {
        let mut links = match holder {
            Holder::User(name) => {
                let (user, _) = self.store.expect::<UserRecord>(name.as_str()).await?;
                if effective { self.policy_links(&user).await? } else { user.policies }
            }
            Holder::Group(name) => self.store.expect::<GroupRecord>(name.as_str()).await?.0.policies,
        };
        links.sort();
        links.dedup();
        let mut policies = Vec::with_capacity(links.len());
        for (link, record) in self.followed::<PolicyRecord>(&links).await? {
            policies.push(info(link.name.as_str(), record)?);
        }
        Ok(Listing::cut(policies, page, |policy| policy.name.as_str()))
    }

    async fn change_policies(
        &self,
        holder: &Holder,
        change: impl Fn(&mut Vec<Link>) -> Result<bool, DirectoryError>,
    ) -> Result<(), DirectoryError> {
        let changed = match holder {
            Holder::User(name) => {
                let update = self.store.update::<UserRecord>(name.as_str(), |mut user| {
                    Ok(if change(&mut user.policies)? { Change::Set(user) } else { Change::Keep })
                });
                update.await
            }
            Holder::Group(name) => {
                let update = self.store.update::<GroupRecord>(name.as_str(), |mut group| {
                    Ok(if change(&mut group.policies)? { Change::Set(group) } else { Change::Keep })
                });
                update.await
            }
        };
        self.cache.clear();
        changed
    }

    /// The records that links refer to and that are still there.
    pub(super) async fn followed<R: Named>(&self, links: &[Link]) -> Result<Vec<(Link, R)>, DirectoryError> {
        let mut found = Vec::with_capacity(links.len());
        for link in links {
            match self.store.get::<R>(link.name.as_str()).await? {
                Some((record, _)) if record.uid() == link.uid => found.push((link.clone(), record)),
                _ => {}
            }
        }
        Ok(found)
    }

    /// The policies of a user, its own and those of its groups.
    pub(super) async fn policy_links(&self, user: &UserRecord) -> Result<Vec<Link>, DirectoryError> {
        let mut links = user.policies.clone();
        for (_, group) in self.followed::<GroupRecord>(&user.groups).await? {
            links.extend(group.policies);
        }
        links.sort();
        links.dedup();
        Ok(links)
    }
}

fn check_grants(name: &AccountName, grants: &[Grant]) -> Result<(), DirectoryError> {
    if grants.len() > GRANTS_MAX {
        return Err(DirectoryError::invalid(format!(
            "policy {name} has {} grants; at most {GRANTS_MAX} are taken",
            grants.len()
        )));
    }
    Ok(())
}

fn info(name: &str, record: PolicyRecord) -> Result<PolicyInfo, DirectoryError> {
    Ok(PolicyInfo { name: AccountName::new(name)?, created_ms: record.created_ms, grants: record.grants })
}
