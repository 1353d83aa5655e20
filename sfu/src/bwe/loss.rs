//! The loss-based rate, and telling a lossy path from a full one.
//!
//! libwebrtc's first loss-based controller: below 2 % loss the rate may grow, above 10 % it falls
//! by half the loss. That rule starves on a radio path that loses 10 % at any rate, so the rule is
//! applied to what loss exceeds the path's own. Which it is shows when the rate changes: on a full
//! link less sent means less lost, on a lossy one the share lost stays. Two likelihoods over the
//! last windows decide.

use std::time::Duration;

use vbranch_domain::Mono;

use super::bitrate::Bitrate;

/// Below this share of loss the rate may grow.
const LOW: f64 = 0.02;
/// Above this share it must fall.
const HIGH: f64 = 0.10;
/// Least time and packets of one window; shorter and one lost packet is a trend.
const WINDOW: Duration = Duration::from_millis(300);
const WINDOW_PACKETS: u32 = 20;
/// Windows remembered: some 8 s, long enough to see the rate change, short enough to forget a path.
const WINDOWS: usize = 24;
/// Time between decreases, beyond a round trip: the last one must show first.
const DECREASE_PAUSE: Duration = Duration::from_millis(300);
/// By how much (in nats) the lossy path must explain the windows better than the full link.
/// Losses come in bursts, so each counts for half of an independent one.
const EVIDENCE: f64 = 3.0;
const BURSTINESS: f64 = 0.5;
/// More than this is never taken for the path's own: nothing useful passes such a path.
const PATH_LOSS_MAX: f64 = 0.5;
/// A limit this far above the other one no longer binds and is dropped.
const SLACK: f64 = 1.5;

/// What became of the packets of one stretch of time.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    received: u32,
    lost: u32,
    /// What was sent meanwhile.
    rate: f64,
}

impl Window {
    fn packets(&self) -> u32 {
        self.received + self.lost
    }

    fn loss(&self) -> f64 {
        f64::from(self.lost) / f64::from(self.packets().max(1))
    }
}

/// The loss-based controller.
#[derive(Debug, Default)]
pub(super) struct LossController {
    open: Window,
    /// Where the open window began: time, and bytes sent by then.
    began: Option<(Mono, u32)>,
    windows: [Window; WINDOWS],
    /// Windows ever closed.
    count: usize,
    /// Loss over about a second.
    recent: f64,
    /// Loss of the path itself, where the evidence is there.
    path: f64,
    limit: Option<Bitrate>,
    decreased_at: Option<Mono>,
    updated_at: Option<Mono>,
    /// Loss of packets sent before is an outage's, not the rate's.
    ignore_before: Mono,
}

impl LossController {
    /// The rate loss allows; `None` while it does not bind.
    pub(super) fn limit(&self) -> Option<Bitrate> {
        self.limit
    }

    /// Share of packets lost of late, 0–1.
    pub(super) fn recent(&self) -> f64 {
        self.recent
    }

    /// Share of packets the path loses at any rate, as far as known, 0–0.5.
    pub(super) fn path(&self) -> f64 {
        self.path
    }

    /// Packets sent before `at` no longer count: their fate was an outage's.
    pub(super) fn ignore_before(&mut self, at: Mono) {
        self.ignore_before = at;
        self.open = Window::default();
        self.began = None;
        // Nor is what was lost before a reason to send less after.
        self.recent = self.path;
    }

    /// A burst showed that the path carries this.
    pub(super) fn lift(&mut self, rate: Bitrate) {
        self.limit = self.limit.filter(|limit| *limit > rate);
    }

    /// A packet sent at `sent_at` arrived or was lost; `total` bytes had been sent by then.
    pub(super) fn push(&mut self, sent_at: Mono, total: u32, lost: bool) {
        if sent_at < self.ignore_before {
            return;
        }
        let (began, bytes) = *self.began.get_or_insert((sent_at, total));
        let span = sent_at.since(began);
        if span >= WINDOW && self.open.packets() >= WINDOW_PACKETS {
            self.open.rate = Bitrate::of(total.wrapping_sub(bytes).into(), span).bps() as f64;
            self.close();
            self.began = Some((sent_at, total));
        }
        if lost {
            self.open.lost += 1;
        } else {
            self.open.received += 1;
        }
    }

    /// A packet reported lost arrived after all.
    pub(super) fn recovered(&mut self) {
        if self.open.lost > 0 {
            self.open.lost -= 1;
            self.open.received += 1;
        }
    }

    fn close(&mut self) {
        let window = std::mem::take(&mut self.open);
        self.recent = if self.count == 0 {
            window.loss()
        } else {
            // About three windows, a second.
            self.recent * 0.67 + window.loss() * 0.33
        };
        if let Some(slot) = self.windows.get_mut(self.count % WINDOWS) {
            *slot = window;
        }
        self.count += 1;
        self.path = if self.recent > LOW { self.path_loss() } else { 0.0 };
    }

    /// One step, once per report. `other` is the rate everything else allows, `path` the share of
    /// loss that is not held against the rate.
    pub(super) fn update(&mut self, now: Mono, other: Bitrate, rtt: Duration, path: f64) {
        let elapsed = self.updated_at.map_or(Duration::ZERO, |at| now.since(at));
        self.updated_at = Some(now);
        let excess = ((self.recent - path) / (1.0 - path)).clamp(0.0, 1.0);
        if excess > HIGH {
            let pause = DECREASE_PAUSE + rtt;
            if self.count > 0 && self.decreased_at.is_none_or(|at| now.since(at) >= pause) {
                let from = self.limit.map_or(other, |limit| limit.min(other));
                self.limit = Some(from.scaled(1.0 - 0.5 * excess));
                self.decreased_at = Some(now);
            }
        } else if excess < LOW {
            // A path found to be lossy was wronged by the decreases that showed it.
            let per_second: f64 = if path > 0.0 { 1.25 } else { 1.08 };
            let factor = per_second.powf(elapsed.as_secs_f64().min(1.0));
            let step = |limit: Bitrate| limit.scaled(factor).plus(Bitrate::from_bps(100));
            self.limit = self.limit.map(step).filter(|limit| *limit < other.scaled(SLACK));
        }
    }

    /// The path's own loss, if a lossy path explains the windows better than a full link does.
    fn path_loss(&self) -> f64 {
        let windows = self.windows.get(..self.count.min(WINDOWS)).unwrap_or_default();
        let (lost, packets) = windows.iter().fold((0.0, 0.0), |(lost, packets), w| {
            (lost + f64::from(w.lost), packets + f64::from(w.packets()))
        });
        let path = lost / f64::max(packets, 1.0);
        if path > PATH_LOSS_MAX {
            return 0.0;
        }
        let lossy: f64 = windows.iter().map(|w| likelihood(w, path)).sum();
        let full = windows
            .iter()
            .map(|candidate| {
                let capacity = candidate.rate * (1.0 - candidate.loss());
                let at = |w: &Window| likelihood(w, 1.0 - capacity / w.rate.max(1.0));
                windows.iter().map(at).sum::<f64>()
            })
            .fold(f64::NEG_INFINITY, f64::max);
        if (lossy - full) * BURSTINESS > EVIDENCE { path } else { 0.0 }
    }
}

/// Logarithm of how likely a window's losses are at this share of loss.
fn likelihood(window: &Window, loss: f64) -> f64 {
    // No path is perfect, none hopeless: a stray packet must not rule a hypothesis out.
    let loss = loss.clamp(0.005, 0.99);
    f64::from(window.lost) * loss.ln() + f64::from(window.received) * (1.0 - loss).ln()
}
