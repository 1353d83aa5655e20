//! One client's connection: ICE-lite, DTLS, SRTP, and the streams both ways.
//!
//! Sans-IO: datagrams and time go in, packets wait in [`Egress`] until the shard flushes them, and
//! what the shard has to decide comes out as [`PeerEvent`]s. A peer knows packets and slots; who
//! is in a slot is the call's affair.

mod congestion;
mod incoming;
mod outgoing;
mod report;
mod setup;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rtc::crypto::RTCCrypto;
use vbranch_domain::{MediaKind, Mono, TrackId};

pub(crate) use self::{
    congestion::Congestion,
    incoming::{Media, Publication, peer_of, tap_source},
    outgoing::{Kept, Ready, primary},
    setup::PeerSetup,
};
use self::{
    incoming::{Ask, Incoming},
    outgoing::Slot,
};
use crate::{
    bwe::ArrivalLog,
    call::slots::SlotKind,
    io::Egress,
    rtp::{
        RtpHeader,
        rtcp::{self, Rtcp},
        rtcp_write,
    },
    srtp::{self, Inbound, Outbound, Role, RtpIndex},
    stream::{history::HistoryPacket, report::SenderInfo, rewrite::SharedClock},
    transport::{
        Path,
        dtls::{Dtls, DtlsEvent},
        ice::{Check, IceLite, Liveness},
    },
};

/// How long a client may take from its offer to a finished handshake.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// A path that has been silent for this long, while media comes from another one, is not where the
/// client is any more. Shorter lets one stray packet move it; longer delays media after a change
/// of address.
const PATH_SILENT: Duration = Duration::from_millis(300);
/// A round trip to assume before one was measured.
const ASSUMED_RTT: Duration = Duration::from_millis(100);

/// From this loss on (in 1/256: 5 %) retransmissions are sent twice. A retransmission that is lost
/// again costs the client another round trip of waiting, in which its picture stands still; the
/// copy costs as much bandwidth as the loss itself.
const LOSSY: u8 = 13;

/// What a peer tells its shard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum PeerEvent {
    /// ICE and DTLS are through.
    Connected,
    /// The connection is over for good.
    Closed(CloseReason),
    /// The client cannot decode what a slot shows and wants a key frame of this layer of it.
    KeyframeWanted { track: TrackId, layer: u8 },
    /// The client reported how its RTP clock relates to its wall clock.
    SenderReport { kind: MediaKind, source: u32, info: SenderInfo },
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// It did not get through its handshake in time.
    NeverConnected,
    /// Its certificate is not the one in the offer.
    WrongCertificate,
    /// It said goodbye.
    Left,
    /// Nothing was heard of it for too long.
    Silent,
    /// We ended it.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting { until: Mono },
    Connected,
    Closed,
}

/// A client's connection.
pub(crate) struct Peer {
    key: u64,
    state: State,
    ice: IceLite,
    dtls: Dtls,
    inbound: Option<Inbound>,
    outbound: Option<Outbound>,
    liveness: Liveness,
    /// When the selected path last carried something authenticated.
    path_heard: Mono,
    incoming: Incoming,
    slots: Vec<Slot>,
    /// Arrival times for the client's own congestion control.
    arrivals: Option<ArrivalLog>,
    congestion: Congestion,
    egress: Egress,
    events: VecDeque<PeerEvent>,
    /// Packets the client asked for again; the shard fetches what they carry.
    resends: VecDeque<(Ready, Kept)>,
    /// For RTCP compounds; kept for its memory.
    scratch: Vec<u8>,
    next_report: Mono,
    next_housekeeping: Mono,
    session_id: u64,
    opened: u64,
    rejected: u64,
}

impl Peer {
    /// Our ICE username fragments: the present one and, after a restart, the former.
    pub(crate) fn ufrags(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.ice.ufrag()).chain(self.ice.former_ufrag())
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Where the client is.
    pub(crate) fn path(&self) -> Option<Path> {
        self.ice.selected()
    }

    pub(crate) fn incoming(&self) -> &Incoming {
        &self.incoming
    }

    pub(crate) fn incoming_mut(&mut self) -> &mut Incoming {
        &mut self.incoming
    }

    pub(crate) fn egress(&mut self) -> &mut Egress {
        &mut self.egress
    }

    pub(crate) fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_resend(&mut self) -> Option<(Ready, Kept)> {
        self.resends.pop_front()
    }

    pub(crate) fn congestion(&self) -> &Congestion {
        &self.congestion
    }

    pub(crate) fn congestion_mut(&mut self) -> &mut Congestion {
        &mut self.congestion
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(crate) fn slot_mut(&mut self, slot: usize) -> Option<&mut Slot> {
        self.slots.get_mut(slot)
    }

    /// Packets that proved to be the client's.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    /// Packets refused since the connection began: forged, replayed, malformed.
    pub(crate) fn rejected(&self) -> u64 {
        self.rejected
    }

    /// A STUN message. `None`: it is not to be answered.
    pub(crate) fn handle_stun(
        &mut self,
        now: Mono,
        path: Path,
        datagram: &[u8],
        crypto: &dyn RTCCrypto,
    ) -> Option<Check> {
        if self.is_closed() {
            return None;
        }
        let check = self.ice.handle(path, datagram, crypto)?;
        self.liveness.heard(now);
        if check.moved {
            self.path_heard = now;
        }
        Some(check)
    }

    /// A DTLS datagram from an address that proved to be the client's.
    pub(crate) fn handle_dtls(&mut self, now: Mono, instant: Instant, datagram: &[u8]) {
        if self.is_closed() {
            return;
        }
        match self.dtls.handle(instant, datagram) {
            Some(DtlsEvent::Established { profile, keying }) => {
                match srtp::contexts(profile, keying.as_ref(), Role::Server) {
                    Ok((inbound, outbound)) => {
                        self.inbound = Some(inbound);
                        self.outbound = Some(outbound);
                        self.state = State::Connected;
                        self.liveness.heard(now);
                        self.next_report = now;
                        self.events.push_back(PeerEvent::Connected);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "SRTP keys");
                        self.close(instant, CloseReason::NeverConnected);
                    }
                }
            }
            Some(DtlsEvent::WrongCertificate) => {
                self.close(instant, CloseReason::WrongCertificate);
            }
            Some(DtlsEvent::Closed) => self.close(instant, CloseReason::Left),
            None => {}
        }
        self.gather_dtls();
    }

    /// An SRTP packet, opened where it lies.
    pub(crate) fn handle_rtp<'a>(
        &mut self,
        now: Mono,
        path: Path,
        packet: &'a mut [u8],
    ) -> Option<Media<'a>> {
        let Ok(header) = RtpHeader::parse(packet) else {
            self.rejected += 1;
            return None;
        };
        let inbound = self.inbound.as_mut().filter(|_| self.state == State::Connected)?;
        let Ok(opened) = inbound.unprotect_rtp(packet, header.len) else {
            self.rejected += 1;
            return None;
        };
        self.heard(now, path);
        let packet: &'a [u8] = packet;
        let extensions = self.incoming.extensions(&header, packet);
        if let (Some(arrivals), Some(number)) = (&mut self.arrivals, extensions.transport_sequence)
        {
            arrivals.record(now, number);
        }
        let body = packet.get(header.len..header.len + opened.payload_len)?;
        let media = self.incoming.receive(now, self.key, &header, &extensions, body);
        if media.is_none() {
            self.rejected += 1;
        }
        media
    }

    /// An SRTCP packet.
    pub(crate) fn handle_rtcp(&mut self, now: Mono, path: Path, packet: &mut [u8]) {
        let Some(inbound) = self.inbound.as_mut().filter(|_| self.state == State::Connected) else {
            return;
        };
        let Ok(len) = inbound.unprotect_rtcp(packet) else {
            self.rejected += 1;
            return;
        };
        self.heard(now, path);
        let compound: &[u8] = packet.get(..len).unwrap_or_default();
        for packet in rtcp::packets(compound) {
            self.handle_report(now, packet);
        }
    }

    fn handle_report(&mut self, now: Mono, packet: Rtcp<'_>) {
        match packet {
            Rtcp::SenderReport { ssrc, info, blocks } => {
                let of = self.incoming.sender_report(now, self.key, ssrc, info);
                if let Some((kind, source)) = of {
                    let source = tap_source(source);
                    self.events.push_back(PeerEvent::SenderReport { kind, source, info });
                }
                self.handle_blocks(now, blocks);
            }
            Rtcp::ReceiverReport { blocks } => self.handle_blocks(now, blocks),
            Rtcp::Nack { media_ssrc, lost } => {
                let rtt = self.rtt();
                let found = self.slots.iter_mut().enumerate().find(|(_, s)| s.ssrc == media_ssrc);
                let Some((n, slot)) = found else { return };
                let resends = &mut self.resends;
                let lossy = slot.heard().fraction_lost >= LOSSY;
                let copies = if lossy && slot.kind() == SlotKind::Picture { 2 } else { 1 };
                for pair in lost.pairs() {
                    slot.resolve(now, n, pair, rtt, |ready, kept| {
                        resends.extend(std::iter::repeat_n((ready, kept), copies));
                    });
                }
            }
            Rtcp::TransportFeedback(packet) => self.congestion.on_feedback(now, packet),
            Rtcp::KeyframeWanted { media_ssrc } => {
                let slot = self.slots.iter_mut().find(|s| s.ssrc == media_ssrc);
                if let Some(slot) = slot
                    && let Some(track) = slot.showing()
                    && let Some(layer) = slot.keyframe_requested(now)
                {
                    self.events.push_back(PeerEvent::KeyframeWanted { track, layer });
                }
            }
            // A stream that ended says so by its silence as well; a connection ends by DTLS.
            Rtcp::Bye { .. } => {}
        }
    }

    fn handle_blocks(&mut self, now: Mono, blocks: rtcp::Blocks<'_>) {
        for block in blocks.iter() {
            if let Some(slot) = self.slots.iter_mut().find(|s| s.ssrc == block.ssrc) {
                slot.stream().on_report(now, &block);
            }
        }
        let rtt = self.slots.iter().filter_map(|s| s.heard().rtt).min();
        if let Some(rtt) = rtt {
            self.congestion.set_rtt(now, rtt);
        }
    }

    /// Notes a sign of life, and follows a client that has moved without a check of its own yet.
    fn heard(&mut self, now: Mono, path: Path) {
        self.opened += 1;
        self.liveness.heard(now);
        if self.ice.selected() == Some(path) {
            self.path_heard = now;
        } else if now.since(self.path_heard) >= PATH_SILENT {
            self.ice.follow(path);
            self.path_heard = now;
        }
    }

    /// The round trip to the client, measured or assumed.
    pub(crate) fn rtt(&self) -> Duration {
        let heard = self.slots.iter().filter_map(|s| s.heard().rtt).min();
        heard.or(self.congestion.rtt()).unwrap_or(ASSUMED_RTT)
    }

    /// Puts something else into a slot.
    pub(crate) fn show(&mut self, slot: usize, track: Option<TrackId>) {
        self.congestion.forget(slot);
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.show(track);
        }
    }

    /// Sends a publisher's packet into a slot, now or when the network has room for it. Gives the
    /// layer whose key frame the slot waits for.
    pub(crate) fn send(
        &mut self,
        now: Mono,
        slot: usize,
        media: &Media<'_>,
        clock: Option<SharedClock>,
    ) -> Option<u8> {
        if self.state != State::Connected {
            return None;
        }
        let place = self.slots.get_mut(slot)?;
        let ready = place.place(now, slot, media, clock);
        let wanted =
            if place.kind() == SlotKind::Picture { place.wants_keyframe(now) } else { None };
        if let Some(ready) = ready {
            let paced = place.kind() == SlotKind::Picture && !self.congestion.may_send(now);
            if paced {
                let kept = Kept { source: media.source, ext_seq: media.ext_seq };
                self.congestion.queue(now, media.payload.len(), ready, kept);
            } else {
                self.seal(now, &ready, media.payload);
            }
        }
        wanted
    }

    /// Sends a packet out of a publisher's history: paced before, or asked for again.
    pub(crate) fn send_kept(
        &mut self,
        now: Mono,
        ready: Ready,
        codec: crate::sdp::Codec,
        kept: &HistoryPacket<'_>,
    ) {
        if let Some(slot) = self.slots.get(ready.slot)
            && let Some(ready) = slot.complete(ready, codec, kept)
        {
            self.seal(now, &ready, kept.payload);
        }
    }

    fn seal(&mut self, now: Mono, ready: &Ready, payload: &[u8]) {
        let (Some(slot), Some(outbound)) = (self.slots.get_mut(ready.slot), self.outbound.as_ref())
        else {
            return;
        };
        let number = if slot.has_transport_sequence() {
            self.congestion.on_sent(now, slot.wire_len(ready, payload), false)
        } else {
            0
        };
        self.egress.push(|out| {
            let (header, len, ext_seq) = slot.write(ready, payload, number, out)?;
            outbound.protect_rtp(out, header, len, RtpIndex::new(ext_seq)?).ok()
        });
    }

    /// Sends padding, so that the bandwidth estimate can grow where there is not enough media.
    pub(crate) fn probe(&mut self, now: Mono) {
        while let Some(padding) = self.congestion.poll_probe(now) {
            let Some(slot) = self.slots.iter_mut().find(|slot| slot.can_pad()) else { return };
            let Some(outbound) = self.outbound.as_ref() else { return };
            // As much as one byte can say; several packets make up a burst.
            let bytes = padding.bytes.clamp(1, 255) as u8;
            let number = self.congestion.on_sent(now, slot.padding_len(bytes), true);
            let sent = self.egress.push(|out| {
                let (header, len, ext_seq) = slot.write_padding(bytes, number, out)?;
                outbound.protect_rtp(out, header, len, RtpIndex::new(ext_seq)?).ok()
            });
            if sent.is_none() {
                return;
            }
        }
    }

    /// Tells the client how much somebody can take of its streams at most, bit/s.
    pub(crate) fn limit(&mut self, bits: u64, ssrcs: &[u32]) {
        let sender = self.own_ssrc();
        self.scratch.clear();
        rtcp_write::max_bitrate(&mut self.scratch, sender, bits, ssrcs);
        self.send_rtcp();
    }

    /// When the client is to be told what arrived.
    pub(crate) fn feedback_at(&self) -> Option<Mono> {
        self.arrivals.as_ref()?.next_at()
    }

    /// Ends the connection; the client is told where DTLS allows it.
    pub(crate) fn close(&mut self, instant: Instant, reason: CloseReason) {
        if std::mem::replace(&mut self.state, State::Closed) == State::Closed {
            return;
        }
        self.dtls.close(instant);
        self.gather_dtls();
        self.events.push_back(PeerEvent::Closed(reason));
    }

    fn gather_dtls(&mut self) {
        while let Some(datagram) = self.dtls.poll_transmit() {
            self.egress.push(|out| {
                out.get_mut(..datagram.len())?.copy_from_slice(&datagram);
                Some(datagram.len())
            });
        }
    }

    /// Lets time pass: timeouts, handshake repeats, reports, what is to be asked of the client.
    pub(crate) fn handle_timeout(&mut self, now: Mono, instant: Instant, ntp: u64) {
        match self.state {
            State::Closed => return,
            State::Connecting { until } if now >= until => {
                return self.close(instant, CloseReason::NeverConnected);
            }
            State::Connecting { .. } => {
                if self.dtls.poll_timeout().is_some_and(|at| at <= instant) {
                    self.dtls.handle_timeout(instant);
                    self.gather_dtls();
                }
                return;
            }
            State::Connected if self.liveness.is_lost(now) => {
                return self.close(instant, CloseReason::Silent);
            }
            State::Connected => {}
        }
        self.congestion.handle_timeout(now);
        self.ask(now);
        self.report(now, ntp);
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(crate) fn poll_timeout(&self, now: Mono) -> Option<Mono> {
        match self.state {
            State::Closed => None,
            // A handshake's own timer is coarse; it is looked at with every tick.
            State::Connecting { .. } => Some(now),
            State::Connected => [
                Some(self.next_report),
                self.incoming.poll_timeout(),
                self.arrivals.as_ref().and_then(ArrivalLog::next_at),
                self.congestion.poll_timeout(),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    /// Asks the client for what is missing: packets again, key frames.
    fn ask(&mut self, now: Mono) {
        let rtt = self.rtt();
        let sender = self.own_ssrc();
        let out = &mut self.scratch;
        out.clear();
        self.incoming.poll(now, rtt, |ask| match ask {
            Ask::Retransmit { ssrc, pairs } => rtcp_write::nack(out, sender, ssrc, pairs),
            Ask::Keyframe { ssrc } => rtcp_write::picture_loss(out, sender, ssrc),
        });
        if let Some(arrivals) = &mut self.arrivals {
            // Feedback is about all streams, but Chromium takes only what names one of its own.
            let media = self.incoming.any_ssrc().unwrap_or_default();
            while arrivals.poll_feedback(now, sender, media, out) {}
        }
        self.send_rtcp();
    }

    /// The SSRC we speak RTCP with.
    fn own_ssrc(&self) -> u32 {
        self.slots.first().map_or(1, |slot| slot.ssrc)
    }

    /// Seals and queues the compound in `scratch`.
    fn send_rtcp(&mut self) {
        let (compound, Some(outbound)) = (&self.scratch, self.outbound.as_mut()) else { return };
        if compound.is_empty() {
            return;
        }
        self.egress.push(|out| {
            out.get_mut(..compound.len())?.copy_from_slice(compound);
            outbound.protect_rtcp(out, compound.len()).ok()
        });
    }
}
