//! Base files that a side removed: whether its timeline explains that, and whether the other side still needs them.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_plugin::Failure;
use anabranch_plugin::bindings::anabranch::merge::snapshots::Snapshot;

use crate::commit::Touched;
use crate::names::{BaseFile, Group, Layout, comparable};
use crate::read::{self, Refused, last_file};
use crate::supported::Refusal;
use crate::timeline::Timeline;
use crate::value::Value;

/// Where the files of a side that removed some are looked up.
pub(crate) struct Files<'s> {
    pub(crate) base: &'s Snapshot,
    pub(crate) own: &'s Snapshot,
    pub(crate) other: &'s Snapshot,
    pub(crate) layout: Layout,
}

impl Files<'_> {
    /// The removed files that stand against the merge.
    ///
    /// A clean removes versions that are not the last of their file group, and file groups that were replaced. So a file group that
    /// nobody touched keeps its last file.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub(crate) fn check(
        &self,
        removed: &[(String, BaseFile)],
        touched: &BTreeMap<Group, Touched>,
        base: &Timeline,
        others: &Timeline,
    ) -> Result<Vec<Refused>, Failure> {
        let mut refused = Vec::new();
        if removed.is_empty() {
            return Ok(refused);
        }
        let kept = match self.savepoints(base, others)? {
            Ok(kept) => kept,
            Err(broken) => return Ok(vec![broken]),
        };
        let mut replaced = None;
        for (path, file) in removed {
            let name = path.rsplit('/').next().unwrap_or_default();
            if kept.contains(&(file.group.partition.clone(), name.to_owned())) {
                let why = "it was removed by a clean, and a savepoint of the other side keeps it";
                refused.push((path.clone(), Refusal::new("savepoint", why)));
            }
            if touched.contains_key(&file.group) {
                continue;
            }
            let last = last_file(self.own, &file.group)?;
            if last.is_some_and(|(instant, _)| instant > comparable(&file.instant)) {
                continue;
            }
            if replaced.is_none() {
                match self.replaced(base)? {
                    Ok(groups) => replaced = Some(groups),
                    Err(broken) => return Ok(vec![broken]),
                }
            }
            if !replaced.as_ref().is_some_and(|groups| groups.contains(&file.group)) {
                let why = "it is the last base file of its file group, and was removed without a commit that says so";
                refused.push((path.clone(), Refusal::new("removed-file", why)));
            }
        }
        Ok(refused)
    }

    /// The file groups that the active timeline of the base replaced.
    fn replaced(&self, base: &Timeline) -> Result<Result<BTreeSet<Group>, Refused>, Failure> {
        let replaces = base.completed().filter(|file| file.action == "replacecommit");
        let commits = read::commits(self.base, self.layout, replaces)?;
        Ok(commits.map(|commits| commits.into_iter().flat_map(|(commit, _)| commit.replaced).collect()))
    }

    /// The files that savepoints of the other side keep, of which the base does not know: by partition and name.
    fn savepoints(
        &self,
        base: &Timeline,
        others: &Timeline,
    ) -> Result<Result<BTreeSet<(String, String)>, Refused>, Failure> {
        let mut kept = BTreeSet::new();
        for savepoint in others.since(base).filter(|file| file.action == "savepoint") {
            let path = format!("{}{}", read::timeline_folder(self.layout), savepoint.file_name());
            let bytes = read::file(self.other, &path)?.unwrap_or_else(|| Err("it is not there".into()));
            let metadata = match bytes.and_then(|bytes| Value::read(&bytes)) {
                Ok(metadata) => metadata,
                Err(why) => return Ok(Err((path, Refusal::new("unreadable", why)))),
            };
            for (partition, of_partition) in
                metadata.get("partitionMetadata").map(Value::entries).unwrap_or_default()
            {
                let files = of_partition.get("savepointDataFile").map(Value::elements).unwrap_or_default();
                let names = files.iter().filter_map(Value::as_str);
                kept.extend(names.map(|name| (partition.clone(), name.to_owned())));
            }
        }
        Ok(Ok(kept))
    }
}
