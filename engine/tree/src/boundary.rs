//! Where a node ends: decided by key, level and the number of entries in the open node, never by what entries hold.
//!
//! So overwriting an entry moves no boundary, and the shape of a tree is a function of its set of keys. The chance that
//! a node ends grows with the fourth power of its fill (a Weibull hazard), which keeps nodes close to their target.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::TreeParams;

/// No node is at this level or above; a tree of level 48 cannot arise from fewer than 2⁴⁸ entries.
pub(crate) const LEVEL_MAX: u8 = 48;
/// A node never has more than this many times the target.
const CAP_FACTOR: usize = 4;
const LEVEL_SALT: u64 = 0x9E37_79B9_7F4A_7C15;

/// Γ(5/4)⁴ in units of 2⁻³²: it makes the mean of the distribution the target.
const GAMMA_FOURTH: u128 = 2_898_973_170;
const ONE: u128 = 1 << 62;

/// The rule of one repository.
#[derive(Debug)]
pub(crate) struct Boundary {
    seed: u64,
    /// For a node with `n` entries: in how many of 2³² cases it ends.
    table: Vec<u32>,
    cap: usize,
}

impl Boundary {
    pub(crate) fn new(params: TreeParams) -> Boundary {
        let target = params.target.clamp(2, 1024);
        let cap = usize::from(target).saturating_mul(CAP_FACTOR);
        let table = (0..cap as u64).map(|open| hazard(u64::from(target), open)).collect();
        Boundary { seed: params.seed, table, cap }
    }

    /// Whether a node of `level` that holds `open` entries ends before `key`. Never so for an empty node; always so for
    /// a full one. When it holds for some `open`, it holds for every larger one.
    pub(crate) fn ends_before(&self, level: u8, key: &[u8], open: usize) -> bool {
        if open == 0 || level >= LEVEL_MAX {
            return false;
        }
        if open >= self.cap {
            return true;
        }
        let threshold = self.table.get(open).copied().unwrap_or(u32::MAX);
        let salt = u64::from(level).wrapping_mul(LEVEL_SALT);
        ((xxh3_64_with_seed(key, self.seed ^ salt) >> 32) as u32) < threshold
    }
}

/// `2³² · (1 − exp(−((n⁴ − (n−1)⁴) · Γ(5/4)⁴ / target⁴)))`, rounded down, in integers: equal on every machine.
fn hazard(target: u64, open: u64) -> u32 {
    if open == 0 {
        return 0;
    }
    let fourth = |n: u64| u128::from(n).pow(4);
    let rise = fourth(open).saturating_sub(fourth(open.saturating_sub(1)));
    let exponent = (rise.saturating_mul(GAMMA_FOURTH) << 30) / fourth(target);
    let ends = ONE.saturating_sub(exp_of_minus(exponent));
    u32::try_from(ends >> 30).unwrap_or(u32::MAX)
}

/// `exp(−x)` in units of 2⁻⁶²: a Taylor series of x/256, then eight squarings.
fn exp_of_minus(x: u128) -> u128 {
    const HALVINGS: u32 = 8;
    if x >= ONE.saturating_mul(44) {
        return 0;
    }
    let small = x >> HALVINGS;
    // Σ (−s)ᵏ/k!: the terms fall, so the even and the odd ones are summed apart and subtracted.
    let (mut term, mut even, mut odd) = (ONE, ONE, 0_u128);
    for k in 1..24_u128 {
        term = ((term * small) >> 62) / k;
        if k % 2 == 0 {
            even += term;
        } else {
            odd += term;
        }
    }
    let mut result = even.saturating_sub(odd);
    for _ in 0..HALVINGS {
        result = (result * result) >> 62;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn the_table_of_format_version_1_never_changes() {
        let boundary = Boundary::new(TreeParams::new(0));
        let bytes: Vec<u8> = boundary.table.iter().flat_map(|threshold| threshold.to_le_bytes()).collect();
        expect!["a7241c44ec0cc7f22b4015f73954875f69931a08edbb509918f9cce4eb2fb3ab"]
            .assert_eq(blake3::hash(&bytes).to_hex().as_str());
        let shown: Vec<u32> = [1, 2, 16, 128, 256, 512, 1023].iter().map(|n| boundary.table[*n]).collect();
        expect!["[0, 10, 10064, 5592405, 44796486, 346531194, 2101604643]"].assert_eq(&format!("{shown:?}"));
    }

    #[test]
    fn the_chance_follows_the_formula_and_never_falls() {
        for target in [2_u16, 8, 256, 1024] {
            let boundary = Boundary::new(TreeParams { seed: 1, target });
            for (n, threshold) in boundary.table.iter().enumerate().skip(1) {
                let n = n as f64;
                let gamma = 0.906_402_477_055_477_f64;
                let exponent = (n.powi(4) - (n - 1.0).powi(4)) * (gamma / f64::from(target)).powi(4);
                let exact = -(-exponent).exp_m1() * 4_294_967_296.0;
                assert!((exact - f64::from(*threshold)).abs() < 64.0, "{target} {n}: {exact} {threshold}");
            }
            assert!(boundary.table.is_sorted());
        }
    }

    #[test]
    fn nodes_have_the_target_on_average() {
        let boundary = Boundary::new(TreeParams::new(7));
        let (mut nodes, mut open, mut largest) = (1, 0, 0);
        for n in 0..200_000 {
            if boundary.ends_before(0, format!("lake/part-{n:08}.parquet").as_bytes(), open) {
                largest = largest.max(open);
                nodes += 1;
                open = 0;
            }
            open += 1;
        }
        let mean = 200_000 / nodes;
        assert!((240..272).contains(&mean), "mean {mean}");
        assert!(largest < 600, "largest {largest}");
    }
}
