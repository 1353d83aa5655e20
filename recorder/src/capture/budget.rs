//! How many segments a track may have.

use std::time::Duration;

/// Segments a track may have at once. A client that changes its picture's coding with every
/// frame makes a segment of each; what is beyond is a declared gap.
const SEGMENT_BURST: u64 = 120;
/// Segments a track may have per second in the long run; a usual call has one, and two
/// where key frames come often.
const SEGMENT_RATE: u64 = 4;
/// How many more segments a track may have: a token bucket on the recording's timeline, in
/// thousandths of a segment.
#[derive(Debug)]
pub(super) struct Budget {
    left: u64,
    at: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: SEGMENT_BURST * 1000, at: Duration::ZERO }
    }
}

impl Budget {
    /// Takes one segment that ends at `at`; false when there is none to be had.
    pub(super) fn take(&mut self, at: Duration) -> bool {
        let passed = u64::try_from(at.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        self.at = self.at.max(at);
        let more = passed.saturating_mul(SEGMENT_RATE);
        self.left = self.left.saturating_add(more).min(SEGMENT_BURST * 1000);
        let rest = self.left.checked_sub(1000);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_come_in_bursts_but_not_in_floods() {
        let mut budget = Budget::default();
        // An hour of a usual call.
        assert!((0..7200).all(|n| budget.take(Duration::from_millis(n * 500))));
        // A flood of thirty a second for ten minutes.
        let start = Duration::from_secs(3600);
        let taken = (0..18_000).filter(|n| budget.take(start + Duration::from_millis(n * 33)));
        let limit = usize::try_from(SEGMENT_BURST + 600 * SEGMENT_RATE).unwrap();
        assert!(taken.count() <= limit);
    }
}
