//! What people decided, and what of it a call learnt: its answer follows from nothing else of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use anabranch_merge::{ConflictId, InputHasher, Resolution};

/// The digest of a decision.
type DecisionDigest = [u8; 32];

/// The conflicts that a call asked about, each with what was decided about it.
pub(crate) type Learnt = BTreeMap<ConflictId, Option<DecisionDigest>>;

/// The decisions of a merge, and which of them somebody asked for.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    given: HashMap<ConflictId, Resolution>,
    learnt: Mutex<Learnt>,
}

impl Decisions {
    pub(crate) fn of(given: &[Resolution]) -> Self {
        let given = given.iter().map(|decision| (decision.conflict.clone(), decision.clone()));
        Decisions { given: given.collect(), learnt: Mutex::default() }
    }

    /// What was decided about a conflict. Notes that somebody asked.
    pub(crate) fn about(&self, conflict: &ConflictId) -> Option<&Resolution> {
        let decision = self.given.get(conflict);
        // No change is left half done.
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        learnt.insert(conflict.clone(), decision.map(digest));
        decision
    }

    /// What was asked.
    pub(crate) fn into_learnt(self) -> Learnt {
        self.learnt.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call that learnt this would learn the same here, and so do the same.
    pub(crate) fn teach(&self, learnt: &Learnt) -> bool {
        learnt.iter().all(|(conflict, decided)| self.given.get(conflict).map(digest) == *decided)
    }
}

fn digest(decision: &Resolution) -> DecisionDigest {
    let mut hasher = InputHasher::default();
    hasher.text(&decision.choice);
    hasher.option(decision.value.as_ref(), |hasher, value| hasher.text(&value.to_string()));
    hasher.option(decision.object.as_ref(), InputHasher::entry);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(conflict: &str, choice: &str) -> Resolution {
        Resolution { conflict: ConflictId(conflict.into()), choice: choice.into(), value: None, object: None }
    }

    #[test]
    fn only_what_was_asked_counts() {
        let id = |name: &str| ConflictId(name.into());
        let decisions = Decisions::of(&[decision("a", "ours"), decision("b", "ours")]);
        assert_eq!(decisions.about(&id("a")).map(|decision| decision.choice.as_str()), Some("ours"));
        assert_eq!(decisions.about(&id("c")), None);
        let learnt = decisions.into_learnt();
        for (given, same) in [
            (vec![], false),
            (vec![decision("a", "ours")], true),
            (vec![decision("a", "theirs")], false),
            (vec![decision("a", "ours"), decision("b", "theirs"), decision("d", "ours")], true),
            (vec![decision("a", "ours"), decision("c", "ours")], false),
        ] {
            assert_eq!(Decisions::of(&given).teach(&learnt), same, "{given:?}");
        }
        assert!(Decisions::default().teach(&Decisions::of(&[decision("a", "ours")]).into_learnt()));
        // What a choice takes belongs to it.
        let valued = Resolution { value: Some(7.into()), ..decision("a", "ours") };
        assert!(!Decisions::of(&[valued]).teach(&learnt));
    }
}
