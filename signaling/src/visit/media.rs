//! Media connections and the recording of a visit.

use vbranch_domain::{
    CallId, ParticipantId, RecordingId, Seat,
    recording::{RecordedParticipant, RecordingMeta},
    timeline::TimelineKind,
};

use super::{
    Actor, Now, Outbox, Refusal, Visit, VisitEvent,
    state::{RecordingState, VisitState},
};
use crate::content::Party;

/// What joining needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPlan {
    /// Which call.
    pub call: CallId,
    /// As whom.
    pub participant: ParticipantId,
    /// Where they sit.
    pub seat: Seat,
    /// The recording to open first: there is none yet and the customer brings the first media.
    pub open: Option<RecordingMeta>,
}

impl Visit {
    /// Whether `by` may send media now, and how.
    ///
    /// # Errors
    /// No consent to recording yet, nobody accepted yet, not theirs, over.
    pub fn media_plan(&self, by: Actor, now: Now) -> Result<MediaPlan, Refusal> {
        let (participant, seat) = self.place_of(by)?;
        match (by, self.state.phase) {
            (_, VisitState::Closed) => return Err(Refusal::Closed),
            (_, VisitState::Invited) => return Err(Refusal::WrongState),
            (Actor::Customer, _) | (Actor::Staff(_) | Actor::Supervisor(_), VisitState::InCall) => {
            }
            (Actor::Staff(_) | Actor::Supervisor(_), _) => return Err(Refusal::WrongState),
        }
        let open = match by {
            Actor::Customer if self.state.recording.is_none() => Some(RecordingMeta {
                recording: RecordingId::random(),
                visit: self.id,
                call: self.state.created.call,
                started: now.wall,
                journey: self.journey.reference(),
                participants: vec![self.recorded(Party::Customer)],
            }),
            _ => None,
        };
        Ok(MediaPlan { call: self.state.created.call, participant, seat, open })
    }

    /// Who this is in the call, and where they sit.
    ///
    /// # Errors
    /// Who has no place in it.
    pub(super) fn place_of(&self, by: Actor) -> Result<(ParticipantId, Seat), Refusal> {
        match by {
            Actor::Customer => Ok((self.participant(Party::Customer), Seat::Customer)),
            Actor::Staff(_) => {
                self.check_actor(by)?;
                Ok((self.participant(Party::Staff), Seat::Staff))
            }
            Actor::Supervisor(id) => {
                let (supervisor, mode) = self.attending(id)?;
                Ok((supervisor.participant, mode.seat()))
            }
        }
    }

    /// The party's id in the call.
    #[must_use]
    pub const fn participant(&self, party: Party) -> ParticipantId {
        match party {
            Party::Customer => self.state.created.customer,
            Party::Staff => self.state.created.staff,
        }
    }

    pub(super) fn recorded(&self, party: Party) -> RecordedParticipant {
        RecordedParticipant { id: self.participant(party), role: party.as_str().to_owned() }
    }

    pub(super) fn joining(&mut self, now: Now, by: Actor) -> Result<(), Refusal> {
        let plan = self.media_plan(by, now)?;
        // A connection that never comes up must not hold its place for ever. Trying again is not
        // being here: the absence goes on from where it began.
        match by.party() {
            Some(party) if self.state.connected(party) => {}
            Some(party) => {
                self.lost_slot(party).get_or_insert(now.mono);
            }
            None => self.supervisor_joining(plan.participant, now),
        }
        Ok(())
    }

    pub(super) fn recording_opened(
        &mut self,
        out: &mut Outbox,
        recording: RecordingId,
    ) -> Result<(), Refusal> {
        if self.state.phase == VisitState::Closed {
            return Err(Refusal::Closed);
        }
        if self.state.recording.is_some() {
            return Err(Refusal::WrongState);
        }
        self.emit(out, VisitEvent::RecordingOpened { recording });
        self.mark_consents(out);
        Ok(())
    }

    /// The consents were given before there was a recording: they stand at its beginning.
    fn mark_consents(&self, out: &mut Outbox) {
        let Some(consent) = &self.state.consent else { return };
        let both = [
            ("recording", consent.recording, &consent.recording_sha256),
            ("face", self.state.face.unwrap_or(consent.face), &consent.face_sha256),
        ];
        for (subject, granted, sha256) in both {
            self.mark(
                out,
                TimelineKind::Consent {
                    subject: subject.to_owned(),
                    text_version: consent.text_version.clone(),
                    text_sha256: sha256.clone(),
                    granted,
                },
            );
        }
    }

    pub(super) fn recording_durable(&mut self, out: &mut Outbox, recording: RecordingId) {
        let expected = self.state.recording == Some(recording)
            && self.state.recording_state == RecordingState::Starting
            && self.state.phase != VisitState::Closed;
        if expected {
            self.emit(out, VisitEvent::RecordingDurable);
        }
    }

    /// The call goes on (staff decide with the customer), but no business step does.
    pub(super) fn recording_failed(&mut self, out: &mut Outbox) {
        if self.state.phase == VisitState::Closed
            || self.state.recording_state == RecordingState::Failed
        {
            return;
        }
        self.emit(out, VisitEvent::RecordingFailed);
        self.alarm(out, "recording_failed");
    }

    pub(super) fn connected(&mut self, out: &mut Outbox, party: Party) {
        if self.state.phase == VisitState::Closed {
            return;
        }
        let alarmed = match party {
            Party::Customer => &mut self.live.customer_alarmed,
            Party::Staff => &mut self.live.staff_alarmed,
        };
        *alarmed = false;
        *self.lost_slot(party) = None;
        if self.state.connected(party) {
            return;
        }
        let was_here = self.was_connected_before(party);
        self.emit(out, VisitEvent::Connected { party });
        self.note_connected(party);
        if was_here {
            let party = party.as_str().to_owned();
            self.mark(out, TimelineKind::ConnectionRestored { party });
        }
        self.queue_if_ready(out);
        self.watch_if_due(out, party);
    }

    pub(super) fn joined(&mut self, out: &mut Outbox, by: Actor) {
        if self.state.phase == VisitState::Closed {
            return;
        }
        let party = match by {
            Actor::Customer => Party::Customer,
            Actor::Staff(_) => Party::Staff,
            Actor::Supervisor(id) => return self.supervisor_joined(out, id),
        };
        let joins = match party {
            Party::Customer => &mut self.live.customer_joins,
            Party::Staff => &mut self.live.staff_joins,
        };
        *joins = joins.saturating_add(1);
        self.mute_again(out, self.participant(party));
        self.disconnected(out, party);
    }

    pub(super) fn disconnected(&mut self, out: &mut Outbox, party: Party) {
        if self.state.phase == VisitState::Closed || !self.state.connected(party) {
            return;
        }
        self.emit(out, VisitEvent::Disconnected { party });
        *self.lost_slot(party) = Some(out.now.mono);
        self.mark(out, TimelineKind::ConnectionLost { party: party.as_str().to_owned() });
        if party == Party::Customer {
            self.lose_liveness(out);
        }
    }

    /// Puts the customer into the queue once there is nothing left to check.
    pub(super) fn queue_if_ready(&mut self, out: &mut Outbox) {
        let before_queue = matches!(self.state.phase, VisitState::Preparing | VisitState::Checking);
        if before_queue && self.state.customer_connected && self.check_is_over() {
            self.emit(out, VisitEvent::Queued);
        }
    }

    const fn was_connected_before(&self, party: Party) -> bool {
        match party {
            Party::Customer => self.live.customer_seen,
            Party::Staff => self.live.staff_seen,
        }
    }

    const fn note_connected(&mut self, party: Party) {
        match party {
            Party::Customer => self.live.customer_seen = true,
            Party::Staff => self.live.staff_seen = true,
        }
    }

    pub(super) const fn lost_slot(&mut self, party: Party) -> &mut Option<vbranch_domain::Mono> {
        match party {
            Party::Customer => &mut self.live.customer_lost,
            Party::Staff => &mut self.live.staff_lost,
        }
    }
}
