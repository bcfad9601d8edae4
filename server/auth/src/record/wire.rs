//! The pieces that records are encoded from. All integers are little-endian; bytes are their length as u16, then they.

/// The most entries of a list.
const ENTRIES_MAX: usize = 1_000;

/// The bytes are no record of this kind.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// A newer server wrote it.
    #[error("the {kind} record has format version {found}; this server reads version {known}")]
    UnknownVersion {
        /// Which kind of record.
        kind: &'static str,
        /// The version it says.
        found: u8,
        /// The version that is known here.
        known: u8,
    },
    /// It ends early, is too long, or a field is out of bounds.
    #[error("the {kind} record is damaged: {what}")]
    Damaged {
        /// Which kind of record.
        kind: &'static str,
        /// Which field.
        what: &'static str,
    },
}

/// Bytes that do not fit their length are cut: nothing that long gets here, names and lists are bounded before.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend(length.to_le_bytes());
    out.extend(bytes.iter().take(usize::from(length)));
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

pub(super) fn put_list<T>(out: &mut Vec<u8>, entries: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    let count = entries.len().min(ENTRIES_MAX);
    out.extend((count as u16).to_le_bytes());
    for entry in entries.iter().take(count) {
        put(out, entry);
    }
}

/// Reads fields off the front; every method answers an error at the end of the bytes.
pub(super) struct Reader<'a> {
    kind: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads the version, which must be `known`.
    pub(super) fn new(kind: &'static str, known: u8, bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader { kind, rest: bytes };
        let [found] = reader.array("version")?;
        if found == known { Ok(reader) } else { Err(RecordError::UnknownVersion { kind, found, known }) }
    }

    pub(super) fn damaged(&self, what: &'static str) -> RecordError {
        RecordError::Damaged { kind: self.kind, what }
    }

    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], RecordError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(self.damaged(what))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn i64(&mut self, what: &'static str) -> Result<i64, RecordError> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    pub(super) fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], RecordError> {
        let length = usize::from(u16::from_le_bytes(self.array(what)?));
        let (head, rest) = self.rest.split_at_checked(length).ok_or(self.damaged(what))?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<String, RecordError> {
        let bytes = self.bytes(what)?.to_vec();
        String::from_utf8(bytes).map_err(|_| self.damaged(what))
    }

    pub(super) fn list<T>(
        &mut self,
        what: &'static str,
        read: impl Fn(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        let count = usize::from(u16::from_le_bytes(self.array(what)?));
        if count > ENTRIES_MAX {
            return Err(self.damaged(what));
        }
        (0..count).map(|_| read(self)).collect()
    }

    /// Every byte must have been read.
    pub(super) fn finish(self) -> Result<(), RecordError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged("bytes after the end")) }
    }
}
