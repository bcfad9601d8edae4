//! Ids of the objects that the server writes: 12 bytes as 20 characters of base32hex.

const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const TEXT_LENGTH: usize = 20;
/// How many bytes of an id have 20 characters: 96 bits in 100, so the last four bits are 0.
pub(crate) const ID_LENGTH: usize = 12;

/// The text form of an id.
pub(crate) fn id_text(id: &[u8; ID_LENGTH], out: &mut String) {
    let mut bits = u128::from_be_bytes({
        let mut wide = [0; 16];
        for (target, byte) in wide.iter_mut().zip(id) {
            *target = *byte;
        }
        wide
    });
    for _ in 0..TEXT_LENGTH {
        let digit = (bits >> 123) as usize;
        out.push(DIGITS.get(digit).copied().map_or('0', char::from));
        bits <<= 5;
    }
}

/// The id that has this text; none if the text is not one of an id.
pub(crate) fn id_of_text(text: &[u8]) -> Option<[u8; ID_LENGTH]> {
    if text.len() != TEXT_LENGTH {
        return None;
    }
    let mut bits: u128 = 0;
    for digit in text {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'v' => digit - b'a' + 10,
            _ => return None,
        };
        bits = (bits << 5) | u128::from(value);
    }
    if bits & 0xf != 0 {
        return None;
    }
    (bits << 28).to_be_bytes().first_chunk().copied()
}

/// `folder/<id>/<id>`.
pub(crate) fn two_part_key(folder: &str, slice: &[u8; ID_LENGTH], id: &[u8; ID_LENGTH]) -> String {
    let mut key = String::with_capacity(folder.len() + 2 + 2 * TEXT_LENGTH);
    key.push_str(folder);
    key.push('/');
    id_text(slice, &mut key);
    key.push('/');
    id_text(id, &mut key);
    key
}

/// The two ids of a key that [`two_part_key`] could have made.
pub(crate) fn ids_of_key(folder: &str, key: &str) -> Option<([u8; ID_LENGTH], [u8; ID_LENGTH])> {
    let rest = key.strip_prefix(folder)?.strip_prefix('/')?.as_bytes();
    let (slice, rest) = rest.split_at_checked(TEXT_LENGTH)?;
    let (separator, id) = rest.split_first()?;
    if *separator != b'/' {
        return None;
    }
    Some((id_of_text(slice)?, id_of_text(id)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_text_is_base32hex() {
        let mut text = String::new();
        id_text(b"foobarfoobar", &mut text);
        assert_eq!(text, "cpnmuoj1e9j6urr2c5p0");
        assert_eq!(id_of_text(b"cpnmuoj1e8"), None);
        assert_eq!(id_of_text(&[b'v'; 20]), None, "the last four bits are not 0");
    }

    proptest! {
        #[test]
        fn text_and_back(slice: [u8; 12], id: [u8; 12]) {
            let key = two_part_key("data", &slice, &id);
            prop_assert_eq!(key.len(), 46);
            prop_assert_eq!(ids_of_key("data", &key), Some((slice, id)));
        }
    }
}
