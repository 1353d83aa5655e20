//! What the branch needs from the other parts of the program. `vbranch` plugs the real media
//! plane, recorder and KYC engine in here; this crate knows none of them.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use vbranch_domain::{
    CallId, FilmId, MediaKind, Mono, ParticipantId, Quality, RecordingId, Seat, Slot, UnixMillis,
    UserId, VideoCodec,
    kyc::{KycArtifact, KycEvent, KycRequest, PersonRef, Portrait, WatchEvent},
    recording::{
        ArtifactRef, FilmLayout, FilmStatus, RecordedParticipant, RecorderEvent, RecordingMeta,
        RecordingSummary, ReplayView, StoreId, TrackName,
    },
    timeline::TimelineEvent,
};

/// What the media plane answers to an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaAnswer {
    /// The SDP answer.
    pub sdp: String,
    /// The participant's connection only changes its network path and goes on: nothing was lost,
    /// and no [`PortEvent::MediaConnected`] follows.
    pub restarted: bool,
}

/// Calls and their peers.
#[async_trait]
pub trait MediaPlane: Send + Sync {
    /// Whether [`Self::join`] could answer this offer at all. Changes nothing, so that what cannot
    /// work is refused before anything is begun for it.
    fn check_offer(&self, offer: &str) -> Result<(), MediaError>;

    /// Joins `participant` to `call` (making the call if it is new), sitting in `seat`: takes the
    /// SDP offer, gives the answer. A participant that joins again replaces its former connection,
    /// unless the offer is that connection's own and restarts its ICE.
    async fn join(
        &self,
        call: CallId,
        participant: ParticipantId,
        seat: Seat,
        offer: String,
    ) -> Result<MediaAnswer, MediaError>;

    /// Seats the participant elsewhere: others see and hear it, and it them, accordingly from now
    /// on. Nothing is negotiated anew.
    async fn set_seat(&self, call: CallId, participant: ParticipantId, seat: Seat);

    /// Whether what the participant sends of `kind` reaches nobody, whatever its client does. It
    /// is recorded all the same. Counts for the participant's later connections too; one who has
    /// never joined is not muted by it.
    async fn mute(&self, call: CallId, participant: ParticipantId, kind: MediaKind, muted: bool);

    /// The participant's client says whether its own machine limits what it sends; for
    /// [`PortEvent::Quality`].
    async fn cpu_limited(&self, call: CallId, participant: ParticipantId, limited: bool);

    /// Drops the participant's connection.
    async fn leave(&self, call: CallId, participant: ParticipantId);

    /// Ends the call and every connection in it.
    async fn end(&self, call: CallId);
}

/// Why a peer could not join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// The offer is not SDP that we can read.
    #[error("the offer could not be read: {0}")]
    BadSdp(String),
    /// The offer has no H.264 constrained baseline, or no Opus.
    #[error("no common codec: {0}")]
    CodecNotAgreed(String),
    /// The media plane is full or stopping.
    #[error("the media plane is not available")]
    Unavailable,
}

/// The encrypted dual recorder.
#[async_trait]
pub trait RecorderPort: Send + Sync {
    /// Opens a recording and attaches it to the call's media, from the first packet on.
    async fn open(&self, meta: RecordingMeta, at: Mono) -> Result<(), RecorderError>;
    /// Names a participant that came in after the recording was opened.
    async fn add_participant(&self, recording: RecordingId, who: RecordedParticipant);
    /// Places an event on the timeline. Never fails towards the visit: what cannot be written
    /// comes back as [`RecorderEvent::Failed`].
    async fn mark(&self, recording: RecordingId, event: TimelineEvent);
    /// Seals a picture beside the media; durable when this returns.
    async fn put_artifact(
        &self,
        recording: RecordingId,
        name: String,
        bytes: Bytes,
    ) -> Result<ArtifactRef, RecorderError>;
    /// Ends and seals the recording. Calling it again does nothing.
    async fn close(&self, recording: RecordingId, at: Mono);
    /// Whether each store is taking writes.
    fn store_ok(&self, store: StoreId) -> bool;

    /// Sealed recordings, newest first.
    async fn list(&self) -> Result<Vec<RecordingSummary>, RecorderError>;
    /// What a replay of it shows.
    async fn view(&self, recording: RecordingId) -> Result<ReplayView, RecorderError>;
    /// HLS playlist whose URIs are `init-{n}.mp4` and `segment-{n}.m4s`.
    async fn playlist(
        &self,
        recording: RecordingId,
        track: TrackName,
    ) -> Result<String, RecorderError>;
    /// The n-th init section, decrypted.
    async fn init_section(
        &self,
        recording: RecordingId,
        track: TrackName,
        n: u32,
    ) -> Result<Bytes, RecorderError>;
    /// What of the recording the n-th segment holds, in milliseconds from its start.
    async fn segment_span(
        &self,
        recording: RecordingId,
        track: TrackName,
        n: u32,
    ) -> Result<Range<u64>, RecorderError>;
    /// The n-th segment, decrypted.
    async fn segment(
        &self,
        recording: RecordingId,
        track: TrackName,
        n: u32,
    ) -> Result<Bytes, RecorderError>;
    /// Puts a replay on the evidence log; durable when this returns.
    async fn log_replay(
        &self,
        recording: RecordingId,
        by: UserId,
        reason: String,
    ) -> Result<(), RecorderError>;

    /// Begins a film. That somebody asked for it is on the evidence log when this returns.
    async fn begin_film(
        &self,
        recording: RecordingId,
        order: FilmOrder,
    ) -> Result<FilmId, RecorderError>;
    /// How a film is; `None` once it is no longer kept.
    async fn film(&self, film: FilmId) -> Option<FilmStatus>;
    /// Bytes of a finished film from `from` on: some of them, none at its end.
    async fn film_bytes(&self, film: FilmId, from: u64) -> Result<Bytes, RecorderError>;
    /// Cancels a film or lets go of it. Nothing is left.
    async fn discard_film(&self, film: FilmId);
}

/// What film somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilmOrder {
    /// How the parties are arranged.
    pub layout: FilmLayout,
    /// Who asked for it, as the watermark says it.
    pub by: String,
    /// Who asked for it.
    pub user: UserId,
    /// Why.
    pub reason: String,
    /// When.
    pub at: UnixMillis,
    /// Names of the people in it, by their role.
    pub names: Vec<(String, String)>,
}

/// Why the recorder refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecorderError {
    /// No such recording, participant, segment.
    #[error("not found")]
    NotFound,
    /// As much is being done as may be at a time.
    #[error("too much at a time")]
    Busy,
    /// Its keys are destroyed.
    #[error("the recording was destroyed: its media can never be opened again")]
    Destroyed,
    /// The stored bytes do not verify.
    #[error("the recording is damaged: {0}")]
    Damaged(String),
    /// The stores cannot be written or read.
    #[error("the recorder is not available: {0}")]
    Unavailable(String),
}

/// Liveness checks, and the watch over faces in a call.
#[async_trait]
pub trait KycPort: Send + Sync {
    /// Starts a check on the customer's video. What it says comes back as [`PortEvent::Kyc`], what
    /// it wants sealed as [`PortEvent::KycArtifact`], before the verdict.
    async fn begin(&self, call: CallId, customer: ParticipantId, request: KycRequest);
    /// Stops a running check without a verdict.
    async fn cancel(&self, call: CallId, customer: ParticipantId);
    /// Watches a party's face from now on. News come back as [`PortEvent::Watch`]. The customer is
    /// held against the face of the check that passed, others against the first face seen. Asking
    /// again changes nothing.
    async fn watch(&self, call: CallId, participant: ParticipantId);
    /// Stops watching, and forgets the face.
    async fn unwatch(&self, call: CallId, participant: ParticipantId);
    /// Whether models are loaded; where they are not, customers are referred to staff.
    fn available(&self) -> bool;
}

/// Pictures and templates of faces that a rule keeps beyond a check: apart from recordings, under
/// a key of their own, each with its own time to live.
#[async_trait]
pub trait FaceVault: Send + Sync {
    /// Keeps a portrait for a person until then, in place of an earlier one; durable when this
    /// returns.
    async fn keep(
        &self,
        person: PersonRef,
        portrait: Portrait,
        until: UnixMillis,
    ) -> Result<(), VaultError>;
    /// The portrait of a person, unless its time is over.
    async fn portrait(&self, person: PersonRef) -> Result<Option<Portrait>, VaultError>;
    /// Forgets everything about a person; durable when this returns.
    async fn forget(&self, person: PersonRef) -> Result<(), VaultError>;
    /// How many persons are kept.
    fn persons(&self) -> u64;
}

/// The vault cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the face vault is not available: {0}")]
pub struct VaultError(pub String);

/// What the other parts tell the branch, through one bounded queue given to it at start.
#[derive(Debug, Clone, PartialEq)]
pub enum PortEvent {
    /// A participant's media connection is up (ICE and DTLS done).
    MediaConnected {
        /// In which call.
        call: CallId,
        /// Who.
        participant: ParticipantId,
    },
    /// A participant's media connection is gone.
    MediaDisconnected {
        /// In which call.
        call: CallId,
        /// Who.
        participant: ParticipantId,
    },
    /// A participant's receiving slots show something else now.
    Slots {
        /// In which call.
        call: CallId,
        /// Whose slots.
        participant: ParticipantId,
        /// All of them.
        slots: Vec<Slot>,
    },
    /// Somebody else is speaking.
    ActiveSpeaker {
        /// In which call.
        call: CallId,
        /// Who, of those whom everybody hears; `None` when that one has gone.
        participant: Option<ParticipantId>,
    },
    /// A participant's connection has become better or worse.
    Quality {
        /// In which call.
        call: CallId,
        /// Whose.
        participant: ParticipantId,
        /// How good it is now.
        quality: Quality,
    },
    /// A participant is to send pictures in another codec from now on, so that all who take
    /// part openly can see them. Until then that is H.264; it lasts across reconnections.
    VideoCodec {
        /// In which call.
        call: CallId,
        /// Who.
        participant: ParticipantId,
        /// In which codec.
        codec: VideoCodec,
    },
    /// From the recorder.
    Recorder(RecorderEvent),
    /// From a liveness check.
    Kyc {
        /// In which call.
        call: CallId,
        /// Whose check.
        participant: ParticipantId,
        /// What happened.
        event: KycEvent,
    },
    /// A liveness check hands over something to be sealed beside the media.
    KycArtifact {
        /// In which call.
        call: CallId,
        /// Whose check.
        participant: ParticipantId,
        /// What.
        artifact: KycArtifact,
    },
    /// The watch over a party's face has news.
    Watch {
        /// In which call.
        call: CallId,
        /// Whose face.
        participant: ParticipantId,
        /// What.
        event: WatchEvent,
    },
}
