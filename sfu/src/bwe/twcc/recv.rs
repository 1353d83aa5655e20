//! Writing feedback: when did each packet of the peer arrive?

use std::time::Duration;

use vbranch_domain::Mono;

use super::{
    TICK_US, TICKS_PER_REFERENCE,
    wire::{FORMAT, HEADER, PACKET_TYPE},
};
use crate::stream::seq::nearest;

/// Feedback is sent at least this often while packets arrive. Longer and the sender's estimator
/// reacts late; shorter and feedback itself weighs on a thin link.
const INTERVAL: Duration = Duration::from_millis(100);
/// Feedback is sent this soon when [`BUSY`] packets are waiting: a busy link can afford it.
const INTERVAL_BUSY: Duration = Duration::from_millis(50);
/// See [`INTERVAL_BUSY`].
const BUSY: u32 = 16;
/// This many waiting packets are reported at once, and no message carries more: with two bytes a
/// delta and its chunks a message stays below 1200 bytes.
const FULL: u32 = 256;

/// How far the numbers of packets not yet reported may spread; 4 bytes each, grown on demand. A
/// wider jump forgets what was not reported (the sender takes that for lost feedback). Smaller
/// and a burst of loss on a fast link does so; larger and a hostile sender buys longer messages.
const WINDOW: u64 = 2048;

/// The mark of a number whose packet has not arrived. Tick zero is told as tick one.
const MISSING: u32 = 0;

/// What arrived from one peer and was not yet reported.
///
/// Works on memory that grows to the busiest moment (at most [`WINDOW`] entries) and is reused.
#[derive(Debug, Default)]
pub(crate) struct ArrivalLog {
    /// Arrival tick by number modulo the length, a power of two.
    ticks: Vec<u32>,
    /// The numbers known are `start..end`; `None` until the first packet.
    range: Option<Range>,
    /// Packets arrived and not reported.
    pending: u32,
    /// When the oldest of them arrived.
    pending_since: Mono,
    /// Running count of messages.
    message: u8,
}

#[derive(Debug, Clone, Copy)]
struct Range {
    /// Oldest number still kept, reported or not: numbers before it are too late.
    floor: u64,
    /// First number the next message speaks of.
    next: u64,
    /// One past the highest number arrived.
    end: u64,
}

impl ArrivalLog {
    /// Notes that the packet numbered `seq` arrived.
    pub(crate) fn record(&mut self, now: Mono, seq: u16) {
        let mut range = match self.range {
            Some(range) => range,
            None => {
                // One turn of the counter of room below, so that the first packets may be reordered.
                let first = 0x1_0000 + u64::from(seq);
                Range { floor: first, next: first, end: first }
            }
        };
        let Some(number) = nearest(range.end, seq) else { return };
        if number >= range.end {
            range = self.advance(range, number);
        } else if number < range.floor {
            return;
        }
        self.range = Some(range);
        let tick = tick(now);
        let Some(slot) = self.slot(number) else { return };
        if *slot != MISSING {
            return;
        }
        *slot = tick;
        if let Some(range) = &mut self.range {
            // A late packet is reported, and those after it once more: only so is its time told.
            range.next = range.next.min(number);
        }
        if self.pending == 0 {
            self.pending_since = now;
        }
        self.pending += 1;
    }

    /// When [`poll_feedback`](Self::poll_feedback) will next have something to say.
    pub(crate) fn next_at(&self) -> Option<Mono> {
        match self.pending {
            0 => None,
            n if n < BUSY => Some(self.pending_since + INTERVAL),
            n if n < FULL => Some(self.pending_since + INTERVAL_BUSY),
            _ => Some(self.pending_since),
        }
    }

    /// Appends one feedback message (one RTCP packet, a multiple of four bytes) to `out` if one is
    /// due, and says whether. Call again while it does: a message is cut where a time does not fit.
    pub(crate) fn poll_feedback(
        &mut self,
        now: Mono,
        sender_ssrc: u32,
        media_ssrc: u32,
        out: &mut Vec<u8>,
    ) -> bool {
        if self.next_at().is_none_or(|at| at > now) {
            return false;
        }
        let Some(range) = self.range else { return false };
        let Some(span) = self.span(range) else {
            self.pending = 0;
            return false;
        };
        self.write(span, sender_ssrc, media_ssrc, out);
        self.message = self.message.wrapping_add(1);
        if let Some(range) = &mut self.range {
            range.next = span.end;
        }
        // What re-reporting added may make this an over-count; the last message ends it.
        self.pending =
            if span.end == range.end { 0 } else { self.pending.saturating_sub(span.fresh).max(1) };
        true
    }

    /// Makes room for `number`, the new highest.
    fn advance(&mut self, mut range: Range, number: u64) -> Range {
        if number - range.next >= WINDOW {
            self.ticks.fill(MISSING);
            self.pending = 0;
            range = Range { floor: number, next: number, end: number };
        }
        let needed = number + 1 - range.next;
        if needed > self.ticks.len() as u64 {
            self.grow(range, needed);
        }
        for missing in range.end..=number {
            if let Some(slot) = self.slot(missing) {
                *slot = MISSING;
            }
        }
        range.end = number + 1;
        range.floor = range.floor.max(range.end.saturating_sub(self.ticks.len() as u64));
        range
    }

    fn grow(&mut self, range: Range, needed: u64) {
        let length = needed.next_power_of_two().clamp(64, WINDOW) as usize;
        let old = std::mem::replace(&mut self.ticks, vec![MISSING; length]);
        for number in range.floor..range.end {
            let tick = old.get(number as usize & old.len().wrapping_sub(1)).copied();
            if let (Some(tick), Some(slot)) = (tick, self.slot(number)) {
                *slot = tick;
            }
        }
    }

    fn slot(&mut self, number: u64) -> Option<&mut u32> {
        let mask = self.ticks.len().wrapping_sub(1);
        self.ticks.get_mut(number as usize & mask)
    }

    fn tick_of(&self, number: u64) -> u32 {
        let mask = self.ticks.len().wrapping_sub(1);
        self.ticks.get(number as usize & mask).copied().unwrap_or(MISSING)
    }

    /// How far one message reaches: as far as every time fits a 16-bit delta.
    fn span(&self, range: Range) -> Option<Span> {
        let mut span = None::<Span>;
        let mut previous = 0;
        for number in range.next..range.end {
            let tick = self.tick_of(number);
            if tick == MISSING {
                continue;
            }
            match &mut span {
                None => {
                    let reference = tick / TICKS_PER_REFERENCE;
                    span = Some(Span { start: range.next, end: number + 1, fresh: 1, reference });
                }
                Some(span) => {
                    if delta(previous, tick).is_none() || span.fresh == FULL {
                        break;
                    }
                    span.end = number + 1;
                    span.fresh += 1;
                }
            }
            previous = tick;
        }
        span
    }

    fn write(&self, span: Span, sender_ssrc: u32, media_ssrc: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0x80 | FORMAT, PACKET_TYPE, 0, 0]);
        out.extend_from_slice(&sender_ssrc.to_be_bytes());
        out.extend_from_slice(&media_ssrc.to_be_bytes());
        out.extend_from_slice(&(span.start as u16).to_be_bytes());
        out.extend_from_slice(&((span.end - span.start) as u16).to_be_bytes());
        let [_, r2, r1, r0] = span.reference.to_be_bytes();
        out.extend_from_slice(&[r2, r1, r0, self.message]);
        debug_assert_eq!(out.len(), start + HEADER);
        self.write_chunks(span, out);
        for (_, code) in self.codes(span) {
            match code {
                Code::Lost => {}
                Code::Small(delta) => out.push(delta),
                Code::Large(delta) => out.extend_from_slice(&delta.to_be_bytes()),
            }
        }
        finish(out, start);
    }

    /// Greedy: a run where it is the shortest way to say it, else 14 one-bit symbols, else 7 of two.
    fn write_chunks(&self, span: Span, out: &mut Vec<u8>) {
        let mut codes = self.codes(span).map(|(_, code)| code.symbol());
        let mut ahead = Ahead::default();
        loop {
            ahead.fill(&mut codes);
            if ahead.run == 0 {
                return;
            }
            out.extend_from_slice(&ahead.take_chunk().to_be_bytes());
        }
    }

    fn codes(&self, span: Span) -> impl Iterator<Item = (u64, Code)> {
        let mut previous = span.reference * TICKS_PER_REFERENCE;
        (span.start..span.end).map(move |number| {
            let tick = self.tick_of(number);
            if tick == MISSING {
                return (number, Code::Lost);
            }
            let delta = delta(previous, tick).unwrap_or(0);
            previous = tick;
            (number, u8::try_from(delta).map_or(Code::Large(delta), Code::Small))
        })
    }
}

/// The numbers one message speaks of.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    end: u64,
    /// How many of them arrived.
    fresh: u32,
    /// In units of 64 ms.
    reference: u32,
}

#[derive(Debug, Clone, Copy)]
enum Code {
    Lost,
    Small(u8),
    Large(i16),
}

impl Code {
    const fn symbol(self) -> u8 {
        match self {
            Self::Lost => 0,
            Self::Small(_) => 1,
            Self::Large(_) => 2,
        }
    }
}

/// The symbols not yet in a chunk: a run of one symbol, then up to 13 of any.
#[derive(Debug, Default)]
struct Ahead {
    symbol: u8,
    run: u16,
    tail: [u8; 13],
    tail_len: usize,
}

impl Ahead {
    const RUN_MAX: u16 = 0x1fff;

    fn fill(&mut self, symbols: &mut impl Iterator<Item = u8>) {
        while usize::from(self.run) + self.tail_len < 14 || self.tail_len == 0 {
            if self.run == Self::RUN_MAX {
                return;
            }
            let Some(symbol) = symbols.next() else { return };
            self.push(symbol);
        }
    }

    fn push(&mut self, symbol: u8) {
        if self.run == 0 {
            self.symbol = symbol;
        }
        if self.tail_len == 0 && symbol == self.symbol {
            self.run += 1;
        } else if let Some(slot) = self.tail.get_mut(self.tail_len) {
            *slot = symbol;
            self.tail_len += 1;
        }
    }

    fn take_chunk(&mut self) -> u16 {
        let tail = self.tail;
        let tail = tail.get(..self.tail_len).unwrap_or_default();
        let two_bits = self.symbol > 1 || tail.iter().any(|&s| s > 1);
        let vector = if two_bits { 7 } else { 14 };
        if self.run >= vector || tail.is_empty() {
            let chunk = u16::from(self.symbol) << 13 | self.run;
            self.run = 0;
            self.refill(tail);
            return chunk;
        }
        let run = std::iter::repeat_n(self.symbol, usize::from(self.run));
        let mut symbols = run.chain(tail.iter().copied());
        let mut chunk = if two_bits { 3 } else { 2 };
        for _ in 0..vector {
            let symbol = u16::from(symbols.next().unwrap_or(0));
            chunk = if two_bits { chunk << 2 | symbol } else { chunk << 1 | symbol };
        }
        let mut rest = [0; 13];
        let mut length = 0;
        for (slot, symbol) in rest.iter_mut().zip(symbols) {
            *slot = symbol;
            length += 1;
        }
        self.run = 0;
        self.refill(rest.get(..length).unwrap_or_default());
        chunk
    }

    fn refill(&mut self, symbols: &[u8]) {
        self.tail_len = 0;
        for &symbol in symbols {
            self.push(symbol);
        }
    }
}

/// Pads to four bytes and writes the length (RFC 3550 section 6.4.1).
fn finish(out: &mut Vec<u8>, start: usize) {
    let padding = (4 - (out.len() - start) % 4) % 4;
    for left in (1..=padding).rev() {
        out.push(if left == 1 { padding as u8 } else { 0 });
    }
    let words = ((out.len() - start) / 4 - 1) as u16;
    if let Some([first, _, l1, l0]) = out.get_mut(start..start + 4) {
        if padding > 0 {
            *first |= 0x20;
        }
        [*l1, *l0] = words.to_be_bytes();
    }
}

/// The tick of a time; wraps after twelve days, as the 24 bits of the reference time do.
fn tick(at: Mono) -> u32 {
    ((at.as_nanos() / (TICK_US * 1000)) as u32).max(1)
}

/// Ticks from `earlier` to `later`, if a delta can tell them.
fn delta(earlier: u32, later: u32) -> Option<i16> {
    i16::try_from(later.wrapping_sub(earlier).cast_signed()).ok()
}
