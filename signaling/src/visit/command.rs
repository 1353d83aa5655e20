//! What goes into a visit and what comes out of it.

use vbranch_domain::{
    Mono, ParticipantId, RecordingId, UnixMillis, UserId,
    kyc::KycEvent,
    recording::{ArtifactRef, RecordedParticipant},
    timeline::TimelineEvent,
};

use super::event::{ConsentEvidence, Outcome, Recorded, StaffBadge, StepOutcome};
use crate::content::{Party, StepKind};

/// The present moment, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For durations and places on the recording.
    pub mono: Mono,
    /// For people.
    pub wall: UnixMillis,
}

/// Who gives a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Whoever holds the link.
    Customer,
    /// A signed-in staff member; only the one who accepted may act.
    Staff(UserId),
}

impl Actor {
    /// Which side of the visit that is.
    #[must_use]
    pub const fn party(self) -> Party {
        match self {
            Self::Customer => Party::Customer,
            Self::Staff(_) => Party::Staff,
        }
    }
}

/// Something that is to happen, or has happened outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The customer has decided on both consents.
    Consent(ConsentEvidence),
    /// Somebody is about to send an offer to the media plane.
    Joining(Actor),
    /// The recorder is attached to the call; media may come.
    RecordingOpened(RecordingId),
    /// The recorder has durably kept its first segment.
    RecordingDurable(RecordingId),
    /// Nothing can be recorded any more.
    RecordingFailed,
    /// Staff should know, the visit goes on.
    Alarm(&'static str),
    /// A party's media connection is up.
    Connected(Party),
    /// A party's media connection is gone.
    Disconnected(Party),
    /// A party's former media connection, if any, has made way for one that is not up yet.
    Joined(Party),
    /// The customer begins a liveness check, or tries again.
    StartLiveness {
        /// Whether checks can be made at all.
        available: bool,
    },
    /// The customer withdraws the consent to face processing.
    SkipLiveness,
    /// News from the running check.
    Kyc(KycEvent),
    /// A staff member takes the visit.
    Accept(StaffBadge),
    /// Staff open a step.
    OpenStep {
        /// Who.
        by: Actor,
        /// Which.
        step: String,
    },
    /// Somebody hands in a step whose picture still has to be sealed: nobody else may meanwhile.
    ReserveStep {
        /// Who.
        by: Actor,
        /// Which.
        step: String,
        /// What kind of step the input is for.
        kind: StepKind,
    },
    /// The picture could not be sealed: the step can be handed in again.
    ReleaseStep {
        /// Which.
        step: String,
    },
    /// A step is done.
    CompleteStep {
        /// Who.
        by: Actor,
        /// Which.
        step: String,
        /// What came of it.
        outcome: StepOutcome,
        /// Its sealed picture, which was reserved for before.
        artifact: Option<ArtifactRef>,
    },
    /// Staff close the visit.
    Close {
        /// Who.
        by: Actor,
        /// How it ended.
        outcome: Outcome,
    },
    /// The customer goes.
    Leave,
    /// The branch itself stops.
    Interrupt,
    /// Time has passed.
    Tick,
}

impl Command {
    /// Whether it only tells the visit what has been done for it already. Refusing that for want
    /// of room would leave a step reserved or a recording open that nobody knows of.
    #[must_use]
    pub const fn is_news(&self) -> bool {
        matches!(self, Self::RecordingOpened(_) | Self::Joined(_) | Self::ReleaseStep { .. })
    }
}

/// What the caller has to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Append to the visit's log.
    Append(Recorded),
    /// Tell another part of the program.
    Port(PortCall),
}

/// A call to media plane, recorder or KYC about this visit.
#[derive(Debug, Clone, PartialEq)]
pub enum PortCall {
    /// Place an event on the recording.
    Mark(RecordingId, TimelineEvent),
    /// A participant came in after the recording was opened.
    AddParticipant(RecordingId, RecordedParticipant),
    /// Start the liveness check.
    BeginKyc,
    /// Stop it without a verdict.
    CancelKyc,
    /// Hang up on one participant.
    Drop(ParticipantId),
    /// Hang up on everyone.
    EndMedia,
    /// Seal the recording.
    CloseRecording(RecordingId, Mono),
}

/// Why a visit did not do as it was told. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The visit is over.
    #[error("the visit is closed")]
    Closed,
    /// Not in this state of the visit.
    #[error("not possible in the visit's present state")]
    WrongState,
    /// The consent texts shown are not the ones in force.
    #[error("the consent text has changed meanwhile")]
    TextOutdated,
    /// Consents were decided differently before.
    #[error("the consents have already been decided")]
    ConsentDecided,
    /// A party this needs has no media connection.
    #[error("media is not connected")]
    MediaNotConnected,
    /// A liveness check is running already.
    #[error("a liveness check is running")]
    LivenessRunning,
    /// No further liveness check.
    #[error("no attempts are left")]
    AttemptsExhausted,
    /// Another staff member was faster.
    #[error("another staff member has taken the visit")]
    AlreadyTaken,
    /// The customer is not in the queue.
    #[error("the visit is not waiting")]
    NotWaiting,
    /// This visit is somebody else's.
    #[error("the visit was accepted by somebody else, or by nobody yet")]
    NotYourVisit,
    /// The journey has no such step.
    #[error("the journey has no such step")]
    StepUnknown,
    /// An earlier step is not done, or this one is not open.
    #[error("the step is not open, or an earlier one is not done")]
    StepLocked,
    /// The step is done.
    #[error("the step is already done")]
    StepDone,
    /// The other party completes this step.
    #[error("the step is completed by the other party")]
    NotYourStep,
    /// The input is for another kind of step.
    #[error("the input does not fit the kind of step")]
    WrongInput,
    /// The step is being handed in at this moment.
    #[error("the step is being handed in already")]
    StepBusy,
    /// The recorder has not acknowledged its first segment, or has failed.
    #[error("the recording is not durably running")]
    RecordingNotReady,
    /// Not completed while steps remain.
    #[error("steps remain to be done")]
    StepsOpen,
    /// Not completed when the customer said no.
    #[error("a question was answered with no")]
    AnswerNo,
    /// Only the branch itself closes with this outcome.
    #[error("not an outcome staff can close with")]
    WrongOutcome,
}
