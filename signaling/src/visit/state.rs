//! What a visit's events add up to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vbranch_domain::{
    MediaKind, ParticipantId, RecordingId, UnixMillis, UserId,
    kyc::{KycOutcome, KycVerdict},
};

use super::event::{
    ConsentEvidence, Created, Outcome, Recorded, StaffBadge, StepOutcome, SupervisionMode,
    VisitEvent,
};
use crate::content::{Journey, Party};

/// Where in its course a visit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VisitState {
    /// The link was opened or not yet; consents are asked for.
    Invited,
    /// Consents given; media not yet connected.
    Preparing,
    /// Liveness check.
    Checking,
    /// In the queue.
    Waiting,
    /// A staff member has accepted.
    InCall,
    /// Over.
    Closed,
}

/// How far the recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Not begun.
    Off,
    /// Attached to the call; nothing durable yet.
    Starting,
    /// The first segment is durable.
    On,
    /// Nothing more is recorded.
    Failed,
}

/// How far the liveness check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LivenessStatus {
    /// None begun, or the last one was cut short and there may be another.
    NotStarted,
    /// One is running.
    Running,
    /// A live person was seen.
    Passed,
    /// The last one failed.
    Failed,
    /// Staff identify the customer.
    Referred,
}

/// How far one step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepProgress {
    /// Not reached.
    Locked,
    /// Being done.
    Open,
    /// Done.
    Done(StepOutcome),
}

/// A supervisor who attends, or has attended, the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supervisor {
    /// The account.
    pub id: UserId,
    /// Their place in the call, the same each time they come.
    pub participant: ParticipantId,
    /// How they attend; `None` once they have gone.
    pub mode: Option<SupervisionMode>,
}

/// Something staff had to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// A stable word.
    pub code: String,
    /// When.
    pub at: UnixMillis,
    /// Whose face, where it comes from the watch.
    pub who: Option<Party>,
}

/// What a visit's events add up to.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Where in its course the visit is.
    pub phase: VisitState,
    /// How it began.
    pub created: Created,
    /// When it began.
    pub created_at: UnixMillis,
    /// What was consented to.
    pub consent: Option<ConsentEvidence>,
    /// The face consent as it stands now: it can be withdrawn.
    pub face: Option<bool>,
    /// Whether the customer's media is connected.
    pub customer_connected: bool,
    /// Whether the staff member's media is connected.
    pub staff_connected: bool,
    /// The recording, once there is one.
    pub recording: Option<RecordingId>,
    /// How far it is.
    pub recording_state: RecordingState,
    /// How far the liveness check is.
    pub liveness: LivenessStatus,
    /// Liveness checks begun.
    pub attempt: u32,
    /// What the last check found.
    pub verdict: Option<KycVerdict>,
    /// Whether a portrait was given for this visit, to be matched in every check.
    pub portrait: bool,
    /// When the customer was queued.
    pub queued_at: Option<UnixMillis>,
    /// Who serves.
    pub staff: Option<StaffBadge>,
    /// When they accepted.
    pub accepted_at: Option<UnixMillis>,
    /// Who attends the call, or has.
    pub supervisors: Vec<Supervisor>,
    /// What is kept from the others.
    pub muted: Vec<(ParticipantId, MediaKind)>,
    /// One per step of the journey.
    pub steps: Vec<StepProgress>,
    /// What staff had to be told.
    pub alarms: Vec<Alarm>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When it ended.
    pub closed_at: Option<UnixMillis>,
    /// The place of the next event.
    pub next_seq: u64,
}

/// A store that flaps must not fill the visit's log; the recorder's own log has every change.
const MAX_ALARMS: usize = 50;
/// Of these, what the watch over faces may take: a face at the edge of the picture must not keep
/// staff from hearing that the recording has failed.
const MAX_WATCH_ALARMS: usize = 30;
/// The same alarm within this time says nothing new.
const ALARM_REPEAT_MS: i64 = 10_000;

impl State {
    pub(super) fn new(journey: &Journey, created: Created) -> Self {
        Self {
            phase: VisitState::Invited,
            created,
            created_at: UnixMillis(0),
            consent: None,
            face: None,
            customer_connected: false,
            staff_connected: false,
            recording: None,
            recording_state: RecordingState::Off,
            liveness: LivenessStatus::NotStarted,
            attempt: 0,
            verdict: None,
            portrait: false,
            queued_at: None,
            staff: None,
            accepted_at: None,
            supervisors: Vec::new(),
            muted: Vec::new(),
            steps: vec![StepProgress::Locked; journey.steps.len()],
            alarms: Vec::new(),
            outcome: None,
            closed_at: None,
            next_seq: 0,
        }
    }

    /// Takes one event in. Decides nothing.
    pub fn apply(&mut self, journey: &Journey, recorded: &Recorded) {
        self.next_seq = recorded.seq + 1;
        let at = recorded.at;
        match &recorded.event {
            VisitEvent::Created(_) => self.created_at = at,
            VisitEvent::Consented(evidence) => {
                self.face = Some(evidence.face);
                self.portrait &= evidence.face;
                self.consent = Some(evidence.clone());
                self.phase = VisitState::Preparing;
            }
            VisitEvent::RecordingOpened { recording } => {
                self.recording = Some(*recording);
                self.recording_state = RecordingState::Starting;
            }
            VisitEvent::RecordingDurable => self.recording_state = RecordingState::On,
            VisitEvent::RecordingFailed => self.recording_state = RecordingState::Failed,
            VisitEvent::Connected { party } => self.set_connected(*party, true),
            VisitEvent::Disconnected { party } => self.set_connected(*party, false),
            VisitEvent::LivenessStarted { attempt } => {
                self.attempt = *attempt;
                self.liveness = LivenessStatus::Running;
            }
            VisitEvent::LivenessCut => self.liveness = LivenessStatus::NotStarted,
            VisitEvent::LivenessEnded { verdict } => {
                self.liveness = match verdict.outcome {
                    KycOutcome::Pass => LivenessStatus::Passed,
                    KycOutcome::Fail => LivenessStatus::Failed,
                    KycOutcome::Refer => LivenessStatus::Referred,
                };
                self.verdict = Some(verdict.clone());
            }
            VisitEvent::Portrait { kept } => self.portrait = *kept,
            VisitEvent::FaceWithdrawn { .. } => {
                self.face = Some(false);
                self.portrait = false;
                self.liveness = LivenessStatus::NotStarted;
            }
            VisitEvent::Queued => {
                self.phase = VisitState::Waiting;
                self.queued_at = Some(at);
            }
            VisitEvent::Accepted { staff } => {
                self.phase = VisitState::InCall;
                self.staff = Some(staff.clone());
                self.accepted_at = Some(at);
            }
            VisitEvent::SupervisionBegan { supervisor, participant, mode } => {
                self.supervisors.retain(|s| s.id != *supervisor);
                let (id, participant, mode) = (*supervisor, *participant, Some(*mode));
                self.supervisors.push(Supervisor { id, participant, mode });
            }
            VisitEvent::SupervisionChanged { supervisor, mode } => {
                self.set_mode(*supervisor, Some(*mode));
            }
            VisitEvent::SupervisionEnded { supervisor } => self.set_mode(*supervisor, None),
            VisitEvent::Muted { participant, kind, muted, .. } => {
                self.muted.retain(|m| *m != (*participant, *kind));
                if *muted {
                    self.muted.push((*participant, *kind));
                }
            }
            VisitEvent::StepOpened { step } => self.set_step(journey, step, StepProgress::Open),
            VisitEvent::StepCompleted { step, outcome, .. } => {
                self.set_step(journey, step, StepProgress::Done(*outcome));
            }
            VisitEvent::Alarm { code, who } => {
                self.alarms.push(Alarm { code: code.clone(), at, who: *who });
            }
            VisitEvent::Closed { outcome } => {
                self.phase = VisitState::Closed;
                self.outcome = Some(*outcome);
                self.closed_at = Some(at);
                self.customer_connected = false;
                self.staff_connected = false;
            }
        }
    }

    fn set_connected(&mut self, party: Party, connected: bool) {
        match party {
            Party::Customer => self.customer_connected = connected,
            Party::Staff => self.staff_connected = connected,
        }
        let ready = party == Party::Customer && connected;
        if ready && self.phase == VisitState::Preparing && self.face == Some(true) {
            self.phase = VisitState::Checking;
        }
    }

    fn set_mode(&mut self, supervisor: UserId, mode: Option<SupervisionMode>) {
        if let Some(found) = self.supervisors.iter_mut().find(|s| s.id == supervisor) {
            found.mode = mode;
        }
    }

    fn set_step(&mut self, journey: &Journey, step: &str, progress: StepProgress) {
        let index = journey.steps.iter().position(|s| s.id == step);
        if let Some(slot) = index.and_then(|i| self.steps.get_mut(i)) {
            *slot = progress;
        }
    }

    /// Whether this party's media is up.
    #[must_use]
    pub const fn connected(&self, party: Party) -> bool {
        match party {
            Party::Customer => self.customer_connected,
            Party::Staff => self.staff_connected,
        }
    }

    /// Whether nothing of the journey remains.
    #[must_use]
    pub fn all_steps_done(&self) -> bool {
        self.steps.iter().all(|s| matches!(s, StepProgress::Done(_)))
    }

    /// Whether the customer said no to a question.
    #[must_use]
    pub fn answered_no(&self) -> bool {
        self.steps.contains(&StepProgress::Done(StepOutcome::No))
    }

    /// Whether media, a queue place or a call depends on this process. Where none does, the visit
    /// outlives a restart.
    #[must_use]
    pub fn depends_on_process(&self) -> bool {
        match self.phase {
            VisitState::Invited | VisitState::Preparing => self.recording.is_some(),
            VisitState::Checking | VisitState::Waiting | VisitState::InCall => true,
            VisitState::Closed => false,
        }
    }

    pub(super) fn takes_alarm(&self, code: &str, who: Option<Party>, now: UnixMillis) -> bool {
        let lately = |at: UnixMillis| now.0.saturating_sub(at.0) < ALARM_REPEAT_MS;
        let said = |a: &Alarm| a.code == code && a.who == who && lately(a.at);
        let full = match who {
            Some(_) => self.alarms.iter().filter(|a| a.who.is_some()).count() >= MAX_WATCH_ALARMS,
            None => false,
        };
        !full && self.alarms.len() < MAX_ALARMS && !self.alarms.iter().any(said)
    }
}
