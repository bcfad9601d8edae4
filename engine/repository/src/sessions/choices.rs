//! What people choose in a merge session. Each choice is a record of its own.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_merge::{Conflict, ConflictId, OBJECT_CHOICE, Resolution};
use anabranch_refs::{EDITS_MAX, Edit, Expect, Operation, ScanRange, VALUE_BYTES_MAX};
use bytes::Bytes;

use super::{matches, with_ids};
use crate::ledger::Swap;
use crate::record::ChoiceRecord;
use crate::{ChoiceAnswer, Chosen, ConflictFilter, Decided, Repository, RepositoryError};

/// How many choices are read at once.
const CHOICES_PAGE: usize = 1_000;

impl ChoiceRecord {
    /// The choice for the conflict of this id.
    pub(super) fn decided(&self, conflict: &ConflictId) -> Decided {
        Decided {
            conflict: conflict.clone(),
            path: self.path.clone(),
            choice: self.choice.clone(),
            value: self.value.clone(),
            by: self.by.clone(),
            at_ms: self.at_ms,
        }
    }

    /// The choice as mergers see it.
    pub(super) fn resolution(&self, conflict: &ConflictId) -> Result<Resolution, RepositoryError> {
        let object = self.object();
        let object =
            object.map_err(|error| RepositoryError::damaged(format!("choice {}", conflict.0), error))?;
        Ok(Resolution {
            conflict: conflict.clone(),
            choice: self.choice.clone(),
            value: self.value.clone(),
            object,
        })
    }
}

impl Repository {
    /// Chooses for one conflict of a session. The conflict must be one that the session has with the destination's head.
    ///
    /// Somebody else's different choice stands unless it is to be replaced: two people never overwrite each other by accident.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for session or conflict; [`RepositoryError::Invalid`] for a choice that the conflict
    /// does not have, or one without its object.
    pub async fn choose(
        &self,
        session: &str,
        conflict: &str,
        chosen: Chosen,
    ) -> Result<ChoiceAnswer, RepositoryError> {
        let (id, conflict) = self.conflict_of(session, conflict).await?;
        check_choice(&conflict, &chosen)?;
        let record = self.choice_record(&conflict, &chosen)?;
        let expect = if chosen.replace { Expect::Any } else { Expect::Absent };
        let partition = self.inner.partitions.choices(session);
        let value = (record.encode(), None);
        let ids = self.inner.ids.as_ref();
        match self.inner.ledger.put("keeping a choice", &partition, &id.0, expect, value, ids).await? {
            Swap::Done(_) => Ok(ChoiceAnswer::Kept(record.decided(&id))),
            Swap::Lost(standing) => {
                let Some(standing) = standing else {
                    return Err(RepositoryError::busy("conflict", &id.0, 1));
                };
                let earlier = decoded(&id, &standing.value)?;
                let same = earlier.choice == record.choice
                    && earlier.value == record.value
                    && earlier.object().ok() == record.object().ok();
                if same {
                    return Ok(ChoiceAnswer::Kept(earlier.decided(&id)));
                }
                if earlier.by != record.by {
                    return Ok(ChoiceAnswer::AlreadyDecided(earlier.decided(&id)));
                }
                // Somebody who changes their own mind, as long as nobody else came in between.
                let (value, expect) = ((record.encode(), None), Expect::Is(standing.version));
                match self.inner.ledger.put("keeping a choice", &partition, &id.0, expect, value, ids).await?
                {
                    Swap::Done(_) => Ok(ChoiceAnswer::Kept(record.decided(&id))),
                    Swap::Lost(Some(now)) => {
                        Ok(ChoiceAnswer::AlreadyDecided(decoded(&id, &now.value)?.decided(&id)))
                    }
                    Swap::Lost(None) => Err(RepositoryError::busy("conflict", &id.0, 1)),
                }
            }
        }
    }

    /// The path of the object that the choice [`OBJECT_CHOICE`] puts in place. To be asked before its bytes are taken in: a
    /// conflict that takes none would refuse them only afterwards.
    ///
    /// # Errors
    /// As [`Repository::choose`].
    pub async fn path_of_object_choice(
        &self,
        session: &str,
        conflict: &str,
    ) -> Result<String, RepositoryError> {
        let (_, conflict) = self.conflict_of(session, conflict).await?;
        check_offered(&conflict, OBJECT_CHOICE)?;
        Ok(conflict.path)
    }

    /// The conflict of this id that the session has with the destination's head.
    async fn conflict_of(
        &self,
        session: &str,
        conflict: &str,
    ) -> Result<(ConflictId, Conflict), RepositoryError> {
        let open = self.open_session(session).await?;
        let find = |conflicts| with_ids(conflicts).into_iter().find(|(id, _)| id.0 == conflict);
        let mut found = find(open.details.conflicts);
        if found.is_none() {
            // Some rules can be checked only once rows are decided: what breaks them is in the outcome alone.
            found = find(self.session_outcome(session).await?.conflicts);
        }
        found.ok_or_else(|| RepositoryError::NotFound {
            kind: "conflict",
            name: conflict.to_owned(),
            hint: format!(": merge session {session} has none of this id with its destination as it is now"),
        })
    }

    /// Makes one choice for every conflict that the filter lets through and nobody has decided (with `replace`: also where
    /// somebody has). Answers for how many it was made; conflicts that lack the choice are left alone. Once all conflicts are
    /// decided, those count too that only the decisions bring.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the session; [`RepositoryError::Invalid`] for a choice that needs an object of its own.
    pub async fn choose_all(
        &self,
        session: &str,
        filter: &ConflictFilter,
        chosen: Chosen,
    ) -> Result<u64, RepositoryError> {
        if chosen.choice == OBJECT_CHOICE || chosen.object.is_some() {
            return Err(RepositoryError::invalid(
                "an uploaded object is for one conflict: choose for that one alone",
            ));
        }
        let open = self.open_session(session).await?;
        let before = self.choices_of(session).await?;
        let mut edits = Vec::new();
        let mut conflicts = with_ids(open.details.conflicts);
        if conflicts.iter().all(|(id, _)| before.contains_key(id)) {
            let left = with_ids(self.session_outcome(session).await?.conflicts);
            let listed: BTreeSet<ConflictId> = conflicts.iter().map(|(id, _)| id.clone()).collect();
            conflicts.extend(left.into_iter().filter(|(id, _)| !listed.contains(id)));
        }
        for (id, conflict) in conflicts {
            let decided = before.get(&id);
            let wanted = matches(filter, &conflict, decided) && (decided.is_none() || chosen.replace);
            if !wanted || check_choice(&conflict, &chosen).is_err() {
                continue;
            }
            let record = self.choice_record(&conflict, &chosen)?;
            let expect = if chosen.replace { Expect::Any } else { Expect::Absent };
            let operation = Operation::Put { value: Bytes::from(record.encode()), fence: None };
            edits.push(Edit { key: id.0, expect, operation });
        }
        let mut made = 0;
        let partition = self.inner.partitions.choices(session);
        let ids = self.inner.ids.as_ref();
        let mut rest = edits.as_slice();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rest.len().min(EDITS_MAX));
            match self.inner.ledger.apply("keeping choices", &partition, chunk, ids).await? {
                anabranch_refs::RefUpdate::Applied(_) => made += chunk.len() as u64,
                anabranch_refs::RefUpdate::Rejected { .. } => {
                    // Somebody chose one of them meanwhile, and that stands: the others one by one.
                    for edit in chunk {
                        let edit = std::slice::from_ref(edit);
                        let one = self.inner.ledger.apply("keeping choices", &partition, edit, ids).await?;
                        made += u64::from(matches!(one, anabranch_refs::RefUpdate::Applied(_)));
                    }
                }
            }
            rest = after;
        }
        Ok(made)
    }

    /// Takes back what was chosen for a conflict. It may be one that the session does not have now.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the session, and for a conflict for which nothing was chosen.
    pub async fn unchoose(&self, session: &str, conflict: &str) -> Result<(), RepositoryError> {
        self.session_record(session).await?;
        let partition = self.inner.partitions.choices(session);
        let known = self.inner.ledger.get("looking up a choice", &partition, conflict).await?;
        if known.is_none() {
            return Err(RepositoryError::not_found("choice for conflict", conflict));
        }
        let ids = self.inner.ids.as_ref();
        self.inner.ledger.delete("forgetting a choice", &partition, conflict, Expect::Any, ids).await?;
        Ok(())
    }

    /// Everything that was chosen in a session.
    pub(super) async fn choices_of(
        &self,
        session: &str,
    ) -> Result<BTreeMap<ConflictId, ChoiceRecord>, RepositoryError> {
        let partition = self.inner.partitions.choices(session);
        let mut all = BTreeMap::new();
        let mut after = None;
        loop {
            let range = ScanRange { prefix: String::new(), after };
            let page = self.inner.ledger.scan("reading choices", &partition, &range, CHOICES_PAGE).await?;
            after = page.rows.last().map(|(key, _)| key.clone());
            for (key, row) in page.rows {
                let id = ConflictId(key);
                let record = decoded(&id, &row.value)?;
                all.insert(id, record);
            }
            if !page.more {
                return Ok(all);
            }
        }
    }

    /// Forgets a session: the record first, so that nobody chooses in it any more.
    pub(super) async fn close_session(&self, session: &str) -> Result<(), RepositoryError> {
        let ids = self.inner.ids.as_ref();
        let merges = self.inner.partitions.merges();
        self.inner.ledger.delete("ending a merge session", &merges, session, Expect::Any, ids).await?;
        let partition = self.inner.partitions.choices(session);
        loop {
            let all = ScanRange { prefix: String::new(), after: None };
            let page = self.inner.ledger.scan("ending a merge session", &partition, &all, EDITS_MAX).await?;
            let keys = page.rows.into_iter().map(|(key, _)| key);
            let edits: Vec<Edit> =
                keys.map(|key| Edit { key, expect: Expect::Any, operation: Operation::Delete }).collect();
            if edits.is_empty() {
                return Ok(());
            }
            self.inner.ledger.apply("ending a merge session", &partition, &edits, ids).await?;
        }
    }

    fn choice_record(&self, conflict: &Conflict, chosen: &Chosen) -> Result<ChoiceRecord, RepositoryError> {
        let what = (chosen.choice.clone(), chosen.value.clone());
        let who = (chosen.by.0.clone(), self.inner.clock.now_ms());
        let record = ChoiceRecord::new(conflict.path.clone(), what, chosen.object.as_ref(), who)
            .map_err(RepositoryError::tree("an uploaded object"))?;
        let length = record.encode().len();
        if length > VALUE_BYTES_MAX {
            return Err(RepositoryError::invalid(format!(
                "the choice for {} takes {length} bytes; at most {VALUE_BYTES_MAX} are kept",
                conflict.path
            )));
        }
        Ok(record)
    }
}

fn decoded(id: &ConflictId, value: &[u8]) -> Result<ChoiceRecord, RepositoryError> {
    ChoiceRecord::decode(value)
        .map_err(|error| RepositoryError::damaged(format!("choice for conflict {}", id.0), error))
}

/// Refuses a choice that the conflict does not offer.
fn check_offered(conflict: &Conflict, choice: &str) -> Result<(), RepositoryError> {
    if conflict.choices.iter().any(|offered| offered.id == choice) {
        return Ok(());
    }
    let offered: Vec<&str> = conflict.choices.iter().map(|choice| choice.id.as_str()).collect();
    let offered = if offered.is_empty() {
        "it has none: what failed has to be mended first".to_owned()
    } else {
        format!("it has {}", offered.join(", "))
    };
    let shown: String = choice.chars().take(100).collect();
    Err(RepositoryError::invalid(format!(
        "{shown:?} is no choice of the {} at {}: {offered}",
        conflict.kind, conflict.path
    )))
}

/// Refuses what the conflict does not offer, and an object where none belongs.
fn check_choice(conflict: &Conflict, chosen: &Chosen) -> Result<(), RepositoryError> {
    check_offered(conflict, &chosen.choice)?;
    match (chosen.choice == OBJECT_CHOICE, chosen.object.is_some()) {
        (true, false) => Err(RepositoryError::invalid(format!(
            "the choice {OBJECT_CHOICE:?} for {} takes an object: upload it as the choice",
            conflict.path
        ))),
        (false, true) => Err(RepositoryError::invalid(format!(
            "only the choice {OBJECT_CHOICE:?} takes an object, not {:?}",
            chosen.choice
        ))),
        _ => Ok(()),
    }
}
