//! Hashes what an answer follows from, so that no two inputs hash the same bytes.

use anabranch_types::Entry;

/// A hasher of values, each with its length before it.
#[derive(Default)]
pub struct InputHasher(blake3::Hasher);

impl InputHasher {
    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    /// Adds a value that may be absent.
    pub fn option<T>(&mut self, value: Option<T>, add: impl FnOnce(&mut Self, T)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            add(self, value);
        }
    }

    /// Adds an entry: where its bytes lie, and its attributes.
    pub fn entry(&mut self, entry: &Entry) {
        self.text(entry.address.object.as_str());
        for number in [entry.address.offset, entry.address.length, entry.size, u64::from(entry.parts)] {
            self.number(number);
        }
        self.bytes(&entry.modified_ms.to_le_bytes());
        self.bytes(entry.checksum.as_bytes());
        self.text(&entry.content_type);
        self.number(entry.metadata.len() as u64);
        for (name, value) in &entry.metadata {
            self.text(name);
            self.text(value);
        }
    }

    /// The hash of all that was added.
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}
