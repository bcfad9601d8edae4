//! What differs between two states, by path.

use std::collections::HashMap;

use anabranch_plugin::json::{Arrays, Pointer};
use anabranch_plugin::{Changes, DiffReport, Failure, Value, sequence};

use crate::merge::part;
use crate::names::{Name, names_of};
use crate::read::{self, Node, Stream};

pub(crate) fn diff(
    before: &[u8],
    after: &[u8],
    arrays: &Arrays,
    changes: &mut Changes<'_>,
) -> Result<DiffReport, Failure> {
    let noted = |why: String| Ok(DiffReport { notes: vec![why], ..DiffReport::default() });
    let (Ok(before), Ok(after)) = (std::str::from_utf8(before), std::str::from_utf8(after)) else {
        return noted("it is not UTF-8".into());
    };
    let (before, after) = match (read::read(before), read::read(after)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(why), _) => return noted(format!("it is not YAML before: {why}")),
        (_, Err(why)) => return noted(format!("it is not YAML after: {why}")),
    };
    let count = before.documents.len().max(after.documents.len());
    let mut diff = Diff { before: &before, after: &after, arrays, at: Pointer::default() };
    for index in 0..count {
        if count > 1 {
            diff.at.push(index.to_string());
        }
        diff.values(before.documents.get(index), after.documents.get(index), changes)?;
        if count > 1 {
            diff.at.pop();
        }
    }
    noted(format!("{} values differ", changes.totals().all()))
}

struct Diff<'a> {
    before: &'a Stream<'a>,
    after: &'a Stream<'a>,
    arrays: &'a Arrays,
    at: Pointer,
}

impl Diff<'_> {
    fn values(
        &mut self,
        was: Option<&Node>,
        is: Option<&Node>,
        changes: &mut Changes<'_>,
    ) -> Result<(), Failure> {
        let names = match (was, is) {
            (Some(before), Some(after)) if before.same(after) => return Ok(()),
            (None, None) => return Ok(()),
            (Some(before), Some(after)) => self.both_names(before, after),
            _ => None,
        };
        let Some((was_names, is_names)) = names else {
            let shown = |stream: &Stream<'_>, node: Option<&Node>| {
                let node = node?;
                let text = stream.text.get(node.start..node.end).unwrap_or_default();
                Some(Value::Text(text.trim_end().to_owned()))
            };
            let (before, after) = (shown(self.before, was), shown(self.after, is));
            return changes.emit("property", self.at.to_string(), before, after);
        };
        let places = |names: &[Name]| {
            names.iter().cloned().enumerate().map(|(index, name)| (name, index)).collect::<HashMap<_, _>>()
        };
        let (was_places, is_places) = (places(&was_names), places(&is_names));
        for name in sequence::order(&was_names, &is_names, &was_names).items {
            let (old, new) = (was_places.get(&name).copied(), is_places.get(&name).copied());
            self.at.push(match &name {
                Name::Key(key) => key.text.clone(),
                Name::Element(_) => new.or(old).unwrap_or_default().to_string(),
            });
            self.values(part(was, old).1, part(is, new).1, changes)?;
            self.at.pop();
        }
        Ok(())
    }

    fn both_names(&self, was: &Node, is: &Node) -> Option<(Vec<Name>, Vec<Name>)> {
        if was.tag != is.tag || std::mem::discriminant(&was.kind) != std::mem::discriminant(&is.kind) {
            return None;
        }
        let [was, _, is] = names_of([Some(was), Some(was), Some(is)], self.arrays)?;
        Some((was, is))
    }
}
