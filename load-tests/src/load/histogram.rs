//! Percentiles of many durations in little memory.

use std::time::Duration;

use serde::Serialize;

/// Parts of each power of two: values are kept to within 3 %.
const PARTS: u64 = 32;
const BUCKETS: usize = 34 * PARTS as usize;

/// Counts of durations from 1 µs to about an hour.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

/// What a histogram tells, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Percentiles {
    /// Half are below.
    pub p50_ms: f64,
    /// 95 of 100 are below.
    pub p95_ms: f64,
    /// 99 of 100 are below.
    pub p99_ms: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(micros).min(BUCKETS - 1)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Counts all of another one.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    /// How many were counted.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The duration below which this share (0 to 1) of them lies, in milliseconds.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return lower_bound(index + 1) as f64 / 1e3;
            }
        }
        0.0
    }

    /// The usual ones.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        Percentiles {
            p50_ms: self.quantile_ms(0.5),
            p95_ms: self.quantile_ms(0.95),
            p99_ms: self.quantile_ms(0.99),
        }
    }
}

fn bucket(micros: u64) -> usize {
    let octave = micros.max(1).ilog2().saturating_sub(PARTS.ilog2());
    (u64::from(octave) * PARTS + (micros >> octave)) as usize
}

fn lower_bound(index: usize) -> u64 {
    let index = index as u64;
    // The first two octaves are exact: bucket n holds n.
    let octave = (index / PARTS).saturating_sub(1);
    (index - octave * PARTS) << octave.min(40)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_are_near_the_truth() {
        let mut histogram = Histogram::default();
        (1..=1000u64).for_each(|ms| histogram.add(Duration::from_millis(ms)));
        let Percentiles { p50_ms, p95_ms, p99_ms } = histogram.percentiles();
        for (got, truth) in [(p50_ms, 500.0), (p95_ms, 950.0), (p99_ms, 990.0)] {
            assert!((got - truth).abs() <= truth * 0.035, "{got} for {truth}");
        }
        assert_eq!(Histogram::default().quantile_ms(0.5), 0.0);
    }

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(micros in 0u64..3_600_000_000) {
            let index = bucket(micros);
            prop_assert!(index < BUCKETS);
            prop_assert!(lower_bound(index) <= micros.max(1) && micros < lower_bound(index + 1));
        }
    }
}
