//! What `merge.toml` demands of the rows of a table, beyond what the table itself does. Pure.

use std::collections::BTreeSet;

use anabranch_rows::predicate::Predicate;
use serde_json::Value;

use crate::plan::RowRule;

/// What is declared.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Declared {
    /// Lists of columns, of which no two rows are equal in all.
    pub(crate) unique: Vec<Vec<String>>,
    /// Whether rows of one key that both sides added are looked for.
    pub(crate) keys_apart: bool,
    /// What must be true of every row.
    pub(crate) rows: Vec<RowRule>,
    /// Which rows of other tables there must be.
    pub(crate) references: Vec<Reference>,
}

/// Columns whose values, where none is NULL, some row of another table has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reference {
    /// The columns.
    pub(crate) columns: Vec<String>,
    /// The root of the other table, without a `/` at the end.
    pub(crate) table: String,
    /// Its columns, in the same order.
    pub(crate) to: Vec<String>,
}

/// Reads the options.
///
/// # Errors
/// An option that cannot be meant: which, and what it takes.
pub(crate) fn declared(options: &Value) -> Result<Declared, String> {
    let mut declared = Declared { keys_apart: true, ..Declared::default() };
    match options.get("unique") {
        None => {}
        Some(Value::Bool(false)) => declared.keys_apart = false,
        Some(unique) => declared.unique = unique_of(unique)?,
    }
    if let Some(columns) = options.get("not-null") {
        let columns = names("not-null", columns)?;
        declared.rows.extend(columns.into_iter().map(RowRule::NotNull));
    }
    match options.get("check") {
        None => {}
        Some(Value::Object(checks)) => {
            for (name, condition) in checks {
                let wrong = |why: &str| format!("option check: {name}: {why}");
                let condition = condition.as_str().ok_or_else(|| wrong("it takes a condition as text"))?;
                Predicate::parse(condition).map_err(|why| wrong(&why))?;
                declared.rows.push(RowRule::Check { name: name.clone(), condition: condition.to_owned() });
            }
        }
        Some(_) => return Err("option check takes a table of names and conditions".into()),
    }
    if let Some(references) = options.get("references") {
        let references = references.as_array().ok_or("option references takes a list of tables")?;
        declared.references = references.iter().map(reference).collect::<Result<_, _>>()?;
    }
    Ok(declared)
}

fn reference(value: &Value) -> Result<Reference, String> {
    const TAKES: &str = "option references takes {columns, table, to}";
    let fields = value.as_object().ok_or(TAKES)?;
    if let Some(unknown) = fields.keys().find(|name| !["columns", "table", "to"].contains(&name.as_str())) {
        return Err(format!("{TAKES}, and nothing like {unknown:?}"));
    }
    let columns = names("references: columns", fields.get("columns").ok_or(TAKES)?)?;
    let to = match fields.get("to") {
        Some(to) => names("references: to", to)?,
        None => columns.clone(),
    };
    if to.len() != columns.len() {
        return Err("option references: columns and to have as many names".into());
    }
    let table = fields.get("table").and_then(Value::as_str).ok_or(TAKES)?.trim_end_matches('/');
    if table.is_empty() || table.starts_with('/') || table.contains(['*', '?', '[', '{']) {
        return Err("option references: table is the folder of one table in this repository".into());
    }
    Ok(Reference { columns, table: table.to_owned(), to })
}

fn unique_of(value: &Value) -> Result<Vec<Vec<String>>, String> {
    let lists = match value {
        Value::Array(lists) if !lists.is_empty() && lists.iter().all(Value::is_array) => {
            lists.iter().collect()
        }
        other => vec![other],
    };
    lists.into_iter().map(|columns| names("unique", columns)).collect()
}

/// Names of columns, at least one and none twice.
pub(crate) fn names(option: &str, value: &Value) -> Result<Vec<String>, String> {
    let wrong = || format!("option {option} takes names of columns");
    let names: Vec<String> = match value {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned));
            names.collect::<Option<_>>().ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    let distinct: BTreeSet<&String> = names.iter().collect();
    if names.is_empty() || names.iter().any(String::is_empty) {
        return Err(wrong());
    }
    match distinct.len() == names.len() {
        true => Ok(names),
        false => Err(format!("option {option} names a column twice")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_declared_is_read_and_what_cannot_be_meant_is_named() {
        let read =
            declared(&json!({"unique": [["a", "b"], ["c"]], "not-null": "a", "check": {"few": "n < 3"}}))
                .unwrap();
        assert_eq!(read.unique, [vec!["a".to_owned(), "b".into()], vec!["c".into()]]);
        assert_eq!(
            read.rows.iter().map(RowRule::shown).collect::<Vec<_>>(),
            ["NOT NULL of column a", "few (n < 3)"]
        );
        assert_eq!(declared(&json!({"unique": ["a", "b"]})).unwrap().unique, [["a", "b"]]);
        assert!(!declared(&json!({"unique": false})).unwrap().keys_apart);
        let read = declared(&json!({"references": [{"columns": "a", "table": "t/x/", "to": "id"}]})).unwrap();
        let (columns, to) = (vec!["a".to_owned()], vec!["id".to_owned()]);
        assert_eq!(read.references, [Reference { columns, table: "t/x".into(), to }]);
        for (options, expected) in [
            (json!({"references": {}}), "a list of tables"),
            (json!({"references": [{"columns": "a"}]}), "takes {columns, table, to}"),
            (json!({"references": [{"columns": "a", "table": "t", "on": "b"}]}), "nothing like \"on\""),
            (json!({"references": [{"columns": "a", "table": "t", "to": ["b", "c"]}]}), "as many names"),
            (json!({"references": [{"columns": "a", "table": "t/*"}]}), "one table"),
            (json!({"unique": true}), "unique takes names"),
            (json!({"unique": [["a"], "b"]}), "unique takes names"),
            (json!({"unique": []}), "unique takes names"),
            (json!({"unique": ["a", "a"]}), "a column twice"),
            (json!({"not-null": 3}), "not-null takes names"),
            (json!({"check": ["n < 3"]}), "table of names and conditions"),
            (json!({"check": {"few": 3}}), "few: it takes a condition"),
            (json!({"check": {"few": "n <"}}), "few: sql parser error"),
            (json!({"check": {"few": "n / 2 < 3"}}), "few: n / 2 is not evaluated here"),
        ] {
            let refused = declared(&options).unwrap_err();
            assert!(refused.contains(expected), "{options}: {refused}");
        }
    }
}
