//! Names of repositories, branches and tags, in the form that lakeFS clients expect.

use std::fmt;

/// A name breaks the rule for its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no {kind} name: {rule}")]
pub struct InvalidName {
    /// What was to be named.
    pub kind: &'static str,
    /// What was given, cut to a length that can be shown.
    pub name: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Checks `name` and takes it.
            pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
                let name = name.into();
                match $check(&name) {
                    Ok(()) => Ok($type(name)),
                    Err(rule) => Err(InvalidName { kind: $kind, name: shown(&name), rule }),
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}

name! {
    /// The name of a repository; also its bucket name on S3.
    RepositoryName, "repository", check_repository
}
name! {
    /// The name of a branch.
    BranchName, "branch", check_branch
}
name! {
    /// The name of a tag.
    TagName, "tag", check_tag
}

fn check_repository(name: &str) -> Result<(), &'static str> {
    let rule = "3 to 63 lower-case letters, digits and hyphens, the first a letter or a digit";
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if first && rest && (3..=63).contains(&name.len()) { Ok(()) } else { Err(rule) }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn check_branch(name: &str) -> Result<(), &'static str> {
    let rule = "1 to 255 letters, digits, underscores and hyphens, the first no hyphen";
    let first = name.bytes().next().is_some_and(is_word);
    let rest = name.bytes().all(|b| is_word(b) || b == b'-');
    if first && rest && name.len() <= 255 { Ok(()) } else { Err(rule) }
}

fn check_tag(name: &str) -> Result<(), &'static str> {
    let rule = "1 to 255 letters, digits, underscores, hyphens and dots, the first a letter, digit or \
                underscore, without '..' and not ending in a dot";
    let first = name.bytes().next().is_some_and(is_word);
    let rest = name.bytes().all(|b| is_word(b) || b == b'-' || b == b'.');
    if first && rest && name.len() <= 255 && !name.contains("..") && !name.ends_with('.') {
        Ok(())
    } else {
        Err(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_lakefs_clients() {
        for good in ["abc", "my-repo", "0ab"] {
            assert!(RepositoryName::new(good).is_ok(), "{good}");
        }
        for bad in ["ab", "-ab", "Abc", "a_b", "a/b", "", "ä-b-c"] {
            assert!(RepositoryName::new(bad).is_err(), "{bad}");
        }
        assert!(RepositoryName::new("a".repeat(64)).is_err());
        for good in ["main", "delta-tx-1", "_x", "A"] {
            assert!(BranchName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a/b", "a~1", "@x", "a.b"] {
            assert!(BranchName::new(bad).is_err(), "{bad}");
        }
        assert!(TagName::new("v1.0").is_ok());
        for bad in ["v1..0", "v1.", ".v", "a^b", "@v"] {
            assert!(TagName::new(bad).is_err(), "{bad}");
        }
    }
}
