//! Every parser of bytes from outside, as one function per fuzz target.
//!
//! Not an API: `fuzz/` and `tests/fuzz_smoke.rs` call these with whatever bytes they make up. A
//! function panics where a parser does, or where one breaks its promise.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use rtc::crypto::{RTCCryptoProvider, default_provider};
use vbranch_domain::{Clock, Leg, MediaKind, Mono, ParticipantId, SystemClock, TapItem, TrackId};

use crate::{
    bwe::{Bitrate, BweConfig, SendBwe, parse_feedback},
    codec::{self, VideoCodec, vp8},
    rtp::{HeaderExtensions, RtpHeader, is_rtcp, rtcp, ssrc_of, strip_padding},
    sdp::{Ours, parse_offer, write_answer},
    stream::{red, rtx},
    tap::{self, RtpPacket},
    transport::{
        Path, demux,
        dtls::{Dtls, DtlsIdentity},
        ice::{Credentials, IceLite},
    },
};

/// A target's name, which is that of its corpus, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 12] = [
    ("stun", stun),
    ("rtp", rtp),
    ("rtcp", rtcp_compound),
    ("sdp", sdp),
    ("h264", h264),
    ("vp8", vp8),
    ("red", red),
    ("rtx", rtx),
    ("twcc", twcc),
    ("tcp", tcp),
    ("dtls", dtls),
    ("reassembly", reassembly),
];

static CRYPTO: LazyLock<Option<Arc<dyn RTCCryptoProvider>>> =
    LazyLock::new(|| default_provider().ok());
static IDENTITY: LazyLock<Option<DtlsIdentity>> =
    LazyLock::new(|| DtlsIdentity::generate(CRYPTO.as_ref()?).ok());

const CLIENT: Path = Path::Udp {
    remote: SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9),
    local: std::net::IpAddr::V4(Ipv4Addr::LOCALHOST),
};

/// A datagram that may be a STUN message.
pub fn stun(data: &[u8]) {
    let _ = demux::classify(data);
    let _ = demux::stun_ufrag(data);
    let Some(crypto) = CRYPTO.as_ref() else { return };
    let local = Credentials { ufrag: "srv1".into(), password: "a password of ours, no 1".into() };
    let mut ice = IceLite::new(local, "cli".into());
    if let Some(check) = ice.handle(CLIENT, data, crypto.crypto()) {
        assert!(check.response.len() <= 128, "an answer larger than its question");
    }
}

const EXTENSIONS: HeaderExtensions = HeaderExtensions {
    mid: Some(4),
    rid: Some(10),
    repaired_rid: Some(11),
    transport_sequence: Some(3),
    audio_level: Some(1),
    playout_delay: Some(6),
};

/// An RTP packet, decrypted.
pub fn rtp(data: &[u8]) {
    let _ = (is_rtcp(data), ssrc_of(data));
    let Ok(header) = RtpHeader::parse(data) else { return };
    assert!(header.len <= data.len());
    let extensions = header.extensions(data, &EXTENSIONS);
    assert!(extensions.mid.is_none_or(|mid| mid.len() <= 255));
    let body = data.get(header.len..).unwrap_or_default();
    if let Some(payload) = strip_padding(body, header.padding) {
        assert!(payload.len() <= body.len());
    }
}

/// An RTCP compound, decrypted.
pub fn rtcp_compound(data: &[u8]) {
    for packet in rtcp::packets(data) {
        match packet {
            rtcp::Rtcp::Nack { lost, .. } => assert!(lost.pairs().count() <= data.len() / 4),
            rtcp::Rtcp::SenderReport { blocks, .. } | rtcp::Rtcp::ReceiverReport { blocks } => {
                assert!(blocks.iter().count() <= 31);
            }
            rtcp::Rtcp::TransportFeedback(packet) => twcc(packet),
            rtcp::Rtcp::KeyframeWanted { .. } => {}
        }
    }
}

/// An offer. What is accepted is answered, with SDP.
pub fn sdp(data: &[u8]) {
    let Ok(offer) = std::str::from_utf8(data).map(parse_offer) else { return };
    let Ok(offer) = offer else { return };
    let credentials = Credentials { ufrag: "srv1".into(), password: "p".repeat(36) };
    let ssrcs = vec![Some((1, 2)); offer.sections.len()];
    let candidates = [SocketAddr::from((Ipv4Addr::LOCALHOST, 7880))];
    let answer = write_answer(
        &offer,
        &Ours {
            credentials: &credentials,
            fingerprint: "AA:BB",
            candidates: &candidates,
            ssrcs: &ssrcs,
        },
    );
    let mut reader = std::io::Cursor::new(answer.as_bytes());
    let read = rtc::sdp::SessionDescription::unmarshal(&mut reader);
    assert!(read.is_ok(), "an answer that is not SDP: {answer}");
}

/// Payloads of one picture, each behind its length in one byte.
fn payloads(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&len, rest) = data.split_first()?;
        let (payload, rest) = rest.split_at(usize::from(len).min(rest.len()));
        data = rest;
        Some(payload)
    })
}

/// H.264 payloads of one picture.
pub fn h264(data: &[u8]) {
    let mut unit = tap::h264::AccessUnit::default();
    for payload in payloads(data) {
        let _ = codec::inspect(VideoCodec::H264, payload);
        if unit.push(&Bytes::copy_from_slice(payload)).is_err() {
            unit = tap::h264::AccessUnit::default();
        }
    }
    if let Some((nals, _)) = unit.finish() {
        // A fragmented unit's header is made of the two bytes that stood before it.
        assert!(nals.iter().map(Bytes::len).sum::<usize>() <= data.len());
        assert!(nals.iter().all(|nal| !nal.is_empty()));
    }
}

/// VP8 payloads of one picture: taken apart, renumbered, put together.
pub fn vp8(data: &[u8]) {
    let mut frame = tap::vp8::Frame::default();
    let mut rewriter = vp8::Vp8Rewriter::default();
    for (n, payload) in payloads(data).enumerate() {
        let Ok(info) = codec::inspect(VideoCodec::Vp8, payload) else { continue };
        let Some(descriptor) = info.vp8 else { continue };
        assert!(usize::from(descriptor.len) <= payload.len());
        let source = u64::from(payload.last().is_some_and(|last| last & 0x40 != 0));
        if n % 5 == 4 {
            rewriter.skip(source, &descriptor);
        } else if let Some(rewrite) = rewriter.forward(source, &descriptor, info.keyframe) {
            let mut copy = payload.to_vec();
            vp8::Vp8Rewrite::from_bits(rewrite.to_bits()).apply(&mut copy);
            let again = vp8::Descriptor::parse(&copy);
            assert_eq!(again.map(|d| d.len), Ok(descriptor.len));
            assert_eq!(descriptor.body(payload), descriptor.body(&copy));
        }
        if frame.push(&Bytes::copy_from_slice(payload)).is_err() {
            frame = tap::vp8::Frame::default();
        }
    }
    if let Some((picture, _)) = frame.finish() {
        assert!(picture.len() <= data.len());
    }
}

/// A RED payload (RFC 2198).
pub fn red(data: &[u8]) {
    if let Some(range) = red::primary(data) {
        assert!(data.get(range).is_some_and(|bytes| !bytes.is_empty()));
    }
}

/// An RTX payload (RFC 4588).
pub fn rtx(data: &[u8]) {
    if let rtx::Rtx::Packet { .. } = rtx::unwrap(data) {
        assert!(data.get(rtx::OSN_LEN..).is_some());
    }
}

/// Transport-wide feedback, to a sender that has sent a thousand packets.
pub fn twcc(data: &[u8]) {
    if let Ok(feedback) = parse_feedback(data) {
        assert!(feedback.statuses().count() == usize::from(feedback.count));
    }
    let config = BweConfig { start: Bitrate::from_kbps(1000), ..BweConfig::default() };
    let mut bwe = SendBwe::new(config);
    for n in 0..1000u64 {
        bwe.on_sent(Mono::from_millis(n), 1200, n % 7 == 0);
    }
    let _ = bwe.on_feedback(Mono::from_millis(1050), data);
    let _ = bwe.on_feedback(Mono::from_millis(1060), data);
    bwe.on_timeout(Mono::from_millis(1100));
    assert!(bwe.estimate().bitrate.bps() <= config.max.bps());
}

/// A TCP stream of frames (RFC 4571), cut where the first bytes say.
pub fn tcp(data: &[u8]) {
    let Some((cuts, mut stream)) = data.split_first_chunk::<4>() else { return };
    let mut deframer = crate::io::Deframer::default();
    for cut in cuts.iter().cycle() {
        if stream.is_empty() {
            return;
        }
        let (now, rest) = stream.split_at((usize::from(*cut) + 1).min(stream.len()));
        let each = |packet: &mut [u8]| assert!((1..=crate::io::MAX_PACKET).contains(&packet.len()));
        if deframer.push(now, each).is_err() {
            return;
        }
        stream = rest;
    }
}

/// Datagrams to a DTLS server, each behind its length in two bytes.
pub fn dtls(mut data: &[u8]) {
    let Some(identity) = IDENTITY.as_ref() else { return };
    let clock = SystemClock::start();
    let now = clock.instant(clock.mono());
    let mut server = Dtls::new(identity.clone(), vec![]);
    while let Some((len, rest)) = data.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len)).min(rest.len());
        let (datagram, rest) = rest.split_at(len);
        let event = server.handle(now, datagram);
        assert!(event.is_none(), "a handshake without a client");
        while server.poll_transmit().is_some() {}
        data = rest;
    }
}

/// Packets of one picture stream to a recorder, each of a header of five bytes and its payload:
/// length, step of the sequence number, step of the timestamp, flags, time passed.
pub fn reassembly(mut data: &[u8]) {
    let participant = ParticipantId::random();
    let track = TrackId { participant, kind: MediaKind::Video };
    let total = data.len();
    let mut stream = tap::Stream::new(track, Leg(0));
    let (mut out, mut given) = (vec![], vec![]);
    let (mut now, mut seq, mut timestamp) = (Mono::ZERO, 0u16, 0u32);
    while let Some((&[len, step, ticks, flags, wait], rest)) = data.split_first_chunk::<5>() {
        let (payload, rest) = rest.split_at(usize::from(len).min(rest.len()));
        data = rest;
        now += std::time::Duration::from_millis(u64::from(wait));
        seq = seq.wrapping_add_signed(i16::from(step.cast_signed()));
        timestamp =
            timestamp.wrapping_add(u32::from(ticks) * if flags & 1 == 0 { 1 } else { 1 << 24 });
        let packet = RtpPacket {
            source: u32::from(flags >> 7),
            codec: Some(if flags & 2 == 0 { VideoCodec::H264 } else { VideoCodec::Vp8 }),
            seq,
            timestamp,
            marker: flags & 4 != 0,
            payload: Bytes::copy_from_slice(payload),
            arrived: now,
        };
        stream.push(packet, &mut out);
        given.append(&mut out);
    }
    stream.finish(now, &mut out);
    given.append(&mut out);
    let mut bytes = 0;
    for output in &given {
        if let tap::Output::Item(TapItem::Frame(frame)) = output {
            assert!(frame.arrived <= now);
            bytes += frame.payload.len();
        }
    }
    assert!(bytes <= total, "frames of more than came");
}
