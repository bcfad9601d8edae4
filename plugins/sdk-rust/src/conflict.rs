//! Conflicts, and what people decided about them.

use crate::{Choice, Conflict, Failure, Side, Value};

/// The longest value that a conflict shows in full, in bytes.
const SHOWN_MAX: usize = 16 * 1024;

/// Where conflicts are reported, and where decisions about them come from.
pub trait Conflicts {
    /// Reports a conflict, or answers what was decided about it earlier. `None`: it is open; the merge goes on.
    ///
    /// # Errors
    ///
    /// The host refused the conflict: a limit was reached.
    fn report(&mut self, conflict: Conflict) -> Result<Option<Decision>, Failure>;

    /// Who wins single rows and cells about which people decided nothing.
    fn prefer(&self) -> Option<Side> {
        None
    }

    /// Reports a conflict about a row or a cell, unless the merge says who wins those.
    ///
    /// # Errors
    ///
    /// As for `report`.
    fn report_row(&mut self, conflict: Conflict) -> Result<Option<Decision>, Failure> {
        match self.prefer() {
            Some(side) => Ok(Some(Decision { choice: name(side).into(), value: None })),
            None => self.report(conflict),
        }
    }
}

/// What was decided about one conflict.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The id of one of the conflict's choices.
    pub choice: String,
    /// What the choice takes, where it takes a value.
    pub value: Option<Value>,
}

impl Decision {
    /// The side that was chosen; `None` where the choice is another.
    pub fn side(&self) -> Option<Side> {
        match self.choice.as_str() {
            "ours" => Some(Side::Ours),
            "theirs" => Some(Side::Theirs),
            "base" => Some(Side::Base),
            _ => None,
        }
    }

    /// The failure for a choice that the plugin does not know.
    pub fn unknown(&self) -> Failure {
        Failure::new("internal", format!("the choice {:?} was not offered", self.choice))
    }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Base => "base",
        Side::Ours => "ours",
        Side::Theirs => "theirs",
    }
}

impl Conflict {
    /// A conflict about the object itself (`path` is `""`), with the choices ours and theirs.
    ///
    /// `kind` is one of `docs/conflicts.md` or begins with `x-`; `key` says where, `""` is all of it; `rule` is what the
    /// plugin's documentation calls the reason.
    pub fn new(kind: &str, key: impl Into<String>, message: impl Into<String>, rule: &str) -> Self {
        Self {
            kind: kind.into(),
            path: String::new(),
            key: key.into(),
            column: None,
            message: message.into(),
            rule: rule.into(),
            base: None,
            ours: None,
            theirs: None,
            choices: Vec::new(),
        }
    }

    /// The same with the column or field that clashes.
    #[must_use]
    pub fn with_column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    /// The same with the values of base, ours and theirs. Long ones are shown by their beginning.
    #[must_use]
    pub fn with_values(mut self, [base, ours, theirs]: [Option<Value>; 3]) -> Self {
        self.base = base.map(shown);
        self.ours = ours.map(shown);
        self.theirs = theirs.map(shown);
        self
    }

    /// The same with these choices, each an id and a label.
    #[must_use]
    pub fn with_choices(mut self, choices: &[(&str, &str)]) -> Self {
        let choice = |(id, label): &(&str, &str)| Choice { id: (*id).into(), label: (*label).into() };
        self.choices = choices.iter().map(choice).collect();
        self
    }
}

/// A value as a conflict or a change shows it: a long one by its beginning, its size and a fingerprint, because the three
/// values are part of a conflict's identity.
pub(crate) fn shown(value: Value) -> Value {
    let text = match &value {
        Value::Text(text) | Value::Json(text) if text.len() > SHOWN_MAX => text,
        _ => return value,
    };
    let mut end = SHOWN_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let beginning = text.get(..end).unwrap_or_default();
    Value::Text(format!("{beginning}… ({} bytes, {:016x})", text.len(), fingerprint(text.as_bytes())))
}

/// FNV-1a: it tells apart, and no more is asked of it.
fn fingerprint(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

impl Failure {
    /// A failure of the whole call. `code` is one of the contract's or begins with `x-`.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), path: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_between_characters_and_stays_distinct() {
        let long = |end: &str| shown(Value::Text(format!("{}{end}", "é".repeat(SHOWN_MAX))));
        let (one, other) = (long("a"), long("b"));
        assert_ne!(one, other);
        let Value::Text(text) = one else { panic!("a text") };
        assert!(text.len() < SHOWN_MAX + 64 && text.contains("(32769 bytes, "), "{}", text.len());
        assert_eq!(shown(Value::Json("1".into())), Value::Json("1".into()));
    }
}
