//! The metadata of an instant as a value: JSON up to table version 6, Avro from 8 on, which say the same.

use anabranch_plugin::Json;
use anabranch_plugin::json::Kind;

use crate::avro;

/// A value. Numbers that nobody asks for keep no type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Long(i64),
    /// A float or a double.
    Float,
    Text(String),
    Bytes,
    List(Vec<Value>),
    /// A map, or a record by the names of its fields.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// Reads what the file of an instant says.
    ///
    /// # Errors
    ///
    /// It is neither JSON nor Avro, or broken.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        if avro::is_container(bytes) {
            return avro::read(bytes);
        }
        Json::parse(bytes).map(|json| Value::of(&json)).map_err(|error| format!("it is not JSON: {error}"))
    }

    fn of(json: &Json<'_>) -> Self {
        match json.kind() {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => number.parse().map_or(Value::Float, Value::Long),
            Kind::Text(text) => Value::Text(text.to_string()),
            Kind::Array(elements) => Value::List(elements.iter().map(Value::of).collect()),
            Kind::Object(members) => {
                let entry = |member: &anabranch_plugin::json::Member<'_>| {
                    (member.name.to_string(), Value::of(&member.value))
                };
                Value::Map(members.iter().map(entry).collect())
            }
        }
    }

    /// A field of a record, or an entry of a map.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.entries().iter().find(|(is, _)| is == name).map(|(_, value)| value)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Long(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    pub(crate) fn elements(&self) -> &[Value] {
        match self {
            Value::List(values) => values,
            _ => &[],
        }
    }

    pub(crate) fn entries(&self) -> &[(String, Value)] {
        match self {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }
}
