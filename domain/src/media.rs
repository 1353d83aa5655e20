//! Encoded media as it travels from the media plane to its taps.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{clock::Mono, id::ParticipantId};

/// Sound or picture.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Opus, RTP clock 48 kHz.
    Audio,
    /// The camera: H.264 constrained baseline or VP8, RTP clock 90 kHz.
    Video,
    /// A shared screen, coded like the camera.
    Screen,
}

impl MediaKind {
    /// Ticks per second of the RTP clock (RFC 7587 section 4.1, RFC 6184 section 8.2.1,
    /// RFC 7741 section 6.1).
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Audio => 48_000,
            Self::Video | Self::Screen => 90_000,
        }
    }

    /// The lower-case word used in paths, metrics and manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Screen => "screen",
        }
    }
}

/// How pictures are coded. Nothing is transcoded: who is to see a picture has to take its sender's.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    /// Constrained baseline (RFC 6184); what everybody sends who is not told otherwise.
    #[default]
    H264,
    /// RFC 7741.
    Vp8,
}

/// One media stream of one participant. Stable across reloads; see [`Leg`] for what changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId {
    /// Whose.
    pub participant: ParticipantId,
    /// Microphone, camera or screen.
    pub kind: MediaKind,
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.participant, self.kind.as_str())
    }
}

/// The n-th connection of a participant within a call, from 0. A page reload starts a new leg:
/// RTP timestamps, sequence numbers and codec parameters of two legs are unrelated.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Leg(pub u32);

/// An RTP timestamp extended to 64 bits: it never wraps within a leg and starts at the 32-bit
/// value of the first packet seen. The unit is one tick of [`MediaKind::clock_rate`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RtpTime(pub u64);

/// What one frame carries.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// One Opus packet (RFC 6716 section 3).
    Opus(Bytes),
    /// The NAL units of one access unit, in decoding order, without start codes or lengths.
    /// SPS and PPS stay in band, in front of the IDR slices they belong to.
    H264(Vec<Bytes>),
    /// One VP8 frame (RFC 6386 section 9), depacketized from RFC 7741.
    Vp8(Bytes),
}

impl Payload {
    /// Sum of the bytes carried.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Opus(packet) | Self::Vp8(packet) => packet.len(),
            Self::H264(nals) => nals.iter().map(Bytes::len).sum(),
        }
    }

    /// Whether nothing is carried.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Media is never printed: `Debug` shows sizes only.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opus(packet) => write!(f, "Opus({} B)", packet.len()),
            Self::Vp8(frame) => write!(f, "Vp8({} B)", frame.len()),
            Self::H264(nals) => write!(f, "H264({} NALs, {} B)", nals.len(), self.len()),
        }
    }
}

/// One complete audio packet or picture, reassembled from RTP, in decoding order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// Whose stream this belongs to.
    pub track: TrackId,
    /// Which connection of that participant sent it.
    pub leg: Leg,
    /// Sampling instant on the sender's RTP clock.
    pub rtp_time: RtpTime,
    /// When its last packet reached this server.
    pub arrived: Mono,
    /// Video: a picture that needs no other is inside. Audio: always true.
    pub keyframe: bool,
    /// The encoded bytes.
    pub payload: Payload,
}
