//! The journey's gate: a step opens only when every earlier one is done, the recording is durably
//! running and both parties are there; it is completed only by the party it belongs to.

use vbranch_domain::{recording::ArtifactRef, timeline::TimelineKind};

use super::{
    Actor, Outbox, Refusal, StepOutcome, Visit, VisitEvent,
    state::{RecordingState, StepProgress, VisitState},
};
use crate::content::{StepDef, StepKind};

impl Visit {
    pub(super) fn open_step(
        &mut self,
        out: &mut Outbox,
        by: Actor,
        step: String,
    ) -> Result<(), Refusal> {
        let (index, _) = self.step_in_call(by, &step)?;
        if by == Actor::Customer {
            return Err(Refusal::NotYourStep);
        }
        match self.state.steps.get(index) {
            Some(StepProgress::Locked) => {}
            // The answer to the first request was lost.
            Some(StepProgress::Open) => return Ok(()),
            _ => return Err(Refusal::StepDone),
        }
        let earlier = self.state.steps.iter().take(index);
        let all_done = earlier.clone().all(|s| matches!(s, StepProgress::Done(_)));
        if !all_done || self.state.answered_no() {
            return Err(Refusal::StepLocked);
        }
        self.check_evidence()?;
        self.emit(out, VisitEvent::StepOpened { step: step.clone() });
        self.mark(out, TimelineKind::StepOpened { step });
        Ok(())
    }

    pub(super) fn reserve_step(
        &mut self,
        by: Actor,
        step: String,
        kind: StepKind,
    ) -> Result<(), Refusal> {
        self.check_completable(by, &step, kind)?;
        if self.live.reserved.is_some() {
            return Err(Refusal::StepBusy);
        }
        self.live.reserved = Some(step);
        self.live.pictures = self.live.pictures.saturating_add(1);
        Ok(())
    }

    pub(super) fn release_step(&mut self, step: &str) {
        if self.live.reserved.as_deref() == Some(step) {
            self.live.reserved = None;
        }
    }

    /// The name the reserved step's picture is sealed under: never used before in this visit.
    #[must_use]
    pub fn picture_name(&self) -> Option<String> {
        let step = self.live.reserved.as_deref()?;
        Some(format!("{step}-{}.png", self.live.pictures))
    }

    pub(super) fn complete_step(
        &mut self,
        out: &mut Outbox,
        by: Actor,
        step: String,
        outcome: StepOutcome,
        artifact: Option<ArtifactRef>,
    ) -> Result<(), Refusal> {
        self.check_completable(by, &step, outcome.kind())?;
        let reserved = self.live.reserved.as_deref() == Some(step.as_str());
        if outcome.kind().has_picture() && !(reserved && artifact.is_some()) {
            return Err(Refusal::WrongInput);
        }
        self.live.reserved = None;
        let party = by.party().ok_or(Refusal::NotYourVisit)?;
        self.emit(
            out,
            VisitEvent::StepCompleted {
                step: step.clone(),
                by: party,
                outcome,
                artifact: artifact.clone(),
            },
        );
        let outcome = outcome.as_str().to_owned();
        self.mark(out, TimelineKind::StepCompleted { step, outcome, artifact });
        Ok(())
    }

    fn check_completable(&self, by: Actor, step: &str, kind: StepKind) -> Result<(), Refusal> {
        let (index, def) = self.step_in_call(by, step)?;
        if Some(def.kind.by()) != by.party() {
            return Err(Refusal::NotYourStep);
        }
        if def.kind != kind {
            return Err(Refusal::WrongInput);
        }
        match self.state.steps.get(index) {
            Some(StepProgress::Open) => self.check_evidence(),
            Some(StepProgress::Done(_)) => Err(Refusal::StepDone),
            _ => Err(Refusal::StepLocked),
        }
    }

    fn step_in_call(&self, by: Actor, step: &str) -> Result<(usize, &StepDef), Refusal> {
        self.check_actor(by)?;
        match self.state.phase {
            VisitState::InCall => {}
            VisitState::Closed => return Err(Refusal::Closed),
            _ => return Err(Refusal::WrongState),
        }
        let mut steps = self.journey.steps.iter().enumerate();
        steps.find(|(_, def)| def.id == step).ok_or(Refusal::StepUnknown)
    }

    /// What happens in a step must be on the recording: it runs durably, and both are in it.
    fn check_evidence(&self) -> Result<(), Refusal> {
        if self.state.recording_state != RecordingState::On {
            return Err(Refusal::RecordingNotReady);
        }
        if !(self.state.customer_connected && self.state.staff_connected) {
            return Err(Refusal::MediaNotConnected);
        }
        Ok(())
    }
}

impl StepOutcome {
    /// The kind of step that can end so.
    #[must_use]
    pub const fn kind(self) -> StepKind {
        match self {
            Self::Shown => StepKind::Identity,
            Self::Read => StepKind::Disclosure,
            Self::Yes | Self::No => StepKind::Question,
            Self::Captured => StepKind::Document,
            Self::Signed => StepKind::Signature,
        }
    }
}

impl StepKind {
    /// Whether a picture belongs to it.
    #[must_use]
    pub const fn has_picture(self) -> bool {
        matches!(self, Self::Document | Self::Signature)
    }
}
