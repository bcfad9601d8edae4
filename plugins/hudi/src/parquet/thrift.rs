//! Thrift's compact protocol, as far as the metadata of Parquet files need it.

/// How deep structs and lists may lie in one another.
const DEPTH_MAX: usize = 32;

/// A value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'b> {
    Bool(bool),
    Int(i64),
    Double,
    Bytes(&'b [u8]),
    List(Vec<Value<'b>>),
    Struct(Struct<'b>),
}

/// A struct: its fields by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Struct<'b> {
    fields: Vec<(i64, Value<'b>)>,
}

impl<'b> Struct<'b> {
    /// Reads a struct, and says how many bytes it takes.
    pub(super) fn read(bytes: &'b [u8]) -> Result<(Self, usize), String> {
        let mut reader = Reader { rest: bytes };
        let read = reader.structure(0)?;
        Ok((read, bytes.len() - reader.rest.len()))
    }

    fn get(&self, number: i64) -> Option<&Value<'b>> {
        self.fields.iter().find(|(is, _)| *is == number).map(|(_, value)| value)
    }

    pub(super) fn int(&self, number: i64) -> Option<i64> {
        match self.get(number)? {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// A number that counts or measures something.
    pub(super) fn size(&self, number: i64) -> Option<usize> {
        usize::try_from(self.int(number)?).ok()
    }

    pub(super) fn flag(&self, number: i64) -> Option<bool> {
        match self.get(number)? {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn text(&self, number: i64) -> Option<&'b str> {
        match self.get(number)? {
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    pub(super) fn structure(&self, number: i64) -> Option<&Struct<'b>> {
        match self.get(number)? {
            Value::Struct(inner) => Some(inner),
            _ => None,
        }
    }

    pub(super) fn list(&self, number: i64) -> &[Value<'b>] {
        match self.get(number) {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }

    /// The structs of a list.
    pub(super) fn structures(&self, number: i64) -> impl Iterator<Item = &Struct<'b>> {
        self.list(number).iter().filter_map(|value| match value {
            Value::Struct(inner) => Some(inner),
            _ => None,
        })
    }
}

struct Reader<'b> {
    rest: &'b [u8],
}

const SHORT: &str = "its metadata end too early";

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.take(1)?.first().copied().ok_or_else(|| SHORT.into())
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            if shift < 64 {
                number |= u64::from(byte & 0x7f) << shift;
            }
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number in its metadata is too long".into())
    }

    fn zigzag(&mut self) -> Result<i64, String> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn structure(&mut self, depth: usize) -> Result<Struct<'b>, String> {
        if depth > DEPTH_MAX {
            return Err("its metadata are nested too deep".into());
        }
        let mut fields = Vec::new();
        let mut number = 0_i64;
        loop {
            let header = self.byte()?;
            if header == 0 {
                return Ok(Struct { fields });
            }
            number = match header >> 4 {
                0 => self.zigzag()?,
                delta => number.saturating_add(i64::from(delta)),
            };
            let value = match header & 0x0f {
                1 => Value::Bool(true),
                2 => Value::Bool(false),
                kind => self.value(kind, depth)?,
            };
            fields.push((number, value));
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Result<Value<'b>, String> {
        match kind {
            1 | 2 => Ok(Value::Bool(self.byte()? == 1)),
            3 => Ok(Value::Int(i64::from(self.byte()?.cast_signed()))),
            4..=6 => self.zigzag().map(Value::Int),
            7 => self.take(8).map(|_| Value::Double),
            8 => {
                let size = usize::try_from(self.varint()?).map_err(|_| SHORT)?;
                self.take(size).map(Value::Bytes)
            }
            9 | 10 => self.list(depth),
            12 => self.structure(depth + 1).map(Value::Struct),
            other => Err(format!("its metadata hold a value of the unknown kind {other}")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'b>, String> {
        if depth > DEPTH_MAX {
            return Err("its metadata are nested too deep".into());
        }
        let header = self.byte()?;
        let count = match header >> 4 {
            15 => usize::try_from(self.varint()?).map_err(|_| SHORT)?,
            count => usize::from(count),
        };
        // Each element takes a byte at least, so that no count makes room for what is not there.
        if count > self.rest.len() {
            return Err(SHORT.into());
        }
        (0..count).map(|_| self.value(header & 0x0f, depth + 1)).collect::<Result<_, _>>().map(Value::List)
    }
}
