//! Random programs on two branches that merge back and forth, beside a plain model of rows: a merge is exactly the
//! three-way merge of the rows, or a conflict that the files account for. It is never wrong.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::notation::{Sides, Table};
use crate::lint::lint;
use crate::plan::{Planned, changed_files};
use crate::snapshot::LiveFiles;

type Rows = BTreeSet<u32>;

#[derive(Clone, Debug)]
enum Step {
    Append { branch: usize },
    DeleteFile { branch: usize, pick: prop::sample::Index },
    RewriteFile { branch: usize, pick: prop::sample::Index },
    HideRow { branch: usize, pick: prop::sample::Index },
    Compact { branch: usize, pick: prop::sample::Index },
    Merge { into: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let branch = 0..2_usize;
    let pick = any::<prop::sample::Index>();
    let step = prop_oneof![
        3 => branch.clone().prop_map(|branch| Step::Append { branch }),
        1 => (branch.clone(), pick.clone()).prop_map(|(branch, pick)| Step::DeleteFile { branch, pick }),
        2 => (branch.clone(), pick.clone()).prop_map(|(branch, pick)| Step::RewriteFile { branch, pick }),
        1 => (branch.clone(), pick.clone()).prop_map(|(branch, pick)| Step::HideRow { branch, pick }),
        1 => (branch.clone(), pick).prop_map(|(branch, pick)| Step::Compact { branch, pick }),
        2 => branch.prop_map(|into| Step::Merge { into }),
    ];
    prop::collection::vec(step, 1..24)
}

/// What the files hold: a name, with or without a deletion vector, to its rows.
#[derive(Default)]
struct World {
    contents: BTreeMap<String, Rows>,
    next: u32,
}

impl World {
    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn file(&mut self, rows: Rows) -> String {
        let name = format!("f{}", self.fresh());
        self.contents.insert(name.clone(), rows);
        name
    }

    fn rows(&self, live: &LiveFiles) -> Vec<u32> {
        let mut rows: Vec<u32> =
            live.values().flat_map(|add| self.contents[&file_name(add)].clone()).collect();
        rows.sort_unstable();
        rows
    }

    /// The commit of a step on a table, in the notation; `None` when it finds nothing to do.
    fn commit(&mut self, step: &Step, table: &Table) -> Option<String> {
        let live: Vec<String> = table.snapshot().files.values().map(|add| file_name(add)).collect();
        let chosen =
            |pick: &prop::sample::Index| (!live.is_empty()).then(|| live[pick.index(live.len())].clone());
        Some(match step {
            Step::Append { .. } => {
                let rows = (0..3).map(|_| self.fresh()).collect();
                format!("+{}", self.file(rows))
            }
            Step::DeleteFile { pick, .. } => format!("-{} op=DELETE", chosen(pick)?),
            Step::RewriteFile { pick, .. } => {
                let old = chosen(pick)?;
                let mut rows = self.contents[&old].clone();
                rows.pop_first();
                rows.insert(self.fresh());
                format!("-{old} +{} op=UPDATE", self.file(rows))
            }
            Step::HideRow { pick, .. } => {
                let old = chosen(pick)?;
                let mut rows = self.contents[&old].clone();
                rows.pop_first();
                let path = old.split('@').next().unwrap();
                let new = format!("{path}@{}", self.fresh());
                self.contents.insert(new.clone(), rows);
                format!("-{old} +{new} op=DELETE")
            }
            Step::Compact { pick, .. } => {
                let (first, second) = (chosen(pick)?, live.first()?.clone());
                if first == second {
                    return None;
                }
                let rows = self.contents[&first].union(&self.contents[&second]).copied().collect();
                format!("~ -{first} -{second} +{}", self.file(rows))
            }
            Step::Merge { .. } => return None,
        })
    }
}

fn file_name(add: &crate::action::Add) -> String {
    match add.vector_id() {
        "" => add.key.to_string(),
        vector => format!("{}@{}", add.key, &vector[1..]),
    }
}

fn three_way(base: &[u32], ours: &[u32], theirs: &[u32]) -> Vec<u32> {
    let set = |rows: &[u32]| rows.iter().copied().collect::<BTreeSet<u32>>();
    let (base, ours, theirs) = (set(base), set(ours), set(theirs));
    let all = ours.union(&theirs).copied();
    all.filter(|row| !base.contains(row) || (ours.contains(row) && theirs.contains(row))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_merge_is_right_or_a_conflict(steps in steps()) {
        let mut world = World::default();
        let mut base = Table::new();
        let files: Vec<String> = (0..4).map(|at| format!("+{}", world.file((at * 3 + 1000..at * 3 + 1003).collect()))).collect();
        base.commit(&format!("feature=deletionVectors {}", files.join(" ")));
        let mut branches = [base.clone(), base.clone()];
        for step in steps {
            let Step::Merge { into } = step else {
                let (Step::Append { branch }
                | Step::DeleteFile { branch, .. }
                | Step::RewriteFile { branch, .. }
                | Step::HideRow { branch, .. }
                | Step::Compact { branch, .. }
                | Step::Merge { into: branch }) = step.clone();
                if let Some(words) = world.commit(&step, &branches[branch]) {
                    branches[branch].commit(&words);
                }
                continue;
            };
            let (ours, theirs) = (branches[into].clone(), branches[1 - into].clone());
            if theirs.commits == base.commits || theirs.commits == ours.commits {
                continue;
            }
            if ours.commits == base.commits {
                // The pipeline's part: an unchanged side takes the other.
                branches[into] = theirs.clone();
                base = theirs;
                continue;
            }
            let sides = Sides { base: base.clone(), ours, theirs };
            let (old, our, their) = (sides.base.snapshot(), sides.ours.snapshot(), sides.theirs.snapshot());
            match sides.plan() {
                Planned::Broken(message) => prop_assert!(false, "{message}"),
                Planned::Rows(_) => prop_assert!(false, "these tables have no rows"),
                Planned::Conflicts { findings, .. } => {
                    let (left, right) = (changed_files(&old.files, &our.files), changed_files(&old.files, &their.files));
                    let overlap = left.keys().any(|key| right.contains_key(key));
                    prop_assert!(overlap, "a conflict without a file that both sides changed: {findings:?}");
                    // Somebody takes ours: the table stays as it is, and theirs counts as merged.
                    base = sides.theirs.clone();
                    branches = [base.clone(), base.clone()];
                }
                Planned::Ready(plan) => {
                    let merged = lint(&our, &plan.commits, &plan.live).map_err(|rules| TestCaseError::fail(rules.join("; ")))?;
                    let expected = three_way(&world.rows(&old.files), &world.rows(&our.files), &world.rows(&their.files));
                    prop_assert_eq!(world.rows(&merged.files), expected);
                    let mut table = sides.ours.clone();
                    table.commits.extend(plan.commits.iter().map(|commit| commit.text()));
                    branches[into] = table;
                    base = sides.theirs.clone();
                }
            }
        }
    }
}
