//! Three-way merge of JSON by path. What did not change keeps the formatting of ours.

use std::collections::HashMap;

use super::arrays::{Names, similar};
use super::render::{Layout, Piece, moved};
use super::{Document, Json, Kind, Pointer};
use crate::{Changes, Conflict, Decision, Failure, Side, Value, sequence};

/// What a merge of JSON asks its plugin.
pub trait Rules {
    /// Names of the elements of the array at a place on base, ours and theirs, on each side each name once: elements with
    /// one name are one. `None`: the array is one value.
    fn names(&self, at: &Pointer, sides: [&[Json]; 3]) -> Option<Names>;

    /// Merges a value that both sides changed by a rule of the plugin's own. `None`: the general rule holds. The answer
    /// is the text of the value; in it `None` removes the value.
    ///
    /// # Errors
    ///
    /// The merge fails.
    fn merge(
        &mut self,
        _at: &Pointer,
        _values: [Option<&Json>; 3],
    ) -> Result<Option<Option<String>>, Failure> {
        Ok(None)
    }

    /// Says what was decided about a value that cannot be merged.
    ///
    /// # Errors
    ///
    /// The merge fails.
    fn clash(&mut self, clash: &Clash<'_>) -> Result<Option<Decision>, Failure>;
}

/// A value that both sides changed, differently.
#[derive(Clone, Debug)]
pub struct Clash<'a> {
    /// Where it lies: in ours, or where ours lacks it in theirs.
    pub at: &'a Pointer,
    /// Base, ours and theirs; `None` where a side lacks it.
    pub values: [Option<&'a Json<'a>>; 3],
}

impl Clash<'_> {
    /// What happened, as a sentence.
    pub fn message(&self) -> String {
        let at = match self.at.to_string() {
            at if at.is_empty() => "the value".to_owned(),
            at => at,
        };
        match self.values {
            [_, None, _] => format!("{at} was removed on ours and changed on theirs"),
            [_, _, None] => format!("{at} was changed on ours and removed on theirs"),
            [None, ..] => format!("{at} was added on both sides, differently"),
            _ => format!("{at} was changed on both sides, differently"),
        }
    }

    /// The conflict about it: its key is the pointer, and a value can be given in its place.
    pub fn conflict(&self, kind: &str, rule: &str) -> Conflict {
        Conflict::new(kind, self.at.to_string(), self.message(), rule)
            .with_values(self.values.map(|value| value.map(|value| Value::Json(value.compact()))))
            .with_choices(&[
                ("ours", "keep the destination's"),
                ("theirs", "take the source's"),
                ("base", "go back to the merge base"),
                ("value", "put a given JSON value in its place"),
            ])
    }
}

/// Merges three documents; `base` is `None` where both sides added the object. What stands open stays as on ours.
///
/// # Errors
///
/// Those of `rules`.
pub fn merge(
    base: Option<&Document<'_>>,
    ours: &Document<'_>,
    theirs: &Document<'_>,
    rules: &mut dyn Rules,
) -> Result<String, Failure> {
    let line_end = if ours.text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut merge = Merge { base, ours, theirs, rules, at: Pointer::default(), line_end };
    let values = [base.map(Document::root), Some(&ours.root), Some(&theirs.root)];
    let stands = merge.value(values)?;
    // The root is never removed: there would be no document.
    let root = merge.text(&stands, values, Indents::default()).unwrap_or_else(|| "null".into());
    let before = ours.text.get(..ours.root.start).unwrap_or_default();
    let after = ours.text.get(ours.root.end..).unwrap_or_default();
    Ok(format!("{before}{root}{after}"))
}

/// What stands in a place.
enum Stands {
    /// What this side has, which may be nothing.
    Side(Side),
    /// A text, or nothing.
    Written(Option<String>),
}

/// How far the values of a container are indented on the three sides.
#[derive(Clone, Copy, Default)]
struct Indents<'t> {
    base: Option<&'t str>,
    ours: Option<&'t str>,
    theirs: Option<&'t str>,
}

struct Merge<'a> {
    base: Option<&'a Document<'a>>,
    ours: &'a Document<'a>,
    theirs: &'a Document<'a>,
    rules: &'a mut dyn Rules,
    at: Pointer,
    line_end: &'static str,
}

type Values<'a> = [Option<&'a Json<'a>>; 3];

fn same(one: Option<&Json<'_>>, other: Option<&Json<'_>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.same(other),
        _ => false,
    }
}

impl<'a> Merge<'a> {
    fn value(&mut self, values: Values<'a>) -> Result<Stands, Failure> {
        let [base, ours, theirs] = values;
        if same(ours, theirs) || same(base, theirs) {
            return Ok(Stands::Side(Side::Ours));
        }
        if same(base, ours) {
            return self.only_theirs(values);
        }
        if let Some(written) = self.rules.merge(&self.at, values)? {
            return Ok(Stands::Written(written));
        }
        if let Some(merged) = self.inside(values)? {
            return Ok(merged);
        }
        match (ours.map(Json::kind), theirs.map(Json::kind)) {
            (Some(Kind::Number(ours)), Some(Kind::Number(theirs))) if same_number(ours, theirs) => {
                Ok(Stands::Side(Side::Ours))
            }
            _ => self.clash(values),
        }
    }

    /// A value that only theirs changed. Where ours formatted it anew, theirs' changes go into that.
    fn only_theirs(&mut self, values: Values<'a>) -> Result<Stands, Failure> {
        let [base, ours, _] = values;
        let formatted =
            |document: Option<&'a Document<'a>>, value: Option<&Json<'a>>| Some(document?.spelled(value?));
        if formatted(self.base, base) == formatted(Some(self.ours), ours) {
            return Ok(Stands::Side(Side::Theirs));
        }
        Ok(self.inside(values)?.unwrap_or(Stands::Side(Side::Theirs)))
    }

    /// Merges what is nested in two objects or two arrays.
    fn inside(&mut self, values: Values<'a>) -> Result<Option<Stands>, Failure> {
        let [_, ours, theirs] = values;
        match (ours.map(Json::kind), theirs.map(Json::kind)) {
            (Some(Kind::Object(_)), Some(Kind::Object(_))) => {
                let names = values.map(|value| value.map(member_names).unwrap_or_default());
                self.container(values, Names { names, by_place: false }, ['{', '}']).map(Some)
            }
            (Some(Kind::Array(_)), Some(Kind::Array(_))) => match self.element_names(values) {
                Some(names) => self.container(values, names, ['[', ']']).map(Some),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn clash(&mut self, values: Values<'a>) -> Result<Stands, Failure> {
        let clash = Clash { at: &self.at, values };
        let Some(decision) = self.rules.clash(&clash)? else { return Ok(Stands::Side(Side::Ours)) };
        if let Some(side) = decision.side() {
            return Ok(Stands::Side(side));
        }
        let ("value", Some(Value::Json(text) | Value::Text(text))) =
            (decision.choice.as_str(), &decision.value)
        else {
            return Err(decision.unknown());
        };
        Json::parse(text.as_bytes()).map_err(|error| {
            Failure::new("bad-options", format!("the value for {} is not JSON: {error}", self.at))
        })?;
        Ok(Stands::Written(Some(text.clone())))
    }

    /// Names of the elements of an array on each side, where all have them and each once.
    fn element_names(&self, values: Values<'a>) -> Option<Names> {
        let elements = values.map(|value| value.and_then(Json::elements).unwrap_or_default());
        self.rules.names(&self.at, elements).filter(Names::are_distinct)
    }

    /// Merges two objects or arrays whose values have names.
    fn container(
        &mut self,
        values: Values<'a>,
        Names { names: [base_names, our_names, their_names], by_place }: Names,
        brackets: [char; 2],
    ) -> Result<Stands, Failure> {
        let is_object = brackets[0] == '{';
        // The members of an object have no order that would mean something: that of ours stays.
        let order_base = if is_object { &their_names } else { &base_names };
        let order = sequence::order(order_base, &our_names, &their_names);
        let places: [HashMap<&str, usize>; 3] =
            [&base_names, &our_names, &their_names].map(|names| places(names));
        let documents = [self.base, Some(self.ours), Some(self.theirs)];
        let layouts: Vec<Option<Layout<'a>>> = documents
            .into_iter()
            .zip(values)
            .map(|(document, value)| Some(Layout::of(document?, value?)))
            .collect();
        let indent = |index: usize| layouts.get(index).and_then(Option::as_ref).and_then(Layout::indent);
        let indents = Indents { base: indent(0), ours: indent(1).or(indent(2)), theirs: indent(2) };
        let mut pieces = Vec::new();
        for name in &order.items {
            let [base, ours, theirs] =
                [0, 1, 2].map(|side| places.get(side).and_then(|places| places.get(name.as_str())).copied());
            let inner = [child(values[0], base), child(values[1], ours), child(values[2], theirs)];
            let part = if is_object { name.clone() } else { ours.or(theirs).unwrap_or_default().to_string() };
            self.at.push(part);
            let stands = match by_place && replaced(inner) {
                true => self.clash(inner)?,
                false => self.value(inner)?,
            };
            let text = self.text(&stands, inner, indents);
            self.at.pop();
            pieces.extend(text.map(|value| Piece { value, ours, theirs }));
        }
        let [_, Some(ours), Some(theirs)] = layouts.as_slice() else { return Ok(Stands::Side(Side::Ours)) };
        Ok(Stands::Written(Some(ours.render(theirs, brackets, &pieces))))
    }

    /// The text of what stands; `None`: nothing does.
    fn text(
        &self,
        stands: &Stands,
        [base, ours, theirs]: Values<'a>,
        indents: Indents<'_>,
    ) -> Option<String> {
        match stands {
            Stands::Written(text) => text.clone(),
            Stands::Side(Side::Ours) => Some(self.ours.spelled(ours?).to_owned()),
            Stands::Side(Side::Theirs) => {
                Some(moved(self.theirs.spelled(theirs?), indents.theirs, indents.ours, self.line_end))
            }
            Stands::Side(Side::Base) => {
                Some(moved(self.base?.spelled(base?), indents.base, indents.ours, self.line_end))
            }
        }
    }
}

/// Whether both sides changed an element, and on one side it is hardly the one of the base any more: what the other side did
/// to that is not for it.
fn replaced([base, ours, theirs]: Values<'_>) -> bool {
    let (Some(base), Some(ours), Some(theirs)) = (base, ours, theirs) else { return false };
    let both_changed = !base.same(ours) && !base.same(theirs) && !ours.same(theirs);
    both_changed && !(similar(base, ours) && similar(base, theirs))
}

fn member_names(value: &Json<'_>) -> Vec<String> {
    value.members().unwrap_or_default().iter().map(|member| member.name.to_string()).collect()
}

fn places(names: &[String]) -> HashMap<&str, usize> {
    names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect()
}

fn child<'a>(container: Option<&'a Json<'a>>, index: Option<usize>) -> Option<&'a Json<'a>> {
    match &container?.kind {
        Kind::Object(members) => members.get(index?).map(|member| &member.value),
        Kind::Array(elements) => elements.get(index?),
        _ => None,
    }
}

/// Whether two spellings are of one number: `1`, `1.0` and `10e-1` are.
fn same_number(one: &str, other: &str) -> bool {
    match (decimal(one), decimal(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// A number as sign, digits without zeros around them, and the exponent of the last digit. `None`: its exponent is out of
/// any range.
fn decimal(spelling: &str) -> Option<(bool, String, i64)> {
    let (negative, rest) = spelling.strip_prefix('-').map_or((false, spelling), |rest| (true, rest));
    let (digits, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_end_matches('0');
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let exponent = exponent.checked_add(i64::try_from(all.len() - digits.len()).ok()?)?;
    let digits = digits.trim_start_matches('0');
    Some((negative, digits.to_owned(), if digits.is_empty() { 0 } else { exponent }))
}

/// Compares two documents by path: what is nested in both is compared inside. `what` names a change.
///
/// # Errors
///
/// The host refused a page of changes.
pub fn diff(
    before: Option<&Json>,
    after: Option<&Json>,
    names: &dyn Fn(&Pointer, [&[Json]; 3]) -> Option<Names>,
    what: &str,
    changes: &mut Changes<'_>,
) -> Result<(), Failure> {
    Diff { names, what, at: Pointer::default() }.values(before, after, changes)
}

struct Diff<'a> {
    names: &'a dyn Fn(&Pointer, [&[Json]; 3]) -> Option<Names>,
    what: &'a str,
    at: Pointer,
}

impl Diff<'_> {
    fn values(
        &mut self,
        before: Option<&Json>,
        after: Option<&Json>,
        changes: &mut Changes<'_>,
    ) -> Result<(), Failure> {
        if same(before, after) {
            return Ok(());
        }
        let names = match (before, after) {
            (Some(before), Some(after)) => self.both_names(before, after),
            _ => None,
        };
        let Some((before_names, after_names)) = names else {
            let value = |value: Option<&Json>| value.map(|value| Value::Json(value.compact()));
            return changes.emit(self.what, self.at.to_string(), value(before), value(after));
        };
        let (before_places, after_places) = (places(&before_names), places(&after_names));
        let order = sequence::order(&before_names, &after_names, &before_names);
        let is_object = after.is_some_and(|value| value.members().is_some());
        for name in &order.items {
            let was = before_places.get(name.as_str()).copied();
            let is = after_places.get(name.as_str()).copied();
            self.at.push(if is_object { name.clone() } else { is.or(was).unwrap_or_default().to_string() });
            self.values(child(before, was), child(after, is), changes)?;
            self.at.pop();
        }
        Ok(())
    }

    fn both_names(&self, before: &Json, after: &Json) -> Option<(Vec<String>, Vec<String>)> {
        match (before.kind(), after.kind()) {
            (Kind::Object(_), Kind::Object(_)) => Some((member_names(before), member_names(after))),
            (Kind::Array(was), Kind::Array(is)) => {
                let names = (self.names)(&self.at, [was, was, is]).filter(Names::are_distinct)?;
                let [was, _, is] = names.names;
                Some((was, is))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_number_are_found() {
        for (one, other) in [("1", "1.0"), ("10e-1", "1"), ("0", "0.000"), ("1e2", "100"), ("1E+2", "1e2")] {
            assert!(same_number(one, other), "{one} {other}");
        }
        for (one, other) in [("1", "1.1"), ("0", "-0"), ("1e99999999999999999999", "1"), ("10", "1")] {
            assert!(!same_number(one, other), "{one} {other}");
        }
    }
}
