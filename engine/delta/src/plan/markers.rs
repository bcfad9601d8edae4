//! Streaming transactions and metadata domains.

use std::collections::BTreeSet;
use std::sync::Arc;

use anabranch_merge::ConflictKind;
use serde_json::json;

use super::finding::Finding;
use super::metadata::Touch;
use crate::action::{Action, Commit};
use crate::snapshot::Snapshot;

/// The domain in which row tracking keeps its counter.
pub(crate) const ROW_TRACKING_DOMAIN: &str = "delta.rowTracking";
/// The domain that names the clustering columns.
const CLUSTERING_DOMAIN: &str = "delta.clustering";

/// Decides the transactions: the applications whose progress on theirs is replayed.
///
/// One application that went on on both sides has written its rows twice, or left rows out: a conflict. If ours
/// already holds the very commit, by a cherry-pick or an earlier merge, there is nothing to decide.
pub(crate) fn merge_txns(
    base: &Snapshot,
    ours: &Snapshot,
    theirs: &Snapshot,
    their_commits: &[Arc<Commit>],
    findings: &mut Vec<Finding>,
) -> BTreeSet<String> {
    let mut replayed = BTreeSet::new();
    for (app, their) in &theirs.txns {
        let version = |snapshot: &Snapshot| snapshot.txns.get(app).map(|txn| txn.version);
        let (old, our) = (version(base), version(ours));
        if old == Some(their.version) {
            continue;
        }
        if our == old {
            replayed.insert(app.clone());
            continue;
        }
        let advanced = |commit: &&Arc<Commit>| {
            commit.actions.iter().any(|action| matches!(action, Action::Txn(txn) if txn.app_id == *app))
        };
        let already_here = |commit: &Arc<Commit>| {
            commit.adds().next().is_some()
                && commit.adds().all(|add| ours.files.get(&add.key).is_some_and(|file| file.same_file(add)))
        };
        if our == Some(their.version) && their_commits.iter().filter(advanced).all(already_here) {
            continue;
        }
        let message = format!("streaming application {app} went on on both sides: rows may be there twice");
        let value = |version: Option<i64>| version.map(|version| json!({"appId": app, "version": version}));
        findings.push(
            Finding::table(ConflictKind::TxnConflict, "txn", message).key(json!({"appId": app})).values(
                value(old),
                value(our),
                value(Some(their.version)),
            ),
        );
    }
    replayed
}

/// Decides the metadata domains: those whose configuration on theirs is replayed.
pub(crate) fn merge_domains(
    base: &Snapshot,
    ours: &Snapshot,
    theirs: &Snapshot,
    our_touch: Touch,
    their_touch: Touch,
    findings: &mut Vec<Finding>,
) -> BTreeSet<String> {
    let mut replayed = BTreeSet::new();
    let names: BTreeSet<&String> =
        [base, ours, theirs].into_iter().flat_map(|snapshot| snapshot.domains.keys()).collect();
    for name in names {
        let text =
            |snapshot: &Snapshot| snapshot.domains.get(name).map(|domain| domain.configuration.clone());
        let (old, our, their) = (text(base), text(ours), text(theirs));
        // The counter of row tracking is computed anew.
        if name == ROW_TRACKING_DOMAIN
            || (our == old && their == old)
            || (our == their && name != CLUSTERING_DOMAIN)
        {
            continue;
        }
        let value = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        let mut refuse = |kind: ConflictKind, message: String| {
            let finding = Finding::table(kind, "domain", message).column(name);
            findings.push(finding.values(value(&old), value(&our), value(&their)));
        };
        let their_change = their != old;
        let other = if their_change { our_touch } else { their_touch };
        if our != old && their_change && our != their {
            refuse(ConflictKind::DomainConflict, format!("both sides changed the metadata domain {name}"));
        } else if name == CLUSTERING_DOMAIN && other.adds_files {
            let message = "the clustering columns changed; whether the other side's new files carry their statistics is not checked yet";
            refuse(ConflictKind::DomainConflict, message.into());
        } else if their_change && name.starts_with("delta.") && name != CLUSTERING_DOMAIN {
            refuse(ConflictKind::UnsupportedFeature, format!("theirs changed the system domain {name}"));
        } else if their_change && our == old {
            replayed.insert(name.clone());
        }
    }
    replayed
}
