//! Protected branches: what changes them is a merge.
//!
//! A repository has rules, each a pattern over branch names. On a branch that fits one, objects are neither written nor
//! deleted, nothing is committed or reset, and it is neither moved to another commit nor deleted; merges, reverts and
//! cherry-picks go on. The rules are one record in the ref-store; its version is their entity tag.

mod cache;
mod record;

use std::sync::Arc;

use anabranch_auth::{Action, Pattern, Principal};
use anabranch_refs::{Edit, Expect, Operation, Partition, RefUpdate, RefsError, Version, WriteId};
use anabranch_repository::Repository;

pub(crate) use cache::RulesCache;
use record::{decode, encode};

use crate::{App, AppError};

const KEY: &str = "branch-protection";
/// How many rules a repository has at most.
const RULES_MAX: usize = 200;
/// How often a write whose reply was lost is sent, and how often a lost race is run again.
const TRIES_MAX: usize = 20;

/// The rules of a repository, and what tells them from other ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProtectionRules {
    /// Patterns over branch names, in the order they were given in.
    pub patterns: Vec<Pattern>,
    /// Changes with every change of the rules.
    pub etag: String,
}

/// Whether a rule forbids an action on a branch that it fits. What is new counts as forbidden until it is listed here.
fn is_blocked(action: Action) -> bool {
    !matches!(
        action,
        Action::Merge
            | Action::Revert
            | Action::CherryPick
            | Action::CreateBranch
            | Action::ReadBranch
            | Action::AbortUpload
    )
}

fn partition(repository: &Repository) -> Partition {
    // As for uploads: a repository made anew under an old name begins without.
    Partition(format!("settings/{}/{}", repository.info().name, repository.info().created_ms))
}

impl App {
    /// The rules of a repository.
    pub async fn branch_protection(
        &self,
        who: &Principal,
        repository: &str,
    ) -> Result<ProtectionRules, AppError> {
        let repository = self.open(who, Action::ReadBranchProtection, repository).await?;
        let (patterns, version) = self.read_rules(&partition(&repository)).await?;
        Ok(ProtectionRules { patterns, etag: etag(version) })
    }

    /// Whether the caller may change the rules of a repository; an error if not.
    pub async fn may_set_branch_protection(&self, who: &Principal, repository: &str) -> Result<(), AppError> {
        self.open(who, Action::WriteBranchProtection, repository).await.map(|_| ())
    }

    /// Replaces the rules of a repository; with an entity tag, only if they still have it.
    pub async fn set_branch_protection(
        &self,
        who: &Principal,
        repository: &str,
        patterns: &[String],
        if_match: Option<&str>,
    ) -> Result<(), AppError> {
        let repository = self.open(who, Action::WriteBranchProtection, repository).await?;
        let patterns = checked(patterns)?;
        let partition = partition(&repository);
        let expect = match if_match.map(|given| given.trim().trim_matches('"')) {
            None | Some("*") => Expect::Any,
            Some(given) => {
                let (_, version) = self.read_rules(&partition).await?;
                let actual = etag(version);
                if given != actual {
                    return Err(changed(Some(actual)));
                }
                version.map_or(Expect::Absent, Expect::Is)
            }
        };
        match self.write_rules(&partition, &patterns, expect).await? {
            true => Ok(()),
            false => Err(changed(None)),
        }
    }

    /// Adds a rule. One that is there already is refused.
    pub async fn add_branch_protection(
        &self,
        who: &Principal,
        repository: &str,
        pattern: &str,
    ) -> Result<(), AppError> {
        let added = checked(&[pattern.to_owned()])?;
        self.change_rules(who, repository, |patterns| {
            if patterns.iter().any(|other| added.contains(other)) {
                return Err(AppError::AlreadyExists {
                    kind: "branch protection rule",
                    name: pattern.to_owned(),
                });
            }
            patterns.extend(added.iter().cloned());
            Ok(())
        })
        .await
    }

    /// Removes a rule, which must be there.
    pub async fn remove_branch_protection(
        &self,
        who: &Principal,
        repository: &str,
        pattern: &str,
    ) -> Result<(), AppError> {
        self.change_rules(who, repository, |patterns| {
            let before = patterns.len();
            patterns.retain(|other| other.as_str() != pattern);
            if patterns.len() == before {
                let name = pattern.chars().take(100).collect();
                return Err(AppError::NotFound { kind: "branch protection rule", name, hint: String::new() });
            }
            Ok(())
        })
        .await
    }

    /// Fails if a rule forbids `action` on the branch.
    pub(crate) async fn refuse_protected(
        &self,
        repository: &Repository,
        action: Action,
        branch: &str,
    ) -> Result<(), AppError> {
        if !is_blocked(action) {
            return Ok(());
        }
        let partition = partition(repository);
        let now_ms = self.now_ms();
        let rules = match self.rules.get(&partition, now_ms) {
            Ok(rules) => rules,
            Err(generation) => {
                let rules: Arc<[Pattern]> = self.read_rules(&partition).await?.0.into();
                self.rules.keep(&partition, now_ms, generation, &rules);
                rules
            }
        };
        match rules.iter().find(|pattern| pattern.matches(branch)) {
            None => Ok(()),
            Some(pattern) => Err(AppError::Protected {
                branch: branch.chars().take(100).collect(),
                repository: repository.info().name.to_string(),
                pattern: pattern.to_string(),
                action,
            }),
        }
    }

    async fn change_rules(
        &self,
        who: &Principal,
        repository: &str,
        change: impl Fn(&mut Vec<Pattern>) -> Result<(), AppError>,
    ) -> Result<(), AppError> {
        let repository = self.open(who, Action::WriteBranchProtection, repository).await?;
        let partition = partition(&repository);
        for _ in 0..TRIES_MAX {
            let (mut patterns, version) = self.read_rules(&partition).await?;
            change(&mut patterns)?;
            check_count(patterns.len())?;
            let expect = version.map_or(Expect::Absent, Expect::Is);
            if self.write_rules(&partition, &patterns, expect).await? {
                return Ok(());
            }
        }
        Err(AppError::Contended { what: format!("branch protection of {}", repository.info().name) })
    }

    async fn read_rules(&self, partition: &Partition) -> Result<(Vec<Pattern>, Option<Version>), AppError> {
        let row = self.parts.refs.get(partition, KEY).await.map_err(AppError::internal)?;
        match row {
            None => Ok((Vec::new(), None)),
            Some(row) => Ok((decode(&row.value).map_err(AppError::internal)?, Some(row.version))),
        }
    }

    /// Whether the rules were as expected and are written.
    async fn write_rules(
        &self,
        partition: &Partition,
        patterns: &[Pattern],
        expect: Expect,
    ) -> Result<bool, AppError> {
        let operation = Operation::Put { value: encode(patterns).into(), fence: None };
        let edits = [Edit { key: KEY.to_owned(), expect, operation }];
        let write_id = WriteId(self.parts.ids.id16());
        let mut tries = 1;
        let update = loop {
            match self.parts.refs.apply(partition, &edits, write_id).await {
                Err(RefsError::Unknown { .. }) if tries < TRIES_MAX => tries += 1,
                answer => break answer,
            }
        };
        self.rules.clear();
        Ok(matches!(update.map_err(AppError::internal)?, RefUpdate::Applied(_)))
    }
}

fn etag(version: Option<Version>) -> String {
    version.map_or_else(|| "none".to_owned(), |version| format!("{:x}", version.0))
}

fn changed(actual: Option<String>) -> AppError {
    let actual = Some(actual.unwrap_or_else(|| "another one".to_owned()));
    AppError::PreconditionFailed { path: "the branch protection rules".into(), actual }
}

fn checked(patterns: &[String]) -> Result<Vec<Pattern>, AppError> {
    check_count(patterns.len())?;
    let parse = |text: &String| {
        Pattern::new(text.clone()).map_err(|error| AppError::Invalid { message: error.to_string() })
    };
    patterns.iter().map(parse).collect()
}

fn check_count(rules: usize) -> Result<(), AppError> {
    if rules > RULES_MAX {
        let message = format!("{rules} branch protection rules; a repository has at most {RULES_MAX}");
        return Err(AppError::Invalid { message });
    }
    Ok(())
}
