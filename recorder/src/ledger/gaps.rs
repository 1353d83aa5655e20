//! The gap ledger: what is missing, declared once and never too little of it.

use vbranch_domain::{
    MediaKind,
    recording::{TrackName, TrackSource},
};

use super::Ledger;
use crate::{
    agreement::undeclared,
    manifest::{Gap, Track},
    segment::GapCause,
};

/// Gaps that are kept one by one, some two hours of a call with packets lost twice a second.
const EXACT_GAPS: usize = 20_000;
/// Gaps less than this apart are one beyond that.
const NEAR_US: u64 = 1_000_000;
/// How far back the gap before is looked for: several streams of every participant.
const RECENT_GAPS: usize = 64;

impl Ledger {
    /// Adds a gap. Beyond [`EXACT_GAPS`], one that follows another of its kind closely is added to
    /// that: too much is declared missing then, never too little.
    pub(super) fn add_gap(&mut self, gap: Gap) {
        if self.gaps.len() >= EXACT_GAPS {
            let end = |gap: &Gap| gap.start_us.saturating_add(gap.duration_us);
            let same = |before: &&mut Gap| {
                (before.participant, before.kind, before.cause)
                    == (gap.participant, gap.kind, gap.cause)
            };
            let before = self.gaps.iter_mut().rev().take(RECENT_GAPS).find(same);
            if let Some(before) = before
                && gap.start_us >= before.start_us
                && gap.start_us <= end(before).saturating_add(NEAR_US)
            {
                before.duration_us = end(&gap).max(end(before)) - before.start_us;
                return;
            }
        }
        self.gaps.push(gap);
    }

    /// The gaps to declare for a segment that could not be kept.
    pub fn lose(&mut self, track: TrackName, sequence: u32) -> Option<Vec<Gap>> {
        let kinds = kinds(self.tracks.get(&track)?);
        let segment = self.segment_mut(track, sequence)?;
        let (start_us, duration_us) = (segment.start_us, segment.duration_us);
        let participant = track.participant;
        let gap =
            |kind| Gap { participant, kind, start_us, duration_us, cause: GapCause::Overflow };
        Some(kinds.into_iter().map(gap).collect())
    }

    /// What is in no segment and in no gap is missing all the same. A crash can lose a gap's line in
    /// the journal while media behind it are kept; any other hole is a mistake of ours.
    pub(super) fn declare_holes(&mut self, cause: GapCause) {
        for track in self.tracks.values().filter(|track| track.source == TrackSource::Camera) {
            for (start_us, end_us) in undeclared(track, &self.gaps) {
                tracing::error!(track = %track.name(), start_us, end_us, "a hole nobody declared");
                self.gaps.extend(all_kinds(track.source).iter().map(|kind| Gap {
                    participant: track.participant,
                    kind: *kind,
                    start_us,
                    duration_us: end_us - start_us,
                    cause,
                }));
            }
        }
    }
}

/// The streams a track's last init section names; all it can have where there is none.
pub(super) fn kinds(track: &Track) -> Vec<MediaKind> {
    match track.inits.last() {
        Some(init) => init.codecs.iter().map(|codec| codec.kind).collect(),
        None => all_kinds(track.source).to_vec(),
    }
}

/// The streams a track can have.
pub(super) const fn all_kinds(source: TrackSource) -> &'static [MediaKind] {
    match source {
        TrackSource::Camera => &[MediaKind::Audio, MediaKind::Video],
        TrackSource::Screen => &[MediaKind::Screen],
    }
}

#[cfg(test)]
mod tests {
    use vbranch_domain::{
        CallId, ParticipantId, RecordingId, UnixMillis, VisitId, recording::RecordingMeta,
    };

    use super::*;
    use crate::{
        hash::Sha256,
        keys::WrappedKey,
        ledger::Entry,
        manifest::{LogRef, Loss, Policy, Sealed, SegmentEntry},
    };

    fn ledger() -> Ledger {
        let meta = RecordingMeta {
            recording: RecordingId::random(),
            visit: VisitId::random(),
            call: CallId::random(),
            started: UnixMillis(1),
            journey: "demo-loan@1".to_owned(),
            participants: Vec::new(),
        };
        let key = WrappedKey {
            id: Sha256::of(b""),
            recording: meta.recording,
            kek: String::new(),
            wrapped: String::new(),
            escrow: Vec::new(),
        };
        let policy = Policy { stores_required: 2, segment_ms: 2000, heartbeat_ms: 1000 };
        Ledger::new(meta, key, policy, String::new())
    }

    #[test]
    fn a_hole_whose_gap_a_crash_swallowed_is_declared() {
        let mut ledger = ledger();
        let track = TrackName::camera(ParticipantId::random());
        let digest = Sha256::of(b"");
        let object =
            Sealed { sealed_len: 1, sealed_sha256: digest, plain_len: 1, plain_sha256: digest };
        for (sequence, start_us) in [(0, 0), (1, 2_000_000), (2, 60_000_000)] {
            let segment = SegmentEntry {
                sequence,
                init: digest,
                start_us,
                duration_us: 2_000_000,
                keyframe: true,
                object,
                chain: digest,
                lost: false,
            };
            ledger.apply(Entry::Segment { track, segment });
        }
        let loss = Loss { last_heartbeat_us: 61_000_000, crashed_before_us: 62_000_000 };
        let log = LogRef { origin: String::new(), previous_checkpoint: None };
        let manifest = ledger.manifest(Some(loss), UnixMillis(100_000), log);
        let gaps: Vec<_> = manifest
            .gaps
            .iter()
            .map(|gap| (gap.kind, gap.start_us, gap.duration_us, gap.cause))
            .collect();
        let missing = |kind| (kind, 4_000_000, 56_000_000, GapCause::Crash);
        assert_eq!(gaps, [missing(MediaKind::Audio), missing(MediaKind::Video)]);
    }

    #[test]
    fn a_flood_of_gaps_is_declared_in_a_few() {
        let mut ledger = ledger();
        let participant = ParticipantId::random();
        let gap = |n: u64, kind| {
            let (start_us, duration_us) = (n * 500_000, 20_000);
            Gap { participant, kind, start_us, duration_us, cause: GapCause::Loss }
        };
        let flood = 2 * EXACT_GAPS as u64;
        for n in 0..flood {
            ledger.apply(Entry::Gap(gap(n, MediaKind::Audio)));
            ledger.apply(Entry::Gap(gap(n, MediaKind::Video)));
        }
        assert_eq!(ledger.gaps.len(), EXACT_GAPS);
        for n in 0..flood {
            let wanted = gap(n, MediaKind::Video);
            let end = wanted.start_us + wanted.duration_us;
            let is_declared = |g: &&Gap| {
                g.kind == wanted.kind
                    && g.start_us <= wanted.start_us
                    && g.start_us + g.duration_us >= end
            };
            // The last ones cover all that was merged; looking at some is enough.
            if n % 997 == 0 {
                assert!(ledger.gaps.iter().any(|g| is_declared(&g)), "{n}");
            }
        }
    }
}
