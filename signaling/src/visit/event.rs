//! What has happened in a visit. The list of these events is the truth; everything else is
//! computed from them. They are kept for years: add variants and optional fields, change none.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vbranch_domain::{
    CallId, MediaKind, ParticipantId, RecordingId, Seat, UnixMillis, UserId, kyc::KycVerdict,
    recording::ArtifactRef,
};

use crate::content::Party;

/// An event with its place in the visit's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// From 0, without holes.
    pub seq: u64,
    /// When.
    pub at: UnixMillis,
    /// What.
    pub event: VisitEvent,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum VisitEvent {
    /// The link was made.
    Created(Created),
    /// The customer decided on both consents.
    Consented(ConsentEvidence),
    /// The recorder is attached.
    RecordingOpened {
        /// The recording.
        recording: RecordingId,
    },
    /// The first segment is durable.
    RecordingDurable,
    /// Nothing more can be recorded.
    RecordingFailed,
    /// A media connection came up.
    Connected {
        /// Whose.
        party: Party,
    },
    /// A media connection went away.
    Disconnected {
        /// Whose.
        party: Party,
    },
    /// A liveness check began.
    LivenessStarted {
        /// From 1.
        attempt: u32,
    },
    /// A liveness check was cut short by a lost connection or by the visit's end.
    LivenessCut,
    /// A liveness check ended.
    LivenessEnded {
        /// How.
        verdict: KycVerdict,
    },
    /// A portrait was put into the vault for this visit, or taken away again.
    Portrait {
        /// Whether it was put there.
        kept: bool,
    },
    /// The consent to face processing was withdrawn.
    FaceWithdrawn {
        /// The text it had been given to.
        text_version: String,
    },
    /// The customer is in the queue.
    Queued,
    /// A staff member took the visit.
    Accepted {
        /// Who.
        staff: StaffBadge,
    },
    /// A supervisor began to attend.
    SupervisionBegan {
        /// Who.
        supervisor: UserId,
        /// As whom in the call.
        participant: ParticipantId,
        /// How.
        mode: SupervisionMode,
    },
    /// A supervisor attends in another way.
    SupervisionChanged {
        /// Who.
        supervisor: UserId,
        /// How.
        mode: SupervisionMode,
    },
    /// A supervisor attends no more.
    SupervisionEnded {
        /// Who.
        supervisor: UserId,
    },
    /// Staff decided whether what a participant sends reaches the others.
    Muted {
        /// Whose media.
        participant: ParticipantId,
        /// Which.
        kind: MediaKind,
        /// Whether it does not.
        muted: bool,
        /// Who decided.
        by: UserId,
    },
    /// A step was opened.
    StepOpened {
        /// Which.
        step: String,
    },
    /// A step was completed.
    StepCompleted {
        /// Which.
        step: String,
        /// By whom.
        by: Party,
        /// What came of it.
        outcome: StepOutcome,
        /// Its sealed picture.
        artifact: Option<ArtifactRef>,
    },
    /// Staff had to be told of something.
    Alarm {
        /// A stable word.
        code: String,
        /// Whom it is about, where it is about one of the two.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        who: Option<Party>,
    },
    /// The visit is over.
    Closed {
        /// How it ended.
        outcome: Outcome,
    },
}

impl VisitEvent {
    /// What to call it in a log: nothing of what is in it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Created(_) => "created",
            Self::Consented(_) => "consented",
            Self::RecordingOpened { .. } => "recording_opened",
            Self::RecordingDurable => "recording_durable",
            Self::RecordingFailed => "recording_failed",
            Self::Connected { party: Party::Customer } => "customer_connected",
            Self::Connected { party: Party::Staff } => "staff_connected",
            Self::Disconnected { party: Party::Customer } => "customer_disconnected",
            Self::Disconnected { party: Party::Staff } => "staff_disconnected",
            Self::LivenessStarted { .. } => "liveness_started",
            Self::LivenessCut => "liveness_cut",
            Self::LivenessEnded { .. } => "liveness_ended",
            Self::Portrait { kept: true } => "portrait_kept",
            Self::Portrait { kept: false } => "portrait_forgotten",
            Self::FaceWithdrawn { .. } => "face_withdrawn",
            Self::Queued => "queued",
            Self::Accepted { .. } => "accepted",
            Self::SupervisionBegan { .. } => "supervision_began",
            Self::SupervisionChanged { .. } => "supervision_changed",
            Self::SupervisionEnded { .. } => "supervision_ended",
            Self::Muted { muted: true, .. } => "muted",
            Self::Muted { muted: false, .. } => "unmuted",
            Self::StepOpened { .. } => "step_opened",
            Self::StepCompleted { .. } => "step_completed",
            Self::Alarm { .. } => "alarm",
            Self::Closed { .. } => "closed",
        }
    }
}

/// How a visit begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Short, spoken aloud.
    pub number: String,
    /// `id@version`.
    pub journey: String,
    /// The media session it will use.
    pub call: CallId,
    /// The customer's place in it.
    pub customer: ParticipantId,
    /// The staff member's place in it.
    pub staff: ParticipantId,
    /// Until when the link can be used to begin.
    pub expires: UnixMillis,
    /// Who made the link; nobody for a demo.
    pub created_by: Option<UserId>,
}

/// Both decisions, with what they were decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentEvidence {
    /// To being recorded.
    pub recording: bool,
    /// To face processing.
    pub face: bool,
    /// Version of the texts shown.
    pub text_version: String,
    /// SHA-256 of the text on recording, hex.
    pub recording_sha256: String,
    /// SHA-256 of the text on face processing, hex.
    pub face_sha256: String,
}

/// Who serves, as the customer may know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffBadge {
    /// The account.
    pub id: UserId,
    /// Name.
    pub display_name: String,
    /// Position.
    pub title: String,
    /// Staff number.
    pub staff_no: String,
}

impl fmt::Debug for StaffBadge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaffBadge({})", self.id)
    }
}

/// How a supervisor attends a call. The words are those of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SupervisionMode {
    /// Sees and hears everyone; nobody notices.
    Silent,
    /// As well, and the staff member hears them.
    Whispering,
    /// Takes part like staff.
    BargedIn,
}

impl SupervisionMode {
    /// Where that is in the call.
    #[must_use]
    pub const fn seat(self) -> Seat {
        match self {
            Self::Silent => Seat::SupervisorSilent,
            Self::Whispering => Seat::SupervisorWhispering,
            Self::BargedIn => Seat::SupervisorBargedIn,
        }
    }
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// The staff member's identity was shown.
    Shown,
    /// The disclosure was read out.
    Read,
    /// The customer said yes.
    Yes,
    /// The customer said no.
    No,
    /// A still was taken.
    Captured,
    /// The customer signed.
    Signed,
}

impl StepOutcome {
    /// The word used in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::Read => "read",
            Self::Yes => "yes",
            Self::No => "no",
            Self::Captured => "captured",
            Self::Signed => "signed",
        }
    }
}

/// How a visit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every step was done.
    Completed,
    /// The customer refused, or staff turned the business down.
    Declined,
    /// The customer went, or never came.
    Abandoned,
    /// A connection, or the server, was lost.
    Interrupted,
}

impl Outcome {
    /// The word used in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Declined => "declined",
            Self::Abandoned => "abandoned",
            Self::Interrupted => "interrupted",
        }
    }
}
