//! Guessing is slow: who failed to prove a key waits before the next answer.
//!
//! Failures are counted for each access key id and for each address. A pair of both that succeeded not long ago waits
//! for neither, so that guesses about a key do not slow its owner down, nor a neighbour behind the same address.
//! Memory is bounded; counts halve with time, which comes in as an argument.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Failures that cost nothing: people mistype, and scripts are configured wrongly.
const FREE: u32 = 5;
/// The wait after the first failure that costs; each further one doubles it.
const WAIT_MS: u64 = 100;
/// The longest wait.
const WAIT_MS_MAX: u64 = 5_000;
/// The time after which half of the failures are forgotten.
const HALF_LIFE_MS: i64 = 60_000;
/// How long a success makes a pair trusted, and how many failures of its own end that.
const TRUST_MS: i64 = 60 * 60 * 1000;
const TRUST_FAILURES_MAX: u32 = 10;
/// Entries of each table; the oldest tenth goes when it is full.
const ENTRIES_MAX: usize = 10_000;

/// From where a request came. Front doors are given it by whoever accepted the connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// What counts as one place: an IPv4 address, or the network of an IPv6 one, of which everybody has many addresses.
    fn place(self) -> u64 {
        match self.0.to_canonical() {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64 | 1 << 63,
        }
    }
}

/// What is known of failed attempts.
#[derive(Default)]
pub(crate) struct Attempts {
    tables: Mutex<Tables>,
    /// Keys are kept as hashes, so that long ones take no more room.
    hasher: RandomState,
}

#[derive(Default)]
struct Tables {
    failures: HashMap<Source, Count>,
    trusted: HashMap<(u64, u64), Count>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Key(u64),
    Place(u64),
}

/// Failures, and when the last event was.
#[derive(Clone, Copy)]
struct Count {
    failures: u32,
    at_ms: i64,
}

impl Count {
    fn now(self, now_ms: i64) -> u32 {
        let halvings = now_ms.saturating_sub(self.at_ms).max(0) / HALF_LIFE_MS;
        u32::try_from(halvings).ok().and_then(|by| self.failures.checked_shr(by)).unwrap_or(0)
    }
}

impl Attempts {
    /// How long an attempt has to wait before it is judged, in milliseconds.
    pub(crate) fn wait_ms(&self, access_key_id: &str, peer: Option<Peer>, now_ms: i64) -> u64 {
        let (key, place) = self.names(access_key_id, peer);
        let tables = self.tables();
        if tables.failures.is_empty() || tables.trusts(key, place, now_ms) {
            return 0;
        }
        let count = |source| tables.failures.get(&source).map_or(0, |count| count.now(now_ms));
        let failures = count(Source::Key(key)).max(place.map_or(0, |place| count(Source::Place(place))));
        match failures.checked_sub(FREE) {
            None | Some(0) => 0,
            Some(over) => WAIT_MS.saturating_mul(1 << (over - 1).min(20)).min(WAIT_MS_MAX),
        }
    }

    /// Notes that the key was not proved.
    pub(crate) fn failed(&self, access_key_id: &str, peer: Option<Peer>, now_ms: i64) {
        let (key, place) = self.names(access_key_id, peer);
        let mut tables = self.tables();
        let sources = [Some(Source::Key(key)), place.map(Source::Place)];
        for source in sources.into_iter().flatten() {
            make_room(&mut tables.failures);
            let count = tables.failures.entry(source).or_insert(Count { failures: 0, at_ms: now_ms });
            *count = Count { failures: count.now(now_ms).saturating_add(1), at_ms: now_ms };
        }
        if let Some(count) = place.and_then(|place| tables.trusted.get_mut(&(key, place))) {
            count.failures = count.failures.saturating_add(1);
        }
    }

    /// Notes that the key was proved.
    pub(crate) fn succeeded(&self, access_key_id: &str, peer: Option<Peer>, now_ms: i64) {
        let (key, Some(place)) = self.names(access_key_id, peer) else {
            return;
        };
        let mut tables = self.tables();
        if let Some(count) = tables.trusted.get_mut(&(key, place)) {
            *count = Count { failures: 0, at_ms: now_ms };
            return;
        }
        make_room(&mut tables.trusted);
        tables.trusted.insert((key, place), Count { failures: 0, at_ms: now_ms });
    }

    fn names(&self, access_key_id: &str, peer: Option<Peer>) -> (u64, Option<u64>) {
        (self.hasher.hash_one(access_key_id), peer.map(Peer::place))
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // No change is left half done.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn trusts(&self, key: u64, place: Option<u64>, now_ms: i64) -> bool {
        let trust = place.and_then(|place| self.trusted.get(&(key, place)));
        trust.is_some_and(|trust| {
            now_ms.saturating_sub(trust.at_ms) < TRUST_MS && trust.failures < TRUST_FAILURES_MAX
        })
    }
}

fn make_room<K: Eq + Hash + Copy>(table: &mut HashMap<K, Count>) {
    if table.len() < ENTRIES_MAX {
        return;
    }
    let mut times: Vec<i64> = table.values().map(|count| count.at_ms).collect();
    let (_, cut, _) = times.select_nth_unstable(ENTRIES_MAX / 10);
    let cut = *cut;
    table.retain(|_, count| count.at_ms > cut);
}

impl std::fmt::Debug for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Option<Peer> {
        Some(Peer(IpAddr::from([192, 0, 2, last])))
    }

    fn fail(attempts: &Attempts, key: &str, from: u8, times: usize) {
        for _ in 0..times {
            attempts.failed(key, peer(from), 0);
        }
    }

    #[test]
    fn waits_double_up_to_a_limit_and_pass_with_time() {
        let attempts = Attempts::default();
        let mut waits = Vec::new();
        for _ in 0..13 {
            waits.push(attempts.wait_ms("AKID", peer(1), 0));
            attempts.failed("AKID", peer(1), 0);
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 100, 200, 400, 800, 1600, 3200, 5000]);
        assert_eq!(attempts.wait_ms("AKID", peer(1), HALF_LIFE_MS), 100, "13 halved is 6");
        assert_eq!(attempts.wait_ms("AKID", peer(1), 10 * HALF_LIFE_MS), 0);
        assert_eq!(attempts.wait_ms("AKID", peer(1), -5), 5000, "a clock that was set back frees nobody");
    }

    #[test]
    fn a_key_and_an_address_are_counted_apart() {
        let attempts = Attempts::default();
        fail(&attempts, "AKID", 1, 8);
        assert!(attempts.wait_ms("AKID", peer(2), 0) > 0, "the same key from elsewhere");
        assert!(attempts.wait_ms("OTHER", peer(1), 0) > 0, "other keys from there");
        assert_eq!(attempts.wait_ms("OTHER", peer(2), 0), 0, "nobody else");
        assert_eq!(attempts.wait_ms("OTHER", None, 0), 0);
    }

    #[test]
    fn the_owner_of_a_key_does_not_wait_for_who_guesses_it() {
        let attempts = Attempts::default();
        attempts.succeeded("AKID", peer(1), 0);
        fail(&attempts, "AKID", 2, 100);
        assert_eq!(attempts.wait_ms("AKID", peer(1), 0), 0);
        assert_eq!(attempts.wait_ms("AKID", peer(2), 0), WAIT_MS_MAX);
        fail(&attempts, "OTHER", 1, 100);
        assert_eq!(attempts.wait_ms("AKID", peer(1), 0), 0, "a neighbour behind the same address guesses");
        assert!(attempts.wait_ms("AKID", peer(1), TRUST_MS) == 0, "the failures are forgotten by then");
    }

    #[test]
    fn trust_ends_with_failures_of_the_pair_itself() {
        let attempts = Attempts::default();
        attempts.succeeded("AKID", peer(1), 0);
        fail(&attempts, "AKID", 1, TRUST_FAILURES_MAX as usize - 1);
        assert_eq!(attempts.wait_ms("AKID", peer(1), 0), 0);
        fail(&attempts, "AKID", 1, 1);
        assert!(attempts.wait_ms("AKID", peer(1), 0) > 0);
    }

    #[test]
    fn one_network_of_ipv6_is_one_place() {
        let attempts = Attempts::default();
        let peer = |text: &str| Some(Peer(text.parse().unwrap()));
        for last in 0..9 {
            attempts.failed(&format!("K{last}"), peer(&format!("2001:db8:1:1::{last}")), 0);
        }
        assert!(attempts.wait_ms("K", peer("2001:db8:1:1:ffff::1"), 0) > 0);
        assert_eq!(attempts.wait_ms("K", peer("2001:db8:1:2::1"), 0), 0);
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let attempts = Attempts::default();
        for number in 0..3 * ENTRIES_MAX {
            let key = format!("AKID{number}");
            attempts.failed(&key, None, number as i64);
            attempts.succeeded(&key, peer(1), number as i64);
        }
        let tables = attempts.tables();
        assert!(tables.failures.len() <= ENTRIES_MAX && tables.trusted.len() <= ENTRIES_MAX);
        let newest = attempts.hasher.hash_one(format!("AKID{}", 3 * ENTRIES_MAX - 1));
        assert!(tables.failures.contains_key(&Source::Key(newest)));
    }
}
