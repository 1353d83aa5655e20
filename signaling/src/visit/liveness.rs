//! The liveness check as the visit sees it: attempts, verdicts, and the way round it.

use vbranch_domain::{
    kyc::{KycEvent, KycOutcome, KycVerdict},
    timeline::TimelineKind,
};

use super::{
    Outbox, PortCall, Refusal, Visit, VisitEvent,
    state::{LivenessStatus, VisitState},
    view::ChallengeView,
};

impl Visit {
    /// Attempts the customer still has.
    #[must_use]
    pub fn attempts_left(&self) -> u32 {
        self.limits.liveness_attempts.saturating_sub(self.state.attempt)
    }

    pub(super) fn start_liveness(
        &mut self,
        out: &mut Outbox,
        available: bool,
    ) -> Result<(), Refusal> {
        match self.state.phase {
            VisitState::Closed => return Err(Refusal::Closed),
            VisitState::Preparing => return Err(Refusal::MediaNotConnected),
            _ if self.attempts_left() == 0 => return Err(Refusal::AttemptsExhausted),
            VisitState::Checking => {}
            _ => return Err(Refusal::WrongState),
        }
        if self.state.liveness == LivenessStatus::Running {
            return Err(Refusal::LivenessRunning);
        }
        if !self.state.customer_connected {
            return Err(Refusal::MediaNotConnected);
        }
        let attempt = self.state.attempt + 1;
        self.emit(out, VisitEvent::LivenessStarted { attempt });
        self.mark(out, TimelineKind::KycStarted { attempt });
        if available {
            out.port(PortCall::BeginKyc);
        } else {
            self.end_liveness(out, models_unavailable());
        }
        Ok(())
    }

    pub(super) fn skip_liveness(&mut self, out: &mut Outbox) -> Result<(), Refusal> {
        match self.state.phase {
            VisitState::Closed => return Err(Refusal::Closed),
            VisitState::Invited => return Err(Refusal::WrongState),
            _ if self.state.face != Some(true) => return Ok(()),
            _ => {}
        }
        self.cut_liveness(out);
        let Some(consent) = self.state.consent.clone() else { return Err(Refusal::WrongState) };
        let text_version = consent.text_version.clone();
        self.emit(out, VisitEvent::FaceWithdrawn { text_version });
        self.mark(
            out,
            TimelineKind::Consent {
                subject: "face".to_owned(),
                text_version: consent.text_version,
                text_sha256: consent.face_sha256,
                granted: false,
            },
        );
        self.queue_if_ready(out);
        Ok(())
    }

    pub(super) fn kyc(&mut self, out: &mut Outbox, event: KycEvent) {
        // What a cancelled check still had to say is of no interest.
        if self.state.liveness != LivenessStatus::Running {
            return;
        }
        match event {
            KycEvent::Advice { advice } => self.live.advice = Some(advice),
            KycEvent::Challenge { challenge, index, of } => {
                self.live.challenge = Some(ChallengeView { kind: challenge, index, of });
            }
            KycEvent::ChallengeDone { index } => {
                if self.live.challenge.is_some_and(|c| c.index == index) {
                    self.live.challenge = None;
                }
            }
            KycEvent::Verdict(verdict) => self.end_liveness(out, verdict),
        }
    }

    fn end_liveness(&mut self, out: &mut Outbox, verdict: KycVerdict) {
        self.live.challenge = None;
        self.live.advice = None;
        let attempt = self.state.attempt;
        self.emit(out, VisitEvent::LivenessEnded { verdict: verdict.clone() });
        self.mark(out, TimelineKind::KycVerdict { attempt, verdict });
        self.queue_if_ready(out);
    }

    /// Ends a running check that cannot go on. Its attempt is spent, or cutting the line would
    /// buy attempts without end.
    pub(super) fn cut_liveness(&mut self, out: &mut Outbox) {
        if self.state.liveness == LivenessStatus::Running {
            out.port(PortCall::CancelKyc);
            self.live.challenge = None;
            self.live.advice = None;
            self.emit(out, VisitEvent::LivenessCut);
        }
    }

    /// Whether the customer has nothing more to do before the queue.
    pub(super) fn check_is_over(&self) -> bool {
        match self.state.liveness {
            _ if self.state.face != Some(true) => true,
            LivenessStatus::Running => false,
            LivenessStatus::Passed | LivenessStatus::Referred => true,
            LivenessStatus::NotStarted | LivenessStatus::Failed => self.attempts_left() == 0,
        }
    }
}

fn models_unavailable() -> KycVerdict {
    KycVerdict {
        outcome: KycOutcome::Refer,
        reason: "models_unavailable".to_owned(),
        signals: Vec::new(),
        models: Vec::new(),
        frames: 0,
    }
}
