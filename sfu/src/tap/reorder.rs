//! Puts RTP packets of one stream back in order and waits a bounded time for retransmissions.

use std::{collections::BTreeMap, time::Duration};

use vbranch_domain::Mono;

use crate::stream::seq::nearest;

/// How many packets may wait behind a missing one. Larger lets a flood cost memory; smaller
/// gives up early on a fast stream (1080p at 8 Mbit/s sends 900 packets in a second).
const MAX_HELD: usize = 1024;

/// What the buffer gives out, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ordered<T> {
    Packet(T),
    /// This many packets never came.
    Missing(u32),
}

/// A reorder buffer for one SSRC.
#[derive(Debug)]
pub(crate) struct Reorder<T> {
    /// Extended number of the packet to give out next; `None` before the first one.
    next: Option<u64>,
    /// How long a missing packet is waited for.
    wait: Duration,
    held: BTreeMap<u64, Held<T>>,
    /// When the first of those came that wait behind a hole: since then it is known. Each hole is waited
    /// for from there, not from when the one before it was settled, or a lossy stream would
    /// fall behind for good.
    waiting_since: Option<Mono>,
    /// The stream is over: nothing is worth waiting for.
    ended: bool,
}

#[derive(Debug)]
struct Held<T> {
    packet: T,
    came: Mono,
}

impl<T> Reorder<T> {
    /// A buffer that waits this long for a missing packet.
    pub(crate) const fn new(wait: Duration) -> Self {
        Self { next: None, wait, held: BTreeMap::new(), waiting_since: None, ended: false }
    }

    /// Takes a packet. Duplicates and packets already given up on are dropped.
    pub(crate) fn push(&mut self, seq: u16, packet: T, now: Mono) {
        let next = *self.next.get_or_insert(u64::from(seq) + (1 << 16));
        let Some(extended) = nearest(next, seq) else { return };
        if extended < next {
            return;
        }
        self.held.entry(extended).or_insert(Held { packet, came: now });
        if extended != next && self.waiting_since.is_none() {
            self.waiting_since = Some(now);
        }
    }

    /// The next packet in order, or the news that some will not come.
    pub(crate) fn pop(&mut self, now: Mono) -> Option<Ordered<T>> {
        let next = self.next?;
        let (&first, _) = self.held.first_key_value()?;
        if first == next {
            let (_, Held { packet, .. }) = self.held.pop_first()?;
            self.next = Some(next + 1);
            let hole = self.held.first_key_value().is_some_and(|(&k, _)| k != next + 1);
            let first_came = || self.held.values().map(|held| held.came).min();
            self.waiting_since = hole.then(first_came).flatten();
            return Some(Ordered::Packet(packet));
        }
        let expired = self.waiting_since.is_some_and(|since| now.since(since) >= self.wait);
        if !expired && !self.ended && self.held.len() <= MAX_HELD {
            return None;
        }
        self.next = Some(first);
        self.waiting_since = None;
        Some(Ordered::Missing(u32::try_from(first - next).unwrap_or(u32::MAX)))
    }

    /// When `pop` has something to say even if nothing more arrives.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.waiting_since.map(|since| since + self.wait)
    }

    /// Gives up on every hole: the stream has ended.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WAIT: Duration = Duration::from_millis(400);

    fn drain(buffer: &mut Reorder<u16>, now: Mono) -> Vec<Ordered<u16>> {
        std::iter::from_fn(|| buffer.pop(now)).collect()
    }

    #[test]
    fn a_late_packet_is_waited_for_and_order_restored() {
        let mut buffer = Reorder::new(WAIT);
        for seq in [65_534, 0, 1] {
            buffer.push(seq, seq, Mono::ZERO);
        }
        assert_eq!(drain(&mut buffer, Mono::ZERO), [Ordered::Packet(65_534)]);
        buffer.push(65_535, 65_535, Mono::from_millis(100));
        let got = drain(&mut buffer, Mono::from_millis(100));
        assert_eq!(got, [Ordered::Packet(65_535), Ordered::Packet(0), Ordered::Packet(1)]);
    }

    #[test]
    fn a_packet_that_never_comes_is_reported_after_the_wait() {
        let mut buffer = Reorder::new(WAIT);
        buffer.push(10, 10, Mono::ZERO);
        buffer.push(13, 13, Mono::ZERO);
        assert_eq!(drain(&mut buffer, Mono::ZERO), [Ordered::Packet(10)]);
        let deadline = buffer.deadline().unwrap();
        assert_eq!(drain(&mut buffer, deadline), [Ordered::Missing(2), Ordered::Packet(13)]);
        buffer.push(11, 11, deadline);
        assert_eq!(drain(&mut buffer, deadline), []);
    }

    proptest! {
        /// However many holes there are at a time, they are waited for side by side.
        #[test]
        fn no_packet_waits_longer_than_for_one_hole(
            lost in prop::collection::vec(prop::bool::weighted(0.2), 500),
            late in prop::collection::vec(0u64..300, 500),
        ) {
            let every = Duration::from_millis(20);
            let came = |n: usize| Mono::ZERO + every * n as u32 + Duration::from_millis(late[n]);
            let mut arrivals: Vec<usize> = (0..500).filter(|&n| !lost[n]).collect();
            arrivals.sort_by_key(|&n| came(n));
            let mut buffer = Reorder::new(WAIT);
            for n in arrivals {
                let now = came(n);
                let mut out = vec![];
                while let Some(due) = buffer.deadline().filter(|&due| due <= now) {
                    out.extend(drain(&mut buffer, due).into_iter().map(|item| (due, item)));
                }
                buffer.push(n as u16, n as u16, now);
                out.extend(drain(&mut buffer, now).into_iter().map(|item| (now, item)));
                for (at, item) in out {
                    if let Ordered::Packet(n) = item {
                        prop_assert!(at.since(came(usize::from(n))) <= WAIT);
                    }
                }
            }
        }

        /// Whatever the order and the losses: packets come out in order, once, and packets plus
        /// reported losses account for every number between the first and the last given out.
        #[test]
        fn every_number_is_accounted_for(
            start in any::<u16>(),
            arrivals in prop::collection::vec((0u16..600, 0u64..30), 1..300),
        ) {
            let mut buffer = Reorder::new(WAIT);
            let (mut now, mut out) = (Mono::ZERO, vec![]);
            let first = arrivals[0].0;
            for (offset, wait) in arrivals {
                now += Duration::from_millis(wait);
                buffer.push(start.wrapping_add(offset), start.wrapping_add(offset), now);
                out.extend(drain(&mut buffer, now));
            }
            buffer.end();
            out.extend(drain(&mut buffer, now));
            let mut expected = start.wrapping_add(first);
            for item in out {
                match item {
                    Ordered::Packet(seq) => {
                        prop_assert_eq!(seq, expected);
                        expected = expected.wrapping_add(1);
                    }
                    Ordered::Missing(n) => expected = expected.wrapping_add(n as u16),
                }
            }
            prop_assert!(buffer.held.is_empty());
        }
    }
}
