//! Whether a manifest agrees with itself, without a look at any object: its numbers run on, its
//! chain holds, and its ledger of gaps accounts for what its segments leave out.

use std::collections::{BTreeMap, BTreeSet};

use vbranch_domain::{
    MediaKind, ParticipantId,
    recording::{TrackName, TrackSource},
};

use crate::{
    hash::Sha256,
    manifest::{FORMAT, Gap, InitEntry, Manifest, SEALING, Sealed, State, Track},
    manifest::{chain_next, chain_start},
    seal::{MAX_PLAINTEXT, sealed_len},
    segment::TrackCodec,
};

/// A hole in a camera's media that need not be in the ledger. Shorter: the slack of the capture
/// (half a frame) and rounding look like undeclared loss; longer: a spoken word fits in.
const SLACK_US: u64 = 100_000;

/// Why a manifest contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not the format this program knows.
    #[error("format or sealing is not known")]
    Format,
    /// A participant is listed twice.
    #[error("participant {0} is listed twice")]
    Participant(ParticipantId),
    /// A track is listed twice, or its participant not at all.
    #[error("track {0} is listed twice or its participant is unknown")]
    Track(TrackName),
    /// Events are out of order, or one has no type.
    #[error("timeline is out of order or has an event without a type")]
    Timeline,
    /// A sender report that is not 64-bit hex.
    #[error("a sender report is not in 16 hex digits")]
    SenderReport,
    /// Lengths that no sealed object has.
    #[error("sealed object {0} cannot have these lengths")]
    Object(Sha256),
    /// An init section whose codecs do not go with the track.
    #[error("init section {0} has codecs that do not go with its track")]
    Codecs(Sha256),
    /// A segment's number is not the next one.
    #[error("segment {track}/{expected} is missing or out of order")]
    Sequence {
        /// Of which track.
        track: TrackName,
        /// The number that should be here.
        expected: u32,
    },
    /// The hash chain is broken.
    #[error("hash chain breaks at segment {track}/{sequence}")]
    Chain {
        /// Of which track.
        track: TrackName,
        /// Where.
        sequence: u32,
    },
    /// A segment needs an init section that is not listed.
    #[error("segment {track}/{sequence} needs an unknown init section")]
    Init {
        /// Of which track.
        track: TrackName,
        /// Which.
        sequence: u32,
    },
    /// A segment is longer than the policy allows.
    #[error("segment {track}/{sequence} is longer than the policy says")]
    Length {
        /// Of which track.
        track: TrackName,
        /// Which.
        sequence: u32,
    },
    /// Media are missing and the ledger does not say so.
    #[error("track {track} has nothing at {at_us} us and no gap says so")]
    Hole {
        /// Of which track.
        track: TrackName,
        /// Where the hole begins.
        at_us: u64,
    },
    /// A name is there twice.
    #[error("{0} is listed twice")]
    Twice(String),
    /// A lost segment without a gap, or a state that does not match the declared loss.
    #[error("loss is not declared as the state requires")]
    Loss,
}

impl Manifest {
    /// Checks that the manifest agrees with itself, without looking at any object.
    pub fn check(&self) -> Result<(), ManifestError> {
        if self.format != FORMAT || self.key.sealing != SEALING {
            return Err(ManifestError::Format);
        }
        if (self.state == State::Recovered) != self.loss.is_some() {
            return Err(ManifestError::Loss);
        }
        self.check_lists()?;
        let mut people = BTreeSet::new();
        if let Some(twice) = self.participants.iter().find(|p| !people.insert(p.id)) {
            return Err(ManifestError::Participant(twice.id));
        }
        let ledger = Ledger::new(&self.gaps);
        let mut seen = BTreeSet::new();
        for track in &self.tracks {
            if !people.contains(&track.participant) || !seen.insert(track.name()) {
                return Err(ManifestError::Track(track.name()));
            }
            check_inits(track)?;
            self.check_segments(track, &ledger)?;
            if track.source.is_camera() {
                check_holes(track, &ledger)?;
            }
        }
        Ok(())
    }

    /// What stands in no track.
    fn check_lists(&self) -> Result<(), ManifestError> {
        let in_order = self.timeline.is_sorted_by_key(|entry| entry.offset_us);
        let typed = |event: &serde_json::Value| event.get("type").is_some_and(|t| t.is_string());
        if !in_order || !self.timeline.iter().all(|entry| typed(&entry.event)) {
            return Err(ManifestError::Timeline);
        }
        let hex = |text: &str| {
            text.len() == 16 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !self.sender_reports.iter().all(|report| hex(&report.ntp) && hex(&report.rtp)) {
            return Err(ManifestError::SenderReport);
        }
        let mut names = BTreeSet::new();
        for artifact in &self.artifacts {
            check_lengths(&artifact.object)?;
            if !names.insert(&artifact.name) {
                return Err(ManifestError::Twice(artifact.name.to_string()));
            }
        }
        Ok(())
    }

    fn check_segments(&self, track: &Track, ledger: &Ledger) -> Result<(), ManifestError> {
        let name = track.name();
        let longest_us = self.policy.segment_ms.saturating_mul(1000);
        let inits: BTreeSet<_> = track.inits.iter().map(|init| init.object.plain_sha256).collect();
        let mut chain = chain_start(self.recording, name);
        for (expected, segment) in (0u32..).zip(&track.segments) {
            let sequence = segment.sequence;
            if sequence != expected {
                return Err(ManifestError::Sequence { track: name, expected });
            }
            if !segment.lost && !inits.contains(&segment.init) {
                return Err(ManifestError::Init { track: name, sequence });
            }
            let end_us = segment.start_us.saturating_add(segment.duration_us);
            if segment.lost && !ledger.has_one_over(name, segment.start_us, end_us) {
                return Err(ManifestError::Loss);
            }
            if segment.duration_us > longest_us {
                return Err(ManifestError::Length { track: name, sequence });
            }
            check_lengths(&segment.object)?;
            chain = chain_next(chain, sequence, &segment.object);
            if chain != segment.chain {
                return Err(ManifestError::Chain { track: name, sequence });
            }
        }
        Ok(())
    }
}

fn check_lengths(object: &Sealed) -> Result<(), ManifestError> {
    let possible = object.plain_len <= MAX_PLAINTEXT as u64
        && object.sealed_len == sealed_len(object.plain_len);
    if possible { Ok(()) } else { Err(ManifestError::Object(object.sealed_sha256)) }
}

fn check_inits(track: &Track) -> Result<(), ManifestError> {
    let mut names = BTreeSet::new();
    for init in &track.inits {
        let name = init.object.plain_sha256;
        if !names.insert(name) {
            return Err(ManifestError::Twice(format!("init {name}")));
        }
        check_lengths(&init.object)?;
        if !go_with(track.source, init) {
            return Err(ManifestError::Codecs(name));
        }
    }
    Ok(())
}

/// At most one codec of each kind the track can have, and at least one.
fn go_with(source: TrackSource, init: &InitEntry) -> bool {
    let mut kinds = BTreeSet::new();
    let fits = |codec: &TrackCodec| match codec.kind {
        MediaKind::Audio => codec.codec == "opus" && (codec.width, codec.height) == (0, 0),
        MediaKind::Video | MediaKind::Screen => {
            let known = codec.codec.strip_prefix("avc3.").or(codec.codec.strip_prefix("vp08."));
            known.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_graphic()))
        }
    };
    !init.codecs.is_empty()
        && init.codecs.iter().all(|codec| {
            TrackSource::of(codec.kind) == source && fits(codec) && kinds.insert(codec.kind)
        })
}

/// Between its first and its last segment, each moment of a camera is in a segment or in a gap.
/// A screen is shared on and off, which leaves holes that are nothing missing.
fn check_holes(track: &Track, ledger: &Ledger) -> Result<(), ManifestError> {
    match holes(track, ledger).first() {
        Some((at_us, _)) => Err(ManifestError::Hole { track: track.name(), at_us: *at_us }),
        None => Ok(()),
    }
}

/// Where a camera has neither a segment nor a gap: from when until when.
pub(crate) fn undeclared(track: &Track, gaps: &[Gap]) -> Vec<(u64, u64)> {
    holes(track, &Ledger::new(gaps))
}

fn holes(track: &Track, ledger: &Ledger) -> Vec<(u64, u64)> {
    let starts = track.segments.iter().map(|segment| segment.start_us);
    let (Some(first), Some(last)) = (starts.clone().min(), starts.max()) else { return vec![] };
    let of_segments =
        track.segments.iter().map(|s| (s.start_us, s.start_us.saturating_add(s.duration_us)));
    let mut spans: Vec<_> = of_segments.chain(ledger.spans(track.name())).collect();
    spans.sort_unstable();
    let (mut covered, mut holes) = (first, vec![]);
    for (start, end) in spans.into_iter().take_while(|(start, _)| *start <= last) {
        if start.saturating_sub(covered) > SLACK_US {
            holes.push((covered, start));
        }
        covered = covered.max(end);
    }
    holes
}

/// The gaps by track and kind, each list by start. A hostile manifest may have very many gaps and
/// lost segments, so that nobody goes through all of the one for each of the other.
struct Ledger(BTreeMap<(TrackName, MediaKind), Vec<Declared>>);

struct Declared {
    start_us: u64,
    end_us: u64,
    /// Latest end of this gap and those before.
    latest_us: u64,
}

impl Ledger {
    fn new(gaps: &[Gap]) -> Self {
        let mut lists: BTreeMap<_, Vec<Declared>> = BTreeMap::new();
        for gap in gaps {
            let (participant, source) = (gap.participant, TrackSource::of(gap.kind));
            let end_us = gap.start_us.saturating_add(gap.duration_us);
            lists
                .entry((TrackName { participant, source }, gap.kind))
                .or_default()
                .push(Declared { start_us: gap.start_us, end_us, latest_us: end_us });
        }
        for list in lists.values_mut() {
            list.sort_unstable_by_key(|gap| gap.start_us);
            let mut latest = 0;
            for gap in list {
                latest = latest.max(gap.end_us);
                gap.latest_us = latest;
            }
        }
        Self(lists)
    }

    fn of(&self, track: TrackName) -> impl Iterator<Item = &Vec<Declared>> {
        [MediaKind::Audio, MediaKind::Video, MediaKind::Screen]
            .into_iter()
            .filter_map(move |kind| self.0.get(&(track, kind)))
    }

    /// Whether a single gap of the track covers a span.
    fn has_one_over(&self, track: TrackName, start_us: u64, end_us: u64) -> bool {
        self.of(track).any(|gaps| {
            let begun = gaps.partition_point(|gap| gap.start_us <= start_us);
            let latest = begun.checked_sub(1).and_then(|last| gaps.get(last));
            latest.is_some_and(|gap| gap.latest_us >= end_us)
        })
    }

    fn spans(&self, track: TrackName) -> impl Iterator<Item = (u64, u64)> {
        self.of(track).flatten().map(|gap| (gap.start_us, gap.end_us))
    }
}
