//! The trait that a plugin for single objects implements.

use crate::{Changes, Conflicts, DiffReport, Failure, Json, RowTotals, Side};

/// The largest object that is read when a plugin does not say otherwise, in bytes.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A plugin whose units are single objects that fit into memory.
///
/// All three functions are pure: the same arguments give the same answer. None of them has to care about a side that lacks
/// the object: of a merge both sides have it, and of a diff an object that is not there is empty.
pub trait ObjectPlugin {
    /// What the plugin is called, what it takes, and its options.
    fn about() -> About;

    /// Merges the object. It is called only where both sides changed it, and differently.
    ///
    /// Each conflict is handed to `conflicts`, which answers what people decided. One that is open does not end the merge:
    /// the others are looked for as well, and what is returned then counts as a proposal.
    ///
    /// # Errors
    ///
    /// The merge is impossible for a reason that no person can decide about: options that cannot be, a limit.
    fn merge(sides: &Sides, options: &Json, conflicts: &mut dyn Conflicts) -> Result<Merged, Failure>;

    /// Compares two states of the object. Each change is handed to `changes`, which counts it.
    ///
    /// # Errors
    ///
    /// As for a merge. What cannot be read is better a note.
    fn diff(
        before: &[u8],
        after: &[u8],
        options: &Json,
        changes: &mut Changes<'_>,
    ) -> Result<DiffReport, Failure>;
}

/// What a plugin says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// Kebab-case. It is also the `rule` of the conflict about an object that cannot be merged at all.
    pub name: &'static str,
    /// `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Paths that it suggests for itself, as in `.gitattributes`.
    pub patterns: &'static [&'static str],
    /// Content types that it suggests for itself.
    pub media_types: &'static [&'static str],
    /// A JSON Schema with the keywords of `wit/README.md`; `None` where the plugin takes no options.
    pub options_schema: Option<&'static str>,
    /// The largest object that is read; a larger one is taken whole from a side. The option `max-bytes`, where the schema has one, lowers it.
    pub bytes_max: u64,
}

impl About {
    /// A plugin without options that reads up to 32 MiB.
    pub const fn new(name: &'static str, version: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            version,
            summary,
            patterns: &[],
            media_types: &[],
            options_schema: None,
            bytes_max: BYTES_MAX,
        }
    }
}

/// The object on the three sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Sides {
    /// `None` where both sides added it.
    pub base: Option<Vec<u8>>,
    /// On the destination of the merge.
    pub ours: Vec<u8>,
    /// On its source.
    pub theirs: Vec<u8>,
    /// What people call base, ours and theirs: a branch, a tag, a commit.
    pub labels: [String; 3],
}

impl Sides {
    /// Three sides that are called base, ours and theirs.
    pub fn new(base: Option<Vec<u8>>, ours: Vec<u8>, theirs: Vec<u8>) -> Self {
        Self { base, ours, theirs, labels: ["base", "ours", "theirs"].map(Into::into) }
    }

    /// The side that holds the result where not both changed the object.
    pub fn settled(&self) -> Option<Side> {
        if self.ours == self.theirs || self.base.as_ref() == Some(&self.theirs) {
            return Some(Side::Ours);
        }
        (self.base.as_ref() == Some(&self.ours)).then_some(Side::Theirs)
    }

    /// Reads base, ours and theirs with `read`; the base is `None` where both sides added the object.
    ///
    /// # Errors
    ///
    /// A side cannot be read: a sentence with its label, as [`Merged::Whole`] takes it.
    pub fn read<'s, T, E: std::fmt::Display>(
        &'s self,
        what: &str,
        read: impl Fn(&'s [u8]) -> Result<T, E>,
    ) -> Result<(Option<T>, T, T), String> {
        let [base, ours, theirs] = &self.labels;
        let side = |bytes: &'s [u8], label: &str| {
            read(bytes).map_err(|error| format!("it is not {what} on {label}: {error}"))
        };
        let base = self.base.as_deref().map(|bytes| side(bytes, base)).transpose()?;
        Ok((base, side(&self.ours, ours)?, side(&self.theirs, theirs)?))
    }

    /// Base, ours and theirs as texts; the base is empty where both sides added the object.
    ///
    /// # Errors
    ///
    /// A side is not UTF-8: a sentence with its label.
    pub fn texts(&self) -> Result<[&str; 3], String> {
        let mut texts = [""; 3];
        let sides = [self.base.as_deref().unwrap_or_default(), &self.ours, &self.theirs];
        for ((text, bytes), label) in texts.iter_mut().zip(sides).zip(&self.labels) {
            *text = std::str::from_utf8(bytes).map_err(|_| format!("it is not UTF-8 on {label}"))?;
        }
        Ok(texts)
    }
}

/// What a merge came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Merged {
    /// The merged object. It is written unless a conflict is open.
    Object {
        /// All of it.
        bytes: Vec<u8>,
        /// What changed in ours, for data with rows.
        rows: Option<RowTotals>,
        /// Sentences worth reading: what was dropped or decided by a rule.
        notes: Vec<String>,
    },
    /// It cannot be merged, and the sentence says why, for example that a side is not valid. People take one side whole.
    Whole(String),
}

impl Merged {
    /// A merged object about which nothing needs to be said.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Object { bytes: bytes.into(), rows: None, notes: Vec::new() }
    }
}
