//! Where values come from: flags before variables before the file before the default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::keys::{self, KEYS, Key, Kind};
use super::value;

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// A flag of the command line.
    Flag(String),
    /// A variable of the environment.
    Variable(String),
    /// The configuration file.
    File(PathBuf),
    /// Nobody gave one.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(flag) => write!(f, "flag --{flag}"),
            Origin::Variable(variable) => write!(f, "environment {variable}"),
            Origin::File(path) => write!(f, "file {}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A value and where it comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    /// The value.
    pub(crate) text: String,
    /// Where it, or the name of the file that holds it, was given.
    pub(crate) origin: Origin,
    /// The file that holds it, if one was named.
    pub(crate) held_by: Option<PathBuf>,
}

/// What was given in each place, by name of the key (or of the key with `_file`).
#[derive(Clone, Default)]
pub(crate) struct Sources {
    /// From the command line.
    pub(crate) flags: BTreeMap<String, String>,
    /// From the environment, all of it.
    pub(crate) environment: BTreeMap<String, String>,
    /// The configuration file and its values.
    pub(crate) file: Option<(PathBuf, BTreeMap<String, String>)>,
}

/// Looks a name up in one place: its text, and where exactly it stands.
type Place<'a> = dyn Fn(&str) -> Option<(String, Origin)> + 'a;

/// All values.
pub(crate) type Values = BTreeMap<&'static str, Found>;

impl Sources {
    /// The file that flags or environment name.
    pub(crate) fn named_file(&self) -> Option<PathBuf> {
        let named = self.flags.get("config").or_else(|| self.environment.get("ANABRANCH_CONFIG"));
        named.filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// Every value by its precedence, and what is wrong with them. Files with secrets are only read if `open` says so.
    pub(crate) fn resolve(&self, open: bool) -> Result<Values, Vec<String>> {
        let (mut values, mut wrong) = (Values::new(), Vec::new());
        for key in KEYS {
            match self.find(key, open) {
                Ok(Some(found)) => {
                    if let (Err(expected), None) = (value::check(key.kind, &found.text), &found.held_by) {
                        let given = if key.kind == Kind::Secret { "…" } else { found.text.as_str() };
                        wrong.push(format!("{} is {given:?} ({}): give {expected}", key.name, found.origin));
                    }
                    values.insert(key.name, found);
                }
                Ok(None) => {}
                Err(error) => wrong.push(error),
            }
        }
        if wrong.is_empty() { Ok(values) } else { Err(wrong) }
    }

    fn find(&self, key: &'static Key, open: bool) -> Result<Option<Found>, String> {
        let places: [&Place<'_>; 3] = [
            &|name| {
                let text = self.flags.get(name)?;
                Some((text.clone(), Origin::Flag(keys::flag_of(name))))
            },
            &|name| {
                let variable = keys::variable_of(name);
                let text = self.environment.get(&variable).filter(|text| !text.is_empty())?;
                Some((text.clone(), Origin::Variable(variable)))
            },
            &|name| {
                let (path, values) = self.file.as_ref()?;
                Some((values.get(name)?.clone(), Origin::File(path.clone())))
            },
        ];
        for place in places {
            let direct = place(key.name);
            let held = key.file_name().and_then(|name| place(&name));
            match (direct, held) {
                (None, None) => {}
                (Some((text, origin)), None) => return Ok(Some(Found { text, origin, held_by: None })),
                (None, Some((path, origin))) => {
                    return held_by(key, Path::new(&path), origin, open).map(Some);
                }
                (Some((_, origin)), Some(_)) => {
                    let name = key.name;
                    return Err(format!("{name} and {name}_file are both given ({origin}): leave one out"));
                }
            }
        }
        let default = |text: &str| Found { text: text.to_owned(), origin: Origin::Default, held_by: None };
        Ok(key.default.map(default))
    }
}

fn held_by(key: &Key, path: &Path, origin: Origin, open: bool) -> Result<Found, String> {
    let text = if open {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| {
            format!("{}_file ({origin}): {} cannot be read: {error}", key.name, path.display())
        })?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        String::new()
    };
    Ok(Found { text, origin, held_by: Some(path.to_owned()) })
}

/// Reads the text of a configuration file: names and values, or everything that is wrong with it.
pub(crate) fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, String>, Vec<String>> {
    let table: toml::Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => return Err(vec![format!("{}: {}", path.display(), error.to_string().trim_end())]),
    };
    let (mut values, mut wrong) = (BTreeMap::new(), Vec::new());
    flatten("", &table, &mut |name, value| match known(&name) {
        Ok(kind) => match text_of(kind, value) {
            Ok(text) => {
                values.insert(name, text);
            }
            Err(expected) => wrong.push(format!("{}: {name}: give {expected}", path.display())),
        },
        Err(hint) => wrong.push(format!("{}: unknown key {name}{hint}", path.display())),
    });
    if wrong.is_empty() { Ok(values) } else { Err(wrong) }
}

/// Calls `visit` for each value. A table is a section, unless a setting has its name.
fn flatten(section: &str, table: &toml::Table, visit: &mut dyn FnMut(String, &toml::Value)) {
    for (name, value) in table {
        let name = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        match value {
            toml::Value::Table(inner) if keys::find(&name).is_none() && !inner.is_empty() => {
                flatten(&name, inner, visit);
            }
            toml::Value::Table(inner) if inner.is_empty() && is_section(&name) => {}
            value => visit(name, value),
        }
    }
}

fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(section, _)| section == name))
}

/// The kind of a key of the file, or a hint at the one that was meant.
fn known(name: &str) -> Result<Kind, String> {
    if let Some(key) = keys::find(name) {
        return Ok(key.kind);
    }
    if name.strip_suffix("_file").and_then(keys::find).is_some_and(|key| key.kind == Kind::Secret) {
        return Ok(Kind::Path);
    }
    Err(match nearest(name) {
        Some(nearest) => format!(": did you mean {nearest}?"),
        None => ": docs/configuration.md lists all keys".to_owned(),
    })
}

/// The known key that looks most like `name`, if one does.
fn nearest(name: &str) -> Option<String> {
    let names = KEYS.iter().flat_map(|key| [Some(key.name.to_owned()), key.file_name()]).flatten();
    let ranked = names.map(|known| {
        let alike = strsim::normalized_damerau_levenshtein(name, &known);
        // Somebody may know the last part and not the section, or the first part and not the rest.
        let partly = known.rsplit('.').next() == name.rsplit('.').next() || known.starts_with(name);
        (if partly { alike.max(0.7) } else { alike }, known)
    });
    // Of those that are as near, the first: a key comes before its file.
    let best = ranked.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|(alike, _)| *alike > 0.55).map(|(_, known)| known)
}

fn text_of(kind: Kind, value: &toml::Value) -> Result<String, String> {
    match (kind, value) {
        (Kind::List, toml::Value::Array(items)) => {
            let texts: Option<Vec<&str>> =
                items.iter().map(|item| item.as_str().filter(|text| !text.contains(','))).collect();
            texts.map(|texts| texts.join(",")).ok_or_else(|| "a list of texts without commas".to_owned())
        }
        (Kind::List, toml::Value::String(_)) => Err("a list, in square brackets".to_owned()),
        (_, toml::Value::String(text)) => Ok(text.clone()),
        (Kind::Count | Kind::Bytes | Kind::Fraction, toml::Value::Integer(number)) => Ok(number.to_string()),
        (Kind::Fraction, toml::Value::Float(number)) => Ok(number.to_string()),
        (Kind::Duration, _) => Err("a time in quotes, with its unit, like \"30s\"".to_owned()),
        (Kind::List, _) => Err("a list of texts".to_owned()),
        _ => Err("a text in quotes".to_owned()),
    }
}
