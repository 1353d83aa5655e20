//! A path in virtual time, for tests: a bottleneck with a queue, delay, jitter, loss, blackouts,
//! and an adaptive sender and a reporting receiver at its ends.
//!
//! With `BWE_TRACE` set (and `--nocapture`), every second of a run is printed: time in ms, estimate
//! and what arrived in kbit/s, queue in ms.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use vbranch_domain::Mono;

use super::{ArrivalLog, Bitrate, BweConfig, Class, PacedQueue, SendBwe};

/// SplitMix64: seeded, and good enough to lose packets with.
#[derive(Debug)]
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0–1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What the path does; may be changed while time passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub(super) capacity: Bitrate,
    /// How much time's worth of packets the bottleneck queues before it drops.
    pub(super) queue: Duration,
    pub(super) one_way: Duration,
    pub(super) jitter: Duration,
    pub(super) loss: f64,
    /// Mean length of a run of lost packets (Gilbert's model); 1 for independent losses.
    pub(super) burst: f64,
    pub(super) feedback_loss: f64,
    pub(super) down: bool,
}

impl Path {
    pub(super) fn of(kbps: u64) -> Self {
        Self {
            capacity: Bitrate::from_kbps(kbps),
            queue: Duration::from_millis(500),
            one_way: Duration::from_millis(25),
            jitter: Duration::ZERO,
            loss: 0.0,
            burst: 1.0,
            feedback_loss: 0.0,
            down: false,
        }
    }
}

/// The shared bottleneck.
#[derive(Debug)]
pub(super) struct Bottleneck {
    pub(super) path: Path,
    busy_until: Mono,
    losing: bool,
}

impl Bottleneck {
    pub(super) fn new(path: Path) -> Self {
        Self { path, busy_until: Mono::ZERO, losing: false }
    }

    pub(super) fn queue_delay(&self, now: Mono) -> Duration {
        self.busy_until.since(now)
    }

    /// When the packet arrives, if it does.
    pub(super) fn carry(&mut self, now: Mono, bytes: usize, rng: &mut Rng) -> Option<Mono> {
        if self.path.down || self.queue_delay(now) > self.path.queue {
            return None;
        }
        self.busy_until = self.busy_until.max(now) + self.path.capacity.time_for(bytes as u64);
        let Path { loss, burst, .. } = self.path;
        let begins = loss / (1.0 - loss) / burst;
        let chance = match (burst > 1.0, self.losing) {
            (false, _) => loss,
            (true, false) => begins,
            (true, true) => 1.0 - 1.0 / burst,
        };
        self.losing = rng.unit() < chance;
        if self.losing {
            return None;
        }
        Some(self.busy_until + self.path.one_way + self.path.jitter.mul_f64(rng.unit()))
    }
}

/// What the sender sends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// Video at whatever the estimate says, up to this.
    Adaptive(Bitrate),
    /// Video at whatever the estimate says, and none below this.
    Pausing(Bitrate),
    /// Simulcast: the highest of these layers that fits, wanting the last.
    Layers([Bitrate; 3]),
}

/// One sender and its receiver.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) bwe: SendBwe,
    pub(super) source: Source,
    rng: Rng,
    log: ArrivalLog,
    queue: PacedQueue<usize>,
    /// When, under which number, how much. Sound has no number.
    arrivals: BinaryHeap<Reverse<(Mono, Option<u16>, usize)>>,
    reports: BinaryHeap<Reverse<(Mono, Vec<u8>)>>,
    next_frame: Mono,
    next_audio: Mono,
    owed: f64,
    /// Bytes of media that arrived in the present second and in the last full one.
    pub(super) arrived: u64,
    pub(super) dropped: u32,
}

const FRAME: Duration = Duration::from_nanos(33_333_333);
const AUDIO: Duration = Duration::from_millis(20);
const AUDIO_BPS: u64 = 40_000;
const TICK: Duration = Duration::from_millis(1);

impl Flow {
    pub(super) fn new(config: BweConfig, source: Source, start: Mono, seed: u64) -> Self {
        let mut bwe = SendBwe::new(config);
        if let Source::Layers([.., best]) = source {
            bwe.set_wanted(best.plus(Bitrate::from_kbps(50)));
        }
        Self {
            bwe,
            source,
            rng: Rng(seed),
            log: ArrivalLog::default(),
            queue: PacedQueue::default(),
            arrivals: BinaryHeap::new(),
            reports: BinaryHeap::new(),
            next_frame: start,
            next_audio: start,
            owed: 0.0,
            arrived: 0,
            dropped: 0,
        }
    }

    pub(super) fn estimate(&self) -> Bitrate {
        self.bwe.estimate().bitrate
    }

    pub(super) fn media_rate(&self) -> Bitrate {
        let available = self.estimate();
        match self.source {
            Source::Adaptive(most) => {
                Bitrate::from_bps(available.min(most).bps().saturating_sub(AUDIO_BPS))
            }
            Source::Pausing(least) => {
                let video = available.bps().saturating_sub(AUDIO_BPS);
                Bitrate::from_bps(if video < least.bps() { 0 } else { video })
            }
            Source::Layers(layers) => layers
                .into_iter()
                .filter(|layer| layer.plus(Bitrate::from_bps(AUDIO_BPS)) <= available)
                .max()
                .unwrap_or(Bitrate::ZERO),
        }
    }

    /// One millisecond.
    fn tick(&mut self, now: Mono, link: &mut Bottleneck) {
        while let Some(Reverse((_, seq, size))) = pop_due(&mut self.arrivals, now) {
            if let Some(seq) = seq {
                self.log.record(now, seq);
            }
            self.arrived += size as u64;
        }
        let mut report = Vec::new();
        while self.log.poll_feedback(now, 1, 2, &mut report) {
            let report = std::mem::take(&mut report);
            if !link.path.down && self.rng.unit() >= link.path.feedback_loss {
                self.reports.push(Reverse((now + link.path.one_way, report)));
            }
        }
        while let Some(Reverse((_, report))) = pop_due(&mut self.reports, now) {
            self.bwe.on_feedback(now, &report).expect("our own reports are well-formed");
        }
        if self.bwe.poll_timeout().is_some_and(|at| at <= now) {
            self.bwe.on_timeout(now);
        }
        self.produce(now, link);
        while self.bwe.may_send(now) {
            let Some(size) = self.queue.pop() else { break };
            self.send(now, link, size, false);
        }
        while let Some(padding) = self.bwe.poll_probe(now) {
            self.send(now, link, (padding.bytes as usize).min(1200), true);
        }
    }

    fn produce(&mut self, now: Mono, link: &mut Bottleneck) {
        if now >= self.next_audio {
            self.next_audio += AUDIO;
            self.speak(now, link);
        }
        if now < self.next_frame {
            return;
        }
        self.next_frame += FRAME;
        // Frames vary by a third either way.
        let size = self.media_rate().bytes_in(FRAME) as f64 * (0.67 + 0.66 * self.rng.unit());
        self.owed += size;
        while self.owed >= 200.0 {
            let size = (self.owed as usize).min(1200);
            self.owed -= size as f64;
            let dropped = &mut self.dropped;
            self.queue.push(now, Class::Video, size, |_, _| *dropped += 1);
        }
    }

    fn send(&mut self, now: Mono, link: &mut Bottleneck, size: usize, padding: bool) {
        let seq = self.bwe.on_sent(now, size, padding);
        if let Some(at) = link.carry(now, size, &mut self.rng) {
            self.arrivals.push(Reverse((at, Some(seq), if padding { 0 } else { size })));
        }
    }

    fn speak(&mut self, now: Mono, link: &mut Bottleneck) {
        const SIZE: usize = 100;
        self.bwe.on_unnumbered(now, SIZE);
        if let Some(at) = link.carry(now, SIZE, &mut self.rng) {
            self.arrivals.push(Reverse((at, None, SIZE)));
        }
    }
}

fn pop_due<T: Ord + Due>(heap: &mut BinaryHeap<Reverse<T>>, now: Mono) -> Option<Reverse<T>> {
    if heap.peek().is_some_and(|Reverse(next)| next.at() <= now) { heap.pop() } else { None }
}

trait Due {
    fn at(&self) -> Mono;
}

impl Due for (Mono, Option<u16>, usize) {
    fn at(&self) -> Mono {
        self.0
    }
}

impl Due for (Mono, Vec<u8>) {
    fn at(&self) -> Mono {
        self.0
    }
}

/// A second of one flow, as observed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Second {
    pub(super) estimate: Bitrate,
    pub(super) arrived: Bitrate,
    /// Queue at its end, milliseconds.
    pub(super) queue_ms: u128,
}

/// The whole arrangement.
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Mono,
    pub(super) link: Bottleneck,
    pub(super) flows: Vec<Flow>,
    /// Other traffic through the bottleneck.
    pub(super) cross: Bitrate,
    cross_owed: f64,
}

impl World {
    pub(super) fn new(path: Path, sources: &[Source], seed: u64) -> Self {
        let now = Mono::from_millis(5000);
        let flow = |(n, source): (u64, &Source)| {
            Flow::new(BweConfig::default(), *source, now, seed.wrapping_add(n * 7919))
        };
        let flows = (0..).zip(sources).map(flow).collect();
        Self { now, link: Bottleneck::new(path), flows, cross: Bitrate::ZERO, cross_owed: 0.0 }
    }

    pub(super) fn one(path: Path, seed: u64) -> Self {
        Self::new(path, &[Source::Adaptive(Bitrate::from_kbps(20_000))], seed)
    }

    pub(super) fn run_ms(&mut self, millis: u64) {
        for _ in 0..millis {
            self.now += TICK;
            self.cross_owed += self.cross.bytes_in(TICK) as f64;
            while self.cross_owed >= 1200.0 {
                self.cross_owed -= 1200.0;
                self.link.carry(self.now, 1200, &mut Rng(1));
            }
            for flow in &mut self.flows {
                flow.tick(self.now, &mut self.link);
            }
        }
    }

    /// Runs and tells each second of the first flow.
    pub(super) fn run(&mut self, seconds: u64) -> Vec<Second> {
        let mut all = Vec::new();
        for _ in 0..seconds {
            self.run_ms(1000);
            let queue_ms = self.link.queue_delay(self.now).as_millis();
            let flow = self.flows.first_mut().expect("a flow");
            let arrived = Bitrate::of(std::mem::take(&mut flow.arrived), Duration::from_secs(1));
            let second = Second { estimate: flow.estimate(), arrived, queue_ms };
            if std::env::var_os("BWE_TRACE").is_some() {
                println!(
                    "{:>6},{:>8},{:>8},{:>5},{:?},{:?}",
                    self.now.as_nanos() / 1_000_000,
                    second.estimate.bps() / 1000,
                    arrived.bps() / 1000,
                    queue_ms,
                    flow.bwe.estimate(),
                    flow.queue.len(),
                );
            }
            all.push(second);
        }
        all
    }
}

/// Mean of what arrived, bits per second.
pub(super) fn mean_arrived(seconds: &[Second]) -> f64 {
    seconds.iter().map(|s| s.arrived.bps() as f64).sum::<f64>() / seconds.len() as f64
}
