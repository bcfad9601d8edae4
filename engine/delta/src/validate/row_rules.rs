//! Rules about single rows: NOT NULL, CHECK and invariants of the table, and what `merge.toml` adds. Each is asked of the
//! rows that whoever wrote it had not before him: one pass over these, nothing is kept.

use std::cmp::Ordering;

use anabranch_merge::{Choice, ConflictKind, Resolution};
use anabranch_rows::json;
use anabranch_rows::predicate::{BoundPredicate, Predicate};
use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use futures::TryStreamExt;
use serde_json::{Value, json};

use super::columns::Columns;
use super::files::{Bounds, FileRows, rows_beyond};
use super::known::Known;
use super::options::Declared;
use super::scan::{Places, Scan};
use super::{Checked, names_in_log, violation_choices};
use crate::plan::{Finding, RowRule, new_row_rules, row_rules};
use crate::rows::{Failed, States, source};

/// How many rows are shown of those that break a rule.
const SHOWN_MAX: usize = 10;

/// Who demands a rule of rows that it did not see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Ours,
    Theirs,
    /// The table on both sides, of rows that somebody gave by hand.
    Table,
    MergeToml,
}

/// A rule, and the rows that it is asked of.
struct Demand {
    by: By,
    rule: RowRule,
    rows: Vec<FileRows>,
    /// Rows that ours loses: of those that come, some were there before in another file.
    left: Vec<FileRows>,
}

/// Finds the rules that rows break which the merge brings together.
pub(super) async fn broken_rules(
    checked: &Checked<'_>,
    places: Places<'_>,
    declared: &Declared,
    resolutions: &[Resolution],
) -> Result<Vec<Finding>, Failed> {
    let mut findings = Vec::new();
    for demand in demands(checked, places, declared, resolutions) {
        match broken(checked, places, &demand).await {
            Ok(broken) => findings.extend(broken.map(|broken| violation(&demand, broken))),
            Err(Failed::Unmergeable(why)) => findings.push(unverifiable(&demand, &why)),
            Err(failed) => return Err(failed),
        }
    }
    Ok(findings)
}

/// The rules that somebody's rows may not keep.
fn rules(states: States<'_>, declared: &Declared, resolutions: &[Resolution]) -> Vec<(By, RowRule)> {
    let mut rules = Vec::new();
    for (by, side) in [(By::Ours, states.ours), (By::Theirs, states.theirs)] {
        let new = new_row_rules(&states.base.metadata, &side.metadata);
        rules.extend(new.into_iter().map(|rule| (by, rule)));
    }
    // Merged rows come whole from a side, which has checked them, unless somebody wrote one himself.
    if resolutions.iter().any(|resolution| resolution.value.is_some()) {
        let base = row_rules(&states.base.metadata);
        let kept = row_rules(&states.ours.metadata)
            .into_iter()
            .filter(|(place, rule)| base.get(place) == Some(rule));
        rules.extend(kept.map(|(_, rule)| (By::Table, rule)));
    }
    rules.extend(declared.rows.iter().map(|rule| (By::MergeToml, rule.clone())));
    rules
}

/// Whether there is any rule that somebody's rows may not keep.
pub(super) fn asks(states: States<'_>, declared: &Declared, resolutions: &[Resolution]) -> bool {
    !rules(states, declared, resolutions).is_empty()
}

/// Everything that is demanded of rows which may not keep it.
fn demands(
    checked: &Checked<'_>,
    places: Places<'_>,
    declared: &Declared,
    resolutions: &[Resolution],
) -> Vec<Demand> {
    let (states, live) = (checked.states, checked.live);
    let written = || live.values().filter(|add| places.new.contains_key(&*add.key)).map(FileRows::all);
    let demand = |(by, rule): (By, RowRule)| {
        let rows = match by {
            By::Ours | By::MergeToml => rows_beyond(live, &[&states.ours.files]),
            By::Theirs => rows_beyond(live, &[&states.theirs.files]),
            By::Table => written().collect(),
        };
        let left = match by {
            By::MergeToml => rows_beyond(&states.ours.files, &[live]),
            By::Ours | By::Theirs | By::Table => Vec::new(),
        };
        Demand { by, rule, rows, left }
    };
    let mut demands: Vec<Demand> = rules(states, declared, resolutions).into_iter().map(demand).collect();
    for demand in &mut demands {
        if let RowRule::NotNull(column) = &demand.rule {
            let in_log = names_in_log(states, std::slice::from_ref(column));
            let may_be_null =
                |rows: &FileRows| !in_log.iter().all(|name| Bounds::of(&rows.add).has_no_null(name));
            demand.rows.retain(may_be_null);
            demand.left.retain(may_be_null);
        }
    }
    demands.retain(|demand| !demand.rows.is_empty());
    demands
}

/// The rows that break a rule.
#[derive(Default)]
struct Broken {
    count: u64,
    shown: Vec<Value>,
}

/// What is asked of each batch.
enum Test {
    NotNull(usize),
    Check(BoundPredicate),
}

impl Test {
    fn of(rule: &RowRule, rows: &Schema) -> Result<Test, String> {
        match rule {
            RowRule::NotNull(column) => {
                rows.index_of(column).map(Test::NotNull).map_err(|_| format!("there is no column {column}"))
            }
            RowRule::Check { condition, .. } => Predicate::parse(condition)?.bind(rows).map(Test::Check),
            RowRule::Unreadable { why, .. } => Err(why.clone()),
        }
    }

    fn holds(&self, rows: &RecordBatch) -> Result<BooleanArray, String> {
        match self {
            Test::Check(predicate) => predicate.holds(rows),
            Test::NotNull(column) => {
                let column = rows.columns().get(*column).ok_or("a batch lacks a column")?;
                arrow::compute::is_not_null(column).map_err(|error| error.to_string())
            }
        }
    }

    fn reads(&self, rows: &Schema, column: &str) -> bool {
        match self {
            Test::NotNull(place) => rows.fields().get(*place).is_some_and(|field| field.name() == column),
            Test::Check(predicate) => predicate.columns().iter().any(|read| read == column),
        }
    }
}

async fn broken(
    checked: &Checked<'_>,
    places: Places<'_>,
    demand: &Demand,
) -> Result<Option<Broken>, Failed> {
    let states = checked.states;
    let sides = states.metadata();
    let all = Columns::of(sides, |_| true).map_err(Failed::Unmergeable)?;
    let test = Test::of(&demand.rule, &all.rows).map_err(Failed::Unmergeable)?;
    let is_key = |name: &str| checked.keys.iter().any(|key| key == name);
    let columns = Columns::of(sides, |name| is_key(name) || test.reads(&all.rows, name));
    let columns = columns.map_err(Failed::Unmergeable)?;
    let test = Test::of(&demand.rule, &columns.rows).map_err(Failed::Unmergeable)?;
    let (files, answers) = source::files();
    let work = async {
        let mut known = Known::default();
        let mut broken = Broken::default();
        let mut scan = Scan::new(places, &files, &columns)?;
        for rows in &demand.left {
            scan.open(rows).await?;
        }
        look(scan, &columns.rows, &test, |row| known.add(&row)).await?;
        let mut scan = Scan::new(places, &files, &columns)?;
        for rows in &demand.rows {
            scan.open(rows).await?;
        }
        look(scan, &columns.rows, &test, |row| broken.add(row, &mut known)).await?;
        Ok::<_, Failed>(broken)
    };
    let broken =
        answers.while_running([places.views.base, places.views.ours, places.views.theirs], work).await?;
    Ok(Some(broken).filter(|broken| broken.count > 0))
}

impl Broken {
    fn add(&mut self, row: Value, known: &mut Known) {
        if known.take(&row) {
            return;
        }
        self.count = self.count.saturating_add(1);
        // The least, not the first: in which files they stand depends on what is decided of other rows.
        let place = self.shown.partition_point(|shown| compare(shown, &row).is_le());
        if place < SHOWN_MAX {
            self.shown.insert(place, row);
            self.shown.truncate(SHOWN_MAX);
        }
    }
}

/// The order in which rows are shown: by their columns, whole numbers by value and everything else as text.
fn compare(left: &Value, right: &Value) -> Ordering {
    let cells = |row: &Value| row.as_object().map(|row| row.values().cloned().collect::<Vec<_>>());
    let (left, right) = (cells(left).unwrap_or_default(), cells(right).unwrap_or_default());
    let pairs = left.iter().zip(&right).map(|(left, right)| match (left.as_i64(), right.as_i64()) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => left.to_string().cmp(&right.to_string()),
    });
    pairs.fold(Ordering::Equal, Ordering::then)
}

/// Shows each row for which a test does not hold.
async fn look(
    scan: Scan<'_>,
    columns: &SchemaRef,
    test: &Test,
    mut show: impl FnMut(Value),
) -> Result<(), Failed> {
    let shown: Vec<usize> = (0..columns.fields().len()).collect();
    let mut rows = scan.rows(&[]);
    while let Some(batch) = rows.try_next().await? {
        let held = test.holds(&batch).map_err(Failed::Unmergeable)?;
        for (row, held) in held.iter().enumerate() {
            if held == Some(true) {
                continue;
            }
            show(json::row(&batch.schema(), batch.columns(), row, &shown)?);
        }
    }
    Ok(())
}

/// Where the rule is written, and whose rows break it.
fn parties(by: By) -> (&'static str, &'static str) {
    match by {
        By::Ours => ("which ours added", "theirs"),
        By::Theirs => ("which theirs added", "ours"),
        By::Table => ("which the table has", "ours"),
        By::MergeToml => ("which merge.toml has", "theirs"),
    }
}

fn violation(demand: &Demand, broken: Broken) -> Finding {
    let (origin, whose) = parties(demand.by);
    let noun = if broken.count == 1 { "row breaks" } else { "rows break" };
    let brought = match demand.by {
        By::Ours | By::Theirs => format!("that {whose} wrote "),
        By::Table => "that was chosen by hand ".to_owned(),
        By::MergeToml => "that the merge brings ".to_owned(),
    };
    let (one, verb) = noun.split_once(' ').unwrap_or((noun, ""));
    let message = format!("{} {one} {brought}{verb} {}, {origin}", broken.count, demand.rule.shown());
    let rows = Some(json!({ "rows": broken.count, "shown": broken.shown }));
    let rule = Some(json!(demand.rule.shown()));
    let values = if whose == "theirs" { (rule, rows) } else { (rows, rule) };
    let finding =
        Finding::table(ConflictKind::ConstraintViolation, "row-rule", message).column(demand.rule.name());
    finding.values(None, values.0, values.1).choices(choices(demand, false))
}

fn unverifiable(demand: &Demand, why: &str) -> Finding {
    let (origin, whose) = parties(demand.by);
    let message =
        format!("{}, {origin}, cannot be checked here for the rows of {whose}: {why}", demand.rule.shown());
    let finding =
        Finding::table(ConflictKind::ConstraintUnverifiable, "row-rule", message).column(demand.rule.name());
    let rule = Some(json!(demand.rule.shown()));
    let values = if whose == "theirs" { (rule, None) } else { (None, rule) };
    finding.values(None, values.0, values.1).choices(choices(demand, true))
}

/// The ways out. What the table itself promises its readers is never broken by choice.
fn choices(demand: &Demand, is_open: bool) -> Vec<Choice> {
    let mut choices = violation_choices();
    if demand.by != By::MergeToml && !is_open {
        choices.retain(|choice| choice.id != anabranch_merge::ACCEPT_CHOICE);
    }
    choices
}
