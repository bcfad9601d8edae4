//! How the values of a page are spread over rows, by their repetition levels: a value of level 0 begins a row.
//!
//! Source: the Parquet format, `Encodings.md`, "Run Length Encoding / Bit-Packing Hybrid".

use super::lengths::unsigned;

/// The values of a page, as rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Spread {
    /// How many rows begin in it.
    pub(super) begun: u64,
    /// Whether it begins with values of the row before.
    pub(super) goes_on: bool,
    /// The most values that it has of one row.
    pub(super) longest: u64,
}

impl Spread {
    /// Of a page without lists.
    pub(super) fn flat(values: u64) -> Spread {
        Spread { begun: values, goes_on: false, longest: 1 }
    }

    /// Of a page whose levels cannot be told: all of it may be one row.
    pub(super) fn unknown(values: u64) -> Spread {
        Spread { begun: u64::from(values > 0), goes_on: true, longest: values }
    }

    /// Of `values` values, by their levels of `0..=level_max`. Levels that are missing count as values of the last row.
    pub(super) fn of(levels: &[u8], level_max: i16, values: u64) -> Spread {
        let width = u32::from(level_max.unsigned_abs()).checked_ilog2().map_or(0, |bits| bits + 1);
        let mut count = Count { spread: Spread::default(), current: 0, left: values };
        let mut left = levels;
        while count.left > 0 {
            let Some((header, rest)) = unsigned(left) else { break };
            left = rest;
            if header & 1 == 0 {
                let Some((bytes, rest)) = left.split_at_checked(width.div_ceil(8) as usize) else { break };
                left = rest;
                count.run(bytes.iter().all(|byte| *byte == 0), header >> 1);
            } else {
                let bytes = (header >> 1).saturating_mul(u64::from(width));
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(left.len());
                let Some((packed, rest)) = left.split_at_checked(bytes) else { break };
                left = rest;
                count.packed(packed, width, (header >> 1).saturating_mul(8));
            }
        }
        count.run(false, count.left);
        count.spread
    }
}

struct Count {
    spread: Spread,
    /// How many values the row has so far.
    current: u64,
    /// How many values are left.
    left: u64,
}

impl Count {
    /// Takes values of one level, which begin a row each or none.
    fn run(&mut self, begin: bool, values: u64) {
        let values = values.min(self.left);
        if values == 0 {
            return;
        }
        self.left -= values;
        if begin {
            self.spread.begun += values;
            self.current = 1;
        } else {
            self.spread.goes_on |= self.spread.begun == 0;
            self.current = self.current.saturating_add(values);
        }
        self.spread.longest = self.spread.longest.max(self.current);
    }

    /// Takes levels of `width` bits each, the lowest bits first.
    fn packed(&mut self, packed: &[u8], width: u32, values: u64) {
        let bit = |at: u64| {
            let byte = usize::try_from(at / 8).ok().and_then(|at| packed.get(at));
            byte.is_some_and(|byte| byte >> (at % 8) & 1 == 1)
        };
        let there = (packed.len() as u64 * 8).checked_div(u64::from(width)).unwrap_or(values);
        for value in 0..values.min(self.left).min(there) {
            let first = value * u64::from(width);
            self.run(!(first..first + u64::from(width)).any(bit), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Levels one by one.
    fn counted(levels: &[i16]) -> Spread {
        let mut spread = Spread::default();
        let mut current = 0;
        for level in levels {
            if *level == 0 {
                spread.begun += 1;
                current = 1;
            } else {
                spread.goes_on |= spread.begun == 0;
                current += 1;
            }
            spread.longest = spread.longest.max(current);
        }
        spread
    }

    /// Runs of levels, each as a run or bit by bit.
    fn encoded(runs: &[(i16, usize, bool)], width: usize) -> (Vec<u8>, Vec<i16>) {
        let (mut bytes, mut levels) = (Vec::new(), Vec::new());
        let number = |bytes: &mut Vec<u8>, mut number: usize| {
            while number >= 0x80 {
                bytes.push(number as u8 | 0x80);
                number >>= 7;
            }
            bytes.push(number as u8);
        };
        for (level, count, packed) in runs {
            if *packed {
                // Whole groups of eight: the level, and zeros between.
                let group: Vec<i16> = (0..count * 8).map(|at| if at % 3 == 0 { 0 } else { *level }).collect();
                number(&mut bytes, count << 1 | 1);
                let mut bits = vec![0_u8; count * width];
                for (at, level) in group.iter().enumerate() {
                    for bit in 0..width {
                        let place = at * width + bit;
                        bits[place / 8] |= ((*level >> bit & 1) as u8) << (place % 8);
                    }
                }
                bytes.extend(bits);
                levels.extend(group);
            } else {
                number(&mut bytes, count << 1);
                bytes.extend(&level.to_le_bytes()[..width.div_ceil(8)]);
                levels.extend(std::iter::repeat_n(*level, *count));
            }
        }
        (bytes, levels)
    }

    proptest! {
        #[test]
        fn levels_are_counted_as_one_by_one(
            (most, runs) in (1..300_i16).prop_flat_map(|most| {
                (Just(most), prop::collection::vec((0..=most, 1..40_usize, any::<bool>()), 0..12))
            }),
            cut in any::<prop::sample::Index>(),
        ) {
            let width = (16 - most.leading_zeros()) as usize;
            let (bytes, levels) = encoded(&runs, width);
            prop_assert_eq!(Spread::of(&bytes, most, levels.len() as u64), counted(&levels));
            // Fewer than there are: the rest is padding.
            let fewer = cut.index(levels.len() + 1);
            prop_assert_eq!(Spread::of(&bytes, most, fewer as u64), counted(&levels[..fewer]));
        }

        #[test]
        fn hostile_levels_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..40), most in any::<i16>(), values in any::<u64>()) {
            let values = values % 1_000_000;
            let spread = Spread::of(&bytes, most, values);
            prop_assert!(spread.begun + spread.longest <= values + 1);
        }
    }

    #[test]
    fn what_is_missing_belongs_to_the_last_row() {
        assert_eq!(Spread::of(&[], 1, 5), Spread { begun: 0, goes_on: true, longest: 5 });
        assert_eq!(Spread::of(&[2, 0], 1, 5), Spread { begun: 1, goes_on: false, longest: 5 });
        // A run of two thousand million takes no time.
        let run = [0xfe, 0xff, 0xff, 0xff, 0x0f, 1];
        assert_eq!(Spread::of(&run, 1, i32::MAX as u64).longest, i32::MAX as u64);
        assert_eq!(Spread::of(&[], 0, 0), Spread::default());
    }
}
