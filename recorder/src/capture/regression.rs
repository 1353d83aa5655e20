//! Two small robust estimators over bounded windows.

use std::collections::VecDeque;

/// Sender reports looked at. Browsers send one every 1 to 5 s, so this is 16 to 80 s: long enough
/// to average a millisecond of jitter out of the slope, short enough to follow a clock that warms
/// up. The fit looks at all pairs, so its cost is the square of this.
const REPORTS: usize = 16;

/// Reports closer together than this say nothing about the slope.
const MIN_SPAN: i64 = 900_000_000;

/// A report this far before the last is not reordered: one of the two is absurd.
const REWIND: i64 = 60_000_000_000;

/// Crystals are off by tens of parts per million; a slope further off than this is an artefact.
const MAX_PPM: f64 = 1000e-6;

/// A stream's RTP clock as a straight line over its sender's NTP clock, fitted by Theil and Sen's
/// regression (the median of all pairwise slopes, then the median intercept). Up to a quarter of
/// the reports may be outliers without moving it: they are rejected by the medians.
#[derive(Debug, Default)]
pub(super) struct RtpLine {
    /// RTP nanoseconds and NTP nanoseconds.
    pairs: VecDeque<(i64, i64)>,
    fit: Option<Fit>,
}

#[derive(Debug, Clone, Copy)]
struct Fit {
    /// The report all distances are counted from, so that they stay small and exact in `f64`.
    rtp: i64,
    ntp: i64,
    /// NTP seconds per RTP second, minus one.
    drift: f64,
}

impl RtpLine {
    /// Adds a report.
    pub(super) fn push(&mut self, rtp: i64, ntp: i64) {
        if let Some(&(last, _)) = self.pairs.back() {
            if rtp.saturating_add(REWIND) < last {
                // One absurd report must not shut out all sound ones after it.
                self.pairs.clear();
            } else if rtp <= last {
                // A repeated or reordered report adds nothing.
                return;
            }
        }
        if self.pairs.len() == REPORTS {
            self.pairs.pop_front();
        }
        self.pairs.push_back((rtp, ntp));
        self.fit = self.regress(rtp, ntp);
    }

    /// The NTP time of an RTP time, `None` before the first report.
    pub(super) fn ntp(&self, rtp: i64) -> Option<i64> {
        let fit = self.fit?;
        let since = rtp.saturating_sub(fit.rtp);
        Some(fit.ntp.saturating_add(since).saturating_add((since as f64 * fit.drift) as i64))
    }

    fn regress(&self, rtp: i64, ntp: i64) -> Option<Fit> {
        // Distances from the newest report.
        let points: Vec<(i64, i64)> = self
            .pairs
            .iter()
            .map(|&(r, n)| (r.saturating_sub(rtp), n.saturating_sub(ntp)))
            .collect();
        let mut drifts = Vec::with_capacity(REPORTS * REPORTS / 2);
        for (i, &(r1, n1)) in points.iter().enumerate() {
            for &(r2, n2) in points.iter().skip(i + 1) {
                let run = r2.saturating_sub(r1);
                if run >= MIN_SPAN {
                    let rise = n2.saturating_sub(n1).saturating_sub(run);
                    drifts.push(rise as f64 / run as f64);
                }
            }
        }
        let drift = match median(&mut drifts) {
            Some(drift) if drift.abs() <= MAX_PPM => drift,
            _ => 0.0,
        };
        let mut offsets: Vec<f64> =
            points.iter().map(|&(r, n)| n.saturating_sub(r) as f64 - r as f64 * drift).collect();
        let offset = median(&mut offsets)? as i64;
        Some(Fit { rtp, ntp: ntp.saturating_add(offset), drift })
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Length of one bucket of [`MinFilter`], nanoseconds.
const BUCKET: i64 = 4_000_000_000;
/// Buckets kept: half a minute. Longer: a drifting clock (200 ppm are 6 ms in that time) biases
/// the minimum; shorter: a congested stretch passes for the true delay.
const BUCKETS: usize = 8;

/// The least value of the last half minute, in constant memory.
#[derive(Debug, Default)]
pub(super) struct MinFilter {
    /// Start of each bucket and the least value in it.
    buckets: VecDeque<(i64, i64)>,
}

impl MinFilter {
    /// Adds a value seen at `now`.
    pub(super) fn push(&mut self, now: i64, value: i64) {
        match self.buckets.back_mut() {
            Some((start, least)) if now < start.saturating_add(BUCKET) => {
                *least = value.min(*least);
            }
            _ => {
                if self.buckets.len() == BUCKETS {
                    self.buckets.pop_front();
                }
                self.buckets.push_back((now, value));
            }
        }
    }

    /// The least value of the window that ends at `now`; the newest bucket counts however old.
    pub(super) fn least(&mut self, now: i64) -> Option<i64> {
        let oldest = now.saturating_sub(BUCKET * BUCKETS as i64);
        while self.buckets.len() > 1 && self.buckets.front().is_some_and(|&(at, _)| at < oldest) {
            self.buckets.pop_front();
        }
        self.buckets.iter().map(|&(_, least)| least).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_outliers_does_not_move_the_line() {
        let mut line = RtpLine::default();
        for i in 0..16i64 {
            let rtp = i * 5_000_000_000;
            let outlier = if i % 4 == 3 { 700_000_000 } else { 0 };
            line.push(rtp, 9_000_000_000 + rtp + rtp / 5_000 + outlier);
        }
        let rtp = 80_000_000_000;
        let off = line.ntp(rtp).unwrap() - (9_000_000_000 + rtp + rtp / 5_000);
        assert!(off.abs() < 1_000_000, "off by {off} ns");
    }

    #[test]
    fn the_minimum_forgets_after_half_a_minute() {
        let mut filter = MinFilter::default();
        filter.push(0, -5);
        for s in 1..60 {
            filter.push(s * 1_000_000_000, s);
        }
        let least = filter.least(60_000_000_000).unwrap();
        assert!((26..=33).contains(&least), "{least}");
    }
}
