//! One check at work: decoder, tracker and engine of one participant.

use std::time::Duration;

use bytes::Bytes;
use tracing::debug;
use vbranch_domain::{
    EncodedFrame, Mono, Payload,
    kyc::{KycEvent, KycModel},
};

use super::EventSink;
use crate::{
    h264::{Decoded, H264Decoder, H264Error},
    liveness::{Liveness, LivenessPolicy},
    vision::{FaceModels, FaceTracker, Picture},
};

/// What reaches a check from its tap.
#[derive(Debug)]
pub(super) enum Input {
    /// A video frame of the participant.
    Frame(EncodedFrame),
    /// Frames are missing here, or a new stream begins: the decoder must wait for a key frame.
    Broken,
}

/// The state of one check; owned by one worker at a time.
pub(super) struct Check {
    liveness: Liveness,
    tracker: FaceTracker,
    decoder: Option<H264Decoder>,
    pace: Pace,
    /// Why the last frames could not be decoded, for the verdict if it stays so.
    refused: Option<&'static str>,
    on_event: EventSink,
}

/// What a check asks of its surroundings after a turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Nothing can be decoded before a key frame.
    pub(super) awaits_key: bool,
    /// When it wants its next turn even if no frame arrives; `None` when it is over.
    pub(super) deadline: Option<Mono>,
}

impl Check {
    pub(super) fn new(
        policy: LivenessPolicy,
        digests: Vec<KycModel>,
        seed: [u8; 32],
        at: Mono,
        on_event: EventSink,
    ) -> Self {
        let pace = Pace::new(policy.max_fps);
        Self {
            liveness: Liveness::new(policy, digests, seed, at),
            tracker: FaceTracker::default(),
            decoder: None,
            pace,
            refused: None,
            on_event,
        }
    }

    /// Decodes everything that has arrived, in order, and looks at the newest picture if one is
    /// due: at most one inference a turn, so that checks take turns fairly.
    pub(super) fn run(
        &mut self,
        models: Option<&FaceModels>,
        inputs: Vec<Input>,
        now: Mono,
    ) -> Turn {
        // While frames come, time is theirs: the clock runs ahead of frames that had to queue.
        let newest = inputs.iter().rev().find_map(|input| match input {
            Input::Frame(frame) => Some(frame.arrived),
            Input::Broken => None,
        });
        match models {
            None => self.liveness.refer("models_unavailable"),
            Some(models) => {
                if let Some((picture, at)) = self.decode(inputs) {
                    self.look(models, &picture, at);
                }
            }
        }
        self.time_out(newest.unwrap_or(now));
        Turn {
            awaits_key: self.decoder.as_ref().is_none_or(H264Decoder::awaits_key),
            deadline: self.liveness.poll_timeout(),
        }
    }

    /// Ends the check because of a fault of ours.
    pub(super) fn fail_internally(&mut self) {
        self.liveness.refer("internal_error");
    }

    /// Hands out what there is to tell.
    pub(super) fn tell(&mut self) {
        while let Some(event) = self.liveness.poll() {
            if let KycEvent::Verdict(verdict) = &event {
                let outcome = format!("{:?}", verdict.outcome).to_lowercase();
                metrics::counter!("vbranch_kyc_checks_total", "outcome" => outcome).increment(1);
            }
            (self.on_event)(event);
        }
    }

    fn decode(&mut self, inputs: Vec<Input>) -> Option<(Picture, Mono)> {
        let mut newest = None;
        let mut inputs = inputs.into_iter().peekable();
        while let Some(input) = inputs.next() {
            let Input::Frame(frame) = input else {
                if let Some(decoder) = &mut self.decoder {
                    decoder.lost();
                }
                continue;
            };
            let Payload::H264(nals) = &frame.payload else {
                // A browser without H.264 will not find it by waiting; the customer should not
                // have to.
                self.liveness.refer("video_codec_unsupported");
                return None;
            };
            let wanted = inputs.peek().is_none() && self.pace.due(frame.arrived);
            match self.decode_one(nals, wanted) {
                Ok(Decoded::Picture(picture)) => {
                    self.pace.took(frame.arrived);
                    self.refused = None;
                    newest = Some((picture, frame.arrived));
                }
                Ok(Decoded::Silent | Decoded::AwaitingKey) => {}
                Err(error) => {
                    debug!(%error, "a frame gave no picture");
                    metrics::counter!("vbranch_kyc_undecodable_frames_total").increment(1);
                    self.refused = Some(match error {
                        H264Error::Sps(crate::h264::sps::SpsError::TooLarge { .. }) => {
                            "video_too_large"
                        }
                        _ => "undecodable_video",
                    });
                }
            }
        }
        newest
    }

    fn decode_one(&mut self, nals: &[Bytes], wanted: bool) -> Result<Decoded, H264Error> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(H264Decoder::new()?),
        };
        decoder.decode(nals, wanted)
    }

    fn look(&mut self, models: &FaceModels, picture: &Picture, at: Mono) {
        match self.tracker.look(models, picture, at) {
            Ok(report) => {
                metrics::counter!("vbranch_kyc_looks_total").increment(1);
                self.liveness.handle(&report.seen);
            }
            Err(error) => {
                tracing::error!(%error, "inference failed");
                self.liveness.refer("inference_failed");
            }
        }
    }

    /// Lets time pass. Where no picture came for too long, says why frames were refused rather than
    /// that none came.
    fn time_out(&mut self, now: Mono) {
        if let Some(reason) = self.refused
            && self.liveness.video_overdue(now)
        {
            self.liveness.refer(reason);
        }
        self.liveness.handle_timeout(now);
    }
}

/// Spreads looks evenly over time.
struct Pace {
    interval: Duration,
    next: Mono,
}

impl Pace {
    fn new(max_fps: u32) -> Self {
        Self { interval: Duration::from_secs(1) / max_fps.max(1), next: Mono::ZERO }
    }

    fn due(&self, at: Mono) -> bool {
        at >= self.next
    }

    /// The next look is an interval after this one was *due*, so that the mean rate is met even
    /// when frames do not fall on the interval; but never sooner because of time lost before.
    fn took(&mut self, at: Mono) {
        let planned = self.next + self.interval;
        self.next = if planned > at { planned } else { at + self.interval / 2 };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use vbranch_domain::{Leg, MediaKind, ParticipantId, RtpTime, TrackId, kyc::KycOutcome};

    use super::*;

    #[test]
    fn a_customer_whose_browser_sends_vp8_is_referred_to_staff_at_once_and_told_why() {
        let (tell, told) = channel();
        let on_event = Box::new(move |event| drop(tell.send(event)));
        let policy = LivenessPolicy::default();
        let mut check = Check::new(policy, Vec::new(), [0; 32], Mono::ZERO, on_event);
        let frame = EncodedFrame {
            track: TrackId { participant: ParticipantId::random(), kind: MediaKind::Video },
            leg: Leg(0),
            rtp_time: RtpTime(0),
            arrived: Mono::from_millis(1),
            keyframe: true,
            payload: Payload::Vp8(Bytes::from_static(&[0x10, 0, 0, 0x9d, 1, 0x2a, 2, 0, 2, 0])),
        };
        assert!(check.decode(vec![Input::Frame(frame)]).is_none());
        check.tell();
        let verdict = told.try_iter().find_map(|event| match event {
            KycEvent::Verdict(verdict) => Some(verdict),
            _ => None,
        });
        let verdict = verdict.unwrap();
        assert_eq!(
            (verdict.outcome, verdict.reason.as_str()),
            (KycOutcome::Refer, "video_codec_unsupported")
        );
    }

    #[test]
    fn looks_keep_to_the_rate_whatever_the_frame_rate() {
        for fps in [10_u64, 15, 24, 25, 30, 60] {
            let mut pace = Pace::new(12);
            let looks = (0..fps * 10)
                .map(|n| Mono::from_millis(1_000_000 + n * 1_000 / fps))
                .filter(|&at| {
                    let due = pace.due(at);
                    if due {
                        pace.took(at);
                    }
                    due
                })
                .count();
            let most = usize::try_from(fps.min(12) * 10 + 2).unwrap();
            assert!((most * 8 / 10..=most).contains(&looks), "{looks} looks at {fps} fps");
        }
    }
}
