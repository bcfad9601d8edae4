//! Three-way merge of YAML by path: what stands in each place.

use std::collections::HashMap;

use anabranch_plugin::json::{Arrays, Pointer};
use anabranch_plugin::{Conflict, Conflicts, Failure, Side, Value, lines, sequence};

use crate::names::{Name, names_of, replaced};
use crate::read::{self, Kind, Node, Stream};

/// What stands in a place.
#[derive(Debug)]
pub(crate) enum Stands<'a> {
    /// What ours has, which may be nothing.
    Ours,
    /// Nothing.
    Absent,
    /// What another side has.
    Taken(Taken<'a>),
    /// The collection of ours with these parts, in order.
    Inside(Vec<Part<'a>>),
}

/// A value from elsewhere.
#[derive(Debug)]
pub(crate) enum Taken<'a> {
    /// An entry or element of theirs or of the base: the text it lies in, its key in a mapping, and its value.
    From { text: &'a str, key: Option<&'a Node>, value: &'a Node },
    /// A value that no side has: one that somebody gave, in one line, or a text of several lines.
    Given(String, Node),
}

/// A part of a merged collection.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// Its place in ours, where ours has it.
    pub ours: Option<usize>,
    pub stands: Stands<'a>,
    /// Its value in the base and in theirs, with their texts.
    pub others: Option<[(&'a str, &'a Node); 2]>,
}

type Values<'a> = [Option<&'a Node>; 3];

pub(crate) struct Merge<'a, 'c> {
    pub texts: [&'a str; 3],
    pub arrays: &'c Arrays,
    pub conflicts: &'c mut dyn Conflicts,
    pub at: Pointer,
    /// Whether a conflict is open.
    pub open: bool,
}

impl<'a> Merge<'a, '_> {
    /// What stands for each document. All sides have as many.
    pub(crate) fn documents(
        &mut self,
        [base, ours, theirs]: [&'a Stream<'a>; 3],
    ) -> Result<Vec<Stands<'a>>, Failure> {
        let count = ours.documents.len();
        let mut all = Vec::with_capacity(count);
        for index in 0..count {
            if count > 1 {
                self.at.push(index.to_string());
            }
            let values = [base, ours, theirs].map(|stream| stream.documents.get(index));
            all.push(self.value(values, [None; 3])?);
            if count > 1 {
                self.at.pop();
            }
        }
        Ok(all)
    }

    fn value(&mut self, values: Values<'a>, keys: Values<'a>) -> Result<Stands<'a>, Failure> {
        let [base, ours, theirs] = values;
        if same(ours, theirs) || same(base, theirs) {
            return Ok(Stands::Ours);
        }
        if same(base, ours) {
            return Ok(self.take(Side::Theirs, values, keys));
        }
        if let (Some(one), Some(other)) = (ours, theirs)
            && one.tag == other.tag
            && let Some(names) = self.names(values)
        {
            return self.inside(values, names);
        }
        if let Some(merged) = several_lines(values)? {
            return Ok(Stands::Taken(merged));
        }
        self.clash(values, keys)
    }

    fn take(&self, side: Side, values: Values<'a>, keys: Values<'a>) -> Stands<'a> {
        let index = match side {
            Side::Base => 0,
            Side::Ours => return Stands::Ours,
            Side::Theirs => 2,
        };
        let (text, key, value) =
            (self.texts.get(index), keys.get(index).copied().flatten(), values.get(index).copied().flatten());
        match (text, value) {
            (Some(text), Some(value)) => Stands::Taken(Taken::From { text, key, value }),
            _ => Stands::Absent,
        }
    }

    /// Names of the parts of a collection on each side, where it is merged inside. A base of another kind has no parts.
    fn names(&self, [base, ours, theirs]: Values<'a>) -> Option<[Vec<Name>; 3]> {
        let (ours, theirs) = (ours?, theirs?);
        let alike = |node: &Node| std::mem::discriminant(&node.kind) == std::mem::discriminant(&ours.kind);
        if !alike(theirs) {
            return None;
        }
        names_of([base.filter(|node| alike(node)), Some(ours), Some(theirs)], self.arrays)
    }

    fn inside(&mut self, values: Values<'a>, names: [Vec<Name>; 3]) -> Result<Stands<'a>, Failure> {
        let [base, ours, theirs] = &names;
        let is_mapping = values[1].is_some_and(|value| value.elements().is_none());
        let by_place = !is_mapping && *self.arrays == Arrays::Items;
        // Entries of a mapping have no order that would mean something: that of ours stays.
        let order = sequence::order(if is_mapping { theirs } else { base }, ours, theirs);
        let places = names.each_ref().map(|names| {
            names.iter().enumerate().map(|(index, name)| (name, index)).collect::<HashMap<_, _>>()
        });
        let mut parts = Vec::with_capacity(order.items.len());
        for name in &order.items {
            let at = places.each_ref().map(|places| places.get(name).copied());
            let mut inner: Values<'a> = [None; 3];
            let mut keys: Values<'a> = [None; 3];
            for ((inner, key), (value, at)) in inner.iter_mut().zip(&mut keys).zip(values.into_iter().zip(at))
            {
                (*key, *inner) = part(value, at);
            }
            let [_, our_place, their_place] = at;
            self.at.push(match name {
                Name::Key(key) => key.text.clone(),
                Name::Element(_) => our_place.or(their_place).unwrap_or_default().to_string(),
            });
            let stands = match by_place && replaced(inner) {
                true => self.clash(inner, keys)?,
                false => self.value(inner, keys)?,
            };
            self.at.pop();
            let [base_text, _, their_text] = self.texts;
            let others =
                inner[0].zip(inner[2]).map(|(base, theirs)| [(base_text, base), (their_text, theirs)]);
            parts.push(Part { ours: our_place, stands, others });
        }
        Ok(Stands::Inside(parts))
    }

    fn clash(&mut self, values: Values<'a>, keys: Values<'a>) -> Result<Stands<'a>, Failure> {
        let at = match self.at.to_string() {
            at if at.is_empty() => "the document".to_owned(),
            at => at,
        };
        let what = match values {
            [_, None, _] => "was removed on ours and changed on theirs",
            [_, _, None] => "was changed on ours and removed on theirs",
            [None, ..] => "was added on both sides, differently",
            _ => "was changed on both sides, differently",
        };
        let mut shown = [None, None, None];
        for ((shown, value), text) in shown.iter_mut().zip(values).zip(self.texts) {
            *shown = value.map(|value| {
                Value::Text(text.get(value.start..value.end).unwrap_or_default().trim_end().to_owned())
            });
        }
        let conflict =
            Conflict::new("x-yaml-conflict", self.at.to_string(), format!("{at} {what}"), "both-changed")
                .with_values(shown)
                .with_choices(&[
                    ("ours", "keep the destination's"),
                    ("theirs", "take the source's"),
                    ("base", "go back to the merge base"),
                    ("value", "put a given JSON value in its place"),
                ]);
        let Some(decision) = self.conflicts.report(conflict)? else {
            self.open = true;
            return Ok(Stands::Ours);
        };
        if let Some(side) = decision.side() {
            return Ok(self.take(side, values, keys));
        }
        let ("value", Some(Value::Json(text) | Value::Text(text))) =
            (decision.choice.as_str(), &decision.value)
        else {
            return Err(decision.unknown());
        };
        let bad = |why: &str| Failure::new("bad-options", format!("the value for {at} {why}"));
        let text = text.trim();
        let stream = read::read(text).map_err(|error| bad(&format!("is not YAML: {error}")))?;
        match <[Node; 1]>::try_from(stream.documents) {
            Ok([node]) if !text.contains('\n') => Ok(Stands::Taken(Taken::Given(text.to_owned(), node))),
            _ => Err(bad("is not one value in one line")),
        }
    }
}

/// A text of several lines in which both sides changed different ones.
fn several_lines<'a>(values: Values<'a>) -> Result<Option<Taken<'a>>, Failure> {
    let [Some(base), Some(ours), Some(theirs)] = values else { return Ok(None) };
    let text = |node: &'a Node| match &node.kind {
        Kind::Text(text) if text.contains('\n') => Some(text.as_str()),
        _ => None,
    };
    let (Some(base_text), Some(our_text), Some(their_text)) = (text(base), text(ours), text(theirs)) else {
        return Ok(None);
    };
    if base.tag != ours.tag || base.tag != theirs.tag {
        return Ok(None);
    }
    let mut clean = true;
    let merged = lines::merge(base_text, our_text, their_text, &mut |clash| {
        clean = false;
        Ok(clash.ours.clone())
    })?;
    let node = Node { kind: Kind::Text(merged.clone()), ..ours.clone() };
    Ok(clean.then_some(Taken::Given(merged, node)))
}

pub(crate) fn part(collection: Option<&Node>, at: Option<usize>) -> (Option<&Node>, Option<&Node>) {
    match (collection.map(|node| &node.kind), at) {
        (Some(Kind::Mapping(entries)), Some(at)) => match entries.get(at) {
            Some((key, value)) => (Some(key), Some(value)),
            None => (None, None),
        },
        (Some(Kind::Sequence(elements)), Some(at)) => (None, elements.get(at)),
        _ => (None, None),
    }
}

fn same(one: Option<&Node>, other: Option<&Node>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.same(other),
        _ => false,
    }
}

/// The value that a plan makes of what ours has; `None`: nothing stands.
pub(crate) fn built(stands: &Stands<'_>, ours: Option<&Node>) -> Option<Node> {
    match stands {
        Stands::Ours => ours.cloned(),
        Stands::Absent => None,
        Stands::Taken(Taken::From { value, .. }) => Some((*value).clone()),
        Stands::Taken(Taken::Given(_, node)) => Some(node.clone()),
        Stands::Inside(parts) => {
            let mut node = ours?.clone();
            match &mut node.kind {
                Kind::Mapping(entries) => {
                    let old = std::mem::take(entries);
                    for part in parts {
                        let own = part.ours.and_then(|at| old.get(at));
                        let key = own.map(|(key, _)| key).or(match &part.stands {
                            Stands::Taken(Taken::From { key, .. }) => *key,
                            _ => None,
                        });
                        if let (Some(key), Some(value)) =
                            (key, built(&part.stands, own.map(|(_, value)| value)))
                        {
                            entries.push((key.clone(), value));
                        }
                    }
                }
                Kind::Sequence(elements) => {
                    let old = std::mem::take(elements);
                    let own = |part: &Part<'_>| part.ours.and_then(|at| old.get(at)).cloned();
                    elements.extend(parts.iter().filter_map(|part| built(&part.stands, own(part).as_ref())));
                }
                _ => {}
            }
            Some(node)
        }
    }
}
