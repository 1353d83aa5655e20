//! One client's connection: ICE-lite, DTLS, SRTP, and the streams both ways.
//!
//! Sans-IO: datagrams and time go in, packets wait in [`Egress`] until the shard flushes them, and
//! what the shard has to decide comes out as [`PeerEvent`]s. A peer knows packets and slots; who
//! is in a slot is the call's affair.

mod congestion;
mod incoming;
mod outgoing;
mod publication;
mod receive;
mod report;
mod send;
mod setup;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rtc::crypto::RTCCrypto;
use vbranch_domain::{MediaKind, Mono, TrackId};

pub(crate) use self::{
    congestion::Congestion,
    incoming::{Incoming, Media, peer_of, tap_source},
    outgoing::{Kept, Ready, primary},
    publication::Publication,
    setup::PeerSetup,
};
use self::{outgoing::Slot, setup::Session};
use crate::{
    bwe::ArrivalLog,
    io::Egress,
    srtp::{self, Inbound, Outbound, Role},
    stream::report::SenderInfo,
    transport::{
        Path,
        dtls::{Dtls, DtlsEvent},
        ice::{Check, IceLite, SILENCE},
    },
};

/// How long a client may take from its offer to a finished handshake.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// A round trip to assume before one was measured.
const ASSUMED_RTT: Duration = Duration::from_millis(100);

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
    /// When something authenticated last came from where the client is sent to.
    heard: Mono,
    /// Round trip by the client's reports, smoothed; `None` before the first.
    round_trip: Option<Duration>,
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
    /// What tells a later offer of this connection from another connection's.
    session: Session,
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

    /// Packets refused since the connection began: no RTP, forged, replayed.
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
        if self.ice.selected() == Some(path) {
            self.heard = now;
        }
        if check.moved {
            self.congestion.on_path_changed(now);
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
                        self.heard = now;
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

    /// The round trip to the client, measured or assumed.
    pub(crate) fn rtt(&self) -> Duration {
        self.round_trip.or(self.congestion.estimate().map(|e| e.rtt)).unwrap_or(ASSUMED_RTT)
    }

    /// Puts something else into a slot.
    pub(crate) fn show(&mut self, slot: usize, track: Option<TrackId>) {
        self.congestion.forget(slot);
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.show(track);
        }
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
            State::Connected if now.since(self.heard) >= SILENCE => {
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
}
