//! What is known of a recording, entry by entry. The running recorder and the recovery after a
//! crash fill the same ledger, so both write the same manifest.

mod crash;
mod gaps;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vbranch_domain::{
    ParticipantId, RecordingId, UnixMillis,
    recording::{RecordedParticipant, RecordingMeta, TrackName},
};

use crate::{
    hash::Sha256,
    keys::WrappedKey,
    manifest::{
        ArtifactEntry, FORMAT, Gap, InitEntry, KeyRef, LogRef, Loss, Manifest, Policy, Report,
        SEALING, SegmentEntry, SkewEntry, State, TimelineEntry, Track, chain_next, chain_start,
    },
    segment::GapCause,
};

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
            key: KeyRef { id: self.key.id, kek: self.key.kek, sealing: SEALING.to_owned() },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_from_before_there_were_screens_reads_as_cameras() {
        let participant = ParticipantId::random();
        let line = format!(r#"{{"entry":"lost","participant":"{participant}","sequence":7}}"#);
        let entry: Entry = serde_json::from_str(&line).unwrap();
        assert_eq!(entry, Entry::Lost { track: TrackName::camera(participant), sequence: 7 });
    }
}
