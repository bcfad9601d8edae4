//! Files that speak about others: summaries that name data files, and markers that vouch for them.

use anabranch_tree::{Difference, KeyRange, Tree, TreeError};

use super::names::{MARKERS, SUMMARIES, in_folder, is_hidden_below, split};
use super::read::{Finding, Reading};
use super::report::{marker_conflict, summary_conflict};
use super::scope::Scope;
use crate::Conflict;
use crate::merger::same_content;
use crate::pipeline::finder::RootFinder;
use crate::roots::folder_prefix;

impl Reading<'_, '_> {
    /// Summaries that one side wrote and markers that it added, over data that the other side changed.
    pub(super) async fn summaries(
        &self,
        finder: &mut RootFinder<'_>,
        folders: Vec<String>,
    ) -> Result<Vec<Finding>, TreeError> {
        let mut with_any = Vec::new();
        let mut probes: Vec<(Vec<u8>, String)> =
            folders.into_iter().map(|folder| (in_folder(&folder, "_").into_bytes(), folder)).collect();
        probes.sort_unstable();
        let (probes, folders): (Vec<Vec<u8>>, Vec<String>) = probes.into_iter().unzip();
        let ours = self.any_with_each(&self.input.ours, &probes).await?;
        let theirs = self.any_with_each(&self.input.theirs, &probes).await?;
        for (folder, any) in
            folders.into_iter().zip(ours.iter().zip(&theirs).map(|(left, right)| *left || *right))
        {
            if any && !finder.is_decided_elsewhere(&folder).await? {
                with_any.push(folder);
            }
        }
        let mut findings = Vec::new();
        for dataset in with_any {
            for by_ours in [true, false] {
                let found = match self.outdated_summary(finder, &dataset, by_ours).await? {
                    Some(found) => Some(found),
                    None => self.marker_without_data(finder, &dataset, by_ours).await?,
                };
                if let Some(conflict) = found {
                    findings.push(Finding { conflict, scope: Scope::Below(dataset.clone()) });
                    break;
                }
            }
        }
        Ok(findings)
    }

    async fn outdated_summary(
        &self,
        finder: &mut RootFinder<'_>,
        dataset: &str,
        by_ours: bool,
    ) -> Result<Option<Conflict>, TreeError> {
        let ([writer, other], labels) = self.by(by_ours);
        let mut written = None;
        for summary in SUMMARIES {
            let path = in_folder(dataset, summary);
            let range = match path.ends_with('/') {
                true => KeyRange::prefix(path.as_bytes()),
                false => KeyRange::single(path.as_bytes()),
            };
            let mut diff = self.session.diff(&self.input.base, writer, range);
            while let (None, Some(batch)) = (&written, diff.next_batch().await?) {
                for change in
                    batch.into_iter().filter(|change| change.after.is_some() && !change.same_content())
                {
                    let its = self.session.get(other, change.key.as_bytes()).await?;
                    if !same_content(&its, &change.after) {
                        written = Some(change.key.as_str().to_owned());
                        break;
                    }
                }
            }
        }
        let Some(summary) = written else { return Ok(None) };
        let wanted = |change: &Difference| !change.same_content();
        let Some(data) = self.first_data_change(finder, dataset, [writer, other], &wanted).await? else {
            return Ok(None);
        };
        let values = self.values([&summary, &data]).await?;
        Ok(Some(summary_conflict(dataset, &summary, &data, labels, values)))
    }

    async fn marker_without_data(
        &self,
        finder: &mut RootFinder<'_>,
        dataset: &str,
        by_ours: bool,
    ) -> Result<Option<Conflict>, TreeError> {
        let ([writer, other], labels) = self.by(by_ours);
        for marker in MARKERS {
            let path = in_folder(dataset, marker);
            let before = self.session.get(&self.input.base, path.as_bytes()).await?;
            let its = self.session.get(writer, path.as_bytes()).await?;
            if before.is_some() || its.is_none() || self.session.get(other, path.as_bytes()).await?.is_some()
            {
                continue;
            }
            let wanted = |change: &Difference| change.after.is_none();
            let Some(gone) = self.first_data_change(finder, dataset, [writer, other], &wanted).await? else {
                continue;
            };
            let folder = split(&gone).0;
            let range = KeyRange::prefix(folder_prefix(folder).as_bytes());
            if !self.session.any_in(other, &range).await? {
                let values = self.values([&path, &gone]).await?;
                return Ok(Some(marker_conflict(dataset, &path, folder, labels, values)));
            }
        }
        Ok(None)
    }

    /// The first data file below a dataset that the other side changed in the wanted way and that the writer has as it was.
    async fn first_data_change(
        &self,
        finder: &mut RootFinder<'_>,
        dataset: &str,
        [writer, other]: [&Tree; 2],
        wanted: &(dyn Fn(&Difference) -> bool + Sync),
    ) -> Result<Option<String>, TreeError> {
        for range in Scope::Below(dataset.to_owned()).ranges() {
            let mut diff = self.session.diff(&self.input.base, other, range);
            while let Some(batch) = diff.next_batch().await? {
                for change in batch.into_iter().filter(wanted) {
                    let path = change.key.as_str();
                    let relative = path.get(folder_prefix(dataset).len()..).unwrap_or_default();
                    if is_hidden_below(relative) || finder.owner(path.as_bytes()).await?.is_some() {
                        continue;
                    }
                    let its = self.session.get(writer, path.as_bytes()).await?;
                    if !same_content(&its, &change.after) {
                        return Ok(Some(path.to_owned()));
                    }
                }
            }
        }
        Ok(None)
    }
}
