//! When the next packet may leave: a leaky bucket that knows times, not packets.

use std::time::Duration;

use vbranch_domain::Mono;

use super::bitrate::Bitrate;

/// Media may leave this much faster than the estimate: a key frame spreads out instead of filling
/// a queue on the way, and still arrives soon.
const FACTOR: f64 = 2.5;
/// Packets may run ahead of the bucket by this. Smaller and every packet of a frame needs a timer
/// of its own; larger and thin links see bursts.
const BURST: Duration = Duration::from_millis(5);
/// Debt is bounded: after a fall of the estimate an old burst must not silence media for long.
const DEBT_MAX: Duration = Duration::from_millis(500);

/// Decides when, not what.
#[derive(Debug)]
pub(crate) struct Pacer {
    rate: Bitrate,
    /// When everything sent so far has leaked out of the bucket.
    empty_at: Mono,
}

impl Pacer {
    /// A pacer for media of `estimate`.
    pub(crate) fn new(estimate: Bitrate) -> Self {
        Self { rate: estimate.scaled(FACTOR), empty_at: Mono::ZERO }
    }

    /// Follows a new estimate.
    pub(crate) fn set_estimate(&mut self, estimate: Bitrate) {
        self.rate = estimate.scaled(FACTOR);
    }

    /// May a packet leave now? Audio need not ask.
    pub(crate) fn may_send(&self, now: Mono) -> bool {
        self.empty_at <= now + BURST
    }

    /// Counts a packet that left, audio too.
    pub(crate) fn sent(&mut self, now: Mono, bytes: usize) {
        let empty_at = self.empty_at.max(now) + self.rate.time_for(bytes as u64);
        self.empty_at = empty_at.min(now + DEBT_MAX);
    }

    /// When [`may_send`](Self::may_send) next says yes.
    pub(crate) fn next_at(&self) -> Mono {
        Mono::from_nanos(self.empty_at.as_nanos().saturating_sub(BURST.as_nanos() as u64))
    }
}
