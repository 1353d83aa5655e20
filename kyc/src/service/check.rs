//! One check at work: decoder and check of one participant.

use std::time::Duration;

use vbranch_domain::{
    Mono,
    kyc::{KycEvent, KycOutcome, KycRequest},
};

use super::{
    Output, OutputSink,
    job::{Arrived, Turn},
    video::{Input, Video},
};
use crate::{
    check::{CheckOutput, FaceCheck},
    liveness::LivenessPolicy,
    vision::FaceModels,
};

/// Why a video is refused that no decoder here reads.
const NO_CODEC: &str = "video_codec_unsupported";

/// The state of one check; owned by one worker at a time.
pub(super) struct CheckJob {
    check: FaceCheck,
    video: Video,
    passed: bool,
    on_output: OutputSink,
}

impl CheckJob {
    pub(super) fn new(
        policy: LivenessPolicy,
        request: KycRequest,
        seed: [u8; 32],
        at: Mono,
        on_output: OutputSink,
    ) -> Self {
        Self {
            video: Video::new(Duration::from_secs(1) / policy.max_fps.max(1)),
            check: FaceCheck::new(policy, request, seed, at),
            passed: false,
            on_output,
        }
    }

    /// Decodes everything that has arrived, in order, and looks at the newest picture if one is
    /// due: at most one look a turn, so that jobs take turns fairly.
    pub(super) fn run(&mut self, models: Option<&FaceModels>, arrived: Arrived, now: Mono) -> Turn {
        if let Some(at) = arrived.dropped {
            self.check.missed(at);
        }
        match models {
            None => self.check.refer("models_unavailable"),
            Some(models) => self.look(models, arrived.inputs),
        }
        // Where no picture came for too long, says why frames were refused rather than that none
        // came.
        if let Some(reason) = self.video.refused()
            && self.check.video_overdue(now)
        {
            self.check.refer(reason);
        }
        // Colours go out by the clock, not by the time of frames that had to queue.
        self.check.handle_timeout(now);
        Turn { awaits_key: self.video.awaits_key(), deadline: self.check.poll_timeout() }
    }

    fn look(&mut self, models: &FaceModels, inputs: Vec<Input>) {
        let Self { check, video, .. } = self;
        if let Some((picture, times)) = video.decode(inputs, |times| check.frame(times)) {
            metrics::counter!("vbranch_kyc_looks_total").increment(1);
            check.look(models, &picture, times);
        }
        // A codec that is not there will not come by waiting; the customer should not have to.
        if video.refused() == Some(NO_CODEC) {
            check.refer(NO_CODEC);
        }
    }

    /// Ends the check because of a fault of ours.
    pub(super) fn fail_internally(&mut self) {
        self.check.refer("internal_error");
    }

    /// Hands out what there is to tell.
    pub(super) fn tell(&mut self) {
        while let Some(output) = self.check.poll() {
            let output = match output {
                CheckOutput::Artifact(artifact) => Output::Artifact(artifact),
                CheckOutput::Event(event) => {
                    if let KycEvent::Verdict(verdict) = &event {
                        self.passed = verdict.outcome == KycOutcome::Pass;
                        let outcome = format!("{:?}", verdict.outcome).to_lowercase();
                        metrics::counter!("vbranch_kyc_checks_total", "outcome" => outcome)
                            .increment(1);
                    }
                    Output::Event(event)
                }
            };
            (self.on_output)(output);
        }
    }

    /// The face of a check that passed, for the watch in the call.
    pub(super) fn reference(&self) -> Option<crate::vision::Embedding> {
        self.check.reference().filter(|_| self.passed).cloned()
    }
}
