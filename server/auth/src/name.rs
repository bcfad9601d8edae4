//! The names of users, groups and policies.

use std::fmt;

const NAME_BYTES_MAX: usize = 127;

/// The name of a user, a group or a policy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

/// A name breaks the rule.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{name:?} is no name of a user, group or policy: 1 to 127 letters, digits and characters of '_+=.,@-', \
     the first a letter, digit or '_'"
)]
pub struct InvalidAccountName {
    /// What was given, cut to a length that can be shown.
    pub name: String,
}

impl AccountName {
    /// Checks `name` and takes it.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidAccountName> {
        let name = name.into();
        let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        let rest = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=.,@-".contains(&b));
        if first && rest && name.len() <= NAME_BYTES_MAX {
            return Ok(AccountName(name));
        }
        Err(InvalidAccountName { name: name.chars().take(100).collect() })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_clients_use() {
        for good in ["anna", "anna.b@example.org", "Admins", "FSReadAll", "_x", "a+b=c,d-e"] {
            assert!(AccountName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a/b", "a b", "ä", "a\n", "a\"b", "@x", &"x".repeat(128)] {
            assert!(AccountName::new(bad).is_err(), "{bad:?}");
        }
    }
}
