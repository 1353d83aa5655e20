//! What each side may see of a visit: the shapes of `docs/protocol.md`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vbranch_domain::{
    MediaKind, ParticipantId, Quality, Seat, Slot, UnixMillis, VideoCodec, VisitId,
    kyc::{Advice, Challenge, FlashColour, KycVerdict, WatchAlarm},
};

use super::{
    Outcome, StepOutcome, SupervisionMode,
    state::{LivenessStatus, RecordingState, VisitState},
};
use crate::content::{Party, StepKind, Text};

/// What the customer sees.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CustomerView {
    /// The visit.
    pub visit: VisitId,
    /// Short, spoken aloud, e.g. `A-0042`.
    pub number: String,
    /// Where in its course it is.
    pub state: VisitState,
    /// What it is about.
    pub product: ProductView,
    /// What was asked and decided.
    pub consents: ConsentsView,
    /// Own connection, and the staff member's.
    pub media: MediaView,
    /// Who takes part, and what one's slots show.
    pub call: CallView,
    /// Null where face processing was declined.
    pub liveness: Option<LivenessView>,
    /// Null when not waiting.
    pub queue: Option<QueuePlace>,
    /// Null until somebody has accepted.
    pub staff: Option<StaffCard>,
    /// How far the recording is.
    pub recording: RecordingState,
    /// Empty before the call.
    pub steps: Vec<StepView>,
    /// Null until it is over.
    pub outcome: Option<Outcome>,
}

/// A product's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProductView {
    /// e.g. `demo-loan`.
    pub id: String,
    /// Its name.
    pub name: Text,
}

/// The consents of a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConsentsView {
    /// The texts in force.
    pub texts: Vec<ConsentText>,
    /// Null until decided.
    pub recording: Option<bool>,
    /// Null until decided; false after a withdrawal.
    pub face: Option<bool>,
}

/// One text to consent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConsentText {
    /// `recording` or `face`.
    pub subject: ConsentSubject,
    /// Say it back when deciding.
    pub version: String,
    /// The text.
    pub text: Text,
}

/// What a consent is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentSubject {
    /// Being recorded.
    Recording,
    /// Face processing.
    Face,
}

/// Media connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct MediaView {
    /// The viewer's own.
    pub connected: bool,
    /// The other party's.
    pub peer_connected: bool,
    /// How many connections the viewer has been given so far. A page that holds an earlier one
    /// was replaced by another page of the same visit.
    pub connection: u32,
}

/// The call as one of its participants sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CallView {
    /// The viewer.
    pub me: ParticipantId,
    /// Who takes part, as far as the viewer may know: a silent supervisor is shown to supervisors
    /// alone, a whispering one to the staff member as well.
    pub participants: Vec<ParticipantView>,
    /// What the viewer's own receiving media sections carry; empty before the first connection.
    pub slots: Vec<Slot>,
    /// Who speaks, or spoke last.
    pub speaker: Option<ParticipantId>,
    /// In what the viewer is to send pictures, so that all who take part openly can see them.
    pub video_codec: VideoCodec,
}

/// Somebody in the call.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ParticipantView {
    /// Who.
    pub participant: ParticipantId,
    /// As what.
    pub seat: Seat,
    /// Whether they came by a token: who sits as a silent supervisor and is none only watches.
    pub guest: bool,
    /// Whether their media is connected.
    pub connected: bool,
    /// What staff keep from the others.
    pub muted: Vec<MediaKind>,
    /// How good their connection is. A customer is told of their own only. Null until known.
    pub quality: Option<Quality>,
}

/// What a supervisor sees of a call they attend.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SupervisorView {
    /// How they attend.
    pub mode: SupervisionMode,
    /// Own connection, and the customer's.
    pub media: MediaView,
    /// The call as it reaches them.
    pub call: CallView,
    /// Who serves.
    pub staff: Option<StaffCard>,
    /// What the staff member sees.
    pub visit: StaffView,
}

/// The liveness check as the customer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LivenessView {
    /// How far it is.
    pub status: LivenessStatus,
    /// Checks begun so far.
    pub attempt: u32,
    /// Checks that can still be begun.
    pub attempts_left: u32,
    /// What to do now.
    pub challenge: Option<ChallengeView>,
    /// What would make the picture usable.
    pub advice: Option<Advice>,
    /// The colour the page fills its screen with now.
    pub flash: Option<FlashView>,
}

/// A colour for the whole screen of the customer's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FlashView {
    /// As in CSS, e.g. `#00ff80`.
    pub colour: String,
    /// Which one, from 0.
    pub index: u32,
    /// How many in all.
    pub of: u32,
}

impl FlashView {
    /// A colour, in its place among all.
    #[must_use]
    pub fn new(FlashColour { r, g, b }: FlashColour, index: u32, of: u32) -> Self {
        Self { colour: format!("#{r:02x}{g:02x}{b:02x}"), index, of }
    }
}

/// What the customer is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChallengeView {
    /// The action.
    pub kind: Challenge,
    /// From 0.
    pub index: u32,
    /// How many in all.
    pub of: u32,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueuePlace {
    /// From 1.
    pub position: u32,
    /// How many come before.
    pub ahead: u32,
}

/// Who serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StaffCard {
    /// Name.
    pub display_name: String,
    /// Position.
    pub title: String,
    /// Staff number.
    pub staff_no: String,
}

/// A step of the journey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StepView {
    /// Unique within the journey.
    pub id: String,
    /// What is done in it.
    pub kind: StepKind,
    /// A short name.
    pub title: Text,
    /// What is read out, asked, or signed. Null for a customer while the step is locked.
    pub text: Option<Text>,
    /// Who completes it.
    pub by: Party,
    /// How far it is.
    pub state: StepState,
    /// What came of it.
    pub outcome: Option<StepOutcome>,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not reached.
    Locked,
    /// Being done.
    Open,
    /// Done.
    Done,
}

/// A line of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueueEntry {
    /// The visit.
    pub visit: VisitId,
    /// Short, spoken aloud.
    pub number: String,
    /// What it is about.
    pub product: ProductView,
    /// Where in its course it is.
    pub state: VisitState,
    /// Since when.
    pub waiting_since: UnixMillis,
    /// From 1; null for the visit one is in.
    pub position: Option<u32>,
    /// How the check went.
    pub liveness: StaffLiveness,
    /// Whether the viewer has accepted it.
    pub mine: bool,
    /// Who serves; null while nobody does.
    pub staff: Option<StaffCard>,
}

/// The liveness check as staff see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StaffLiveness {
    /// None begun.
    NotStarted,
    /// One is running.
    Running,
    /// A live person was seen.
    Passed,
    /// Failed: identify the customer with care.
    Failed,
    /// Could not be made: staff identify the customer.
    Referred,
    /// No consent to face processing: staff identify the customer.
    Declined,
}

/// What the staff member sees of the visit they accepted.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StaffView {
    /// The visit.
    pub visit: VisitId,
    /// Short, spoken aloud.
    pub number: String,
    /// Where in its course it is.
    pub state: VisitState,
    /// What it is about.
    pub product: ProductView,
    /// How the check went.
    pub liveness: StaffLivenessView,
    /// Own connection, and the customer's.
    pub media: MediaView,
    /// Who takes part, and what one's slots show.
    pub call: CallView,
    /// How the recording is.
    pub recording: StaffRecording,
    /// The journey.
    pub steps: Vec<StepView>,
    /// What went wrong.
    pub alarms: Vec<AlarmView>,
    /// Whose face is watched, and what is so now.
    pub watch: Vec<WatchView>,
    /// Null until it is over.
    pub outcome: Option<Outcome>,
    /// When it was accepted.
    pub started: Option<UnixMillis>,
}

/// The liveness check with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StaffLivenessView {
    /// How it went.
    pub status: StaffLiveness,
    /// The last verdict.
    pub verdict: Option<KycVerdict>,
}

/// The recording as staff see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct StaffRecording {
    /// How far it is.
    pub state: RecordingState,
    /// Each store.
    pub stores: StoresView,
}

/// Both stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct StoresView {
    /// The first.
    pub a: StoreState,
    /// The second.
    pub b: StoreState,
}

/// Whether a store takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreState {
    /// It does.
    Ok,
    /// It does not; the other carries on.
    Degraded,
}

impl From<bool> for StoreState {
    fn from(ok: bool) -> Self {
        if ok { Self::Ok } else { Self::Degraded }
    }
}

/// Something staff must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlarmView {
    /// A stable word: `store_degraded`, `recording_failed`, `media_gap`, `customer_lost`,
    /// `staff_lost`, `kyc_evidence_missing`; from the watch over faces `face_absent`,
    /// `face_several`, `face_different`, `eyes_closed`, `camera_covered`.
    pub code: String,
    /// When.
    pub at: UnixMillis,
    /// Whose face, for those of the watch.
    pub who: Option<Party>,
}

/// The watch over one face.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WatchView {
    /// Whose.
    pub participant: ParticipantId,
    /// What is so now.
    pub alarms: Vec<WatchAlarm>,
}
