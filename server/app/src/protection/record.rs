//! The record of the rules, format version 1: `version u8 | count u16 | per rule: length u8, pattern`.

use anabranch_auth::Pattern;

const VERSION: u8 = 1;

/// The bytes are no such record.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum RulesError {
    /// A newer server wrote it.
    #[error(
        "the record of branch protection has format version {found}; this server reads version {VERSION}"
    )]
    UnknownVersion {
        /// The version it says.
        found: u8,
    },
    /// It ends early, is too long, or holds no pattern.
    #[error("the record of branch protection is damaged")]
    Damaged,
}

pub(crate) fn encode(patterns: &[Pattern]) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend((patterns.len() as u16).to_le_bytes());
    for pattern in patterns {
        // A pattern has at most 255 bytes.
        out.push(pattern.as_str().len() as u8);
        out.extend(pattern.as_str().bytes());
    }
    out
}

/// Reads what [`encode`] wrote. Total.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Pattern>, RulesError> {
    let (version, rest) = bytes.split_first().ok_or(RulesError::Damaged)?;
    if *version != VERSION {
        return Err(RulesError::UnknownVersion { found: *version });
    }
    let (count, mut rest) = rest.split_first_chunk::<2>().ok_or(RulesError::Damaged)?;
    let mut patterns = Vec::new();
    for _ in 0..u16::from_le_bytes(*count) {
        let (length, after) = rest.split_first().ok_or(RulesError::Damaged)?;
        let (text, after) = after.split_at_checked(usize::from(*length)).ok_or(RulesError::Damaged)?;
        let text = std::str::from_utf8(text).map_err(|_| RulesError::Damaged)?;
        patterns.push(Pattern::new(text).map_err(|_| RulesError::Damaged)?);
        rest = after;
    }
    if rest.is_empty() { Ok(patterns) } else { Err(RulesError::Damaged) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn decoding_undoes_encoding(
            texts in prop::collection::vec("[a-z*?_-]{1,255}", 0..10),
            cut in 1usize..30,
        ) {
            let patterns: Vec<_> = texts.into_iter().map(|text| Pattern::new(text).unwrap()).collect();
            let bytes = encode(&patterns);
            prop_assert_eq!(decode(&bytes), Ok(patterns));
            prop_assert!(decode(&bytes[..bytes.len().saturating_sub(cut)]).is_err());
            prop_assert!(decode(&[bytes, vec![1]].concat()).is_err());
        }

        #[test]
        fn the_decoder_is_total(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&bytes);
            let _ = decode(&[&[VERSION][..], &bytes].concat());
        }
    }

    #[test]
    fn a_newer_record_is_refused() {
        assert_eq!(decode(&[2, 0, 0]), Err(RulesError::UnknownVersion { found: 2 }));
    }
}
