//! The real thing beside a plain model: maps instead of trees, a vector of commits instead of packs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anabranch_repository::{
    BranchMove, LogRequest, MergeAnswer, Repository, RepositoryError, ResetScope, Strategy as Winner,
};
use proptest::prelude::*;
use proptest::strategy::Union;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tokio::runtime::Runtime;

use crate::lake::{
    Disk, branch, commit_request, content_of, contents, merge_request, paging, path, pick_request, put,
};

const PATHS: [&str; 6] = ["a", "b/1", "b/2", "b/c/1", "d/1", "e"];
const BRANCHES: [&str; 3] = ["main", "dev", "side"];

type Files = BTreeMap<String, u8>;

#[derive(Clone, Debug)]
struct ModelCommit {
    parents: Vec<usize>,
    files: Files,
    message: String,
}

#[derive(Clone, Debug)]
struct ModelBranch {
    head: usize,
    staged: BTreeMap<String, Option<u8>>,
}

/// A repository as one would write it down on a napkin.
#[derive(Clone, Debug)]
struct Model {
    commits: Vec<ModelCommit>,
    branches: BTreeMap<String, ModelBranch>,
    steps: usize,
}

/// How an operation ends, as far as both can tell.
#[derive(Clone, PartialEq, Eq, Debug)]
enum End {
    Done,
    Nothing,
    Conflicts(Vec<String>),
    InTheWay(Vec<String>),
    Missing,
}

#[derive(Clone, Debug)]
enum Step {
    Put { on: &'static str, at: &'static str, content: u8 },
    Delete { on: &'static str, at: &'static str },
    Commit { on: &'static str },
    Branch { name: &'static str, from: &'static str },
    Unbranch { name: &'static str },
    Merge { from: &'static str, into: &'static str, winner: Option<bool>, squash: bool },
    Reset { on: &'static str },
    ResetObject { on: &'static str, at: &'static str },
    Move { on: &'static str, to: &'static str, back: usize, discard: bool },
    Revert { on: &'static str, back: usize },
    CherryPick { on: &'static str, from: &'static str },
    Reopen,
}

impl Model {
    fn new() -> Model {
        let first =
            ModelCommit { parents: vec![], files: Files::new(), message: "Repository created".into() };
        let main = ModelBranch { head: 0, staged: BTreeMap::new() };
        Model { commits: vec![first], branches: BTreeMap::from([("main".to_owned(), main)]), steps: 0 }
    }

    fn view(&self, name: &str) -> Files {
        let branch = &self.branches[name];
        let mut files = self.commits[branch.head].files.clone();
        for (path, content) in &branch.staged {
            match content {
                Some(content) => files.insert(path.clone(), *content),
                None => files.remove(path),
            };
        }
        files
    }

    fn uncommitted(&self, name: &str) -> BTreeSet<String> {
        let branch = &self.branches[name];
        let head = &self.commits[branch.head].files;
        let staged = branch.staged.iter().filter(|(path, content)| head.get(*path) != content.as_ref());
        staged.map(|(path, _)| path.clone()).collect()
    }

    fn ancestors(&self, of: usize) -> BTreeSet<usize> {
        let mut all = BTreeSet::from([of]);
        for parent in &self.commits[of].parents {
            all.extend(self.ancestors(*parent));
        }
        all
    }

    fn bases(&self, left: usize, right: usize) -> Vec<usize> {
        let common: BTreeSet<usize> =
            self.ancestors(left).intersection(&self.ancestors(right)).copied().collect();
        let best =
            |one: &&usize| !common.iter().any(|other| other != *one && self.ancestors(*other).contains(one));
        common.iter().filter(best).copied().collect()
    }

    /// The merged files, or the paths in conflict. Several bases must agree.
    fn merged(
        bases: &[Files],
        ours: &Files,
        theirs: &Files,
        winner: Option<bool>,
    ) -> Result<Files, Vec<String>> {
        let mut result = Files::new();
        let mut conflicts = Vec::new();
        for at in PATHS {
            let (ours, theirs) = (ours.get(at), theirs.get(at));
            let answers: BTreeSet<Option<Option<&u8>>> = bases
                .iter()
                .map(|base| match base.get(at) {
                    base if ours == theirs || base == theirs => Some(ours),
                    base if base == ours => Some(theirs),
                    _ => None,
                })
                .collect();
            let answer = match (answers.len(), answers.first(), winner) {
                (1, Some(Some(answer)), _) => *answer,
                (_, _, Some(theirs_win)) => {
                    if theirs_win {
                        theirs
                    } else {
                        ours
                    }
                }
                _ => {
                    conflicts.push(at.to_owned());
                    continue;
                }
            };
            if let Some(content) = answer {
                result.insert(at.to_owned(), *content);
            }
        }
        if conflicts.is_empty() { Ok(result) } else { Err(conflicts) }
    }

    fn publish_merge(
        &mut self,
        into: &str,
        bases: &[Files],
        theirs: &Files,
        winner: Option<bool>,
        parent: Option<usize>,
    ) -> End {
        let branch = &self.branches[into];
        let ours = self.commits[branch.head].files.clone();
        let files = match Model::merged(bases, &ours, theirs, winner) {
            Ok(files) => files,
            Err(conflicts) => return End::Conflicts(conflicts),
        };
        if files == ours {
            return End::Nothing;
        }
        let changed = |at: &&String| files.get(*at) != ours.get(*at);
        let in_the_way: Vec<String> = branch.staged.keys().filter(changed).cloned().collect();
        if !in_the_way.is_empty() {
            return End::InTheWay(in_the_way);
        }
        self.push(into, files, parent);
        End::Done
    }

    fn push(&mut self, on: &str, files: Files, second_parent: Option<usize>) {
        let branch = self.branches.get_mut(on).unwrap();
        let parents = std::iter::once(branch.head).chain(second_parent).collect();
        branch.head = self.commits.len();
        self.commits.push(ModelCommit { parents, files, message: format!("step {}", self.steps) });
    }

    fn run(&mut self, step: &Step) -> End {
        self.steps += 1;
        let missing = |name: &str, model: &Model| !model.branches.contains_key(name);
        match step {
            Step::Reopen => End::Done,
            Step::Put { on, .. }
            | Step::Delete { on, .. }
            | Step::Commit { on }
            | Step::Reset { on }
            | Step::ResetObject { on, .. }
            | Step::Move { on, .. }
            | Step::Revert { on, .. }
                if missing(on, self) =>
            {
                End::Missing
            }
            Step::Put { on, at, content } => {
                self.branches.get_mut(*on).unwrap().staged.insert((*at).to_owned(), Some(*content));
                End::Done
            }
            Step::Delete { on, at } => {
                self.branches.get_mut(*on).unwrap().staged.insert((*at).to_owned(), None);
                End::Done
            }
            Step::Reset { on } => {
                self.branches.get_mut(*on).unwrap().staged.clear();
                End::Done
            }
            Step::ResetObject { on, at } => {
                self.branches.get_mut(*on).unwrap().staged.remove(*at);
                End::Done
            }
            Step::Move { to, .. } if missing(to, self) => End::Missing,
            Step::Move { on, to, back, discard } => {
                let Some(head) = self.first_ancestor(self.branches[*to].head, *back) else {
                    return End::Missing;
                };
                let branch = self.branches.get_mut(*on).unwrap();
                if !branch.staged.is_empty() && !discard {
                    return End::InTheWay(branch.staged.keys().cloned().collect());
                }
                *branch = ModelBranch { head, staged: BTreeMap::new() };
                End::Done
            }
            Step::Commit { on } => {
                let files = self.view(on);
                let nothing = self.uncommitted(on).is_empty();
                self.branches.get_mut(*on).unwrap().staged.clear();
                if nothing {
                    return End::Nothing;
                }
                self.push(on, files, None);
                End::Done
            }
            Step::Branch { name, from } => match self.branches.get(*from) {
                Some(source) if missing(name, self) => {
                    let branch = ModelBranch { head: source.head, staged: BTreeMap::new() };
                    self.branches.insert((*name).to_owned(), branch);
                    End::Done
                }
                _ => End::Missing,
            },
            Step::Unbranch { name } => match self.branches.remove(*name) {
                Some(_) => End::Done,
                None => End::Missing,
            },
            Step::Merge { from, into, .. } if missing(from, self) || missing(into, self) => End::Missing,
            Step::Merge { from, into, winner, squash } => {
                let (ours, theirs) = (self.branches[*into].head, self.branches[*from].head);
                let bases = self.bases(ours, theirs);
                if bases.contains(&theirs) {
                    return End::Nothing;
                }
                let bases: Vec<Files> = bases.iter().map(|base| self.commits[*base].files.clone()).collect();
                let files = self.commits[theirs].files.clone();
                self.publish_merge(into, &bases, &files, *winner, (!squash).then_some(theirs))
            }
            Step::Revert { on, back } => {
                let Some(commit) = self.first_ancestor(self.branches[*on].head, *back) else {
                    return End::Missing;
                };
                let base = self.commits[commit].files.clone();
                let theirs = self.files_before(commit);
                self.publish_merge(on, &[base], &theirs, None, None)
            }
            Step::CherryPick { on, from } if missing(on, self) || missing(from, self) => End::Missing,
            Step::CherryPick { on, from } => {
                let commit = self.branches[*from].head;
                let base = self.files_before(commit);
                let theirs = self.commits[commit].files.clone();
                self.publish_merge(on, &[base], &theirs, None, None)
            }
        }
    }

    fn first_ancestor(&self, mut at: usize, back: usize) -> Option<usize> {
        for _ in 0..back {
            at = *self.commits[at].parents.first()?;
        }
        Some(at)
    }

    fn files_before(&self, commit: usize) -> Files {
        let parent = self.commits[commit].parents.first();
        parent.map(|parent| self.commits[*parent].files.clone()).unwrap_or_default()
    }

    /// The number of the parent that a pick of this commit must name.
    fn parent_number(&self, commit: usize) -> usize {
        usize::from(self.commits[commit].parents.len() > 1)
    }
}

impl ReferenceStateMachine for Model {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::new()).boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Step> {
        let any_branch = || prop::sample::select(&BRANCHES[..]);
        let other = || prop::sample::select(&BRANCHES[1..]);
        let any_path = || prop::sample::select(&PATHS[..]);
        let steps: Vec<(u32, BoxedStrategy<Step>)> = vec![
            (
                8,
                (any_branch(), any_path(), 1u8..4)
                    .prop_map(|(on, at, content)| Step::Put { on, at, content })
                    .boxed(),
            ),
            (3, (any_branch(), any_path()).prop_map(|(on, at)| Step::Delete { on, at }).boxed()),
            (6, any_branch().prop_map(|on| Step::Commit { on }).boxed()),
            (3, (other(), any_branch()).prop_map(|(name, from)| Step::Branch { name, from }).boxed()),
            (1, other().prop_map(|name| Step::Unbranch { name }).boxed()),
            (
                6,
                (
                    any_branch(),
                    any_branch(),
                    prop::option::weighted(0.3, any::<bool>()),
                    prop::bool::weighted(0.2),
                )
                    .prop_map(|(from, into, winner, squash)| Step::Merge { from, into, winner, squash })
                    .boxed(),
            ),
            (1, any_branch().prop_map(|on| Step::Reset { on }).boxed()),
            (1, (any_branch(), any_path()).prop_map(|(on, at)| Step::ResetObject { on, at }).boxed()),
            (
                2,
                (any_branch(), any_branch(), 0usize..4, any::<bool>())
                    .prop_map(|(on, to, back, discard)| Step::Move { on, to, back, discard })
                    .boxed(),
            ),
            (2, (any_branch(), 0usize..4).prop_map(|(on, back)| Step::Revert { on, back }).boxed()),
            (2, (any_branch(), any_branch()).prop_map(|(on, from)| Step::CherryPick { on, from }).boxed()),
            (1, Just(Step::Reopen).boxed()),
        ];
        Union::new_weighted(steps).boxed()
    }

    fn apply(mut state: Model, step: &Step) -> Model {
        state.run(step);
        state
    }
}

struct Real {
    runtime: Arc<Runtime>,
    disk: Disk,
    lake: Repository,
    /// The model before the next step, to know how it must end.
    before: Model,
}

fn end_of(answer: Result<MergeAnswer, RepositoryError>) -> End {
    match answer {
        Ok(MergeAnswer::Merged { .. }) => End::Done,
        Ok(MergeAnswer::StalePreview { .. }) => panic!("nobody previewed it"),
        Ok(MergeAnswer::NoChanges { .. }) => End::Nothing,
        Ok(MergeAnswer::Conflicts { conflicts, .. }) => {
            End::Conflicts(conflicts.into_iter().map(|conflict| conflict.path).collect())
        }
        Ok(MergeAnswer::StagedInTheWay { paths }) => End::InTheWay(paths),
        Err(RepositoryError::NotFound { .. }) => End::Missing,
        Err(error) => panic!("{error:?}"),
    }
}

fn done<T>(answer: Result<T, RepositoryError>) -> End {
    match answer {
        Ok(_) => End::Done,
        Err(RepositoryError::NotFound { .. } | RepositoryError::AlreadyExists { .. }) => End::Missing,
        Err(RepositoryError::NothingToCommit { .. }) => End::Nothing,
        Err(error) => panic!("{error:?}"),
    }
}

impl Real {
    async fn run(&mut self, step: &Step) -> End {
        let lake = self.lake.clone();
        let message = format!("step {}", self.before.steps + 1);
        match step {
            Step::Reopen => {
                self.lake = self.disk.open().await;
                End::Done
            }
            Step::Put { on, at, content } => {
                if lake.branch(&branch(on)).await.is_err() {
                    return End::Missing;
                }
                put(&lake, on, at, *content).await;
                End::Done
            }
            Step::Delete { on, at } => done(lake.delete(&branch(on), &path(at)).await),
            Step::Commit { on } => done(lake.commit(&branch(on), commit_request(&message)).await),
            Step::Branch { name, from } => done(lake.create_branch(&branch(name), from, false).await),
            Step::Unbranch { name } => done(lake.delete_branch(&branch(name)).await),
            Step::Merge { from, into, winner, squash } => {
                let mut request = merge_request(&message);
                request.squash = *squash;
                request.strategy =
                    winner.map(|theirs| if theirs { Winner::SourceWins } else { Winner::DestWins });
                end_of(lake.merge(from, &branch(into), request).await)
            }
            Step::Reset { on } => done(lake.reset(&branch(on), &ResetScope::All).await),
            Step::ResetObject { on, at } => {
                done(lake.reset(&branch(on), &ResetScope::Object(path(at))).await)
            }
            Step::Move { on, to, back, discard } => {
                match lake.move_branch(&branch(on), &format!("{to}~{back}"), *discard).await {
                    Ok(BranchMove::Staged { paths }) => End::InTheWay(paths),
                    answer => done(answer),
                }
            }
            Step::Revert { on, back } => {
                let head = self.before.branches.get(*on).map(|branch| branch.head);
                let commit = head.and_then(|head| self.before.first_ancestor(head, *back));
                let number = commit.map_or(0, |commit| self.before.parent_number(commit));
                let request = pick_request(&format!("{on}~{back}"), number, &message);
                end_of(lake.revert(&branch(on), request).await)
            }
            Step::CherryPick { on, from } => {
                let head = self.before.branches.get(*from).map(|branch| branch.head);
                let number = head.map_or(0, |head| self.before.parent_number(head));
                end_of(lake.cherry_pick(&branch(on), pick_request(from, number, &message)).await)
            }
        }
    }

    async fn compare(&self, model: &Model) {
        let lake = &self.lake;
        let names: Vec<String> = lake
            .list_branches(&paging(100), true)
            .await
            .unwrap()
            .results
            .into_iter()
            .map(|branch| branch.name.to_string())
            .collect();
        assert_eq!(names, model.branches.keys().cloned().collect::<Vec<_>>());
        for (name, expected) in &model.branches {
            let view = model.view(name);
            assert_eq!(contents(lake, name, 2).await, view, "{name} with what is staged");
            assert_eq!(
                contents(lake, &format!("{name}@"), 3).await,
                model.commits[expected.head].files,
                "{name}@"
            );
            for at in PATHS {
                let stat = lake.stat(name, &path(at)).await.ok().map(|object| content_of(&object.entry));
                assert_eq!(stat.as_ref(), view.get(at), "{at} on {name}");
            }
            let diff = lake.diff_uncommitted(&branch(name), &paging(100), None).await.unwrap();
            let changed: BTreeSet<String> = diff.results.into_iter().map(|line| line.path).collect();
            assert_eq!(changed, model.uncommitted(name), "uncommitted on {name}");
            self.compare_folders(name, &view).await;
            self.compare_log(name, model, expected.head).await;
        }
    }

    async fn compare_folders(&self, name: &str, view: &Files) {
        let folders: BTreeSet<String> =
            view.keys().map(|at| at.split_inclusive('/').next().unwrap().to_owned()).collect();
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = self.lake.list(name, "", Some("/"), after.as_deref(), 1).await.unwrap();
            listed.extend(page.results.iter().map(|line| match line {
                anabranch_repository::Listed::Object(object) => object.path.as_str().to_owned(),
                anabranch_repository::Listed::CommonPrefix(prefix) => prefix.clone(),
            }));
            if !page.more {
                break;
            }
            after = Some(page.next);
        }
        assert_eq!(listed, folders.into_iter().collect::<Vec<_>>(), "folders of {name}");
    }

    async fn compare_log(&self, name: &str, model: &Model, head: usize) {
        let mut request = LogRequest { amount: 3, ..LogRequest::default() };
        let mut log = Vec::new();
        loop {
            let page = self.lake.log(name, &request).await.unwrap();
            log.extend(page.results);
            if !page.more {
                break;
            }
            request.after = Some(page.next.parse().unwrap());
        }
        let messages: Vec<String> = log.iter().map(|commit| commit.commit.message.clone()).collect();
        let mut expected: Vec<String> =
            model.ancestors(head).into_iter().map(|commit| model.commits[commit].message.clone()).collect();
        let mut sorted = messages.clone();
        sorted.sort();
        expected.sort();
        assert_eq!(sorted, expected, "log of {name}");
        for (place, commit) in log.iter().enumerate() {
            let later = &log[place..];
            for parent in &commit.commit.parents {
                assert!(later.iter().any(|commit| commit.id == *parent), "children come before parents");
            }
        }
    }
}

struct Beside;

impl StateMachineTest for Beside {
    type SystemUnderTest = Real;
    type Reference = Model;

    fn init_test(model: &Model) -> Real {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let disk = Disk::new();
        let lake = runtime.block_on(disk.create());
        Real { runtime: Arc::new(runtime), disk, lake, before: model.clone() }
    }

    fn apply(mut real: Real, model: &Model, step: Step) -> Real {
        let runtime = Arc::clone(&real.runtime);
        let mut before = real.before.clone();
        let expected = before.run(&step);
        let end = runtime.block_on(real.run(&step));
        assert_eq!(end, expected, "{step:?}");
        runtime.block_on(real.compare(model));
        real.before = model.clone();
        real
    }

    fn teardown(real: Real, _: Model) {
        let report = real.runtime.block_on(real.lake.fsck()).unwrap();
        assert!(report.is_clean(), "{:?}", report.problems);
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn the_repository_does_what_the_model_does(sequential 1..40 => Beside);
}
