//! Whole calls: two parties each, that send recorded media and say what they got.

mod branch;
mod door;
mod party;
mod report;
mod viewer;

use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use str0m::media::Direction;
use vbranch_domain::Mono;

use self::party::Party;
pub use self::{
    branch::{BranchDoor, Login},
    door::{BenchDoor, Door, NetemDoor},
    report::{page, table},
};
use super::{
    agent::{Agent, Plan},
    crowd::Crowd,
    histogram::{Histogram, Percentiles},
    machine::Usage,
    play::Recording,
    synthetic::Codec,
};

/// How long a party may take to connect; longer where the network loses a lot.
const CONNECT: Duration = Duration::from_secs(20);
/// Media before measuring.
const WARM_UP: Duration = Duration::from_secs(3);
/// After the last that counts was sent: time for repair.
const DRAIN: Duration = Duration::from_secs(1);
/// Between two looks at the server's process.
const SAMPLE: Duration = Duration::from_secs(1);

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    /// How many calls.
    pub count: usize,
    /// How long to measure.
    pub measure: Duration,
    /// Bits per second of video from each party.
    pub video_bps: u32,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// How many calls.
    pub calls: usize,
    /// Bits per second of video that each party sent.
    pub video_bps: f64,
    /// Share of video packets that arrived as part of a whole frame.
    pub video_delivered: f64,
    /// Share of audio packets that arrived.
    pub audio_delivered: f64,
    /// From sending a frame until the last of it has arrived, repair included.
    pub video_delay: Percentiles,
    /// From sending an audio packet until it has arrived.
    pub audio_delay: Percentiles,
    /// From a party's offer to its finished handshake.
    pub connect: Percentiles,
    /// Frames that could be shown, per second and party.
    pub fps: f64,
    /// Times that a picture stood still, per party and minute.
    pub freezes_per_minute: f64,
    /// Share of time that pictures stood still.
    pub frozen: f64,
    /// Key frames that were asked for, per party and minute.
    pub key_frames_per_minute: f64,
    /// Parties that never showed a picture.
    pub blind: usize,
    /// Cores that the server was using.
    pub server_cores: f64,
    /// Server memory at the end.
    pub server_rss_kb: u64,
    /// Cores this program was using: at 1, it is what was measured.
    pub client_cores: f64,
    /// Second by second.
    pub course: Vec<Second>,
}

/// One second of the course.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Second {
    /// Since the measurement began.
    pub at_s: f64,
    /// Cores that the server was using.
    pub server_cores: f64,
    /// Server memory.
    pub server_rss_kb: u64,
    /// Frames shown, per party.
    pub fps: f64,
    /// Half the frames of this second took less.
    pub delay_p50_ms: f64,
    /// 99 of 100 frames of this second took less.
    pub delay_p99_ms: f64,
}

impl Calls {
    /// Connects, talks and measures.
    ///
    /// # Errors
    /// When a party is refused or does not connect, or the server's process is gone.
    pub fn run(&self, door: &mut dyn Door, pid: Option<u32>) -> anyhow::Result<Outcome> {
        let mut run = Run::new(*self)?;
        for party in 0..self.count * 2 {
            run.connect(door, party)?;
        }
        run.wait_for_all_but(0)?;
        let outcome = run.talk(pid);
        door.leave();
        outcome
    }
}

struct Run {
    calls: Calls,
    crowd: Crowd,
    recording: Recording,
    parties: Vec<Party>,
}

impl Run {
    fn new(calls: Calls) -> anyhow::Result<Self> {
        Ok(Self {
            calls,
            crowd: Crowd::new()?,
            recording: Recording::encode(calls.video_bps)?,
            parties: vec![],
        })
    }

    fn connect(&mut self, door: &mut dyn Door, index: usize) -> anyhow::Result<()> {
        let start = self.crowd.now();
        let plan = Plan {
            direction: Direction::SendRecv,
            audio: true,
            codec: Codec::H264,
            twcc: true,
            joined: false,
        };
        let (mut agent, offer) = Agent::offer(self.crowd.clock, start, plan)?;
        let answer = door
            .join(index / 2, index % 2, offer)
            .with_context(|| format!("call {}, party {}", index / 2, index % 2))?;
        agent.accept(&answer)?;
        self.crowd.add(index, &mut agent)?;
        agent.tick(start);
        self.parties.push(Party::new(agent, index, start));
        self.wait_for_all_but(door.at_once().saturating_sub(1))
    }

    /// Waits until at most so many parties are still connecting. Those who are in already talk.
    fn wait_for_all_but(&mut self, still: usize) -> anyhow::Result<()> {
        let give_up = self.crowd.now() + CONNECT;
        loop {
            let connecting = self.parties.iter().filter(|p| p.connected_at.is_none()).count();
            if connecting <= still {
                return Ok(());
            }
            if self.crowd.now() > give_up {
                bail!("{connecting} of {} parties did not connect", self.parties.len());
            }
            self.turn()?;
        }
    }

    /// Sends what is due, reads what has come, waits for the next of either.
    fn turn(&mut self) -> anyhow::Result<()> {
        let mut now = self.crowd.now();
        for party in &mut self.parties {
            party.play(now, &self.recording);
            party.agent.tick(now);
            party.look(now);
        }
        now = self.crowd.now();
        let next = self.parties.iter().map(Party::next).min().unwrap_or(now);
        // The poller counts in milliseconds and rounds up: the last one is spent awake.
        let wait = next.since(now).saturating_sub(Duration::from_millis(1));
        self.crowd.turn(wait, usize::MAX, |now, index, buffers| {
            let Some(party) = self.parties.get_mut(index) else { return false };
            let more = party.agent.receive(now, buffers);
            party.look(now);
            more
        })
    }

    fn talk_until(&mut self, at: Mono) -> anyhow::Result<()> {
        while self.crowd.now() < at {
            self.turn()?;
        }
        Ok(())
    }

    fn talk(mut self, pid: Option<u32>) -> anyhow::Result<Outcome> {
        self.talk_until(self.crowd.now() + WARM_UP)?;
        let (from, client0) = (self.crowd.now(), Usage::of(std::process::id())?);
        let until = from + self.calls.measure;
        for party in &mut self.parties {
            party.measure(from..until);
        }
        let server = |pid: Option<u32>| pid.map_or(Ok(Usage::default()), Usage::of);
        let (server0, mut last, mut course) = (server(pid)?, (from, server(pid)?), vec![]);
        while last.0 < until {
            self.talk_until((last.0 + SAMPLE).min(until))?;
            let (now, usage) = (self.crowd.now(), server(pid)?);
            course.push(self.second(from, last, (now, usage)));
            last = (now, usage);
        }
        let client = Usage::of(std::process::id())?.cpu_s - client0.cpu_s;
        let seconds = last.0.since(from).as_secs_f64();
        self.talk_until(until + DRAIN)?;
        let mut outcome = self.sum_up();
        outcome.server_cores = (last.1.cpu_s - server0.cpu_s) / seconds;
        outcome.server_rss_kb = last.1.rss_kb;
        outcome.client_cores = client / seconds;
        outcome.course = course;
        Ok(outcome)
    }

    fn second(&mut self, from: Mono, last: (Mono, Usage), now: (Mono, Usage)) -> Second {
        let seconds = now.0.since(last.0).as_secs_f64();
        let (mut delays, mut shown) = (Histogram::default(), 0);
        for party in &mut self.parties {
            let second = party.viewer.take_second();
            delays.merge(&second.delays);
            shown += second.shown;
        }
        Second {
            at_s: now.0.since(from).as_secs_f64(),
            server_cores: (now.1.cpu_s - last.1.cpu_s) / seconds,
            server_rss_kb: now.1.rss_kb,
            fps: shown as f64 / seconds / self.parties.len().max(1) as f64,
            delay_p50_ms: delays.quantile_ms(0.5),
            delay_p99_ms: delays.quantile_ms(0.99),
        }
    }

    fn sum_up(&self) -> Outcome {
        let [mut video, mut audio, mut connect] = std::array::from_fn(|_| Histogram::default());
        let mut sum = viewer::Seen::default();
        let mut sent = party::Sent::default();
        let (mut frozen, mut blind) = (Duration::ZERO, 0);
        for party in &self.parties {
            let seen = party.viewer.seen();
            video.merge(&seen.video);
            connect.add(party.connected_at.unwrap_or(party.joined_at).since(party.joined_at));
            audio.merge(&seen.audio);
            sum.video_packets += seen.video_packets;
            sum.shown += seen.shown;
            sum.freezes += seen.freezes;
            sum.key_frames += seen.key_frames;
            frozen += seen.frozen;
            blind += usize::from(seen.shown == 0);
            sent.video_packets += party.sent.video_packets;
            sent.audio_packets += party.sent.audio_packets;
        }
        let party_seconds = self.calls.measure.as_secs_f64() * self.parties.len().max(1) as f64;
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        Outcome {
            calls: self.calls.count,
            video_bps: self.recording.video_bps(),
            video_delivered: share(sum.video_packets, sent.video_packets),
            audio_delivered: share(audio.total(), sent.audio_packets),
            video_delay: video.percentiles(),
            audio_delay: audio.percentiles(),
            connect: connect.percentiles(),
            fps: sum.shown as f64 / party_seconds,
            freezes_per_minute: sum.freezes as f64 * 60.0 / party_seconds,
            frozen: frozen.as_secs_f64() / party_seconds,
            key_frames_per_minute: sum.key_frames as f64 * 60.0 / party_seconds,
            blind,
            ..Outcome::default()
        }
    }
}
