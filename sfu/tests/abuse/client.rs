//! A client driven by hand: it can send anything, whenever it likes.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::BytesMut;
use rtc::{
    dtls::{
        config::{ConfigBuilder, ExtendedMasterSecretType},
        endpoint::{Endpoint, EndpointEvent},
        extension::extension_use_srtp::SrtpProtectionProfile,
    },
    shared::TransportProtocol,
    stun::{
        attributes::{ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType},
        fingerprint::FINGERPRINT,
        integrity::MessageIntegrity,
        message::{BINDING_REQUEST, Message, Setter, TransactionId},
        textattrs::TextAttribute,
    },
};
use tokio::{net::UdpSocket, time};
use vbranch_domain::{Clock, SystemClock};
use vbranch_load::netem::first_udp;
use vbranch_sfu::srtp::{self, Inbound, Outbound, Profile, Role, RtpIndex};

use crate::{branch::PATIENCE, identity::provider, wire::Rtp};

pub use crate::identity::Identity;

/// Payload types of the offer.
pub const OPUS: u8 = 111;
pub const H264: u8 = 97;
pub const VP8: u8 = 96;

/// Our only association's name to the DTLS endpoint.
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

struct Flag(AttrType);

impl Setter for Flag {
    fn add_to(&self, m: &mut Message) -> rtc::shared::error::Result<()> {
        m.add(self.0, &[]);
        Ok(())
    }
}

/// A binding request with USE-CANDIDATE (RFC 8445 section 7.2.2).
pub fn check(username: &str, password: &str) -> Vec<u8> {
    let provider = provider();
    let mut message = Message::new();
    let integrity = MessageIntegrity::new_short_term_integrity_with_provider(
        password.to_owned(),
        provider.crypto(),
    );
    let parts: [Box<dyn Setter + '_>; 7] = [
        Box::new(TransactionId::new()),
        Box::new(BINDING_REQUEST),
        Box::new(TextAttribute::new(ATTR_USERNAME, username.to_owned())),
        Box::new(Flag(ATTR_ICE_CONTROLLING)),
        Box::new(Flag(ATTR_USE_CANDIDATE)),
        Box::new(integrity),
        Box::new(FINGERPRINT),
    ];
    message.build(&parts).unwrap();
    message.raw
}

/// A client whose offer was answered.
pub struct Connecting {
    pub identity: Identity,
    pub server: SocketAddr,
    pub server_ufrag: String,
    pub server_password: String,
    /// What the server sends with, per media section that we receive on.
    pub slots: Vec<u32>,
    clock: SystemClock,
}

impl Connecting {
    pub fn new(identity: Identity, answer: &str, clock: SystemClock) -> Self {
        let value =
            |key: &str| answer.lines().find_map(|l| l.strip_prefix(key)).unwrap().trim().to_owned();
        let mut slots = vec![];
        for section in answer.split("m=").skip(1) {
            let ssrc = section.lines().find_map(|l| l.strip_prefix("a=ssrc:"));
            slots.extend(ssrc.and_then(|l| l.split(' ').next()?.parse::<u32>().ok()));
        }
        Self {
            server: first_udp(answer).unwrap(),
            server_ufrag: value("a=ice-ufrag:"),
            server_password: value("a=ice-pwd:"),
            slots,
            identity,
            clock,
        }
    }

    pub fn username(&self) -> String {
        format!("{}:{}", self.server_ufrag, self.identity.ufrag)
    }

    /// A check made with the right password.
    pub fn check(&self) -> Vec<u8> {
        check(&self.username(), &self.server_password)
    }

    pub async fn connect(self) -> anyhow::Result<Client> {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        self.connect_over(socket).await
    }

    /// ICE and DTLS from this socket.
    pub async fn connect_over(self, socket: Arc<UdpSocket>) -> anyhow::Result<Client> {
        self.prove(&socket).await?;
        self.shake_hands(socket).await
    }

    /// One check, until it is answered.
    pub async fn prove(&self, socket: &UdpSocket) -> anyhow::Result<()> {
        let mut buffer = [0; 2048];
        for _ in 0..50 {
            socket.send_to(&self.check(), self.server).await?;
            let answer = async {
                // Two clients may share the socket: what is not STUN is another's.
                while let Ok((_, _)) = socket.recv_from(&mut buffer).await {
                    if buffer[..2] == [1, 1] {
                        return;
                    }
                }
            };
            if time::timeout(Duration::from_millis(200), answer).await.is_ok() {
                return Ok(());
            }
        }
        bail!("no check was answered")
    }

    /// The DTLS handshake alone, from an address that proved itself.
    pub async fn shake_hands(self, socket: Arc<UdpSocket>) -> anyhow::Result<Client> {
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider())
            .with_certificates(vec![self.identity.certificate.clone()])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .build(true, None)?;
        let now = || self.clock.instant(self.clock.mono());
        let mut dtls = Endpoint::new(SERVER, TransportProtocol::UDP, None);
        dtls.connect(now(), SERVER, Arc::new(config), None)?;
        let shaken = time::timeout(PATIENCE / 3, async {
            let mut buffer = [0; 2048];
            loop {
                while let Some(out) = dtls.poll_transmit() {
                    socket.send_to(&out.message, self.server).await?;
                }
                let wait = time::timeout(Duration::from_millis(100), socket.recv_from(&mut buffer));
                let Ok(received) = wait.await else {
                    dtls.handle_timeout(SERVER, now())?;
                    continue;
                };
                let datagram = &buffer[..received?.0];
                if !matches!(datagram.first(), Some(20..=63)) {
                    continue;
                }
                let events = dtls.read(now(), SERVER, None, BytesMut::from(datagram))?;
                if events.iter().any(|e| matches!(e, EndpointEvent::HandshakeComplete)) {
                    break;
                }
            }
            while let Some(out) = dtls.poll_transmit() {
                socket.send_to(&out.message, self.server).await?;
            }
            anyhow::Ok(())
        });
        shaken.await.context("the handshake did not end")??;
        let profile = Profile::AeadAes128Gcm;
        let state = dtls.get_connection_state(SERVER).context("no DTLS state")?;
        let keys =
            state.export_keying_material(srtp::EXPORTER_LABEL, &[], profile.exported_len())?;
        let (inbound, outbound) = srtp::contexts(profile, keys.as_ref(), Role::Client)?;
        let received = Received::default();
        Ok(Client { setup: self, socket, dtls, inbound, outbound, received })
    }
}

/// What a client has been sent.
#[derive(Default)]
pub struct Received {
    /// Media payloads with the payload type and SSRC they came with.
    pub media: Vec<(u8, u32, Vec<u8>)>,
    /// RTCP compounds.
    pub control: Vec<Vec<u8>>,
    /// The server ended the connection.
    pub closed: bool,
}

impl Received {
    pub fn has(&self, payload: &[u8]) -> bool {
        self.media.iter().any(|(_, _, p)| p == payload)
    }

    /// How often the server asked us for a key frame.
    pub fn keyframe_requests(&self) -> usize {
        let pli = |compound: &Vec<u8>| {
            let mut rest = compound.as_slice();
            let mut count = 0;
            while let [head, kind, l0, l1, ..] = rest {
                count += usize::from(head & 0x1f == 1 && *kind == 206);
                let len = (usize::from(u16::from_be_bytes([*l0, *l1])) + 1) * 4;
                rest = rest.get(len..).unwrap_or_default();
            }
            count
        };
        self.control.iter().map(pli).sum()
    }
}

/// A connected client.
pub struct Client {
    pub setup: Connecting,
    pub socket: Arc<UdpSocket>,
    pub received: Received,
    dtls: Endpoint,
    inbound: Inbound,
    outbound: Outbound,
}

impl Client {
    /// Any datagram.
    pub async fn send(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.setup.server).await.unwrap();
    }

    /// A packet sealed as it should be.
    pub async fn send_rtp(&self, packet: &Rtp) {
        self.send(&self.seal(packet)).await;
    }

    pub fn seal(&self, packet: &Rtp) -> Vec<u8> {
        let (header, mut bytes) = (packet.header().len(), packet.plain());
        let len = bytes.len();
        bytes.resize(len + srtp::MAX_RTP_OVERHEAD, 0);
        let index = RtpIndex::from_parts(0, packet.seq);
        let len = self.outbound.protect_rtp(&mut bytes, header, len, index).unwrap();
        bytes.truncate(len);
        bytes
    }

    /// A compound sealed as it should be, whatever is in it.
    pub async fn send_rtcp(&mut self, compound: &[u8]) {
        let mut bytes = compound.to_vec();
        bytes.resize(compound.len() + srtp::MAX_RTCP_OVERHEAD, 0);
        let len = self.outbound.protect_rtcp(&mut bytes, compound.len()).unwrap();
        self.send(&bytes[..len]).await;
    }

    /// Reads what comes until `enough` says so.
    pub async fn receive_until(
        &mut self,
        what: &str,
        enough: impl Fn(&Received) -> bool,
    ) -> anyhow::Result<()> {
        let read = async {
            while !enough(&self.received) {
                self.read().await;
            }
        };
        time::timeout(PATIENCE, read).await.map_err(|_| anyhow::anyhow!("{what} did not come"))
    }

    /// Reads what comes for a moment.
    pub async fn drain(&mut self) {
        let read = async {
            loop {
                self.read().await;
            }
        };
        let _ = time::timeout(Duration::from_millis(100), read).await;
    }

    async fn read(&mut self) {
        let mut buffer = [0; 2048];
        let Ok((len, _)) = self.socket.recv_from(&mut buffer).await else { return };
        self.take(&mut buffer[..len]);
    }

    pub fn take(&mut self, datagram: &mut [u8]) {
        let clock = self.setup.clock;
        match datagram {
            [20..=63, ..] => {
                let now = clock.instant(clock.mono());
                let events = self.dtls.read(now, SERVER, None, BytesMut::from(&*datagram));
                let closed = |e: &EndpointEvent| matches!(e, EndpointEvent::PeerClosed);
                self.received.closed |= events.is_ok_and(|events| events.iter().any(closed));
            }
            [128..=191, 192..=223, ..] => {
                if let Ok(len) = self.inbound.unprotect_rtcp(datagram) {
                    self.received.control.push(datagram[..len].to_vec());
                }
            }
            [first @ 128..=191, second, ..] => {
                let (payload_type, extended) = (*second & 0x7f, *first & 0x10 != 0);
                let ssrc = u32::from_be_bytes(datagram[8..12].try_into().unwrap());
                let words = u16::from_be_bytes(datagram[14..16].try_into().unwrap());
                let header = if extended { 16 + usize::from(words) * 4 } else { 12 };
                if let Ok(opened) = self.inbound.unprotect_rtp(datagram, header) {
                    let payload = datagram[header..][..opened.payload_len].to_vec();
                    self.received.media.push((payload_type, ssrc, payload));
                }
            }
            _ => {}
        }
    }

    /// Sends a sound until `other` has heard it: what came before it has been dealt with.
    pub async fn reaches(&self, other: &mut Self, from: u16, tag: &[u8]) -> anyhow::Result<()> {
        for seq in from..from + 200 {
            if other.received.has(tag) {
                return Ok(());
            }
            self.send_rtp(&self.sound(seq, tag)).await;
            other.drain().await;
        }
        bail!("the other never heard it")
    }

    /// A sound packet; `tag` tells it from others.
    pub fn sound(&self, seq: u16, tag: &[u8]) -> Rtp {
        Rtp {
            payload_type: OPUS,
            ssrc: self.setup.identity.audio,
            seq,
            timestamp: u32::from(seq) * 960,
            payload: tag.to_vec(),
            ..Rtp::default()
        }
    }

    /// A packet that is a whole picture.
    pub fn picture(&self, seq: u16, payload_type: u8, payload: &[u8]) -> Rtp {
        Rtp {
            payload_type,
            ssrc: self.setup.identity.video,
            seq,
            timestamp: u32::from(seq) * 3000,
            marker: true,
            payload: payload.to_vec(),
            ..Rtp::default()
        }
    }
}
