//! Places frames on the server's timeline: RTP time -> sender's NTP clock -> server's [`Mono`].
//!
//! Sound and picture of one connection have unrelated RTP clocks, but their sender reports name
//! the same wall clock, so once reports are in, both are placed through that clock and are as much
//! in sync as they were at the sender. Before that (or when reports make no sense) a stream is
//! placed by its arrivals. Either way the least delayed arrival of the last half minute says where
//! the sender's clock lies on ours, and corrections are slewed so that time never runs backwards.

use vbranch_domain::{MediaKind, Mono, RtpTime, tap::SenderReport};

use super::{
    kinds::PerKind,
    regression::{MinFilter, RtpLine},
};

/// Nanoseconds per second.
pub(super) const NANOS: i64 = 1_000_000_000;

/// A stream placed earlier or later than this against its arrival has jumped: its old estimate is
/// worthless and it is anchored anew on the arrival. Larger: hostile timestamps reach further;
/// smaller: a network that stands still for that long loses the true capture times.
const MAX_BEHIND_ARRIVAL: i64 = 10 * NANOS;
/// See [`MAX_BEHIND_ARRIVAL`]. Nothing can arrive before it was captured; what remains is slewing.
const MAX_AHEAD_OF_ARRIVAL: i64 = NANOS / 2;

/// Sender reports that place a stream further than this from its arrivals are not believed.
const MAX_REPORT_DISAGREEMENT: i64 = NANOS / 2;

/// Errors larger than this step forward at once instead of being slewed.
const STEP: i64 = NANOS / 2;

/// The clocks of one connection.
#[derive(Debug, Default)]
pub(super) struct LegClock {
    tracks: PerKind<TrackClock>,
}

#[derive(Debug, Default)]
struct TrackClock {
    line: RtpLine,
    /// Arrival minus RTP time.
    arrivals: MinFilter,
    first_rtp: Option<u64>,
    last: Option<Placed>,
}

/// The frame placed last.
#[derive(Debug, Clone, Copy)]
struct Placed {
    /// RTP time since the first, nanoseconds.
    rtp: i64,
    /// Where it was placed.
    at: i64,
    /// By how much it was placed late against what its sender reports say, if they say anything.
    late: Option<i64>,
}

impl LegClock {
    /// Takes a sender report in.
    pub(super) fn report(&mut self, report: &SenderReport) {
        let track = self.tracks.get_mut(report.track.kind);
        let Some(rtp) = track.relative(report.track.kind, report.rtp_time) else { return };
        track.line.push(rtp, ntp_nanos(report.ntp.0));
    }

    /// Where a frame lies on the server's timeline. Never earlier than the frame of the same
    /// stream before it.
    pub(super) fn place(&mut self, kind: MediaKind, rtp: RtpTime, arrived: Mono) -> Mono {
        let arrived = nanos(arrived);
        let track = self.tracks.get_mut(kind);
        let rtp = track.relative_or_first(kind, rtp);
        track.arrivals.push(arrived, arrived.saturating_sub(rtp));
        let ntp = track.line.ntp(rtp);
        let by_report = ntp.and_then(|ntp| Some(ntp.saturating_add(self.sender_offset(arrived)?)));
        let at = self.tracks.get_mut(kind).place(rtp, arrived, by_report);
        Mono::from_nanos(u64::try_from(at).unwrap_or(0))
    }

    /// Server time minus the sender's NTP time: that of the stream with the least delay, for both,
    /// so that they agree. Worked out anew from what arrived and from the fitted lines, so that a
    /// report later found to be an outlier leaves nothing behind.
    fn sender_offset(&mut self, now: i64) -> Option<i64> {
        PerKind::<()>::KINDS
            .into_iter()
            .filter_map(|kind| {
                let track = self.tracks.get_mut(kind);
                let rtp = track.last.map_or(0, |last| last.rtp);
                let arrival = rtp.saturating_add(track.arrivals.least(now)?);
                Some(arrival.saturating_sub(track.line.ntp(rtp)?))
            })
            .min()
    }

    /// How late the sound lies against the picture in the recording, measured by the senders'
    /// reports, in microseconds; `None` before both streams have reports and frames.
    pub(super) fn skew_micros(&self) -> Option<i64> {
        let late = |kind| self.tracks.get(kind).last.and_then(|placed| placed.late);
        Some(late(MediaKind::Audio)?.saturating_sub(late(MediaKind::Video)?) / 1000)
    }
}

impl TrackClock {
    /// RTP time since the first frame in nanoseconds, `None` before there was one.
    fn relative(&self, kind: MediaKind, rtp: RtpTime) -> Option<i64> {
        let ticks = i128::from(rtp.0) - i128::from(self.first_rtp?);
        let nanos = ticks * i128::from(NANOS) / i128::from(kind.clock_rate());
        // A quarter of the range, so that sums and differences of a few stay inside it.
        Some(nanos.clamp(i128::from(i64::MIN / 4), i128::from(i64::MAX / 4)) as i64)
    }

    fn relative_or_first(&mut self, kind: MediaKind, rtp: RtpTime) -> i64 {
        self.first_rtp.get_or_insert(rtp.0);
        self.relative(kind, rtp).unwrap_or(0)
    }

    fn place(&mut self, rtp: i64, arrived: i64, by_report: Option<i64>) -> i64 {
        let by_arrival =
            self.arrivals.least(arrived).map_or(arrived, |least| rtp.saturating_add(least));
        let by_report = by_report.filter(|by_report| {
            by_report.saturating_sub(by_arrival).saturating_abs() <= MAX_REPORT_DISAGREEMENT
        });
        let mut target = by_report.unwrap_or(by_arrival);
        let behind = arrived.saturating_sub(target);
        if !(-MAX_AHEAD_OF_ARRIVAL..=MAX_BEHIND_ARRIVAL).contains(&behind) {
            self.arrivals = MinFilter::default();
            self.arrivals.push(arrived, arrived.saturating_sub(rtp));
            self.line = RtpLine::default();
            target = arrived;
        }
        let at = match self.last {
            None => target,
            Some(last) => slew(last, rtp, target).min(arrived + MAX_AHEAD_OF_ARRIVAL).max(last.at),
        };
        self.last = Some(Placed { rtp, at, late: by_report.map(|truth| at - truth) });
        at
    }
}

/// The next placement: the last one plus the RTP time passed since, corrected towards `target` by
/// at most a twentieth of that time (a quarter while far off), so that nobody hears or sees it.
fn slew(last: Placed, rtp: i64, target: i64) -> i64 {
    let step = rtp.saturating_sub(last.rtp).max(0);
    let expected = last.at.saturating_add(step);
    let error = target.saturating_sub(expected);
    if error > STEP {
        return target;
    }
    let most = if error.saturating_abs() > NANOS / 10 { step / 4 } else { step / 20 };
    expected.saturating_add(error.clamp(-most, most))
}

/// Nanoseconds of the server's timeline, signed for differences.
fn nanos(at: Mono) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

/// Nanoseconds since 1900 of a 32.32 fixed-point NTP timestamp. At most 4.3e18, so it fits.
fn ntp_nanos(ntp: u64) -> i64 {
    let nanos = (u128::from(ntp) * NANOS.unsigned_abs() as u128) >> 32;
    i64::try_from(nanos).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
