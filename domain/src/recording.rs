//! What the recorder and the rest of the branch say to each other.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    clock::UnixMillis,
    id::{CallId, FilmId, InvalidId, ParticipantId, RecordingId, VisitId},
    media::MediaKind,
    timeline::TimelineKind,
};

/// What a recording is opened with; written into the manifest as is, so no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingMeta {
    /// The recording's own id.
    pub recording: RecordingId,
    /// The visit it belongs to.
    pub visit: VisitId,
    /// The call it records.
    pub call: CallId,
    /// Wall-clock time at which the call began.
    pub started: UnixMillis,
    /// The journey and its version, e.g. `demo-loan@1`.
    pub journey: String,
    /// Who takes part.
    pub participants: Vec<RecordedParticipant>,
}

/// A participant as a recording names one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecordedParticipant {
    /// The participant's id in the call.
    pub id: ParticipantId,
    /// `customer`, `staff`, `third_party` or `supervisor`.
    pub role: String,
}

/// What of a participant one track of a recording holds.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TrackSource {
    /// Camera and microphone, muxed together.
    #[default]
    Camera,
    /// A shared screen.
    Screen,
}

impl TrackSource {
    /// Where media of this kind are kept.
    #[must_use]
    pub const fn of(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio | MediaKind::Video => Self::Camera,
            MediaKind::Screen => Self::Screen,
        }
    }

    /// For `skip_serializing_if`: documents name a track's source only where it is a screen.
    #[must_use]
    pub fn is_camera(&self) -> bool {
        *self == Self::Camera
    }
}

/// One track of a recording. As text, in paths and contexts: `<participant>`, or
/// `<participant>-screen`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrackName {
    /// Whose.
    pub participant: ParticipantId,
    /// Camera and microphone, or screen.
    pub source: TrackSource,
}

const SCREEN_SUFFIX: &str = "-screen";

impl TrackName {
    /// The track of a participant's camera and microphone.
    #[must_use]
    pub const fn camera(participant: ParticipantId) -> Self {
        Self { participant, source: TrackSource::Camera }
    }

    /// The track of a participant's shared screen.
    #[must_use]
    pub const fn screen(participant: ParticipantId) -> Self {
        Self { participant, source: TrackSource::Screen }
    }
}

impl fmt::Display for TrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = if self.source.is_camera() { "" } else { SCREEN_SUFFIX };
        write!(f, "{}{suffix}", self.participant)
    }
}

impl fmt::Debug for TrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrackName({self})")
    }
}

impl FromStr for TrackName {
    type Err = InvalidId;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.strip_suffix(SCREEN_SUFFIX) {
            Some(participant) => participant.parse().map(Self::screen),
            None => s.parse().map(Self::camera),
        }
    }
}

impl TryFrom<String> for TrackName {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TrackName> for String {
    fn from(name: TrackName) -> Self {
        name.to_string()
    }
}

/// A sealed object that is not media: a still, a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ArtifactRef {
    /// Name within the recording, e.g. `sign.png`.
    pub name: String,
    /// SHA-256 of the plaintext, hex.
    pub sha256: String,
}

/// One of the two stores.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StoreId {
    /// The first store.
    A,
    /// The second store.
    B,
}

/// What the recorder tells the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecorderEvent {
    /// The first media segment is durable in both stores (or in one, where policy allows one):
    /// business steps may open.
    FirstSegmentDurable {
        /// Which recording.
        recording: RecordingId,
    },
    /// A store refuses or loses writes. The other carries on.
    StoreDegraded {
        /// Which store.
        store: StoreId,
        /// What the system said, without paths.
        reason: String,
    },
    /// A degraded store has caught up with everything it missed.
    StoreRecovered {
        /// Which store.
        store: StoreId,
    },
    /// Nothing can be recorded any more (both stores failing, or an internal error).
    Failed {
        /// Which recording.
        recording: RecordingId,
        /// What went wrong.
        reason: String,
    },
    /// Media is missing and this is on the gap ledger.
    Gap {
        /// Which recording.
        recording: RecordingId,
        /// Whose media.
        participant: ParticipantId,
        /// Sound or picture.
        kind: MediaKind,
        /// How long.
        millis: u64,
    },
    /// The manifest is signed and durable.
    Sealed {
        /// Which recording.
        recording: RecordingId,
        /// SHA-256 of the manifest, hex.
        manifest_sha256: String,
    },
}

/// A line of the auditor's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecordingSummary {
    /// The recording.
    pub recording: RecordingId,
    /// The visit it belongs to.
    pub visit: VisitId,
    /// When the call began.
    pub started: UnixMillis,
    /// How long it lasted.
    pub duration_ms: u64,
    /// `sealed` (closed in order), `recovered` (sealed after a crash, with the loss declared).
    pub state: String,
    /// How much media is missing in all, by the gap ledger.
    pub gap_ms: u64,
}

/// What a replay shows beside the media.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplayView {
    /// The line of the list.
    pub summary: RecordingSummary,
    /// One entry per recorded camera (with its microphone) and shared screen.
    pub tracks: Vec<ReplayTrack>,
    /// Events by offset from the start of the recording.
    pub timeline: Vec<ReplayEvent>,
    /// Gaps by offset from the start of the recording.
    pub gaps: Vec<ReplayGap>,
}

/// One participant's media in a replay, in one HLS playlist: camera and microphone, or screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplayTrack {
    /// What addresses of its files call it: `<participant>`, or `<participant>-screen`.
    #[schema(value_type = String)]
    pub name: TrackName,
    /// Whose.
    pub participant: ParticipantId,
    /// Camera and microphone, or screen.
    pub source: TrackSource,
    /// `customer`, `staff`, `third_party` or `supervisor`.
    pub role: String,
    /// Offset of the playlist's first sample from the start of the recording.
    pub start_ms: u64,
    /// Length of the playlist.
    pub duration_ms: u64,
}

/// A timeline event as replayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplayEvent {
    /// Offset from the start of the recording.
    pub offset_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: TimelineKind,
}

/// A gap as replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplayGap {
    /// Offset from the start of the recording.
    pub offset_ms: u64,
    /// How long.
    pub duration_ms: u64,
    /// Whose media.
    pub participant: ParticipantId,
    /// Sound or picture.
    pub kind: MediaKind,
    /// Why, e.g. `loss`, `reconnect`, `overflow`, `crash`.
    pub cause: String,
}

/// How the parties stand in a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilmLayout {
    /// Side by side, all of one size; shared screens below.
    #[default]
    Side,
    /// The first track large, the others small in its lower right corner.
    Pip,
}

/// How a film is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilmState {
    /// It is being made.
    Making,
    /// It can be fetched.
    Made,
    /// It could not be made.
    Failed,
}

/// A film of a recording that is being made or kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FilmStatus {
    /// Which.
    pub film: FilmId,
    /// How it is.
    pub state: FilmState,
    /// How much of the recording is in it.
    pub position_ms: u64,
    /// How long the recording is.
    pub total_ms: u64,
    /// SHA-256 of the file, hex, once it is made.
    pub sha256: Option<String>,
    /// Its length in bytes, once it is made.
    pub len: u64,
    /// Tracks whose pictures are not, or not always, in it, with the reason.
    pub left_out: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_reads_back_what_it_printed_and_nothing_else() {
        let participant = ParticipantId::random();
        for name in [TrackName::camera(participant), TrackName::screen(participant)] {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        for bad in ["", "-screen", "../x-screen", &format!("{participant}-screen-screen")] {
            assert!(bad.parse::<TrackName>().is_err(), "{bad} was accepted");
        }
    }
}
