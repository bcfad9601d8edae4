//! Runs a plugin natively, for unit tests.

use crate::{
    Changes, Conflict, Conflicts, Decision, Failure, Json, Merged, ObjectPlugin, Side, Sides, Value,
};

/// What a merge came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The merged object.
    Merged(String),
    /// The open conflicts, in the order in which they were reported.
    Conflicts(Vec<Conflict>),
    /// Why the object has to be taken whole from a side.
    Whole(String),
}

/// Conflicts of a test, and decisions about them by key and column.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// The conflicts that stay open.
    pub open: Vec<Conflict>,
    /// Key, column (`""` where it has none) and decision.
    pub decisions: Vec<(String, String, Decision)>,
    /// Who wins rows and cells.
    pub prefer: Option<Side>,
}

impl Conflicts for Recorder {
    fn report(&mut self, conflict: Conflict) -> Result<Option<Decision>, Failure> {
        let column = conflict.column.as_deref().unwrap_or_default();
        let about = |(key, of, _): &&(String, String, Decision)| *key == conflict.key && of == column;
        if let Some((_, _, decision)) = self.decisions.iter().find(about) {
            return Ok(Some(decision.clone()));
        }
        self.open.push(conflict);
        Ok(None)
    }

    fn prefer(&self) -> Option<Side> {
        self.prefer
    }
}

impl Recorder {
    /// Decides the conflict with this key and column (`""` for none).
    #[must_use]
    pub fn decide(mut self, key: &str, column: &str, choice: &str, value: Option<Value>) -> Self {
        let decision = Decision { choice: choice.into(), value };
        self.decisions.push((key.into(), column.into(), decision));
        self
    }

    /// Merges with these decisions. As in the server, a plugin is not asked where not both sides changed the object.
    ///
    /// # Errors
    ///
    /// The plugin failed.
    ///
    /// # Panics
    ///
    /// The options are not JSON, or the merged object is not UTF-8.
    pub fn merge<P: ObjectPlugin>(
        mut self,
        [base, ours, theirs]: [Option<&str>; 3],
        options: &str,
    ) -> Result<Outcome, Failure> {
        #![expect(clippy::expect_used, reason = "it is called by tests, which say so when they are wrong")]
        let bytes = |side: Option<&str>| side.map(|text| text.as_bytes().to_vec());
        let (Some(ours), Some(theirs)) = (bytes(ours), bytes(theirs)) else {
            return Ok(Outcome::Whole("a side lacks it".into()));
        };
        let sides = Sides::new(bytes(base), ours, theirs);
        let text = |bytes: Vec<u8>| Outcome::Merged(String::from_utf8(bytes).expect("UTF-8"));
        match sides.settled() {
            Some(Side::Ours) => return Ok(text(sides.ours)),
            Some(_) => return Ok(text(sides.theirs)),
            None => {}
        }
        let options = Json::parse(options.as_bytes()).expect("options are JSON");
        match P::merge(&sides, &options, &mut self)? {
            Merged::Whole(why) => Ok(Outcome::Whole(why)),
            _ if !self.open.is_empty() => Ok(Outcome::Conflicts(self.open)),
            Merged::Object { bytes, .. } => Ok(text(bytes)),
        }
    }
}

/// Merges without decisions, and says what came of it in one text: the merged object, each conflict in a line
/// `kind key [column]: base | ours | theirs`, `whole: why`, or `failed: why`.
pub fn merged<P: ObjectPlugin>(base: &str, ours: &str, theirs: &str, options: &str) -> String {
    told(Recorder::default().merge::<P>([Some(base), Some(ours), Some(theirs)], options))
}

/// An outcome in one text, as [`merged`] says it.
pub fn told(outcome: Result<Outcome, Failure>) -> String {
    match outcome {
        Ok(Outcome::Merged(text)) => text,
        Ok(Outcome::Whole(why)) => format!("whole: {why}"),
        Err(failure) => format!("failed: {}: {}", failure.code, failure.message),
        Ok(Outcome::Conflicts(conflicts)) => {
            let mut told: Vec<String> = conflicts.iter().map(line).collect();
            told.sort();
            told.join("\n")
        }
    }
}

fn line(conflict: &Conflict) -> String {
    let [base, ours, theirs] = [&conflict.base, &conflict.ours, &conflict.theirs].map(value);
    let column = conflict.column.as_ref().map(|column| format!(" [{column}]")).unwrap_or_default();
    format!("{} {}{column}: {base} | {ours} | {theirs}", conflict.kind, conflict.key)
}

fn value(value: &Option<Value>) -> String {
    match value {
        None => "-".into(),
        Some(Value::Text(text)) => format!("{text:?}"),
        Some(Value::Json(json)) => json.clone(),
        Some(other) => format!("{other:?}"),
    }
}

/// The changes of a diff, a line each: `+`, `-` or `~`, what, key, before and after; then the notes.
pub fn diffed<P: ObjectPlugin>(before: &str, after: &str, options: &str) -> String {
    #![expect(clippy::expect_used, reason = "it is called by tests, which say so when they are wrong")]
    let mut told = Vec::new();
    let mut reader = |page: &[crate::Change]| {
        for change in page {
            let sign = match (&change.before, &change.after) {
                (None, _) => '+',
                (_, None) => '-',
                _ => '~',
            };
            let (before, after) = (value(&change.before), value(&change.after));
            told.push(format!("{sign} {} {}: {before} => {after}", change.what, change.key));
        }
        Ok(true)
    };
    let mut changes = Changes::new(Some(&mut reader));
    let options = Json::parse(options.as_bytes()).expect("options are JSON");
    let report = P::diff(before.as_bytes(), after.as_bytes(), &options, &mut changes).expect("it compares");
    changes.flush().expect("the test reads on");
    told.extend(report.notes);
    told.join("\n")
}

/// Checks the laws that hold for every merge, on one triple: an unchanged side takes the other, equal sides stand, and
/// swapped sides come to the same kind of end with their values swapped.
///
/// # Panics
///
/// A law is broken.
pub fn check_laws<P: ObjectPlugin>(base: &str, ours: &str, theirs: &str, options: &str) {
    let merged = |base: &str, ours: &str, theirs: &str| merged::<P>(base, ours, theirs, options);
    assert_eq!(merged(base, base, theirs), theirs, "merge(b, b, t) = t");
    assert_eq!(merged(base, ours, base), ours, "merge(b, o, b) = o");
    assert_eq!(merged(base, ours, ours), ours, "merge(b, x, x) = x");
    let run = |ours: &str, theirs: &str| {
        Recorder::default().merge::<P>([Some(base), Some(ours), Some(theirs)], options)
    };
    match (run(ours, theirs), run(theirs, ours)) {
        (Ok(Outcome::Conflicts(one)), Ok(Outcome::Conflicts(other))) => {
            let values =
                |conflict: &Conflict| [&conflict.base, &conflict.ours, &conflict.theirs].map(canonical);
            let swapped =
                |conflict: &Conflict| [&conflict.base, &conflict.theirs, &conflict.ours].map(canonical);
            let mut one: Vec<_> = one.iter().map(values).collect();
            let mut other: Vec<_> = other.iter().map(swapped).collect();
            one.sort();
            other.sort();
            assert_eq!(one, other, "swapped sides have the same conflicts");
        }
        (one, other) => {
            let kind = |outcome: &Result<Outcome, Failure>| outcome.as_ref().map(std::mem::discriminant).ok();
            assert_eq!(kind(&one), kind(&other), "swapped sides end alike: {one:?} and {other:?}");
        }
    }
}

/// Runs a plugin on many small objects put together from `pieces`, of which most mean nothing: nothing panics, and the laws of
/// [`check_laws`] hold. The same pieces give the same objects.
///
/// # Panics
///
/// The plugin does, or a law is broken.
pub fn check_hostile<P: ObjectPlugin>(pieces: &[&str], options: &str, rounds: usize) {
    let mut numbers = Numbers(1);
    let text = |numbers: &mut Numbers| {
        let count = numbers.below(9);
        (0..count).filter_map(|_| pieces.get(numbers.below(pieces.len())).copied()).collect::<Vec<_>>()
    };
    for _ in 0..rounds {
        let base = text(&mut numbers);
        // Sides that share much with the base come further than those that share nothing.
        let side = |numbers: &mut Numbers| {
            let mut side = base.clone();
            let at = numbers.below(side.len() + 1);
            let gone = numbers.below(side.len() + 1 - at).min(2);
            let came = text(numbers).into_iter().take(3);
            side.splice(at..at + gone, came);
            side.concat()
        };
        let (ours, theirs) = (side(&mut numbers), side(&mut numbers));
        check_laws::<P>(&base.concat(), &ours, &theirs, options);
        diffed::<P>(&ours, &theirs, options);
    }
}

/// Numbers that look random and are the same in each run.
#[derive(Clone, Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    /// The next number below `end`; 0 where there is none.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default().checked_rem(end).unwrap_or_default()
    }
}

/// A value in which the order of members says nothing.
fn canonical(value: &Option<Value>) -> String {
    fn sorted(json: &Json) -> String {
        match (json.members(), json.elements()) {
            (Some(members), _) => {
                let member =
                    |member: &crate::json::Member| format!("{:?}:{}", member.name, sorted(&member.value));
                let mut members: Vec<String> = members.iter().map(member).collect();
                members.sort();
                format!("{{{}}}", members.join(","))
            }
            (_, Some(elements)) => format!("[{}]", elements.iter().map(sorted).collect::<Vec<_>>().join(",")),
            _ => json.compact(),
        }
    }
    match value {
        Some(Value::Json(text)) => {
            Json::parse(text.as_bytes()).map_or_else(|_| text.clone(), |json| sorted(&json))
        }
        other => self::value(other),
    }
}
