//! Values of the newest packets of a stream, found by extended sequence number.

use std::time::Duration;

use vbranch_domain::Mono;

/// Slots of the first allocation: a second of audio.
const FIRST_SLOTS: usize = 64;

/// A ring indexed by sequence number, bounded by count and age. Starts empty, doubles while
/// values still young would be overwritten, up to a fixed size: an idle or slow stream stays
/// small, and a steady one allocates no more. At full size the newest packet wins.
#[derive(Debug)]
pub(crate) struct SeqRing<T> {
    slots: Vec<Option<Entry<T>>>,
    max_slots: usize,
    max_age: Duration,
}

/// Filling its own line of cache: a packet for many subscribers touches the rings of all, and each
/// line beyond one is another miss.
#[derive(Debug, Clone)]
#[repr(align(64))]
struct Entry<T> {
    seq: u64,
    at: Mono,
    value: T,
}

impl<T: Clone> SeqRing<T> {
    /// Keeps at most `max` values (rounded up to a power of two), none older than `max_age`.
    pub(crate) fn new(max: usize, max_age: Duration) -> Self {
        Self { slots: Vec::new(), max_slots: max.max(FIRST_SLOTS).next_power_of_two(), max_age }
    }

    /// Keeps `value`; refuses where that would overwrite a newer packet's.
    pub(crate) fn insert(&mut self, now: Mono, seq: u64, value: T) -> bool {
        while self.occupant(now, seq).is_some_and(|other| other.seq != seq)
            && self.slots.len() < self.max_slots
        {
            self.grow();
        }
        if self.slots.is_empty() {
            self.grow();
        }
        let (index, max_age) = (self.index(seq), self.max_age);
        let Some(slot) = self.slots.get_mut(index) else { return false };
        if slot.as_ref().is_some_and(|other| other.seq > seq && now.since(other.at) <= max_age) {
            return false;
        }
        *slot = Some(Entry { seq, at: now, value });
        true
    }

    /// The value of `seq`, if it is still kept.
    pub(crate) fn get(&self, now: Mono, seq: u64) -> Option<&T> {
        self.occupant(now, seq).filter(|entry| entry.seq == seq).map(|entry| &entry.value)
    }

    /// The value of `seq`, to change.
    pub(crate) fn get_mut(&mut self, now: Mono, seq: u64) -> Option<&mut T> {
        let (index, max_age) = (self.index(seq), self.max_age);
        let entry = self.slots.get_mut(index)?.as_mut()?;
        (entry.seq == seq && now.since(entry.at) <= max_age).then_some(&mut entry.value)
    }

    /// Forgets everything and gives the memory back.
    pub(crate) fn release(&mut self) {
        self.slots = Vec::new();
    }

    /// What still lives where `seq` belongs.
    fn occupant(&self, now: Mono, seq: u64) -> Option<&Entry<T>> {
        let entry = self.slots.get(self.index(seq))?.as_ref()?;
        (now.since(entry.at) <= self.max_age).then_some(entry)
    }

    fn index(&self, seq: u64) -> usize {
        // Sizes are powers of two; the truncation keeps the lower bits, the only ones used.
        seq as usize & self.slots.len().saturating_sub(1)
    }

    /// Doubles. Two entries that differ in the lower bits still do with one bit more.
    fn grow(&mut self) {
        let doubled = (self.slots.len() * 2).max(FIRST_SLOTS);
        let old = std::mem::replace(&mut self.slots, vec![None; doubled]);
        for entry in old.into_iter().flatten() {
            let index = self.index(entry.seq);
            if let Some(slot) = self.slots.get_mut(index) {
                *slot = Some(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AGE: Duration = Duration::from_millis(1500);

    #[test]
    fn a_slow_stream_stays_small_and_a_fast_one_stops_growing() {
        let (mut slow, mut fast) = (SeqRing::new(512, AGE), SeqRing::new(512, AGE));
        for n in 0..10_000 {
            assert!(slow.insert(Mono::from_millis(n * 40), n, n));
            assert!(fast.insert(Mono::from_millis(n), n, n));
        }
        assert_eq!((slow.slots.len(), fast.slots.len()), (FIRST_SLOTS, 512));
        let now = Mono::from_millis(9_999);
        assert!((9_488..10_000).all(|n| fast.get(now, n) == Some(&n)));
        assert_eq!(fast.get(now, 9_487), None, "bounded by count");
        assert_eq!(fast.get(now + AGE, 9_998), None, "bounded by age");
        assert!(!fast.insert(now, 9_487, 0), "an old packet does not push out a newer one");
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_was_put_there(
            packets in prop::collection::vec((0u64..4000, 0u64..20), 1..600),
        ) {
            let (mut ring, mut now) = (SeqRing::new(256, AGE), Mono::ZERO);
            for (seq, wait) in packets {
                now += Duration::from_millis(wait);
                if ring.insert(now, seq, (seq, now)) {
                    prop_assert_eq!(ring.get(now, seq), Some(&(seq, now)));
                }
                prop_assert!(ring.slots.len() <= 256);
                for other in 0..50 {
                    if let Some(&(found, at)) = ring.get(now, other) {
                        prop_assert_eq!(found, other);
                        prop_assert!(now.since(at) <= AGE);
                    }
                }
            }
        }
    }
}
