//! One unbroken RTP time line out of the sources that take turns in a stream.
//!
//! The simulcast layers of a camera have RTP clocks of their own. Where the sender has reported
//! both clocks, a change from one to the other is exact; otherwise it is as good as the arrivals.

use std::time::Duration;

use vbranch_domain::{Mono, RtpTime, tap::NtpTime};

use crate::stream::report::clock_offset;

/// Sources whose reports are remembered: the simulcast layers of one sender, and one to spare.
const SOURCES: usize = 4;

/// A change of source by reports that disagrees with the arrivals by more than this is not
/// believed: one of the reports was absurd. Layers differ by what their key frames take to send.
const MAX_DISAGREEMENT: Duration = Duration::from_millis(500);

/// Extends the timestamps of the source in use, and maps them to those of the first one.
#[derive(Debug)]
pub(super) struct Timeline {
    clock_rate: u32,
    current: Option<Current>,
    /// The newest report of each source.
    reports: [Option<Report>; SOURCES],
    next_report: usize,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    source: u32,
    /// What the last timestamp looked at was extended to, before mapping.
    last: RtpTime,
    /// When its packet arrived.
    arrived: Mono,
    /// Added to a timestamp of this source. A clock that runs back further than the line is long
    /// stays at its beginning.
    offset: i64,
}

#[derive(Debug, Clone, Copy)]
struct Report {
    source: u32,
    ntp: NtpTime,
    rtp_time: u32,
}

impl Timeline {
    pub(super) const fn new(clock_rate: u32) -> Self {
        Self { clock_rate, current: None, reports: [None; SOURCES], next_report: 0 }
    }

    /// Where a packet of `source` lies; a source other than the one in use is taken up.
    pub(super) fn place(&mut self, source: u32, timestamp: u32, arrived: Mono) -> RtpTime {
        let (last, offset) = match self.current {
            None => (RtpTime(u64::from(timestamp)), 0),
            Some(current) if current.source == source => {
                (extend(current.last, timestamp), current.offset)
            }
            Some(former) => {
                let at = self.continued(&former, source, timestamp, arrived);
                let at = i64::try_from(at).unwrap_or(i64::MAX);
                (RtpTime(u64::from(timestamp)), at.saturating_sub(i64::from(timestamp)))
            }
        };
        self.current = Some(Current { source, last, arrived, offset });
        RtpTime(last.0.saturating_add_signed(offset))
    }

    /// A sender report of any source; where it lies if that is the one in use.
    pub(super) fn report(&mut self, source: u32, ntp: NtpTime, rtp_time: u32) -> Option<RtpTime> {
        let report = Some(Report { source, ntp, rtp_time });
        let known = self.reports.iter().position(|r| r.is_some_and(|r| r.source == source));
        let place = known.unwrap_or_else(|| {
            self.next_report = (self.next_report + 1) % SOURCES;
            self.next_report
        });
        if let Some(slot) = self.reports.get_mut(place) {
            *slot = report;
        }
        let current = self.current.filter(|current| current.source == source)?;
        Some(RtpTime(extend(current.last, rtp_time).0.saturating_add_signed(current.offset)))
    }

    /// Where the first packet of a new source lies on the line.
    fn continued(&self, former: &Current, source: u32, timestamp: u32, arrived: Mono) -> u64 {
        let last = former.last.0.saturating_add_signed(former.offset);
        let elapsed = i64::try_from(arrived.since(former.arrived).as_nanos()).unwrap_or(i64::MAX);
        let by_arrival = self.ticks(elapsed);
        let by_reports = self.since_last_by_reports(former, source, timestamp);
        let most = self.ticks(MAX_DISAGREEMENT.as_nanos() as i64);
        let ticks = by_reports
            .filter(|ticks| ticks.saturating_sub(by_arrival).saturating_abs() <= most)
            .unwrap_or(by_arrival);
        // Later than what was: frames of one stream never go back in time.
        last.saturating_add(ticks.max(1).unsigned_abs())
    }

    /// Ticks from the former source's last packet to a packet of the new one, by both reports.
    fn since_last_by_reports(&self, former: &Current, to: u32, timestamp: u32) -> Option<i64> {
        let report = |source| {
            let report = self.reports.iter().flatten().find(|report| report.source == source)?;
            Some((report.ntp.0, report.rtp_time))
        };
        let offset = clock_offset(report(to)?, report(former.source)?, self.clock_rate);
        // Truncation is the point: differences of timestamps that wrap.
        let ahead = timestamp.wrapping_add(offset).wrapping_sub(former.last.0 as u32);
        Some(i64::from(ahead as i32))
    }

    fn ticks(&self, nanos: i64) -> i64 {
        let ticks = i128::from(nanos) * i128::from(self.clock_rate) / 1_000_000_000;
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }
}

/// The 64-bit time nearest to `reference` whose lower half is `timestamp`; never below zero.
fn extend(reference: RtpTime, timestamp: u32) -> RtpTime {
    let low = reference.0 as u32; // truncation is the point: the lower half
    let ahead = timestamp.wrapping_sub(low);
    RtpTime(if ahead < 1 << 31 {
        reference.0.saturating_add(u64::from(ahead))
    } else {
        reference.0.saturating_sub(u64::from(low.wrapping_sub(timestamp)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ntp(millis: u64) -> NtpTime {
        NtpTime(((3_970_000_000_000 + millis) << 32) / 1_000)
    }

    #[test]
    fn without_reports_a_new_source_goes_on_by_the_time_that_passed() {
        let mut line = Timeline::new(90_000);
        assert_eq!(line.place(1, 5_000, Mono::from_millis(100)), RtpTime(5_000));
        assert_eq!(line.place(2, 77, Mono::from_millis(150)), RtpTime(9_500));
        assert_eq!(line.place(2, 77 + 3_000, Mono::from_millis(183)), RtpTime(12_500));
        assert_eq!(line.place(1, 9, Mono::from_millis(183)), RtpTime(12_501), "never back");
    }

    #[test]
    fn with_reports_of_both_it_is_exact_whatever_the_network_did() {
        let mut line = Timeline::new(90_000);
        line.place(1, 1_000_000, Mono::from_millis(100));
        // At 10 s on the sender's clock the sources stood at these times.
        assert_eq!(line.report(1, ntp(10_000), 1_000_450), Some(RtpTime(1_000_450)));
        assert_eq!(line.report(2, ntp(10_000), 450), None, "not in use");
        // Captured 33 ms after the first one, arrived 200 ms after it: a key frame takes time.
        assert_eq!(line.place(2, 2_970, Mono::from_millis(300)), RtpTime(1_002_970));
        assert_eq!(line.report(2, ntp(10_100), 9_450), Some(RtpTime(1_009_450)));
    }

    #[test]
    fn a_clock_that_runs_back_does_not_wrap_the_line() {
        let mut line = Timeline::new(90_000);
        line.place(1, 1_000, Mono::ZERO);
        line.place(2, 4_000_000_000, Mono::from_millis(1));
        let back = line.place(2, 3_000_000_000, Mono::from_millis(2));
        assert_eq!(back, RtpTime(0));
        assert_eq!(line.place(3, 7, Mono::from_millis(3)), RtpTime(90));
    }

    #[test]
    fn an_absurd_report_does_not_move_the_line_far() {
        let mut line = Timeline::new(90_000);
        line.place(1, 0, Mono::ZERO);
        line.report(1, ntp(0), 0);
        line.report(2, NtpTime(u64::MAX), 7);
        assert_eq!(line.place(2, 7, Mono::from_millis(40)), RtpTime(3_600));
    }

    proptest! {
        #[test]
        fn a_new_source_never_lies_before_what_was(
            steps in prop::collection::vec((0u32..3, any::<u32>(), any::<u64>(), any::<u32>(), 0u64..5_000), 1..60)
        ) {
            let mut line = Timeline::new(90_000);
            let (mut now, mut last, mut source) = (Mono::from_millis(1), None, None);
            for (next, timestamp, ntp, rtp, wait) in steps {
                now += Duration::from_millis(wait);
                line.report(next, NtpTime(ntp), rtp);
                let at = line.place(next, timestamp, now);
                if source != Some(next) && let Some(last) = last {
                    prop_assert!(at > last);
                }
                (source, last) = (Some(next), Some(at));
            }
        }
    }
}
