//! Table features: which ones this merger knows, and what becomes of the protocol when both sides are joined.

use std::collections::BTreeSet;
use std::sync::Arc;

use anabranch_merge::ConflictKind;
use serde_json::{Value, json};

use super::finding::Finding;
use super::metadata::Take;
use crate::action::{Metadata, Protocol, RawObject};
use crate::snapshot::Snapshot;

/// The features whose meaning for a merge is known here. A table that names another one is never merged.
const KNOWN: [&str; 24] = [
    "allowColumnDefaults",
    "appendOnly",
    "changeDataFeed",
    "checkConstraints",
    "clustering",
    "columnMapping",
    "deletionVectors",
    "domainMetadata",
    "generatedColumns",
    "icebergCompatV1",
    "icebergCompatV2",
    "identityColumns",
    "inCommitTimestamp",
    "inCommitTimestamp-preview",
    "invariants",
    "rowTracking",
    "timestampNtz",
    "typeWidening",
    "typeWidening-preview",
    "v2Checkpoint",
    "vacuumProtocolCheck",
    "variantType",
    "variantType-preview",
    "variantShredding-preview",
];

/// The newest protocol versions that are known here.
const READER_VERSION_MAX: i64 = 3;
const WRITER_VERSION_MAX: i64 = 7;

/// The features that a writer version stands for when it names none.
const LEGACY: [(&str, i64); 7] = [
    ("appendOnly", 2),
    ("invariants", 2),
    ("checkConstraints", 3),
    ("changeDataFeed", 4),
    ("generatedColumns", 4),
    ("columnMapping", 5),
    ("identityColumns", 6),
];

/// What of a side's protocol this merger does not know.
pub(crate) fn unknown(side: &str, snapshot: &Snapshot) -> Vec<Finding> {
    let protocol = &snapshot.protocol;
    let mut findings = Vec::new();
    if protocol.min_reader_version > READER_VERSION_MAX || protocol.min_writer_version > WRITER_VERSION_MAX {
        let message = format!(
            "on {side} the table demands protocol ({}, {}), newer than ({READER_VERSION_MAX}, {WRITER_VERSION_MAX})",
            protocol.min_reader_version, protocol.min_writer_version
        );
        let versions = json!([protocol.min_reader_version, protocol.min_writer_version]);
        findings.push(Finding::table(ConflictKind::UnsupportedFeature, "protocol", message).on(
            side,
            None,
            Some(versions),
        ));
    }
    if let Some(damage) = snapshot.catalog_managed() {
        findings.push(Finding::damage(side, damage));
        return findings;
    }
    let named: BTreeSet<&String> = protocol.reader_features.union(&protocol.writer_features).collect();
    for feature in named.into_iter().filter(|feature| !KNOWN.contains(&feature.as_str())) {
        let message = format!("on {side} the table uses the feature {feature}, which cannot be merged here");
        let finding = Finding::table(ConflictKind::UnsupportedFeature, "feature", message).column(feature);
        findings.push(finding.on(side, None, Some(json!(feature))));
    }
    findings
}

/// The features that are named, or that an old version stands for and the table uses.
fn effective(protocol: &Protocol, metadata: &Metadata) -> BTreeSet<String> {
    let mut features = protocol.writer_features.clone();
    if protocol.min_writer_version < 7 {
        let used = LEGACY
            .iter()
            .filter(|(feature, version)| *version <= protocol.min_writer_version && uses(metadata, feature));
        features.extend(used.map(|(feature, _)| (*feature).to_owned()));
    }
    features
}

/// Whether schema or properties make use of a feature of the old numbering.
fn uses(metadata: &Metadata, feature: &str) -> bool {
    let schema_mentions = |word: &str| metadata.schema.to_string().contains(word);
    match feature {
        "appendOnly" => metadata.is_on("delta.appendOnly"),
        "invariants" => schema_mentions("delta.invariants"),
        "checkConstraints" => metadata.configuration.keys().any(|key| key.starts_with("delta.constraints.")),
        "changeDataFeed" => metadata.is_on("delta.enableChangeDataFeed"),
        "generatedColumns" => schema_mentions("delta.generationExpression"),
        "columnMapping" => metadata.configuration.contains_key("delta.columnMapping.mode"),
        "identityColumns" => schema_mentions("delta.identity."),
        _ => true,
    }
}

/// Joins the protocols. A feature that a side dropped is a conflict: the other side may have gone on using it.
pub(crate) fn merge_protocol(
    base: &Snapshot,
    ours: &Snapshot,
    theirs: &Snapshot,
    findings: &mut Vec<Finding>,
) -> Take<Protocol> {
    let value = |protocol: &Protocol| serde_json::from_str::<Value>(&protocol.body).ok();
    let old = effective(&base.protocol, &base.metadata);
    for (side, snapshot) in [("ours", ours), ("theirs", theirs)] {
        // A constraint that was dropped takes its old-style feature along; only named features count as dropped.
        let new = &snapshot.protocol.writer_features;
        let lists = snapshot.protocol.min_writer_version >= 7;
        let dropped =
            old.iter().filter(|feature| lists && !new.contains(*feature) && uses_or_named(base, feature));
        for feature in dropped {
            let message =
                format!("{side} dropped the feature {feature}; the other side may still depend on it");
            let finding = Finding::table(ConflictKind::FeatureDropped, "feature", message).column(feature);
            findings.push(finding.values(
                value(&base.protocol),
                value(&ours.protocol),
                value(&theirs.protocol),
            ));
        }
        if snapshot.protocol.min_reader_version < base.protocol.min_reader_version
            || snapshot.protocol.min_writer_version < base.protocol.min_writer_version
        {
            let message = format!("{side} lowered the protocol; the other side may still depend on it");
            let finding = Finding::table(ConflictKind::ProtocolConflict, "protocol", message);
            findings.push(finding.values(
                value(&base.protocol),
                value(&ours.protocol),
                value(&theirs.protocol),
            ));
        }
    }
    if theirs.protocol.same(&base.protocol) || theirs.protocol.same(&ours.protocol) {
        return Take::Keep;
    }
    if ours.protocol.same(&base.protocol) {
        return Take::Verbatim;
    }
    match union(ours, theirs) {
        Ok(joined) if joined.same(&ours.protocol) => Take::Keep,
        Ok(joined) => Take::Merged(Arc::new(joined)),
        Err(message) => {
            findings.push(Finding::table(ConflictKind::ProtocolConflict, "protocol", message));
            Take::Keep
        }
    }
}

fn uses_or_named(base: &Snapshot, feature: &str) -> bool {
    base.protocol.names(feature) || uses(&base.metadata, feature)
}

/// The least protocol that demands what both demand.
fn union(ours: &Snapshot, theirs: &Snapshot) -> Result<Protocol, String> {
    let reader = ours.protocol.min_reader_version.max(theirs.protocol.min_reader_version);
    let writer = ours.protocol.min_writer_version.max(theirs.protocol.min_writer_version);
    let mut body = RawObject::parse(&ours.protocol.body)?;
    body.set("minReaderVersion", &reader)?;
    body.set("minWriterVersion", &writer)?;
    if writer >= 7 {
        let mut features = effective(&ours.protocol, &ours.metadata);
        features.extend(effective(&theirs.protocol, &theirs.metadata));
        body.set("writerFeatures", &features)?;
        if reader >= 3 {
            let mut features: BTreeSet<_> =
                ours.protocol.reader_features.union(&theirs.protocol.reader_features).cloned().collect();
            let maps = |protocol: &Protocol| protocol.min_reader_version == 2;
            if maps(&ours.protocol) || maps(&theirs.protocol) {
                features.insert("columnMapping".into());
            }
            body.set("readerFeatures", &features)?;
        }
    }
    Protocol::parse(&body.to_text())
}

/// A property as a JSON value, for conflicts.
pub(crate) fn property_value(metadata: &Metadata, key: &str) -> Option<Value> {
    metadata.configuration.get(key).map(|value| json!(value))
}
