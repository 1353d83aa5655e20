//! Plain measurements: round trip, and how much media is sent.

use std::time::Duration;

use vbranch_domain::Mono;

use super::bitrate::Bitrate;

/// Round trip assumed before one was measured.
const RTT_START: Duration = Duration::from_millis(100);
/// A round trip told by a receiver report is preferred for this long.
const RTT_TOLD: Duration = Duration::from_secs(5);
/// No round trip is believed beyond this.
const RTT_MAX: Duration = Duration::from_secs(3);
/// Media is measured over this time: some frames, so that one large picture is no trend.
const LIMITED_WINDOW: Duration = Duration::from_millis(500);

/// Round trip: told by receiver reports, else measured on feedback.
#[derive(Debug, Default)]
pub(super) struct Rtt {
    smoothed: Option<Duration>,
    told_at: Option<Mono>,
}

impl Rtt {
    pub(super) fn get(&self) -> Duration {
        self.smoothed.unwrap_or(RTT_START)
    }

    /// A receiver report told it.
    pub(super) fn told(&mut self, now: Mono, rtt: Duration) {
        self.told_at = Some(now);
        self.smoothed = Some(rtt.min(RTT_MAX));
    }

    /// A feedback message shows it, the receiver's waiting included.
    pub(super) fn measured(&mut self, now: Mono, rtt: Duration) {
        if self.told_at.is_some_and(|at| now.since(at) < RTT_TOLD) {
            return;
        }
        let rtt = rtt.min(RTT_MAX);
        self.smoothed = Some(self.smoothed.map_or(rtt, |old| (old * 7 + rtt) / 8));
    }
}

/// How much media is sent, over half a second.
#[derive(Debug, Default)]
pub(super) struct MediaRate {
    began: Option<Mono>,
    bytes: u64,
    rate: Option<Bitrate>,
}

impl MediaRate {
    pub(super) fn sent(&mut self, now: Mono, size: usize) {
        self.began.get_or_insert(now);
        self.bytes += size as u64;
    }

    pub(super) fn get(&mut self, now: Mono) -> Option<Bitrate> {
        let span = now.since(self.began?);
        if span >= LIMITED_WINDOW {
            self.rate = Some(Bitrate::of(self.bytes, span));
            (self.began, self.bytes) = (Some(now), 0);
        }
        self.rate
    }
}
