//! One media thread: one port, its peers, its calls, its timers.
//!
//! | File | Holds |
//! |---|---|
//! | `mod.rs` | the loop |
//! | `datagram.rs` | whose a datagram is, and by which ways a client is reached |
//! | `route.rs` | a packet's way from its publisher to subscribers |
//! | `commands.rs` | what the program asks for: joining, leaving, seats, taps |
//! | `effects.rs` | what a change of a call, or of a peer, brings about |
//! | `bandwidth.rs` | sharing out what each subscriber's network carries; quality scores |
//! | `shared.rs` | addresses from which more than one client speaks |
//! | `tapping.rs` | what recorder and KYC are given |

mod bandwidth;
mod commands;
mod datagram;
mod effects;
mod route;
mod shared;
mod tapping;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker};
use vbranch_domain::{CallId, Clock, Leg, Mono, ParticipantId, SystemClock, TrackId};

use crate::{
    call::{Call, MemberIndex, PeerKey, allocate::Allocator, quality::Meter},
    handle::{Command, EventSink, SfuEvent},
    io::{Batch, Listening, TcpEvent, TcpPort, UdpPort},
    peer::{Peer, PeerSetup},
    stream::{repair::RepairWait, report::ntp_from_unix},
    tap::feed::TapFeed,
    transport::{Path, TcpId},
};
use shared::SharedAddresses;
use tapping::{Arena, TapSelectors};

const SOCKET: Token = Token(0);
const WAKE: Token = Token(1);
const LISTENER: Token = Token(2);
const FIRST_TCP: usize = 3;

/// Timers are looked at this often. Finer costs CPU per idle peer; coarser delays NACKs and makes
/// paced pictures come in larger bursts.
const TICK: Duration = Duration::from_millis(5);
/// Calls look this often at who speaks.
const CALL_TICK: Duration = Duration::from_millis(100);
/// Longest sleep without peers.
const IDLE: Duration = Duration::from_secs(1);
/// Batches of datagrams taken before commands and timers get their turn.
const BATCHES: usize = 16;
/// Batches taken before what they brought leaves. More makes for fewer, longer sends when there is
/// much to do; fewer makes the first packet wait less for the last: about half a millisecond.
const BATCHES_PER_FLUSH: usize = 4;
/// After a round that brought more than one datagram the thread rests so long. What comes meanwhile
/// is received, and sent, many at a time: network cards moderate their interrupts alike. Halves the
/// CPU of a loaded core; delays a packet by 0.15 ms on average. Longer delays more than it saves.
const REST: Duration = Duration::from_micros(250);
/// Where a datagram brought more than [`FANNED`] packets to send, gathering gains little and delays
/// all of them: then the thread rests only this long.
const SHORT_REST: Duration = Duration::from_micros(50);
const FANNED: u64 = 4;
/// A map for the packet path: its keys are ours or proved by a client, so a quick hash does.
type FastMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

pub(crate) struct Shard {
    poll: Poll,
    waker: Arc<Waker>,
    udp: UdpPort,
    tcp: TcpPort,
    setup: PeerSetup,
    clock: SystemClock,
    events: EventSink,
    inbox: Receiver<Command>,
    feed: TapFeed,
    arena: Arena,
    peers: FastMap<PeerKey, Member>,
    calls: FastMap<CallId, CallState>,
    by_address: FastMap<SocketAddr, PeerKey>,
    shared: SharedAddresses,
    by_tcp: FastMap<TcpId, PeerKey>,
    by_ufrag: HashMap<String, PeerKey>,
    /// Who sends a stream: for packets of clients whose address has changed. A guess only; the
    /// packet has to prove it.
    by_ssrc: FastMap<u32, PeerKey>,
    /// Peers with packets to flush.
    dirty: Vec<PeerKey>,
    /// Packets given to subscribers in this round of the loop.
    routed: u64,
    next_key: PeerKey,
    next_tick: Mono,
    next_call_tick: Mono,
    received: metrics::Counter,
    forwarded: metrics::Counter,
    send_drops: metrics::Counter,
    addresses: metrics::Gauge,
}

struct CallState {
    call: Call,
    /// The taps that listen, by name: nothing is copied for none.
    taps: Vec<&'static str>,
}

/// A peer with its place in a call.
struct Member {
    peer: Peer,
    call: CallId,
    participant: ParticipantId,
    index: MemberIndex,
    leg: Leg,
    leg_started: bool,
    addresses: Vec<SocketAddr>,
    /// Its TCP connections; the oldest makes room.
    tcp: Vec<TcpId>,
    /// When its timers are looked at next.
    due: Mono,
    /// It is in the shard's list of peers to flush.
    dirty: bool,
    taps: TapSelectors,
    allocator: Allocator,
    share_at: Mono,
    /// What its subscribers can take of it, as last told, and when.
    limit_told: Option<(u64, Mono)>,
    /// How much of each picture without layers this subscriber can take, bit/s.
    takes: Vec<(TrackId, u64)>,
    /// What its slots would take at their best, bit/s.
    wanted: u64,
    meter: Meter,
    /// How long losses take to be repaired, of what the client sends and of what it gets.
    repair_up: RepairWait,
    repair_down: RepairWait,
    cpu_limited: bool,
    screen: bool,
}

/// One reading of the clock, in the forms that are needed.
#[derive(Debug, Clone, Copy)]
struct Now {
    mono: Mono,
    instant: Instant,
}

impl Shard {
    pub(crate) fn new(
        listening: Listening,
        setup: PeerSetup,
        clock: SystemClock,
        events: EventSink,
        inbox: Receiver<Command>,
        feed: TapFeed,
    ) -> io::Result<Self> {
        let (poll, mut udp) = (Poll::new()?, listening.udp);
        poll.registry().register(udp.source(), SOCKET, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let registry = poll.registry().try_clone()?;
        let tcp = TcpPort::new(listening.tcp, registry, LISTENER, FIRST_TCP)?;
        Ok(Self {
            poll,
            waker,
            udp,
            tcp,
            setup,
            clock,
            events,
            inbox,
            feed,
            arena: Arena::default(),
            peers: FastMap::default(),
            calls: FastMap::default(),
            by_address: FastMap::default(),
            shared: SharedAddresses::default(),
            by_tcp: FastMap::default(),
            by_ufrag: HashMap::new(),
            by_ssrc: FastMap::default(),
            dirty: vec![],
            routed: 0,
            next_key: 1,
            next_tick: Mono::ZERO,
            next_call_tick: Mono::ZERO,
            received: metrics::counter!("vbranch_sfu_packets_received_total"),
            forwarded: metrics::counter!("vbranch_sfu_packets_forwarded_total"),
            send_drops: metrics::counter!("vbranch_sfu_send_drops_total"),
            addresses: metrics::gauge!("vbranch_sfu_addresses"),
        })
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(64);
        let mut batch = Batch::new();
        let mut readable = false;
        // Connections with more to read than their turn allowed.
        let mut busy: Vec<TcpId> = vec![];
        loop {
            let wait = self.wait(readable || !busy.is_empty());
            match self.poll.poll(&mut events, Some(wait)) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "media shard cannot poll");
                    break;
                }
            }
            for event in &events {
                match event.token() {
                    SOCKET => readable = true,
                    WAKE => {}
                    LISTENER => self.tcp.accept(self.clock.mono()),
                    token => {
                        // Once each, however often it says so: it has one turn in every round.
                        busy.extend(self.tcp.id_of(token).filter(|id| !busy.contains(id)));
                    }
                }
            }
            let mut datagrams = 0;
            if readable {
                (datagrams, readable) = self.read(&mut batch);
                self.flush();
            }
            self.read_tcp(&mut busy, &mut batch);
            if !self.run_commands() {
                break;
            }
            self.run_timers();
            self.flush();
            let fanned = std::mem::take(&mut self.routed) > datagrams * FANNED;
            if datagrams > 1 && !readable {
                std::thread::sleep(if fanned { SHORT_REST } else { REST });
            }
        }
        self.shut_down();
    }

    fn wait(&self, more: bool) -> Duration {
        if more {
            Duration::ZERO
        } else if self.peers.is_empty() {
            IDLE
        } else {
            // The poller counts in milliseconds: rounding down would spin until the tick.
            self.next_tick.since(self.clock.mono()).clamp(Duration::from_millis(1), TICK)
        }
    }

    fn now(&self) -> Now {
        let mono = self.clock.mono();
        Now { mono, instant: self.clock.instant(mono) }
    }

    /// Takes up to `BATCHES` batches; gives how many datagrams there were, and true while there may
    /// be more.
    fn read(&mut self, batch: &mut Batch) -> (u64, bool) {
        let mut datagrams = 0;
        for round in 1..=BATCHES {
            match self.udp.receive(batch) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return (datagrams, false),
                // ICMP errors of peers that went away surface here; the socket is fine.
                Err(error) => tracing::debug!(%error, "receive"),
            }
            // One look at the clock for all packets of a system call: they came together.
            let now = self.now();
            datagrams += batch.datagrams();
            self.received.increment(batch.datagrams());
            let local = self.udp.local_addr().ip();
            batch.for_each(|from, to, datagram| {
                let path = Path::Udp { remote: from, local: to.unwrap_or(local) };
                self.handle_datagram(now, path, datagram);
            });
            if round % BATCHES_PER_FLUSH == 0 {
                self.flush();
            }
        }
        (datagrams, true)
    }

    fn read_tcp(&mut self, busy: &mut Vec<TcpId>, batch: &mut Batch) {
        if busy.is_empty() {
            return;
        }
        let now = self.now();
        busy.retain(|id| {
            // Copies, which TCP clients are few enough for; of one connection at a time.
            let mut packets: Vec<(SocketAddr, Vec<u8>)> = vec![];
            let mut closed = false;
            let more = self.tcp.handle(*id, batch.scratch(), |event| match event {
                TcpEvent::Packet(from, packet) => packets.push((from, packet.to_vec())),
                TcpEvent::Closed => closed = true,
            });
            for (remote, mut packet) in packets {
                self.handle_datagram(now, Path::Tcp { remote, id: *id }, &mut packet);
            }
            let owner = if closed { self.by_tcp.remove(id) } else { None };
            if let Some(member) = owner.and_then(|key| self.peers.get_mut(&key)) {
                member.tcp.retain(|known| known != id);
            }
            more
        });
    }

    fn mark_dirty(&mut self, key: PeerKey) {
        if let Some(member) = self.peers.get_mut(&key)
            && !std::mem::replace(&mut member.dirty, true)
        {
            self.dirty.push(key);
        }
    }

    /// Sends what has gathered.
    fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for key in dirty.drain(..) {
            self.flush_peer(key);
        }
        // The list keeps its memory.
        self.dirty = dirty;
    }

    fn flush_peer(&mut self, key: PeerKey) {
        let Some(member) = self.peers.get_mut(&key) else { return };
        member.dirty = false;
        let Some(path) = member.peer.path() else { return };
        let flushed = member.peer.egress().flush(path, &self.udp, &mut self.tcp);
        self.forwarded.increment(flushed.packets);
        self.send_drops.increment(flushed.dropped);
    }

    fn run_timers(&mut self) {
        let now = self.now();
        if now.mono < self.next_tick {
            return;
        }
        self.next_tick = now.mono + TICK;
        self.feed.flush(now.mono);
        let ntp = ntp_from_unix(self.clock.wall());
        let due: Vec<PeerKey> =
            self.peers.iter().filter(|(_, m)| m.due <= now.mono).map(|(key, _)| *key).collect();
        for key in due {
            self.run_peer_timers(key, now, ntp);
        }
        if now.mono >= self.next_call_tick {
            self.next_call_tick = now.mono + CALL_TICK;
            self.tcp.expire(now.mono);
            self.tick_calls(now);
        }
    }

    fn run_peer_timers(&mut self, key: PeerKey, now: Now, ntp: u64) {
        let Some(member) = self.peers.get_mut(&key) else { return };
        member.peer.handle_timeout(now.mono, now.instant, ntp);
        member.peer.probe(now.mono);
        self.share_bandwidth(key, now);
        self.settle(key, now);
        if let Some(member) = self.peers.get_mut(&key) {
            let next = member.peer.poll_timeout(now.mono).unwrap_or(now.mono + IDLE);
            let next = next.min(member.share_at).min(now.mono + IDLE);
            member.due = next.max(now.mono + TICK);
        }
    }

    fn shut_down(mut self) {
        let now = self.now();
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        for key in keys {
            self.close(key, now);
        }
        self.flush();
        self.feed.send(crate::tap::feed::Input::Stop, now.mono);
        self.feed.flush(now.mono);
    }

    fn tell(&self, event: SfuEvent) {
        (self.events)(event);
    }
}
