//! What was sent under which number, and what a feedback message says became of it.

use std::time::Duration;

use vbranch_domain::Mono;

use super::wire::Feedback;
use crate::stream::seq::nearest;

/// Most packets remembered; 24 bytes each, grown on demand from [`CAPACITY_MIN`]. The oldest is
/// forgotten, feedback for it then ignored: a feedback delay of half a second is covered up to
/// 16,000 packets per second and peer.
const CAPACITY_MAX: usize = 8192;
/// First allocation: enough for a call of 1 Mbit/s at 200 ms.
const CAPACITY_MIN: usize = 64;
/// A packet unanswered for this long is not worth growing for.
const REMEMBER: Duration = Duration::from_secs(2);
/// A report's reference time is 24 bits of 64 ms.
const REFERENCE_US: i64 = 64_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unknown,
    Received,
    Lost,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Mono,
    /// Low half of the extended number, to tell one turn of the ring from the next.
    number: u32,
    /// Bytes sent up to and including this packet, modulo 2³².
    total: u32,
    size: u16,
    cluster: u8,
    fate: Fate,
}

/// A packet the peer says has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// When we sent it.
    pub(crate) sent_at: Mono,
    /// When it arrived: microseconds on the peer's clock, whose origin is unknown.
    pub(crate) arrival_us: i64,
    /// Its size in bytes, as given to [`SentLog::push`].
    pub(crate) size: u16,
    /// The probe cluster it was sent in; 0 for none.
    pub(crate) cluster: u8,
    /// An earlier message had reported it lost.
    pub(crate) was_lost: bool,
}

/// One thing learnt from a feedback message. `total`: bytes sent up to and including the packet,
/// modulo 2³²; `unreported`: bytes sent before it of which no message has spoken: one was lost, or
/// they carried no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    /// It arrived.
    Received { packet: Received, total: u32, unreported: u32 },
    /// It had not arrived when the message was written; it may yet.
    Lost { sent_at: Mono, total: u32 },
}

/// What a message amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Summary {
    /// Packets newly known to have arrived.
    pub(crate) received: u32,
    /// Send time of the newest of them.
    pub(crate) newest_sent: Option<Mono>,
}

/// The packets sent to one peer, by transport-wide number.
#[derive(Debug, Default)]
pub(crate) struct SentLog {
    /// By number modulo the length, a power of two.
    ring: Vec<Sent>,
    /// Number of the next packet.
    next: u64,
    total: u32,
    /// One past the highest number any message spoke of, and the byte total there.
    reported: (u64, u32),
    /// Reference time of the last message, extended beyond 24 bits.
    reference: Option<i64>,
}

impl SentLog {
    /// Notes a packet of `size` bytes and gives the number it must carry.
    pub(crate) fn push(&mut self, now: Mono, size: usize, cluster: u8) -> u16 {
        let size = u16::try_from(size).unwrap_or(u16::MAX);
        self.total = self.total.wrapping_add(u32::from(size));
        let number = self.next;
        self.next += 1;
        let sent = Sent {
            at: now,
            number: number as u32,
            total: self.total,
            size,
            cluster,
            fate: Fate::Unknown,
        };
        if self.must_grow(now, number) {
            self.grow();
        }
        let index = self.index(number);
        if let Some(slot) = self.ring.get_mut(index) {
            *slot = sent;
        }
        number as u16
    }

    /// Counts bytes that carry no number: no message will speak of them.
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.total = self.total.wrapping_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Matches a message with what was sent. `visit` hears of every packet whose fate is news, in
    /// order of sending. Numbers never sent, or forgotten, are passed over.
    pub(crate) fn apply(
        &mut self,
        feedback: &Feedback<'_>,
        mut visit: impl FnMut(Report),
    ) -> Summary {
        let base_us = self.reference_us(feedback.reference);
        let mut summary = Summary::default();
        let next = self.next;
        // What a lost packet's report said of the time before it is told with the next arrival.
        let mut unreported = 0u32;
        for status in feedback.statuses() {
            let Some(number) = last_before(next, status.seq) else { continue };
            let index = self.index(number);
            let Some(sent) = self.ring.get_mut(index).filter(|s| s.number == number as u32) else {
                continue;
            };
            if number >= self.reported.0 {
                let before = sent.total.wrapping_sub(u32::from(sent.size));
                unreported = unreported.wrapping_add(before.wrapping_sub(self.reported.1));
                self.reported = (number + 1, sent.total);
            }
            let was = sent.fate;
            match (status.arrival_us, was) {
                (Some(arrival), Fate::Unknown | Fate::Lost) => {
                    sent.fate = Fate::Received;
                    summary.received += 1;
                    summary.newest_sent = summary.newest_sent.max(Some(sent.at));
                    let packet = Received {
                        sent_at: sent.at,
                        arrival_us: base_us.saturating_add(arrival),
                        size: sent.size,
                        cluster: sent.cluster,
                        was_lost: was == Fate::Lost,
                    };
                    let unreported = std::mem::take(&mut unreported);
                    visit(Report::Received { packet, total: sent.total, unreported });
                }
                (None, Fate::Unknown) => {
                    sent.fate = Fate::Lost;
                    visit(Report::Lost { sent_at: sent.at, total: sent.total });
                }
                _ => {}
            }
        }
        summary
    }

    fn index(&self, number: u64) -> usize {
        number as usize & self.ring.len().wrapping_sub(1)
    }

    /// Would this packet push out one that may still be reported?
    fn must_grow(&self, now: Mono, number: u64) -> bool {
        let capacity = self.ring.len();
        if capacity == 0 {
            return true;
        }
        capacity < CAPACITY_MAX
            && self.ring.get(self.index(number)).is_some_and(|old| {
                u64::from(old.number) + capacity as u64 == number & 0xffff_ffff
                    && old.fate == Fate::Unknown
                    && now.since(old.at) < REMEMBER
            })
    }

    fn grow(&mut self) {
        let length = (self.ring.len() * 2).max(CAPACITY_MIN);
        // No packet has the number just before the one about to be written: that is one turn ahead.
        let never = (self.next as u32).wrapping_add(u32::MAX / 2);
        let empty = Sent {
            at: Mono::ZERO,
            number: never,
            total: 0,
            size: 0,
            cluster: 0,
            fate: Fate::Received,
        };
        let old = std::mem::replace(&mut self.ring, vec![empty; length]);
        for sent in old {
            let index = self.index(u64::from(sent.number));
            if let Some(slot) = self.ring.get_mut(index) {
                *slot = sent;
            }
        }
    }

    /// The message's reference time on a line without wraps.
    fn reference_us(&mut self, reference: u32) -> i64 {
        let last = self.reference.unwrap_or(i64::from(reference));
        // Signed difference of two 24-bit numbers.
        let ahead = (reference.wrapping_sub(last as u32) << 8).cast_signed() >> 8;
        let now = last.saturating_add(i64::from(ahead));
        self.reference = Some(now);
        now.saturating_mul(REFERENCE_US)
    }
}

/// The newest number before `next` whose low bits are `seq`, if there was one.
fn last_before(next: u64, seq: u16) -> Option<u64> {
    let number = nearest(next, seq)?;
    if number < next { Some(number) } else { number.checked_sub(0x1_0000) }
}
