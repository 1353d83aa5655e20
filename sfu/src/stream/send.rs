//! One outgoing RTP stream: its counts, its sender reports, and what may be sent again.

use std::time::Duration;

use vbranch_domain::Mono;

use super::{
    report::{ReportBlock, SenderInfo, compact_ntp},
    rewrite::{Rewritten, SourceId},
    ring::SeqRing,
    seq::{nearest, ticks},
};

/// Packets that can be asked for again. More costs memory (64 bytes each, once the stream is
/// that fast); fewer cannot answer a NACK a second old.
const SENT_PACKETS: usize = 512;

/// Older packets are not sent again, nor kept by [`super::history::PacketHistory`].
const MAX_AGE: Duration = Duration::from_millis(1500);

/// One packet is sent again at most once in this time, even where the round trip is shorter.
const MIN_RESEND: Duration = Duration::from_millis(10);

/// Of the stream's own octets, so many hundredths may be spent on retransmissions, copies of them
/// included. More lets a flood of NACKs cost more than the stream itself; less cannot repair 30 %
/// loss, which takes 43 %, and twice that where each is sent twice.
const RESEND_PERCENT: u32 = 90;

/// Octets of retransmission that may be saved up: a key frame and what follows it. Larger lets a
/// flood burst; smaller cannot repair a burst of losses.
const RESEND_BURST: u32 = 64 * 1024;

/// Sender reports whose answers give a round trip. Receivers answer the newest.
const REMEMBERED_REPORTS: usize = 8;

/// A round trip longer than this is a lie or useless.
const MAX_RTT: Duration = Duration::from_secs(10);

/// A timestamp that is off by more than this from the clock line starts a new line.
const MAX_LINE_ERROR: Duration = Duration::from_secs(1);

/// A packet that was forwarded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// Where the rewriter put it.
    pub(crate) out: Rewritten,
    /// Where it came from.
    pub(crate) source: SourceId,
    /// Its number there.
    pub(crate) source_ext_seq: u64,
    /// The caller's: what reproduces the codec's own rewriting (VP8 picture numbers).
    pub(crate) extra: u64,
    /// Octets of payload.
    pub(crate) payload_len: usize,
}

/// A packet to send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resend {
    /// The same place in the media stream as before; RTX carries its lower 16 bits as the
    /// original sequence number.
    pub(crate) out: Rewritten,
    /// Whose history has the payload.
    pub(crate) source: SourceId,
    /// Under which number.
    pub(crate) source_ext_seq: u64,
    /// As given to [`SendStream::sent`].
    pub(crate) extra: u64,
}

/// State of one outgoing SSRC.
#[derive(Debug)]
pub(crate) struct SendStream {
    clock_rate: u32,
    packets: u32,
    octets: u32,
    highest: Option<u64>,
    sent: SeqRing<SentEntry>,
    /// Octets that may be spent on retransmissions.
    resend_budget: u32,
    line: Option<ClockLine>,
    reports: [Option<(u32, Mono)>; REMEMBERED_REPORTS],
    next_report: usize,
    heard: Heard,
}

/// What the subscriber says of this stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Heard {
    /// Lost in its last interval, in 1/256, before repair.
    pub(crate) fraction_lost: u8,
    /// Interarrival jitter.
    pub(crate) jitter: Duration,
}

#[derive(Debug, Clone)]
struct SentEntry {
    source: SourceId,
    source_ext_seq: u64,
    extra: u64,
    timestamp: u32,
    payload_len: u32,
    /// When it was last sent again.
    resent: Option<Mono>,
}

impl SendStream {
    /// A stream of which nothing was sent.
    pub(crate) fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            packets: 0,
            octets: 0,
            highest: None,
            sent: SeqRing::new(SENT_PACKETS, MAX_AGE),
            resend_budget: RESEND_BURST,
            line: None,
            reports: [None; REMEMBERED_REPORTS],
            next_report: 0,
            heard: Heard::default(),
        }
    }

    /// Notes a packet that goes out for the first time.
    pub(crate) fn sent(&mut self, now: Mono, packet: Sent) {
        let Sent { out, source, source_ext_seq, extra, payload_len } = packet;
        // Payloads are at most an Ethernet frame; counts are modulo 2^32 (RFC 3550 section 6.4.1).
        let payload_len = payload_len as u32;
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload_len);
        let earned = payload_len * RESEND_PERCENT / 100;
        self.resend_budget = self.resend_budget.saturating_add(earned).min(RESEND_BURST);
        if self.highest.is_none_or(|highest| out.ext_seq > highest) {
            self.highest = Some(out.ext_seq);
            let line = self.line.get_or_insert(ClockLine::new(now, out.timestamp));
            line.update(now, out.timestamp, self.clock_rate);
        }
        let timestamp = out.timestamp;
        let entry =
            SentEntry { source, source_ext_seq, extra, timestamp, payload_len, resent: None };
        self.sent.insert(now, out.ext_seq, entry);
    }

    /// Whether a packet the subscriber misses is sent again, and which it is. Refused where it
    /// was sent again within a round trip, and where `copies` of it would cost more than there is
    /// budget for.
    pub(crate) fn resolve(
        &mut self,
        now: Mono,
        seq: u16,
        rtt: Duration,
        copies: u32,
    ) -> Option<Resend> {
        let highest = self.highest?;
        let ext_seq = nearest(highest, seq).filter(|&ext_seq| ext_seq <= highest)?;
        let entry = self.sent.get_mut(now, ext_seq)?;
        let wait = rtt.max(MIN_RESEND);
        if entry.resent.is_some_and(|at| now.since(at) < wait) {
            return None;
        }
        self.resend_budget = self.resend_budget.checked_sub(entry.payload_len * copies)?;
        entry.resent = Some(now);
        Some(Resend {
            out: Rewritten { ext_seq, timestamp: entry.timestamp },
            source: entry.source,
            source_ext_seq: entry.source_ext_seq,
            extra: entry.extra,
        })
    }

    /// The sender part of a sender report; `None` before the first packet. `ntp` is the wall
    /// clock at `now` ([`super::report::ntp_from_unix`]).
    pub(crate) fn sender_info(&mut self, now: Mono, ntp: u64) -> Option<SenderInfo> {
        let rtp = self.line.as_ref()?.timestamp_at(now, self.clock_rate);
        if let Some(slot) = self.reports.get_mut(self.next_report) {
            *slot = Some((compact_ntp(ntp), now));
        }
        self.next_report = (self.next_report + 1) % REMEMBERED_REPORTS;
        Some(SenderInfo { ntp, rtp, packets: self.packets, octets: self.octets })
    }

    /// A report block of the subscriber for this stream. Gives the round trip it shows, if it
    /// answers a sender report.
    pub(crate) fn on_report(&mut self, now: Mono, block: &ReportBlock) -> Option<Duration> {
        self.heard.fraction_lost = block.fraction_lost;
        let micros = u64::from(block.jitter) * 1_000_000;
        let micros = micros.checked_div(u64::from(self.clock_rate)).unwrap_or(0);
        self.heard.jitter = Duration::from_micros(micros);
        self.round_trip(now, block)
    }

    /// What the subscriber said last.
    pub(crate) fn heard(&self) -> Heard {
        self.heard
    }

    /// Gives memory back: for slots that show nothing.
    pub(crate) fn release(&mut self) {
        self.sent.release();
    }

    /// Only answers to reports that were sent count: anything else is made up or too old.
    fn round_trip(&self, now: Mono, block: &ReportBlock) -> Option<Duration> {
        let mut sent = self.reports.iter().flatten();
        let (_, at) = sent.find(|(compact, _)| block.last_sr != 0 && *compact == block.last_sr)?;
        let held = (u64::from(block.delay_since_last_sr) * 1_000_000_000) >> 16;
        let held = Duration::from_nanos(held);
        now.since(*at).checked_sub(held).filter(|rtt| *rtt <= MAX_RTT)
    }
}

/// Where the stream's RTP clock is at a time. Packets come late by ever different delays; the
/// line follows the earliest ones at once and the others slowly, so that two streams of one
/// participant keep their lip sync on a network that jitters.
#[derive(Debug)]
struct ClockLine {
    timestamp: u32,
    at: Mono,
    /// Of the last packet: the packets of one picture are spread out by pacing, so that only the
    /// first says when the picture was due.
    last: u32,
}

impl ClockLine {
    const fn new(at: Mono, timestamp: u32) -> Self {
        Self { timestamp, at, last: timestamp }
    }

    fn update(&mut self, now: Mono, timestamp: u32, clock_rate: u32) {
        if timestamp == self.last {
            return;
        }
        self.last = timestamp;
        let expected = self.timestamp_at(now, clock_rate);
        let ahead = timestamp.wrapping_sub(expected) as i32;
        let off = ahead.unsigned_abs() > ticks(MAX_LINE_ERROR, clock_rate);
        let moved = if off || ahead > 0 { ahead } else { ahead / 64 };
        self.timestamp = expected.wrapping_add_signed(moved);
        self.at = now;
    }

    fn timestamp_at(&self, now: Mono, clock_rate: u32) -> u32 {
        self.timestamp.wrapping_add(ticks(now.since(self.at), clock_rate))
    }
}

/// Sequence numbers of a retransmission or padding stream (RTX, RFC 4588): its own SSRC counts
/// on its own.
#[derive(Debug)]
pub(crate) struct Counter {
    next: u64,
}

impl Counter {
    /// Starts at a random number; as in [`super::rewrite::Rewriter::new`] the upper bit is not
    /// used.
    pub(crate) fn new(first_seq: u16) -> Self {
        Self { next: u64::from(first_seq & 0x7fff) }
    }

    /// The extended sequence number of the next packet.
    pub(crate) fn take(&mut self) -> u64 {
        let ext_seq = self.next;
        self.next += 1;
        ext_seq
    }
}

#[cfg(test)]
#[path = "send_tests.rs"]
mod tests;
