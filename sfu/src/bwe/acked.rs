//! How much arrives: the acknowledged bitrate, as libwebrtc's Bayesian estimator has it.

use super::{bitrate::Bitrate, twcc::Received};

/// First measurement.
const WINDOW_START_US: i64 = 500_000;
/// Later measurements.
const WINDOW_US: i64 = 150_000;
/// A peer's clock that jumps by more starts the measurement afresh.
const JUMP_US: u64 = 3_000_000;
/// How doubtful a sample is that differs from the estimate by all of it.
const DOUBT: f64 = 10.0;
/// Variance gained between samples: larger follows faster, smaller is smoother. kbit/s squared.
const DRIFT: f64 = 5.0;

/// The acknowledged bitrate.
#[derive(Debug)]
pub(super) struct AckedBitrate {
    sum: u64,
    window_us: i64,
    last_us: Option<i64>,
    kbps: Option<f64>,
    variance: f64,
}

impl Default for AckedBitrate {
    fn default() -> Self {
        Self { sum: 0, window_us: 0, last_us: None, kbps: None, variance: 50.0 }
    }
}

impl AckedBitrate {
    /// The estimate, once there has been a first window.
    pub(super) fn get(&self) -> Option<Bitrate> {
        self.kbps.map(|kbps| Bitrate::from_kbps(1).scaled(kbps))
    }

    /// Takes a packet that arrived, and bytes sent before it of which no report will ever speak;
    /// those are taken to have arrived, since a lost report says nothing of lost media.
    pub(super) fn push(&mut self, packet: &Received, unreported: u32) {
        self.sum += u64::from(unreported);
        if let Some(sample) = self.advance(packet.arrival_us) {
            self.learn(sample);
        }
        self.sum += u64::from(packet.size);
    }

    /// Forgets everything, as after an outage.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Moves the window on; gives kbit/s when one is complete.
    fn advance(&mut self, arrival_us: i64) -> Option<f64> {
        let window = if self.kbps.is_some() { WINDOW_US } else { WINDOW_START_US };
        let Some(last) = self.last_us else {
            self.last_us = Some(arrival_us);
            return None;
        };
        let step = arrival_us.saturating_sub(last);
        if step.unsigned_abs() > JUMP_US {
            (self.sum, self.window_us, self.last_us) = (0, 0, Some(arrival_us));
            return None;
        }
        if step <= 0 {
            return None; // overtaken on the way: it counts where the others are
        }
        self.last_us = Some(arrival_us);
        self.window_us += step;
        if self.window_us < window {
            return None;
        }
        let kbps = self.sum as f64 * 8.0 * 1000.0 / self.window_us as f64;
        (self.sum, self.window_us) = (0, 0);
        Some(kbps)
    }

    fn learn(&mut self, sample: f64) {
        let Some(estimate) = self.kbps else {
            self.kbps = Some(sample);
            return;
        };
        let doubt = DOUBT * (estimate - sample).abs() / (estimate + sample.min(25.0)).max(1.0);
        let sample_variance = doubt * doubt;
        let predicted = self.variance + DRIFT;
        let total = sample_variance + predicted;
        self.kbps = Some((sample_variance * estimate + predicted * sample) / total);
        self.variance = sample_variance * predicted / total;
    }
}
