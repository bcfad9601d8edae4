//! Avro object container files, as Hudi writes the metadata of instants: read into values, by the schema in the file.

use std::collections::HashMap;

use anabranch_plugin::Json;

use crate::value::Value;

/// How deep values may lie in one another.
const DEPTH_MAX: usize = 64;
/// The most values that one file may hold: more are not metadata of an instant.
const VALUES_MAX: usize = 4_000_000;

/// Whether bytes begin as a container file does.
pub(crate) fn is_container(bytes: &[u8]) -> bool {
    bytes.starts_with(b"Obj\x01")
}

/// Reads the first value of a container file. Hudi writes one.
///
/// # Errors
///
/// What is wrong with the file.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { rest: bytes, values: 0 };
    if reader.take(4)? != b"Obj\x01" {
        return Err("it is no Avro file".into());
    }
    let mut schema = None;
    let mut codec = None;
    reader.blocks(&mut |reader| {
        let name = reader.text()?;
        let value = reader.sized()?;
        match name.as_str() {
            "avro.schema" => schema = Some(value),
            "avro.codec" => codec = Some(value),
            _ => {}
        }
        Ok(())
    })?;
    let marker = reader.take(16)?;
    let (count, size) = (reader.long()?, reader.long()?);
    if count < 1 {
        return Err("it holds no value".into());
    }
    let block = reader.take(usize::try_from(size).map_err(|_| "a block has a negative size")?)?;
    if reader.take(16)? != marker {
        return Err("its block does not end where it says".into());
    }
    let inflated;
    let block = match codec {
        None | Some(b"null") => block,
        Some(b"deflate") => {
            inflated = crate::inflate::raw(block, 256 * 1024 * 1024)?;
            &inflated
        }
        Some(other) => {
            return Err(format!(
                "it is compressed with {}, which is not read here",
                String::from_utf8_lossy(other)
            ));
        }
    };
    let schema =
        Json::parse(schema.ok_or("it has no schema")?).map_err(|error| format!("its schema: {error}"))?;
    let mut names = HashMap::new();
    collect_names(&schema, "", &mut names, 0)?;
    Reader { rest: block, values: 0 }.value(&schema, &names, "", 0)
}

/// The named types of a schema, by full name.
fn collect_names<'s>(
    schema: &'s Json<'s>,
    namespace: &str,
    names: &mut HashMap<String, &'s Json<'s>>,
    depth: usize,
) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err("its schema is nested too deep".into());
    }
    for branch in schema.elements().unwrap_or_default() {
        collect_names(branch, namespace, names, depth + 1)?;
    }
    let Some(kind) = schema.get("type") else { return Ok(()) };
    let namespace = schema.get("namespace").and_then(Json::as_str).unwrap_or(namespace);
    if let Some(name) = schema.get("name").and_then(Json::as_str)
        && matches!(kind.as_str(), Some("record" | "enum" | "fixed"))
    {
        names.insert(full_name(name, namespace), schema);
    }
    for field in schema.get("fields").and_then(Json::elements).unwrap_or_default() {
        if let Some(of) = field.get("type") {
            collect_names(of, namespace, names, depth + 1)?;
        }
    }
    for inner in ["items", "values", "type"].iter().filter_map(|part| schema.get(part)) {
        if inner.as_str().is_none() {
            collect_names(inner, namespace, names, depth + 1)?;
        }
    }
    Ok(())
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

struct Reader<'b> {
    rest: &'b [u8],
    values: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number of variable length, zigzag.
    fn long(&mut self) -> Result<i64, String> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = *self.take(1)?.first().unwrap_or(&0);
            if shift < 64 {
                number |= u64::from(byte & 0x7f) << shift;
            }
            if byte & 0x80 == 0 {
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err("a number in it is too long".into())
    }

    fn sized(&mut self) -> Result<&'b [u8], String> {
        let size = self.long()?;
        self.take(usize::try_from(size).map_err(|_| "a negative size")?)
    }

    fn text(&mut self) -> Result<String, String> {
        String::from_utf8(self.sized()?.to_vec()).map_err(|_| "a text in it is not UTF-8".into())
    }

    /// The items of an array or a map, which come in blocks.
    fn blocks(&mut self, item: &mut dyn FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.long()?;
                count = count.checked_neg().ok_or("a negative count")?;
            }
            for _ in 0..count {
                self.values += 1;
                if self.values > VALUES_MAX {
                    return Err("it holds too many values".into());
                }
                item(self)?;
            }
        }
    }

    fn value(
        &mut self,
        schema: &Json<'_>,
        names: &HashMap<String, &Json<'_>>,
        namespace: &str,
        depth: usize,
    ) -> Result<Value, String> {
        if depth > DEPTH_MAX {
            return Err("its values are nested too deep".into());
        }
        if let Some(branches) = schema.elements() {
            let index = usize::try_from(self.long()?).map_err(|_| "a negative branch of a union")?;
            let branch = branches.get(index).ok_or("a branch of a union that is not there")?;
            return self.value(branch, names, namespace, depth + 1);
        }
        let Some(kind) = schema.as_str().or_else(|| schema.get("type")?.as_str()) else {
            let inner = schema.get("type").ok_or("a type without a name")?;
            return self.value(inner, names, namespace, depth + 1);
        };
        match kind {
            "null" => Ok(Value::Null),
            "boolean" => Ok(Value::Bool(self.take(1)? == [1])),
            "int" | "long" => self.long().map(Value::Long),
            "float" => self.take(4).map(|_| Value::Float),
            "double" => self.take(8).map(|_| Value::Float),
            "string" => self.text().map(Value::Text),
            "bytes" => self.sized().map(|_| Value::Bytes),
            "fixed" => {
                let size = schema.get("size").and_then(Json::as_u64).ok_or("a fixed without a size")?;
                self.take(usize::try_from(size).map_err(|_| "a size")?).map(|_| Value::Bytes)
            }
            "enum" => self.long().map(Value::Long),
            "array" => {
                let items = schema.get("items").ok_or("an array without items")?;
                let mut list = Vec::new();
                self.blocks(&mut |reader| {
                    list.push(reader.value(items, names, namespace, depth + 1)?);
                    Ok(())
                })?;
                Ok(Value::List(list))
            }
            "map" => {
                let values = schema.get("values").ok_or("a map without values")?;
                let mut entries = Vec::new();
                self.blocks(&mut |reader| {
                    let name = reader.text()?;
                    entries.push((name, reader.value(values, names, namespace, depth + 1)?));
                    Ok(())
                })?;
                Ok(Value::Map(entries))
            }
            "record" => self.record(schema, names, namespace, depth),
            name => match names.get(&full_name(name, namespace)).or_else(|| names.get(name)) {
                Some(named) => self.value(named, names, namespace, depth + 1),
                None => Err(format!("its schema names the type {name}, which is not there")),
            },
        }
    }

    fn record(
        &mut self,
        schema: &Json<'_>,
        names: &HashMap<String, &Json<'_>>,
        namespace: &str,
        depth: usize,
    ) -> Result<Value, String> {
        let namespace = schema.get("namespace").and_then(Json::as_str).unwrap_or(namespace);
        let fields = schema.get("fields").and_then(Json::elements).ok_or("a record without fields")?;
        self.values += fields.len();
        if self.values > VALUES_MAX {
            return Err("it holds too many values".into());
        }
        let mut record = Vec::new();
        for field in fields {
            let name = field.get("name").and_then(Json::as_str).ok_or("a field without a name")?;
            let of = field.get("type").ok_or("a field without a type")?;
            // What is left out is what nobody asks for: most fields of a write are null.
            match self.value(of, names, namespace, depth + 1)? {
                Value::Null | Value::Float | Value::Bytes => {}
                value => record.push((name.to_owned(), value)),
            }
        }
        Ok(Value::Map(record))
    }
}
