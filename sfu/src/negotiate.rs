//! Checking an offer before it reaches the peer connection, and the codecs we answer with.

use std::{collections::HashMap, io::Cursor};

use rtc::{
    interceptor::Registry,
    peer_connection::configuration::{
        interceptor_registry::register_default_interceptors, media_engine::MediaEngine,
    },
    rtp_transceiver::rtp_sender::{
        RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RtpCodecKind, TYPE_RTCP_FB_CCM,
    },
    sdp::{MediaDescription, SessionDescription},
};
use vbranch_domain::MediaKind;

use crate::{
    deliver_rtcp::{self, DeliverRtcp},
    handle::JoinError,
};

/// Largest offer taken. Chromium's with two media sections is about 6 kB.
const MAX_SDP: usize = 64 << 10;
/// Most media sections: audio, video, and room for what older clients add unasked.
const MAX_SECTIONS: usize = 8;

pub(crate) const OPUS: &str = "audio/opus";
pub(crate) const H264: &str = "video/H264";
pub(crate) const OPUS_FMTP: &str = "minptime=10;useinbandfec=1";
/// Constrained baseline, level 3.1 (RFC 6184 section 8.1): what every browser can decode and what
/// KYC and the recorder take without transcoding.
pub(crate) const H264_FMTP: &str =
    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";

/// The payload types that the client uses for our codecs, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PayloadTypes {
    pub(crate) opus: u8,
    pub(crate) h264: u8,
}

impl PayloadTypes {
    /// Which kind a received payload type is.
    pub(crate) fn kind(self, payload_type: u8) -> Option<MediaKind> {
        match payload_type {
            pt if pt == self.opus => Some(MediaKind::Audio),
            pt if pt == self.h264 => Some(MediaKind::Video),
            _ => None,
        }
    }

    /// The payload type to send a kind with.
    pub(crate) fn of(self, kind: MediaKind) -> u8 {
        match kind {
            MediaKind::Audio => self.opus,
            MediaKind::Video | MediaKind::Screen => self.h264,
        }
    }
}

/// Refuses what cannot work, with words: not SDP, too large, or without our codecs.
pub(crate) fn check_offer(sdp: &str) -> Result<(), JoinError> {
    let description = parse(sdp)?;
    find_payload_types(&description).map(|_| ())
}

/// Reads the payload types that were agreed on from our answer.
pub(crate) fn agreed(answer: &str) -> Result<PayloadTypes, JoinError> {
    find_payload_types(&parse(answer)?)
}

fn parse(sdp: &str) -> Result<SessionDescription, JoinError> {
    if sdp.len() > MAX_SDP {
        return Err(JoinError::BadSdp(format!("more than {MAX_SDP} bytes")));
    }
    let description = SessionDescription::unmarshal(&mut Cursor::new(sdp.as_bytes()))
        .map_err(|e| JoinError::BadSdp(e.to_string()))?;
    if description.media_descriptions.len() > MAX_SECTIONS {
        return Err(JoinError::BadSdp(format!("more than {MAX_SECTIONS} media sections")));
    }
    Ok(description)
}

fn find_payload_types(description: &SessionDescription) -> Result<PayloadTypes, JoinError> {
    let section = |kind: &str| {
        description
            .media_descriptions
            .iter()
            .find(|m| m.media_name.media == kind)
            .ok_or_else(|| JoinError::CodecNotAgreed(format!("no {kind} section")))
    };
    let opus = find_codec(section("audio")?, "opus", |_| true)
        .ok_or_else(|| JoinError::CodecNotAgreed("Opus is missing".into()))?;
    let h264 = find_codec(section("video")?, "H264", is_constrained_baseline).ok_or_else(|| {
        JoinError::CodecNotAgreed(
            "H.264 constrained baseline in packetization mode 1 is missing".into(),
        )
    })?;
    Ok(PayloadTypes { opus, h264 })
}

/// The first payload type of a section with this codec whose format parameters suit.
fn find_codec(
    section: &MediaDescription,
    name: &str,
    suits: impl Fn(&HashMap<String, String>) -> bool,
) -> Option<u8> {
    let codecs = section.codecs();
    section.media_name.formats.iter().filter_map(|f| f.parse::<u8>().ok()).find(|pt| {
        codecs.get(pt).is_some_and(|codec| {
            codec.name.eq_ignore_ascii_case(name) && suits(&parameters(&codec.fmtp))
        })
    })
}

fn parameters(fmtp: &str) -> HashMap<String, String> {
    fmtp.split(';')
        .filter_map(|p| p.split_once('='))
        .map(|(k, v)| (k.trim().to_ascii_lowercase(), v.trim().to_ascii_lowercase()))
        .collect()
}

/// Profile 66 (0x42) with constraint_set1, in packetization mode 1 (RFC 6184 section 8.1).
fn is_constrained_baseline(fmtp: &HashMap<String, String>) -> bool {
    let mode_1 = fmtp.get("packetization-mode").is_some_and(|mode| mode == "1");
    let profile = fmtp
        .get("profile-level-id")
        .and_then(|id| u32::from_str_radix(id, 16).ok())
        .map(|id| ((id >> 16) & 0xff, (id >> 8) & 0xff));
    mode_1 && matches!(profile, Some((0x42, constraints)) if constraints & 0x40 != 0)
}

/// The codecs, header extensions and RTCP feedback we answer with.
pub(crate) fn media_engine() -> Result<(MediaEngine, Registry), rtc::shared::error::Error> {
    let mut engine = MediaEngine::default();
    engine.register_codec(codec(OPUS, 48_000, 2, OPUS_FMTP, 111), RtpCodecKind::Audio)?;
    let mut h264 = codec(H264, 90_000, 0, H264_FMTP, 102);
    h264.rtp_codec
        .rtcp_feedback
        .push(RTCPFeedback { typ: TYPE_RTCP_FB_CCM.into(), parameter: "fir".into() });
    engine.register_codec(h264, RtpCodecKind::Video)?;
    engine.register_codec(codec("video/rtx", 90_000, 0, "apt=102", 103), RtpCodecKind::Video)?;
    // NACK both ways, receiver and sender reports, transport-wide feedback to senders.
    let registry = register_default_interceptors(Registry::new(), &mut engine)?;
    Ok((engine, registry.with(deliver_rtcp::SLOT, DeliverRtcp::default())))
}

fn codec(
    mime: &str,
    clock_rate: u32,
    channels: u16,
    fmtp: &str,
    payload_type: u8,
) -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: mime.into(),
            clock_rate,
            channels,
            sdp_fmtp_line: fmtp.into(),
            rtcp_feedback: vec![],
        },
        payload_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(video: &str) -> String {
        format!(
            "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\na=rtpmap:63 red/48000/2\r\na=rtpmap:111 opus/48000/2\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=rtpmap:96 VP8/90000\r\n{video}"
        )
    }

    #[test]
    fn payload_types_are_the_clients() {
        let sdp = offer(
            "a=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=1;profile-level-id=42e01f\r\n",
        );
        assert_eq!(agreed(&sdp), Ok(PayloadTypes { opus: 111, h264: 97 }));
    }

    #[test]
    fn an_offer_without_our_h264_is_refused_by_name() {
        for video in [
            "a=rtpmap:97 VP9/90000\r\n",
            "a=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=0;profile-level-id=42e01f\r\n",
            "a=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=1;profile-level-id=640c1f\r\n",
        ] {
            assert!(matches!(check_offer(&offer(video)), Err(JoinError::CodecNotAgreed(_))));
        }
    }

    #[test]
    fn what_is_not_sdp_is_refused() {
        let bomb = format!("{}{}", offer(""), "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n".repeat(20));
        for bad in ["", "hello", &bomb, &"a".repeat(MAX_SDP + 1)] {
            assert!(matches!(
                check_offer(bad),
                Err(JoinError::BadSdp(_) | JoinError::CodecNotAgreed(_))
            ));
        }
    }
}
