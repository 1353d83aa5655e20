//! What a crash cost, declared from the ledger's side.

use std::collections::BTreeMap;

use vbranch_domain::{
    MediaKind,
    recording::{TrackName, TrackSource},
};

use super::{
    Ledger,
    gaps::{all_kinds, kinds},
};
use crate::{
    manifest::{Gap, Loss, SegmentEntry},
    segment::GapCause,
};

/// A screen whose last segment ended this long before a crash was not shared any more: while it
/// is, segments follow one another within [`crate::segment::MAX_SEGMENT`] and a little.
const SHARE_OVER_US: u64 = 5_000_000;

/// What a power cut may have taken of what was written: a second between two flushes, the time a
/// flush takes, and slack.
const POWER_CUT_US: u64 = 2_000_000;

impl Ledger {
    /// Declares what a crash cost: every object `is_there` does not find is lost, and every
    /// stream has a gap from the last media to the moment by which the next sign of life was due.
    /// `ends` are the ends of streams that are known more exactly than their last segment's; after
    /// a power cut on the machine whose start is not `boot` any more, what was written last may be
    /// gone. Returns the loss for the manifest.
    pub fn declare_crash(
        &mut self,
        is_there: impl Fn(TrackName, &SegmentEntry) -> bool,
        ends: &BTreeMap<(TrackName, MediaKind), u64>,
        boot: &str,
    ) -> Loss {
        let heartbeat = self.last_media_us().max(self.last_heartbeat_us);
        let killed = !boot.is_empty() && self.boot == boot;
        let silence = self.policy.heartbeat_ms.saturating_mul(1000);
        let next = heartbeat.saturating_add(if killed { silence } else { POWER_CUT_US });
        // A recording that was closed has an end; the crash only took objects.
        let closed = self.closed.map(|(duration_us, _)| duration_us);
        let crashed_before_us = closed.unwrap_or(next);
        let mut gaps = Vec::new();
        for track in self.tracks.values_mut() {
            let (participant, name) = (track.participant, track.name());
            let known = kinds(track);
            let mut declare = |kind, start_us: u64, end_us: u64| {
                let duration_us = end_us.saturating_sub(start_us);
                if duration_us > 0 {
                    let cause = GapCause::Crash;
                    gaps.push(Gap { participant, kind, start_us, duration_us, cause });
                }
            };
            let began = self.legs.get(&participant).copied().unwrap_or_default();
            let mut end = began;
            for segment in &mut track.segments {
                let declared = segment.lost;
                segment.lost |= !is_there(name, segment);
                let until = segment.start_us.saturating_add(segment.duration_us);
                if segment.lost && !declared {
                    known.iter().for_each(|kind| declare(*kind, segment.start_us, until));
                }
                end = end.max(until);
            }
            // A screen that was no longer shared is not missed.
            let is_over = !name.source.is_camera() && heartbeat.saturating_sub(end) > SHARE_OVER_US;
            if closed.is_some() || is_over {
                continue;
            }
            // A camera or microphone that had just come up may be in no init section yet.
            let first = if track.segments.len() > 1 { end } else { began };
            for kind in all_kinds(name.source) {
                let other = if known.contains(kind) { end } else { first };
                let start_us = ends.get(&(name, *kind)).copied().unwrap_or(other);
                declare(*kind, start_us, crashed_before_us);
            }
        }
        for (&participant, &start_us) in &self.legs {
            if closed.is_some() || self.tracks.contains_key(&TrackName::camera(participant)) {
                continue;
            }
            for &kind in all_kinds(TrackSource::Camera) {
                let duration_us = crashed_before_us.saturating_sub(start_us);
                let cause = GapCause::Crash;
                gaps.push(Gap { participant, kind, start_us, duration_us, cause });
            }
        }
        self.gaps.append(&mut gaps);
        Loss { last_heartbeat_us: self.last_heartbeat_us, crashed_before_us }
    }
}
