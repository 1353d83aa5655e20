//! One check of one person, from pictures to events: no sockets, no decoder, no clock.
//!
//! [`FaceCheck`] is what the service runs on the call's video, and what evaluations and trials run
//! on films. Feed it with [`look`](FaceCheck::look) in the order of the pictures' time, let time
//! pass with [`handle_timeout`](FaceCheck::handle_timeout) whenever
//! [`poll_timeout`](FaceCheck::poll_timeout) is due (colours are emitted there), and after each
//! call take everything that [`poll`](FaceCheck::poll) has to say.

mod album;
mod faces;
mod passive;
mod trace;

use std::collections::VecDeque;

use bytes::Bytes;
use vbranch_domain::{
    Mono, RtpTime,
    kyc::{KycArtifact, KycEvent, KycRequest, KycVerdict, Portrait},
    recording::ArtifactRef,
};

use crate::{
    liveness::{IdentityPolicy, Liveness, LivenessPolicy, Moment},
    vision::{Embedding, FaceModels, FaceTracker, InferenceError, Picture},
};
use album::Album;
use faces::FaceBook;
use passive::PassiveLooks;
use trace::Trace;

/// When a picture was taken and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureTimes {
    /// When its last packet reached the server.
    pub arrived: Mono,
    /// Sampling instant on the sender's clock, 90 kHz.
    pub rtp: RtpTime,
}

/// What a check has to say, in order. Artifacts come before the verdict that names them.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckOutput {
    /// For the customer's page and the branch.
    Event(KycEvent),
    /// To be sealed beside the media.
    Artifact(KycArtifact),
}

/// One check.
pub struct FaceCheck {
    liveness: Liveness,
    tracker: FaceTracker,
    faces: FaceBook,
    passive: PassiveLooks,
    album: Album,
    trace: Option<Trace>,
    identity: IdentityPolicy,
    attempt: u32,
    /// Not yet read.
    portrait: Option<Portrait>,
    /// The models have been seen.
    prepared: bool,
    now: Mono,
    out: VecDeque<CheckOutput>,
}

impl FaceCheck {
    /// A check that begins at `at`. Everything random in it (gestures, colours, how long each
    /// holds) follows from `seed`, which must be unpredictable to the customer.
    #[must_use]
    pub fn new(policy: LivenessPolicy, request: KycRequest, seed: [u8; 32], at: Mono) -> Self {
        let identity = policy.identity.clone();
        Self {
            liveness: Liveness::new(policy, request.camera, seed, at),
            tracker: FaceTracker::default(),
            faces: FaceBook::default(),
            passive: PassiveLooks::default(),
            album: Album::default(),
            trace: Some(Trace::new(seed, at)),
            identity,
            attempt: request.attempt,
            portrait: request.portrait,
            prepared: false,
            now: at,
            out: VecDeque::new(),
        }
    }

    /// A check that asks for nothing and shows nothing: for recorded videos, whose people cannot
    /// answer. It is judged by what it saw once [`Self::finish`] says that the video is over, and
    /// passes where nothing speaks against it.
    #[must_use]
    pub fn open(policy: LivenessPolicy, request: KycRequest, at: Mono) -> Self {
        let liveness = Liveness::open(policy.clone(), request.camera.clone(), at);
        Self { liveness, ..Self::new(policy, request, [0; 32], at) }
    }

    /// The video is over. A check that was still asking is referred.
    pub fn finish(&mut self, now: Mono) {
        self.now = self.now.max(now);
        self.liveness.finish_open(now);
        self.collect();
    }

    /// Notes that a frame came, looked at or not: its times tell something of the camera. Call it
    /// for every frame, before [`Self::look`] where it is looked at.
    pub fn frame(&mut self, times: PictureTimes) {
        self.liveness.frame(times.rtp);
    }

    /// Notes that frames came until `at` which this side was too busy to take.
    pub fn missed(&mut self, at: Mono) {
        self.liveness.missed(at);
    }

    /// Looks at one picture. A model that fails ends the check: staff take over.
    pub fn look(&mut self, models: &FaceModels, picture: &Picture, times: PictureTimes) {
        if self.is_done() {
            return;
        }
        if !self.prepared {
            self.prepared = true;
            self.liveness.use_models(&models.digests);
            let portrait = self.portrait.take();
            self.liveness.portrait(self.faces.read_portrait(models, portrait.as_ref()));
        }
        if let Err(error) = self.try_look(models, picture, times.arrived) {
            tracing::error!(%error, "inference failed");
            self.refer("inference_failed");
        }
        self.collect();
    }

    fn try_look(
        &mut self,
        models: &FaceModels,
        picture: &Picture,
        at: Mono,
    ) -> Result<(), InferenceError> {
        self.now = self.now.max(at);
        let report = self.tracker.look(models, picture, at)?;
        if let Some(trace) = &mut self.trace {
            trace.look(&report.seen, self.liveness.is_flashing());
        }
        self.liveness.handle(&report.seen);
        let moment = self.liveness.moment();
        let (Some(face), Some(seen)) = (&report.face, &report.seen.face) else { return Ok(()) };
        self.album.look(picture, face, seen, moment);
        // The detector's looks are dear enough without a template.
        if moment == Moment::AtRest && !report.detected && !self.is_done() {
            if !models.passive.is_empty() && self.passive.are_due(at) {
                return self.passive.look(models, picture, face, at, &mut self.liveness);
            }
            let compared = self.faces.look(models, picture, face, seen, at, &self.identity)?;
            if let Some(comparison) = compared {
                self.liveness.compared(comparison);
            }
        }
        Ok(())
    }

    /// Lets time pass until `now`.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.now = self.now.max(now);
        self.liveness.handle_timeout(now);
        self.collect();
    }

    /// When [`Self::handle_timeout`] is next due; `None` when the check is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.liveness.poll_timeout()
    }

    /// The next thing to tell, in order. The last one is the verdict.
    pub fn poll(&mut self) -> Option<CheckOutput> {
        self.out.pop_front()
    }

    /// Ends the check for a reason outside the picture (no model, no decodable video).
    pub fn refer(&mut self, reason: &str) {
        self.liveness.refer(reason);
        self.collect();
    }

    /// Whether the verdict is out (it may still have to be polled).
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.liveness.is_done()
    }

    /// Whether no picture has come for so long that the check is about to end for it.
    #[must_use]
    pub fn video_overdue(&self, now: Mono) -> bool {
        self.liveness.video_overdue(now)
    }

    /// What tells the person of this check from others, to hold a face in the call against. `None`
    /// where no look was good enough.
    #[must_use]
    pub fn reference(&self) -> Option<&Embedding> {
        self.faces.reference()
    }

    /// Takes over what the engine says, and puts the artifacts before the verdict.
    fn collect(&mut self) {
        while let Some(event) = self.liveness.poll() {
            let event = match event {
                KycEvent::Verdict(verdict) => KycEvent::Verdict(self.with_artifacts(verdict)),
                other => {
                    self.note(&other);
                    other
                }
            };
            self.out.push_back(CheckOutput::Event(event));
        }
    }

    fn note(&mut self, event: &KycEvent) {
        let Some(trace) = &mut self.trace else { return };
        match event {
            KycEvent::Challenge { challenge, index, .. } => {
                trace.asked(*challenge, *index, self.now);
            }
            KycEvent::ChallengeDone { .. } => trace.done(self.now),
            KycEvent::Advice { .. } | KycEvent::Flash { .. } | KycEvent::Verdict(_) => {}
        }
    }

    /// Hands over the pictures and the trace, and names them in the verdict.
    fn with_artifacts(&mut self, mut verdict: KycVerdict) -> KycVerdict {
        let Some(mut trace) = self.trace.take() else { return verdict };
        let (pictures, landmarks) = std::mem::take(&mut self.album).finish();
        trace.landmarks(landmarks);
        let jpegs =
            pictures.into_iter().map(|(name, jpeg)| (format!("{name}.jpg"), "image/jpeg", jpeg));
        let json = trace.finish(self.liveness.shown(), self.now);
        let trace = ("trace.json".to_owned(), "application/json", json);
        // Where no picture was ever looked at there is nothing to keep.
        let all = jpegs.chain((verdict.frames > 0).then_some(trace));
        for (name, media_type, bytes) in all {
            let name = format!("kyc-{}-{name}", self.attempt);
            let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
            let sha256 = hex::encode(digest);
            verdict.artifacts.push(ArtifactRef { name: name.clone(), sha256 });
            let bytes = Bytes::from(bytes);
            self.out.push_back(CheckOutput::Artifact(KycArtifact { name, media_type, bytes }));
        }
        verdict
    }
}

/// What it holds tells a person from others.
impl std::fmt::Debug for FaceCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaceCheck").field("done", &self.is_done()).finish_non_exhaustive()
    }
}
