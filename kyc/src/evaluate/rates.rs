//! Error rates, and how far a number of trials lets them be trusted.

use serde::Serialize;

/// How often something happened, with the bounds within which its true rate lies at 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// How often it happened.
    pub events: u32,
    /// How often it could have.
    pub trials: u32,
    /// The share; 0 where there were no trials.
    pub rate: f64,
    /// Lower bound (Clopper and Pearson, exact).
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

impl Rate {
    /// A rate of `events` in `trials`.
    #[must_use]
    pub fn of(events: u32, trials: u32) -> Self {
        let (low, high) = bounds(events, trials);
        let rate = if trials == 0 { 0.0 } else { f64::from(events) / f64::from(trials) };
        Self { events, trials, rate, low, high }
    }
}

/// Steps of bisection: more than a double can tell apart.
const STEPS: u32 = 60;

fn bounds(events: u32, trials: u32) -> (f64, f64) {
    let (k, n) = (f64::from(events), f64::from(trials));
    if trials == 0 {
        return (0.0, 1.0);
    }
    // The rate at which so many events or more, and so many or fewer, have 2.5 % each.
    let low = |p: f64| 1.0 - at_most(k - 1.0, n, p) < 0.025;
    let high = |p: f64| at_most(k, n, p) > 0.025;
    (
        if events == 0 { 0.0 } else { turning_point(low) },
        if events == trials { 1.0 } else { turning_point(high) },
    )
}

/// Probability of at most `k` events in `n` trials.
fn at_most(k: f64, n: f64, p: f64) -> f64 {
    if p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return if k >= n { 1.0 } else { 0.0 };
    }
    // Term by term in logarithms, as a single one may be smaller than any number.
    let (mut log, mut sum, mut i) = (n * (1.0 - p).ln(), 0.0, 0.0);
    loop {
        sum += f64::exp(log);
        if i >= k {
            return sum.min(1.0);
        }
        log += ((n - i) / (i + 1.0)).ln() + (p / (1.0 - p)).ln();
        i += 1.0;
    }
}

/// Up to where in `0..=1` something holds that holds for small values only.
fn turning_point(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if holds(middle) { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_tables() {
        for (events, trials, low, high) in [
            (0, 30, 0.0, 0.1157),
            (0, 500, 0.0, 0.007_35),
            (5, 100, 0.016_43, 0.112_83),
            (30, 30, 0.8843, 1.0),
        ] {
            let rate = Rate::of(events, trials);
            assert!((rate.low - low).abs() < 2e-4, "{events} of {trials}: {rate:?}");
            assert!((rate.high - high).abs() < 2e-4, "{events} of {trials}: {rate:?}");
        }
    }

    #[test]
    fn without_trials_nothing_is_known() {
        let rate = Rate::of(0, 0);
        assert_eq!((rate.rate, rate.low, rate.high), (0.0, 0.0, 1.0));
    }
}
