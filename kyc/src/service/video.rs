//! From what a tap hands over to the newest picture.

use std::time::Duration;

use tracing::debug;
use vbranch_domain::{EncodedFrame, Mono};

use crate::{
    check::PictureTimes,
    video::{Decoded, VideoDecoder},
    vision::Picture,
};

/// What reaches a job from its tap.
#[derive(Debug)]
pub(super) enum Input {
    /// A video frame of the participant.
    Frame(EncodedFrame),
    /// Frames are missing here, or a new stream begins: the decoder must wait for a key frame.
    Broken,
}

impl Input {
    /// When a frame reached the server.
    pub(super) const fn arrived(&self) -> Option<Mono> {
        match self {
            Self::Frame(frame) => Some(frame.arrived),
            Self::Broken => None,
        }
    }
}

/// The video of one participant, decoded in order, looked at as often as is due.
pub(super) struct Video {
    decoder: VideoDecoder,
    pace: Pace,
    /// Why the last frames could not be decoded, for the verdict if it stays so.
    refused: Option<&'static str>,
}

impl Video {
    /// One that is looked at once in `interval` at most.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            decoder: VideoDecoder::default(),
            pace: Pace { interval, next: Mono::ZERO },
            refused: None,
        }
    }

    /// Nothing can be decoded before a key frame.
    pub(super) fn awaits_key(&self) -> bool {
        self.decoder.awaits_key()
    }

    /// Why no picture comes although frames do.
    pub(super) const fn refused(&self) -> Option<&'static str> {
        self.refused
    }

    /// Decodes everything in order and gives out the newest picture, if one is due. `each` hears
    /// of every frame.
    pub(super) fn decode(
        &mut self,
        inputs: Vec<Input>,
        mut each: impl FnMut(PictureTimes),
    ) -> Option<(Picture, PictureTimes)> {
        let mut newest = None;
        let mut inputs = inputs.into_iter().peekable();
        while let Some(input) = inputs.next() {
            let Input::Frame(frame) = input else {
                self.decoder.lost();
                continue;
            };
            let times = PictureTimes { arrived: frame.arrived, rtp: frame.rtp_time };
            each(times);
            let wanted = inputs.peek().is_none() && self.pace.due(frame.arrived);
            match self.decoder.decode(&frame.payload, wanted) {
                Ok(Decoded::Picture(picture)) => {
                    self.pace.took(frame.arrived);
                    self.refused = None;
                    newest = Some((picture, times));
                }
                Ok(Decoded::Silent | Decoded::AwaitingKey) => {}
                Err(error) => {
                    debug!(%error, "a frame gave no picture");
                    metrics::counter!("vbranch_kyc_undecodable_frames_total").increment(1);
                    self.refused = Some(error.reason());
                }
            }
        }
        newest
    }
}

/// Spreads looks evenly over time.
struct Pace {
    interval: Duration,
    next: Mono,
}

impl Pace {
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
    use super::*;

    #[test]
    fn looks_keep_to_the_rate_whatever_the_frame_rate() {
        for fps in [10_u64, 15, 24, 25, 30, 60] {
            let mut pace = Pace { interval: Duration::from_secs(1) / 12, next: Mono::ZERO };
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
