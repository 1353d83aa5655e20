//! Reading a client's offer.

use std::io::Cursor;

use rtc::sdp::{MediaDescription, SessionDescription};

use super::section::{Direction, Section};
use crate::{handle::JoinError, transport::dtls::Fingerprint};

/// Largest offer taken. Chromium's with ten media sections is about 40 kB.
const MAX_SDP: usize = 64 << 10;
/// Most media sections: microphone, camera, screen, and what a client wants to receive.
const MAX_SECTIONS: usize = 24;
/// Most fingerprints compared; a client has one certificate.
const MAX_FINGERPRINTS: usize = 4;
/// Lengths of RFC 8839 section 5.4.
const UFRAG: std::ops::RangeInclusive<usize> = 4..=256;

/// What we need of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Of the `o=` line: the same in a later offer of the same connection.
    pub(crate) session_id: u64,
    pub(crate) ice_ufrag: String,
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) sections: Vec<Section>,
}

/// Refuses what cannot work, with words: not SDP, too large, without encryption, without a codec.
pub(crate) fn check_offer(sdp: &str) -> Result<(), JoinError> {
    parse_offer(sdp).map(|_| ())
}

/// Reads an offer.
pub(crate) fn parse_offer(sdp: &str) -> Result<Offer, JoinError> {
    if sdp.len() > MAX_SDP {
        return Err(bad(format!("more than {MAX_SDP} bytes")));
    }
    let description = SessionDescription::unmarshal(&mut Cursor::new(sdp.as_bytes()))
        .map_err(|e| bad(e.to_string()))?;
    let media = &description.media_descriptions;
    if media.len() > MAX_SECTIONS {
        return Err(bad(format!("more than {MAX_SECTIONS} media sections")));
    }
    let all = Direction::of(|key| description.has_attribute(key)).unwrap_or_default();
    let no_mid = || bad("a media section's mid is not usable".into());
    let sections: Vec<Section> =
        media.iter().map(|m| Section::read(m, all).ok_or_else(no_mid)).collect::<Result<_, _>>()?;
    check_sections(&sections)?;
    let ice_ufrag = attribute(&description, "ice-ufrag").unwrap_or_default().to_owned();
    if !UFRAG.contains(&ice_ufrag.len()) {
        return Err(bad("no ICE username fragment".into()));
    }
    if attribute(&description, "setup") == Some("passive") {
        return Err(bad("the client must be able to begin the DTLS handshake".into()));
    }
    let fingerprints = fingerprints(&description);
    if fingerprints.is_empty() {
        return Err(bad("no certificate fingerprint".into()));
    }
    Ok(Offer { session_id: description.origin.session_id, ice_ufrag, fingerprints, sections })
}

/// At least one section must work, and each that is to carry media needs a codec of ours.
fn check_sections(sections: &[Section]) -> Result<(), JoinError> {
    let mids: std::collections::HashSet<&str> = sections.iter().map(|s| s.mid.as_str()).collect();
    if mids.len() != sections.len() {
        return Err(bad("two media sections have one mid".into()));
    }
    for section in sections {
        let wanted = section.direction.send || section.direction.receive;
        let missing = match section.media.as_str() {
            "audio" if section.payload_types.opus.is_none() => "Opus",
            "video" if !section.payload_types.any() => {
                "H.264 constrained baseline in packetization mode 1, or VP8,"
            }
            _ => continue,
        };
        if wanted {
            return Err(JoinError::CodecNotAgreed(format!("{missing} is missing")));
        }
    }
    if !sections.iter().any(Section::usable) {
        return Err(JoinError::CodecNotAgreed("no audio or video section".into()));
    }
    Ok(())
}

fn bad(why: String) -> JoinError {
    JoinError::BadSdp(why)
}

/// An attribute of the session, or of its first media section that has it (they share one
/// transport).
fn attribute<'a>(description: &'a SessionDescription, key: &str) -> Option<&'a str> {
    let of = |m: &'a MediaDescription| m.attribute(key).flatten();
    let session = description.attribute(key).map(String::as_str);
    session.or_else(|| description.media_descriptions.iter().find_map(of)).map(str::trim)
}

fn fingerprints(description: &SessionDescription) -> Vec<Fingerprint> {
    let session = description.attributes.iter();
    let media = description.media_descriptions.iter().flat_map(|m| m.attributes.iter());
    let mut found: Vec<Fingerprint> = vec![];
    for attribute in session.chain(media).filter(|a| a.key == "fingerprint") {
        let Some((algorithm, value)) =
            attribute.value.as_deref().and_then(|v| v.trim().split_once(' '))
        else {
            continue;
        };
        let fingerprint =
            Fingerprint { algorithm: algorithm.to_owned(), value: value.trim().to_owned() };
        if !found.contains(&fingerprint) && found.len() < MAX_FINGERPRINTS {
            found.push(fingerprint);
        }
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::{super::section::Sending, *};

    pub(crate) const HEAD: &str = "v=0\r\no=- 4711 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        a=group:BUNDLE 0 1\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
        a=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\n";

    pub(crate) fn offer(video: &str) -> String {
        format!(
            "{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\na=mid:0\r\na=rtcp-mux\r\n\
             a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:111 opus/48000/2\r\n\
             a=rtcp-fb:111 transport-cc\r\n\
             a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99\r\na=mid:1\r\na=rtcp-mux\r\n{video}"
        )
    }

    pub(crate) const H264: &str = "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 H264/90000\r\n\
        a=fmtp:97 packetization-mode=1;profile-level-id=42e01f\r\na=rtpmap:98 rtx/90000\r\n\
        a=fmtp:98 apt=97\r\na=rtcp-fb:97 nack\r\na=rtcp-fb:97 nack pli\r\n\
        a=rtcp-fb:97 transport-cc\r\n";

    #[test]
    fn payload_types_are_the_clients() {
        let read = parse_offer(&offer(H264)).unwrap();
        let [audio, video] = read.sections.as_slice() else { panic!("{read:?}") };
        assert_eq!((audio.payload_types.opus, audio.payload_types.red), (Some(111), Some(63)));
        assert!(audio.transport_cc && !audio.nack && audio.extensions.audio_level == Some(1));
        assert_eq!((video.payload_types.h264, video.payload_types.h264_rtx), (Some(97), Some(98)));
        assert_eq!(video.payload_types.vp8, Some(96));
        assert!(video.nack && video.transport_cc);
        assert_eq!((read.session_id, read.ice_ufrag.as_str()), (4711, "abcd"));
    }

    #[test]
    fn simulcast_layers_and_announced_streams_are_read() {
        let video = format!(
            "{H264}a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=rid:x recv\r\n\
             a=simulcast:send q;~h;f\r\na=ssrc-group:FID 10 11\r\na=ssrc:10 cname:c\r\n\
             a=ssrc:11 cname:c\r\na=ssrc:12 cname:c\r\n"
        );
        let read = parse_offer(&offer(&video)).unwrap();
        assert_eq!(read.sections[1].rids, ["q", "h", "f"]);
        let streams =
            [Sending { media: 10, repair: Some(11) }, Sending { media: 12, repair: None }];
        assert_eq!(read.sections[1].ssrcs, streams);
    }

    #[test]
    fn port_0_refuses_a_section_unless_it_is_to_be_bundled_only() {
        let refused = offer(H264).replace("m=video 9 ", "m=video 0 ");
        assert!(!parse_offer(&refused).unwrap().sections[1].usable());
        let bundled = format!("{refused}a=bundle-only\r\n");
        assert!(parse_offer(&bundled).unwrap().sections[1].usable());
    }

    #[test]
    fn a_direction_of_the_whole_session_is_that_of_every_section_with_none_of_its_own() {
        let session = |direction: &str| {
            let own = format!("{H264}a=sendrecv\r\n");
            let offer = offer(&own).replacen("m=audio", &format!("a={direction}\r\nm=audio"), 1);
            let [audio, video] = parse_offer(&offer)?.sections.try_into().unwrap();
            assert_eq!(video.direction, Direction { send: true, receive: true }, "{direction}");
            Ok::<_, JoinError>((audio.direction.send, audio.direction.receive))
        };
        assert_eq!(session("sendonly"), Ok((true, false)));
        assert_eq!(session("recvonly"), Ok((false, true)));
        assert_eq!(session("inactive"), Ok((false, false)));
        assert_eq!(session("sendrecv"), Ok((true, true)));
    }

    #[test]
    fn an_offer_without_a_codec_of_ours_is_refused_by_name() {
        for video in [
            "a=rtpmap:97 VP9/90000\r\n",
            "a=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=0;profile-level-id=42e01f\r\n",
            "a=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=1;profile-level-id=640c1f\r\n",
        ] {
            let refused = check_offer(&offer(video));
            assert!(matches!(refused, Err(JoinError::CodecNotAgreed(_))), "{refused:?}");
        }
        assert_eq!(check_offer(&offer("a=rtpmap:96 VP8/90000\r\n")), Ok(()));
    }

    #[test]
    fn what_is_not_an_encrypted_offer_is_refused() {
        let good = offer(H264);
        let section = |n: u32| format!("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:x{n}\r\n");
        let bomb = format!("{good}{}", (0..40).map(section).collect::<String>());
        for bad in [
            "",
            "hello",
            &bomb,
            &"a".repeat(MAX_SDP + 1),
            &good.replace("a=ice-ufrag:abcd\r\n", ""),
            &good.replace("a=fingerprint:sha-256 AA:BB\r\n", ""),
            &good.replace("actpass", "passive"),
            &good.replace("a=mid:1", "a=mid:0"),
            &good.replace("a=mid:1", "a=mid:a b"),
        ] {
            assert!(matches!(check_offer(bad), Err(JoinError::BadSdp(_))), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_damage_breaks_the_parser(at in 0usize..1500, with in "[ -~\r\n]{0,12}", cut in 0usize..40) {
            let mut sdp = offer(H264);
            let at = at.min(sdp.len());
            let end = (at + cut).min(sdp.len());
            sdp.replace_range(at..end, &with);
            let _ = parse_offer(&sdp);
        }
    }
}
