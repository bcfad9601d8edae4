//! Reads JSON strictly (RFC 8259), and keeps where things lie.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use super::{Json, Kind, Member};

/// How deep values may be nested.
const DEPTH_MAX: usize = 128;

/// How many values a text may hold: three sides of this size fit into the memory that a call has by default.
const VALUES_MAX: usize = 1_000_000;

/// How many names of an object are compared one by one.
const FEW: usize = 16;

/// Why a text is not taken, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// From 1 on.
    pub line: usize,
    /// In characters, from 1 on.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for Error {}

/// Reads the value of a text; places count from its beginning, a byte order mark included.
pub(super) fn read(bytes: &[u8]) -> Result<(&str, Json<'_>), Error> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let text = std::str::from_utf8(valid).unwrap_or_default();
            return Err(error_at(text, text.len(), "it is not UTF-8"));
        }
    };
    let mut reader = Reader { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 }, values: 0 };
    let value = reader.value(DEPTH_MAX).map_err(|message| error_at(text, reader.at, &message))?;
    reader.space();
    if reader.at < text.len() {
        return Err(error_at(text, reader.at, "more follows the value"));
    }
    Ok((text, value))
}

fn error_at(text: &str, at: usize, message: &str) -> Error {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    Error {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        message: message.to_owned(),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    values: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn value(&mut self, depth: usize) -> Result<Json<'t>, String> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(format!("it is nested deeper than {DEPTH_MAX}"));
        };
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(format!("it has more than {VALUES_MAX} values"));
        }
        self.space();
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => Kind::Object(self.object(depth)?),
            Some(b'[') => Kind::Array(self.array(depth)?),
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.number()?),
            _ => self.word()?,
        };
        let hash = hash(&kind);
        Ok(Json { kind, start, end: self.at, hash })
    }

    fn word(&mut self) -> Result<Kind<'t>, String> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        for (word, kind) in [("null", Kind::Null), ("true", Kind::Bool(true)), ("false", Kind::Bool(false))] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        Err(if rest.is_empty() { "it ends where a value is due".into() } else { "a value is due".into() })
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Member<'t>>, String> {
        self.at += 1;
        let mut members: Vec<Member<'t>> = Vec::new();
        let mut names = HashSet::new();
        self.space();
        if self.take(b'}') {
            return Ok(members);
        }
        loop {
            self.space();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err("a member's name in quotes is due".into());
            }
            let name = self.string()?;
            let end = self.at;
            // Few names are compared one by one: most objects are small, and a set for each would cost more than they do.
            let twice = match members.len() {
                0..FEW => members.iter().any(|member| member.name == name),
                FEW => {
                    names.extend(members.iter().map(|member| member.name.clone()));
                    !names.insert(name.clone())
                }
                _ => !names.insert(name.clone()),
            };
            if twice {
                self.at = start;
                return Err(format!("the object has the name {name:?} twice"));
            }
            self.space();
            if !self.take(b':') {
                return Err("':' is due".into());
            }
            let value = self.value(depth)?;
            members.push(Member { name, start, end, value });
            self.space();
            if self.take(b'}') {
                members.shrink_to_fit();
                return Ok(members);
            }
            if !self.take(b',') {
                return Err("',' or '}' is due".into());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Json<'t>>, String> {
        self.at += 1;
        let mut elements = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(elements);
        }
        loop {
            elements.push(self.value(depth)?);
            self.space();
            if self.take(b']') {
                elements.shrink_to_fit();
                return Ok(elements);
            }
            if !self.take(b',') {
                return Err("',' or ']' is due".into());
            }
        }
    }

    fn number(&mut self) -> Result<&'t str, String> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') && self.digits() == 0 {
            return Err("a digit is due".into());
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err("a digit is due".into());
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err("a digit is due".into());
            }
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err("a number begins with 0".into());
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<Cow<'t, str>, String> {
        self.at += 1;
        let mut string = Cow::Borrowed("");
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..0x20)) {
                self.at += 1;
            }
            let piece = self.text.get(start..self.at).unwrap_or_default();
            if string.is_empty() {
                string = Cow::Borrowed(piece);
            } else {
                string.to_mut().push_str(piece);
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => {
                    self.at += 1;
                    string.to_mut().push(self.escape()?);
                }
                Some(_) => return Err("a control character stands in a string".into()),
                None => return Err("a string has no end".into()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let escape = self.peek();
        self.at += 1;
        Ok(match escape {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_unit(),
            _ => {
                self.at -= 1;
                return Err("an escape is due".into());
            }
        })
    }

    /// A character by its number, which may take two escapes. Half of a pair is refused: it is no character, and two
    /// different halves would read alike.
    fn code_unit(&mut self) -> Result<char, String> {
        let first = self.hex()?;
        let number = if (0xd800..0xdc00).contains(&first) && self.take(b'\\') && self.take(b'u') {
            let second = self.hex()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err("half a surrogate pair stands in a string".into());
            }
            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(number).ok_or_else(|| "half a surrogate pair stands in a string".into())
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        number.ok_or_else(|| "four hexadecimal digits are due".into())
    }
}

/// FNV-1a over what a value says. Members count in any order.
fn hash(kind: &Kind<'_>) -> u64 {
    let bytes = |tag: u8, bytes: &[u8]| {
        bytes
            .iter()
            .fold(mix(0xcbf2_9ce4_8422_2325, u64::from(tag)), |hash, byte| mix(hash, u64::from(*byte)))
    };
    match kind {
        Kind::Null => 1,
        Kind::Bool(value) => 2 + u64::from(*value),
        Kind::Number(spelling) => bytes(4, spelling.as_bytes()),
        Kind::Text(text) => bytes(5, text.as_bytes()),
        Kind::Array(elements) => elements.iter().fold(6, |hash, element| mix(hash, element.hash)),
        Kind::Object(members) => members.iter().fold(7, |hash: u64, member| {
            hash.wrapping_add(mix(bytes(8, member.name.as_bytes()), member.value.hash))
        }),
    }
}

fn mix(hash: u64, with: u64) -> u64 {
    (hash.rotate_left(23) ^ with).wrapping_mul(0x0100_0000_01b3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Json::parse(text.as_bytes()).expect_err(text).to_string()
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        assert_eq!(error(""), "line 1, column 1: it ends where a value is due");
        assert_eq!(
            error("{\n  \"ä\": 1,\n  \"ä\": 2}"),
            "line 3, column 3: the object has the name \"ä\" twice"
        );
        assert_eq!(error("[1,]"), "line 1, column 4: a value is due");
        assert_eq!(error("01"), "line 1, column 2: a number begins with 0");
        assert_eq!(error("1.e3"), "line 1, column 3: a digit is due");
        assert_eq!(error(r#""\ud800""#), "line 1, column 8: half a surrogate pair stands in a string");
        assert_eq!(error("\"\u{1}\""), "line 1, column 2: a control character stands in a string");
        assert_eq!(error("{} {}"), "line 1, column 4: more follows the value");
        assert!(error(&"[".repeat(1_000_000)).contains("nested deeper"));
        assert!(Json::parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn values_are_the_same_however_they_are_formatted() {
        let same = |one: &str, other: &str| {
            Json::parse(one.as_bytes()).expect(one).same(&Json::parse(other.as_bytes()).expect(other))
        };
        assert!(same("{\"a\": [1, \"\\u0062\"], \"c\": null}", "{\"c\":null,\"a\":[1,\"b\"]}"));
        assert!(!same("1", "1.0"));
        assert!(!same("[1,2]", "[2,1]"));
        assert!(same("\u{feff}\"😀\"", r#""\ud83d\ude00""#));
    }

    #[test]
    fn no_text_makes_it_panic() {
        let pieces =
            ["{", "}", "[", "]", ",", ":", "\"", "\\u", "d8", "é", "-", "1", "e", "tru", "\u{feff}", " "];
        let mut state = 7_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..8 {
                state = mix(state, 11);
                text.push_str(pieces[usize::try_from(state >> 33).expect("fits") % pieces.len()]);
            }
            let _ = Json::parse(text.as_bytes());
        }
    }
}
