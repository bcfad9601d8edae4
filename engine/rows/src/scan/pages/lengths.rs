//! How long the values of a page are where that is encoded by itself.
//!
//! Source: the Parquet format, `Encodings.md`, "Delta Encoding", "Delta-length byte array" and "Delta Strings".

/// The most values of a page that are looked at: a few bytes may stand for any number.
const VALUES_MAX: u64 = 1 << 24;

/// How long values are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lengths {
    /// All together.
    pub(super) sum: u64,
    pub(super) longest: u64,
}

/// How long the values are whose lengths are encoded here, of which there are `most` or fewer. Nothing where that cannot be told.
pub(super) fn of(encoded: &[u8], most: u64) -> Option<Lengths> {
    let (lengths, _) = numbers(encoded, most)?;
    collect(lengths.into_iter().map(|length| u64::try_from(length).ok()))
}

/// The same where of each value it is encoded how much it has in common with the one before, and how long the rest is.
pub(super) fn of_both(encoded: &[u8], most: u64) -> Option<Lengths> {
    let (shared, rest) = numbers(encoded, most)?;
    let (own, _) = numbers(rest, most)?;
    if shared.len() != own.len() {
        return None;
    }
    let both = shared.into_iter().zip(own);
    collect(both.map(|(shared, own)| u64::try_from(shared).ok()?.checked_add(u64::try_from(own).ok()?)))
}

fn collect(values: impl Iterator<Item = Option<u64>>) -> Option<Lengths> {
    let mut lengths = Lengths { sum: 0, longest: 0 };
    for length in values {
        let length = length?;
        lengths.sum = lengths.sum.checked_add(length)?;
        lengths.longest = lengths.longest.max(length);
    }
    Some(lengths)
}

/// Numbers that are encoded as their differences, and what comes after them.
fn numbers(encoded: &[u8], most: u64) -> Option<(Vec<i64>, &[u8])> {
    let (block, left) = unsigned(encoded)?;
    let (parts, left) = unsigned(left)?;
    let (count, left) = unsigned(left)?;
    let (first, mut left) = signed(left)?;
    if count > most.min(VALUES_MAX) {
        return None;
    }
    let part = block.checked_div(parts)?;
    let count = usize::try_from(count).ok()?;
    let mut numbers = Vec::new();
    let mut value = first;
    if count > 0 {
        numbers.push(value);
    }
    while numbers.len() < count {
        let (least, rest) = signed(left)?;
        let (widths, rest) = rest.split_at_checked(usize::try_from(parts).ok()?)?;
        left = rest;
        for width in widths {
            if numbers.len() >= count {
                break;
            }
            let bytes = part.checked_mul(u64::from(*width))?.div_ceil(8);
            let (packed, rest) = left.split_at_checked(usize::try_from(bytes).ok()?)?;
            left = rest;
            for at in 0..part.min((count - numbers.len()) as u64) {
                value = value.wrapping_add(least).wrapping_add(bits(packed, at, *width)?);
                numbers.push(value);
            }
        }
        // Blocks of nothing would never end.
        if part == 0 || widths.is_empty() {
            return None;
        }
    }
    Some((numbers, left))
}

/// The number at a place among numbers of `width` bits each, the lowest bits first.
fn bits(packed: &[u8], at: u64, width: u8) -> Option<i64> {
    if width > 64 {
        return None;
    }
    let first = at.checked_mul(u64::from(width))?;
    let mut value = 0_u64;
    let mut have = 0;
    while have < u64::from(width) {
        let place = first + have;
        let byte = *packed.get(usize::try_from(place / 8).ok()?)?;
        let (skip, take) = (place % 8, (8 - place % 8).min(u64::from(width) - have));
        let part = u64::from(byte >> skip) & ((1 << take) - 1);
        value |= part << have;
        have += take;
    }
    Some(value.cast_signed())
}

/// A number of seven bits a byte, the lowest first.
pub(super) fn unsigned(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    let mut left = bytes;
    for shift in (0..70).step_by(7) {
        let (first, rest) = left.split_first()?;
        left = rest;
        value |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some((value, left));
        }
    }
    None
}

fn signed(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (value, left) = unsigned(bytes)?;
    Some(((value >> 1).cast_signed() ^ -(value & 1).cast_signed(), left))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers as their differences, in blocks of 32 with two parts.
    fn encoded(numbers: &[i64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let unsigned = |bytes: &mut Vec<u8>, mut number: u64| {
            while number >= 0x80 {
                bytes.push(number as u8 | 0x80);
                number >>= 7;
            }
            bytes.push(number as u8);
        };
        let signed = |number: i64| (number << 1 ^ number >> 63).cast_unsigned();
        for number in [32, 2, numbers.len() as u64, signed(numbers.first().copied().unwrap_or_default())] {
            unsigned(&mut bytes, number);
        }
        let differences: Vec<i64> = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        for block in differences.chunks(32) {
            let least = *block.iter().min().unwrap();
            unsigned(&mut bytes, signed(least));
            let width = |part: &[i64]| {
                let most = part.iter().map(|number| number.wrapping_sub(least).cast_unsigned()).max();
                64 - most.unwrap_or_default().leading_zeros()
            };
            let parts = [&block[..block.len().min(16)], block.get(16..).unwrap_or_default()];
            bytes.extend(parts.map(|part| width(part) as u8));
            for part in parts.into_iter().filter(|part| !part.is_empty()) {
                let width = width(part) as usize;
                let mut packed = vec![0_u8; 2 * width];
                for (at, number) in part.iter().enumerate() {
                    let number = number.wrapping_sub(least).cast_unsigned();
                    for bit in 0..width {
                        let place = at * width + bit;
                        packed[place / 8] |= ((number >> bit & 1) as u8) << (place % 8);
                    }
                }
                bytes.extend(packed);
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn numbers_come_back(numbers in prop_oneof![
            prop::collection::vec(any::<i64>(), 0..100),
            prop::collection::vec(0..500_i64, 0..100),
        ]) {
            let bytes = [encoded(&numbers), b"rest".to_vec()].concat();
            let most = numbers.len() as u64;
            prop_assert_eq!(super::numbers(&bytes, most), Some((numbers, &b"rest"[..])));
            prop_assert!(most == 0 || super::numbers(&bytes, most - 1).is_none());
        }

        #[test]
        fn lengths_are_those_of_both_parts(parts in prop::collection::vec((0..1_000_i64, 0..1_000_i64), 0..100)) {
            let (shared, ends): (Vec<i64>, Vec<i64>) = parts.iter().copied().unzip();
            let bytes = [encoded(&shared), encoded(&ends), b"texts".to_vec()].concat();
            let of = |(shared, own): &(i64, i64)| (shared + own).cast_unsigned();
            let (sum, longest) = (parts.iter().map(of).sum(), parts.iter().map(of).max().unwrap_or_default());
            prop_assert_eq!(of_both(&bytes, 100), Some(Lengths { sum, longest }));
            let own = parts.iter().map(|(_, own)| own.cast_unsigned());
            let (sum, longest) = (own.clone().sum(), own.max().unwrap_or_default());
            prop_assert_eq!(super::of(&bytes[encoded(&shared).len()..], 100), Some(Lengths { sum, longest }));
        }

        #[test]
        fn hostile_numbers_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..60), most in 0..100_000_u64) {
            let _ = (of(&bytes, most), of_both(&bytes, most));
        }
    }

    #[test]
    fn negative_lengths_are_none() {
        assert_eq!(of_both(&[encoded(&[-1]), encoded(&[5])].concat(), 10), None);
        assert_eq!(of_both(&[encoded(&[1]), encoded(&[5, 5])].concat(), 10), None);
        // A thousand million numbers in a few bytes.
        assert_eq!(of_both(&[128, 1, 4, 255, 255, 255, 255, 7, 0], u64::MAX), None);
    }
}
