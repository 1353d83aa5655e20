//! One visit: what may happen in it, and in which order. Sans-IO: commands and the time go in,
//! events and calls to other parts come out; no clock, no database, no network.
//!
//! [`Visit::handle`] decides, [`State::apply`] remembers. A visit rebuilt from its events is in
//! the same state as the one that produced them.

mod command;
mod event;
mod guests;
mod liveness;
mod media;
mod project;
mod state;
mod steps;
mod supervision;
mod timers;
pub mod view;
mod watch;

#[cfg(test)]
mod props;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use vbranch_domain::{
    Mono, UnixMillis, VisitId,
    timeline::{TimelineEvent, TimelineKind},
};

pub use command::{Actor, CallNews, Command, Effect, Now, PortCall, Refusal};
pub use event::{
    ConsentEvidence, Created, Outcome, Recorded, StaffBadge, StepOutcome, SupervisionMode,
    VisitEvent,
};
pub use guests::{GuestCommand, GuestPlan, Inviter, MediaRight, NewGuest};
pub use liveness::KycEvidence;
pub use media::MediaPlan;
#[cfg(test)]
use state::{LivenessStatus, RecordingState, StepProgress};
pub use state::{State, Supervisor, VisitState};

use crate::{config::Limits, content::Journey};

/// A visit that is alive, or is being looked at after its end.
#[derive(Debug, Clone)]
pub struct Visit {
    id: VisitId,
    journey: Arc<Journey>,
    limits: Limits,
    state: State,
    live: Live,
}

/// What need not outlive the process: a visit with any of this is closed when the process dies.
#[derive(Debug, Clone, Default)]
struct Live {
    /// Since when each party has been gone, if it is.
    customer_lost: Option<Mono>,
    staff_lost: Option<Mono>,
    /// Whether staff were told of this absence.
    customer_alarmed: bool,
    staff_alarmed: bool,
    /// Whether the party was in the call before, so that a connection is one restored.
    customer_seen: bool,
    staff_seen: bool,
    /// Connections each party has been given so far.
    customer_joins: u32,
    staff_joins: u32,
    /// Supervisors' connections.
    attendance: Vec<supervision::Attendance>,
    /// What the media plane last said of the call.
    call: supervision::CallLive,
    /// Who may take part by a token, and does.
    guests: guests::Guests,
    /// The check that runs or is about to.
    check: liveness::Check,
    /// What the last check handed over, for staff to look at.
    evidence: liveness::Handed,
    /// The watch over both faces.
    watch: watch::Watch,
    /// The step whose picture is being sealed.
    reserved: Option<String>,
    /// Pictures handed in so far, so that no two are sealed under one name.
    pictures: u32,
}

/// How long a customer can still look at how the visit ended.
const SHOWN_AFTER_CLOSE_MS: i64 = 24 * 3_600_000;

/// The effects of one command, in order.
struct Outbox {
    now: Now,
    effects: Vec<Effect>,
}

impl Outbox {
    fn port(&mut self, call: PortCall) {
        self.effects.push(Effect::Port(call));
    }
}

impl Visit {
    /// A visit that begins now, with the event that says so.
    #[must_use]
    pub fn create(
        id: VisitId,
        journey: Arc<Journey>,
        limits: Limits,
        created: Created,
        now: Now,
    ) -> (Self, Vec<Effect>) {
        let state = State::new(&journey, created.clone());
        let mut visit = Self { id, journey, limits, state, live: Live::default() };
        let mut out = Outbox { now, effects: Vec::new() };
        visit.emit(&mut out, VisitEvent::Created(created));
        (visit, out.effects)
    }

    /// The visit that produced these events; `None` where they do not begin with its creation.
    #[must_use]
    pub fn rebuild(
        id: VisitId,
        journey: Arc<Journey>,
        limits: Limits,
        events: &[Recorded],
    ) -> Option<Self> {
        let Some(Recorded { event: VisitEvent::Created(created), .. }) = events.first() else {
            return None;
        };
        let mut state = State::new(&journey, created.clone());
        for event in events {
            state.apply(&journey, event);
        }
        Some(Self { id, journey, limits, state, live: Live::default() })
    }

    /// Which visit this is.
    #[must_use]
    pub const fn id(&self) -> VisitId {
        self.id
    }

    /// What has come of it so far.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Whether the link of this visit has become useless: not used in time, or long over.
    #[must_use]
    pub fn link_expired(&self, now: UnixMillis) -> bool {
        let expires = self.state.created.expires;
        match (self.state.recording, self.state.closed_at) {
            (None, _) => now >= expires,
            (Some(_), None) => false,
            (Some(_), Some(closed)) => {
                now >= expires.max(UnixMillis(closed.0.saturating_add(SHOWN_AFTER_CLOSE_MS)))
            }
        }
    }

    /// Does what the command says, or refuses and changes nothing.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn handle(&mut self, command: Command, now: Now) -> Result<Vec<Effect>, Refusal> {
        let mut out = Outbox { now, effects: Vec::new() };
        match command {
            Command::Consent(evidence) => self.consent(&mut out, evidence)?,
            Command::Joining(by) => self.joining(now, by)?,
            Command::RecordingOpened(id) => self.recording_opened(&mut out, id)?,
            Command::RecordingDurable(id) => self.recording_durable(&mut out, id),
            Command::RecordingFailed => self.recording_failed(&mut out),
            Command::Alarm(code) => self.alarm(&mut out, code),
            Command::Connected(party) => self.connected(&mut out, party),
            Command::Disconnected(party) => self.disconnected(&mut out, party),
            Command::Joined(by) => self.joined(&mut out, by),
            Command::SupervisorConnected(who) => self.supervisor_connected(who, true, now),
            Command::SupervisorDisconnected(who) => self.supervisor_connected(who, false, now),
            Command::Supervise { by, mode, participant } => {
                self.supervise(&mut out, by, mode, participant)?;
            }
            Command::EndSupervision { by } => self.end_supervision(&mut out, by)?,
            Command::Mute { by, participant, kind, muted } => {
                self.mute(&mut out, by, participant, kind, muted)?;
            }
            Command::Guest(command) => self.guest(&mut out, command)?,
            Command::Call(news) => self.call_news(news),
            Command::ReserveLiveness => self.reserve_liveness()?,
            Command::ReleaseLiveness => self.live.check.reserved = false,
            Command::StartLiveness { available, camera } => {
                self.start_liveness(&mut out, available, camera)?;
            }
            Command::ReferLiveness { reason } => self.refer_liveness(&mut out, reason)?,
            Command::SkipLiveness => self.skip_liveness(&mut out)?,
            Command::Kyc(event) => self.kyc(&mut out, event),
            Command::KycArtifact(artifact) => self.kyc_artifact(&mut out, artifact),
            Command::ArtifactSealed { attempt, sealed } => {
                self.artifact_sealed(&mut out, attempt, sealed);
            }
            Command::PortraitMissing { attempt } => self.portrait_missing(&mut out, attempt),
            Command::Portrait { kept } => self.portrait(&mut out, kept)?,
            Command::Watch(party, event) => self.watched(&mut out, party, event),
            Command::Accept(staff) => self.accept(&mut out, staff)?,
            Command::OpenStep { by, step } => self.open_step(&mut out, by, step)?,
            Command::ReserveStep { by, step, kind } => self.reserve_step(by, step, kind)?,
            Command::ReleaseStep { step } => self.release_step(&step),
            Command::CompleteStep { by, step, outcome, artifact } => {
                self.complete_step(&mut out, by, step, outcome, artifact)?;
            }
            Command::Close { by, outcome } => self.close_by_staff(&mut out, by, outcome)?,
            Command::Leave => self.leave(&mut out)?,
            Command::Interrupt => self.close(&mut out, Outcome::Interrupted),
            Command::Tick => self.tick(&mut out),
        }
        Ok(out.effects)
    }

    fn consent(&mut self, out: &mut Outbox, evidence: ConsentEvidence) -> Result<(), Refusal> {
        match (&self.state.consent, self.state.phase) {
            // A page that did not see the first answer asks again.
            (Some(given), _) if *given == evidence => return Ok(()),
            (_, VisitState::Closed) => return Err(Refusal::Closed),
            (Some(_), _) => return Err(Refusal::ConsentDecided),
            (None, _) => {}
        }
        let (may_record, face) = (evidence.recording, evidence.face);
        self.emit(out, VisitEvent::Consented(evidence));
        if !face {
            out.port(PortCall::ForgetFace);
        }
        if !may_record {
            self.close(out, Outcome::Declined);
        }
        Ok(())
    }

    fn accept(&mut self, out: &mut Outbox, staff: StaffBadge) -> Result<(), Refusal> {
        match (self.state.phase, &self.state.staff) {
            (VisitState::Waiting, _) => {}
            // The answer to the first request was lost.
            (VisitState::InCall, Some(mine)) if mine.id == staff.id => return Ok(()),
            (VisitState::InCall, _) => return Err(Refusal::AlreadyTaken),
            _ => return Err(Refusal::NotWaiting),
        }
        let who = staff.id;
        self.emit(out, VisitEvent::Accepted { staff });
        // Not in the call yet: the clock for a staff member who never comes runs from here.
        self.live.staff_lost = Some(out.now.mono);
        if let Some(recording) = self.state.recording {
            let who = self.recorded(crate::content::Party::Staff);
            out.port(PortCall::AddParticipant(recording, who));
        }
        self.mark(out, TimelineKind::StaffJoined { staff: who });
        self.watch_if_due(out, crate::content::Party::Customer);
        Ok(())
    }

    fn alarm(&mut self, out: &mut Outbox, code: &str) {
        let closed = self.state.phase == VisitState::Closed;
        if closed || !self.state.takes_alarm(code, None, out.now.wall) {
            return;
        }
        self.emit(out, VisitEvent::Alarm { code: code.to_owned(), who: None });
        self.mark(out, TimelineKind::Alarm { code: code.to_owned() });
    }

    fn close_by_staff(
        &mut self,
        out: &mut Outbox,
        by: Actor,
        outcome: Outcome,
    ) -> Result<(), Refusal> {
        self.check_actor(by)?;
        match self.state.phase {
            VisitState::Closed if self.state.outcome == Some(outcome) => return Ok(()),
            VisitState::Closed => return Err(Refusal::Closed),
            VisitState::InCall => {}
            _ => return Err(Refusal::WrongState),
        }
        match outcome {
            Outcome::Completed if self.state.answered_no() => return Err(Refusal::AnswerNo),
            Outcome::Completed if !self.state.all_steps_done() => return Err(Refusal::StepsOpen),
            Outcome::Interrupted => return Err(Refusal::WrongOutcome),
            Outcome::Completed | Outcome::Declined | Outcome::Abandoned => {}
        }
        self.close(out, outcome);
        Ok(())
    }

    fn leave(&mut self, out: &mut Outbox) -> Result<(), Refusal> {
        self.close(out, Outcome::Abandoned);
        Ok(())
    }

    /// The one way a visit ends. The recording is closed last, so that the end is on it.
    fn close(&mut self, out: &mut Outbox, outcome: Outcome) {
        if self.state.phase == VisitState::Closed {
            return;
        }
        let media_may_exist = self.state.recording.is_some();
        self.cut_liveness(out);
        self.emit(out, VisitEvent::Closed { outcome });
        self.mark(out, TimelineKind::Closed { outcome: outcome.as_str().to_owned() });
        self.unwatch_all(out);
        if self.state.portrait {
            out.port(PortCall::ForgetOwnFace);
        }
        if media_may_exist {
            out.port(PortCall::EndMedia);
        }
        if let Some(recording) = self.state.recording {
            out.port(PortCall::CloseRecording(recording, out.now.mono));
        }
        self.live = Live::default();
    }

    /// A staff member may only act on the visit they accepted.
    fn check_actor(&self, by: Actor) -> Result<(), Refusal> {
        match (by, &self.state.staff) {
            (Actor::Customer, _) => Ok(()),
            (Actor::Staff(id), Some(staff)) if staff.id == id => Ok(()),
            (Actor::Staff(_) | Actor::Supervisor(_), _) => Err(Refusal::NotYourVisit),
        }
    }

    fn emit(&mut self, out: &mut Outbox, event: VisitEvent) {
        let recorded = Recorded { seq: self.state.next_seq, at: out.now.wall, event };
        self.state.apply(&self.journey, &recorded);
        out.effects.push(Effect::Append(recorded));
    }

    fn mark(&self, out: &mut Outbox, kind: TimelineKind) {
        if let Some(recording) = self.state.recording {
            let event = TimelineEvent { at: out.now.mono, kind };
            out.port(PortCall::Mark(recording, event));
        }
    }
}
