//! Rewriting a publisher's RTP stream into one subscriber's stream.
//!
//! A subscriber sees one unbroken stream per slot, whatever happens upstream: when the publisher
//! reloads, sequence numbers go on where they were and timestamps go on by the time that passed.
//! Within one source, gaps and order are kept, so that loss stays visible to the subscriber.

use std::time::{Duration, Instant};

/// Identity of the source stream: changes whenever the publisher's RTP clocks restart.
pub(crate) type SourceId = u64;

/// Sequence and timestamp mapping of one outgoing stream.
#[derive(Debug)]
pub(crate) struct Rewriter {
    clock_rate: u32,
    source: Option<SourceId>,
    seq_offset: u16,
    ts_offset: u32,
    /// Highest sequence number sent, its timestamp, and when.
    last: Option<(u16, u32, Instant)>,
}

impl Rewriter {
    pub(crate) fn new(clock_rate: u32) -> Self {
        Self { clock_rate, source: None, seq_offset: 0, ts_offset: 0, last: None }
    }

    /// Outgoing sequence number and timestamp for a packet of `source`.
    pub(crate) fn rewrite(
        &mut self,
        now: Instant,
        source: SourceId,
        seq: u16,
        timestamp: u32,
    ) -> (u16, u32) {
        if self.source != Some(source) {
            self.switch(now, source, seq, timestamp);
        }
        let out = (seq.wrapping_sub(self.seq_offset), timestamp.wrapping_sub(self.ts_offset));
        if self.last.is_none_or(|(high, ..)| is_newer(out.0, high)) {
            self.last = Some((out.0, out.1, now));
        }
        out
    }

    fn switch(&mut self, now: Instant, source: SourceId, seq: u16, timestamp: u32) {
        self.source = Some(source);
        if let Some((last_seq, last_ts, at)) = self.last {
            let elapsed = ticks(now.saturating_duration_since(at), self.clock_rate).max(1);
            self.seq_offset = seq.wrapping_sub(last_seq.wrapping_add(1));
            self.ts_offset = timestamp.wrapping_sub(last_ts.wrapping_add(elapsed));
        }
    }
}

fn ticks(elapsed: Duration, clock_rate: u32) -> u32 {
    // Truncation is wanted: RTP time is modulo 2^32.
    (elapsed.as_micros().saturating_mul(u128::from(clock_rate)) / 1_000_000) as u32
}

/// Serial-number order of RFC 3550 section A.1.
pub(crate) fn is_newer(a: u16, b: u16) -> bool {
    a != b && a.wrapping_sub(b) < 0x8000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vbranch_domain::SystemClock;

    use super::*;

    fn start() -> Instant {
        SystemClock::start().instant(vbranch_domain::Mono::ZERO)
    }

    #[test]
    fn a_reload_goes_on_where_the_stream_was() {
        let (t0, mut r) = (start(), Rewriter::new(90_000));
        assert_eq!(r.rewrite(t0, 1, 65_535, 1_000), (65_535, 1_000));
        assert_eq!(r.rewrite(t0 + Duration::from_millis(33), 1, 0, 3_970), (0, 3_970));
        // The publisher comes back two seconds later with clocks of its own.
        let t1 = t0 + Duration::from_millis(2_033);
        assert_eq!(r.rewrite(t1, 2, 40_000, 77), (1, 3_970 + 180_000));
        assert_eq!(r.rewrite(t1, 2, 40_002, 3_077), (3, 3_970 + 183_000));
    }

    proptest! {
        #[test]
        fn within_one_source_distances_are_kept(
            first in any::<(u16, u32)>(), steps in prop::collection::vec((0u16..50, 0u32..9000), 1..50)
        ) {
            let (t, mut r) = (start(), Rewriter::new(48_000));
            r.rewrite(t, 9, 1, 1);
            let base = r.rewrite(t, 10, first.0, first.1);
            for (ds, dt) in steps {
                let out = r.rewrite(t, 10, first.0.wrapping_add(ds), first.1.wrapping_add(dt));
                prop_assert_eq!(out.0.wrapping_sub(base.0), ds);
                prop_assert_eq!(out.1.wrapping_sub(base.1), dt);
            }
        }
    }
}
