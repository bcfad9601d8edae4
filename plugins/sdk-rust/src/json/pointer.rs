//! JSON pointers (RFC 6901).

use std::fmt;

/// Where a value lies in a document: the names and positions that lead to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// The names and positions, from the root on.
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// One step further.
    pub fn push(&mut self, part: impl Into<String>) {
        self.0.push(part.into());
    }

    /// One step back.
    pub fn pop(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            write!(out, "/{}", part.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_escaped() {
        let mut pointer = Pointer::default();
        assert_eq!(pointer.to_string(), "");
        pointer.push("a/b");
        pointer.push("m~n");
        pointer.push("0");
        assert_eq!(pointer.to_string(), "/a~1b/m~0n/0");
    }
}
