//! What `merge.toml` says of a Delta table.

use anabranch_parquet::options::row_options;
use serde_json::Value;

use crate::validate::{declared, is_serializable};

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
            (json!({"key": ["id"]}), "option \"key\" is unknown"),
            (json!({"on-log-cleaned": true}), "takes \"refuse\""),
            (json!({"keys": 1}), "names of columns"),
        ] {
            let refused = check_options(&options).unwrap_err();
            assert!(refused.contains(expected), "{options}: {refused}");
        }
        assert_eq!(check_options(&json!({"keys": ["id"], "on-log-cleaned": "refuse"})), Ok(()));
    }
}
