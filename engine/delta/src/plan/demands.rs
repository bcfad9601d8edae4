//! What a table's description demands of each of its rows. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::schema;
use crate::action::Metadata;

/// What the properties of CHECK constraints begin with.
pub(crate) const CONSTRAINTS: &str = "delta.constraints.";

/// Something that must be true of every row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum RowRule {
    /// The column is not NULL.
    NotNull(String),
    /// The condition is true: where it is NULL it is not.
    Check {
        /// Its name: of the constraint, or of the column with the invariant.
        name: String,
        /// The condition as SQL.
        condition: String,
    },
    /// A condition that cannot be read, and why.
    Unreadable {
        /// As above.
        name: String,
        /// Why.
        why: String,
    },
}

impl RowRule {
    /// What is named in a conflict: the column, or the constraint.
    pub(crate) fn name(&self) -> &str {
        match self {
            RowRule::NotNull(name) | RowRule::Check { name, .. } | RowRule::Unreadable { name, .. } => name,
        }
    }

    /// The rule for a person.
    pub(crate) fn shown(&self) -> String {
        match self {
            RowRule::NotNull(column) => format!("NOT NULL of column {column}"),
            RowRule::Check { name, condition } => format!("{name} ({condition})"),
            RowRule::Unreadable { name, .. } => name.clone(),
        }
    }
}

/// The rules of a table, by the place where they are written.
pub(crate) fn row_rules(metadata: &Metadata) -> BTreeMap<String, RowRule> {
    let mut rules = BTreeMap::new();
    for (property, condition) in &metadata.configuration {
        if let Some(name) = property.strip_prefix(CONSTRAINTS) {
            let rule = RowRule::Check { name: name.to_owned(), condition: condition.clone() };
            rules.insert(property.clone(), rule);
        }
    }
    for (column, is_required, invariant) in schema::demands(&metadata.schema) {
        if is_required {
            rules.insert(format!("nullable {column}"), RowRule::NotNull(column.to_owned()));
        }
        if let Some(text) = invariant {
            rules.insert(format!("{} {column}", schema::INVARIANTS), invariant_of(column, text));
        }
    }
    rules
}

/// An invariant is a condition in JSON in the column's metadata: `{"expression": {"expression": "id > 3"}}`.
fn invariant_of(column: &str, text: &str) -> RowRule {
    let name = format!("the invariant of column {column}");
    let condition = serde_json::from_str::<Value>(text).ok();
    let condition = condition.as_ref().and_then(|json| json.get("expression")?.get("expression")?.as_str());
    match condition {
        Some(condition) => RowRule::Check { name, condition: condition.to_owned() },
        None => RowRule::Unreadable { name, why: "it is not written as the format says".into() },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_stand_in_properties_and_in_the_schema() {
        let field = |name: &str, nullable: bool, metadata: Value| json!({"name": name, "type": "long", "nullable": nullable, "metadata": metadata});
        let schema = json!({"type": "struct", "fields": [
            field("id", false, json!({})),
            field("n", true, json!({"delta.invariants": "{\"expression\":{\"expression\":\"n > 3\"}}"})),
            field("m", true, json!({"delta.invariants": "nonsense"})),
        ]});
        let body = json!({"id": "t", "schemaString": schema.to_string(), "partitionColumns": [],
            "configuration": {"delta.constraints.small": "id < 9", "delta.appendOnly": "true"}});
        let rules = row_rules(&Metadata::parse(&body.to_string()).unwrap());
        let shown: Vec<String> = rules.values().map(RowRule::shown).collect();
        assert_eq!(
            shown,
            [
                "small (id < 9)",
                "the invariant of column m",
                "the invariant of column n (n > 3)",
                "NOT NULL of column id"
            ]
        );
    }
}
