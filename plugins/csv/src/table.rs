//! One side of a merge as a table with keys.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use anabranch_plugin::json::quote;
use anabranch_plugin::records::plain::{Ends, Line};
use anabranch_plugin::records::{Record, Row};

use crate::{Settings, read};

/// A cell as it is written; `None` where the side lacks the column.
pub(crate) type Cell<'t> = Option<Cow<'t, str>>;

/// The cells of a row, in the order of the columns that are merged. Equal when they say the same, however quoted.
#[derive(Clone, Debug)]
pub(crate) struct Cells<'t> {
    pub cells: Vec<Cell<'t>>,
    pub end: &'t str,
}

pub(crate) fn same(one: &Cell<'_>, other: &Cell<'_>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other || read::value(one) == read::value(other),
        (None, None) => true,
        _ => false,
    }
}

impl PartialEq for Cells<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cells.len() == other.cells.len()
            && self.cells.iter().zip(&other.cells).all(|(one, other)| same(one, other))
    }
}

impl Row for Cells<'_> {
    fn cells_changed(&self, other: &Self) -> u64 {
        self.cells.iter().zip(&other.cells).filter(|(one, other)| !same(one, other)).count() as u64
    }
}

/// A table as it is written.
#[derive(Debug, Default)]
pub(crate) struct Table<'t> {
    /// The names of the columns, and how they are written.
    pub columns: Vec<(String, &'t str)>,
    /// The rows by key, with the cells as they are written.
    pub rows: Vec<(String, Vec<&'t str>, &'t str)>,
    /// Empty lines at the end.
    pub tail: Vec<Line<'t>>,
    /// All lines, which say how new ones end.
    pub ends: Option<Ends<'t>>,
    /// How the header ends.
    pub header_end: &'t str,
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
        let mut table = Self { columns, rows: Vec::new(), tail, ends: Some(ends), header_end: first.end };
        let places = key.iter().map(|name| table.place(name)).collect::<Result<Vec<_>, _>>()?;
        for (index, line) in lines.iter().enumerate().skip(usize::from(settings.header)) {
            let cells = read::cells(line.text, settings.delimiter);
            if cells.len() != table.columns.len() {
                let (count, expected) = (cells.len(), table.columns.len());
                return Err(format!("row {} has {count} cells, and there are {expected} columns", index + 1));
            }
            table.rows.push((key_of(key, &places, &cells), cells, line.end));
        }
        table.check_keys()?;
        Ok(table)
    }

    fn place(&self, name: &str) -> Result<usize, String> {
        let place = self.columns.iter().position(|(column, _)| column == name);
        place.ok_or_else(|| format!("it has no column {name:?}, which the option key names"))
    }

    fn check_keys(&self) -> Result<(), String> {
        let mut seen = HashSet::new();
        match self.rows.iter().find(|(key, ..)| !seen.insert(key.as_str())) {
            Some((key, ..)) => Err(format!("two rows have the key {key}")),
            None => Ok(()),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(column, _)| column == name)
    }

    /// The cells of one column by key.
    pub(crate) fn column(&self, name: &str) -> HashMap<&str, &'t str> {
        let Some(place) = self.columns.iter().position(|(column, _)| column == name) else {
            return HashMap::new();
        };
        self.rows
            .iter()
            .filter_map(|(key, cells, _)| cells.get(place).map(|cell| (key.as_str(), *cell)))
            .collect()
    }

    /// The rows with the cells of these columns.
    pub(crate) fn records(&self, columns: &[String]) -> Vec<Record<Cells<'t>>> {
        let by_name: HashMap<&str, usize> =
            self.columns.iter().enumerate().map(|(index, (name, _))| (name.as_str(), index)).collect();
        let places: Vec<Option<usize>> =
            columns.iter().map(|name| by_name.get(name.as_str()).copied()).collect();
        let record = |(key, cells, end): &(String, Vec<&'t str>, &'t str)| {
            let cell = |place: &Option<usize>| cells.get((*place)?).map(|cell| Cow::Borrowed(*cell));
            let cells = places.iter().map(cell).collect();
            Record { key: key.clone(), value: Cells { cells, end } }
        };
        self.rows.iter().map(record).collect()
    }
}

/// The key of a row as a JSON object.
fn key_of(names: &[String], places: &[usize], cells: &[&str]) -> String {
    let part = |(name, place): (&String, &usize)| {
        let value = cells.get(*place).map(|cell| read::value(cell)).unwrap_or_default();
        format!("{}:{}", quote(name), quote(&value))
    };
    let parts: Vec<String> = names.iter().zip(places).map(part).collect();
    format!("{{{}}}", parts.join(","))
}

/// A row as a JSON object.
pub(crate) fn shown(columns: &[String], row: &Cells<'_>) -> String {
    let cell = |(name, cell): (&String, &Cell<'_>)| {
        cell.as_ref().map(|cell| format!("{}:{}", quote(name), quote(&read::value(cell))))
    };
    let cells: Vec<String> = columns.iter().zip(&row.cells).filter_map(cell).collect();
    format!("{{{}}}", cells.join(","))
}
