//! One incoming RTP stream: numbering, duplicates, loss, jitter, and what to ask for again.

use std::time::Duration;

use vbranch_domain::{MediaKind, Mono};

use super::{
    nack::{NackList, NackPoll},
    report::{ReportBlock, SenderInfo, compact_ntp},
    seq::{SeqWindow, WINDOW, nearest, ticks},
};

/// A step ahead larger than this is taken for a sender that started over (RFC 3550 section A.1).
const MAX_DROPOUT: u64 = 3000;

/// A packet further behind than this is taken likewise. RFC 3550 proposes 100; retransmissions in
/// the media stream itself come later than that, so the window decides.
const MAX_MISORDER: u64 = WINDOW;

/// A timestamp step beyond this many seconds says nothing about the network: the sender paused or
/// changed its clock. It would swamp the jitter for a minute.
const MAX_JITTER_STEP_S: u32 = 5;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// Seen for the first time: keep it and forward it.
    Packet {
        /// Its extended sequence number; never the same for two packets of one `ReceiveStream`.
        ext_seq: u64,
        /// The sender started over, and the numbers with it: this is a new source to a
        /// [`super::rewrite::Rewriter`].
        restarted: bool,
    },
    /// Already received, by whichever way.
    Duplicate,
    /// Too old to tell from a duplicate, or a jump that the next packet has yet to confirm.
    Stale,
}

/// What happened since the previous call of [`ReceiveStream::take_interval`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Interval {
    /// Packets the sender sent.
    pub(crate) expected: u64,
    /// Of those, how many the network lost.
    pub(crate) lost: u64,
    /// How many are given up: neither came by retransmission nor still may. They may be losses of
    /// an earlier interval.
    pub(crate) lost_after_repair: u64,
}

impl Interval {
    /// A share of what was sent, 0–1.
    pub(crate) fn share(&self, packets: u64) -> f32 {
        if self.expected == 0 { 0.0 } else { packets as f32 / self.expected as f32 }
    }
}

/// State of one incoming SSRC.
#[derive(Debug)]
pub(crate) struct ReceiveStream {
    ssrc: u32,
    clock_rate: u32,
    numbers: Option<Numbers>,
    seen: SeqWindow,
    /// Of those seen, the ones that came by RTX only.
    repaired: SeqWindow,
    /// The number that confirms a jump (`bad_seq` of RFC 3550 section A.1).
    jump_to: Option<u16>,
    jitter: Jitter,
    sender: Option<(Mono, SenderInfo)>,
    /// `None` where the peer does not answer NACK.
    nack: Option<NackList>,
    reported: Totals,
    taken: Totals,
}

#[derive(Debug, Clone, Copy)]
struct Numbers {
    base: u64,
    highest: u64,
    /// Came in the media stream itself.
    received: u64,
    /// Came by RTX only.
    repaired: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    expected: u64,
    received: u64,
    /// Received, repaired, or still to come.
    kept: u64,
}

impl Totals {
    fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }

    fn given_up(&self) -> u64 {
        self.expected.saturating_sub(self.kept)
    }
}

impl ReceiveStream {
    /// A stream of which nothing came yet. `nack`: whether the peer answers generic NACK for it;
    /// where not, nothing is asked for and subscribers notice losses themselves.
    pub(crate) fn new(ssrc: u32, kind: MediaKind, nack: bool) -> Self {
        Self {
            ssrc,
            clock_rate: kind.clock_rate(),
            numbers: None,
            seen: SeqWindow::default(),
            repaired: SeqWindow::default(),
            jump_to: None,
            jitter: Jitter::default(),
            sender: None,
            nack: nack.then(|| NackList::new(kind != MediaKind::Audio)),
            reported: Totals::default(),
            taken: Totals::default(),
        }
    }

    /// A packet of the media stream, authenticated.
    pub(crate) fn receive(&mut self, now: Mono, seq: u16, timestamp: u32) -> Received {
        let Some(highest) = self.numbers.as_ref().map(|n| n.highest) else {
            // One cycle in reserve, so that packets from before the first have numbers too.
            return self.start(now, u64::from(seq) + (1 << 16), timestamp, false);
        };
        let Some(ext_seq) = nearest(highest, seq) else { return Received::Stale };
        if ext_seq > highest + MAX_DROPOUT || ext_seq + MAX_MISORDER <= highest {
            return self.jump(now, highest, seq, timestamp);
        }
        self.jump_to = None;
        if ext_seq > highest {
            self.jitter.update(now, timestamp, self.clock_rate);
        }
        let received = self.note(now, ext_seq, false);
        if received == Received::Duplicate && self.repaired.contains(ext_seq) {
            // Late rather than lost.
            self.repaired.remove(ext_seq);
            self.count(|n| {
                n.received += 1;
                n.repaired = n.repaired.saturating_sub(1);
            });
        }
        received
    }

    /// A packet of this stream that came as a retransmission of another (RTX). It counts as lost
    /// in reports, which speak of the network.
    pub(crate) fn recover(&mut self, now: Mono, seq: u16) -> Received {
        let highest = self.numbers.as_ref().map(|n| n.highest);
        match highest.and_then(|highest| Some((highest, nearest(highest, seq)?))) {
            Some((highest, ext_seq))
                if ext_seq <= highest + MAX_DROPOUT && ext_seq + MAX_MISORDER > highest =>
            {
                self.note(now, ext_seq, true)
            }
            _ => Received::Stale,
        }
    }

    /// The sender part of a sender report for this SSRC.
    pub(crate) fn on_sender_report(&mut self, now: Mono, info: SenderInfo) {
        self.sender = Some((now, info));
    }

    /// The last sender report: relates this stream's clock to its sender's other streams
    /// ([`SenderInfo::offset_to`]).
    pub(crate) fn sender_info(&self) -> Option<SenderInfo> {
        self.sender.map(|(_, info)| info)
    }

    /// The block for the next receiver report; `None` before the first packet. Starts a new
    /// interval of the loss fraction.
    pub(crate) fn report(&mut self, now: Mono) -> Option<ReportBlock> {
        let numbers = self.numbers?;
        let totals = self.totals();
        let expected = totals.expected.saturating_sub(self.reported.expected);
        let received = totals.received.saturating_sub(self.reported.received);
        self.reported = totals;
        let lost = expected.saturating_sub(received);
        let (last_sr, delay) = self
            .sender
            .map_or((0, 0), |(at, info)| (compact_ntp(info.ntp), ticks(now.since(at), 1 << 16)));
        let cumulative = totals.expected as i64 - totals.received as i64;
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
            cumulative_lost: cumulative.clamp(-(1 << 23), (1 << 23) - 1) as i32,
            // Cycles are counted from the first packet; the truncation is the wire's.
            highest_seq: (numbers.highest - (numbers.base & !0xffff)) as u32,
            jitter: self.jitter.ticks(),
            last_sr,
            delay_since_last_sr: delay,
        })
    }

    /// Loss since the previous call, before and after repair: for quality scores.
    pub(crate) fn take_interval(&mut self) -> Interval {
        let totals = self.totals();
        let since = std::mem::replace(&mut self.taken, totals);
        Interval {
            expected: totals.expected.saturating_sub(since.expected),
            lost: totals.lost().saturating_sub(since.lost()),
            lost_after_repair: totals.given_up().saturating_sub(since.given_up()),
        }
    }

    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub(crate) fn jitter(&self) -> Duration {
        let micros = u64::from(self.jitter.ticks()) * 1_000_000;
        Duration::from_micros(micros / u64::from(self.clock_rate))
    }

    /// What to ask of the sender now. `rtt` is the round trip to it, zero where unknown. Call
    /// again while it gives pairs: a long list takes several messages.
    pub(crate) fn poll_nack(&mut self, now: Mono, rtt: Duration) -> NackPoll {
        self.nack.as_mut().map_or(NackPoll::new(), |list| list.poll(now, rtt))
    }

    /// When [`Self::poll_nack`] may have something to say.
    pub(crate) fn poll_timeout(&self) -> Option<Mono> {
        self.nack.as_ref()?.poll_timeout()
    }

    fn start(&mut self, now: Mono, ext_seq: u64, timestamp: u32, restarted: bool) -> Received {
        self.numbers = Some(Numbers { base: ext_seq, highest: ext_seq, received: 1, repaired: 0 });
        self.seen = SeqWindow::default();
        self.seen.insert(ext_seq);
        self.repaired = SeqWindow::default();
        self.jump_to = None;
        self.jitter = Jitter::default();
        self.jitter.update(now, timestamp, self.clock_rate);
        self.reported = Totals::default();
        self.taken = Totals::default();
        if let Some(list) = self.nack.as_mut().filter(|_| restarted) {
            list.overflow(now);
        }
        Received::Packet { ext_seq, restarted }
    }

    /// Two packets in a row at a far place mean that the sender started over there.
    fn jump(&mut self, now: Mono, highest: u64, seq: u16, timestamp: u32) -> Received {
        if self.jump_to != Some(seq) {
            self.jump_to = Some(seq.wrapping_add(1));
            return Received::Stale;
        }
        // Numbers of a later cycle: none is ever used twice.
        let ext_seq = ((highest >> 16) + 2) << 16 | u64::from(seq);
        self.start(now, ext_seq, timestamp, true)
    }

    fn note(&mut self, now: Mono, ext_seq: u64, by_rtx: bool) -> Received {
        let Some(numbers) = self.numbers.as_mut() else { return Received::Stale };
        if ext_seq > numbers.highest {
            self.seen.clear(numbers.highest + 1, ext_seq);
            self.repaired.clear(numbers.highest + 1, ext_seq);
            if let Some(list) = self.nack.as_mut().filter(|_| ext_seq > numbers.highest + 1) {
                list.gap(now, numbers.highest + 1, ext_seq);
            }
            numbers.highest = ext_seq;
        } else if self.seen.contains(ext_seq) {
            return Received::Duplicate;
        } else if let Some(list) = &mut self.nack {
            list.arrived(ext_seq);
        }
        numbers.base = numbers.base.min(ext_seq);
        self.seen.insert(ext_seq);
        if by_rtx {
            numbers.repaired += 1;
            self.repaired.insert(ext_seq);
        } else {
            numbers.received += 1;
        }
        Received::Packet { ext_seq, restarted: false }
    }

    fn count(&mut self, change: impl FnOnce(&mut Numbers)) {
        if let Some(numbers) = &mut self.numbers {
            change(numbers);
        }
    }

    fn totals(&self) -> Totals {
        let Some(n) = &self.numbers else { return Totals::default() };
        let pending = self.nack.as_ref().map_or(0, NackList::len) as u64;
        Totals {
            expected: n.highest - n.base + 1,
            received: n.received,
            kept: n.received + n.repaired + pending,
        }
    }
}

/// Interarrival jitter (RFC 3550 section A.8), fed with the first packet of each timestamp: the
/// packets of one picture are spread out by the sender's pacer, which is not the network's jitter.
#[derive(Debug, Default)]
struct Jitter {
    /// Arrival minus timestamp, and timestamp, of the last packet, in ticks.
    last: Option<(u32, u32)>,
    /// In 1/16 tick.
    scaled: u32,
}

impl Jitter {
    fn update(&mut self, now: Mono, timestamp: u32, clock_rate: u32) {
        let transit = ticks(now.since(Mono::ZERO), clock_rate).wrapping_sub(timestamp);
        let Some((last_transit, last_timestamp)) = self.last else {
            self.last = Some((transit, timestamp));
            return;
        };
        if last_timestamp == timestamp {
            return;
        }
        self.last = Some((transit, timestamp));
        let step = (transit.wrapping_sub(last_transit) as i32).unsigned_abs();
        if step < clock_rate * MAX_JITTER_STEP_S {
            self.scaled = (self.scaled + step).saturating_sub((self.scaled + 8) >> 4);
        }
    }

    fn ticks(&self) -> u32 {
        self.scaled >> 4
    }
}

#[cfg(test)]
#[path = "receive_tests.rs"]
mod tests;
