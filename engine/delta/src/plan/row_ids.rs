//! Row tracking: fresh row ids for the files that theirs added.

use anabranch_merge::ConflictKind;
use serde_json::json;

use super::finding::Finding;
use super::markers::ROW_TRACKING_DOMAIN;
use crate::action::{Add, RawObject};
use crate::snapshot::Snapshot;

/// The counter of row ids on ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RowIds {
    high_water_mark: i64,
    moved: bool,
}

impl RowIds {
    /// The counter; `None` when ours does not track rows.
    pub(crate) fn of(ours: &Snapshot) -> Option<RowIds> {
        if !ours.protocol.names("rowTracking") || ours.metadata.is_on("delta.rowTrackingSuspended") {
            return None;
        }
        let domain = ours.domains.get(ROW_TRACKING_DOMAIN);
        let mark = domain.and_then(|domain| RawObject::parse(&domain.configuration).ok());
        let mark = mark.and_then(|object| object.read("rowIdHighWaterMark").ok().flatten());
        Some(RowIds { high_water_mark: mark.unwrap_or(-1), moved: false })
    }

    /// The body of `add` with ids of ours.
    ///
    /// A file that stays itself with another deletion vector keeps its ids. A new file gets fresh ones, unless its
    /// commit copied rows into it: those carry ids in their own column, which ours may have given out as well.
    pub(crate) fn assign(
        &mut self,
        add: &Add,
        current: Option<&Add>,
        version: u64,
        copies_rows: bool,
    ) -> Result<Result<String, Finding>, String> {
        let mut body = add.object()?;
        if let Some(current) = current {
            let current = current.object()?;
            for field in ["baseRowId", "defaultRowCommitVersion"] {
                if let Some(value) = current.get(field) {
                    body.set_raw(field, value.to_owned());
                }
            }
            return Ok(Ok(body.to_text()));
        }
        let rows = add.stored_rows();
        let Some(rows) = rows.filter(|_| !copies_rows) else {
            let message = match rows {
                None => "theirs added a file without a count of rows to a table that tracks rows",
                Some(_) => "theirs copied rows into this file; their ids may be given out on ours as well",
            };
            let finding = Finding::file(ConflictKind::RowTrackingCollision, "row-ids", &add.key, message);
            return Ok(Err(finding));
        };
        body.set("baseRowId", &self.high_water_mark.saturating_add(1))?;
        body.set("defaultRowCommitVersion", &version)?;
        self.high_water_mark = self.high_water_mark.saturating_add(rows);
        self.moved = true;
        Ok(Ok(body.to_text()))
    }

    /// The counter's new `domainMetadata`, once after ids were given out.
    pub(crate) fn take_domain(&mut self) -> Option<String> {
        std::mem::take(&mut self.moved).then(|| {
            let configuration = json!({"rowIdHighWaterMark": self.high_water_mark}).to_string();
            json!({"domain": ROW_TRACKING_DOMAIN, "configuration": configuration, "removed": false})
                .to_string()
        })
    }
}
