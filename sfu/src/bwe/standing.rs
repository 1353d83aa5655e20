//! How long is the queue already? The delay above the least seen of late.
//!
//! The trend only says that a queue grows. One that formed in a moment, as when the path becomes
//! six times slower, would then drain at the 15 % the controller stays below the capacity: half a
//! minute of talking past each other. So while the queue is long, less is sent.

use std::time::Duration;

use vbranch_domain::Mono;

use super::twcc::Received;

/// The least delay of this stretch and the one before is taken for the empty path's. Longer and a
/// changed route or a drifting clock looks like a queue; shorter and a queue that stays for that
/// long looks like the path.
const STRETCH: Duration = Duration::from_secs(10);
/// Queues up to this are the trend's affair.
const TOLERATED_MS: f64 = 100.0;
/// The share sent falls to [`SHARE_MIN`] over this much more queue.
const RANGE_MS: f64 = 700.0;
/// Least share sent: audio and the lowest layer go on.
const SHARE_MIN: f64 = 0.3;

/// Watches the one-way delay, whose origin (the difference of the clocks) is unknown.
#[derive(Debug, Default)]
pub(super) struct StandingQueue {
    began: Mono,
    least_us: Option<i64>,
    least_before_us: Option<i64>,
    /// Least since the last report: a single late packet is jitter, not a queue.
    report_us: Option<i64>,
    queue_ms: f64,
}

impl StandingQueue {
    /// Takes a packet that arrived.
    pub(super) fn push(&mut self, packet: &Received) {
        let sent_us = (packet.sent_at.as_nanos() / 1000).cast_signed();
        let delay_us = packet.arrival_us.saturating_sub(sent_us);
        if packet.sent_at.since(self.began) > STRETCH {
            self.began = packet.sent_at;
            self.least_before_us = self.least_us.take();
        }
        let least = |least: Option<i64>| Some(least.map_or(delay_us, |l| l.min(delay_us)));
        self.least_us = least(self.least_us);
        self.report_us = least(self.report_us);
    }

    /// A report ends.
    pub(super) fn report_done(&mut self) {
        let Some(now_us) = self.report_us.take() else { return };
        let least = [self.least_us, self.least_before_us].into_iter().flatten().min();
        self.queue_ms = now_us.saturating_sub(least.unwrap_or(now_us)) as f64 / 1000.0;
    }

    /// Forgets the path.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// The share of the rate to send so that the queue drains, 0.3–1.
    pub(super) fn share(&self) -> f64 {
        let excess = (self.queue_ms - TOLERATED_MS).clamp(0.0, RANGE_MS);
        1.0 - (1.0 - SHARE_MIN) * excess / RANGE_MS
    }
}
