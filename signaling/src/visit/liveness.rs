//! The liveness check as the visit sees it: attempts, verdicts, and the way round it.

use bytes::Bytes;
use vbranch_domain::{
    kyc::{
        Advice, CameraTraits, KycArtifact, KycEvent, KycOutcome, KycRequest, KycSignal, KycVerdict,
        MAX_ARTIFACTS,
    },
    recording::ArtifactRef,
    timeline::TimelineKind,
};

use super::{
    Outbox, PortCall, Refusal, Visit, VisitEvent,
    state::{LivenessStatus, VisitState},
    view::{ChallengeView, FlashView},
};
use crate::content::Party;

/// How large each piece may be that a check hands over to be sealed. What is larger, or more than
/// [`MAX_ARTIFACTS`], is left out, and the verdict says so: it waits in memory for the recorder.
const MAX_ARTIFACT_BYTES: usize = 1024 * 1024;
/// What may be kept of it for the console, each of the two. Larger: every live visit may hold as
/// much; smaller: the course of a long check is not shown.
const MAX_KEPT_BYTES: usize = 512 * 1024;

/// The check that runs or is about to. Gone with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Check {
    /// It is being asked whether one may begin.
    pub(super) reserved: bool,
    /// What the running check asks for and says.
    pub(super) challenge: Option<ChallengeView>,
    pub(super) advice: Option<Advice>,
    pub(super) flash: Option<FlashView>,
    /// What it handed over so far: all of it, what is being sealed, what has been.
    offered: usize,
    unsealed: usize,
    sealed: Vec<ArtifactRef>,
    /// How it ended, while that waits for what it rests on.
    verdict: Option<KycVerdict>,
}

/// What the last check handed over, kept in memory for the console.
#[derive(Debug, Clone, Default)]
pub(super) struct Handed {
    picture: Option<KycArtifact>,
    trace: Option<KycArtifact>,
}

/// What staff may look at of the last check.
#[derive(Clone, PartialEq)]
pub struct KycEvidence {
    /// Which attempt it was.
    pub attempt: u32,
    /// How it ended; `None` while it runs, and where it was cut short.
    pub verdict: Option<KycVerdict>,
    /// Its course, as JSON.
    pub trace: Option<Bytes>,
    /// Its best picture, as JPEG.
    pub picture: Option<Bytes>,
}

impl std::fmt::Debug for KycEvidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KycEvidence(attempt {})", self.attempt)
    }
}

impl Visit {
    /// Attempts the customer still has.
    #[must_use]
    pub fn attempts_left(&self) -> u32 {
        self.limits.liveness_attempts.saturating_sub(self.state.attempt)
    }

    /// What staff may look at of the last check: until the visit closes, and as long as the
    /// customer consents.
    #[must_use]
    pub fn kyc_evidence(&self) -> Option<KycEvidence> {
        let state = &self.state;
        let checked = state.attempt > 0 || state.verdict.is_some();
        if !checked || state.face != Some(true) || state.phase == VisitState::Closed {
            return None;
        }
        let over = !matches!(state.liveness, LivenessStatus::NotStarted | LivenessStatus::Running);
        let bytes = |artifact: &KycArtifact| artifact.bytes.clone();
        Some(KycEvidence {
            attempt: state.attempt,
            verdict: state.verdict.clone().filter(|_| over),
            trace: self.live.evidence.trace.as_ref().map(bytes),
            picture: self.live.evidence.picture.as_ref().map(bytes),
        })
    }

    pub(super) fn reserve_liveness(&mut self) -> Result<(), Refusal> {
        self.check_may_begin()?;
        if self.live.check.reserved {
            return Err(Refusal::LivenessRunning);
        }
        self.live.check.reserved = true;
        Ok(())
    }

    fn check_may_begin(&self) -> Result<(), Refusal> {
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
        Ok(())
    }

    pub(super) fn start_liveness(
        &mut self,
        out: &mut Outbox,
        available: bool,
        camera: CameraTraits,
    ) -> Result<(), Refusal> {
        self.check_may_begin()?;
        let attempt = self.state.attempt + 1;
        (self.live.check, self.live.evidence) = (Check::default(), Handed::default());
        self.emit(out, VisitEvent::LivenessStarted { attempt });
        self.mark(out, TimelineKind::KycStarted { attempt });
        if available {
            let request = KycRequest { attempt, portrait: None, camera };
            out.port(PortCall::BeginKyc { request, needs_portrait: self.state.portrait });
        } else {
            self.end_liveness(out, attempt, referred("models_unavailable"));
        }
        Ok(())
    }

    /// No check is begun and no attempt spent: the verdict stands for the one that was refused.
    pub(super) fn refer_liveness(
        &mut self,
        out: &mut Outbox,
        reason: &'static str,
    ) -> Result<(), Refusal> {
        self.check_may_begin()?;
        self.live.evidence = Handed::default();
        self.end_liveness(out, self.state.attempt + 1, referred(reason));
        Ok(())
    }

    pub(super) fn portrait_missing(&mut self, out: &mut Outbox, attempt: u32) {
        if self.runs(attempt) && self.live.check.verdict.is_none() {
            self.end_liveness(out, attempt, referred("portrait_unavailable"));
        }
    }

    pub(super) fn portrait(&mut self, out: &mut Outbox, kept: bool) -> Result<(), Refusal> {
        if kept {
            self.check_takes_portrait()?;
        }
        if kept != self.state.portrait && self.state.phase != VisitState::Closed {
            self.emit(out, VisitEvent::Portrait { kept });
        }
        Ok(())
    }

    /// Whether a portrait may be kept for the customer.
    ///
    /// # Errors
    /// The visit is over, or the customer does not want their face processed.
    pub fn check_takes_portrait(&self) -> Result<(), Refusal> {
        match (self.state.phase, self.state.face) {
            (VisitState::Closed, _) => Err(Refusal::Closed),
            (_, Some(false)) => Err(Refusal::FaceDeclined),
            _ => Ok(()),
        }
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
        (self.live.check, self.live.evidence) = (Check::default(), Handed::default());
        self.unwatch(out, Party::Customer);
        out.port(PortCall::ForgetFace);
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
        let running = self.state.liveness == LivenessStatus::Running;
        let check = &mut self.live.check;
        // What a cancelled check still had to say is of no interest, nor what follows a verdict.
        if !running || check.verdict.is_some() {
            return;
        }
        match event {
            KycEvent::Advice { advice } => check.advice = Some(advice),
            KycEvent::Challenge { challenge, index, of } => {
                check.challenge = Some(ChallengeView { kind: challenge, index, of });
            }
            KycEvent::ChallengeDone { index } => {
                if check.challenge.is_some_and(|c| c.index == index) {
                    check.challenge = None;
                }
            }
            KycEvent::Flash { colour, index, of } => {
                check.flash = colour.map(|colour| FlashView::new(colour, index, of));
            }
            KycEvent::Verdict(verdict) => {
                (check.challenge, check.advice, check.flash) = (None, None, None);
                check.verdict = Some(verdict);
                self.end_if_sealed(out);
            }
        }
    }

    /// Whatever the check hands over is sealed before its verdict counts.
    pub(super) fn kyc_artifact(&mut self, out: &mut Outbox, artifact: KycArtifact) {
        let attempt = self.state.attempt;
        if !self.runs(attempt) || self.live.check.verdict.is_some() {
            return;
        }
        let check = &mut self.live.check;
        check.offered = check.offered.saturating_add(1);
        let fits = check.offered <= MAX_ARTIFACTS && artifact.bytes.len() <= MAX_ARTIFACT_BYTES;
        let Some(recording) = self.state.recording.filter(|_| fits) else { return };
        check.unsealed += 1;
        let handed = &mut self.live.evidence;
        let place = match artifact.media_type {
            "image/jpeg" => Some(&mut handed.picture),
            "application/json" => Some(&mut handed.trace),
            _ => None,
        };
        if let Some(place) = place.filter(|_| artifact.bytes.len() <= MAX_KEPT_BYTES) {
            place.get_or_insert_with(|| artifact.clone());
        }
        out.port(PortCall::SealArtifact { recording, attempt, artifact });
    }

    pub(super) fn artifact_sealed(
        &mut self,
        out: &mut Outbox,
        attempt: u32,
        sealed: Option<ArtifactRef>,
    ) {
        if !self.runs(attempt) {
            return;
        }
        let check = &mut self.live.check;
        check.unsealed = check.unsealed.saturating_sub(1);
        check.sealed.extend(sealed);
        self.end_if_sealed(out);
    }

    fn end_if_sealed(&mut self, out: &mut Outbox) {
        let check = &mut self.live.check;
        if check.unsealed == 0
            && let Some(verdict) = check.verdict.take()
        {
            let verdict = self.with_what_was_sealed(out, verdict);
            self.end_liveness(out, self.state.attempt, verdict);
        }
    }

    /// A verdict names only what can be shown for it, and says where that is not all.
    fn with_what_was_sealed(&mut self, out: &mut Outbox, mut verdict: KycVerdict) -> KycVerdict {
        let check = &self.live.check;
        let (named, sealed) = (verdict.artifacts.len(), check.sealed.len());
        let all = check.offered.max(named);
        verdict.artifacts.retain(|artifact| check.sealed.contains(artifact));
        if sealed < check.offered || verdict.artifacts.len() < named {
            #[expect(clippy::cast_precision_loss, reason = "counts of a few")]
            verdict.signals.push(KycSignal {
                name: "evidence.sealed".to_owned(),
                score: verdict.artifacts.len().min(sealed) as f32,
                threshold: all as f32,
                passed: false,
            });
            self.alarm(out, "kyc_evidence_missing");
        }
        verdict
    }

    fn end_liveness(&mut self, out: &mut Outbox, attempt: u32, verdict: KycVerdict) {
        self.live.check = Check::default();
        self.emit(out, VisitEvent::LivenessEnded { verdict: verdict.clone() });
        self.mark(out, TimelineKind::KycVerdict { attempt, verdict });
        self.queue_if_ready(out);
    }

    /// The customer's line is gone. A check whose verdict is known needs it no longer.
    pub(super) fn lose_liveness(&mut self, out: &mut Outbox) {
        if self.live.check.verdict.is_none() {
            self.cut_liveness(out);
        }
    }

    /// Ends a running check that cannot go on. Its attempt is spent, or cutting the line would
    /// buy attempts without end.
    pub(super) fn cut_liveness(&mut self, out: &mut Outbox) {
        if self.state.liveness == LivenessStatus::Running {
            out.port(PortCall::CancelKyc);
            (self.live.check, self.live.evidence) = (Check::default(), Handed::default());
            self.emit(out, VisitEvent::LivenessCut);
        }
    }

    fn runs(&self, attempt: u32) -> bool {
        self.state.liveness == LivenessStatus::Running && self.state.attempt == attempt
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

/// No check was made, or none to the end.
fn referred(reason: &'static str) -> KycVerdict {
    KycVerdict {
        outcome: KycOutcome::Refer,
        reason: reason.to_owned(),
        signals: Vec::new(),
        models: Vec::new(),
        frames: 0,
        artifacts: Vec::new(),
        policy_sha256: String::new(),
    }
}
