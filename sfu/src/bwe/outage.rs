//! Reports that stop: hold, then fall back step by step, and remember what there was.

use std::time::Duration;

use vbranch_domain::Mono;

use super::bitrate::Bitrate;

/// Silence for this long, beyond two round trips, is more than a lost report or two.
const SILENT: Duration = Duration::from_millis(500);
/// Until then the rate is held: a short interruption costs nothing.
const HOLD: Duration = Duration::from_millis(1500);
/// From then on it falls by [`FALL`] this often.
const STEP: Duration = Duration::from_millis(500);
const FALL: f64 = 0.8;
/// But not below this share of what there was: enough to restart media at once with what the
/// allocator then finds worth sending.
const FLOOR: f64 = 0.2;

/// Watches for silence.
#[derive(Debug, Default)]
pub(super) struct OutageWatch {
    /// First packet sent since the last report.
    unanswered_since: Option<Mono>,
    silence: Option<Silence>,
}

#[derive(Debug, Clone, Copy)]
struct Silence {
    before: Bitrate,
    next_fall: Mono,
    fell: bool,
}

/// How a silence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recovery {
    /// The rate before it.
    pub(super) before: Bitrate,
    /// It was long enough for the rate to fall.
    pub(super) fell: bool,
}

impl OutageWatch {
    /// Are reports overdue?
    pub(super) fn is_silent(&self) -> bool {
        self.silence.is_some()
    }

    /// A packet was sent.
    pub(super) fn sent(&mut self, now: Mono) {
        self.unanswered_since.get_or_insert(now);
    }

    /// A report with news came.
    pub(super) fn heard(&mut self) -> Option<Recovery> {
        self.unanswered_since = None;
        let silence = self.silence.take()?;
        Some(Recovery { before: silence.before, fell: silence.fell })
    }

    /// When [`on_timeout`](Self::on_timeout) is next of use.
    pub(super) fn next_at(&self, rtt: Duration) -> Option<Mono> {
        let since = self.unanswered_since?;
        Some(self.silence.map_or(since + SILENT + rtt * 2, |silence| silence.next_fall))
    }

    /// Time passed; gives the new rate where `current` must fall.
    pub(super) fn on_timeout(
        &mut self,
        now: Mono,
        current: Bitrate,
        rtt: Duration,
    ) -> Option<Bitrate> {
        let since = self.unanswered_since?;
        if self.next_at(rtt).is_none_or(|at| at > now) {
            return None;
        }
        let Some(silence) = &mut self.silence else {
            let next_fall = (since + HOLD).max(now + STEP);
            self.silence = Some(Silence { before: current, next_fall, fell: false });
            return None;
        };
        silence.fell = true;
        silence.next_fall = now + STEP;
        Some(current.scaled(FALL).max(silence.before.scaled(FLOOR)).min(current))
    }
}
