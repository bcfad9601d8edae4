//! Where a page begins. A key may be as long as a row, so a page is named by how many changes stand before it, and by
//! what is compared: a page of another comparison would skip rows or show them twice.

use anabranch_merge::{DiffInput, RowDiffError, RowDiffRequest, Sample};

/// The beginning of a page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// How many changes stand on the pages before.
    pub(super) skip: usize,
    /// Names the comparison.
    comparison: String,
}

impl Cursor {
    /// The beginning of the page that is asked for.
    ///
    /// # Errors
    ///
    /// `after` is no place in this comparison.
    pub async fn begin(input: &DiffInput<'_>, request: &RowDiffRequest) -> Result<Cursor, RowDiffError> {
        let mut hasher = blake3::Hasher::new();
        let sample = request.sample.map(Sample::fraction);
        let comparison = serde_json::json!([input.options, request.columns, request.condition, sample]);
        hasher.update(&input.before.fingerprint().await?);
        hasher.update(&input.after.fingerprint().await?);
        hasher.update(comparison.to_string().as_bytes());
        let comparison: String = hasher.finalize().to_hex().chars().take(16).collect();
        Cursor::read(request.after.as_deref(), comparison)
    }

    fn read(after: Option<&str>, comparison: String) -> Result<Cursor, RowDiffError> {
        let Some(after) = after else { return Ok(Cursor { skip: 0, comparison }) };
        let parts = after.split_once('-').and_then(|(skip, of)| Some((skip.parse().ok()?, of)));
        match parts {
            Some((skip, of)) if of == comparison => Ok(Cursor { skip, comparison }),
            Some((_, of)) if of.len() == comparison.len() => Err(RowDiffError::Invalid(
                "after is of another comparison: the refs, the columns, the condition, the sample or the table's rule in \
                 merge.toml changed; begin without it"
                    .to_owned(),
            )),
            _ => Err(RowDiffError::Invalid(
                "after is no place in a diff of rows: give the next_offset of the page before".to_owned(),
            )),
        }
    }

    /// The name of the page that begins after so many changes.
    pub(super) fn at(&self, changes: usize) -> String {
        format!("{changes}-{}", self.comparison)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_of_one_comparison() {
        let of = "0123456789abcdef".to_owned();
        let first = Cursor::read(None, of.clone()).unwrap();
        let second = Cursor::read(Some(&first.at(100)), of.clone()).unwrap();
        assert_eq!((first.skip, second.skip), (0, 100));
        let refused = |after: &str| Cursor::read(Some(after), of.clone()).unwrap_err().to_string();
        assert!(refused("100-fedcba9876543210").contains("begin without it"));
        for nonsense in ["", "7", "x-0123456789abcdef", "-", "1-abc"] {
            assert!(refused(nonsense).contains("next_offset"), "{nonsense}");
        }
    }
}
