//! The three sides of a merge.

use std::fmt;

/// A side of a merge.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// The merge base.
    Base,
    /// The destination.
    Ours,
    /// The source.
    Theirs,
}

impl Side {
    /// All three, in the order in which they are read.
    pub const ALL: [Side; 3] = [Side::Base, Side::Ours, Side::Theirs];

    /// `base`, `ours` or `theirs`.
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Base => "base",
            Side::Ours => "ours",
            Side::Theirs => "theirs",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing for each side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PerSide<T> {
    /// The merge base's.
    pub base: T,
    /// Ours'.
    pub ours: T,
    /// Theirs'.
    pub theirs: T,
}

impl<T> PerSide<T> {
    /// Makes one for each side.
    pub fn from_fn(mut make: impl FnMut(Side) -> T) -> Self {
        PerSide { base: make(Side::Base), ours: make(Side::Ours), theirs: make(Side::Theirs) }
    }

    /// That of one side.
    pub fn get(&self, side: Side) -> &T {
        match side {
            Side::Base => &self.base,
            Side::Ours => &self.ours,
            Side::Theirs => &self.theirs,
        }
    }

    /// That of one side, to change.
    pub fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Base => &mut self.base,
            Side::Ours => &mut self.ours,
            Side::Theirs => &mut self.theirs,
        }
    }
}
