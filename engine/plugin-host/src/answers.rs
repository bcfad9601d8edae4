//! Answers of plugins, kept by the digest of everything that they follow from.
//!
//! The same inputs give the same answer, so one that is there needs no call. What is kept must go on being true: the
//! objects that a merge wrote and that its answer names must exist as long as the answer is kept. Nothing removes objects
//! that no commit names yet; what will do so has to spare those that are younger than [`LIFETIME`].

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anabranch_merge::{Conflict, MergeEdit, MergeOutcome};
use anabranch_types::Entry;
use serde_json::Value;
use tokio::time::Instant;

use crate::decisions::{Decisions, Learnt};
use crate::differ::Window;

/// How long an answer is kept at most.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// To how many inputs answers are kept at most.
const INPUTS_MAX: usize = 10_000;
/// How many answers to the same inputs are kept, each for other decisions.
const VARIANTS_MAX: usize = 4;
/// What is noted of a decision that a call asked for takes about.
const LEARNT_BYTES: usize = 160;
/// What an answer takes beside its texts, about.
const ANSWER_BYTES: u64 = 512;

/// The digest of all inputs of a call but the decisions.
pub(crate) type InputDigest = [u8; 32];

/// An answer that holds whenever its inputs are the same: none that followed from the wall clock or the storage.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Merge(MergeOutcome),
    Changes(Arc<Window>),
}

/// The answers that are kept, those that were used last.
#[derive(Debug)]
pub(crate) struct Answers {
    bytes_max: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    places: HashMap<InputDigest, Place>,
    /// By when they were used.
    order: BTreeMap<u64, InputDigest>,
    uses: u64,
    bytes: u64,
}

/// What was answered to the same inputs.
#[derive(Debug, Default)]
struct Place {
    /// The one that was used last is the last one.
    variants: Vec<Variant>,
    used: u64,
}

/// An answer, and for which decisions it holds.
#[derive(Debug)]
struct Variant {
    learnt: Learnt,
    answer: Arc<Answer>,
    bytes: u64,
    made: Instant,
}

impl Answers {
    /// Keeps answers of so many bytes together; of none if that is zero.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Answers { bytes_max, kept: Mutex::default() }
    }

    /// Whether anything is kept at all.
    pub(crate) fn keeps(&self) -> bool {
        self.bytes_max > 0
    }

    /// What was answered to these inputs and decisions.
    pub(crate) fn find(&self, inputs: &InputDigest, decisions: &Decisions) -> Option<Arc<Answer>> {
        let mut kept = self.lock();
        kept.retain(inputs, |variant| variant.made.elapsed() <= LIFETIME);
        let variants = &mut kept.places.get_mut(inputs)?.variants;
        let found = variants.iter().rposition(|variant| decisions.teach(&variant.learnt))?;
        let found = variants.remove(found);
        let answer = Arc::clone(&found.answer);
        variants.push(found);
        kept.touch(*inputs);
        Some(answer)
    }

    /// Keeps an answer for all decisions that teach `learnt`, unless it is larger than a quarter of all that is kept.
    pub(crate) fn keep(&self, inputs: InputDigest, learnt: Learnt, answer: Answer) {
        let bytes = answer_bytes(&answer).saturating_add((learnt.len() * LEARNT_BYTES) as u64);
        if bytes > self.bytes_max / 4 {
            return;
        }
        let mut kept = self.lock();
        kept.retain(&inputs, |variant| variant.learnt != learnt);
        let others = kept.places.get(&inputs).map_or(0, |place| place.variants.len());
        let mut number = 0;
        kept.retain(&inputs, |_| {
            number += 1;
            number + VARIANTS_MAX > others + 1
        });
        let variant = Variant { learnt, answer: Arc::new(answer), bytes, made: Instant::now() };
        kept.places.entry(inputs).or_default().variants.push(variant);
        kept.bytes = kept.bytes.saturating_add(bytes);
        kept.touch(inputs);
        while kept.bytes > self.bytes_max || kept.places.len() > INPUTS_MAX {
            let Some(oldest) = kept.order.first_key_value().map(|(_, inputs)| *inputs) else { return };
            kept.retain(&oldest, |_| false);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // No change is left half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Forgets all answers to these inputs but some.
    fn retain(&mut self, inputs: &InputDigest, keep: impl FnMut(&Variant) -> bool) {
        let Some(place) = self.places.get_mut(inputs) else { return };
        let bytes = |place: &Place| place.variants.iter().map(|variant| variant.bytes).sum::<u64>();
        let before = bytes(place);
        place.variants.retain(keep);
        self.bytes = self.bytes.saturating_sub(before.saturating_sub(bytes(place)));
        if place.variants.is_empty() {
            self.order.remove(&place.used);
            self.places.remove(inputs);
        }
    }

    /// Notes that answers to these inputs were used.
    fn touch(&mut self, inputs: InputDigest) {
        let Some(place) = self.places.get_mut(&inputs) else { return };
        self.order.remove(&place.used);
        self.uses = self.uses.saturating_add(1);
        place.used = self.uses;
        self.order.insert(place.used, inputs);
    }
}

/// What an answer takes, about.
fn answer_bytes(answer: &Answer) -> u64 {
    let bytes = match answer {
        Answer::Merge(MergeOutcome::Merged { edits, report }) => {
            let edits: usize = edits.iter().map(edit_bytes).sum();
            edits.saturating_add(report.notes.iter().map(String::len).sum())
        }
        Answer::Merge(MergeOutcome::Conflicts { conflicts, report }) => {
            let conflicts: usize = conflicts.iter().map(conflict_bytes).sum();
            conflicts.saturating_add(report.notes.iter().map(String::len).sum())
        }
        Answer::Merge(MergeOutcome::Failed(failure)) => failure.message.len(),
        Answer::Changes(window) => {
            let changes: usize = window.changes.iter().map(value_bytes).sum();
            changes.saturating_add(window.notes.iter().map(String::len).sum())
        }
    };
    ANSWER_BYTES.saturating_add(bytes as u64)
}

fn edit_bytes(edit: &MergeEdit) -> usize {
    let entry = match edit {
        MergeEdit::Put { entry, .. } | MergeEdit::Link { entry, .. } => entry_bytes(entry),
        MergeEdit::Remove { .. } => 0,
    };
    edit.path().len().saturating_add(64).saturating_add(entry)
}

fn entry_bytes(entry: &Entry) -> usize {
    let metadata: usize = entry.metadata.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
    let texts = entry.address.object.as_str().len() + entry.content_type.len();
    metadata.saturating_add(texts).saturating_add(192)
}

fn conflict_bytes(conflict: &Conflict) -> usize {
    let texts = [&conflict.path, &conflict.message, &conflict.rule].map(String::len);
    let choices = conflict.choices.iter().map(|choice| choice.id.len() + choice.label.len() + 48);
    let values = [&conflict.key, &conflict.base, &conflict.ours, &conflict.theirs];
    let values = values.into_iter().flatten().map(value_bytes);
    texts.into_iter().chain(choices).chain(values).fold(256, usize::saturating_add)
}

fn value_bytes(value: &Value) -> usize {
    let inner = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(value_bytes).sum(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + 48 + value_bytes(value)).sum()
        }
    };
    inner.saturating_add(32)
}

#[cfg(test)]
mod tests {
    use anabranch_merge::{ConflictId, Failure, FailureReason, Resolution};

    use super::*;

    fn answer(text: &str) -> Answer {
        let failure = Failure { reason: FailureReason::Broken, message: text.to_owned() };
        Answer::Merge(MergeOutcome::Failed(failure))
    }

    fn found(answers: &Answers, inputs: u8) -> Option<String> {
        match &*answers.find(&[inputs; 32], &Decisions::default())? {
            Answer::Merge(MergeOutcome::Failed(failure)) => Some(failure.message.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_used_last_is_kept_within_bounds() {
        let answers = Answers::new(5 * (ANSWER_BYTES + 1));
        for inputs in 0..5 {
            answers.keep([inputs; 32], Learnt::new(), answer("a"));
        }
        assert_eq!(found(&answers, 0).as_deref(), Some("a"));
        answers.keep([5; 32], Learnt::new(), answer("b"));
        assert_eq!((found(&answers, 0).is_some(), found(&answers, 1)), (true, None));
        // One that would push out most of the others is not kept.
        answers.keep([6; 32], Learnt::new(), answer(&"x".repeat(2 * ANSWER_BYTES as usize)));
        assert_eq!(found(&answers, 6), None);
        assert_eq!(found(&answers, 5).as_deref(), Some("b"));
        // The same inputs again count once.
        for _ in 0..10 {
            answers.keep([5; 32], Learnt::new(), answer("b"));
        }
        let kept = answers.lock();
        assert_eq!((kept.places.len(), kept.order.len(), kept.bytes), (5, 5, 5 * (ANSWER_BYTES + 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_answer_is_forgotten() {
        let answers = Answers::new(1 << 20);
        answers.keep([1; 32], Learnt::new(), answer("a"));
        tokio::time::advance(LIFETIME).await;
        assert_eq!(found(&answers, 1).as_deref(), Some("a"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(found(&answers, 1), None);
        assert_eq!(answers.lock().bytes, 0);
    }

    #[test]
    fn the_answers_to_few_sets_of_decisions_are_kept() {
        let answers = Answers::new(1 << 20);
        let decided = |choice: &str| {
            let conflict = ConflictId("c".into());
            Decisions::of(&[Resolution { conflict, choice: choice.into(), value: None, object: None }])
        };
        let find = |decisions: &Decisions| answers.find(&[1; 32], decisions).is_some();
        let keep = |decisions: Decisions| {
            decisions.about(&ConflictId("c".into()));
            answers.keep([1; 32], decisions.into_learnt(), answer("a"));
        };
        keep(Decisions::default());
        for choice in ["1", "2", "3", "4", "5"] {
            keep(decided(choice));
            keep(decided(choice));
            assert!(find(&Decisions::default()) && find(&decided(choice)), "{choice}");
        }
        let found = ["1", "2", "3", "4", "5"].map(|choice| find(&decided(choice)));
        assert_eq!(found, [false, false, true, true, true]);
        let kept = answers.lock();
        assert_eq!(kept.bytes, 4 * (ANSWER_BYTES + 1 + LEARNT_BYTES as u64));
        assert_eq!((kept.places.len(), kept.order.len()), (1, 1));
    }

    #[test]
    fn nothing_is_kept_where_nothing_may_be() {
        let answers = Answers::new(0);
        answers.keep([1; 32], Learnt::new(), answer(""));
        assert!(!answers.keeps() && found(&answers, 1).is_none());
    }
}
