//! What the segmenter cuts and the muxer writes: samples, and the decoder set-up they need.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use vbranch_domain::MediaKind;

use super::{codec::VideoConfig, kinds::PerKind};
use crate::segment::GapCause;

/// A frame with its place on the recording's timeline, not yet with a duration.
#[derive(Debug, Clone)]
pub(super) struct TimedFrame {
    pub kind: MediaKind,
    /// Offset from the start of the recording.
    pub at: Duration,
    /// When it reached the server, as an offset too. Drives timeouts only.
    pub arrived: Duration,
    /// How long it lasts by itself; what is missing after that is a gap.
    pub nominal: Duration,
    /// Video: an IDR picture. Audio: true.
    pub sync: bool,
    /// What to store where frames after this one are missing; pictures are stretched instead.
    pub conceal: Option<Conceal>,
    /// Video only: the decoder set-up it belongs to.
    pub config: Option<Arc<VideoConfig>>,
    /// As stored: an Opus packet, or NAL units with 4-byte lengths.
    pub data: Bytes,
}

/// An empty packet that makes the decoder conceal a loss.
#[derive(Debug, Clone)]
pub(super) struct Conceal {
    pub packet: Bytes,
    /// For how long it does so.
    pub plays: Duration,
}

/// A frame as stored. Times are ticks of the kind's clock rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub start: u64,
    pub duration: u64,
    pub sync: bool,
    pub data: Bytes,
}

impl Sample {
    pub(super) const fn end(&self) -> u64 {
        self.start.saturating_add(self.duration)
    }
}

/// The decoder set-up of a segment: which kinds are inside and how the picture is coded.
/// (Sound is always Opus and always needs the same.)
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Setup {
    pub audio: bool,
    pub video: Option<Arc<VideoConfig>>,
}

impl Setup {
    /// This set-up, grown by what `frame` needs.
    pub(super) fn with(&self, kind: MediaKind, config: Option<&Arc<VideoConfig>>) -> Self {
        match kind {
            MediaKind::Audio => Self { audio: true, video: self.video.clone() },
            MediaKind::Video | MediaKind::Screen => {
                Self { audio: self.audio, video: config.cloned().or_else(|| self.video.clone()) }
            }
        }
    }

    /// What this one and `other` have together.
    pub(super) fn and(&self, other: &Self) -> Self {
        let video = other.video.clone().or_else(|| self.video.clone());
        Self { audio: self.audio || other.audio, video }
    }

    /// Both sound and picture are known.
    pub(super) const fn is_complete(&self) -> bool {
        self.audio && self.video.is_some()
    }
}

/// A cut piece of one participant's media, before muxing.
#[derive(Debug, Clone, Default)]
pub(super) struct Cut {
    pub setup: Setup,
    /// In decoding order, without overlap.
    pub tracks: PerKind<Vec<Sample>>,
    /// Start of the earliest sample.
    pub start: Duration,
    /// End of the latest sample.
    pub end: Duration,
    /// Sound put in front of what came, to begin with the picture.
    pub prepended: usize,
    /// Sum of the samples' bytes.
    pub bytes: usize,
}

impl Cut {
    pub(super) fn duration(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }

    pub(super) fn samples(&self) -> usize {
        self.tracks.iter().map(|(_, samples)| samples.len()).sum()
    }

    /// Whether a decoder can start here.
    pub(super) fn has_keyframe(&self) -> bool {
        self.tracks.get(MediaKind::Video).first().is_none_or(|first| first.sync)
    }
}

/// What the segmenter produces.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Cut(Cut),
    Gap { kind: MediaKind, start: Duration, duration: Duration, cause: GapCause },
}

/// Ticks of the kind's clock rate from the recording's start, rounded down.
pub(super) fn to_ticks(kind: MediaKind, offset: Duration) -> u64 {
    let ticks = offset.as_nanos().saturating_mul(u128::from(kind.clock_rate())) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// The offset of a tick, rounded down to a nanosecond.
pub(super) fn from_ticks(kind: MediaKind, ticks: u64) -> Duration {
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(kind.clock_rate());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
