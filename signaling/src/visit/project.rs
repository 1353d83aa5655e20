//! Showing a visit to each side: only what it may see.

use vbranch_domain::{ParticipantId, Seat};

use super::{
    SupervisionMode, Supervisor, Visit,
    state::{LivenessStatus, StepProgress},
    view::{
        AlarmView, CallView, ConsentSubject, ConsentText, ConsentsView, CustomerView, LivenessView,
        MediaView, ParticipantView, ProductView, QueueEntry, QueuePlace, StaffCard, StaffLiveness,
        StaffLivenessView, StaffRecording, StaffView, StepState, StepView, StoresView,
        SupervisorView,
    },
};
use crate::content::{ConsentTexts, Party, StepDef};

impl Visit {
    /// What the customer sees. `position` counts from 1.
    #[must_use]
    pub fn customer_view(&self, texts: &ConsentTexts, position: Option<u32>) -> CustomerView {
        let s = &self.state;
        CustomerView {
            visit: self.id,
            number: s.created.number.clone(),
            state: s.phase,
            product: self.product_view(),
            consents: ConsentsView {
                texts: consent_texts(texts),
                recording: s.consent.as_ref().map(|c| c.recording),
                face: s.face,
            },
            media: self.media_view(Party::Customer),
            call: self.call_view(self.participant(Party::Customer), Seat::Customer),
            liveness: self.liveness_view(),
            queue: position
                .map(|position| QueuePlace { position, ahead: position.saturating_sub(1) }),
            staff: self.staff_card(),
            recording: s.recording_state,
            steps: if s.staff.is_some() { self.steps_view(false) } else { Vec::new() },
            outcome: s.outcome,
        }
    }

    /// What the staff member sees who accepted it.
    #[must_use]
    pub fn staff_view(&self, stores: StoresView) -> StaffView {
        let s = &self.state;
        StaffView {
            visit: self.id,
            number: s.created.number.clone(),
            state: s.phase,
            product: self.product_view(),
            liveness: StaffLivenessView {
                status: self.staff_liveness(),
                verdict: s.verdict.clone(),
            },
            media: self.media_view(Party::Staff),
            call: self.call_view(self.participant(Party::Staff), Seat::Staff),
            recording: StaffRecording { state: s.recording_state, stores },
            steps: self.steps_view(true),
            alarms: s
                .alarms
                .iter()
                .map(|alarm| AlarmView { code: alarm.code.clone(), at: alarm.at, who: alarm.who })
                .collect(),
            watch: self.watch_view(),
            outcome: s.outcome,
            started: s.accepted_at,
        }
    }

    /// The line in the queue; `mine` is for the caller to decide per viewer.
    #[must_use]
    pub fn queue_entry(&self, position: Option<u32>) -> QueueEntry {
        QueueEntry {
            visit: self.id,
            number: self.state.created.number.clone(),
            product: self.product_view(),
            state: self.state.phase,
            waiting_since: self.state.queued_at.unwrap_or(self.state.created_at),
            position,
            liveness: self.staff_liveness(),
            mine: false,
            staff: self.staff_card(),
        }
    }

    /// What a supervisor who attends sees.
    #[must_use]
    pub fn supervisor_view(
        &self,
        supervisor: Supervisor,
        mode: SupervisionMode,
        visit: &StaffView,
    ) -> SupervisorView {
        let (me, seat) = (supervisor.participant, mode.seat());
        SupervisorView {
            mode,
            media: MediaView {
                connected: self.is_connected(seat, me),
                peer_connected: self.state.customer_connected,
                connection: self.supervisor_joins(me),
            },
            call: self.call_view(me, seat),
            staff: self.staff_card(),
            visit: visit.clone(),
        }
    }

    fn call_view(&self, me: ParticipantId, viewer: Seat) -> CallView {
        let call = &self.live.call;
        let staff =
            self.state.staff.as_ref().map(|_| (self.participant(Party::Staff), Seat::Staff));
        let customer = (self.participant(Party::Customer), Seat::Customer);
        let supervisors = self.attendants().map(|(s, mode)| (s.participant, mode.seat()));
        let guests = self.guests_present();
        let participants = [customer].into_iter().chain(staff).chain(guests).chain(supervisors);
        CallView {
            me,
            participants: participants
                .filter(|(_, seat)| may_know_of(viewer, *seat))
                .map(|(who, seat)| self.participant_view(who, seat, viewer))
                .collect(),
            slots: call.slots_of(me),
            speaker: call.speaker,
            video_codec: call.codec_of(me),
        }
    }

    fn participant_view(&self, who: ParticipantId, seat: Seat, viewer: Seat) -> ParticipantView {
        let muted = self.state.muted.iter().filter(|(id, _)| *id == who);
        let told = viewer != Seat::Customer || seat == Seat::Customer;
        ParticipantView {
            participant: who,
            seat,
            guest: self.has_guest(who),
            connected: self.is_connected(seat, who),
            muted: muted.map(|(_, kind)| *kind).collect(),
            quality: self.live.call.quality_of(who).filter(|_| told),
        }
    }

    fn staff_card(&self) -> Option<StaffCard> {
        self.state.staff.as_ref().map(|staff| StaffCard {
            display_name: staff.display_name.clone(),
            title: staff.title.clone(),
            staff_no: staff.staff_no.clone(),
        })
    }

    fn product_view(&self) -> ProductView {
        let product = &self.journey.product;
        ProductView { id: product.id.clone(), name: product.name.clone() }
    }

    const fn media_view(&self, own: Party) -> MediaView {
        let (customer, staff) = (self.state.customer_connected, self.state.staff_connected);
        match own {
            Party::Customer => MediaView {
                connected: customer,
                peer_connected: staff,
                connection: self.live.customer_joins,
            },
            Party::Staff => MediaView {
                connected: staff,
                peer_connected: customer,
                connection: self.live.staff_joins,
            },
        }
    }

    fn liveness_view(&self) -> Option<LivenessView> {
        (self.state.face != Some(false)).then(|| LivenessView {
            status: self.state.liveness,
            attempt: self.state.attempt,
            attempts_left: self.attempts_left(),
            challenge: self.live.check.challenge,
            advice: self.live.check.advice,
            flash: self.live.check.flash.clone(),
        })
    }

    fn staff_liveness(&self) -> StaffLiveness {
        match (self.state.face, self.state.liveness) {
            (Some(false), _) => StaffLiveness::Declined,
            // Cut short for the last time: there will be no verdict.
            (_, LivenessStatus::NotStarted) if self.attempts_left() == 0 => StaffLiveness::Failed,
            (_, LivenessStatus::NotStarted) => StaffLiveness::NotStarted,
            (_, LivenessStatus::Running) => StaffLiveness::Running,
            (_, LivenessStatus::Passed) => StaffLiveness::Passed,
            (_, LivenessStatus::Failed) => StaffLiveness::Failed,
            (_, LivenessStatus::Referred) => StaffLiveness::Referred,
        }
    }

    fn steps_view(&self, show_locked: bool) -> Vec<StepView> {
        let pairs = self.journey.steps.iter().zip(&self.state.steps);
        pairs.map(|(def, progress)| step_view(def, *progress, show_locked)).collect()
    }
}

/// Whether one who sits in `viewer` may know that somebody sits in `seat`.
const fn may_know_of(viewer: Seat, seat: Seat) -> bool {
    match seat {
        Seat::Customer | Seat::Staff | Seat::ThirdParty | Seat::SupervisorBargedIn => true,
        Seat::SupervisorWhispering => !matches!(viewer, Seat::Customer | Seat::ThirdParty),
        Seat::SupervisorSilent => {
            !matches!(viewer, Seat::Customer | Seat::ThirdParty | Seat::Staff)
        }
    }
}

fn step_view(def: &StepDef, progress: StepProgress, show_locked: bool) -> StepView {
    let (state, outcome) = match progress {
        StepProgress::Locked => (StepState::Locked, None),
        StepProgress::Open => (StepState::Open, None),
        StepProgress::Done(outcome) => (StepState::Done, Some(outcome)),
    };
    let show = show_locked || state != StepState::Locked;
    StepView {
        id: def.id.clone(),
        kind: def.kind,
        title: def.title.clone(),
        text: show.then(|| def.text.clone()),
        by: def.kind.by(),
        state,
        outcome,
    }
}

fn consent_texts(texts: &ConsentTexts) -> Vec<ConsentText> {
    let both = [(ConsentSubject::Recording, &texts.recording), (ConsentSubject::Face, &texts.face)];
    both.into_iter()
        .map(|(subject, text)| ConsentText {
            subject,
            version: texts.version.clone(),
            text: text.clone(),
        })
        .collect()
}
