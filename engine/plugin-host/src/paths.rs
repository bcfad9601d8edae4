//! Which paths a plugin may name. Pure.

use anabranch_merge::UnitKind;
use anabranch_types::ObjectPath;

use crate::state::cut;

/// Checks a path relative to the unit at `root`. The error names the path and the rule that it breaks.
pub(crate) fn check(root: &str, kind: UnitKind, path: &str) -> Result<(), String> {
    let refuse = |rule: &str| Err(format!("path {:?}: {rule}", cut(path, 200)));
    match kind {
        UnitKind::Object if path.is_empty() => return Ok(()),
        UnitKind::Object => return refuse("a unit of one object has the path \"\" only"),
        UnitKind::Folder => {}
    }
    if path.is_empty() {
        return refuse("it is empty");
    }
    if path.starts_with('/') || path.ends_with('/') {
        return refuse("it begins or ends with '/'");
    }
    // Where the unit is the whole repository, the rules of its first segment apply to the path.
    let full = if root.is_empty() { path.to_owned() } else { format!("{root}/{path}") };
    match ObjectPath::new(full) {
        Ok(_) => Ok(()),
        Err(invalid) => refuse(invalid.rule),
    }
}

/// The same for what is taken whole: `""` and paths that end with `/` mean all that is below.
pub(crate) fn check_prefix(root: &str, kind: UnitKind, path: &str) -> Result<(), String> {
    match (kind, path.strip_suffix('/')) {
        (UnitKind::Folder, Some(folder)) => check(root, kind, folder),
        (UnitKind::Folder, None) if path.is_empty() => Ok(()),
        _ => check(root, kind, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_within_their_unit() {
        let folder = |path| check("tables/orders", UnitKind::Folder, path);
        assert_eq!(folder("part-1.parquet"), Ok(()));
        assert_eq!(folder("a//b"), Ok(()));
        let long = "x".repeat(1_020);
        for hostile in
            ["", "/", "/etc/passwd", "..", "../other/part-1", "a/../../b", "a/./b", "a\0b", "a/", &long]
        {
            let refused = folder(hostile).unwrap_err();
            assert!(refused.contains(&format!("{:?}", cut(hostile, 200))), "{refused}");
        }
        assert!(check("", UnitKind::Folder, "@tables/x").is_err());
        assert_eq!(check("notes.txt", UnitKind::Object, ""), Ok(()));
        assert!(check("notes.txt", UnitKind::Object, "other.txt").is_err());
        assert_eq!(check_prefix("t", UnitKind::Folder, "day=1/"), Ok(()));
        assert_eq!(check_prefix("t", UnitKind::Folder, ""), Ok(()));
        assert!(check_prefix("t", UnitKind::Folder, "../").is_err());
        assert!(check_prefix("t", UnitKind::Object, "/").is_err());
    }
}
