//! Supervisors who attend a call, mutes, and what the media plane says of the call.

use std::time::Duration;

use vbranch_domain::{
    MediaKind, Mono, ParticipantId, Quality, Seat, Slot, UserId, VideoCodec,
    recording::RecordedParticipant, timeline::TimelineKind,
};

use super::{
    Actor, CallNews, Now, Outbox, PortCall, Refusal, SupervisionMode, Visit, VisitEvent,
    state::{Supervisor, VisitState},
};
use crate::content::Party;

/// Different supervisors one visit ever has. Each keeps a place in the call, of which the media
/// plane has 32, and a track of the recording, of which there are as many.
const MAX_SUPERVISORS: usize = 4;

/// A supervisor's media connection.
#[derive(Debug, Clone)]
pub(super) struct Attendance {
    participant: ParticipantId,
    connected: bool,
    /// Since when the connection is missing.
    lost: Option<Mono>,
    /// Since when they attend as they do now.
    mode_since: Mono,
    /// Connections given so far.
    joins: u32,
}

/// What the media plane last said. Holds entries of the visit's own participants only.
#[derive(Debug, Clone, Default)]
pub(super) struct CallLive {
    pub(super) speaker: Option<ParticipantId>,
    slots: Vec<(ParticipantId, Vec<Slot>)>,
    quality: Vec<(ParticipantId, Quality)>,
    codecs: Vec<(ParticipantId, VideoCodec)>,
}

impl CallLive {
    pub(super) fn slots_of(&self, who: ParticipantId) -> Vec<Slot> {
        let found = self.slots.iter().find(|(id, _)| *id == who);
        found.map(|(_, slots)| slots.clone()).unwrap_or_default()
    }

    pub(super) fn quality_of(&self, who: ParticipantId) -> Option<Quality> {
        self.quality.iter().find(|(id, _)| *id == who).map(|(_, quality)| *quality)
    }

    pub(super) fn codec_of(&self, who: ParticipantId) -> VideoCodec {
        let found = self.codecs.iter().find(|(id, _)| *id == who);
        found.map(|(_, codec)| *codec).unwrap_or_default()
    }
}

impl Visit {
    /// Who attends at present, and how.
    pub fn attendants(&self) -> impl Iterator<Item = (Supervisor, SupervisionMode)> + '_ {
        self.state.supervisors.iter().filter_map(|s| Some((*s, s.mode?)))
    }

    /// The supervisor who has this place in the call.
    #[must_use]
    pub fn is_supervisor(&self, participant: ParticipantId) -> bool {
        self.state.supervisors.iter().any(|s| s.participant == participant)
    }

    /// Whether it is news to the staff that the media of `who` are missing for the last `gap`.
    ///
    /// Of a supervisor only what went missing while they attended in one way, and not silently:
    /// the recorder cannot tell a loss from the silence of one who listens, and staff who heard of
    /// it would know that somebody does.
    #[must_use]
    pub fn staff_miss(&self, who: ParticipantId, gap: Duration, now: Mono) -> bool {
        let Some((_, mode)) = self.attendants().find(|(s, _)| s.participant == who) else {
            return !self.is_supervisor(who);
        };
        let attendance = self.live.attendance.iter().find(|a| a.participant == who);
        mode != SupervisionMode::Silent
            && attendance.is_some_and(|a| now.since(a.mode_since) >= gap)
    }

    pub(super) fn attending(&self, id: UserId) -> Result<(Supervisor, SupervisionMode), Refusal> {
        self.attendants().find(|(s, _)| s.id == id).ok_or(Refusal::NotSupervising)
    }

    pub(super) fn supervise(
        &mut self,
        out: &mut Outbox,
        by: UserId,
        mode: SupervisionMode,
        fresh: ParticipantId,
    ) -> Result<(), Refusal> {
        self.check_in_call()?;
        if self.state.staff.as_ref().is_some_and(|staff| staff.id == by) {
            return Err(Refusal::OwnVisit);
        }
        let known = self.state.supervisors.iter().find(|s| s.id == by).copied();
        match known {
            Some(Supervisor { mode: Some(present), .. }) if present == mode => Ok(()),
            Some(Supervisor { mode: Some(_), participant, .. }) => {
                self.emit(out, VisitEvent::SupervisionChanged { supervisor: by, mode });
                out.port(PortCall::SetSeat(participant, mode.seat()));
                let now = out.now.mono;
                self.attend(participant, |a| a.mode_since = now);
                let seat = mode.seat();
                self.mark(out, TimelineKind::SupervisionChanged { supervisor: by, seat });
                Ok(())
            }
            None if self.state.supervisors.len() >= MAX_SUPERVISORS => {
                Err(Refusal::TooManySupervisors)
            }
            known => {
                let participant = known.map_or(fresh, |s| s.participant);
                self.begin_supervision(out, by, mode, participant, known.is_none());
                Ok(())
            }
        }
    }

    fn begin_supervision(
        &mut self,
        out: &mut Outbox,
        by: UserId,
        mode: SupervisionMode,
        participant: ParticipantId,
        new: bool,
    ) {
        self.emit(out, VisitEvent::SupervisionBegan { supervisor: by, participant, mode });
        // Not in the call yet: who never joins does not attend for ever.
        let now = out.now.mono;
        self.attend(participant, |a| (a.lost, a.mode_since) = (Some(now), now));
        if let Some(recording) = self.state.recording.filter(|_| new) {
            let who = RecordedParticipant { id: participant, role: "supervisor".to_owned() };
            out.port(PortCall::AddParticipant(recording, who));
        }
        let seat = mode.seat();
        self.mark(out, TimelineKind::SupervisionBegan { supervisor: by, participant, seat });
    }

    pub(super) fn end_supervision(&mut self, out: &mut Outbox, by: UserId) -> Result<(), Refusal> {
        let (supervisor, _) = self.attending(by)?;
        if self.state.phase == VisitState::Closed {
            return Ok(());
        }
        self.emit(out, VisitEvent::SupervisionEnded { supervisor: by });
        self.attend(supervisor.participant, |a| (a.connected, a.lost) = (false, None));
        out.port(PortCall::Drop(supervisor.participant));
        self.mark(out, TimelineKind::SupervisionEnded { supervisor: by });
        Ok(())
    }

    pub(super) fn supervisor_joining(&mut self, participant: ParticipantId, now: Now) {
        self.attend(participant, |a| {
            if !a.connected {
                a.lost.get_or_insert(now.mono);
            }
        });
    }

    pub(super) fn supervisor_joined(&mut self, out: &mut Outbox, id: UserId) {
        let Ok((supervisor, mode)) = self.attending(id) else { return };
        let now = out.now.mono;
        self.attend(supervisor.participant, |a| {
            a.joins = a.joins.saturating_add(1);
            a.connected = false;
            a.lost.get_or_insert(now);
        });
        // It may have changed since the join was planned.
        out.port(PortCall::SetSeat(supervisor.participant, mode.seat()));
    }

    pub(super) fn supervisor_connected(
        &mut self,
        participant: ParticipantId,
        connected: bool,
        now: Now,
    ) {
        if !self.attendants().any(|(s, _)| s.participant == participant) {
            return;
        }
        self.attend(participant, |a| {
            a.connected = connected;
            a.lost = (!connected).then_some(now.mono);
        });
    }

    /// A supervisor whose line is gone for as long as staff are warned of one attends no more.
    pub(super) fn tick_supervisors(&mut self, out: &mut Outbox) {
        let gone = |participant| {
            let lost = self.live.attendance.iter().find(|a| a.participant == participant)?.lost?;
            (out.now.mono.since(lost) >= self.limits.call_grace).then_some(())
        };
        let over: Vec<UserId> = self
            .attendants()
            .filter(|(s, _)| gone(s.participant).is_some())
            .map(|(s, _)| s.id)
            .collect();
        for id in over {
            // Never refused: they attend, as was just seen.
            let _ = self.end_supervision(out, id);
        }
    }

    pub(super) fn mute(
        &mut self,
        out: &mut Outbox,
        by: Actor,
        participant: ParticipantId,
        kind: MediaKind,
        muted: bool,
    ) -> Result<(), Refusal> {
        self.check_actor(by)?;
        self.check_in_call()?;
        let Actor::Staff(by) = by else { return Err(Refusal::NotYourVisit) };
        // A supervisor is not to be silenced by whom they supervise.
        let third_party = (participant, Seat::ThirdParty);
        if Party::ALL.into_iter().all(|party| self.participant(party) != participant)
            && !self.guests_present().any(|guest| guest == third_party)
        {
            return Err(Refusal::ParticipantUnknown);
        }
        if self.state.muted.contains(&(participant, kind)) == muted {
            return Ok(());
        }
        self.emit(out, VisitEvent::Muted { participant, kind, muted, by });
        out.port(PortCall::Mute(participant, kind, muted));
        self.mark(out, TimelineKind::Muted { participant, kind, muted, by });
        Ok(())
    }

    /// For who joins after having been muted: the media plane may not have known them then.
    pub(super) fn mute_again(&self, out: &mut Outbox, participant: ParticipantId) {
        for (_, kind) in self.state.muted.iter().filter(|(id, _)| *id == participant) {
            out.port(PortCall::Mute(participant, *kind, true));
        }
    }

    pub(super) fn call_news(&mut self, news: CallNews) {
        if self.state.phase == VisitState::Closed {
            return;
        }
        let call = &mut self.live.call;
        match news {
            CallNews::Slots(who, slots) => put(&mut call.slots, who, slots),
            CallNews::Speaker(who) => call.speaker = who,
            CallNews::Quality(who, quality) => put(&mut call.quality, who, quality),
            CallNews::Codec(who, codec) => put(&mut call.codecs, who, codec),
        }
    }

    /// Whether this participant's media is up.
    pub(super) fn is_connected(&self, seat: Seat, participant: ParticipantId) -> bool {
        match seat {
            Seat::Customer => self.state.connected(Party::Customer),
            Seat::Staff => self.state.connected(Party::Staff),
            _ => {
                let attendance = &self.live.attendance;
                attendance.iter().any(|a| a.participant == participant && a.connected)
                    || self.guests_present().any(|(guest, _)| guest == participant)
            }
        }
    }

    pub(super) fn supervisor_joins(&self, participant: ParticipantId) -> u32 {
        let found = self.live.attendance.iter().find(|a| a.participant == participant);
        found.map_or(0, |a| a.joins)
    }

    /// Changes a supervisor's attendance, made where there is none.
    fn attend(&mut self, participant: ParticipantId, change: impl FnOnce(&mut Attendance)) {
        let all = &mut self.live.attendance;
        match all.iter_mut().find(|a| a.participant == participant) {
            Some(attendance) => change(attendance),
            None => {
                let (connected, lost, mode_since, joins) = (false, None, Mono::ZERO, 0);
                let mut attendance = Attendance { participant, connected, lost, mode_since, joins };
                change(&mut attendance);
                all.push(attendance);
            }
        }
    }

    /// Refuses what is for a running call only.
    pub(super) const fn check_in_call(&self) -> Result<(), Refusal> {
        match self.state.phase {
            VisitState::InCall => Ok(()),
            VisitState::Closed => Err(Refusal::Closed),
            _ => Err(Refusal::WrongState),
        }
    }
}

fn put<T>(list: &mut Vec<(ParticipantId, T)>, who: ParticipantId, value: T) {
    match list.iter_mut().find(|(id, _)| *id == who) {
        Some((_, old)) => *old = value,
        None => list.push((who, value)),
    }
}
