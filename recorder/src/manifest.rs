//! The manifest: everything a recording consists of, in one canonical, signed document.
//!
//! The field-by-field description for outsiders is `docs/recording-format.md`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vbranch_domain::{
    CallId, Leg, MediaKind, ParticipantId, RecordingId, UnixMillis, VisitId,
    recording::{RecordedParticipant, TrackName, TrackSource},
};

use crate::{
    hash::Sha256,
    segment::{GapCause, GapEntry, ReportPair, Skew, TrackCodec},
    store::ArtifactName,
};

/// Name and version of the format.
pub const FORMAT: &str = "vbranch-recording/2";
/// How objects are sealed.
pub const SEALING: &str = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM";
/// The largest manifest read. One of 32 MiB describes about three days of a two-party call, and
/// takes some 200 MB of memory to check.
pub const MAX_MANIFEST: u64 = 32 * 1024 * 1024;

/// A signed manifest. All `_us` fields are microseconds from the start of the recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// This recording.
    pub recording: RecordingId,
    /// The visit it belongs to.
    pub visit: VisitId,
    /// The call it records.
    pub call: CallId,
    /// The journey and its version.
    pub journey: String,
    /// Closed in order, or sealed after a crash.
    pub state: State,
    /// Wall clock at the start of the recording.
    pub started_ms: UnixMillis,
    /// Wall clock when it was closed; against `duration_us` it shows clock steps.
    pub closed_ms: UnixMillis,
    /// Length on the monotonic clock.
    pub duration_us: u64,
    /// Who took part.
    pub participants: Vec<RecordedParticipant>,
    /// The data key, by reference.
    pub key: KeyRef,
    /// The rules it was recorded under.
    pub policy: Policy,
    /// One entry per camera (with its microphone) and shared screen that sent media.
    pub tracks: Vec<Track>,
    /// Stills, signatures and other sealed objects that are not media.
    pub artifacts: Vec<ArtifactEntry>,
    /// Consents, checks, journey steps and alarms.
    pub timeline: Vec<TimelineEntry>,
    /// Everything that is missing.
    pub gaps: Vec<Gap>,
    /// Raw RTCP sender reports.
    pub sender_reports: Vec<Report>,
    /// Sound against picture, as measured.
    pub skews: Vec<SkewEntry>,
    /// What a crash cost; only in state `recovered`.
    pub loss: Option<Loss>,
    /// The evidence log it was entered into.
    pub log: LogRef,
}

/// How the recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Closed in order.
    Sealed,
    /// Sealed after a crash, with the loss declared.
    Recovered,
}

impl State {
    /// The word used in manifests and over the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Recovered => "recovered",
        }
    }
}

/// The data key, by reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRef {
    /// The data key's name, derived from it: [`crate::keys::DataKey::id`].
    pub id: Sha256,
    /// The key-encryption key that wrapped it first.
    pub kek: String,
    /// [`SEALING`].
    pub sealing: String,
}

/// The rules a recording was made under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Stores that had to acknowledge the first segment before business began.
    pub stores_required: u8,
    /// Longest segment.
    pub segment_ms: u64,
    /// How often a heartbeat says that recording goes on; bounds what a crash can hide.
    pub heartbeat_ms: u64,
}

/// A sealed object: what lies in the stores, and what is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Length of the sealed object.
    pub sealed_len: u64,
    /// SHA-256 of the sealed object.
    pub sealed_sha256: Sha256,
    /// Length of the plaintext.
    pub plain_len: u64,
    /// SHA-256 of the plaintext.
    pub plain_sha256: Sha256,
}

/// One participant's camera and microphone, or screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// Whose.
    pub participant: ParticipantId,
    /// Which of theirs; left out for camera and microphone.
    #[serde(default, skip_serializing_if = "TrackSource::is_camera")]
    pub source: TrackSource,
    /// Decoder set-ups, in order of first use.
    pub inits: Vec<InitEntry>,
    /// Segments, numbered from 0 without holes.
    pub segments: Vec<SegmentEntry>,
}

impl Track {
    /// What paths and contexts call it.
    #[must_use]
    pub const fn name(&self) -> TrackName {
        TrackName { participant: self.participant, source: self.source }
    }
}

/// One init section. Its name is the hash of its plaintext.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitEntry {
    /// What is inside.
    pub codecs: Vec<TrackCodec>,
    /// The sealed object.
    pub object: Sealed,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentEntry {
    /// Its number.
    pub sequence: u32,
    /// The init section it needs.
    pub init: Sha256,
    /// Offset of the earliest sample. Sound and picture are not cut at one instant, and media that
    /// came late are kept, so a segment may begin before the one in front of it ends or begins.
    pub start_us: u64,
    /// Length.
    pub duration_us: u64,
    /// Whether a decoder can start here.
    pub keyframe: bool,
    /// The sealed object.
    pub object: Sealed,
    /// The chain up to and with this segment, see [`chain_next`].
    pub chain: Sha256,
    /// Its object did not survive a crash; the ledger has the gap.
    pub lost: bool,
}

/// One artefact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactEntry {
    /// Its name.
    pub name: ArtifactName,
    /// The sealed object.
    pub object: Sealed,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineEntry {
    /// When; negative for what happened before the recording began (consents, checks).
    pub offset_us: i64,
    /// `{"type": ..., ...}`. Kept as a value, so that an old verifier reads newer events.
    pub event: Value,
}

/// A line of the gap ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Whose media.
    pub participant: ParticipantId,
    /// Sound or picture.
    pub kind: MediaKind,
    /// Where it begins.
    pub start_us: u64,
    /// How long it is.
    pub duration_us: u64,
    /// Why.
    pub cause: GapCause,
}

impl From<&GapEntry> for Gap {
    fn from(gap: &GapEntry) -> Self {
        Self {
            participant: gap.participant,
            kind: gap.kind,
            start_us: micros(gap.start),
            duration_us: micros(gap.duration),
            cause: gap.cause,
        }
    }
}

/// A raw sender report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Whose stream.
    pub participant: ParticipantId,
    /// Sound or picture.
    pub kind: MediaKind,
    /// Which connection.
    pub leg: Leg,
    /// The sender's clock: 64-bit NTP time stamp as 16 hex digits.
    pub ntp: String,
    /// The same instant on the extended RTP clock, as 16 hex digits.
    pub rtp: String,
    /// When it arrived.
    pub arrived_us: u64,
}

impl From<&ReportPair> for Report {
    fn from(pair: &ReportPair) -> Self {
        Self {
            participant: pair.track.participant,
            kind: pair.track.kind,
            leg: pair.leg,
            ntp: format!("{:016x}", pair.ntp.0),
            rtp: format!("{:016x}", pair.rtp_time.0),
            arrived_us: micros(pair.arrived),
        }
    }
}

/// A measurement of sound against picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkewEntry {
    /// Whose.
    pub participant: ParticipantId,
    /// Where.
    pub at_us: u64,
    /// By how much the sound is late.
    pub skew_us: i64,
}

impl From<&Skew> for SkewEntry {
    fn from(skew: &Skew) -> Self {
        Self { participant: skew.participant, at_us: micros(skew.at), skew_us: skew.micros }
    }
}

/// What a crash cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// The last sign of life before the crash.
    pub last_heartbeat_us: u64,
    /// The crash came before this: the next heartbeat is not there.
    pub crashed_before_us: u64,
}

/// The evidence log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRef {
    /// The log's name.
    pub origin: String,
    /// Its last checkpoint before this manifest, if it had one.
    pub previous_checkpoint: Option<String>,
}

/// A duration in the manifest's unit.
#[must_use]
pub fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).min(crate::canonical::MAX_INTEGER)
}

/// Where a track's chain starts.
#[must_use]
pub fn chain_start(recording: RecordingId, track: TrackName) -> Sha256 {
    Sha256::of(format!("vbranch/v1/chain|{recording}|{track}").as_bytes())
}

/// The chain's next link: SHA-256 of the previous link, the number (32 bits, big endian), the
/// hash of the sealed object and the hash of the plaintext.
#[must_use]
pub fn chain_next(previous: Sha256, sequence: u32, object: &Sealed) -> Sha256 {
    Sha256::of_parts(&[
        &previous.0,
        &sequence.to_be_bytes(),
        &object.sealed_sha256.0,
        &object.plain_sha256.0,
    ])
}

/// What a segment is sealed for.
#[must_use]
pub fn segment_context(
    recording: RecordingId,
    track: TrackName,
    sequence: u32,
    init: Sha256,
) -> Vec<u8> {
    format!("vbranch/v1/segment|{recording}|{track}|{sequence}|{init}").into_bytes()
}

/// What an init section is sealed for.
#[must_use]
pub fn init_context(recording: RecordingId, track: TrackName, hash: Sha256) -> Vec<u8> {
    format!("vbranch/v1/init|{recording}|{track}|{hash}").into_bytes()
}

/// What an artefact is sealed for.
#[must_use]
pub fn artifact_context(recording: RecordingId, name: &ArtifactName) -> Vec<u8> {
    format!("vbranch/v1/artifact|{recording}|{name}").into_bytes()
}

impl Manifest {
    /// How much media is missing in all: the sum of the ledger.
    #[must_use]
    pub fn gap_us(&self) -> u64 {
        self.gaps.iter().fold(0, |sum, gap| sum.saturating_add(gap.duration_us))
    }

    /// The role of a participant.
    #[must_use]
    pub fn role(&self, participant: ParticipantId) -> Option<&str> {
        self.participants.iter().find(|p| p.id == participant).map(|p| p.role.as_str())
    }
}
