//! Making a connection from an offer, and making its way anew after an ICE restart.

use std::{collections::VecDeque, fmt, net::SocketAddr, sync::Arc};

use ring::rand::{SecureRandom, SystemRandom};
use rtc::crypto::RTCCryptoProvider;
use vbranch_domain::{MediaKind, Mono};

use super::{
    CONNECT_WITHIN, Congestion, Peer, State,
    incoming::Incoming,
    outgoing::{Seeds, Slot},
};
use crate::{
    bwe::{ArrivalLog, BweConfig},
    call::{
        codec::VideoCodecs,
        member::Media,
        slots::{MAX_SLOTS, SlotKind, SlotSpec},
    },
    handle::JoinError,
    io::Egress,
    rtp::HeaderExtensions,
    sdp::{Direction, Offer, Ours, Section, write_answer},
    transport::{
        dtls::{Dtls, DtlsIdentity},
        ice::{Credentials, IceLite},
    },
};

/// What all peers of a shard share.
#[derive(Clone)]
pub(crate) struct PeerSetup {
    pub(crate) identity: DtlsIdentity,
    pub(crate) crypto: Arc<dyn RTCCryptoProvider>,
    pub(crate) candidates: Vec<SocketAddr>,
    pub(crate) bandwidth: BweConfig,
    pub(crate) random: SystemRandom,
}

impl fmt::Debug for PeerSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSetup").field("candidates", &self.candidates).finish_non_exhaustive()
    }
}

impl PeerSetup {
    /// Fresh ICE credentials: 48 and 144 bits, above the 24 and 128 of RFC 8839 section 5.4.
    fn credentials(&self) -> Result<Credentials, JoinError> {
        Ok(Credentials { ufrag: hex(&self.bytes::<6>()?), password: hex(&self.bytes::<18>()?) })
    }

    fn seeds(&self) -> Result<Seeds, JoinError> {
        let random = self.bytes::<16>()?;
        let [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, d0, d1, e0, e1, e2, e3] = random;
        Ok(Seeds {
            ssrc: u32::from_be_bytes([a0, a1, a2, a3]),
            repair_ssrc: u32::from_be_bytes([b0, b1, b2, b3]),
            sequence: u16::from_be_bytes([c0, c1]),
            repair_sequence: u16::from_be_bytes([d0, d1]),
            timestamp: u32::from_be_bytes([e0, e1, e2, e3]),
        })
    }

    fn bytes<const N: usize>(&self) -> Result<[u8; N], JoinError> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).map_err(|_| JoinError::Unavailable)?;
        Ok(bytes)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Peer {
    /// Answers an offer. Gives the peer, its answer, and what the call has to know of it.
    pub(crate) fn answer(
        setup: &PeerSetup,
        key: u64,
        offer: &Offer,
        now: Mono,
    ) -> Result<(Self, String, Media), JoinError> {
        let extensions = extensions_of(&offer.sections);
        let mut slots: Vec<Slot> = vec![];
        let mut media = Media::default();
        for section in receiving(&offer.sections) {
            let slot = Slot::new(section, &extensions, &setup.seeds()?);
            media.slots.push(SlotSpec { mid: section.mid.clone(), kind: slot.kind() });
            slots.push(slot);
        }
        let incoming = Incoming::new(&offer.sections, extensions);
        // A screen counts once it sends: pages negotiate it long before they share one.
        media.sends = incoming
            .publications()
            .map(|p| p.kind())
            .filter(|kind| *kind != MediaKind::Screen)
            .collect();
        media.takes = video_codecs(receiving(&offer.sections));
        media.sends_in = video_codecs(sending(&offer.sections));
        let numbered = extensions.transport_sequence.is_some()
            && offer.sections.iter().any(|s| s.transport_cc);
        let adapts = numbered && slots.iter().any(|s| s.kind() == SlotKind::Picture);
        let peer = Self {
            key,
            state: State::Connecting { until: now + CONNECT_WITHIN },
            ice: IceLite::new(setup.credentials()?, offer.ice_ufrag.clone()),
            dtls: Dtls::new(setup.identity.clone(), offer.fingerprints.clone()),
            inbound: None,
            outbound: None,
            heard: now,
            round_trip: None,
            incoming,
            slots,
            arrivals: numbered.then(ArrivalLog::default),
            congestion: Congestion::new(adapts.then_some(setup.bandwidth)),
            egress: Egress::default(),
            events: VecDeque::new(),
            resends: VecDeque::new(),
            scratch: vec![],
            next_report: now,
            next_housekeeping: now,
            session: Session::of(offer),
            opened: 0,
            rejected: 0,
        };
        let answer = peer.write_answer(setup, offer);
        Ok((peer, answer, media))
    }

    /// Whether an offer is a later one of this very connection: same session, same certificate,
    /// same sections, other ICE credentials.
    pub(crate) fn is_restarted_by(&self, offer: &Offer) -> bool {
        !self.is_closed()
            && self.session == Session::of(offer)
            && self.dtls.expected() == offer.fingerprints
            && !self.ice.is_of(&offer.ice_ufrag)
    }

    /// Answers an ICE restart (RFC 8445 section 9): new credentials, everything else goes on.
    pub(crate) fn restart(
        &mut self,
        setup: &PeerSetup,
        offer: &Offer,
    ) -> Result<String, JoinError> {
        self.ice.restart(setup.credentials()?, offer.ice_ufrag.clone());
        Ok(self.write_answer(setup, offer))
    }

    fn write_answer(&self, setup: &PeerSetup, offer: &Offer) -> String {
        let mut ssrcs: Vec<Option<(u32, u32)>> = vec![None; offer.sections.len()];
        let places = ssrcs.iter_mut().zip(&offer.sections).filter(|(_, s)| receives(s));
        for ((place, _), slot) in places.zip(&self.slots) {
            *place = Some((slot.ssrc, slot.repair_ssrc));
        }
        write_answer(
            offer,
            &Ours {
                credentials: self.ice.local(),
                fingerprint: setup.identity.fingerprint(),
                candidates: &setup.candidates,
                ssrcs: &ssrcs,
            },
        )
    }
}

/// The session of an offer and what its sections are for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Session {
    id: u64,
    sections: Vec<(String, Direction)>,
}

impl Session {
    fn of(offer: &Offer) -> Self {
        let sections = offer.sections.iter().map(|s| (s.mid.clone(), s.direction)).collect();
        Self { id: offer.session_id, sections }
    }
}

fn receives(section: &Section) -> bool {
    section.usable() && section.direction.receive
}

fn receiving(sections: &[Section]) -> impl Iterator<Item = &Section> {
    sections.iter().filter(|s| receives(s)).take(MAX_SLOTS)
}

fn sending(sections: &[Section]) -> impl Iterator<Item = &Section> {
    sections.iter().filter(|s| s.usable() && s.direction.send)
}

/// What all of these sections that carry pictures have.
fn video_codecs<'a>(sections: impl Iterator<Item = &'a Section>) -> VideoCodecs {
    let pictures = sections.filter(|s| !s.audio).map(|s| s.payload_types);
    pictures.fold(VideoCodecs::default(), |all, types| VideoCodecs {
        h264: all.h264 && types.h264.is_some(),
        vp8: all.vp8 && types.vp8.is_some(),
    })
}

/// With BUNDLE an id means the same in every section (RFC 9143 section 9.1): the first
/// that has one counts.
fn extensions_of(sections: &[Section]) -> HeaderExtensions {
    sections.iter().filter(|s| s.usable()).fold(HeaderExtensions::default(), |all, s| {
        let other = s.extensions;
        HeaderExtensions {
            mid: all.mid.or(other.mid),
            rid: all.rid.or(other.rid),
            repaired_rid: all.repaired_rid.or(other.repaired_rid),
            transport_sequence: all.transport_sequence.or(other.transport_sequence),
            audio_level: all.audio_level.or(other.audio_level),
            playout_delay: all.playout_delay.or(other.playout_delay),
        }
    })
}
