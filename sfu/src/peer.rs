//! One client's connection: ICE-lite, DTLS-SRTP, one audio and one video stream each way.
//!
//! This is the border behind which the transport can be replaced: everything above deals in
//! [`RtpPacket`]s and [`PeerOutput`]s only. Today it wraps `RTCPeerConnection` of crate `rtc`.

use std::{
    collections::VecDeque,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use rtc::{
    crypto::RTCCryptoProvider,
    media_stream::MediaStreamTrack,
    peer_connection::{
        RTCPeerConnection, RTCPeerConnectionBuilder,
        certificate::RTCCertificate,
        configuration::{RTCConfigurationBuilder, setting_engine::SettingEngineBuilder},
        event::{RTCPeerConnectionEvent, RTCTrackEvent},
        message::{RTCMessage, TaggedRTCMessage},
        sdp::RTCSessionDescription,
        state::RTCPeerConnectionState,
        transport::{CandidateConfig, CandidateHostConfig, RTCDtlsRole, RTCIceCandidate},
    },
    rtcp::{
        payload_feedbacks::{
            full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication,
        },
        sender_report::SenderReport,
    },
    rtp_transceiver::{
        RTCRtpReceiverId, RTCRtpSenderId,
        rtp_sender::{RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind},
    },
    sansio::Protocol,
    shared::{TaggedBytesMut, TransportContext, TransportProtocol},
    stun::{integrity::MessageIntegrity, message::Message},
};
use vbranch_domain::{MediaKind, tap::NtpTime};

use crate::{
    handle::JoinError,
    negotiate::{self, PayloadTypes},
    rewrite::{Rewriter, SourceId},
};

/// Without a word from the client for this long, the connection counts as lost. Longer leaves the
/// other party looking at a frozen picture; shorter drops calls that a lift ride would survive.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(5);
const FAILED_AFTER: Duration = Duration::from_secs(10);
/// How long a client may take from its offer to a finished handshake.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// A media packet on its way through, without what differs per leg.
#[derive(Debug, Clone)]
pub(crate) struct RtpPacket {
    pub(crate) kind: MediaKind,
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: bytes::Bytes,
}

/// What a peer wants done.
#[derive(Debug)]
pub(crate) enum PeerOutput {
    /// Send this datagram.
    Transmit { to: SocketAddr, from: IpAddr, bytes: BytesMut },
    /// The client sent media.
    Media(RtpPacket),
    /// The client reported how its RTP clock relates to its wall clock.
    SenderReport { kind: MediaKind, ntp: NtpTime, rtp_time: u32 },
    /// The client cannot decode what it gets and wants a key frame.
    KeyframeWanted,
    /// ICE and DTLS are through.
    Connected,
    /// The connection is over for good.
    Closed,
}

/// What all peers of a shard share.
#[derive(Clone)]
pub(crate) struct PeerSetup {
    pub(crate) certificate: RTCCertificate,
    pub(crate) crypto: Arc<dyn RTCCryptoProvider>,
    pub(crate) candidates: Vec<SocketAddr>,
}

impl fmt::Debug for PeerSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSetup").field("candidates", &self.candidates).finish_non_exhaustive()
    }
}

pub(crate) struct Peer {
    pc: RTCPeerConnection,
    ufrag: String,
    password: String,
    crypto: Arc<dyn RTCCryptoProvider>,
    payload_types: PayloadTypes,
    audio: Outgoing,
    video: Outgoing,
    incoming_audio: Option<u32>,
    incoming_video: Option<(u32, RTCRtpReceiverId)>,
    out: VecDeque<PeerOutput>,
    connected: bool,
    closed: bool,
    give_up_at: Instant,
}

struct Outgoing {
    sender: RTCRtpSenderId,
    ssrc: u32,
    rewriter: Rewriter,
}

impl Peer {
    /// Answers an offer. `ssrc_base` and the one after it become the SSRCs we send with.
    pub(crate) fn answer(
        setup: &PeerSetup,
        offer: String,
        ssrc_base: u32,
        now: Instant,
    ) -> Result<(Self, String), JoinError> {
        negotiate::check_offer(&offer)?;
        let bad_sdp = |e: rtc::shared::error::Error| JoinError::BadSdp(e.to_string());
        let mut pc = build(setup, now).map_err(|_| JoinError::Unavailable)?;
        let audio = add_sender(&mut pc, MediaKind::Audio, ssrc_base).map_err(bad_sdp)?;
        let video = add_sender(&mut pc, MediaKind::Video, ssrc_base | 1).map_err(bad_sdp)?;
        let offer = RTCSessionDescription::offer(offer).map_err(bad_sdp)?;
        pc.set_remote_description(now, offer).map_err(bad_sdp)?;
        for candidate in &setup.candidates {
            add_candidate(&mut pc, *candidate).map_err(bad_sdp)?;
        }
        let answer = pc.create_answer(None).map_err(bad_sdp)?;
        pc.set_local_description(now, answer).map_err(bad_sdp)?;
        let sdp = pc.local_description().ok_or(JoinError::Unavailable)?.sdp;
        let payload_types = negotiate::agreed(&sdp)?;
        let attribute = |name: &str| {
            let value = sdp.lines().find_map(|line| line.strip_prefix(name));
            value.map(|v| v.trim().to_owned()).ok_or(JoinError::Unavailable)
        };
        let (ufrag, password) = (attribute("a=ice-ufrag:")?, attribute("a=ice-pwd:")?);
        let peer = Self {
            pc,
            ufrag,
            password,
            crypto: setup.crypto.clone(),
            payload_types,
            audio,
            video,
            incoming_audio: None,
            incoming_video: None,
            out: VecDeque::new(),
            connected: false,
            closed: false,
            give_up_at: now + CONNECT_WITHIN,
        };
        Ok((peer, sdp))
    }

    /// Our ICE username fragment: how the peer's checks are told from other peers'.
    pub(crate) fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// Whether a STUN message was made by someone who knows our ICE password (RFC 8445 section
    /// 7.3, RFC 8489 section 9.1.3): only then may it say where the client is.
    pub(crate) fn authenticates(&self, datagram: &[u8]) -> bool {
        let mut message = Message { raw: datagram.to_vec(), ..Message::new() };
        message.decode().is_ok()
            && MessageIntegrity::check(&mut message, self.password.as_bytes(), self.crypto.crypto())
                .is_ok()
    }

    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        message: BytesMut,
    ) {
        let transport = TransportContext {
            local_addr: to,
            peer_addr: from,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        if let Err(error) = self.pc.handle_read(TaggedBytesMut { now, transport, message }) {
            // Forged, replayed or damaged packets end here; counting is enough.
            metrics::counter!("vbranch_sfu_rejected_packets_total").increment(1);
            tracing::trace!(%error, "packet rejected");
        }
        self.collect();
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if !self.connected && now >= self.give_up_at {
            return self.close();
        }
        if let Err(error) = self.pc.handle_timeout(now) {
            tracing::debug!(%error, "peer timer");
        }
        self.collect();
    }

    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let next = self.pc.poll_timeout();
        if self.connected {
            next
        } else {
            Some(next.map_or(self.give_up_at, |at| at.min(self.give_up_at)))
        }
    }

    pub(crate) fn poll(&mut self) -> Option<PeerOutput> {
        self.out.pop_front()
    }

    /// Sends a packet of another participant to this client.
    pub(crate) fn send(&mut self, now: Instant, source: SourceId, packet: &RtpPacket) {
        if !self.connected || self.closed {
            return;
        }
        let outgoing = match packet.kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video | MediaKind::Screen => &mut self.video,
        };
        let (sequence_number, timestamp) =
            outgoing.rewriter.rewrite(now, source, packet.seq, packet.timestamp);
        let header = rtc::rtp::header::Header {
            version: 2,
            marker: packet.marker,
            payload_type: self.payload_types.of(packet.kind),
            sequence_number,
            timestamp,
            ssrc: outgoing.ssrc,
            ..Default::default()
        };
        let rtp = rtc::rtp::packet::Packet { header, payload: packet.payload.clone() };
        if let Some(mut sender) = self.pc.rtp_sender(outgoing.sender)
            && let Err(error) = sender.write_rtp(now, rtp)
        {
            tracing::debug!(%error, "packet not sent");
        }
    }

    /// Moves what `send` produced to the output queue.
    pub(crate) fn flush(&mut self) {
        self.collect();
    }

    /// Asks the client for a key frame (RFC 4585 section 6.3.1).
    pub(crate) fn request_keyframe(&mut self, now: Instant) {
        let Some((media_ssrc, receiver)) = self.incoming_video else { return };
        let pli = PictureLossIndication { sender_ssrc: self.video.ssrc, media_ssrc };
        if let Some(mut receiver) = self.pc.rtp_receiver(receiver)
            && let Err(error) = receiver.write_rtcp(now, vec![Box::new(pli)])
        {
            tracing::debug!(%error, "key frame request not sent");
        }
    }

    /// Ends the connection; the client is told where DTLS allows it.
    pub(crate) fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        if let Err(error) = self.pc.close() {
            tracing::debug!(%error, "peer close");
        }
        self.drain_transmits();
        self.out.push_back(PeerOutput::Closed);
    }

    fn collect(&mut self) {
        if self.closed {
            return;
        }
        while let Some(event) = self.pc.poll_event() {
            self.handle_event(event);
        }
        while let Some(TaggedRTCMessage { message, .. }) = self.pc.poll_media_read() {
            match message {
                RTCMessage::RtpPacket(_, packet) => self.handle_rtp(packet),
                RTCMessage::RtcpPacket(_, packets) => self.handle_rtcp(&packets),
                _ => {}
            }
        }
        self.drain_transmits();
    }

    fn drain_transmits(&mut self) {
        while let Some(TaggedBytesMut { transport, message, .. }) = self.pc.poll_write() {
            let (to, from) = (transport.peer_addr, transport.local_addr.ip());
            self.out.push_back(PeerOutput::Transmit { to, from, bytes: message });
        }
    }

    fn handle_event(&mut self, event: RTCPeerConnectionEvent) {
        match event {
            RTCPeerConnectionEvent::OnTrack(RTCTrackEvent::OnOpen(track)) => {
                let receiver = track.receiver_id;
                let kind = self.pc.rtp_receiver(receiver).map(|r| r.track().kind());
                match kind {
                    // The first stream of a kind counts; a client has one of each.
                    Some(RtpCodecKind::Audio) => {
                        self.incoming_audio.get_or_insert(track.ssrc);
                    }
                    Some(RtpCodecKind::Video) => {
                        self.incoming_video.get_or_insert((track.ssrc, receiver));
                    }
                    _ => {}
                }
            }
            RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) => match state {
                RTCPeerConnectionState::Connected if !self.connected => {
                    self.connected = true;
                    self.out.push_back(PeerOutput::Connected);
                }
                RTCPeerConnectionState::Disconnected
                | RTCPeerConnectionState::Failed
                | RTCPeerConnectionState::Closed => self.close(),
                _ => {}
            },
            _ => {}
        }
    }

    fn handle_rtp(&mut self, packet: rtc::rtp::packet::Packet) {
        let header = packet.header;
        let Some(kind) = self.payload_types.kind(header.payload_type) else { return };
        let expected = match kind {
            MediaKind::Audio => self.incoming_audio,
            MediaKind::Video | MediaKind::Screen => self.incoming_video.map(|(ssrc, _)| ssrc),
        };
        if expected != Some(header.ssrc) {
            return;
        }
        self.out.push_back(PeerOutput::Media(RtpPacket {
            kind,
            seq: header.sequence_number,
            timestamp: header.timestamp,
            marker: header.marker,
            payload: packet.payload,
        }));
    }

    fn handle_rtcp(&mut self, packets: &[Box<dyn rtc::rtcp::Packet>]) {
        for packet in packets {
            let any = packet.as_any();
            if let Some(report) = any.downcast_ref::<SenderReport>() {
                let kind = if self.incoming_audio == Some(report.ssrc) {
                    MediaKind::Audio
                } else if self.incoming_video.is_some_and(|(ssrc, _)| ssrc == report.ssrc) {
                    MediaKind::Video
                } else {
                    continue;
                };
                let (ntp, rtp_time) = (NtpTime(report.ntp_time), report.rtp_time);
                self.out.push_back(PeerOutput::SenderReport { kind, ntp, rtp_time });
            } else if any.is::<PictureLossIndication>() || any.is::<FullIntraRequest>() {
                self.out.push_back(PeerOutput::KeyframeWanted);
            }
        }
    }
}

fn build(setup: &PeerSetup, now: Instant) -> Result<RTCPeerConnection, rtc::shared::error::Error> {
    let (media_engine, registry) = negotiate::media_engine()?;
    let settings = SettingEngineBuilder::new()
        .with_lite(true)
        .with_answering_dtls_role(RTCDtlsRole::Server)
        .with_ice_timeouts(Some(DISCONNECTED_AFTER), Some(FAILED_AFTER), None);
    let configuration =
        RTCConfigurationBuilder::new().with_certificates(vec![setup.certificate.clone()]);
    RTCPeerConnectionBuilder::new()
        .with_configuration(configuration.build())
        .with_setting_engine(settings.build())
        .with_media_engine(media_engine)
        .with_interceptor_registry(registry)
        .build(now)
}

fn add_sender(
    pc: &mut RTCPeerConnection,
    kind: MediaKind,
    ssrc: u32,
) -> Result<Outgoing, rtc::shared::error::Error> {
    let (codec_kind, mime, channels, fmtp) = match kind {
        MediaKind::Audio => (RtpCodecKind::Audio, negotiate::OPUS, 2, negotiate::OPUS_FMTP),
        MediaKind::Video | MediaKind::Screen => {
            (RtpCodecKind::Video, negotiate::H264, 0, negotiate::H264_FMTP)
        }
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
        codec: RTCRtpCodec {
            mime_type: mime.into(),
            clock_rate: kind.clock_rate(),
            channels,
            sdp_fmtp_line: fmtp.into(),
            rtcp_feedback: vec![],
        },
        ..Default::default()
    };
    // One stream id for both tracks: the browser then plays them in sync.
    let name = kind.as_str().to_owned();
    let track =
        MediaStreamTrack::new("peer".into(), name.clone(), name, codec_kind, vec![encoding]);
    let sender = pc.add_track(track)?;
    Ok(Outgoing { sender, ssrc, rewriter: Rewriter::new(kind.clock_rate()) })
}

fn add_candidate(
    pc: &mut RTCPeerConnection,
    address: SocketAddr,
) -> Result<(), rtc::shared::error::Error> {
    let base_config = CandidateConfig {
        network: "udp".into(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        ..Default::default()
    };
    let candidate =
        CandidateHostConfig { base_config, ..Default::default() }.new_candidate_host()?;
    pc.add_local_candidate(RTCIceCandidate::from(&candidate).to_json()?)
}
