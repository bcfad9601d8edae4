//! A JSON object whose fields keep their order and their bytes.

use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// A JSON object as it was written: fields in order, values as text. Numbers of any size, unknown fields and the
/// spelling of values survive unchanged.
#[derive(Clone, Debug, Default)]
pub struct RawObject {
    fields: Vec<(String, Box<RawValue>)>,
}

impl RawObject {
    /// Parses one object. Two fields of one name are refused: readers would not agree on which counts.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_ref()))
    }

    /// The text of a field; `None` when it is absent or null.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        (value.get() != "null").then_some(value.as_ref())
    }

    /// A field as a value of a known type; `None` when it is absent or null.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, String> {
        self.get(name)
            .map(|value| {
                serde_json::from_str(value.get()).map_err(|error| format!("field {name:?}: {error}"))
            })
            .transpose()
    }

    /// Sets a field in its place, or at the end.
    pub fn set(&mut self, name: &str, value: &impl Serialize) -> Result<(), String> {
        let value = serde_json::value::to_raw_value(value).map_err(|error| error.to_string())?;
        self.set_raw(name, value);
        Ok(())
    }

    /// Sets a field to a text that is already JSON, in its place or at the end.
    pub fn set_raw(&mut self, name: &str, value: Box<RawValue>) {
        match self.fields.iter_mut().find(|(field, _)| field == name) {
            Some((_, current)) => *current = value,
            None => self.fields.push((name.to_owned(), value)),
        }
    }

    /// Sets a field and puts it in front of all others.
    pub fn set_first(&mut self, name: &str, value: &impl Serialize) -> Result<(), String> {
        let value = serde_json::value::to_raw_value(value).map_err(|error| error.to_string())?;
        self.remove(name);
        self.fields.insert(0, (name.to_owned(), value));
        Ok(())
    }

    /// Takes a field away.
    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|(field, _)| field != name);
    }

    /// The object as compact JSON; the values keep their own spelling.
    pub fn to_text(&self) -> String {
        let size: usize = self.fields.iter().map(|(name, value)| name.len() + value.get().len() + 4).sum();
        let mut text = String::with_capacity(size + 2);
        text.push('{');
        for (at, (name, value)) in self.fields.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(name.as_str()).to_string());
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        text
    }
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RawObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawObject, A::Error> {
                let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if fields.iter().any(|(field, _)| *field == name) {
                        return Err(serde::de::Error::custom(format!("field {name:?} stands twice")));
                    }
                    fields.push((name, value));
                }
                Ok(RawObject { fields })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_their_bytes() {
        let text = r#"{"z":12345678901234567890123,"a":{"q" : [1 , 2]},"n":null,"f":1.0e5,"é":"é"}"#;
        assert_eq!(RawObject::parse(text).map(|object| object.to_text()), Ok(text.to_owned()));
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        assert!(RawObject::parse(r#"{"a":1,"a":2}"#).is_err());
    }

    #[test]
    fn setting_replaces_in_place_and_null_reads_as_absent() -> Result<(), String> {
        let mut object = RawObject::parse(r#"{"a":1,"b":2,"c":null}"#)?;
        object.set("a", &7)?;
        object.set("d", &"x")?;
        object.remove("b");
        object.set_first("e", &true)?;
        assert_eq!(object.to_text(), r#"{"e":true,"a":7,"c":null,"d":"x"}"#);
        assert_eq!(object.read::<i64>("c"), Ok(None));
        Ok(())
    }
}
