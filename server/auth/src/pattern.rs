//! Patterns over the names of repositories and branches.

use std::fmt;

/// The longest pattern; names are no longer.
const PATTERN_BYTES_MAX: usize = 255;

/// A pattern over names: `*` stands for any characters, also none, `?` for exactly one; all else for itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

/// A text is no pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{pattern:?} is no pattern: {rule}")]
pub struct InvalidPattern {
    /// What was given, cut to a length that can be shown.
    pub pattern: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl Pattern {
    /// The pattern that every name fits.
    pub fn any() -> Self {
        Pattern("*".to_owned())
    }

    /// Checks `pattern` and takes it: letters, digits, `-`, `_`, `.`, `*` and `?`, 1 to 255 of them.
    pub fn new(pattern: impl Into<String>) -> Result<Self, InvalidPattern> {
        let pattern = pattern.into();
        let rule = if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
            "give 1 to 255 characters"
        } else if !pattern.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.*?".contains(&b)) {
            "names have letters, digits, '-', '_' and '.'; '*' stands for any characters, '?' for one"
        } else {
            return Ok(Pattern(pattern));
        };
        Err(InvalidPattern { pattern: pattern.chars().take(100).collect(), rule })
    }

    /// Whether every name fits.
    pub fn is_any(&self) -> bool {
        self.0.bytes().all(|b| b == b'*')
    }

    /// Whether `name` fits. Takes at most (length of the pattern) × (length of the name) steps.
    pub fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.as_bytes(), name.as_bytes());
        // Where to go on after the last '*', should what follows it not fit: one byte of the name further.
        let mut retry: Option<(&[u8], &[u8])> = None;
        loop {
            match (pattern.split_first(), rest.split_first()) {
                (Some((b'*', after)), _) => {
                    retry = Some((after, rest));
                    pattern = after;
                    continue;
                }
                (Some((wanted, after)), Some((actual, left))) if *wanted == b'?' || wanted == actual => {
                    (pattern, rest) = (after, left);
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            match retry.and_then(|(after, from)| Some((after, from.split_first()?.1))) {
                Some((after, from)) => {
                    retry = Some((after, from));
                    (pattern, rest) = (after, from);
                }
                None => return false,
            }
        }
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule as a definition: what is left of the pattern against what is left of the name.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|skipped| by_definition(rest, &name[skipped..])),
            Some((wanted, rest)) => name.split_first().is_some_and(|(first, left)| {
                (*wanted == b'?' || wanted == first) && by_definition(rest, left)
            }),
        }
    }

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        let fits = |pattern: &str, name: &str| Pattern::new(pattern).unwrap().matches(name);
        assert!(fits("*", "") && fits("*", "main") && fits("dev-*", "dev-") && fits("dev-*", "dev-anna"));
        assert!(fits("v?", "v1") && fits("*-eu-*", "sales-eu-west") && fits("main", "main"));
        assert!(!fits("dev-*", "dev") && !fits("v?", "v") && !fits("v?", "v10") && !fits("main", "Main"));
        assert!(Pattern::any().is_any() && Pattern::new("**").unwrap().is_any());
    }

    #[test]
    fn what_is_no_name_is_no_pattern() {
        for bad in ["", "a/b", "a b", "ä", "{a,b}", "[ab]", &"x".repeat(256)] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn matching_is_as_defined(pattern in "[ab*?]{1,8}", name in "[ab]{0,10}") {
            let fits = Pattern::new(&*pattern).unwrap().matches(&name);
            prop_assert_eq!(fits, by_definition(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
