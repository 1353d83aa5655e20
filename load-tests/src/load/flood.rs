//! Raw forwarding: one sender per room, subscribers that only count.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use serde::Serialize;
use str0m::media::Direction;
use vbranch_domain::Mono;

use super::{
    agent::{Agent, Happened, Plan},
    crowd::Crowd,
    histogram::{Histogram, Percentiles},
    machine::{Usage, unix_time},
    signal::{self, Request},
    synthetic::{Codec, PROBES, SyntheticVideo},
};

/// How long a client may take to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Clients that connect at once: more would wait for each other's handshakes.
const AT_ONCE: usize = 16;
/// Time before measuring, for handshakes and buffers to settle.
const WARM_UP: Duration = Duration::from_millis(1_500);
/// Packets of one sender in one turn.
const TURN: u64 = 64;
/// Without progress for this long, what is on its way counts as lost.
const STALLED: Duration = Duration::from_millis(50);
/// Clients read between two looks at whether a sender's next packet is due, where delays are
/// measured: more, and packets go out in bursts that the server is not to blame for.
const READ_BETWEEN: usize = 1;
/// Between two packets that are timed.
const PROBE_EVERY: Duration = Duration::from_millis(5);

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Flood {
    /// Rooms with one sender each.
    pub rooms: usize,
    /// Subscribers per room.
    pub subs: usize,
    /// Clients that are connected and silent, instead of rooms.
    pub idle: usize,
    /// How long to measure.
    pub measure: Duration,
    /// Packets per second and sender; 0: as fast as they come out again.
    pub rate: u64,
    /// Packets of a sender on their way at once, where `rate` is 0.
    pub window: u64,
    /// What is sent.
    pub codec: Codec,
    /// An audio section in every offer.
    pub audio: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// Packets that reached subscribers, per second.
    pub forwarded_pps: f64,
    /// Packets sent by publishers, per second.
    pub sent_pps: f64,
    /// Share that did not arrive.
    pub loss: f64,
    /// Cores that the server was using.
    pub server_cores: f64,
    /// Of these, outside the kernel.
    pub server_user_cores: f64,
    /// Packets forwarded per second of server CPU.
    pub per_core_second: f64,
    /// Cores this program was using: at 1, it is what was measured.
    pub client_cores: f64,
    /// From a sender's socket to a subscriber's, as the kernel notes it (only with a rate).
    pub delay: Option<Percentiles>,
    /// How much later than due packets were sent (only with a rate): bursts of this program's own
    /// making, which the server then has to work off.
    pub sender_late: Option<Percentiles>,
    /// Server memory per idle client.
    pub kb_per_idle: Option<f64>,
    /// Server memory.
    pub server_rss_kb: u64,
    /// Time to connect all clients, divided by their number; several connect at once.
    pub connect_ms: f64,
}

impl Flood {
    /// What is done, in a few words.
    #[must_use]
    pub fn title(&self) -> String {
        let Self { rooms, subs, idle, rate, .. } = *self;
        let many = if rooms == 1 { String::new() } else { format!("{rooms} x ") };
        match (idle, rate) {
            (0, 0) => format!("{many}1 to {subs}"),
            (0, _) => format!("{many}1 to {subs}, {rate}/s"),
            _ => format!("{idle} idle"),
        }
    }

    /// Connects, sends and measures.
    ///
    /// # Errors
    /// When a client is refused or does not connect, or the process is gone.
    pub fn run(&self, server: SocketAddr, pid: u32) -> anyhow::Result<Outcome> {
        let before = Usage::of(pid)?;
        let mut run = Run::new(*self, server)?;
        let connect_ms = run.connect_all()?;
        let mut outcome = if self.idle > 0 { run.idle(pid, before)? } else { run.flood(pid)? };
        outcome.connect_ms = connect_ms;
        outcome.server_rss_kb = Usage::of(pid)?.rss_kb;
        Ok(outcome)
    }
}

struct Run {
    flood: Flood,
    server: SocketAddr,
    crowd: Crowd,
    agents: Vec<Agent>,
    /// By room.
    senders: Vec<Sender>,
    /// Per agent: packets received, and the room where it subscribes.
    received: Vec<u64>,
    room_of: Vec<Option<usize>>,
    delays: Histogram,
    late: Histogram,
}

struct Sender {
    agent: usize,
    video: SyntheticVideo,
    sent: u64,
    /// Counted as lost.
    written_off: u64,
    progress: (u64, Mono),
    probe_at: Mono,
    probe: usize,
    /// When each was sent, since the epoch.
    probes: [Option<Duration>; PROBES],
}

impl Run {
    fn new(flood: Flood, server: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            flood,
            server,
            crowd: Crowd::new()?,
            agents: vec![],
            senders: vec![],
            received: vec![],
            room_of: vec![],
            delays: Histogram::default(),
            late: Histogram::default(),
        })
    }

    fn connect_all(&mut self) -> anyhow::Result<f64> {
        let start = self.crowd.now();
        for room in 0..self.flood.rooms * usize::from(self.flood.idle == 0) {
            self.connect(room, Direction::SendOnly)?;
            for _ in 0..self.flood.subs {
                self.connect(room, Direction::RecvOnly)?;
            }
        }
        for n in 0..self.flood.idle {
            // Two by two, as in calls.
            self.connect(1_000 + n / 2, Direction::RecvOnly)?;
        }
        self.wait_for_all_but(0)?;
        let took = self.crowd.now().since(start);
        let settled = self.crowd.now() + WARM_UP;
        while self.crowd.now() < settled {
            self.turn(Duration::from_millis(10))?;
        }
        Ok(took.as_secs_f64() * 1e3 / self.agents.len().max(1) as f64)
    }

    fn connect(&mut self, room: usize, direction: Direction) -> anyhow::Result<()> {
        let now = self.crowd.now();
        let Flood { codec, audio, .. } = self.flood;
        let joined = self.flood.rate > 0;
        let plan = Plan { direction, audio, codec, twcc: false, joined };
        let (mut agent, sdp) = Agent::offer(self.crowd.clock, now, plan)?;
        let publ = direction.is_sending();
        let answer = signal::ask(self.server, &Request { room, publ, sdp })?;
        agent.accept(&answer).context("the answer does not fit")?;
        let index = self.agents.len();
        self.crowd.add(index, &mut agent)?;
        agent.tick(now);
        self.agents.push(agent);
        self.received.push(0);
        self.room_of.push((!publ).then_some(room));
        if publ {
            self.senders.push(Sender {
                agent: index,
                video: SyntheticVideo::new(codec, now)?,
                sent: 0,
                written_off: 0,
                progress: (0, now),
                probe_at: now,
                probe: 0,
                probes: [None; PROBES],
            });
        }
        self.wait_for_all_but(AT_ONCE)
    }

    /// Waits until at most so many clients are still connecting.
    fn wait_for_all_but(&mut self, still: usize) -> anyhow::Result<()> {
        let give_up = self.crowd.now() + CONNECT;
        loop {
            let connecting = self.agents.iter().filter(|a| !a.connected()).count();
            if connecting <= still {
                return Ok(());
            }
            if self.crowd.now() > give_up {
                bail!("{connecting} of {} clients did not connect", self.agents.len());
            }
            self.turn(Duration::from_millis(5))?;
        }
    }

    /// Reads what has come and lets timers run.
    fn turn(&mut self, wait: Duration) -> anyhow::Result<()> {
        let Self { crowd, agents, senders, received, room_of, delays, .. } = self;
        let timed = self.flood.rate > 0;
        let at_most = if timed { READ_BETWEEN } else { usize::MAX };
        crowd.turn(wait, at_most, |now, index, buffers| {
            let (Some(agent), Some(received)) = (agents.get_mut(index), received.get_mut(index))
            else {
                return false;
            };
            let room = room_of.get(index).copied().flatten();
            let Some(sender) = room.and_then(|room| senders.get(room)) else {
                return agent.receive(now, buffers);
            };
            agent.receive_if(now, buffers, |arrived, datagram| match kind(datagram) {
                Datagram::Rtp(sealed) => {
                    *received += 1;
                    if timed && let Some((sent, arrived)) = sender.sent_at(sealed).zip(arrived) {
                        delays.add(arrived.saturating_sub(sent));
                    }
                    false
                }
                // It could not be decrypted without the packets before it.
                Datagram::Rtcp => false,
                Datagram::Other => true,
            })
        })?;
        let now = crowd.now();
        for (index, agent) in agents.iter_mut().enumerate() {
            agent.tick(now);
            let wanted = agent.take().any(|h| matches!(h, Happened::KeyframeWanted));
            if wanted && let Some(s) = senders.iter_mut().find(|s| s.agent == index) {
                s.video.want_key();
            }
        }
        Ok(())
    }

    fn flood(&mut self, pid: u32) -> anyhow::Result<Outcome> {
        let start = self.crowd.now();
        let mut base: Option<(Mono, (u64, u64), Usage, Usage)> = None;
        let mut measured = Duration::ZERO;
        while measured < self.flood.measure {
            let now = self.crowd.now();
            for room in 0..self.senders.len() {
                self.send(room, now, now.since(start));
            }
            // Busy: a sleep would put the wake-up into every delay.
            self.turn(Duration::ZERO)?;
            match base {
                None if now.since(start) >= WARM_UP => {
                    (self.delays, self.late) = Default::default();
                    base =
                        Some((now, self.totals(), Usage::of(pid)?, Usage::of(std::process::id())?));
                }
                None => {}
                Some((since, ..)) => measured = now.since(since),
            }
        }
        let (since, (sent0, got0), server0, client0) = base.context("nothing was measured")?;
        let (server, client) = (Usage::of(pid)?, Usage::of(std::process::id())?);
        let seconds = self.crowd.now().since(since).as_secs_f64();
        let (sent, got) = self.totals();
        let (sent, got) = ((sent - sent0) as f64, (got - got0) as f64);
        let cpu = server.cpu_s - server0.cpu_s;
        Ok(Outcome {
            forwarded_pps: got / seconds,
            sent_pps: sent / seconds,
            loss: (1.0 - got / (sent * self.flood.subs as f64)).max(0.0),
            server_cores: cpu / seconds,
            server_user_cores: (server.user_s - server0.user_s) / seconds,
            per_core_second: got / cpu,
            client_cores: (client.cpu_s - client0.cpu_s) / seconds,
            delay: (self.delays.total() > 0).then(|| self.delays.percentiles()),
            sender_late: (self.late.total() > 0).then(|| self.late.percentiles()),
            ..Outcome::default()
        })
    }

    fn totals(&self) -> (u64, u64) {
        (self.senders.iter().map(|s| s.sent).sum(), self.received.iter().sum())
    }

    fn send(&mut self, room: usize, now: Mono, elapsed: Duration) {
        let subscribers = self.room_of.iter().zip(&self.received);
        let got = subscribers.filter(|(r, _)| **r == Some(room)).map(|(_, n)| *n).min();
        let Some(sender) = self.senders.get_mut(room) else { return };
        let Some(agent) = self.agents.get_mut(sender.agent) else { return };
        let Flood { rate, window, .. } = self.flood;
        let budget = if rate > 0 {
            ((elapsed.as_secs_f64() * rate as f64) as u64).saturating_sub(sender.sent)
        } else {
            sender.window(now, got.unwrap_or(0), window)
        };
        if rate > 0 && budget > 0 {
            let due = Duration::from_secs_f64((sender.sent + 1) as f64 / rate as f64);
            self.late.add(elapsed.saturating_sub(due));
        }
        for _ in 0..budget.min(TURN) {
            let piece = if rate > 0 && now >= sender.probe_at {
                sender.probe_at = now + PROBE_EVERY;
                sender.probe = (sender.probe + 1) % PROBES;
                if let Some(at) = sender.probes.get_mut(sender.probe) {
                    *at = Some(unix_time());
                }
                sender.video.probe(now, sender.probe)
            } else {
                sender.video.next(now)
            };
            sender.sent += 1;
            agent.send(now, 1, piece.timestamp, piece.marker, piece.payload);
        }
    }

    fn idle(&mut self, pid: u32, before: Usage) -> anyhow::Result<Outcome> {
        let (start, base) = (self.crowd.now(), Usage::of(pid)?);
        while self.crowd.now().since(start) < self.flood.measure {
            self.turn(Duration::from_millis(20))?;
        }
        let now = Usage::of(pid)?;
        let per_idle = now.rss_kb.saturating_sub(before.rss_kb) as f64 / self.flood.idle as f64;
        let seconds = self.crowd.now().since(start).as_secs_f64();
        Ok(Outcome {
            server_cores: (now.cpu_s - base.cpu_s) / seconds,
            kb_per_idle: Some(per_idle),
            ..Outcome::default()
        })
    }
}

impl Sender {
    /// When the probe was sent that has this length, sealed.
    fn sent_at(&self, sealed: usize) -> Option<Duration> {
        self.probes.get(SyntheticVideo::probe_number(sealed)?).copied().flatten()
    }

    /// How many more may be sent where `got` have come out.
    fn window(&mut self, now: Mono, got: u64, window: u64) -> u64 {
        if got != self.progress.0 {
            self.progress = (got, now);
        }
        let on_the_way = self.sent.saturating_sub(got + self.written_off);
        if on_the_way >= window && now.since(self.progress.1) > STALLED {
            self.written_off += on_the_way;
            self.progress.1 = now;
            return window;
        }
        window.saturating_sub(on_the_way)
    }
}

enum Datagram {
    /// With the length of its payload and tag.
    Rtp(usize),
    Rtcp,
    Other,
}

/// RFC 7983 section 7 and RFC 5761 section 4.
fn kind(datagram: &[u8]) -> Datagram {
    match datagram {
        [128..=191, 192..=223, ..] => Datagram::Rtcp,
        [first @ 128..=191, ..] => {
            let fixed = 12 + usize::from(first & 15) * 4;
            let extension = match datagram.get(fixed..fixed + 4) {
                Some([_, _, high, low]) if first & 0x10 != 0 => {
                    4 + usize::from(u16::from_be_bytes([*high, *low])) * 4
                }
                _ => 0,
            };
            Datagram::Rtp(datagram.len().saturating_sub(fixed + extension))
        }
        _ => Datagram::Other,
    }
}
