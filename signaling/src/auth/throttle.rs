//! Slowing down guessing. Only failures count, so that people who know their password are never
//! in the way of each other. Sans-IO: the time is a parameter.

use std::{collections::HashMap, net::IpAddr, sync::Mutex, time::Duration};

use ring::digest::{SHA256, digest};
use vbranch_domain::Mono;

/// Failed sign-ins, counted by (name, address), by name and by address.
#[derive(Debug)]
pub struct Throttle {
    failures: u32,
    window: Duration,
    counts: Mutex<HashMap<Key, Count>>,
}

/// The name is hashed: people type passwords into the wrong field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Pair([u8; 32], Option<IpAddr>),
    Name([u8; 32]),
    Address(Option<IpAddr>),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    since: Mono,
}

/// One address may be a whole branch behind a gateway, hence many times the limit of a pair; a
/// name is guessed at from many addresses only by a botnet, hence in between, so that a single
/// attacker cannot lock a colleague out.
const PER_NAME: u32 = 10;
const PER_ADDRESS: u32 = 20;
/// Beyond this the oldest half is forgotten: memory stays bounded under a flood of names.
const MAX_KEYS: usize = 20_000;

impl Throttle {
    /// `failures` per name and address within `window`.
    #[must_use]
    pub fn new(failures: u32, window: Duration) -> Self {
        Self { failures, window, counts: Mutex::new(HashMap::new()) }
    }

    /// Takes one attempt as failed before it is checked, so that attempts sent all at once cannot
    /// slip through together. False: too many, do not check.
    pub fn admit(&self, name: &str, from: Option<IpAddr>, now: Mono) -> bool {
        let Ok(mut counts) = self.counts.lock() else { return false };
        let keys = keys(name, from);
        let limits = [self.failures, self.failures * PER_NAME, self.failures * PER_ADDRESS];
        for (key, limit) in keys.iter().zip(limits) {
            let count = counts.get(key).filter(|c| now.since(c.since) < self.window);
            if count.is_some_and(|c| c.failures >= limit) {
                return false;
            }
        }
        if counts.len() > MAX_KEYS {
            forget_older_half(&mut counts);
        }
        for key in keys {
            let count = counts.entry(key).or_insert(Count { failures: 0, since: now });
            if now.since(count.since) >= self.window {
                *count = Count { failures: 0, since: now };
            }
            count.failures += 1;
        }
        true
    }

    /// The attempt was right after all.
    pub fn succeeded(&self, name: &str, from: Option<IpAddr>) {
        let Ok(mut counts) = self.counts.lock() else { return };
        let [pair, name, address] = keys(name, from);
        counts.remove(&pair);
        for key in [name, address] {
            if let Some(count) = counts.get_mut(&key) {
                count.failures = count.failures.saturating_sub(1);
            }
        }
    }
}

fn keys(name: &str, from: Option<IpAddr>) -> [Key; 3] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, name.as_bytes()).as_ref());
    [Key::Pair(hash, from), Key::Name(hash), Key::Address(from)]
}

fn forget_older_half(counts: &mut HashMap<Key, Count>) {
    let mut ages: Vec<Mono> = counts.values().map(|c| c.since).collect();
    let middle = ages.len() / 2;
    let (_, median, _) = ages.select_nth_unstable(middle);
    let median = *median;
    counts.retain(|_, c| c.since > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle() -> Throttle {
        Throttle::new(5, Duration::from_mins(5))
    }

    #[test]
    fn guessing_stops_after_five_and_starts_again_after_the_window() {
        let (t, home) = (throttle(), "10.0.0.1".parse().ok());
        for _ in 0..5 {
            assert!(t.admit("ann", home, Mono::ZERO));
        }
        assert!(!t.admit("ann", home, Mono::ZERO));
        assert!(t.admit("ann", "10.0.0.2".parse().ok(), Mono::ZERO), "she herself still can");
        assert!(t.admit("bob", home, Mono::ZERO), "so can her neighbour");
        assert!(t.admit("ann", home, Mono::from_millis(300_000)));
    }

    #[test]
    fn signing_in_often_is_not_guessing() {
        let t = throttle();
        for _ in 0..1_000 {
            assert!(t.admit("ann", None, Mono::ZERO));
            t.succeeded("ann", None);
        }
    }

    #[test]
    fn many_names_from_one_address_and_many_addresses_on_one_name_are_guessing() {
        let t = throttle();
        let admitted = (0..500).filter(|n| t.admit(&format!("u{n}"), None, Mono::ZERO)).count();
        assert_eq!(admitted, 100);
        let t = throttle();
        let from = |n: u8| Some(IpAddr::from([10, 0, 0, n]));
        let admitted = (0..200).filter(|n| t.admit("ann", from(*n), Mono::ZERO)).count();
        assert_eq!(admitted, 50);
    }

    #[test]
    fn a_flood_of_names_does_not_fill_memory() {
        let t = Throttle::new(1_000_000, Duration::from_mins(5));
        for n in 0..30_000u64 {
            t.admit(&n.to_string(), None, Mono::from_millis(n));
        }
        assert!(t.counts.lock().unwrap().len() <= MAX_KEYS + 3);
    }
}
