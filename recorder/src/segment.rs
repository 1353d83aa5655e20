//! What the capture half hands to the sealing half: finished pieces of the tracks' media,
//! and everything the manifest has to say about them.
//!
//! All offsets are from the start of the recording, on the server's monotonic timeline.

use std::{fmt, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use vbranch_domain::{
    Leg, MediaKind, ParticipantId, RtpTime, TrackId,
    recording::TrackName,
    tap::{NtpTime, SenderReport},
};

pub use crate::capture::tail::{TailEnd, TailRecord};

/// Longest piece of media in one sealed object, key frame or not (a crash costs at most this).
pub const MAX_SEGMENT: Duration = Duration::from_secs(2);

/// SHA-256 of an init section (`ftyp` + `moov`): names the decoder set-up a segment needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InitHash(pub [u8; 32]);

impl InitHash {
    /// The hash of these init bytes.
    #[must_use]
    pub fn of(init: &[u8]) -> Self {
        let mut out = [0; 32];
        let digest = ring::digest::digest(&ring::digest::SHA256, init);
        for (to, from) in out.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(out)
    }
}

impl fmt::Display for InitHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for InitHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InitHash({self})")
    }
}

/// The decoder set-up of one track's following segments. A new one comes when a kind of media
/// joins or the picture's coding (H.264 or VP8, H.264's profile) changes; another resolution or a
/// new connection needs none, because parameter sets stay in band (`avc3`) and VP8 key frames say
/// their size. Media of the same kind keep their MP4 track id and time scale across all inits.
#[derive(Clone, PartialEq, Eq)]
pub struct InitSegment {
    /// Of which track.
    pub track: TrackName,
    /// SHA-256 of `bytes`.
    pub hash: InitHash,
    /// What is inside, for the manifest.
    pub codecs: Vec<TrackCodec>,
    /// `ftyp` + `moov`.
    pub bytes: Bytes,
}

/// One track of an init section as the manifest describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackCodec {
    /// Sound, camera or screen.
    pub kind: MediaKind,
    /// RFC 6381 codec string, e.g. `avc3.42c01f`, `vp08.00.00.08` or `opus`.
    pub codec: String,
    /// Picture width in pixels at the beginning (it may change in band); 0 for sound.
    pub width: u32,
    /// Picture height in pixels; 0 for sound.
    pub height: u32,
}

/// A finished piece of one track as fMP4, at most [`MAX_SEGMENT`].
#[derive(Clone, PartialEq, Eq)]
pub struct Segment {
    /// Of which track.
    pub track: TrackName,
    /// From 0, per track, without holes.
    pub sequence: u32,
    /// The init section it needs; handed over before.
    pub init: InitHash,
    /// Offset of the earliest sample.
    pub start: Duration,
    /// From the earliest sample's start to the latest sample's end.
    pub duration: Duration,
    /// Whether a decoder can start here (its first picture is an IDR, or there is no picture).
    pub has_keyframe: bool,
    /// `moof` + `mdat`, `tfdt` counted from the start of the recording.
    pub bytes: Bytes,
}

/// Why media is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// Packets were lost on the way and did not come in time.
    Loss,
    /// The participant was not connected.
    Reconnect,
    /// The participant was connected but sent nothing: camera or microphone off, or their
    /// network standing still.
    Stalled,
    /// A queue or a limit of this server was reached.
    Overflow,
    /// This server stopped.
    Crash,
}

impl GapCause {
    /// The lower-case word used in manifests and over the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Reconnect => "reconnect",
            Self::Stalled => "stalled",
            Self::Overflow => "overflow",
            Self::Crash => "crash",
        }
    }
}

/// A line of the gap ledger: media that should be there and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapEntry {
    /// Whose.
    pub participant: ParticipantId,
    /// Sound or picture.
    pub kind: MediaKind,
    /// Where it begins.
    pub start: Duration,
    /// How long it is.
    pub duration: Duration,
    /// Why.
    pub cause: GapCause,
}

/// A raw sender-report pair, kept so that an outsider can redo the time mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportPair {
    /// Which stream.
    pub track: TrackId,
    /// Which connection.
    pub leg: Leg,
    /// The sender's clock.
    pub ntp: NtpTime,
    /// The same instant on the stream's RTP clock.
    pub rtp_time: RtpTime,
    /// When it arrived.
    pub arrived: Duration,
}

impl ReportPair {
    /// A report as received, with its arrival as an offset.
    #[must_use]
    pub const fn new(report: &SenderReport, arrived: Duration) -> Self {
        Self {
            track: report.track,
            leg: report.leg,
            ntp: report.ntp,
            rtp_time: report.rtp_time,
            arrived,
        }
    }
}

/// How far sound and picture of one connection were apart, measured at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// Whose.
    pub participant: ParticipantId,
    /// Where it was measured.
    pub at: Duration,
    /// Microseconds by which the sound is late against the picture; negative: early.
    pub micros: i64,
}

/// What capture produces, in the order in which it has to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureOutput {
    /// Decoder set-up for segments that follow.
    Init(InitSegment),
    /// The end of the tail of the segment that follows.
    Tail(TailRecord),
    /// A finished piece of media.
    Segment(Segment),
    /// Media is missing.
    Gap(GapEntry),
    /// A raw sender-report pair for the manifest.
    SenderReport(ReportPair),
    /// A measurement of sound against picture, for the manifest.
    Skew(Skew),
}

/// Media is never printed: `Debug` shows sizes only.
impl fmt::Debug for InitSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitSegment")
            .field("track", &self.track)
            .field("hash", &self.hash)
            .field("codecs", &self.codecs)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// Media is never printed: `Debug` shows sizes only.
impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("track", &self.track)
            .field("sequence", &self.sequence)
            .field("init", &self.init)
            .field("start", &self.start)
            .field("duration", &self.duration)
            .field("has_keyframe", &self.has_keyframe)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}
