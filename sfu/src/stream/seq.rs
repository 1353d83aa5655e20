//! Extended sequence numbers, RTP ticks, and a bitmap over the newest sequence numbers.

use std::time::Duration;

/// How many of the newest sequence numbers a [`SeqWindow`] covers. Larger costs memory per stream
/// (one bit each); smaller refuses retransmissions of fast streams (8 Mbit/s is 900 packets in the
/// second that a retransmission may take).
pub(crate) const WINDOW: u64 = 1024;

const WORDS: u64 = WINDOW / 64;

/// The number nearest to `reference` whose lower 16 bits are `seq`; `None` below zero.
pub(crate) fn nearest(reference: u64, seq: u16) -> Option<u64> {
    // Truncation and the cast to signed are the point: the distance modulo 2^16, -32768..=32767.
    let distance = seq.wrapping_sub(reference as u16) as i16;
    reference.checked_add_signed(i64::from(distance))
}

/// Serial-number order of RTP timestamps: whether `a` is later than `b`.
pub(crate) fn is_later(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

/// A span of time in ticks of an RTP clock, modulo 2^32.
pub(crate) fn ticks(span: Duration, clock_rate: u32) -> u32 {
    // Microseconds times 90 kHz fill 64 bits after six years; RTP time is modulo 2^32 anyway.
    let micros = span.as_micros() as u64;
    (micros.wrapping_mul(u64::from(clock_rate)) / 1_000_000) as u32
}

/// One bit for each of the newest [`WINDOW`] sequence numbers. Knows no bounds of its own: the
/// owner clears what the window moves over and asks only for numbers inside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SeqWindow {
    words: [u64; WORDS as usize],
}

impl SeqWindow {
    /// Whether the bit of `seq` is set.
    pub(crate) fn contains(&self, seq: u64) -> bool {
        self.words.get(word(seq)).is_some_and(|w| w & bit(seq) != 0)
    }

    /// Sets the bit of `seq`.
    pub(crate) fn insert(&mut self, seq: u64) {
        if let Some(w) = self.words.get_mut(word(seq)) {
            *w |= bit(seq);
        }
    }

    /// Clears the bit of `seq`.
    pub(crate) fn remove(&mut self, seq: u64) {
        if let Some(w) = self.words.get_mut(word(seq)) {
            *w &= !bit(seq);
        }
    }

    /// Clears `from..=to`, the numbers a window enters when it moves on.
    pub(crate) fn clear(&mut self, from: u64, to: u64) {
        if to.saturating_sub(from) >= WINDOW - 1 {
            self.words = Default::default();
            return;
        }
        for (index, mask) in masks(from, to) {
            if let Some(w) = self.words.get_mut(index) {
                *w &= !mask;
            }
        }
    }

    /// How many bits of `from..=to` are set, where the range lies in one window.
    pub(crate) fn count(&self, from: u64, to: u64) -> u64 {
        let set = |(index, mask): (usize, u64)| self.words.get(index).map_or(0, |w| w & mask);
        masks(from, to).map(set).map(|w| u64::from(w.count_ones())).sum()
    }
}

fn word(seq: u64) -> usize {
    (seq / 64 % WORDS) as usize
}

fn bit(seq: u64) -> u64 {
    1 << (seq % 64)
}

/// Word index and mask of each word that `from..=to` touches.
fn masks(from: u64, to: u64) -> impl Iterator<Item = (usize, u64)> {
    let mut at = from;
    std::iter::from_fn(move || {
        if at > to {
            return None;
        }
        let length = (64 - at % 64).min(to - at + 1);
        let mask = (u64::MAX >> (64 - length)) << (at % 64);
        let index = word(at);
        at += length;
        Some((index, mask))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nearest_is_within_half_a_cycle(reference in 1u64 << 16..1 << 40, seq in any::<u16>()) {
            let got = nearest(reference, seq).unwrap();
            prop_assert_eq!(got as u16, seq);
            prop_assert!(got.abs_diff(reference) <= 1 << 15);
        }

        #[test]
        fn a_window_is_a_set(
            base in 0u64..1 << 40,
            set in prop::collection::vec(0..WINDOW, 0..200),
            cleared in (0..WINDOW, 0..WINDOW),
            counted in (0..WINDOW, 0..WINDOW),
        ) {
            let (mut window, mut model) = (SeqWindow::default(), BTreeSet::new());
            for offset in set {
                window.insert(base + offset);
                model.insert(base + offset);
            }
            let (from, to) = (base + cleared.0.min(cleared.1), base + cleared.0.max(cleared.1));
            window.clear(from, to);
            model.retain(|seq| !(from..=to).contains(seq));
            let (from, to) = (base + counted.0.min(counted.1), base + counted.0.max(counted.1));
            prop_assert_eq!(window.count(from, to), model.range(from..=to).count() as u64);
            prop_assert!((base..base + WINDOW).all(|s| window.contains(s) == model.contains(&s)));
        }
    }
}
