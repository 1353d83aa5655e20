//! What goes into a visit and what comes out of it.

use vbranch_domain::{
    MediaKind, Mono, ParticipantId, Quality, RecordingId, Seat, Slot, UnixMillis, UserId,
    VideoCodec,
    kyc::{CameraTraits, KycArtifact, KycEvent, KycRequest, WatchEvent},
    recording::{ArtifactRef, RecordedParticipant},
    timeline::TimelineEvent,
};

use super::{
    event::{ConsentEvidence, Outcome, Recorded, StaffBadge, StepOutcome, SupervisionMode},
    guests::GuestCommand,
};
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
    /// A signed-in supervisor; only one who attends the call may join it.
    Supervisor(UserId),
}

impl Actor {
    /// Which side of the visit that is; `None` for who only attends.
    #[must_use]
    pub const fn party(self) -> Option<Party> {
        match self {
            Self::Customer => Some(Party::Customer),
            Self::Staff(_) => Some(Party::Staff),
            Self::Supervisor(_) => None,
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
    /// Somebody's former media connection, if any, has made way for one that is not up yet.
    Joined(Actor),
    /// A supervisor's media connection is up.
    SupervisorConnected(ParticipantId),
    /// A supervisor's media connection is gone.
    SupervisorDisconnected(ParticipantId),
    /// A supervisor begins to attend the call, or goes on in another way.
    Supervise {
        /// Who.
        by: UserId,
        /// How.
        mode: SupervisionMode,
        /// Their place in the call, should they have none in this visit yet.
        participant: ParticipantId,
    },
    /// A supervisor attends no more.
    EndSupervision {
        /// Who.
        by: UserId,
    },
    /// Staff mute somebody, or let them be heard or seen again.
    Mute {
        /// Who decides.
        by: Actor,
        /// Whose media.
        participant: ParticipantId,
        /// Which.
        kind: MediaKind,
        /// Whether it is kept from the others.
        muted: bool,
    },
    /// About somebody who takes part by a token.
    Guest(GuestCommand),
    /// News from the call, for the pages alone.
    Call(CallNews),
    /// The customer wants a liveness check: nobody else begins one while it is asked whether this
    /// one may.
    ReserveLiveness,
    /// That could not be found out: it can be asked for again.
    ReleaseLiveness,
    /// The customer begins a liveness check, or tries again.
    StartLiveness {
        /// Whether checks can be made at all.
        available: bool,
        /// What the page says of its camera.
        camera: CameraTraits,
    },
    /// The check reserved may not be made: staff identify the customer, and see why.
    ReferLiveness {
        /// A stable word.
        reason: &'static str,
    },
    /// The customer withdraws the consent to face processing.
    SkipLiveness,
    /// News from the running check.
    Kyc(KycEvent),
    /// Something the running check hands over to be sealed.
    KycArtifact(KycArtifact),
    /// What became of it.
    ArtifactSealed {
        /// Of which attempt it is.
        attempt: u32,
        /// What was sealed; `None` where that failed.
        sealed: Option<ArtifactRef>,
    },
    /// The portrait to be matched is not to be had.
    PortraitMissing {
        /// For which attempt.
        attempt: u32,
    },
    /// A portrait was put into the vault for this visit, or is no longer there.
    Portrait {
        /// Whether it was put there.
        kept: bool,
    },
    /// News from the watch over a party's face.
    Watch(Party, WatchEvent),
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

/// What the media plane tells of a call. Shown, and neither kept nor recorded: the recording has
/// the media itself.
#[derive(Debug, Clone, PartialEq)]
pub enum CallNews {
    /// What a participant's slots show.
    Slots(ParticipantId, Vec<Slot>),
    /// Who speaks.
    Speaker(Option<ParticipantId>),
    /// How good a participant's connection is.
    Quality(ParticipantId, Quality),
    /// What a participant is to send pictures in.
    Codec(ParticipantId, VideoCodec),
}

impl Command {
    /// Whether it only tells the visit what has been done for it already. Refusing that for want
    /// of room would leave a step reserved or a recording open that nobody knows of.
    #[must_use]
    pub const fn is_news(&self) -> bool {
        matches!(
            self,
            Self::RecordingOpened(_)
                | Self::Joined(_)
                | Self::ReleaseStep { .. }
                | Self::ReleaseLiveness
                | Self::Portrait { .. }
                | Self::Guest(_)
        )
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
    /// Start the liveness check, with the portrait of the person, if there is one.
    BeginKyc {
        /// All but the portrait.
        request: KycRequest,
        /// Whether one was given for this visit: there is no check without it then.
        needs_portrait: bool,
    },
    /// Stop it without a verdict.
    CancelKyc,
    /// Seal what a check handed over.
    SealArtifact {
        /// Beside whose media.
        recording: RecordingId,
        /// Of which attempt it is.
        attempt: u32,
        /// What.
        artifact: KycArtifact,
    },
    /// Watch a party's face in the call.
    Watch(ParticipantId),
    /// Watch it no longer, and forget it.
    Unwatch(ParticipantId),
    /// Forget what is kept of the customer's face.
    ForgetFace,
    /// The visit is over: forget it where only this visit could have used it.
    ForgetOwnFace,
    /// Seat a participant elsewhere.
    SetSeat(ParticipantId, Seat),
    /// Keep what a participant sends from the others, or let it through again.
    Mute(ParticipantId, MediaKind, bool),
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
    /// The customer did not consent to face processing, or no longer does.
    #[error("the customer has declined face processing")]
    FaceDeclined,
    /// Another staff member was faster.
    #[error("another staff member has taken the visit")]
    AlreadyTaken,
    /// The customer is not in the queue.
    #[error("the visit is not waiting")]
    NotWaiting,
    /// This visit is somebody else's.
    #[error("the visit was accepted by somebody else, or by nobody yet")]
    NotYourVisit,
    /// The supervisor does not attend this call.
    #[error("you do not attend this call")]
    NotSupervising,
    /// Who serves the customer does not supervise themselves.
    #[error("this is your own visit")]
    OwnVisit,
    /// As many supervisors as a call takes.
    #[error("too many supervisors attend this call")]
    TooManySupervisors,
    /// Nobody of that id takes part, or not one whom staff may mute.
    #[error("no participant of that id whom you may mute")]
    ParticipantUnknown,
    /// The token gives the other right.
    #[error("the token does not give this right")]
    WrongRight,
    /// No such token of this visit, or no such session of it.
    #[error("no such token or session")]
    GuestUnknown,
    /// As many tokens as a visit can have.
    #[error("too many tokens for one visit")]
    TooManyGuests,
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
