//! The codecs we carry and the payload types one client gave them.

use std::collections::HashMap;

use rtc::sdp::MediaDescription;

use crate::codec::VideoCodec;

/// What a payload is coded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Codec {
    Opus,
    /// Opus with redundancy (RFC 2198).
    Red,
    /// Constrained baseline in packetization mode 1 (RFC 6184).
    H264,
    Vp8,
}

impl Codec {
    /// How a picture is coded; `None` for sound.
    pub(crate) fn video(self) -> Option<VideoCodec> {
        match self {
            Self::H264 => Some(VideoCodec::H264),
            Self::Vp8 => Some(VideoCodec::Vp8),
            Self::Opus | Self::Red => None,
        }
    }
}

/// The payload types one media section uses, in both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PayloadTypes {
    pub(crate) opus: Option<u8>,
    pub(crate) red: Option<u8>,
    pub(crate) h264: Option<u8>,
    pub(crate) vp8: Option<u8>,
    /// Retransmissions of H.264 and VP8 (RFC 4588).
    pub(crate) h264_rtx: Option<u8>,
    pub(crate) vp8_rtx: Option<u8>,
}

/// What a received payload type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Media(Codec),
    /// A retransmission of a packet with this codec and payload type.
    Repair(Codec),
}

impl PayloadTypes {
    /// Reads a section's `a=rtpmap` and `a=fmtp` lines: the first of each codec that suits.
    pub(crate) fn of(section: &MediaDescription) -> Self {
        let codecs = section.codecs();
        let formats: Vec<u8> =
            section.media_name.formats.iter().filter_map(|f| f.parse().ok()).collect();
        let find = |name: &str, suits: &dyn Fn(&Parameters) -> bool| {
            formats.iter().copied().filter(|pt| *pt < 128).find(|pt| {
                codecs.get(pt).is_some_and(|codec| {
                    codec.name.eq_ignore_ascii_case(name) && suits(&parameters(&codec.fmtp))
                })
            })
        };
        let any = |_: &Parameters| true;
        let rtx = |of: Option<u8>| {
            let apt = of?.to_string();
            find("rtx", &|p| p.get("apt") == Some(&apt))
        };
        let (opus, h264) = (find("opus", &any), find("H264", &is_constrained_baseline));
        let vp8 = find("VP8", &any);
        // Redundancy is of use to us only around Opus.
        let red = opus.and_then(|_| find("red", &any)).filter(|pt| {
            let clock = codecs.get(pt).map(|c| c.clock_rate);
            clock == Some(48_000)
        });
        Self { opus, red, h264, vp8, h264_rtx: rtx(h264), vp8_rtx: rtx(vp8) }
    }

    /// Whether there is anything to carry.
    pub(crate) fn any(&self) -> bool {
        self.opus.or(self.h264).or(self.vp8).is_some()
    }

    pub(crate) fn meaning(&self, payload_type: u8) -> Option<Meaning> {
        let pt = Some(payload_type);
        if pt == self.opus {
            Some(Meaning::Media(Codec::Opus))
        } else if pt == self.h264 {
            Some(Meaning::Media(Codec::H264))
        } else if pt == self.vp8 {
            Some(Meaning::Media(Codec::Vp8))
        } else if pt == self.red {
            Some(Meaning::Media(Codec::Red))
        } else if pt == self.h264_rtx {
            Some(Meaning::Repair(Codec::H264))
        } else if pt == self.vp8_rtx {
            Some(Meaning::Repair(Codec::Vp8))
        } else {
            None
        }
    }

    /// The payload type to send a codec with, `None` where the client cannot take it.
    pub(crate) fn media(&self, codec: Codec) -> Option<u8> {
        match codec {
            Codec::Opus => self.opus,
            Codec::Red => self.red,
            Codec::H264 => self.h264,
            Codec::Vp8 => self.vp8,
        }
    }

    /// The payload type to repair a codec with.
    pub(crate) fn repair(&self, codec: Codec) -> Option<u8> {
        match codec {
            Codec::H264 => self.h264_rtx,
            Codec::Vp8 => self.vp8_rtx,
            Codec::Opus | Codec::Red => None,
        }
    }
}

type Parameters = HashMap<String, String>;

fn parameters(fmtp: &str) -> Parameters {
    fmtp.split(';')
        .filter_map(|p| p.split_once('='))
        .map(|(k, v)| (k.trim().to_ascii_lowercase(), v.trim().to_ascii_lowercase()))
        .collect()
}

/// Profile 66 (0x42) with constraint_set1, in packetization mode 1 (RFC 6184 section 8.1): what
/// every browser decodes, and KYC and the recorder take without transcoding.
fn is_constrained_baseline(fmtp: &Parameters) -> bool {
    let mode_1 = fmtp.get("packetization-mode").is_some_and(|mode| mode == "1");
    let profile = fmtp
        .get("profile-level-id")
        .and_then(|id| u32::from_str_radix(id, 16).ok())
        .map(|id| ((id >> 16) & 0xff, (id >> 8) & 0xff));
    mode_1 && matches!(profile, Some((0x42, constraints)) if constraints & 0x40 != 0)
}
