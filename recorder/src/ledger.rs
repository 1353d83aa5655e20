//! What is known of a recording, entry by entry. The running recorder and the recovery after a
//! crash fill the same ledger, so both write the same manifest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vbranch_domain::{
    MediaKind, ParticipantId, RecordingId, UnixMillis,
    recording::{RecordedParticipant, RecordingMeta, TrackName, TrackSource},
};

use crate::{
    agreement::undeclared,
    hash::Sha256,
    keys::WrappedKey,
    manifest::{
        ArtifactEntry, FORMAT, Gap, InitEntry, KeyRef, LogRef, Loss, Manifest, Policy, Report,
        SEALING, SegmentEntry, SkewEntry, State, TimelineEntry, Track, chain_next, chain_start,
    },
    segment::GapCause,
};

/// Gaps that are kept one by one, some two hours of a call with packets lost twice a second.
const EXACT_GAPS: usize = 20_000;
/// Gaps less than this apart are one beyond that.
const NEAR_US: u64 = 1_000_000;
/// How far back the gap before is looked for: several streams of every participant.
const RECENT_GAPS: usize = 64;

/// A screen whose last segment ended this long before a crash was not shared any more: while it
/// is, segments follow one another within [`crate::segment::MAX_SEGMENT`] and a little.
const SHARE_OVER_US: u64 = 5_000_000;

/// What a power cut may have taken of what was written: a second between two flushes, the time a
/// flush takes, and slack.
const POWER_CUT_US: u64 = 2_000_000;

/// One line of a recording's journal. No personal data, no key in clear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// The first line.
    Opened {
        /// What was opened.
        meta: RecordingMeta,
        /// Its data key, wrapped.
        key: WrappedKey,
        /// The rules.
        policy: Policy,
        /// The machine's start during which it was opened; empty where that is not known.
        #[serde(default)]
        boot: String,
    },
    /// Someone takes part.
    Participant(RecordedParticipant),
    /// Someone's media connection came up.
    Leg {
        /// Whose.
        participant: ParticipantId,
        /// When.
        at_us: u64,
    },
    /// An init section is about to be stored.
    Init {
        /// Of which track.
        #[serde(alias = "participant")]
        track: TrackName,
        /// As in the manifest.
        init: InitEntry,
    },
    /// A segment is about to be stored.
    Segment {
        /// Of which track.
        #[serde(alias = "participant")]
        track: TrackName,
        /// As in the manifest.
        segment: SegmentEntry,
    },
    /// Media is missing.
    Gap(Gap),
    /// A sender report.
    Report(Report),
    /// A measurement.
    Skew(SkewEntry),
    /// Something happened.
    Event(TimelineEntry),
    /// No store could take this segment; gaps say so too.
    Lost {
        /// Of which track.
        #[serde(alias = "participant")]
        track: TrackName,
        /// Its number.
        sequence: u32,
    },
    /// An artefact is about to be stored.
    Artifact(ArtifactEntry),
    /// Recording goes on.
    Heartbeat {
        /// When.
        at_us: u64,
    },
    /// The recording was closed in order; only sealing is left.
    Closed {
        /// Its length.
        duration_us: u64,
        /// Wall clock.
        at_ms: UnixMillis,
    },
}

/// The sum of a recording's entries.
#[derive(Debug, Clone)]
pub struct Ledger {
    meta: RecordingMeta,
    key: WrappedKey,
    policy: Policy,
    boot: String,
    tracks: BTreeMap<TrackName, Track>,
    legs: BTreeMap<ParticipantId, u64>,
    artifacts: Vec<ArtifactEntry>,
    timeline: Vec<TimelineEntry>,
    gaps: Vec<Gap>,
    reports: Vec<Report>,
    skews: Vec<SkewEntry>,
    last_heartbeat_us: u64,
    closed: Option<(u64, UnixMillis)>,
}

impl Ledger {
    /// A ledger with its first entry.
    #[must_use]
    pub const fn new(meta: RecordingMeta, key: WrappedKey, policy: Policy, boot: String) -> Self {
        Self {
            meta,
            key,
            policy,
            boot,
            tracks: BTreeMap::new(),
            legs: BTreeMap::new(),
            artifacts: Vec::new(),
            timeline: Vec::new(),
            gaps: Vec::new(),
            reports: Vec::new(),
            skews: Vec::new(),
            last_heartbeat_us: 0,
            closed: None,
        }
    }

    /// The ledger of a journal; `None` where it does not begin as one.
    #[must_use]
    pub fn replay(entries: Vec<Entry>) -> Option<Self> {
        let mut entries = entries.into_iter();
        let Some(Entry::Opened { meta, key, policy, boot }) = entries.next() else { return None };
        let mut ledger = Self::new(meta, key, policy, boot);
        entries.for_each(|entry| ledger.apply(entry));
        Some(ledger)
    }

    /// Entries that give this ledger, for a journal that is written anew.
    pub fn entries(&self) -> Vec<Entry> {
        let (meta, key) = (self.meta.clone(), self.key.clone());
        let opened =
            Entry::Opened { meta, key, policy: self.policy.clone(), boot: self.boot.clone() };
        let leg = |(participant, at_us): (&_, &_)| Entry::Leg {
            participant: *participant,
            at_us: *at_us,
        };
        let mut entries = vec![opened];
        entries.extend(self.legs.iter().map(leg));
        for track in self.tracks.values() {
            let name = track.name();
            let init = |init: &InitEntry| Entry::Init { track: name, init: init.clone() };
            entries.extend(track.inits.iter().map(init));
            let segment = |segment: &SegmentEntry| {
                let segment = segment.clone();
                Entry::Segment { track: name, segment }
            };
            entries.extend(track.segments.iter().map(segment));
        }
        entries.extend(self.gaps.iter().copied().map(Entry::Gap));
        entries.extend(self.reports.iter().cloned().map(Entry::Report));
        entries.extend(self.skews.iter().copied().map(Entry::Skew));
        entries.extend(self.timeline.iter().cloned().map(Entry::Event));
        entries.extend(self.artifacts.iter().cloned().map(Entry::Artifact));
        entries.push(Entry::Heartbeat { at_us: self.last_heartbeat_us });
        let closed = |(duration_us, at_ms)| Entry::Closed { duration_us, at_ms };
        entries.extend(self.closed.map(closed));
        entries
    }

    /// Adds one entry.
    pub fn apply(&mut self, entry: Entry) {
        match entry {
            // Only ever the first line, which `new` took.
            Entry::Opened { .. } => {}
            Entry::Participant(participant) => self.add_participant(participant),
            Entry::Leg { participant, at_us } => {
                self.legs.entry(participant).or_insert(at_us);
            }
            Entry::Init { track, init } => self.track_mut(track).inits.push(init),
            Entry::Segment { track, segment } => {
                self.track_mut(track).segments.push(segment);
            }
            Entry::Lost { track, sequence } => {
                if let Some(segment) = self.segment_mut(track, sequence) {
                    segment.lost = true;
                }
            }
            Entry::Gap(gap) => self.add_gap(gap),
            Entry::Report(report) => self.reports.push(report),
            Entry::Skew(skew) => self.skews.push(skew),
            Entry::Event(event) => self.timeline.push(event),
            Entry::Artifact(artifact) => self.artifacts.push(artifact),
            Entry::Heartbeat { at_us } => self.last_heartbeat_us = at_us,
            Entry::Closed { duration_us, at_ms } => self.closed = Some((duration_us, at_ms)),
        }
    }

    /// Adds a gap. Beyond [`EXACT_GAPS`], one that follows another of its kind closely is added to
    /// that: too much is declared missing then, never too little.
    fn add_gap(&mut self, gap: Gap) {
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

    fn add_participant(&mut self, participant: RecordedParticipant) {
        match self.meta.participants.iter_mut().find(|p| p.id == participant.id) {
            Some(known) => *known = participant,
            None => self.meta.participants.push(participant),
        }
    }

    fn track_mut(&mut self, name: TrackName) -> &mut Track {
        self.tracks.entry(name).or_insert_with(|| Track {
            participant: name.participant,
            source: name.source,
            inits: Vec::new(),
            segments: Vec::new(),
        })
    }

    fn segment_mut(&mut self, track: TrackName, sequence: u32) -> Option<&mut SegmentEntry> {
        let segments = &mut self.tracks.get_mut(&track)?.segments;
        segments.iter_mut().rev().find(|segment| segment.sequence == sequence)
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

    /// Keeps only artefacts whose object is there; the others were never acknowledged.
    pub fn retain_artifacts(&mut self, is_there: impl Fn(&ArtifactEntry) -> bool) {
        self.artifacts.retain(is_there);
    }

    /// Keeps only init sections whose object is there.
    pub fn retain_inits(&mut self, is_there: impl Fn(TrackName, &InitEntry) -> bool) {
        for track in self.tracks.values_mut() {
            let name = track.name();
            track.inits.retain(|init| is_there(name, init));
        }
    }

    /// The recording.
    #[must_use]
    pub const fn recording(&self) -> RecordingId {
        self.meta.recording
    }

    /// What it was opened with, with everyone who joined since.
    #[must_use]
    pub const fn meta(&self) -> &RecordingMeta {
        &self.meta
    }

    /// Its wrapped data key.
    #[must_use]
    pub const fn key(&self) -> &WrappedKey {
        &self.key
    }

    /// Everyone's media so far.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.tracks.values()
    }

    /// The artefacts so far.
    #[must_use]
    pub fn artifacts(&self) -> &[ArtifactEntry] {
        &self.artifacts
    }

    /// The chain after a track's last segment.
    #[must_use]
    pub fn chain(&self, track: TrackName) -> Sha256 {
        self.tracks
            .get(&track)
            .and_then(|track| track.segments.last())
            .map_or_else(|| chain_start(self.recording(), track), |last| last.chain)
    }

    /// A sign of life that the journal does not have.
    pub fn note_alive(&mut self, at_us: u64) {
        self.last_heartbeat_us = self.last_heartbeat_us.max(at_us);
    }

    /// A segment as it is listed.
    #[must_use]
    pub fn segment(&self, track: TrackName, sequence: u32) -> Option<&SegmentEntry> {
        let segments = &self.tracks.get(&track)?.segments;
        segments.iter().find(|segment| segment.sequence == sequence)
    }

    /// Where a track's media end, or its connection began.
    #[must_use]
    pub fn end(&self, track: TrackName) -> Option<u64> {
        let segments = self.tracks.get(&track).map(|track| track.segments.as_slice());
        let end = |segment: &SegmentEntry| segment.start_us.saturating_add(segment.duration_us);
        let leg = self.legs.get(&track.participant).filter(|_| track.source.is_camera());
        segments.unwrap_or_default().iter().map(end).max().or(leg.copied())
    }

    /// The number of a track's next segment.
    #[must_use]
    pub fn next_sequence(&self, track: TrackName) -> u32 {
        let last = self.tracks.get(&track).and_then(|track| track.segments.last());
        last.map_or(0, |last| last.sequence.saturating_add(1))
    }

    /// Puts a segment that was sealed again in the place of what is listed under its number, or
    /// behind the last one; the chain is made anew from there on.
    pub fn put_segment(&mut self, track: TrackName, segment: SegmentEntry) {
        let start = chain_start(self.meta.recording, track);
        let segments = &mut self.track_mut(track).segments;
        match segments.iter_mut().find(|known| known.sequence == segment.sequence) {
            Some(known) => *known = segment,
            None => segments.push(segment),
        }
        let mut chain = start;
        for segment in segments {
            chain = chain_next(chain, segment.sequence, &segment.object);
            segment.chain = chain;
        }
    }

    /// Declares a gap.
    pub fn declare(&mut self, gap: Gap) {
        self.add_gap(gap);
    }

    /// Whether it was closed in order.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

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

    fn last_media_us(&self) -> u64 {
        let ends = self.tracks.values().filter_map(|track| track.segments.last());
        ends.map(|s| s.start_us.saturating_add(s.duration_us)).max().unwrap_or_default()
    }

    /// The manifest of what is known. `loss` as declared, or `None` for a recording closed in
    /// order; `now` stands for the time of closing where a crash took it away.
    #[must_use]
    pub fn manifest(mut self, loss: Option<Loss>, now: UnixMillis, log: LogRef) -> Manifest {
        let (duration_us, closed_ms) = match (loss, self.closed) {
            (None, Some(closed)) => closed,
            (Some(loss), _) => (loss.crashed_before_us, now),
            (None, None) => (self.last_media_us().max(self.last_heartbeat_us), now),
        };
        // Media of someone nobody announced is evidence all the same.
        let unknown: Vec<_> = self.tracks.keys().map(|track| track.participant).collect();
        for id in unknown {
            if self.meta.participants.iter().all(|p| p.id != id) {
                self.add_participant(RecordedParticipant { id, role: "unknown".to_owned() });
            }
        }
        self.timeline.sort_by_key(|event| event.offset_us);
        self.declare_holes(if loss.is_some() { GapCause::Crash } else { GapCause::Overflow });
        self.gaps.sort_by_key(|gap| (gap.start_us, gap.participant, gap.kind));
        Manifest {
            format: FORMAT.to_owned(),
            recording: self.meta.recording,
            visit: self.meta.visit,
            call: self.meta.call,
            journey: self.meta.journey,
            state: if loss.is_some() { State::Recovered } else { State::Sealed },
            started_ms: self.meta.started,
            closed_ms,
            duration_us,
            participants: self.meta.participants,
            key: KeyRef { id: self.key.id(), kek: self.key.kek, sealing: SEALING.to_owned() },
            policy: self.policy,
            tracks: self.tracks.into_values().collect(),
            artifacts: self.artifacts,
            timeline: self.timeline,
            gaps: self.gaps,
            sender_reports: self.reports,
            skews: self.skews,
            loss,
            log,
        }
    }
}

impl Ledger {
    /// What is in no segment and in no gap is missing all the same. A crash can lose a gap's line in
    /// the journal while media behind it are kept; any other hole is a mistake of ours.
    fn declare_holes(&mut self, cause: GapCause) {
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
fn kinds(track: &Track) -> Vec<MediaKind> {
    match track.inits.last() {
        Some(init) => init.codecs.iter().map(|codec| codec.kind).collect(),
        None => all_kinds(track.source).to_vec(),
    }
}

/// The streams a track can have.
const fn all_kinds(source: TrackSource) -> &'static [MediaKind] {
    match source {
        TrackSource::Camera => &[MediaKind::Audio, MediaKind::Video],
        TrackSource::Screen => &[MediaKind::Screen],
    }
}

#[cfg(test)]
mod tests {
    use vbranch_domain::{CallId, VisitId};

    use super::*;
    use crate::manifest::Sealed;

    fn ledger() -> Ledger {
        let meta = RecordingMeta {
            recording: RecordingId::random(),
            visit: VisitId::random(),
            call: CallId::random(),
            started: UnixMillis(1),
            journey: "demo-loan@1".to_owned(),
            participants: Vec::new(),
        };
        let key =
            WrappedKey { recording: meta.recording, kek: String::new(), wrapped: String::new() };
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

    #[test]
    fn a_journal_from_before_there_were_screens_reads_as_cameras() {
        let participant = ParticipantId::random();
        let line = format!(r#"{{"entry":"lost","participant":"{participant}","sequence":7}}"#);
        let entry: Entry = serde_json::from_str(&line).unwrap();
        assert_eq!(entry, Entry::Lost { track: TrackName::camera(participant), sequence: 7 });
    }
}
