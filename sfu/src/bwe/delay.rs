//! Is a queue growing on the way? Inter-arrival groups, their trend, and an adaptive threshold.
//!
//! draft-ietf-rmcat-gcc-02 section 5, with the trendline filter that replaced its Kalman filter in
//! libwebrtc: the slope of the smoothed one-way delay over the last groups is compared with a
//! threshold that follows the noise of the path.

use std::time::Duration;

use vbranch_domain::Mono;

use super::twcc::Received;

/// Packets sent within this time are one group: a pacer's burst says nothing about the path.
const GROUP: Duration = Duration::from_millis(5);
/// A group whose packets keep arriving faster than they were sent may last this long: a radio
/// that releases what it held back must not look like an emptying queue.
const BURST_MAX_US: i64 = 100_000;
/// See [`BURST_MAX_US`]: how close arrivals must be to belong to such a burst.
const BURST_GAP_US: i64 = 5_000;
/// A jump of the peer's clock, or hostile times: start afresh instead of believing it.
const JUMP_US: u64 = 3_000_000;

/// Difference between two groups of packets.
#[derive(Debug, Clone, Copy, PartialEq)]
struct GroupDelta {
    /// Milliseconds between the last packets' send times.
    send_ms: f64,
    /// Milliseconds between the last packets' arrivals.
    arrival_ms: f64,
    /// Arrival of the newer group, microseconds on the peer's clock.
    arrival_us: i64,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: Mono,
    last_sent: Mono,
    first_arrival_us: i64,
    last_arrival_us: i64,
}

/// Groups packets into bursts and compares neighbours.
#[derive(Debug, Default)]
struct InterArrival {
    current: Option<Group>,
    previous: Option<Group>,
}

impl InterArrival {
    fn jumps(&self, packet: &Received) -> bool {
        let far = |group: Group| packet.arrival_us.abs_diff(group.last_arrival_us) > JUMP_US;
        self.current.is_some_and(far)
    }

    fn push(&mut self, packet: &Received) -> Option<GroupDelta> {
        let Some(group) = &mut self.current else {
            self.current = Some(Group::of(packet));
            return None;
        };
        if packet.sent_at < group.first_sent {
            return None; // told late, after its group was judged
        }
        if group.takes(packet) {
            group.last_sent = group.last_sent.max(packet.sent_at);
            group.last_arrival_us = group.last_arrival_us.max(packet.arrival_us);
            return None;
        }
        let complete = *group;
        self.current = Some(Group::of(packet));
        let previous = self.previous.replace(complete)?;
        let arrival_us = complete.last_arrival_us - previous.last_arrival_us;
        // A whole group overtaken by the next: reordering, not a trend.
        (arrival_us >= 0).then(|| GroupDelta {
            send_ms: complete.last_sent.since(previous.last_sent).as_secs_f64() * 1000.0,
            arrival_ms: arrival_us as f64 / 1000.0,
            arrival_us: complete.last_arrival_us,
        })
    }
}

impl Group {
    fn of(packet: &Received) -> Self {
        Self {
            first_sent: packet.sent_at,
            last_sent: packet.sent_at,
            first_arrival_us: packet.arrival_us,
            last_arrival_us: packet.arrival_us,
        }
    }

    fn takes(&self, packet: &Received) -> bool {
        if packet.sent_at.since(self.first_sent) <= GROUP {
            return true;
        }
        let arrival_us = packet.arrival_us - self.last_arrival_us;
        let send_us = packet.sent_at.since(self.last_sent).as_micros() as i64;
        arrival_us < send_us
            && arrival_us <= BURST_GAP_US
            && packet.arrival_us - self.first_arrival_us < BURST_MAX_US
    }
}

/// What the delay says of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Usage {
    /// No queue is growing.
    #[default]
    Normal,
    /// A queue is growing.
    Over,
    /// A queue is emptying.
    Under,
}

/// Groups the slope is fitted to.
const WINDOW: usize = 20;
/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// Scale between slope and threshold.
const GAIN: f64 = 4.0;
/// The slope counts more with every group up to this many.
const GROUPS_MAX: f64 = 60.0;
/// Threshold before anything is known, and its bounds, in milliseconds.
const THRESHOLD_START: f64 = 12.5;
const THRESHOLD_MIN: f64 = 6.0;
const THRESHOLD_MAX: f64 = 600.0;
/// How fast the threshold follows the slope up and down, per millisecond. Up the slower: else it
/// would swallow real congestion; but fast enough not to starve beside loss-based flows.
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
/// A slope this far above the threshold is an event of its own; the threshold ignores it.
const OUTLIER: f64 = 15.0;
/// Overuse must last this long before it is believed.
const OVERUSE_MS: f64 = 10.0;

/// The detector: feed it every packet in order of sending.
#[derive(Debug)]
pub(super) struct DelayDetector {
    groups: InterArrival,
    points: [(f64, f64); WINDOW],
    /// Points ever taken.
    count: usize,
    first_arrival_us: i64,
    accumulated_ms: f64,
    smoothed_ms: f64,
    threshold: f64,
    threshold_at_us: i64,
    previous_slope: f64,
    over_ms: Option<f64>,
    over_count: u32,
    usage: Usage,
}

impl Default for DelayDetector {
    fn default() -> Self {
        Self {
            groups: InterArrival::default(),
            points: [(0.0, 0.0); WINDOW],
            count: 0,
            first_arrival_us: 0,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            threshold: THRESHOLD_START,
            threshold_at_us: 0,
            previous_slope: 0.0,
            over_ms: None,
            over_count: 0,
            usage: Usage::Normal,
        }
    }
}

impl DelayDetector {
    /// What the delay says now.
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// Takes one packet that arrived.
    pub(super) fn push(&mut self, packet: &Received) {
        if self.groups.jumps(packet) {
            self.reset();
        }
        if let Some(delta) = self.groups.push(packet) {
            self.update(delta);
        }
    }

    /// Forgets the path: after an outage the times before it say nothing.
    pub(super) fn reset(&mut self) {
        *self = Self { threshold: self.threshold, ..Self::default() };
    }

    fn update(&mut self, delta: GroupDelta) {
        if self.count == 0 {
            self.first_arrival_us = delta.arrival_us;
            self.threshold_at_us = delta.arrival_us;
        }
        self.accumulated_ms += delta.arrival_ms - delta.send_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        let x = (delta.arrival_us - self.first_arrival_us) as f64 / 1000.0;
        if let Some(point) = self.points.get_mut(self.count % WINDOW) {
            *point = (x, self.smoothed_ms);
        }
        self.count += 1;
        let slope = match self.count {
            WINDOW.. => self.slope().unwrap_or(self.previous_slope),
            _ => 0.0,
        };
        self.detect(slope, delta);
        self.previous_slope = slope;
    }

    /// Least squares through the window.
    fn slope(&self) -> Option<f64> {
        let (sum_x, sum_y) = self.points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
        let (mean_x, mean_y) = (sum_x / WINDOW as f64, sum_y / WINDOW as f64);
        let (mut covariance, mut variance) = (0.0, 0.0);
        for (x, y) in self.points {
            covariance += (x - mean_x) * (y - mean_y);
            variance += (x - mean_x) * (x - mean_x);
        }
        (variance > 0.0).then(|| covariance / variance)
    }

    fn detect(&mut self, slope: f64, delta: GroupDelta) {
        let trend = (self.count as f64).min(GROUPS_MAX) * slope * GAIN;
        if trend > self.threshold {
            let over = self.over_ms.map_or(delta.send_ms / 2.0, |ms| ms + delta.send_ms);
            self.over_ms = Some(over);
            self.over_count += 1;
            if over > OVERUSE_MS && self.over_count > 1 && slope >= self.previous_slope {
                self.over_ms = Some(0.0);
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_ms = None;
            self.over_count = 0;
            self.usage = if trend < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.adapt(trend.abs(), delta.arrival_us);
    }

    fn adapt(&mut self, trend: f64, arrival_us: i64) {
        let elapsed_ms = (arrival_us - self.threshold_at_us) as f64 / 1000.0;
        self.threshold_at_us = arrival_us;
        if trend > self.threshold + OUTLIER {
            return;
        }
        let rate = if trend < self.threshold { THRESHOLD_DOWN } else { THRESHOLD_UP };
        self.threshold += rate * (trend - self.threshold) * elapsed_ms.clamp(0.0, 100.0);
        self.threshold = self.threshold.clamp(THRESHOLD_MIN, THRESHOLD_MAX);
    }
}
