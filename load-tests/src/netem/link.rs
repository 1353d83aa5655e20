//! One direction of a bad network in virtual time.

#[cfg(test)]
mod tests;

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    ops::Range,
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use vbranch_domain::Mono;

use super::conditions::{Conditions, Loss, Probability};

/// Packets on their way at once. Full means that the model holds more than a gigabit's half
/// second: the newest is dropped, and counted as dropped at the queue.
const ON_THE_WAY: usize = 65_536;
/// Blackouts planned at once; one more replaces the last.
const BLACKOUTS: usize = 16;
/// Headers of IPv4 and UDP, which a rate cap counts too.
const HEADERS: usize = 28;

/// What became of the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Pushed.
    pub pushed: u64,
    /// Came out, duplicates included.
    pub delivered: u64,
    /// Lost at random.
    pub lost: u64,
    /// Found the queue full.
    pub queue_full: u64,
    /// Fell into a blackout.
    pub blacked_out: u64,
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            pushed: self.pushed + other.pushed,
            delivered: self.delivered + other.delivered,
            lost: self.lost + other.lost,
            queue_full: self.queue_full + other.queue_full,
            blacked_out: self.blacked_out + other.blacked_out,
        }
    }
}

/// One direction of a network: packets go in by [`Self::push`] and come out of [`Self::poll`] when
/// their time has come. The same seed, times and packets give the same result.
#[derive(Debug)]
pub struct Link<P> {
    conditions: Conditions,
    random: StdRng,
    in_burst: bool,
    blackouts: Vec<Range<Mono>>,
    /// When the last packet has left the queue before the cap.
    queue_empty_at: Mono,
    /// Packets that are not held back come out in this order.
    last_due: Mono,
    on_the_way: BinaryHeap<Reverse<Travelling<P>>>,
    count: u64,
    counts: Counts,
}

impl<P: AsRef<[u8]> + Clone> Link<P> {
    /// A link without packets on it.
    #[must_use]
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            random: StdRng::seed_from_u64(seed),
            in_burst: false,
            blackouts: vec![],
            queue_empty_at: Mono::ZERO,
            last_due: Mono::ZERO,
            on_the_way: BinaryHeap::new(),
            count: 0,
            counts: Counts::default(),
        }
    }

    /// Other conditions for the packets from now on.
    pub fn change(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Nothing that is pushed within this time arrives.
    pub fn black_out(&mut self, during: Range<Mono>) {
        self.blackouts.truncate(BLACKOUTS - 1);
        self.blackouts.push(during);
    }

    /// Sends a packet.
    pub fn push(&mut self, now: Mono, packet: P) {
        self.counts.pushed += 1;
        if self.is_black(now) {
            self.counts.blacked_out += 1;
            return;
        }
        if self.loses() {
            self.counts.lost += 1;
            return;
        }
        if self.draw(self.conditions.duplicate) {
            self.carry(now, packet.clone());
        }
        self.carry(now, packet);
    }

    /// The next packet that has arrived by `now`.
    pub fn poll(&mut self, now: Mono) -> Option<P> {
        if self.next_at()? > now {
            return None;
        }
        self.counts.delivered += 1;
        self.on_the_way.pop().map(|travelling| travelling.0.packet)
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn next_at(&self) -> Option<Mono> {
        self.on_the_way.peek().map(|travelling| travelling.0.due)
    }

    /// What became of the packets so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    fn is_black(&mut self, now: Mono) -> bool {
        self.blackouts.retain(|b| b.end > now);
        self.blackouts.iter().any(|b| b.contains(&now))
    }

    fn loses(&mut self) -> bool {
        match self.conditions.loss {
            Loss::Never => false,
            Loss::Uniform(p) => self.draw(p),
            Loss::Bursts { enter, leave, good, bad } => {
                let flips = self.draw(if self.in_burst { leave } else { enter });
                self.in_burst ^= flips;
                self.draw(if self.in_burst { bad } else { good })
            }
        }
    }

    fn carry(&mut self, now: Mono, packet: P) {
        let Some(sent) = self.through_queue(now, packet.as_ref().len()) else {
            self.counts.queue_full += 1;
            return;
        };
        if self.on_the_way.len() >= ON_THE_WAY {
            self.counts.queue_full += 1;
            return;
        }
        let jitter = u64::from(self.conditions.jitter_ms).saturating_mul(1_000);
        let jitter = Duration::from_micros(self.random.random_range(0..=jitter));
        let mut due = (sent + self.conditions.delay() + jitter).max(self.last_due);
        if self.draw(self.conditions.reorder) {
            due += Duration::from_millis(self.conditions.reorder_by_ms.into());
        } else {
            self.last_due = due;
        }
        self.on_the_way.push(Reverse(Travelling { due, order: self.count, packet }));
        self.count += 1;
    }

    /// When a packet of this size has passed the cap; `None`: the queue before it is full.
    fn through_queue(&mut self, now: Mono, size: usize) -> Option<Mono> {
        let Some(rate) = self.conditions.rate_bps else { return Some(now) };
        let start = now.max(self.queue_empty_at);
        if start.since(now) > Duration::from_millis(self.conditions.queue_ms.into()) {
            return None;
        }
        let bits = (size + HEADERS) as u64 * 8;
        let takes = Duration::from_nanos(bits.saturating_mul(1_000_000_000) / rate.max(1));
        self.queue_empty_at = start + takes;
        Some(self.queue_empty_at)
    }

    fn draw(&mut self, p: Probability) -> bool {
        // No number is drawn for what never happens: switching one trouble on leaves the
        // others' course as it was.
        p > Probability::ZERO && self.random.random_bool(p.get())
    }
}

#[derive(Debug)]
struct Travelling<P> {
    due: Mono,
    /// Breaks ties, so that packets due at one time keep their order.
    order: u64,
    packet: P,
}

impl<P> Travelling<P> {
    const fn key(&self) -> (Mono, u64) {
        (self.due, self.order)
    }
}

impl<P> PartialEq for Travelling<P> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<P> Eq for Travelling<P> {}

impl<P> PartialOrd for Travelling<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> Ord for Travelling<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}
