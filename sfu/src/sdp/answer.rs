//! Writing our answer.

use std::{fmt::Write, mem, net::SocketAddr};

use super::{
    codec::{Codec, PayloadTypes},
    offer::Offer,
    section::Section,
};
use crate::transport::ice::Credentials;

const OPUS_FMTP: &str = "minptime=10;useinbandfec=1";
/// Constrained baseline, level 3.1 (RFC 6184 section 8.1).
const H264_FMTP: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
/// Priority of a host candidate (RFC 8445 section 5.1.2); TCP comes after UDP.
const UDP_PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;
const TCP_PRIORITY: u32 = (90 << 24) | (65_535 << 8) | 255;

/// Our side of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ours<'a> {
    pub(crate) credentials: &'a Credentials,
    pub(crate) fingerprint: &'a str,
    /// Where clients reach this shard.
    pub(crate) candidates: &'a [SocketAddr],
    /// Per section the SSRCs we send with, media and repair; `None` where we do not.
    pub(crate) ssrcs: &'a [Option<(u32, u32)>],
}

/// Answers an offer: every section of it that [`Section::usable`] says we take part in, the
/// others refused.
pub(crate) fn write_answer(offer: &Offer, ours: &Ours<'_>) -> String {
    let mut sdp = String::with_capacity(4096);
    let usable = offer.sections.iter().filter(|s| s.usable());
    let mids: Vec<&str> = usable.map(|s| s.mid.as_str()).collect();
    let lines = [
        "v=0".to_owned(),
        format!("o=- {} 2 IN IP4 127.0.0.1", offer.session_id),
        "s=-".to_owned(),
        "t=0 0".to_owned(),
        format!("a=group:BUNDLE {}", mids.join(" ")),
        "a=ice-lite".to_owned(),
        "a=msid-semantic: WMS *".to_owned(),
    ];
    for l in lines {
        line(&mut sdp, &l);
    }
    let (mut sound, mut picture) = (false, false);
    for (n, section) in offer.sections.iter().enumerate() {
        if section.usable() {
            let ssrcs = ours.ssrcs.get(n).copied().flatten();
            let led = if section.audio { &mut sound } else { &mut picture };
            let place = Place {
                in_sync: ssrcs.is_some() && !mem::replace(led, true),
                with_candidates: mids.first() == Some(&&*section.mid),
            };
            write_section(&mut sdp, section, ours, ssrcs, place);
        } else {
            refuse(&mut sdp, section);
        }
    }
    sdp
}

fn line(sdp: &mut String, text: &str) {
    sdp.push_str(text);
    sdp.push_str("\r\n");
}

fn refuse(sdp: &mut String, section: &Section) {
    let Section { media, protocol, first_format, mid, .. } = section;
    let _ = write!(
        sdp,
        "m={media} 0 {protocol} {first_format}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=inactive\r\n"
    );
}

/// What a section's place among the others decides.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// It is the first we send sound, or a picture, on.
    in_sync: bool,
    with_candidates: bool,
}

fn write_section(
    sdp: &mut String,
    section: &Section,
    ours: &Ours<'_>,
    ssrcs: Option<(u32, u32)>,
    place: Place,
) {
    let formats: Vec<String> =
        formats(&section.payload_types).iter().map(|(pt, _)| pt.to_string()).collect();
    let Section { media, protocol, mid, .. } = section;
    line(sdp, &format!("m={media} 9 {protocol} {}", formats.join(" ")));
    line(sdp, "c=IN IP4 0.0.0.0");
    line(sdp, &format!("a=mid:{mid}"));
    line(sdp, &format!("a=ice-ufrag:{}", ours.credentials.ufrag));
    line(sdp, &format!("a=ice-pwd:{}", ours.credentials.password));
    line(sdp, &format!("a=fingerprint:sha-256 {}", ours.fingerprint));
    line(sdp, "a=setup:passive");
    line(sdp, "a=rtcp-mux");
    if section.reduced_size {
        line(sdp, "a=rtcp-rsize");
    }
    let (we_send, we_receive) = (ssrcs.is_some(), section.direction.send);
    let direction = match (we_send, we_receive) {
        (true, true) => "sendrecv",
        (true, false) => "sendonly",
        (false, true) => "recvonly",
        (false, false) => "inactive",
    };
    line(sdp, &format!("a={direction}"));
    for (id, uri) in &section.extension_lines {
        line(sdp, &format!("a=extmap:{id} {uri}"));
    }
    for (pt, format) in self::formats(&section.payload_types) {
        write_format(sdp, section, pt, format);
    }
    if we_receive && !section.rids.is_empty() {
        for rid in &section.rids {
            line(sdp, &format!("a=rid:{rid} recv"));
        }
        line(sdp, &format!("a=simulcast:recv {}", section.rids.join(";")));
    }
    if let Some((media, repair)) = ssrcs {
        write_streams(sdp, section, media, repair, place.in_sync);
    }
    if place.with_candidates {
        write_candidates(sdp, ours.candidates);
    }
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Media(Codec),
    Repair { of: u8 },
}

/// Our preference: redundancy before plain Opus, H.264 before VP8. The client sends the first.
fn formats(types: &PayloadTypes) -> Vec<(u8, Format)> {
    let repair =
        |of: Option<u8>, pt: Option<u8>| of.zip(pt).map(|(of, pt)| (pt, Format::Repair { of }));
    let media = |codec| types.media(codec).map(|pt| (pt, Format::Media(codec)));
    [
        media(Codec::Red),
        media(Codec::Opus),
        media(Codec::H264),
        repair(types.h264, types.h264_rtx),
        media(Codec::Vp8),
        repair(types.vp8, types.vp8_rtx),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn write_format(sdp: &mut String, section: &Section, pt: u8, format: Format) {
    match format {
        Format::Media(Codec::Opus) => {
            line(sdp, &format!("a=rtpmap:{pt} opus/48000/2"));
            line(sdp, &format!("a=fmtp:{pt} {OPUS_FMTP}"));
            if section.nack {
                line(sdp, &format!("a=rtcp-fb:{pt} nack"));
            }
        }
        Format::Media(Codec::Red) => {
            line(sdp, &format!("a=rtpmap:{pt} red/48000/2"));
            if let Some(opus) = section.payload_types.opus {
                line(sdp, &format!("a=fmtp:{pt} {opus}/{opus}"));
            }
        }
        Format::Media(codec @ (Codec::H264 | Codec::Vp8)) => {
            let name = if codec == Codec::H264 { "H264" } else { "VP8" };
            line(sdp, &format!("a=rtpmap:{pt} {name}/90000"));
            if codec == Codec::H264 {
                line(sdp, &format!("a=fmtp:{pt} {H264_FMTP}"));
            }
            line(sdp, &format!("a=rtcp-fb:{pt} ccm fir"));
            if section.nack {
                line(sdp, &format!("a=rtcp-fb:{pt} nack"));
            }
            line(sdp, &format!("a=rtcp-fb:{pt} nack pli"));
        }
        Format::Repair { of } => {
            line(sdp, &format!("a=rtpmap:{pt} rtx/90000"));
            line(sdp, &format!("a=fmtp:{pt} apt={of}"));
        }
    }
    if section.transport_cc && !matches!(format, Format::Repair { .. }) {
        line(sdp, &format!("a=rtcp-fb:{pt} transport-cc"));
    }
}

/// One stream id for the first sound and picture, which the browser then plays in sync. The others
/// have their own: browsers hold one picture of a stream to its sound, and not always the first.
fn write_streams(sdp: &mut String, section: &Section, media: u32, repair: u32, in_sync: bool) {
    let name = &section.mid;
    let stream = if in_sync { "vbranch".to_owned() } else { format!("vbranch-{name}") };
    line(sdp, &format!("a=msid:{stream} {name}"));
    let has_repair = section.payload_types.h264_rtx.or(section.payload_types.vp8_rtx).is_some();
    if has_repair {
        line(sdp, &format!("a=ssrc-group:FID {media} {repair}"));
    }
    for ssrc in [Some(media), has_repair.then_some(repair)].into_iter().flatten() {
        line(sdp, &format!("a=ssrc:{ssrc} cname:{CNAME}"));
        line(sdp, &format!("a=ssrc:{ssrc} msid:{stream} {name}"));
    }
}

/// All we send shares one clock, and so one canonical name (RFC 3550 section 6.5.1).
pub(crate) const CNAME: &str = "vbranch";

fn write_candidates(sdp: &mut String, candidates: &[SocketAddr]) {
    for (n, address) in candidates.iter().enumerate() {
        let (ip, port) = (address.ip(), address.port());
        let (udp, tcp) = (2 * n + 1, 2 * n + 2);
        line(sdp, &format!("a=candidate:{udp} 1 udp {UDP_PRIORITY} {ip} {port} typ host"));
        let tcp =
            format!("a=candidate:{tcp} 1 tcp {TCP_PRIORITY} {ip} {port} typ host tcptype passive");
        line(sdp, &tcp);
    }
    line(sdp, "a=end-of-candidates");
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use rtc::sdp::SessionDescription;

    use super::{
        super::offer::{parse_offer, tests as offers},
        *,
    };

    fn answer(offer: &str) -> String {
        let offer = parse_offer(offer).unwrap();
        let credentials = Credentials { ufrag: "srv1".into(), password: "p".repeat(24) };
        let ssrcs: Vec<_> = offer
            .sections
            .iter()
            .enumerate()
            .map(|(n, s)| s.direction.receive.then_some((n as u32 * 2 + 100, n as u32 * 2 + 101)))
            .collect();
        let candidates = [([127, 0, 0, 1], 7880).into()];
        let ours = Ours {
            credentials: &credentials,
            fingerprint: "AA:BB",
            candidates: &candidates,
            ssrcs: &ssrcs,
        };
        write_answer(&offer, &ours)
    }

    #[test]
    fn the_answer_prefers_redundant_opus_and_h264_and_is_sdp() {
        let sdp = answer(&offers::offer(offers::H264));
        SessionDescription::unmarshal(&mut Cursor::new(sdp.as_bytes())).unwrap();
        assert!(sdp.contains("m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n"), "{sdp}");
        assert!(sdp.contains("m=video 9 UDP/TLS/RTP/SAVPF 97 98 96\r\n"), "{sdp}");
        assert!(sdp.contains("a=ice-lite\r\n") && sdp.contains("a=setup:passive\r\n"));
        assert!(sdp.contains("a=ssrc-group:FID 102 103\r\n"));
        assert!(sdp.contains("typ host tcptype passive"));
        assert_eq!(sdp.matches("a=sendrecv").count(), 2);
    }

    #[test]
    fn the_first_sound_and_picture_are_one_stream_and_every_other_its_own() {
        let more = format!(
            "{}m=video 9 UDP/TLS/RTP/SAVPF 97\r\na=mid:2\r\na=recvonly\r\na=rtpmap:97 H264/90000\r\n\
             a=fmtp:97 packetization-mode=1;profile-level-id=42e01f\r\n",
            offers::H264
        );
        let sdp = answer(&offers::offer(&more));
        let streams: Vec<&str> = sdp.lines().filter(|l| l.starts_with("a=msid:")).collect();
        assert_eq!(streams, ["a=msid:vbranch 0", "a=msid:vbranch 1", "a=msid:vbranch-2 2"]);
    }

    #[test]
    fn directions_are_mirrored_layers_taken_and_data_channels_refused() {
        let video = format!(
            "{}a=sendonly\r\na=rid:q send\r\na=rid:f send\r\na=simulcast:send q;f\r\n\
             m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n",
            offers::H264
        );
        let sdp = answer(&offers::offer(&video));
        assert!(sdp.contains("a=recvonly\r\na=rtpmap"), "{sdp}");
        assert!(sdp.contains("a=simulcast:recv q;f\r\n"));
        assert!(sdp.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
        assert!(sdp.contains("a=group:BUNDLE 0 1\r\n"));
    }
}
