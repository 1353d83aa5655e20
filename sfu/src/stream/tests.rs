//! Two hops in virtual time, publisher to server to subscriber, over links that lose, delay,
//! reorder and duplicate, in both directions.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use vbranch_domain::{MediaKind, Mono};

use super::{
    history::{DEFAULT_PACKETS, HistoryPacket, PacketHistory},
    nack::nacked,
    receive::{ReceiveStream, Received},
    rewrite::{Rewriter, SourceId},
    rtx::{self, OSN_LEN, Rtx},
    send::{Counter, SendStream, Sent},
};

const SOURCE: SourceId = 11;

/// A seeded generator (SplitMix64): a run is repeated by its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

#[derive(Debug, Clone, Copy)]
struct Weather {
    loss_percent: u64,
    duplicate_percent: u64,
    delay_ms: u64,
    /// Each packet is delayed by up to so much more, which reorders.
    jitter_ms: u64,
}

impl Weather {
    const CALM: Self = Self { loss_percent: 0, duplicate_percent: 0, delay_ms: 20, jitter_ms: 0 };

    fn rtt(&self) -> Duration {
        Duration::from_millis(2 * self.delay_ms + self.jitter_ms)
    }
}

struct Link<T> {
    random: Random,
    under_way: BTreeMap<(Mono, u64), T>,
    pushed: u64,
}

impl<T: Clone> Link<T> {
    fn new(seed: u64) -> Self {
        Self { random: Random(seed), under_way: BTreeMap::new(), pushed: 0 }
    }

    fn push(&mut self, now: Mono, weather: &Weather, message: T) {
        if self.random.chance(weather.loss_percent) {
            return;
        }
        let copies = 1 + u64::from(self.random.chance(weather.duplicate_percent));
        for _ in 0..copies {
            let delay = weather.delay_ms + self.random.next() % (weather.jitter_ms + 1);
            self.pushed += 1;
            let at = now + Duration::from_millis(delay);
            self.under_way.insert((at, self.pushed), message.clone());
        }
    }

    fn pop(&mut self, now: Mono) -> Option<T> {
        let entry = self.under_way.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

#[derive(Clone)]
enum Packet {
    Media { seq: u16, timestamp: u32, payload: Vec<u8> },
    Rtx { timestamp: u32, payload: Vec<u8> },
}

/// A packet at the far end of a hop.
struct Arrived {
    ext_seq: u64,
    timestamp: u32,
    payload: Vec<u8>,
}

/// A sender, a receiver, and the links between them.
struct Hop {
    history: PacketHistory,
    rewriter: Rewriter,
    send: SendStream,
    rtx: Counter,
    forth: Link<Packet>,
    back: Link<Vec<(u16, u16)>>,
    receive: ReceiveStream,
    keyframes_needed: u32,
}

impl Hop {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        // Near enough to the wrap that a run of some hundred packets passes it in the wire format.
        let mut rewriter = Rewriter::new(90_000, 0x7f00, u32::MAX - 90_000);
        rewriter.switch(SOURCE, None);
        Self {
            history: PacketHistory::new(DEFAULT_PACKETS),
            rewriter,
            send: SendStream::new(90_000),
            rtx: Counter::new(random.next() as u16),
            forth: Link::new(random.next()),
            back: Link::new(random.next()),
            receive: ReceiveStream::new(1, MediaKind::Video, true),
            keyframes_needed: 0,
        }
    }

    fn push(&mut self, now: Mono, weather: &Weather, packet: &Arrived) {
        let Arrived { ext_seq, timestamp, ref payload } = *packet;
        let (marker, payload_type, audio_level) = (false, 96, None);
        let stored = HistoryPacket { timestamp, marker, payload_type, audio_level, payload };
        assert!(self.history.store(now, ext_seq, stored));
        let Some(out) = self.rewriter.forward(now, SOURCE, ext_seq, timestamp) else { return };
        let payload_len = payload.len();
        let (source, source_ext_seq, extra) = (SOURCE, ext_seq, u64::from(payload[0]));
        self.send.sent(now, Sent { out, source, source_ext_seq, extra, payload_len });
        let (seq, timestamp) = (out.ext_seq as u16, out.timestamp);
        self.forth.push(now, weather, Packet::Media { seq, timestamp, payload: payload.clone() });
    }

    /// Lets the hop do what is due; gives what reached the far end for the first time.
    fn step(&mut self, now: Mono, weather: &Weather) -> Vec<Arrived> {
        let mut arrived = vec![];
        while let Some(packet) = self.forth.pop(now) {
            arrived.extend(self.receive(now, packet));
        }
        loop {
            let poll = self.receive.poll_nack(now, weather.rtt());
            self.keyframes_needed += u32::from(poll.keyframe_needed);
            if poll.pairs().is_empty() {
                break;
            }
            self.back.push(now, weather, poll.pairs().to_vec());
        }
        while let Some(pairs) = self.back.pop(now) {
            let seqs = pairs.into_iter().flat_map(|(pid, blp)| nacked(pid, blp));
            seqs.for_each(|seq| self.send_again(now, weather, seq));
        }
        arrived
    }

    fn receive(&mut self, now: Mono, packet: Packet) -> Option<Arrived> {
        let (received, timestamp, payload) = match packet {
            Packet::Media { seq, timestamp, payload } => {
                (self.receive.receive(now, seq, timestamp), timestamp, payload)
            }
            Packet::Rtx { timestamp, mut payload } => {
                let Rtx::Packet { original_seq } = rtx::unwrap(&payload) else { panic!("padding") };
                payload.drain(..OSN_LEN);
                (self.receive.recover(now, original_seq), timestamp, payload)
            }
        };
        match received {
            Received::Packet { ext_seq, restarted } => {
                assert!(!restarted, "no jump was made");
                Some(Arrived { ext_seq, timestamp, payload })
            }
            Received::Duplicate | Received::Stale => None,
        }
    }

    fn send_again(&mut self, now: Mono, weather: &Weather, seq: u16) {
        let Some(again) = self.send.resolve(now, seq, weather.rtt(), 1) else { return };
        let Some(packet) = self.history.get(now, again.source_ext_seq) else { return };
        assert_eq!(again.extra, u64::from(packet.payload[0]));
        self.rtx.take();
        let mut payload = (again.out.ext_seq as u16).to_be_bytes().to_vec();
        payload.extend(packet.payload);
        let timestamp = again.out.timestamp;
        self.forth.push(now, weather, Packet::Rtx { timestamp, payload });
    }
}

struct Outcome {
    /// How often each packet reached the subscriber.
    times: Vec<u32>,
    keyframes_needed: u32,
    /// Packets on the first link, retransmissions and copies included.
    pushed: u64,
}

/// Sends `count` packets, three to a picture, 8 ms apart, and checks on the way that each comes
/// with its own content, in its own place, at its own time.
fn run(seed: u64, weather: Weather, count: u32) -> Outcome {
    let (mut up, mut down) = (Hop::new(seed), Hop::new(!seed));
    let mut times = vec![0; count as usize];
    let mut first = None;
    for t in 0..u64::from(count) * 8 + 3000 {
        let now = Mono::from_millis(t);
        let sent = (t / 8) as u32;
        // The first and last packets pass, so that every loss is between two arrivals.
        let calm = sent < 5 || sent + 5 > count;
        let weather = if calm { Weather::CALM } else { weather };
        if t.is_multiple_of(8) && sent < count {
            let payload = sent.to_le_bytes().repeat(100);
            let (ext_seq, timestamp) = (u64::from(sent) + (1 << 16), sent / 3 * 3000);
            up.push(now, &weather, &Arrived { ext_seq, timestamp, payload });
        }
        for packet in up.step(now, &weather) {
            down.push(now, &weather, &packet);
        }
        for packet in down.step(now, &weather) {
            let n = u32::from_le_bytes(packet.payload[..4].try_into().unwrap());
            assert_eq!(packet.payload, n.to_le_bytes().repeat(100));
            let (base, start) = *first.get_or_insert((packet.ext_seq, packet.timestamp));
            assert_eq!(packet.ext_seq, base + u64::from(n), "places are kept through both hops");
            assert_eq!(packet.timestamp, start.wrapping_add(n / 3 * 3000));
            times[n as usize] += 1;
        }
    }
    let keyframes_needed = up.keyframes_needed + down.keyframes_needed;
    Outcome { times, keyframes_needed, pushed: up.forth.pushed }
}

#[test]
fn on_a_lossy_reordering_network_everything_arrives_exactly_once() {
    let weather = Weather { loss_percent: 10, duplicate_percent: 3, delay_ms: 20, jitter_ms: 30 };
    for seed in 0..20 {
        let outcome = run(seed, weather, 600);
        assert!(outcome.times.iter().all(|&times| times == 1), "seed {seed}");
        assert_eq!(outcome.keyframes_needed, 0, "seed {seed}");
    }
}

#[test]
fn repair_on_a_clean_network_costs_nothing() {
    let outcome = run(1, Weather::CALM, 300);
    assert!(outcome.times.iter().all(|&times| times == 1));
    assert_eq!(outcome.pushed, 300);
}

#[test]
fn at_thirty_percent_loss_hardly_anything_is_missing() {
    let weather = Weather { loss_percent: 30, duplicate_percent: 0, delay_ms: 50, jitter_ms: 10 };
    let missing: usize = (0..10)
        .map(|seed| run(seed, weather, 1000).times.iter().filter(|&&times| times == 0).count())
        .sum();
    assert!(missing <= 100, "{missing} of 10000");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// On any network: nothing arrives twice or out of place, and what does not arrive is
    /// declared, so that a key frame can mend it.
    #[test]
    fn nothing_twice_and_no_silent_loss(
        seed in any::<u64>(),
        loss_percent in 0u64..60, duplicate_percent in 0u64..20,
        delay_ms in 0u64..150, jitter_ms in 0u64..100,
    ) {
        let weather = Weather { loss_percent, duplicate_percent, delay_ms, jitter_ms };
        let outcome = run(seed, weather, 300);
        prop_assert!(outcome.times.iter().all(|&times| times <= 1));
        if outcome.times.contains(&0) {
            prop_assert!(outcome.keyframes_needed > 0);
        }
    }
}
