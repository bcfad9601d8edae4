//! Record keys that both sides inserted. Each side's writer looks for a key in what its own branch holds, so that none of them sees
//! the key that the other inserts, and Hudi has no constraint that readers would check.
//!
//! Only files with inserts are looked at, and of these only such whose ranges of keys, which Hudi notes in the footers, overlap with
//! one of the other side. What is left is read: the column of keys, and nothing else.

use std::collections::{BTreeMap, HashMap, HashSet};

use anabranch_plugin::Failure;
use anabranch_plugin::bindings::anabranch::merge::snapshots::Snapshot;

use crate::commit::Touched;
use crate::names::Group;
use crate::parquet::{self, Footer};
use crate::read::{last_file, range};
use crate::supported::Refusal;

/// The most keys of one side that are held at a time: what fits into the memory of a call with room to spare.
const KEYS_MAX: usize = 2_000_000;
/// How much of the end of a file is read at first: most footers are shorter.
const END: u64 = 64 * 1024;
/// The most duplicates that are named one by one.
pub(crate) const DUPLICATES_MAX: usize = 1_000;

/// A key that both sides inserted, and the files in which it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Duplicate {
    /// Where keys are unique in their partition only.
    pub(crate) partition: Option<String>,
    pub(crate) key: String,
    pub(crate) paths: [String; 2],
}

/// What a side did, as far as it may have brought keys.
pub(crate) struct Side<'s> {
    pub(crate) snapshot: &'s Snapshot,
    pub(crate) touched: &'s BTreeMap<Group, Touched>,
}

/// A base file that may hold new keys.
struct File<'s> {
    snapshot: &'s Snapshot,
    path: String,
    footer: Footer,
}

/// The keys that came in on both sides, the first [`DUPLICATES_MAX`] of them; or the file that keeps them from being compared.
///
/// # Errors
///
/// A file cannot be read from the store.
pub(crate) fn duplicates(
    base: &Snapshot,
    sides: [&Side<'_>; 2],
    is_global: bool,
) -> Result<Result<Vec<Duplicate>, (String, Refusal)>, Failure> {
    match found(base, sides, is_global) {
        Ok(duplicates) => Ok(Ok(duplicates)),
        Err(Stop::Refused(path, why)) => Ok(Err((path, Refusal::new("record-keys", why)))),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// Why keys cannot be compared.
enum Stop {
    Refused(String, String),
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failed(failure)
    }
}

fn found(base: &Snapshot, sides: [&Side<'_>; 2], is_global: bool) -> Result<Vec<Duplicate>, Stop> {
    let scopes = sides.map(|side| by_scope(side.touched, is_global));
    let mut duplicates = Vec::new();
    for (scope, our_paths) in &scopes[0] {
        let Some(their_paths) = scopes[1].get(scope) else { continue };
        let (ours, theirs) = (opened(sides[0], our_paths)?, opened(sides[1], their_paths)?);
        let (ours, theirs) = overlapping(ours, theirs);
        if ours.is_empty() || theirs.is_empty() {
            continue;
        }
        let mut both = in_both(&ours, &theirs)?;
        for side in sides {
            if !both.is_empty() {
                without_old(base, side, scope.as_deref(), &mut both)?;
            }
        }
        let mut both: Vec<(Vec<u8>, [usize; 2])> = both.into_iter().collect();
        both.sort();
        let left = DUPLICATES_MAX - duplicates.len().min(DUPLICATES_MAX);
        duplicates.extend(both.into_iter().take(left).filter_map(|(key, [our, their])| {
            let paths = [ours.get(our)?.path.clone(), theirs.get(their)?.path.clone()];
            let key = String::from_utf8_lossy(&key).into_owned();
            Some(Duplicate { partition: scope.clone(), key, paths })
        }));
    }
    Ok(duplicates)
}

/// The files that may have brought keys, by partition, or all under none.
fn by_scope(touched: &BTreeMap<Group, Touched>, is_global: bool) -> BTreeMap<Option<String>, Vec<String>> {
    let mut scopes: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
    for (group, touched) in touched.iter().filter(|(_, touched)| touched.inserted) {
        let scope = (!is_global).then(|| group.partition.clone());
        scopes.entry(scope).or_default().extend(touched.last.clone());
    }
    scopes.retain(|_, paths| !paths.is_empty());
    scopes
}

fn opened<'s>(side: &Side<'s>, paths: &[String]) -> Result<Vec<File<'s>>, Stop> {
    paths.iter().map(|path| open(side.snapshot, path)).collect()
}

/// Reads the footer of a file. Its handle is not kept: there may be more files than a call may hold handles.
fn open<'s>(snapshot: &'s Snapshot, path: &str) -> Result<File<'s>, Stop> {
    let refused = |why: String| Stop::Refused(path.to_owned(), why);
    let object = snapshot.open(path)?;
    let size = object.size();
    let mut end = range(&object, size.saturating_sub(END), size.min(END))?;
    let tail = end.split_off(end.len().saturating_sub(parquet::TAIL));
    let length = parquet::footer_length(&tail, size).map_err(refused)?;
    let footer = match usize::try_from(length).ok().and_then(|length| end.len().checked_sub(length)) {
        Some(start) => end.split_off(start),
        None => range(&object, size - length - parquet::TAIL as u64, length)?,
    };
    let footer = parquet::footer(&footer, size).map_err(refused)?;
    Ok(File { snapshot, path: path.to_owned(), footer })
}

/// The files of each side whose range of keys overlaps with one of the other. A file that does not tell its range may hold any key.
fn overlapping<'s>(ours: Vec<File<'s>>, theirs: Vec<File<'s>>) -> (Vec<File<'s>>, Vec<File<'s>>) {
    let touches =
        |file: &File, others: &[File]| others.iter().any(|other| overlap(&file.footer, &other.footer));
    let keep: Vec<bool> = theirs.iter().map(|file| touches(file, &ours)).collect();
    let ours = ours.into_iter().filter(|file| touches(file, &theirs)).collect();
    let theirs = theirs.into_iter().zip(keep).filter_map(|(file, keep)| keep.then_some(file)).collect();
    (ours, theirs)
}

/// Hudi compares keys as Java does, by units of UTF-16.
fn overlap(one: &Footer, other: &Footer) -> bool {
    let (Some((least, greatest)), Some((other_least, other_greatest))) = (&one.range, &other.range) else {
        return true;
    };
    let at_most = |one: &str, other: &str| one.encode_utf16().le(other.encode_utf16());
    at_most(least, other_greatest) && at_most(other_least, greatest)
}

/// Hands over each key of a file.
fn each_key(file: &File<'_>, visit: &mut dyn FnMut(&[u8])) -> Result<(), Stop> {
    let object = file.snapshot.open(&file.path)?;
    for chunk in &file.footer.chunks {
        let bytes = range(&object, chunk.offset, chunk.length)?;
        parquet::keys(chunk, &bytes, visit).map_err(|why| Stop::Refused(file.path.clone(), why))?;
    }
    Ok(())
}

/// The keys that files of both sides hold, each with the place of such a file.
fn in_both(ours: &[File<'_>], theirs: &[File<'_>]) -> Result<HashMap<Vec<u8>, [usize; 2]>, Stop> {
    let mut keys: HashMap<Vec<u8>, usize> = HashMap::new();
    for (index, file) in ours.iter().enumerate() {
        each_key(file, &mut |key| {
            if keys.len() < KEYS_MAX {
                keys.entry(key.to_vec()).or_insert(index);
            }
        })?;
        if keys.len() >= KEYS_MAX {
            let why = format!(
                "with it one side has {KEYS_MAX} new record keys or more, and so many are not compared"
            );
            return Err(Stop::Refused(file.path.clone(), why));
        }
    }
    let mut both = HashMap::new();
    for (index, file) in theirs.iter().enumerate() {
        each_key(file, &mut |key| {
            if let Some(ours) = keys.get(key) {
                both.entry(key.to_vec()).or_insert([*ours, index]);
            }
        })?;
    }
    Ok(both)
}

/// Takes away the keys that the base held in file groups that the side wrote anew or replaced: these did not come in, they moved.
fn without_old(
    base: &Snapshot,
    side: &Side<'_>,
    scope: Option<&str>,
    both: &mut HashMap<Vec<u8>, [usize; 2]>,
) -> Result<(), Stop> {
    let of_scope = |group: &&Group| scope.is_none_or(|partition| partition == group.partition);
    let mut old: HashSet<Vec<u8>> = HashSet::new();
    for group in side.touched.keys().filter(of_scope) {
        let Some((_, path)) = last_file(base, group)? else { continue };
        each_key(&open(base, &path)?, &mut |key| {
            if both.contains_key(key) {
                old.insert(key.to_vec());
            }
        })?;
    }
    both.retain(|key, _| !old.contains(key));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_compared_as_java_does() {
        let footer = |range: Option<(&str, &str)>| Footer {
            range: range.map(|(least, greatest)| (least.to_owned(), greatest.to_owned())),
            chunks: Vec::new(),
        };
        let overlaps = |one, other| overlap(&footer(Some(one)), &footer(Some(other)));
        assert!(
            overlaps(("a", "c"), ("c", "d"))
                && overlaps(("a", "z"), ("c", "d"))
                && !overlaps(("a", "b"), ("c", "d"))
        );
        // U+FF5E is one unit, and greater than the first of the two of U+1F600.
        assert!(!overlaps(("\u{1F600}", "\u{1F600}"), ("\u{FF5E}", "\u{FF5E}")));
        assert!(overlaps(("\u{1F600}", "\u{FF5E}"), ("\u{FF5E}", "\u{FF5F}")));
        assert!(overlap(&footer(None), &footer(Some(("a", "b")))));
    }
}
