//! Common prefixes of listings. Pure.

/// The common prefix that stands for `path` in a listing of `prefix`: up to and with the first delimiter after the
/// prefix. None if the path stands for itself.
pub(crate) fn common_prefix<'p>(path: &'p str, prefix: &str, delimiter: Option<&str>) -> Option<&'p str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let rest = path.strip_prefix(prefix)?;
    let end = prefix.len().saturating_add(rest.find(delimiter)?).saturating_add(delimiter.len());
    path.get(..end)
}

/// Where a listing goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Position {
    /// At the beginning.
    Start,
    /// After this path.
    Path(String),
    /// After everything that begins with this common prefix.
    CommonPrefix(String),
}

impl Position {
    /// Where the page after the line `after` begins: a common prefix is skipped whole.
    pub(crate) fn new(after: Option<&str>, prefix: &str, delimiter: Option<&str>) -> Position {
        match after {
            None | Some("") => Position::Start,
            Some(after) if common_prefix(after, prefix, delimiter) == Some(after) => {
                Position::CommonPrefix(after.to_owned())
            }
            Some(after) => Position::Path(after.to_owned()),
        }
    }
}

/// A text at or after which paths that begin with `prefix` are rare, and none is smaller. Whoever seeks to it skips the
/// rest one by one.
pub(crate) fn near_end_of(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_after_the_first_delimiter_beyond_the_prefix() {
        let cut = |path, prefix| common_prefix(path, prefix, Some("/"));
        assert_eq!(cut("a/b/c", ""), Some("a/"));
        assert_eq!(cut("a/b/c", "a/"), Some("a/b/"));
        assert_eq!(cut("a/b/c", "a"), Some("a/"));
        assert_eq!(cut("a/b/c", "a/b/"), None);
        assert_eq!(cut("/a", ""), Some("/"));
        assert_eq!(cut("b", "a"), None);
        assert_eq!(common_prefix("a/b", "", None), None);
        assert_eq!(common_prefix("a/b", "", Some("")), None);
    }

    #[test]
    fn a_common_prefix_is_skipped_whole_and_a_path_is_not() {
        let position = |after| Position::new(Some(after), "a/", Some("/"));
        assert_eq!(position("a/b/"), Position::CommonPrefix("a/b/".into()));
        assert_eq!(position("a/b/c"), Position::Path("a/b/c".into()));
        assert_eq!(position("a/b"), Position::Path("a/b".into()));
        assert_eq!(position(""), Position::Start);
    }
}
