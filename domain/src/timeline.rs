//! What happens in a visit, placed on the recording's timeline (节点打点). The recorder writes
//! these into the signed manifest; none of them may carry personal data.

use serde::{Deserialize, Serialize};

use crate::{
    call::Seat,
    clock::Mono,
    id::{ParticipantId, UserId},
    kyc::{KycVerdict, WatchAlarm},
    media::MediaKind,
    recording::ArtifactRef,
};

/// One event, at a point of the server's monotonic timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineEvent {
    /// When it happened.
    pub at: Mono,
    /// What happened.
    pub kind: TimelineKind,
}

/// The kinds of events. Serialised as `{"type": "...", ...}` in manifests and over the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TimelineKind {
    /// The customer gave or refused a consent.
    Consent {
        /// `recording` or `face`.
        subject: String,
        /// Version of the text that was shown.
        text_version: String,
        /// SHA-256 of the text that was shown, hex.
        text_sha256: String,
        /// Given or refused.
        granted: bool,
    },
    /// A liveness check began.
    KycStarted {
        /// From 1.
        attempt: u32,
    },
    /// A liveness check ended.
    KycVerdict {
        /// From 1.
        attempt: u32,
        /// With everything it rests on.
        verdict: KycVerdict,
    },
    /// The watch over a party's face noticed something, or no longer does.
    FaceWatch {
        /// Whose face.
        participant: ParticipantId,
        /// What.
        alarm: WatchAlarm,
        /// Whether it is so now, or no longer.
        raised: bool,
    },
    /// A staff member took the visit.
    StaffJoined {
        /// Who.
        staff: UserId,
    },
    /// A supervisor began to attend the call.
    SupervisionBegan {
        /// Who.
        supervisor: UserId,
        /// As whom in the call.
        participant: ParticipantId,
        /// Silent, whispering or barged in.
        seat: Seat,
    },
    /// A supervisor attends in another way.
    SupervisionChanged {
        /// Who.
        supervisor: UserId,
        /// Silent, whispering or barged in.
        seat: Seat,
    },
    /// A supervisor attends no more.
    SupervisionEnded {
        /// Who.
        supervisor: UserId,
    },
    /// Whether what a participant sends reaches the others. The recording has it either way.
    Muted {
        /// Whose media.
        participant: ParticipantId,
        /// Microphone, camera or screen.
        kind: MediaKind,
        /// Muted, or to be heard and seen again.
        muted: bool,
        /// Who decided it.
        by: UserId,
    },
    /// Somebody from outside takes part by a token: publishes into the call, or watches it.
    GuestJoined {
        /// Their place in the call.
        participant: ParticipantId,
        /// `third_party` who publishes, `supervisor_silent` who watches.
        seat: Seat,
        /// Who made the token.
        invited_by: UserId,
    },
    /// They no longer do.
    GuestLeft {
        /// Their place in the call.
        participant: ParticipantId,
    },
    /// A journey step was opened.
    StepOpened {
        /// The step's id within the journey.
        step: String,
    },
    /// A journey step was completed.
    StepCompleted {
        /// The step's id within the journey.
        step: String,
        /// What came of it: `shown`, `read`, `yes`, `no`, `captured`, `signed`.
        outcome: String,
        /// A picture or signature that belongs to it, sealed beside the media.
        artifact: Option<ArtifactRef>,
    },
    /// A party's media connection went away and may come back.
    ConnectionLost {
        /// `customer` or `staff`.
        party: String,
    },
    /// A party's media connection came back.
    ConnectionRestored {
        /// `customer` or `staff`.
        party: String,
    },
    /// Something that staff had to be told of.
    Alarm {
        /// e.g. `store_degraded`.
        code: String,
    },
    /// The visit was closed.
    Closed {
        /// `completed`, `declined`, `abandoned` or `interrupted`.
        outcome: String,
    },
}
