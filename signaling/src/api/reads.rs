//! What of a recording has been read, by track: spans that touch are one.

use std::{collections::BTreeMap, fmt, ops::Range};

/// Spans of milliseconds from the recording's start, by the track's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reads {
    /// Per track: apart from each other and in order, start to end.
    spans: BTreeMap<String, BTreeMap<u64, u64>>,
}

/// Segments of a track touch within so much: sound and picture are not cut at one instant.
const TOUCHING_MS: u64 = 100;

impl Reads {
    /// Takes a span in. Says whether any of it was not there before.
    pub(super) fn add(&mut self, track: &str, span: Range<u64>) -> bool {
        let spans = self.spans.entry(track.to_owned()).or_default();
        let reaches = |(from, to): (&u64, &u64)| {
            to.saturating_add(TOUCHING_MS) >= span.start
                && *from <= span.end.saturating_add(TOUCHING_MS)
        };
        let before = spans.range(..=span.end.saturating_add(TOUCHING_MS));
        let touched: Vec<(u64, u64)> =
            before.filter(|entry| reaches(*entry)).map(|(from, to)| (*from, *to)).collect();
        if touched.iter().any(|(from, to)| *from <= span.start && *to >= span.end) {
            return false;
        }
        let from = touched.iter().map(|(from, _)| *from).min().unwrap_or(span.start);
        let to = touched.iter().map(|(_, to)| *to).max().unwrap_or(span.end);
        for (old, _) in touched {
            spans.remove(&old);
        }
        spans.insert(from.min(span.start), to.max(span.end));
        true
    }
}

/// `customer 00:00.0–01:20.5, 03:00.0–03:42.0; staff 00:00.0–01:21.0`.
impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (track, spans)) in self.spans.iter().enumerate() {
            write!(f, "{}{track}", if n == 0 { "" } else { "; " })?;
            for (n, (from, to)) in spans.iter().enumerate() {
                let comma = if n == 0 { " " } else { ", " };
                write!(f, "{comma}{}–{}", clock(*from), clock(*to))?;
            }
        }
        Ok(())
    }
}

/// `83:05.9`: minutes, seconds and tenths.
pub(super) fn clock(ms: u64) -> String {
    format!("{:02}:{:02}.{}", ms / 60_000, ms / 1_000 % 60, ms / 100 % 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_touches_is_one_and_what_does_not_is_not() {
        let mut reads = Reads::default();
        assert!(reads.add("customer", 0..2_000));
        assert!(reads.add("customer", 1_980..4_000));
        assert!(!reads.add("customer", 500..3_000));
        assert!(reads.add("customer", 180_000..182_000));
        assert!(reads.add("staff", 0..1_500));
        assert_eq!(
            reads.to_string(),
            "customer 00:00.0–00:04.0, 03:00.0–03:02.0; staff 00:00.0–00:01.5"
        );
        assert!(reads.add("customer", 3_900..181_000));
        assert_eq!(reads.spans["customer"], BTreeMap::from([(0, 182_000)]));
    }

    proptest! {
        #[test]
        fn every_moment_that_was_read_is_on_it(
            read in proptest::collection::vec((0u64..60_000, 1u64..5_000), 1..40),
        ) {
            let mut reads = Reads::default();
            for (from, ms) in &read {
                reads.add("customer", *from..from + ms);
            }
            let spans = &reads.spans["customer"];
            for (from, ms) in &read {
                prop_assert!(spans.iter().any(|(a, b)| a <= from && from + ms <= *b));
            }
            let apart = spans.iter().zip(spans.iter().skip(1));
            prop_assert!(apart.into_iter().all(|((_, end), (next, _))| end + TOUCHING_MS < *next));
        }
    }
}
