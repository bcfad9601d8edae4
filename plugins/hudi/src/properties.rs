//! `hoodie.properties`: what it says, and its merge property by property.

use std::collections::BTreeMap;

/// The property that lists what the metadata table holds; a table that has none lists nothing.
pub(crate) const METADATA_PARTITIONS: &str = "hoodie.table.metadata.partitions";
/// The same for parts that are being built.
pub(crate) const METADATA_PARTITIONS_INFLIGHT: &str = "hoodie.table.metadata.partitions.inflight";

/// The properties of a table in the order of the file, each with its value as it is written there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Properties {
    lines: Vec<(String, String)>,
}

/// A property that both sides changed, and differently.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clash {
    pub(crate) name: String,
    pub(crate) values: [Option<String>; 3],
}

impl Properties {
    /// Reads a file of Java properties.
    ///
    /// # Errors
    ///
    /// What in it cannot be merged: bytes that are no text, a line that goes on in the next one, a name twice.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let mut lines: Vec<(String, String)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for line in text.lines().map(|line| line.trim_start().trim_end_matches('\r')) {
            if line.is_empty() || line.starts_with('#') || line.starts_with('!') {
                continue;
            }
            if line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1 {
                return Err(format!("the line {line:?} goes on in the next one"));
            }
            let end = line.find(['=', ':']).unwrap_or(line.len());
            let name = line.get(..end).unwrap_or_default().trim_end();
            let value = line.get(end + 1..).unwrap_or_default().trim_start();
            if name.contains('\\') || name.is_empty() {
                return Err(format!("the name of the property {line:?} has escapes, or there is none"));
            }
            if !seen.insert(name.to_owned()) {
                return Err(format!("the property {name} stands there twice"));
            }
            lines.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self { lines })
    }

    /// The value of a property without its escapes; `None` where it is empty or missing.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let (_, value) = self.lines.iter().find(|(is, _)| is == name)?;
        let mut plain = String::with_capacity(value.len());
        let mut letters = value.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => plain.extend(letters.next()),
                other => plain.push(other),
            }
        }
        (!plain.is_empty()).then_some(plain)
    }

    /// The same properties with one that is empty, where it is there.
    pub(crate) fn emptied(mut self, name: &str) -> Self {
        self.lines.iter_mut().filter(|(is, _)| is == name).for_each(|(_, value)| value.clear());
        self
    }

    /// Whether these say the same, in whatever order.
    pub(crate) fn says(&self, other: &Properties) -> bool {
        self.by_name() == other.by_name()
    }

    /// The file, with `comment` above. Hudi reads it as any file of Java properties, and its checksum is one of the table's name.
    pub(crate) fn text(&self, comment: &str) -> String {
        let mut text = format!("#{comment}\n");
        for (name, value) in &self.lines {
            text.push_str(&format!("{name}={value}\n"));
        }
        text
    }

    fn by_name(&self) -> BTreeMap<&str, &str> {
        self.lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

/// Merges three states property by property: the value of the side that changed it, in the order of ours.
pub(crate) fn merge(base: &Properties, ours: &Properties, theirs: &Properties) -> (Properties, Vec<Clash>) {
    let [was, our, their] = [base, ours, theirs].map(Properties::by_name);
    let mut clashes = Vec::new();
    let mut lines = Vec::new();
    let added = theirs.lines.iter().filter(|(name, _)| !our.contains_key(name.as_str()));
    for name in ours.lines.iter().chain(added).map(|(name, _)| name.as_str()) {
        let values = [&was, &our, &their].map(|side| side.get(name).copied());
        let merged = match values {
            [_, ours, theirs] if ours == theirs => ours,
            [was, ours, theirs] if was == ours => theirs,
            [was, ours, theirs] if was == theirs => ours,
            [_, ours, _] => {
                let values = values.map(|value| value.map(str::to_owned));
                clashes.push(Clash { name: name.to_owned(), values });
                ours
            }
        };
        lines.extend(merged.map(|value| (name.to_owned(), value.to_owned())));
    }
    (Properties { lines }, clashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Properties {
        Properties::read(text.as_bytes()).expect("properties")
    }

    #[test]
    fn properties_are_read_as_java_writes_them() {
        let read = read("#a comment\n\nhoodie.table.name=orders\nhoodie.keygen=a\\:b\\=c\r\n empty=\n");
        assert_eq!(read.get("hoodie.table.name").as_deref(), Some("orders"));
        assert_eq!(read.get("hoodie.keygen").as_deref(), Some("a:b=c"));
        assert_eq!(read.get("empty"), None);
        for (broken, why) in
            [("a=1\na=2", "twice"), ("a=1\\\nb", "goes on"), ("=1", "name"), ("\\u0061=1", "escapes")]
        {
            let said = Properties::read(broken.as_bytes()).expect_err(broken);
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn the_side_that_changed_a_property_has_its_value() {
        let (base, ours, theirs) =
            (read("a=1\nb=1\ngone=1"), read("b=1\na=2\ngone=1\nnew=o"), read("a=1\nb=3\nmore=t"));
        let (merged, clashes) = merge(&base, &ours, &theirs);
        assert_eq!(merged.text("x"), "#x\nb=3\na=2\nnew=o\nmore=t\n");
        assert_eq!(clashes, []);
        let (_, clashes) = merge(&base, &ours, &read("a=9\nb=1\ngone=1"));
        assert_eq!(clashes.len(), 1);
        assert_eq!(clashes[0].values, [Some("1".into()), Some("2".into()), Some("9".into())]);
    }
}
