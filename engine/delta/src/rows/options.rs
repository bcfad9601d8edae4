//! What `merge.toml` says of the rows of a table.

use std::collections::BTreeMap;

use anabranch_rows::{Identity, MergeOptions, Policy};
use serde_json::Value;

use super::conflicts::CONFLICTS_MAX;
use crate::validate::{declared, is_serializable};

/// The options of a merge of rows, as `merge.toml` gives them to the table. Without keys rows are compared as a multiset.
///
/// # Errors
/// An option that cannot be meant: which, and what it takes.
pub(crate) fn row_options(options: &Value) -> Result<MergeOptions, String> {
    let keys = match options.get("keys") {
        None => Vec::new(),
        Some(Value::String(key)) => vec![key.clone()],
        Some(Value::Array(keys)) => {
            let names = keys.iter().map(|key| key.as_str().map(str::to_owned));
            names.collect::<Option<Vec<String>>>().ok_or("option keys takes names of columns")?
        }
        Some(_) => return Err("option keys takes names of columns".into()),
    };
    let identity = if keys.is_empty() { Identity::Bag } else { Identity::Key(keys) };
    let cell_wise = match options.get("cell-wise") {
        None => true,
        Some(Value::Bool(cell_wise)) => *cell_wise,
        Some(_) => return Err("option cell-wise takes true or false".into()),
    };
    let mut policies = BTreeMap::new();
    match options.get("policies") {
        None => {}
        Some(Value::Object(by_column)) => {
            for (column, policy) in by_column {
                let text =
                    policy.as_str().ok_or_else(|| format!("the policy of column {column} is a text"))?;
                let policy: Policy = text.parse().map_err(|error| format!("column {column}: {error}"))?;
                policies.insert(column.clone(), policy);
            }
        }
        Some(_) => return Err("option policies takes a table of columns and their policies".into()),
    }
    if identity == Identity::Bag && !policies.is_empty() {
        return Err("policies need keys: without them no row of one side is a row of the other".into());
    }
    Ok(MergeOptions { cell_wise, policies, conflicts_max: CONFLICTS_MAX, ..MergeOptions::new(identity) })
}

/// The options that a rule for a Delta table may have.
const KNOWN: [&str; 9] = [
    "keys",
    "policies",
    "cell-wise",
    "on-log-cleaned",
    "unique",
    "not-null",
    "check",
    "references",
    "isolation",
];

/// Checks the options of a rule, as far as they can be without a table.
pub(crate) fn check_options(options: &Value) -> Result<(), String> {
    let names = options.as_object().into_iter().flat_map(|options| options.keys());
    if let Some(unknown) = names.into_iter().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(format!("option {unknown:?} is unknown: a Delta table takes {}", KNOWN.join(", ")));
    }
    match options.get("on-log-cleaned") {
        None => {}
        Some(Value::String(value)) if value == "refuse" || value == "squash" => {}
        Some(_) => return Err("option on-log-cleaned takes \"refuse\" or \"squash\"".into()),
    }
    declared(options)?;
    is_serializable(options)?;
    row_options(options).map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (options, expected) in [
            (json!({"keys": 1}), "names of columns"),
            (json!({"keys": [1]}), "names of columns"),
            (json!({"keys": ["id"], "policies": {"a": "newest"}}), "column a"),
            (json!({"keys": ["id"], "policies": ["max"]}), "table of columns"),
            (json!({"policies": {"a": "max"}}), "need keys"),
            (json!({"cell-wise": "yes"}), "true or false"),
        ] {
            let refused = row_options(&options).unwrap_err();
            assert!(refused.contains(expected), "{options}: {refused}");
        }
        for (options, expected) in [
            (json!({"key": ["id"]}), "option \"key\" is unknown"),
            (json!({"on-log-cleaned": true}), "takes \"refuse\""),
            (json!({"keys": 1}), "names of columns"),
        ] {
            let refused = check_options(&options).unwrap_err();
            assert!(refused.contains(expected), "{options}: {refused}");
        }
        assert_eq!(check_options(&json!({"keys": ["id"], "on-log-cleaned": "refuse"})), Ok(()));
        let read =
            row_options(&json!({"keys": "id", "policies": {"n": "sum_delta"}, "on-log-cleaned": "refuse"}))
                .unwrap();
        assert_eq!(read.identity, Identity::Key(vec!["id".into()]));
        assert_eq!(read.policies["n"], Policy::SumDelta);
    }
}
