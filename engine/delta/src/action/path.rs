//! How a log names its data files, and which object of the branch that is.

use percent_encoding::percent_decode_str;

/// Where a data file of a log lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DataPath {
    /// Below the table root: the decoded path, which is also the object's path.
    Relative(String),
    /// Somewhere else: an absolute path or address, as it was written.
    Absolute(String),
}

impl DataPath {
    /// Reads the `path` of a file action: an encoded URI, relative or absolute.
    pub fn parse(path: &str) -> Result<DataPath, String> {
        if path.starts_with('/') || has_scheme(path) {
            return Ok(DataPath::Absolute(path.to_owned()));
        }
        let decoded = percent_decode_str(path)
            .decode_utf8()
            .map_err(|_| format!("path {path:?} does not decode to UTF-8"))?
            .into_owned();
        if decoded.is_empty() || decoded.len() > 1024 || decoded.contains('\0') {
            return Err(format!("path {:?} is no path of an object", shown(path)));
        }
        if decoded.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(format!("path {:?} has a segment '.' or '..'", shown(path)));
        }
        if decoded.starts_with('/') || decoded == "_delta_log" || decoded.starts_with("_delta_log/") {
            return Err(format!("path {:?} names no data file", shown(path)));
        }
        Ok(DataPath::Relative(decoded))
    }

    /// The text by which two actions on one file are recognised.
    pub fn key(&self) -> &str {
        match self {
            DataPath::Relative(path) | DataPath::Absolute(path) => path,
        }
    }
}

/// A text cut to a length that can be shown.
pub fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Whether a text begins with `scheme:`.
fn has_scheme(path: &str) -> bool {
    let Some((scheme, _)) = path.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_decode_once_and_hostile_ones_are_refused() {
        let relative = |path: &str| Ok(DataPath::Relative(path.to_owned()));
        assert_eq!(DataPath::parse("p=a%20b/x.parquet"), relative("p=a b/x.parquet"));
        assert_eq!(DataPath::parse("p=%2525/x"), relative("p=%25/x"));
        assert_eq!(DataPath::parse("ts=2020-01-01%2000%3A00/x"), relative("ts=2020-01-01 00:00/x"));
        for absolute in ["s3://b/k", "/tmp/x", "file:/tmp/x", "lakefs://r/b/x"] {
            assert_eq!(DataPath::parse(absolute), Ok(DataPath::Absolute(absolute.to_owned())));
        }
        for bad in ["", "../x", "a/%2e%2e/b", "a%00b", "_delta_log/0.json", "%ff", "%2Fx"] {
            assert!(DataPath::parse(bad).is_err(), "{bad:?}");
        }
    }
}
