//! Renumbering the packets of changing sources into one subscriber's unbroken stream.
//!
//! Within one source, gaps and order are kept, so that losses stay visible to the subscriber and
//! late packets fit where they belong. Packets left out on purpose (temporal layers, padding)
//! close their gap. When the source changes (a reload, another simulcast layer, another
//! participant in the slot) sequence numbers go on without a gap, and timestamps by the sources'
//! common clock where they have one, by the time that passed where not.

use std::time::Duration;

use vbranch_domain::Mono;

use super::seq::{SeqWindow, WINDOW, is_later, ticks};

/// Identity of a source: another one whenever sequence numbers or timestamps start anew.
pub(crate) type SourceId = u64;

/// A common clock that is this far from the time that passed is not believed: sender reports come
/// from outside, and a wrong one would throw the subscriber's play-out off by as much.
const MAX_CLOCK_ERROR: Duration = Duration::from_secs(1);

/// What relates the timestamps of several sources: `timestamp + offset` of every source with the
/// same `id` is on one time line ([`super::report::SenderInfo::offset_to`] gives the offset
/// between simulcast layers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SharedClock {
    /// Names the time line.
    pub(crate) id: u64,
    /// Added to the source's timestamps.
    pub(crate) offset: u32,
}

/// Where a packet goes in the subscriber's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// Extended sequence number; the wire carries the lower 16 bits, SRTP's rollover counter is
    /// `ext_seq >> 16`.
    pub(crate) ext_seq: u64,
    /// RTP timestamp.
    pub(crate) timestamp: u32,
}

/// Sequence and timestamp mapping of one outgoing stream.
#[derive(Debug)]
pub(crate) struct Rewriter {
    clock_rate: u32,
    source: Option<SourceId>,
    clock: Option<SharedClock>,
    /// `None` between a switch and the first packet of the new source.
    map: Option<Map>,
    /// What of the new source was left out before its first packet.
    early: Option<LeftOutSet>,
    /// Highest sequence number given out; the next source goes on from here.
    highest_out: u64,
    /// Latest timestamp given out, and when.
    last: Option<(u32, Mono)>,
    first_timestamp: u32,
    /// The time line of the present shared clock: its id and what to add to it.
    line: Option<(u64, u32)>,
}

/// Mapping of the present source.
#[derive(Debug)]
struct Map {
    /// Packets before this one belong to nobody.
    first: u64,
    /// Every source number up to here has its place: `anchor_out` is the highest outgoing one.
    anchor: u64,
    anchor_out: u64,
    /// Its `top` is less than a window above `anchor`.
    left_out: LeftOutSet,
    /// Added to source timestamps.
    timestamp_offset: u32,
}

/// The newest source numbers and which of them were left out.
#[derive(Debug)]
struct LeftOutSet {
    /// Highest source number seen, forwarded or left out.
    top: u64,
    numbers: SeqWindow,
}

impl Rewriter {
    /// An outgoing stream that starts at the given (random) sequence number and timestamp. The
    /// upper bit of the number is not used: SRTP receivers guess the rollover counter wrong when
    /// the first packets of a stream that starts near the wrap are lost (RFC 3711 section 3.3.1).
    pub(crate) fn new(clock_rate: u32, first_seq: u16, first_timestamp: u32) -> Self {
        Self {
            clock_rate,
            source: None,
            clock: None,
            map: None,
            early: None,
            // The number before the first; zero is left to it.
            highest_out: u64::from((first_seq & 0x7fff).max(1)) - 1,
            last: None,
            first_timestamp,
            line: None,
        }
    }

    /// From now on only packets of `source` are let through. Without a `clock`, timestamps go on
    /// by the time that passed.
    pub(crate) fn switch(&mut self, source: SourceId, clock: Option<SharedClock>) {
        self.source = Some(source);
        self.clock = clock;
        self.map = None;
        self.early = None;
    }

    /// Learns the present source's shared clock after its packets began to flow (sender reports
    /// come later than media), so that the next switch can be exact.
    pub(crate) fn set_clock(&mut self, clock: SharedClock) {
        self.clock = Some(clock);
        if let Some(map) = &self.map
            && self.line.is_none_or(|(id, _)| id != clock.id)
        {
            self.line = Some((clock.id, map.timestamp_offset.wrapping_sub(clock.offset)));
        }
    }

    /// The source that packets are taken from.
    pub(crate) fn source(&self) -> Option<SourceId> {
        self.source
    }

    /// Places a packet. `None`: it is of another source, older than the switch, or too late.
    /// Duplicates must not come here: they would be sent twice.
    pub(crate) fn forward(
        &mut self,
        now: Mono,
        source: SourceId,
        ext_seq: u64,
        timestamp: u32,
    ) -> Option<Rewritten> {
        if self.source != Some(source) {
            return None;
        }
        if self.map.is_none() {
            self.map = Some(self.align(now, ext_seq, timestamp));
        }
        let map = self.map.as_mut()?;
        let out = Rewritten {
            ext_seq: map.forward(ext_seq)?,
            timestamp: timestamp.wrapping_add(map.timestamp_offset),
        };
        self.highest_out = self.highest_out.max(out.ext_seq);
        if self.last.is_none_or(|(last, _)| is_later(out.timestamp, last)) {
            self.last = Some((out.timestamp, now));
        }
        Some(out)
    }

    /// Leaves out a packet of the present source on purpose. Where it came late, its number was
    /// already skipped, and the subscriber takes it for lost.
    pub(crate) fn leave_out(&mut self, source: SourceId, ext_seq: u64) {
        if self.source != Some(source) {
            return;
        }
        match &mut self.map {
            Some(map) => map.leave_out(ext_seq),
            None => {
                self.early.get_or_insert_with(|| LeftOutSet::new(ext_seq)).insert(ext_seq);
            }
        }
    }

    /// The mapping of a source whose first packet is this one.
    fn align(&mut self, now: Mono, ext_seq: u64, timestamp: u32) -> Map {
        let timestamp_out = self.align_timestamp(now, timestamp);
        let anchor = ext_seq.saturating_sub(1);
        let early = self.early.take().filter(|early| early.top < anchor + WINDOW);
        let mut left_out = early.unwrap_or_else(|| LeftOutSet::new(anchor));
        left_out.see(anchor);
        Map {
            first: ext_seq,
            anchor,
            anchor_out: self.highest_out,
            left_out,
            timestamp_offset: timestamp_out.wrapping_sub(timestamp),
        }
    }

    fn align_timestamp(&mut self, now: Mono, timestamp: u32) -> u32 {
        let on_line = self.clock.map(|c| (c.id, timestamp.wrapping_add(c.offset)));
        let Some((last, at)) = self.last else {
            self.line = on_line.map(|(id, t)| (id, self.first_timestamp.wrapping_sub(t)));
            return self.first_timestamp;
        };
        let by_time = last.wrapping_add(ticks(now.since(at), self.clock_rate).max(1));
        let tolerance = ticks(MAX_CLOCK_ERROR, self.clock_rate);
        if let (Some((id, offset)), Some((new_id, t))) = (self.line, on_line)
            && id == new_id
        {
            let exact = t.wrapping_add(offset);
            if (exact.wrapping_sub(by_time) as i32).unsigned_abs() <= tolerance {
                // The same instant may have been sent from the former source: a later timestamp
                // keeps the pictures apart. The line itself stays, so that this does not add up.
                return if is_later(exact, last) { exact } else { last.wrapping_add(1) };
            }
        }
        self.line = on_line.map(|(id, t)| (id, by_time.wrapping_sub(t)));
        by_time
    }
}

impl Map {
    fn forward(&mut self, ext_seq: u64) -> Option<u64> {
        if ext_seq <= self.anchor {
            return self.place_of_old(ext_seq);
        }
        let out = self.place_of_new(ext_seq)?;
        self.left_out.see(ext_seq);
        self.anchor = ext_seq;
        self.anchor_out = out;
        Some(out)
    }

    fn leave_out(&mut self, ext_seq: u64) {
        if ext_seq <= self.anchor {
            return;
        }
        if ext_seq - self.anchor >= WINDOW {
            // A long time without a packet forwarded: nothing above `anchor_out` was sent, so
            // everything up to here can be closed. What comes later of it has no place any more.
            self.left_out = LeftOutSet::new(ext_seq);
            self.first = ext_seq + 1;
            self.anchor = ext_seq;
            return;
        }
        self.left_out.insert(ext_seq);
        while self.left_out.contains(self.anchor + 1) {
            self.anchor += 1;
        }
    }

    /// Late or missing until now: its number was kept free.
    fn place_of_old(&self, ext_seq: u64) -> Option<u64> {
        if ext_seq < self.first || self.left_out.forgot(ext_seq) || self.left_out.contains(ext_seq)
        {
            return None;
        }
        let behind = self.anchor - ext_seq;
        (self.anchor_out + self.left_out.count(ext_seq, self.anchor)).checked_sub(behind)
    }

    fn place_of_new(&self, ext_seq: u64) -> Option<u64> {
        if self.left_out.contains(ext_seq) {
            return None;
        }
        let left_out = self.left_out.count(self.anchor + 1, ext_seq);
        Some(self.anchor_out + (ext_seq - self.anchor) - left_out)
    }
}

impl LeftOutSet {
    fn new(top: u64) -> Self {
        Self { top, numbers: SeqWindow::default() }
    }

    fn insert(&mut self, seq: u64) {
        self.see(seq);
        if !self.forgot(seq) {
            self.numbers.insert(seq);
        }
    }

    /// Moves the window over `seq`.
    fn see(&mut self, seq: u64) {
        if seq > self.top {
            self.numbers.clear(self.top + 1, seq);
            self.top = seq;
        }
    }

    /// Whether `seq` is so old that nothing is known of it.
    fn forgot(&self, seq: u64) -> bool {
        seq + WINDOW <= self.top
    }

    fn contains(&self, seq: u64) -> bool {
        seq <= self.top && !self.forgot(seq) && self.numbers.contains(seq)
    }

    /// How many of `from..=to` were left out; `from` is within the window.
    fn count(&self, from: u64, to: u64) -> u64 {
        self.numbers.count(from, to.min(self.top))
    }
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
