//! Which keys a conflict of structure is about: those that a resolution takes from one side together. Pure.

use anabranch_tree::KeyRange;

use super::names::split;
use crate::Conflict;
use crate::roots::folder_prefix;

/// The keys that belong together. Only [`Scope::Tree`] reaches into tables and other units.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::pipeline) enum Scope {
    /// Everything directly in a folder, hidden files included.
    Folder(String),
    /// Everything below a folder.
    Below(String),
    /// These very paths.
    Paths(Vec<String>),
    /// A path as a file and as a folder.
    Tree(String),
}

impl Scope {
    /// The ranges in which all keys of the scope lie.
    pub(in crate::pipeline) fn ranges(&self) -> Vec<KeyRange> {
        match self {
            Scope::Folder(folder) | Scope::Below(folder) => super::super::finder::unit_ranges(folder),
            Scope::Paths(paths) => paths.iter().map(|path| KeyRange::single(path.as_bytes())).collect(),
            Scope::Tree(path) => {
                vec![KeyRange::single(path.as_bytes()), KeyRange::prefix(folder_prefix(path).as_bytes())]
            }
        }
    }

    /// Whether a key belongs to the scope.
    pub(in crate::pipeline) fn contains(&self, key: &str) -> bool {
        match self {
            Scope::Folder(folder) => split(key).0 == folder && !key.starts_with('/'),
            Scope::Below(folder) => {
                key.starts_with(&folder_prefix(folder)) && !key.starts_with("_anabranch/")
            }
            Scope::Paths(paths) => paths.iter().any(|path| path == key),
            Scope::Tree(path) => key == path || key.starts_with(&folder_prefix(path)),
        }
    }

    /// Whether another scope lies in this one, so that a decision about this one decides it as well.
    pub(super) fn covers(&self, other: &Scope) -> bool {
        match (self, other) {
            (Scope::Below(_) | Scope::Tree(_), Scope::Folder(folder) | Scope::Below(folder)) => {
                let inside = self.contains(&folder_prefix(folder));
                inside || matches!(self, Scope::Below(own) if own == folder || own.is_empty())
            }
            (Scope::Below(_) | Scope::Tree(_) | Scope::Folder(_), Scope::Paths(paths)) => {
                paths.iter().all(|path| self.contains(path))
            }
            (Scope::Below(_) | Scope::Tree(_), Scope::Tree(path)) => self.contains(path),
            _ => false,
        }
    }

    /// Whether taking the scope from one side may take whole tables with it.
    pub(in crate::pipeline) fn reaches_into_units(&self) -> bool {
        matches!(self, Scope::Tree(_))
    }

    /// The scope of a conflict that this step made; none for every other conflict.
    pub(in crate::pipeline) fn of(conflict: &Conflict) -> Option<Scope> {
        let path = || conflict.path.clone();
        match conflict.rule.as_str() {
            "partition-overwritten-both"
            | "partition-overwritten-vs-appended"
            | "partition-overwritten-vs-deleted" => Some(Scope::Folder(path())),
            "summary-outdated" | "marker-without-data" => Some(Scope::Below(path())),
            "file-and-folder" => Some(Scope::Tree(path())),
            "case-only" => {
                let paths = conflict.ours.as_ref()?.as_object()?;
                Some(Scope::Paths(paths.keys().cloned().collect()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_holds_its_keys_and_covers_what_lies_in_it() {
        let folder = Scope::Folder("s/d=1".into());
        assert!(folder.contains("s/d=1/a") && folder.contains("s/d=1/_SUCCESS"));
        assert!(!folder.contains("s/d=1/n/a") && !folder.contains("s/d=10/a"));
        assert!(Scope::Folder(String::new()).contains("a") && !Scope::Folder(String::new()).contains("a/b"));
        let below = Scope::Below("s".into());
        assert!(below.covers(&folder) && below.covers(&Scope::Below("s".into())));
        assert!(!below.covers(&Scope::Folder("s-x".into())) && !folder.covers(&below));
        assert!(Scope::Below(String::new()).covers(&below));
        let tree = Scope::Tree("s".into());
        assert!(tree.contains("s") && tree.contains("s/x") && !tree.contains("s-x"));
        assert!(folder.covers(&Scope::Paths(vec!["s/d=1/a".into(), "s/d=1/A".into()])));
    }
}
