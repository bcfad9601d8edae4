//! One side of a merge as a table with keys.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use anabranch_plugin::json::quote;
use anabranch_plugin::records::plain::{Ends, Line};
use anabranch_plugin::records::{Record, Row};

use crate::{Settings, read};

/// A cell as it is written; `None` where the side lacks the column.
pub(crate) type Cell<'t> = Option<Cow<'t, str>>;

/// What tells a row: the value of its key column, or those of several.
pub(crate) type Key<'t> = Cow<'t, str>;

/// The rows of a side by key.
pub(crate) type Records<'t> = Vec<Record<Cells<'t>, Key<'t>>>;

/// A row in the columns that are merged. It is taken apart when it is needed: most rows are the same on all sides.
#[derive(Clone, Debug)]
pub(crate) enum Cells<'t> {
    /// As a side writes it.
    Line { text: &'t str, end: &'t str, layout: Rc<Layout> },
    /// One that was merged.
    Merged { cells: Vec<Cell<'t>>, end: &'t str },
}

/// Where the cells of merged columns stand in the rows of a side.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    places: Vec<Option<usize>>,
    delimiter: char,
    /// The side has just these columns, in this order.
    is_whole: bool,
}

impl<'t> Cells<'t> {
    /// The cells, in the order of the columns that are merged.
    pub(crate) fn cells(&self) -> Vec<Cell<'t>> {
        match self {
            Self::Line { text, layout, .. } => {
                let cells = read::cells(text, layout.delimiter);
                let cell = |place: &Option<usize>| cells.get((*place)?).map(|cell| Cow::Borrowed(*cell));
                layout.places.iter().map(cell).collect()
            }
            Self::Merged { cells, .. } => cells.clone(),
        }
    }

    pub(crate) fn end(&self) -> &'t str {
        match self {
            Self::Line { end, .. } | Self::Merged { end, .. } => end,
        }
    }

    /// The row as it is written. A cell that says what it says on ours is written as there.
    pub(crate) fn written(&self, ours: Option<&Self>, delimiter: char) -> Cow<'t, str> {
        match (self, ours) {
            (Self::Line { text, layout, .. }, None) if layout.is_whole => return Cow::Borrowed(text),
            (Self::Line { text, layout, .. }, Some(Self::Line { text: own, .. }))
                if layout.is_whole && text == own =>
            {
                return Cow::Borrowed(text);
            }
            _ => {}
        }
        let own = ours.map(Self::cells).unwrap_or_default();
        let mut text = String::new();
        for (index, cell) in self.cells().iter().enumerate() {
            if index > 0 {
                text.push(delimiter);
            }
            let as_ours = own.get(index).filter(|own| same(own, cell)).unwrap_or(cell);
            text.push_str(as_ours.as_deref().unwrap_or_default());
        }
        Cow::Owned(text)
    }

    /// The row as a JSON object; only the named columns, where some are named.
    pub(crate) fn shown(&self, columns: &[String], named: Option<&[String]>) -> String {
        let cell = |(name, cell): (&String, Cell<'t>)| {
            let is_shown = named.is_none_or(|named| named.contains(name));
            let cell = cell.filter(|_| is_shown)?;
            Some(format!("{}:{}", quote(name), quote(&read::value(&cell))))
        };
        let cells: Vec<String> = columns.iter().zip(self.cells()).filter_map(cell).collect();
        format!("{{{}}}", cells.join(","))
    }
}

/// Whether two cells say the same, however quoted.
pub(crate) fn same(one: &Cell<'_>, other: &Cell<'_>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other || read::value(one) == read::value(other),
        (None, None) => true,
        _ => false,
    }
}

impl PartialEq for Cells<'_> {
    fn eq(&self, other: &Self) -> bool {
        if let (Self::Line { text, layout, .. }, Self::Line { text: other_text, layout: other_layout, .. }) =
            (self, other)
            && text == other_text
            && layout == other_layout
        {
            return true;
        }
        let (one, other) = (self.cells(), other.cells());
        one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| same(one, other))
    }
}

impl Row for Cells<'_> {
    fn cells_changed(&self, other: &Self) -> u64 {
        self.cells().iter().zip(&other.cells()).filter(|(one, other)| !same(one, other)).count() as u64
    }
}

/// A table as it is written.
#[derive(Debug, Default)]
pub(crate) struct Table<'t> {
    /// The names of the columns, and how they are written.
    pub columns: Vec<(String, &'t str)>,
    /// The rows by key.
    rows: Vec<(Key<'t>, Line<'t>)>,
    /// Empty lines at the end.
    pub tail: Vec<Line<'t>>,
    /// How lines end, and the header.
    pub ends: Option<Ends<'t>>,
    pub header_end: &'t str,
    delimiter: char,
}

impl<'t> Table<'t> {
    /// Reads a side. The error says what is no such table.
    pub(crate) fn read(text: &'t str, key: &[String], settings: &Settings) -> Result<Self, String> {
        let mut lines = read::rows(text, settings.delimiter)?;
        let ends = Ends::of(&lines);
        let Some(first) = lines.first().copied() else { return Err("it has no header".into()) };
        let names = read::cells(first.text, settings.delimiter);
        let columns: Vec<(String, &str)> = match settings.header {
            true => names.iter().map(|name| (read::value(name).into_owned(), *name)).collect(),
            false => (1..=names.len()).map(|number| (number.to_string(), "")).collect(),
        };
        let distinct: HashSet<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        if distinct.len() < columns.len() {
            return Err("two columns have one name".into());
        }
        let mut tail = Vec::new();
        while columns.len() > 1 && lines.last().is_some_and(|line| line.text.is_empty()) {
            tail.extend(lines.pop());
        }
        tail.reverse();
        let place = |name: &String| {
            let place = columns.iter().position(|(column, _)| column == name);
            place.ok_or_else(|| format!("it has no column {name:?}, which the option key names"))
        };
        let places = key.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let mut rows = Vec::with_capacity(lines.len());
        for (index, line) in lines.iter().enumerate().skip(usize::from(settings.header)) {
            let cells = read::cells(line.text, settings.delimiter);
            if cells.len() != columns.len() {
                let (count, expected) = (cells.len(), columns.len());
                return Err(format!("row {} has {count} cells, and there are {expected} columns", index + 1));
            }
            rows.push((key_of(&places, &cells), *line));
        }
        let mut seen = HashSet::with_capacity(rows.len());
        if let Some((_, line)) = rows.iter().find(|(key, _)| !seen.insert(key)) {
            let cells = read::cells(line.text, settings.delimiter);
            return Err(format!("two rows have the key {}", shown_key(key, &places, &cells)));
        }
        let (header_end, delimiter) = (first.end, settings.delimiter);
        Ok(Self { columns, rows, tail, ends: Some(ends), header_end, delimiter })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(column, _)| column == name)
    }

    /// The cells of one column by key.
    pub(crate) fn column(&self, name: &str) -> HashMap<&Key<'t>, &'t str> {
        let Some(place) = self.columns.iter().position(|(column, _)| column == name) else {
            return HashMap::new();
        };
        let cell = |line: &Line<'t>| read::cells(line.text, self.delimiter).get(place).copied();
        self.rows.iter().filter_map(|(key, line)| Some((key, cell(line)?))).collect()
    }

    /// The rows in these columns. They are handed out once.
    pub(crate) fn take_records(&mut self, columns: &[String]) -> Records<'t> {
        let by_name: HashMap<&str, usize> =
            self.columns.iter().enumerate().map(|(index, (name, _))| (name.as_str(), index)).collect();
        let places: Vec<Option<usize>> =
            columns.iter().map(|name| by_name.get(name.as_str()).copied()).collect();
        let is_whole = places.len() == self.columns.len()
            && places.iter().enumerate().all(|(index, place)| *place == Some(index));
        let layout = Rc::new(Layout { places, delimiter: self.delimiter, is_whole });
        let record = |(key, line): (Key<'t>, Line<'t>)| {
            let value = Cells::Line { text: line.text, end: line.end, layout: Rc::clone(&layout) };
            Record { key, value }
        };
        std::mem::take(&mut self.rows).into_iter().map(record).collect()
    }
}

/// What tells a row. Values of several columns are put together with their lengths, so that no two rows look alike.
fn key_of<'t>(places: &[usize], cells: &[&'t str]) -> Key<'t> {
    let value = |place: &usize| cells.get(*place).map(|cell| read::value(cell)).unwrap_or_default();
    match places {
        [place] => value(place),
        places => {
            Cow::Owned(places.iter().map(value).map(|value| format!("{} {value}", value.len())).collect())
        }
    }
}

/// The key of a row as a JSON object.
fn shown_key(names: &[String], places: &[usize], cells: &[&str]) -> String {
    let part = |(name, place): (&String, &usize)| {
        let value = cells.get(*place).map(|cell| read::value(cell)).unwrap_or_default();
        format!("{}:{}", quote(name), quote(&value))
    };
    let parts: Vec<String> = names.iter().zip(places).map(part).collect();
    format!("{{{}}}", parts.join(","))
}
