//! Reading and writing the primitives of every format: bytes, little-endian integers, varints.

/// The bytes do not follow the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bad(pub(crate) &'static str);

/// Reads from the front of a slice. Every method is total.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Bad> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(Bad(what))?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Bad> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Bad(what))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, Bad> {
        let (head, rest) = self.0.split_first().ok_or(Bad(what))?;
        self.0 = rest;
        Ok(*head)
    }

    /// A varint in its shortest form: seven bits a byte, the lowest first.
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, Bad> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Bad(what));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return if byte == 0 && shift > 0 { Err(Bad(what)) } else { Ok(value) };
            }
        }
        Err(Bad(what))
    }

    /// A varint that counts things of which each takes at least one of the bytes that are left.
    pub(crate) fn length(&mut self, max: usize, what: &'static str) -> Result<usize, Bad> {
        match usize::try_from(self.varint(what)?) {
            Ok(length) if length <= max => Ok(length),
            _ => Err(Bad(what)),
        }
    }

    pub(crate) fn end(&self, what: &'static str) -> Result<(), Bad> {
        if self.0.is_empty() { Ok(()) } else { Err(Bad(what)) }
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// Small negative and positive numbers become small numbers.
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: u64, signed: i64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(Reader(&out).varint("x"), Ok(value));
            prop_assert_eq!(unzigzag(zigzag(signed)), signed);
        }

        #[test]
        fn a_varint_has_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader(&bytes);
            if let Ok(value) = reader.varint("x") {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - reader.0.len()]);
            }
        }
    }
}
