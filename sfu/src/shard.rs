//! One media thread: one UDP port, its peers, its calls, its timers.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use mio::{Events, Interest, Poll, Token, Waker};
use vbranch_domain::{CallId, Clock, Leg, Mono, ParticipantId, SystemClock, TrackId};

use crate::{
    call::{Call, PeerKey},
    demux::{Class, classify, stun_ufrag},
    handle::{Command, EventSink, JoinError, SfuEvent},
    peer::{Peer, PeerOutput, PeerSetup, RtpPacket},
    socket::Socket,
    tap::feed::{Input, TapFeed},
};

const SOCKET: Token = Token(0);
const WAKE: Token = Token(1);

/// Peer timers are looked at this often. Finer costs CPU per idle peer; coarser delays NACKs.
const TICK: Duration = Duration::from_millis(10);
/// Longest sleep without peers.
const IDLE: Duration = Duration::from_secs(1);
/// Datagrams batches taken before commands and timers get their turn.
const BATCHES: usize = 16;
/// Addresses remembered per peer; the oldest makes room. A roaming phone uses a few at a time.
const MAX_ADDRESSES: usize = 16;

pub(crate) struct Shard {
    poll: Poll,
    waker: Arc<Waker>,
    socket: Socket,
    setup: PeerSetup,
    clock: SystemClock,
    events: EventSink,
    inbox: Receiver<Command>,
    feed: TapFeed,
    peers: HashMap<PeerKey, Member>,
    calls: HashMap<CallId, Call>,
    by_address: HashMap<SocketAddr, PeerKey>,
    by_ufrag: HashMap<String, PeerKey>,
    next_key: PeerKey,
    next_tick: Instant,
    received: metrics::Counter,
    forwarded: metrics::Counter,
    send_drops: metrics::Counter,
}

/// A peer with its place in a call.
struct Member {
    peer: Peer,
    call: CallId,
    participant: ParticipantId,
    leg: Leg,
    leg_started: bool,
    addresses: Vec<SocketAddr>,
    due: Instant,
}

impl Shard {
    pub(crate) fn new(
        mut socket: Socket,
        setup: PeerSetup,
        clock: SystemClock,
        events: EventSink,
        inbox: Receiver<Command>,
        feed: TapFeed,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(socket.source(), SOCKET, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        Ok(Self {
            poll,
            waker,
            socket,
            setup,
            clock,
            events,
            inbox,
            feed,
            peers: HashMap::new(),
            calls: HashMap::new(),
            by_address: HashMap::new(),
            by_ufrag: HashMap::new(),
            next_key: 0,
            next_tick: clock.instant(Mono::ZERO),
            received: metrics::counter!("vbranch_sfu_packets_received_total"),
            forwarded: metrics::counter!("vbranch_sfu_packets_forwarded_total"),
            send_drops: metrics::counter!("vbranch_sfu_send_drops_total"),
        })
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(8);
        let mut readable = false;
        loop {
            let wait = if readable {
                Duration::ZERO
            } else if self.peers.is_empty() {
                IDLE
            } else {
                TICK
            };
            match self.poll.poll(&mut events, Some(wait)) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "media shard cannot poll");
                    break;
                }
            }
            readable |= events.iter().any(|event| event.token() == SOCKET);
            if readable {
                readable = self.read();
            }
            if !self.run_commands() {
                break;
            }
            self.run_timers();
        }
        self.shut_down();
    }

    /// One reading of the clock, in both of its forms.
    fn now(&self) -> (Mono, Instant) {
        let mono = self.clock.mono();
        (mono, self.clock.instant(mono))
    }

    /// Takes up to `BATCHES` batches; true while there may be more.
    fn read(&mut self) -> bool {
        for _ in 0..BATCHES {
            let mut datagrams = Vec::new();
            let result = self.socket.recv_batch(|from, to, bytes| {
                datagrams.push((from, to, BytesMut::from(bytes)));
            });
            let (mono, now) = self.now();
            self.received.increment(datagrams.len() as u64);
            for (from, to, bytes) in datagrams {
                self.handle_datagram(mono, now, from, to, bytes);
            }
            match result {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => {
                    // ICMP errors of peers that went away surface here; the socket is fine.
                    tracing::debug!(%error, "receive");
                }
            }
        }
        true
    }

    fn handle_datagram(
        &mut self,
        mono: Mono,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        bytes: BytesMut,
    ) {
        let Some(class) = classify(&bytes) else { return };
        let key = if class == Class::Stun {
            // A browser may use one port for a new connection: the ufrag decides, not the address.
            match stun_ufrag(&bytes) {
                Some(ufrag) => self.by_ufrag.get(ufrag).copied(),
                None => self.by_address.get(&from).copied(),
            }
        } else {
            self.by_address.get(&from).copied()
        };
        let Some(key) = key else { return };
        let Some(member) = self.peers.get_mut(&key) else { return };
        if class == Class::Stun && self.by_address.get(&from) != Some(&key) {
            if !member.peer.authenticates(&bytes) {
                return;
            }
            member.addresses.retain(|known| *known != from);
            if member.addresses.len() >= MAX_ADDRESSES {
                let oldest = member.addresses.remove(0);
                if self.by_address.get(&oldest) == Some(&key) {
                    self.by_address.remove(&oldest);
                }
            }
            member.addresses.push(from);
            self.by_address.insert(from, key);
        }
        member.peer.handle_datagram(now, from, to, bytes);
        member.due = now;
        self.drain(key, mono, now);
    }

    /// Carries out what a peer wants done.
    fn drain(&mut self, key: PeerKey, mono: Mono, now: Instant) {
        loop {
            let Some(member) = self.peers.get_mut(&key) else { return };
            let Some(output) = member.peer.poll() else { return };
            let (call, participant, leg) = (member.call, member.participant, member.leg);
            match output {
                PeerOutput::Transmit { to, from, bytes } => {
                    if self.socket.send(to, from, &bytes).is_err() {
                        self.send_drops.increment(1);
                    }
                }
                PeerOutput::Media(packet) => {
                    self.route(key, call, participant, leg, mono, now, packet)
                }
                PeerOutput::SenderReport { kind, ntp, rtp_time } => {
                    let track = TrackId { participant, kind };
                    let report = Input::SenderReport { call, track, ntp, rtp_time, at: mono };
                    self.feed.send(report, mono);
                }
                PeerOutput::KeyframeWanted => {
                    if let Some(publisher) =
                        self.calls.get(&call).and_then(|c| c.publisher_for(participant))
                    {
                        self.request_keyframe(call, publisher, mono, now);
                    }
                }
                PeerOutput::Connected => self.connected(key, mono, now),
                PeerOutput::Closed => return self.remove(key, mono),
            }
        }
    }

    /// Subscribers first, then taps.
    #[expect(clippy::too_many_arguments, reason = "the packet's whole context, on the hot path")]
    fn route(
        &mut self,
        from: PeerKey,
        call: CallId,
        participant: ParticipantId,
        leg: Leg,
        mono: Mono,
        now: Instant,
        packet: RtpPacket,
    ) {
        let subscriber = self.calls.get(&call).and_then(|c| c.subscriber_of(participant));
        if let Some(key) = subscriber
            && let Some(member) = self.peers.get_mut(&key)
        {
            member.peer.send(now, from, &packet);
            member.peer.flush();
            self.forwarded.increment(1);
            self.drain(key, mono, now);
        }
        let track = TrackId { participant, kind: packet.kind };
        let packet = crate::tap::RtpPacket {
            seq: packet.seq,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: packet.payload,
            arrived: mono,
        };
        self.feed.send(Input::Packet { call, track, leg, packet }, mono);
    }

    fn connected(&mut self, key: PeerKey, mono: Mono, now: Instant) {
        let Some(member) = self.peers.get_mut(&key) else { return };
        member.leg_started = true;
        let (call, participant, leg) = (member.call, member.participant, member.leg);
        if let Some(c) = self.calls.get_mut(&call) {
            c.connected(participant);
        }
        self.feed.send(Input::LegStarted { call, participant, leg, at: mono }, mono);
        tracing::info!(%call, %participant, leg = leg.0, "media connected");
        (self.events)(SfuEvent::Connected { call, participant });
        // The newcomer needs a picture to start from.
        if let Some(publisher) = self.calls.get(&call).and_then(|c| c.publisher_for(participant)) {
            self.request_keyframe(call, publisher, mono, now);
        }
    }

    fn request_keyframe(
        &mut self,
        call: CallId,
        publisher: ParticipantId,
        mono: Mono,
        now: Instant,
    ) {
        let Some(c) = self.calls.get_mut(&call) else { return };
        if !c.may_ask_keyframe(publisher, now) {
            return;
        }
        let Some(key) = c.peer_of(publisher) else { return };
        if let Some(member) = self.peers.get_mut(&key) {
            member.peer.request_keyframe(now);
            member.peer.flush();
            self.drain(key, mono, now);
        }
    }

    /// Forgets a peer and everything that points to it.
    fn remove(&mut self, key: PeerKey, mono: Mono) {
        let Some(member) = self.peers.remove(&key) else { return };
        self.by_ufrag.remove(member.peer.ufrag());
        for address in &member.addresses {
            if self.by_address.get(address) == Some(&key) {
                self.by_address.remove(address);
            }
        }
        let (call, participant, leg) = (member.call, member.participant, member.leg);
        if member.leg_started {
            self.feed.send(Input::LegEnded { call, participant, leg, at: mono }, mono);
        }
        tracing::info!(%call, %participant, leg = leg.0, "media disconnected");
        metrics::gauge!("vbranch_sfu_peers").decrement(1);
        if let Some(c) = self.calls.get_mut(&call) {
            let was_current = c.peer_of(participant) == Some(key);
            c.left(participant, key);
            if was_current {
                (self.events)(SfuEvent::Disconnected { call, participant });
            }
        }
    }

    /// False when it is time to stop.
    fn run_commands(&mut self) -> bool {
        while let Ok(command) = self.inbox.try_recv() {
            let (mono, now) = self.now();
            match command {
                Command::Join { call, participant, offer, reply } => {
                    let answer = self.join(call, participant, offer, mono, now);
                    // The asker may have given up; the peer then times out by itself.
                    let _ = reply.send(answer);
                }
                Command::Leave { call, participant } => {
                    let key = self.calls.get(&call).and_then(|c| c.peer_of(participant));
                    if let Some(key) = key {
                        self.close(key, mono, now);
                    }
                }
                Command::EndCall { call } => {
                    let keys: Vec<PeerKey> =
                        self.calls.get(&call).map(|c| c.peers().collect()).unwrap_or_default();
                    for key in keys {
                        self.close(key, mono, now);
                    }
                    if self.calls.remove(&call).is_some() {
                        metrics::gauge!("vbranch_sfu_calls").decrement(1);
                    }
                    self.feed.send(Input::EndCall { call }, mono);
                }
                Command::Attach { call, name, tap } => {
                    self.call_entry(call);
                    self.feed.send(Input::Attach { call, name, tap }, mono);
                }
                Command::Detach { call, name } => {
                    self.feed.send(Input::Detach { call, name }, mono);
                }
                Command::RequestKeyframe { call, participant } => {
                    self.request_keyframe(call, participant, mono, now);
                }
                Command::Stop => return false,
            }
        }
        true
    }

    fn join(
        &mut self,
        call: CallId,
        participant: ParticipantId,
        offer: String,
        mono: Mono,
        now: Instant,
    ) -> Result<String, JoinError> {
        if !self.call_entry(call).has_room_for(participant) {
            return Err(JoinError::Unavailable);
        }
        let key = self.next_key;
        // Unique per shard and never 0; even for audio, odd for video.
        let ssrc_base = u32::try_from((key * 2 + 0x1000) & 0xffff_fffe).unwrap_or(0x1000);
        let (peer, answer) = Peer::answer(&self.setup, offer, ssrc_base, now)?;
        self.next_key += 1;
        let (leg, replaced) = self.call_entry(call).join(participant, key);
        if let Some(old) = replaced {
            self.close(old, mono, now);
        }
        self.by_ufrag.insert(peer.ufrag().to_owned(), key);
        let member = Member {
            peer,
            call,
            participant,
            leg,
            leg_started: false,
            addresses: vec![],
            due: now,
        };
        self.peers.insert(key, member);
        metrics::gauge!("vbranch_sfu_peers").increment(1);
        Ok(answer)
    }

    fn call_entry(&mut self, call: CallId) -> &mut Call {
        self.calls.entry(call).or_insert_with(|| {
            metrics::gauge!("vbranch_sfu_calls").increment(1);
            Call::default()
        })
    }

    fn close(&mut self, key: PeerKey, mono: Mono, now: Instant) {
        if let Some(member) = self.peers.get_mut(&key) {
            member.peer.close();
            self.drain(key, mono, now);
        }
    }

    fn run_timers(&mut self) {
        let (mono, now) = self.now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        self.feed.flush(mono);
        let due: Vec<PeerKey> =
            self.peers.iter().filter(|(_, m)| m.due <= now).map(|(key, _)| *key).collect();
        for key in due {
            if let Some(member) = self.peers.get_mut(&key) {
                member.peer.handle_timeout(now);
                let next = member.peer.poll_timeout().unwrap_or(now + IDLE);
                member.due = next.clamp(now + TICK, now + IDLE);
                self.drain(key, mono, now);
            }
        }
    }

    fn shut_down(mut self) {
        let (mono, now) = self.now();
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        for key in keys {
            self.close(key, mono, now);
        }
        self.feed.send(Input::Stop, mono);
        self.feed.flush(mono);
    }
}
