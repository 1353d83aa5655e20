//! Time. Core code never reads a clock: it is handed a [`Mono`] (for durations and media offsets)
//! or a [`UnixMillis`] (for what people and auditors read). Only the edges own a [`Clock`].

use std::{
    ops::{Add, AddAssign},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A point on the server's monotonic timeline: nanoseconds since the process started.
///
/// All media, timeline events and gaps of a recording are placed on this one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(u64);

impl Mono {
    /// The start of the process.
    pub const ZERO: Self = Self(0);

    /// A point `nanos` nanoseconds after the start of the process.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A point `millis` milliseconds after the start of the process.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the start of the process.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to `self`; zero where `earlier` is in fact later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Mono {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

/// Wall-clock time, milliseconds since the Unix epoch, UTC.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

/// Where time comes from, at the edges of the program.
pub trait Clock: Send + Sync {
    /// Now, on the monotonic timeline.
    fn mono(&self) -> Mono;
    /// Now, on the wall.
    fn wall(&self) -> UnixMillis;
}

/// The machine's clocks. Made once in `main` and copied: every copy shares one origin.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// Starts the monotonic timeline here and now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The `Instant` of a point on the timeline, for APIs of other crates that want one.
    #[must_use]
    pub fn instant(&self, at: Mono) -> Instant {
        self.origin + Duration::from_nanos(at.as_nanos())
    }

    /// The point on the timeline of an `Instant`.
    #[must_use]
    pub fn mono_of(&self, instant: Instant) -> Mono {
        Mono::ZERO + instant.saturating_duration_since(self.origin)
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn mono(&self) -> Mono {
        self.mono_of(Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn wall(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}
