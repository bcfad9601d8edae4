//! The part of JSON Schema in which plugins say what options they take. Pure.
//!
//! A schema with a keyword that is not checked here is refused when the plugin is installed, so that nothing it says is
//! passed over.

use serde_json::{Map, Value};

/// How deep a schema may go.
const DEPTH_MAX: usize = 16;

/// Keywords that say nothing about a value.
const NOTES: [&str; 7] = ["$schema", "$id", "title", "description", "default", "examples", "$comment"];

/// The options that a plugin takes: a JSON Schema of the keywords that `wit/README.md` lists.
#[derive(Clone, Debug)]
pub struct Schema(Value);

impl Schema {
    /// Reads a schema. The error names the keyword that is not understood, and where.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        Schema::new(serde_json::from_str(text).map_err(|error| error.to_string())?)
    }

    /// The schema in a document. The error names the keyword that is not understood, and where.
    pub fn new(schema: Value) -> Result<Self, String> {
        understood(&schema, "#", DEPTH_MAX)?;
        Ok(Schema(schema))
    }

    /// The schema as its author wrote it.
    pub(crate) fn document(&self) -> &Value {
        &self.0
    }

    /// Checks options. The error names the option, and what it takes.
    pub fn check(&self, options: &Value) -> Result<(), String> {
        fits(&self.0, options, "the options")
    }
}

/// Checks the options of a plugin that takes none: the error names one that is there.
pub fn check_none(options: &Value) -> Result<(), String> {
    match options.as_object().and_then(|options| options.keys().next()) {
        Some(name) => Err(format!("option {name:?} is unknown: the plugin takes none")),
        None => Ok(()),
    }
}

fn understood(schema: &Value, place: &str, depth: usize) -> Result<(), String> {
    let Some(depth) = depth.checked_sub(1) else { return Err(format!("{place} is nested too deep")) };
    let keywords = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(keywords) => keywords,
        _ => return Err(format!("{place} is neither an object nor true or false")),
    };
    for (keyword, value) in keywords {
        let place = format!("{place}/{keyword}");
        let right = match keyword.as_str() {
            note if NOTES.contains(&note) => true,
            "type" => type_names(value).is_some(),
            "enum" => value.is_array(),
            "const" => true,
            "minimum" | "maximum" => value.is_number(),
            "minLength" | "maxLength" | "minItems" | "maxItems" => value.is_u64(),
            "required" => value.as_array().is_some_and(|names| names.iter().all(Value::is_string)),
            "items" | "additionalProperties" => {
                understood(value, &place, depth)?;
                true
            }
            "properties" => {
                let properties = value.as_object();
                for (name, property) in properties.into_iter().flatten() {
                    understood(property, &format!("{place}/{name}"), depth)?;
                }
                properties.is_some()
            }
            _ => return Err(format!("{place} is a keyword that is not checked here")),
        };
        if !right {
            return Err(format!("{place} has a value that it cannot have"));
        }
    }
    Ok(())
}

fn type_names(value: &Value) -> Option<Vec<&str>> {
    const TYPES: [&str; 7] = ["object", "array", "string", "number", "integer", "boolean", "null"];
    let names: Vec<&str> = match value {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    names.iter().all(|name| TYPES.contains(name)).then_some(names)
}

fn fits(schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let keywords = match schema {
        Value::Bool(false) => return Err(format!("{place} is unknown")),
        Value::Object(keywords) => keywords,
        _ => return Ok(()),
    };
    if let Some(names) = keywords.get("type").and_then(type_names)
        && !names.iter().any(|name| is_of(value, name))
    {
        return Err(format!("{place} must be of type {}, not {}", names.join(" or "), shown(value)));
    }
    if let Some(Value::Array(values)) = keywords.get("enum")
        && !values.contains(value)
    {
        let all = values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
        return Err(format!("{place} must be one of {all}, not {}", shown(value)));
    }
    if let Some(only) = keywords.get("const").filter(|only| *only != value) {
        return Err(format!("{place} must be {only}, not {}", shown(value)));
    }
    bounds(keywords, value, place)?;
    match value {
        Value::Object(object) => object_fits(keywords, object, place),
        Value::Array(items) => match keywords.get("items") {
            Some(schema) => {
                items.iter().try_for_each(|item| fits(schema, item, &format!("an item of {place}")))
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn object_fits(
    keywords: &Map<String, Value>,
    object: &Map<String, Value>,
    place: &str,
) -> Result<(), String> {
    let properties = keywords.get("properties").and_then(Value::as_object);
    for (name, value) in object {
        match (properties.and_then(|known| known.get(name)), keywords.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => fits(schema, value, &format!("option {name:?}"))?,
            (None, None) => {}
        }
    }
    let required = keywords.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(name) {
            return Err(format!("{place} must have {name:?}"));
        }
    }
    Ok(())
}

fn bounds(keywords: &Map<String, Value>, value: &Value, place: &str) -> Result<(), String> {
    let length = match value {
        Value::String(text) => Some((text.chars().count(), "minLength", "maxLength")),
        Value::Array(items) => Some((items.len(), "minItems", "maxItems")),
        _ => None,
    };
    let (found, least, most) = match (value.as_f64(), length) {
        (Some(number), _) => (number, "minimum", "maximum"),
        (None, Some((length, least, most))) => (length as f64, least, most),
        (None, None) => return Ok(()),
    };
    let bound = |keyword: &str| keywords.get(keyword).and_then(Value::as_f64);
    if bound(least).is_some_and(|least| found < least) || bound(most).is_some_and(|most| found > most) {
        let show = |keyword: &str| bound(keyword).map(|bound| format!("{keyword} {bound}"));
        let bounds = [show(least), show(most)].into_iter().flatten().collect::<Vec<_>>().join(", ");
        return Err(format!("{place} is out of bounds ({bounds}): {}", shown(value)));
    }
    Ok(())
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "boolean" => value.is_boolean(),
        _ => value.is_null(),
    }
}

fn shown(value: &Value) -> String {
    crate::state::cut(&value.to_string(), 100).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_checked_by_name() {
        let text = r#"{"type": "object", "additionalProperties": false, "required": ["key"], "properties": {
            "key": {"type": "string", "minLength": 1},
            "arrays": {"enum": ["by-key", "whole"]},
            "depth": {"type": "integer", "minimum": 1, "maximum": 9},
            "skip": {"type": "array", "items": {"type": "string"}}}}"#;
        let schema = Schema::read(text).unwrap();
        assert_eq!(schema.check(&json!({"key": "id", "arrays": "whole", "depth": 2, "skip": ["a"]})), Ok(()));
        for (options, expected) in [
            (json!({}), r#"the options must have "key""#),
            (json!({"key": ""}), r#"option "key" is out of bounds (minLength 1): """#),
            (json!({"key": "k", "x": 1}), r#"option "x" is unknown"#),
            (
                json!({"key": "k", "depth": 10}),
                r#"option "depth" is out of bounds (minimum 1, maximum 9): 10"#,
            ),
            (json!({"key": "k", "depth": 1.5}), r#"option "depth" must be of type integer, not 1.5"#),
            (
                json!({"key": "k", "arrays": "x"}),
                r#"option "arrays" must be one of "by-key", "whole", not "x""#,
            ),
            (json!({"key": "k", "skip": [1]}), r#"an item of option "skip" must be of type string, not 1"#),
        ] {
            assert_eq!(schema.check(&options).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_schema_that_is_not_understood_is_refused() {
        for (text, expected) in [
            (
                r#"{"properties": {"a": {"pattern": "x"}}}"#,
                "#/properties/a/pattern is a keyword that is not checked here",
            ),
            (r#"{"type": "text"}"#, "#/type has a value that it cannot have"),
            ("[]", "# is neither an object nor true or false"),
        ] {
            assert_eq!(Schema::read(text).unwrap_err(), expected);
        }
        let deep = "{\"items\":".repeat(20) + "{}" + &"}".repeat(20);
        assert!(Schema::read(&deep).unwrap_err().contains("nested too deep"));
    }
}
