//! A rate, and the two questions a sender asks of it.

use std::time::Duration;

/// Bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Bitrate(u64);

impl Bitrate {
    /// Nothing at all.
    pub(crate) const ZERO: Self = Self(0);

    /// `bits` per second.
    pub(crate) const fn from_bps(bits: u64) -> Self {
        Self(bits)
    }

    /// `kilobits` (1000 bits) per second.
    pub(crate) const fn from_kbps(kilobits: u64) -> Self {
        Self(kilobits.saturating_mul(1000))
    }

    /// Bits per second.
    pub(crate) const fn bps(self) -> u64 {
        self.0
    }

    /// The rate times `factor`; a negative or undefined product is zero.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        // A float-to-integer cast saturates, and NaN becomes zero.
        Self((self.0 as f64 * factor) as u64)
    }

    /// The rate plus `other`.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What carried `bytes` in `time`; zero where no time passed.
    pub(crate) fn of(bytes: u64, time: Duration) -> Self {
        let nanos = time.as_nanos();
        if nanos == 0 {
            return Self::ZERO;
        }
        let bits = u128::from(bytes) * 8 * 1_000_000_000;
        Self(u64::try_from(bits / nanos).unwrap_or(u64::MAX))
    }

    /// Whole bytes carried in `time`.
    pub(crate) fn bytes_in(self, time: Duration) -> u64 {
        let bits = u128::from(self.0) * time.as_nanos() / 1_000_000_000;
        u64::try_from(bits / 8).unwrap_or(u64::MAX)
    }

    /// How long `bytes` take; an hour at rate zero, so that sums of it stay finite.
    pub(crate) fn time_for(self, bytes: u64) -> Duration {
        const FOREVER: Duration = Duration::from_secs(3600);
        let nanos = bytes.saturating_mul(8_000_000_000).checked_div(self.0);
        nanos.map_or(FOREVER, |n| Duration::from_nanos(n).min(FOREVER))
    }
}
