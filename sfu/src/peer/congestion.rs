//! What the network to one client carries, and what waits for it.

use std::time::Duration;

use vbranch_domain::Mono;

use super::outgoing::{Kept, Ready};
use crate::bwe::{Bitrate, BweConfig, Class, Estimate, PacedQueue, Padding, SendBwe};

/// Adapts what is sent to what arrives. A client that gives no transport-wide feedback gets
/// everything at once, as there is nothing to adapt to.
#[derive(Debug)]
pub(crate) struct Congestion {
    bwe: Option<SendBwe>,
    waiting: PacedQueue<(Ready, Kept)>,
    /// Slots whose waiting packets were dropped: they need a key frame. One bit each.
    broken: u32,
}

impl Congestion {
    pub(crate) fn new(config: Option<BweConfig>) -> Self {
        let bwe = config.map(SendBwe::new);
        Self { bwe, waiting: PacedQueue::default(), broken: 0 }
    }

    /// The present estimate; `None` for a client that gives no feedback.
    pub(crate) fn estimate(&self) -> Option<Estimate> {
        self.bwe.as_ref().map(SendBwe::estimate)
    }

    /// What would be of use, so that it is probed for.
    pub(crate) fn set_wanted(&mut self, bits: u64) {
        if let Some(bwe) = &mut self.bwe {
            bwe.set_wanted(Bitrate::from_bps(bits));
        }
    }

    /// Whether a picture's packet may leave now: the path has room, and nothing waits before it.
    pub(crate) fn may_send(&self, now: Mono) -> bool {
        self.bwe.as_ref().is_none_or(|bwe| self.waiting.is_empty() && bwe.may_send(now))
    }

    /// Whether anything waits for room.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Counts a packet about to leave; gives its transport-wide number.
    pub(crate) fn on_sent(&mut self, now: Mono, size: usize, is_padding: bool) -> u16 {
        self.bwe.as_mut().map_or(0, |bwe| bwe.on_sent(now, size, is_padding))
    }

    /// Counts a packet about to leave that has no such number.
    pub(crate) fn on_unnumbered(&mut self, now: Mono, size: usize) {
        if let Some(bwe) = &mut self.bwe {
            bwe.on_unnumbered(now, size);
        }
    }

    /// Lets a packet wait for room. Its payload stays with its publisher.
    pub(crate) fn queue(&mut self, now: Mono, ready: Ready, kept: Kept) {
        let class = if ready.repair { Class::Retransmission } else { Class::Video };
        let broken = &mut self.broken;
        self.waiting.push(now, class, (ready, kept), |class, (ready, _)| {
            if class == Class::Video {
                *broken |= 1 << (ready.slot & 31);
            }
        });
    }

    /// The next waiting packet that may leave.
    pub(crate) fn poll_waiting(&mut self, now: Mono) -> Option<(Ready, Kept)> {
        let may = self.bwe.as_ref().is_none_or(|bwe| bwe.may_send(now));
        if may { self.waiting.pop() } else { None }
    }

    /// A packet of this slot could not be sent: it needs a key frame.
    pub(crate) fn mark_broken(&mut self, slot: usize) {
        self.broken |= 1 << (slot & 31);
    }

    /// Slots that lost packets while waiting, as bits; they need key frames.
    pub(crate) fn take_broken(&mut self) -> u32 {
        std::mem::take(&mut self.broken)
    }

    /// Something else is in the slot: what waits for it is of no use.
    pub(crate) fn forget(&mut self, slot: usize) {
        if !self.waiting.is_empty() {
            self.waiting.retain(|(ready, _)| ready.slot != slot);
        }
    }

    pub(crate) fn poll_probe(&mut self, now: Mono) -> Option<Padding> {
        self.bwe.as_mut()?.poll_probe(now)
    }

    pub(crate) fn on_feedback(&mut self, now: Mono, packet: &[u8]) {
        if let Some(bwe) = &mut self.bwe
            && bwe.on_feedback(now, packet).is_err()
        {
            metrics::counter!("vbranch_sfu_malformed_feedback_total").increment(1);
        }
    }

    pub(crate) fn set_rtt(&mut self, now: Mono, rtt: Duration) {
        if let Some(bwe) = &mut self.bwe {
            bwe.set_rtt(now, rtt);
        }
    }

    /// The client is reached another way: what was learnt of the old one is forgotten.
    pub(crate) fn on_path_changed(&mut self, now: Mono) {
        if let Some(bwe) = &mut self.bwe {
            bwe.on_path_changed(now);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Mono) {
        if let Some(bwe) = &mut self.bwe {
            bwe.on_timeout(now);
        }
        let broken = &mut self.broken;
        self.waiting.drop_stale(now, |class, (ready, _)| {
            if class == Class::Video {
                *broken |= 1 << (ready.slot & 31);
            }
        });
    }

    /// When waiting packets, probes or timeouts are next due.
    pub(crate) fn poll_timeout(&self) -> Option<Mono> {
        let bwe = self.bwe.as_ref()?;
        let waiting = (!self.waiting.is_empty()).then(|| bwe.next_send_at());
        [waiting, bwe.poll_timeout()].into_iter().flatten().min()
    }
}
