//! What `merge.toml` says of the rows of a table or file.

use std::collections::BTreeMap;

use anabranch_rows::{Identity, MergeOptions, Policy};
use serde_json::Value;

use crate::conflicts::CONFLICTS_MAX;

/// The names of the options that [`row_options`] reads.
pub const ROW_OPTIONS: [&str; 3] = ["keys", "policies", "cell-wise"];

/// The options of a merge of rows, as `merge.toml` gives them. Without keys rows are compared as a multiset.
///
/// # Errors
/// An option that cannot be meant: which, and what it takes.
pub fn row_options(options: &Value) -> Result<MergeOptions, String> {
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
        let read =
            row_options(&json!({"keys": "id", "policies": {"n": "sum_delta"}, "on-log-cleaned": "refuse"}))
                .unwrap();
        assert_eq!(read.identity, Identity::Key(vec!["id".into()]));
        assert_eq!(read.policies["n"], Policy::SumDelta);
    }
}
