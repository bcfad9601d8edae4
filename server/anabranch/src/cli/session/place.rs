//! One session as the verbs see it: found by the beginning of its id, asked on its branch.

use anabranch_api::{utc, wire};
use anyhow::{Context, bail};
use reqwest::Method;
use serde_json::json;

use super::{Filter, Which};
use crate::cli::client::{Client, Merged, to_json};
use crate::cli::merge::{conflict_table, summary};
use crate::cli::output::{Answer, DIFFERS, counted, short, shown};

/// The length of the ids of sessions and conflicts.
const ID_LENGTH: usize = 32;

/// A session on its branch.
pub(super) struct Place<'a> {
    client: &'a Client,
    repository: &'a str,
    pub(super) session: wire::MergeSession,
}

impl<'a> Place<'a> {
    /// The one session whose id begins like this.
    pub(super) async fn find(client: &'a Client, which: &'a Which) -> anyhow::Result<Self> {
        let repository = which.repository.as_str();
        if which.session.is_empty() {
            bail!("name the session: `anabranch session list {repository}` shows them");
        }
        let segments = ["repositories", repository, "merge_sessions"];
        let query = [("prefix", which.session.as_str())];
        let (mut found, more) =
            client.list::<wire::MergeSessionList, wire::MergeSession>(&segments, &query, Some(2)).await?;
        match (found.pop(), found.is_empty() && !more) {
            (Some(session), true) => Ok(Place { client, repository, session }),
            (None, _) => bail!(
                "no merge session {} is open: it was completed or abandoned, or never began",
                shown(&which.session)
            ),
            _ => bail!("several merge sessions begin with {}: give more of the id", shown(&which.session)),
        }
    }

    pub(super) fn request(&self, method: Method, below: &[&str]) -> anyhow::Result<reqwest::RequestBuilder> {
        self.client.request(method, &self.segments(below))
    }

    fn segments<'b>(&'b self, below: &[&'b str]) -> Vec<&'b str> {
        let (branch, id) = (self.session.destination.as_str(), self.session.id.as_str());
        let mut segments = vec!["repositories", self.repository, "branches", branch, "merge_sessions", id];
        segments.extend(below);
        segments
    }

    pub(super) async fn conflicts(
        &self,
        filter: &Filter,
        undecided: bool,
    ) -> anyhow::Result<Vec<wire::SessionConflict>> {
        let segments = self.segments(&["conflicts"]);
        let query = [
            ("table", filter.table.as_deref().unwrap_or_default()),
            ("kind", filter.kind.as_deref().unwrap_or_default()),
            ("undecided", if undecided { "true" } else { "false" }),
        ];
        Ok(self.client.list::<wire::SessionConflictList, _>(&segments, &query, None).await?.0)
    }

    /// The id of the conflict that is meant.
    pub(super) async fn conflict(&self, named: &str) -> anyhow::Result<String> {
        if named.len() == ID_LENGTH && named.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(named.to_owned());
        }
        let listed = self.conflicts(&Filter { table: None, kind: None }, false).await?;
        let mut later = Vec::new();
        if listed.iter().all(|one| one.decided.is_some()) {
            // What only the decisions bring is listed in what they come to.
            let outcome: wire::MergeReport =
                self.client.json(self.request(Method::GET, &["outcome"])?).await?;
            let is_listed = |id: &str| listed.iter().any(|one| one.conflict.conflict_id == id);
            later = outcome.conflicts;
            later.retain(|conflict| !is_listed(&conflict.conflict_id));
        }
        let ids = |fits: &dyn Fn(&wire::Conflict) -> bool, only_open: bool| -> Vec<String> {
            let known = listed.iter().filter(|one| !only_open || one.decided.is_none());
            let all = known.map(|one| &one.conflict).chain(&later);
            all.filter(|conflict| fits(conflict)).map(|conflict| conflict.conflict_id.clone()).collect()
        };
        let mut found = ids(&|conflict| conflict.path == named, false);
        if found.len() > 1 {
            // A table has many: its name stands for the one that is left.
            found = Some(ids(&|conflict| conflict.path == named, true))
                .filter(|open| open.len() == 1)
                .unwrap_or(found);
        }
        if found.is_empty() && !named.is_empty() {
            found = ids(&|conflict| conflict.conflict_id.starts_with(named), false);
        }
        match (found.pop(), found.is_empty()) {
            (Some(id), true) => Ok(id),
            (None, _) => bail!(
                "no conflict is named {}: `anabranch session conflicts {} {}` lists them",
                shown(named),
                self.repository,
                short(&self.session.id)
            ),
            _ => bail!("several conflicts are named {}: give the id of one", shown(named)),
        }
    }

    pub(super) async fn show(&self) -> anyhow::Result<Answer> {
        let session: wire::MergeSession = self.client.json(self.request(Method::GET, &[])?).await?;
        let text = format!(
            "merge session {}\n  {} into {}, begun by {} on {}\n  {} of {} undecided\n{}",
            session.id,
            shown(&session.source),
            shown(&session.destination),
            shown(&session.creator),
            utc(session.creation_date),
            session.undecided,
            counted(session.conflicts, "conflict"),
            summary(&session.summary)
        );
        Ok(Answer::clean(text, to_json(&session)?))
    }

    pub(super) async fn complete(&self, body: &wire::MergeSessionCompletion) -> anyhow::Result<Answer> {
        let request = self.request(Method::POST, &["complete"])?.json(body);
        let (source, destination) = (shown(&self.session.source), shown(&self.session.destination));
        match self.client.merge(request).await? {
            Merged::Done(response) => {
                let result: wire::MergeResult =
                    response.json().await.context("the server's answer cannot be read")?;
                let head = format!("merged {source} into {destination}: {}\n", short(&result.reference));
                Ok(Answer::clean(head + &summary(&result.summary), to_json(&result)?))
            }
            Merged::Conflicts(left) => {
                let count = wire::count_conflicts(&left.conflicts);
                let text = format!(
                    "{}{count} left to decide: nothing was merged\n",
                    conflict_table(&left.conflicts)
                );
                Ok(Answer { text, json: to_json(&left)?, exit_code: DIFFERS })
            }
            Merged::NoChanges(message) => {
                Ok(Answer::clean(format!("{}\n", shown(&message)), json!({"message": message})))
            }
        }
    }
}
