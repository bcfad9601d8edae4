//! What a Parquet file says at its end, looked over before it is decoded: the decoder makes room for as many things as a
//! file claims to hold, and follows nested fields as deep as they go, so that a few hostile bytes could end the process.
//!
//! Source: the Parquet format, `FileMetaData` in `parquet.thrift`, in Thrift's compact protocol.

// By its path, because the fuzz target takes this file in from another place.
#[path = "footer/shape.rs"]
pub(super) mod shape;

use self::shape::Shape;

/// The bytes at the end of a file: the length of the footer, and who wrote it.
pub(super) const TAIL_BYTES: u64 = 8;

/// The most bytes a footer may have. One of 10,000 columns in 20 row groups has about a third.
const FOOTER_BYTES_MAX: u64 = 64 << 20;

/// The most things in one list of a footer.
const LIST_MAX: u64 = 1 << 20;

/// How deep structures may lie in one another, and fields of the schema.
const DEPTH_MAX: usize = 64;

/// Looks over the footer of a file that is at hand as a whole: to be done before any reader of Parquet sees it.
///
/// # Errors
///
/// It is no Parquet file, or one that is not read here: why.
pub fn check_file(file: &[u8]) -> Result<(), String> {
    let too_short = || "it is too short to be a Parquet file".to_owned();
    let (rest, tail) = file.split_last_chunk::<{ TAIL_BYTES as usize }>().ok_or_else(too_short)?;
    let length = usize::try_from(length(tail, file.len() as u64)?).unwrap_or(usize::MAX);
    check(rest.len().checked_sub(length).and_then(|start| rest.get(start..)).ok_or_else(too_short)?)
}

/// What stands at the end of a file, of so many bytes: how long its footer is.
///
/// # Errors
///
/// It is no Parquet file, or one whose footer is not read here: why.
pub(super) fn length(tail: &[u8], file_bytes: u64) -> Result<u64, String> {
    let parts = tail.split_first_chunk::<4>();
    let (length, magic) = parts.ok_or("it is too short to be a Parquet file")?;
    match magic {
        b"PAR1" => {}
        b"PARE" => return Err("it is encrypted, its footer as well: this server has no keys".into()),
        _ => return Err("it does not end as a Parquet file does: it is another file, or cut off".into()),
    }
    let length = u64::from(u32::from_le_bytes(*length));
    if length.saturating_add(TAIL_BYTES) > file_bytes {
        return Err(format!("its footer would have {length} bytes, and the file has {file_bytes}"));
    }
    if length > FOOTER_BYTES_MAX {
        return Err(format!("its footer has {length} bytes; at most {FOOTER_BYTES_MAX} are read"));
    }
    Ok(length)
}

/// Looks over a footer.
///
/// # Errors
///
/// What is wrong with it, or that columns of the file are encrypted.
pub(super) fn check(footer: &[u8]) -> Result<(), String> {
    let mut walk = Walk::of(footer, "its footer");
    let mut encrypted = false;
    walk.fields(Some(&shape::FILE_META_DATA), 0, |walk, id, kind| match (id, kind) {
        (SCHEMA, LIST) => walk.schema().map(|()| true),
        (ENCRYPTION, _) => {
            encrypted = true;
            Ok(false)
        }
        _ => Ok(false),
    })?;
    match encrypted {
        true => Err("columns of it are encrypted: this server has no keys".into()),
        false => Ok(()),
    }
}

/// Fields of `FileMetaData` and `SchemaElement`.
const SCHEMA: i64 = 2;
const ENCRYPTION: i64 = 8;
const CHILDREN: i64 = 5;

/// Types of Thrift's compact protocol.
const STOP: u8 = 0;
pub(super) const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
pub(super) const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
pub(super) const STRUCT: u8 = 12;

/// Walks over values without keeping them.
pub(super) struct Walk<'a> {
    left: &'a [u8],
    /// What it walks over, for messages.
    what: &'static str,
}

impl<'a> Walk<'a> {
    pub(super) fn of(bytes: &'a [u8], what: &'static str) -> Self {
        Walk { left: bytes, what }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.left.is_empty()
    }

    fn ends_early(&self) -> String {
        format!("{} ends early", self.what)
    }

    /// The next bytes, which are no values.
    pub(super) fn take(&mut self, bytes: u64) -> Result<&'a [u8], String> {
        let parts = usize::try_from(bytes).ok().and_then(|bytes| self.left.split_at_checked(bytes));
        let (taken, rest) = parts.ok_or_else(|| self.ends_early())?;
        self.left = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        let (first, rest) = self.left.split_first().ok_or_else(|| self.ends_early())?;
        self.left = rest;
        Ok(*first)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), String> {
        self.take(bytes).map(drop)
    }

    fn unsigned(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(format!("{} has a number of more than 64 bits", self.what))
    }

    pub(super) fn signed(&mut self) -> Result<i64, String> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// The fields of a structure, of this shape where the format has it. `take` says whether it has taken the value of one; else the
    /// value is passed over.
    pub(super) fn fields(
        &mut self,
        shape: Option<&Shape>,
        depth: usize,
        mut take: impl FnMut(&mut Self, i64, u8) -> Result<bool, String>,
    ) -> Result<(), String> {
        let mut id = 0_i64;
        loop {
            let header = self.byte()?;
            let kind = header & 0x0f;
            if kind == STOP {
                return Ok(());
            }
            id = match header >> 4 {
                0 => self.signed()?,
                more => id.saturating_add(i64::from(more)),
            };
            // A decoder that cuts a number off would take it for another field.
            if i16::try_from(id).is_err() {
                return Err(format!("{} has a field with the number {id}, which is none", self.what));
            }
            let of = shape.and_then(|shape| shape.field(id));
            if of.is_some_and(|of| !of.is(kind)) {
                return Err(format!("{} has a field {id} of another type than Parquet's", self.what));
            }
            if !take(self, id, kind)? {
                self.value(of, kind, depth)?;
            }
        }
    }

    fn value(&mut self, shape: Option<&Shape>, kind: u8, depth: usize) -> Result<(), String> {
        if depth >= DEPTH_MAX {
            return Err(format!("{} has structures more than {DEPTH_MAX} deep", self.what));
        }
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.skip(1),
            I16 | I32 | I64 => self.unsigned().map(drop),
            DOUBLE => self.skip(8),
            BINARY => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            LIST | SET => {
                let (kind, count) = self.list()?;
                let of = shape.and_then(Shape::element);
                if count > 0 && of.is_some_and(|of| !of.is(kind)) {
                    return Err(format!("{} has a list of another type than Parquet's", self.what));
                }
                for _ in 0..count {
                    self.element(of, kind, depth)?;
                }
                Ok(())
            }
            STRUCT => self.fields(shape, depth + 1, |_, _, _| Ok(false)),
            other => Err(format!("{} has a value of a type {other} that Parquet does not use", self.what)),
        }
    }

    /// An element of a list. Parquet has no lists of truth values in a footer, and decoders do not agree on how long they are.
    fn element(&mut self, shape: Option<&Shape>, kind: u8, depth: usize) -> Result<(), String> {
        match kind {
            TRUE | FALSE => Err(format!("{} has a list of truth values, which Parquet's has not", self.what)),
            kind => self.value(shape, kind, depth + 1),
        }
    }

    /// What kind of elements a list has, and how many: not more than there can be, since each takes a byte.
    fn list(&mut self) -> Result<(u8, u64), String> {
        let header = self.byte()?;
        let count = match header >> 4 {
            15 => self.unsigned()?,
            few => u64::from(few),
        };
        if count > LIST_MAX || count > self.left.len() as u64 {
            return Err(format!("{} has a list of {count} elements, more than there can be", self.what));
        }
        // Some writers leave the type of an empty list out.
        Ok((header & 0x0f, count))
    }

    /// The schema: a list of its elements, each with how many of those that follow lie within it.
    fn schema(&mut self) -> Result<(), String> {
        let (kind, count) = self.list()?;
        if count > 0 && kind != STRUCT {
            return Err("its schema is no list of fields".into());
        }
        // How many elements are still to come within each group that is open.
        let mut open: Vec<u64> = Vec::new();
        for _ in 0..count {
            let mut children = 0_i64;
            self.fields(Some(&shape::SCHEMA_ELEMENT), 1, |walk, id, kind| match (id, kind) {
                (CHILDREN, I32) => {
                    children = walk.signed()?;
                    Ok(true)
                }
                _ => Ok(false),
            })?;
            let children = u64::try_from(children).ok().filter(|children| *children <= count);
            let children = children.ok_or("a group of its schema has more fields than there are")?;
            if let Some(left) = open.last_mut() {
                *left = left.saturating_sub(1);
            }
            if children > 0 {
                open.push(children);
            }
            while open.last() == Some(&0) {
                open.pop();
            }
            if open.len() > DEPTH_MAX {
                return Err(format!("its schema has fields more than {DEPTH_MAX} deep"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
