//! The delay-based rate: additive increase near the known capacity, multiplicative elsewhere,
//! multiplicative decrease (draft-ietf-rmcat-gcc-02 section 5.5).

use std::time::Duration;

use vbranch_domain::Mono;

use super::{bitrate::Bitrate, delay::Usage};

/// What is kept of the throughput when a queue grows. Lower drains faster and uses less.
const DECREASE: f64 = 0.85;
/// Growth per second while the capacity is unknown.
const INCREASE_PER_SECOND: f64 = 1.08;
/// The rate may run ahead of what arrives by this factor and [`AHEAD_BPS`]: an estimate nobody
/// tests is worth nothing.
const AHEAD: f64 = 1.5;
/// See [`AHEAD`].
const AHEAD_BPS: Bitrate = Bitrate::from_kbps(10);
/// Least additive growth per second.
const ADDITIVE_MIN_BPS: f64 = 4000.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Hold,
    Increase,
}

/// The controller.
#[derive(Debug)]
pub(super) struct Aimd {
    current: Bitrate,
    phase: Phase,
    capacity: LinkCapacity,
    changed_at: Option<Mono>,
    decreased_at: Option<Mono>,
}

impl Aimd {
    pub(super) fn new(start: Bitrate) -> Self {
        Self {
            current: start,
            phase: Phase::Hold,
            capacity: LinkCapacity::default(),
            changed_at: None,
            decreased_at: None,
        }
    }

    /// The rate the delay allows.
    pub(super) fn current(&self) -> Bitrate {
        self.current
    }

    /// Sets the rate outright: a probe's result, or what is left after an outage.
    pub(super) fn set(&mut self, now: Mono, rate: Bitrate) {
        self.current = rate;
        self.changed_at = Some(now);
    }

    /// Forgets the capacity of a path that may have changed.
    pub(super) fn forget_capacity(&mut self) {
        self.capacity = LinkCapacity::default();
    }

    /// One step, once per report. `acked` is the throughput, where known.
    pub(super) fn update(
        &mut self,
        now: Mono,
        usage: Usage,
        acked: Option<Bitrate>,
        rtt: Duration,
    ) {
        match usage {
            Usage::Over if self.may_decrease(now, acked, rtt) => self.decrease(now, acked),
            Usage::Over => {}
            // The queue we made is emptying: growing now would keep it full.
            Usage::Under => self.phase = Phase::Hold,
            Usage::Normal if self.phase == Phase::Hold => {
                self.phase = Phase::Increase;
                self.changed_at = Some(now);
            }
            Usage::Normal => self.increase(now, acked, rtt),
        }
    }

    fn may_decrease(&self, now: Mono, acked: Option<Bitrate>, rtt: Duration) -> bool {
        let pause = rtt.clamp(Duration::from_millis(10), Duration::from_millis(200));
        let waited = self.decreased_at.is_none_or(|at| now.since(at) >= pause);
        waited || acked.is_some_and(|acked| acked < self.current.scaled(0.5))
    }

    fn decrease(&mut self, now: Mono, acked: Option<Bitrate>) {
        self.phase = Phase::Hold;
        self.changed_at = Some(now);
        self.decreased_at = Some(now);
        let Some(acked) = acked else {
            self.current = self.current.scaled(0.5);
            return;
        };
        let mut rate = acked.scaled(DECREASE);
        if rate > self.current {
            // More arrives than we thought to send (a queue drains): go by the capacity instead.
            rate = self.capacity.estimate().map_or(rate, |capacity| capacity.scaled(DECREASE));
        }
        self.current = self.current.min(rate);
        self.capacity.overused_at(acked);
    }

    fn increase(&mut self, now: Mono, acked: Option<Bitrate>, rtt: Duration) {
        let elapsed = self.changed_at.map_or(Duration::ZERO, |at| now.since(at));
        let elapsed = elapsed.min(Duration::from_secs(1)).as_secs_f64();
        self.changed_at = Some(now);
        if let Some(acked) = acked {
            self.capacity.forget_if_above(acked);
        }
        let limit = acked.unwrap_or(self.current).scaled(AHEAD).plus(AHEAD_BPS);
        if self.current >= limit {
            return;
        }
        let grown = if self.capacity.estimate().is_some() {
            self.current.plus(Bitrate::from_bps((self.additive(rtt) * elapsed) as u64))
        } else {
            let step = self.current.scaled(INCREASE_PER_SECOND.powf(elapsed) - 1.0);
            self.current.plus(step.max(Bitrate::from_bps((1000.0 * elapsed) as u64)))
        };
        self.current = grown.min(limit);
    }

    /// About one packet per response time, in bits per second per second.
    fn additive(&self, rtt: Duration) -> f64 {
        let bits_per_frame = self.current.bps() as f64 / 30.0;
        let packets = (bits_per_frame / (8.0 * 1200.0)).ceil().max(1.0);
        let response = (rtt + Duration::from_millis(100)).as_secs_f64();
        (bits_per_frame / packets / response).max(ADDITIVE_MIN_BPS)
    }
}

/// Throughput at the moments a queue grew: the link's capacity, and how sure we are of it.
#[derive(Debug, Default)]
struct LinkCapacity {
    kbps: Option<f64>,
    /// Variance, in units of the estimate.
    deviation: f64,
}

impl LinkCapacity {
    const WEIGHT: f64 = 0.05;

    fn estimate(&self) -> Option<Bitrate> {
        self.kbps.map(|kbps| Bitrate::from_kbps(1).scaled(kbps))
    }

    fn overused_at(&mut self, throughput: Bitrate) {
        let sample = throughput.bps() as f64 / 1000.0;
        let Some(estimate) = self.kbps.filter(|kbps| sample >= kbps - self.spread()) else {
            (self.kbps, self.deviation) = (Some(sample), 0.4);
            return;
        };
        let estimate = (1.0 - Self::WEIGHT) * estimate + Self::WEIGHT * sample;
        let error = estimate - sample;
        let norm = error * error / estimate.max(1.0);
        self.kbps = Some(estimate);
        self.deviation =
            ((1.0 - Self::WEIGHT) * self.deviation + Self::WEIGHT * norm).clamp(0.4, 2.5);
    }

    fn forget_if_above(&mut self, throughput: Bitrate) {
        let sample = throughput.bps() as f64 / 1000.0;
        if self.kbps.is_some_and(|kbps| sample > kbps + self.spread()) {
            *self = Self::default();
        }
    }

    /// Three standard deviations.
    fn spread(&self) -> f64 {
        3.0 * (self.deviation * self.kbps.unwrap_or(0.0)).sqrt()
    }
}
