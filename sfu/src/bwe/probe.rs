//! Probing: short bursts above the estimate that show whether the path carries more.

use std::time::Duration;

use vbranch_domain::Mono;

use super::{bitrate::Bitrate, twcc::Received};

/// A burst lasts this long, and has at least [`PACKETS_MIN`] packets: fewer measure the clock.
/// Jitter as long as the burst hides what it shows, so each that shows nothing is followed by a
/// longer one, up to [`BURST_MAX`], and a longer pause.
const BURST: Duration = Duration::from_millis(15);
const BURST_MAX: Duration = Duration::from_millis(60);
/// Pause between bursts that look for more: a burst that finds the path full delays media.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_LONG: Duration = Duration::from_secs(10);
const PACKETS_MIN: u32 = 5;
/// Share of packets and bytes that must be known to have arrived before a burst is judged.
const ARRIVED_MIN: f64 = 0.8;
/// A burst that nobody fills is given up: the caller may have nothing to pad with.
const GIVE_UP: Duration = Duration::from_millis(250);
/// How long, beyond a round trip, a burst's queue takes to drain and be reported.
const ECHO: Duration = Duration::from_millis(250);
/// Until a burst was sent in full, the first is tried this often.
const FIRST_AGAIN: Duration = Duration::from_secs(2);
/// Least time between two requests for padding that brought none.
const ASK_AGAIN: Duration = Duration::from_millis(10);
/// Padding is asked for this far ahead, so that fast bursts do not need a timer per packet.
const AHEAD: Duration = Duration::from_millis(1);
/// Least padding worth a packet.
const PADDING_MIN: u64 = 100;
/// Arriving so much faster than sent is a burst released by a radio, not a capacity.
const COMPRESSION_MAX: f64 = 2.0;
/// Arriving slower than this share of the sending rate, the burst met the capacity itself; then
/// [`MEASURED`] of what arrived is used, to let the burst's queue drain.
const SATURATED: f64 = 0.9;
const MEASURED: f64 = 0.95;
/// A burst that showed this share of its rate is followed by one of twice the rate.
const FOLLOW: f64 = 0.7;
/// A burst's packets must fit in a second, or times are made up.
const SPAN_MAX_US: i64 = 1_000_000;
/// Bursts whose reports may still come.
const CLUSTERS: usize = 4;

/// A request for padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Padding {
    /// Bytes to send now, in as many packets as it takes.
    pub(crate) bytes: u64,
}

/// A burst being sent.
#[derive(Debug)]
struct Burst {
    cluster: u8,
    rate: Bitrate,
    bytes: u64,
    requested_at: Mono,
    started_at: Option<Mono>,
    sent: u64,
    packets: u32,
    ask_at: Mono,
}

/// A burst as its reports show it.
#[derive(Debug, Clone, Copy, Default)]
struct Cluster {
    id: u8,
    rate: Bitrate,
    /// Bytes it was meant to have.
    target: u64,
    packets: u32,
    bytes: u64,
    first_sent: Mono,
    last_sent: Mono,
    last_sent_size: u64,
    first_arrival_us: i64,
    last_arrival_us: i64,
    first_arrival_size: u64,
    news: bool,
}

/// What a burst showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    /// What the path carries at least.
    pub(super) rate: Bitrate,
    /// The rate to try next, where the burst did not meet the path's limit.
    pub(super) follow: Option<Bitrate>,
}

/// Sends one burst at a time and judges the last few.
#[derive(Debug, Default)]
pub(super) struct Prober {
    burst: Option<Burst>,
    clusters: [Cluster; CLUSTERS],
    last_id: u8,
    last_at: Option<Mono>,
    /// A burst was sent to its end.
    completed: bool,
    /// Bursts since the last that showed anything.
    fruitless: u32,
}

impl Prober {
    /// Do reports still tell of a burst's own queue?
    pub(super) fn echoes(&self, now: Mono, rtt: Duration) -> bool {
        self.waited(now) <= BURST_MAX + rtt + ECHO
    }

    /// Time since the last burst was requested.
    pub(super) fn waited(&self, now: Mono) -> Duration {
        self.last_at.map_or(Duration::MAX, |at| now.since(at))
    }

    /// When the last burst was requested; the beginning of time before the first.
    pub(super) fn last_at(&self) -> Mono {
        self.last_at.unwrap_or(Mono::ZERO)
    }

    /// Is it time to look for more?
    pub(super) fn is_rested(&self, now: Mono) -> bool {
        let pause = if self.fruitless > 2 { PAUSE_LONG } else { PAUSE };
        self.waited(now) >= pause
    }

    /// A burst showed about what it tried.
    pub(super) fn bore_fruit(&mut self) {
        self.fruitless = 0;
    }

    /// Has no burst been sent in full, and is it time to try (again)? Before there is video there is
    /// nothing to pad with, and the first bursts come to nothing.
    pub(super) fn first_is_due(&self, now: Mono) -> bool {
        !self.completed && self.waited(now) >= FIRST_AGAIN
    }

    /// Starts a burst at `rate`, in place of one still being sent.
    pub(super) fn request(&mut self, now: Mono, rate: Bitrate) {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_at = Some(now);
        let length = BURST * 2_u32.pow(self.fruitless.min(2));
        let bytes = rate.bytes_in(length.min(BURST_MAX));
        self.fruitless = self.fruitless.saturating_add(1);
        let cluster = Cluster { id: self.last_id, rate, target: bytes, ..Cluster::default() };
        if let Some(slot) = self.clusters.get_mut(usize::from(self.last_id) % CLUSTERS) {
            *slot = cluster;
        }
        self.burst = Some(Burst {
            cluster: self.last_id,
            rate,
            bytes,
            requested_at: now,
            started_at: None,
            sent: 0,
            packets: 0,
            ask_at: now,
        });
    }

    /// Ends the burst being sent, as when a queue is found to grow.
    pub(super) fn cancel(&mut self) {
        self.burst = None;
    }

    /// When the burst needs its next packet.
    pub(super) fn next_at(&self) -> Option<Mono> {
        self.burst.as_ref().map(|burst| burst.ask_at)
    }

    /// Padding due now. Media sent meanwhile counts as well, so ask after sending it.
    pub(super) fn poll(&mut self, now: Mono) -> Option<Padding> {
        let burst = self.burst.as_mut()?;
        if now.since(burst.started_at.unwrap_or(burst.requested_at)) > GIVE_UP {
            self.burst = None;
            return None;
        }
        if burst.ask_at > now {
            return None;
        }
        burst.ask_at = now + ASK_AGAIN;
        let elapsed = burst.started_at.map_or(Duration::ZERO, |at| now.since(at));
        let due = burst.rate.bytes_in(elapsed + AHEAD).saturating_sub(burst.sent);
        let left = burst.bytes.saturating_sub(burst.sent);
        Some(Padding { bytes: due.min(left).max(PADDING_MIN) })
    }

    /// Counts a packet that leaves now; gives the burst it belongs to, 0 for none.
    pub(super) fn sent(&mut self, now: Mono, bytes: usize) -> u8 {
        let Some(burst) = &mut self.burst else { return 0 };
        let started = *burst.started_at.get_or_insert(now);
        burst.sent += bytes as u64;
        burst.packets += 1;
        // The next packet leaves when the burst's rate has carried those before it.
        burst.ask_at = started + burst.rate.time_for(burst.sent);
        let cluster = burst.cluster;
        if burst.sent >= burst.bytes && burst.packets >= PACKETS_MIN {
            self.burst = None;
            self.completed = true;
        }
        cluster
    }

    /// Takes a packet that arrived.
    pub(super) fn received(&mut self, packet: &Received) {
        if packet.cluster == 0 {
            return;
        }
        let slot = self.clusters.get_mut(usize::from(packet.cluster) % CLUSTERS);
        if let Some(cluster) = slot.filter(|cluster| cluster.id == packet.cluster) {
            cluster.push(packet);
        }
    }

    /// What bursts have shown since the last call. `loss`: the share of packets the path loses
    /// anyway.
    pub(super) fn shown(&mut self, loss: f64) -> Option<Shown> {
        let shown = |cluster: &mut Cluster| {
            std::mem::take(&mut cluster.news).then(|| cluster.shown(loss)).flatten()
        };
        self.clusters.iter_mut().filter_map(shown).max_by_key(|shown| shown.rate)
    }
}

impl Cluster {
    fn push(&mut self, packet: &Received) {
        let size = u64::from(packet.size);
        if self.packets == 0 {
            self.first_sent = packet.sent_at;
            self.last_sent = packet.sent_at;
            self.last_sent_size = size;
            self.first_arrival_us = packet.arrival_us;
            self.first_arrival_size = size;
            self.last_arrival_us = packet.arrival_us;
        }
        if packet.sent_at >= self.last_sent {
            self.last_sent = packet.sent_at;
            self.last_sent_size = size;
        }
        if packet.arrival_us < self.first_arrival_us {
            self.first_arrival_us = packet.arrival_us;
            self.first_arrival_size = size;
        }
        self.last_arrival_us = self.last_arrival_us.max(packet.arrival_us);
        self.packets += 1;
        self.bytes += size;
        self.news = true;
    }

    fn shown(&self, loss: f64) -> Option<Shown> {
        let enough = ARRIVED_MIN * (1.0 - loss);
        if f64::from(self.packets) < f64::from(PACKETS_MIN) * enough
            || (self.bytes as f64) < self.target as f64 * enough
        {
            return None;
        }
        let sending = self.last_sent.since(self.first_sent);
        let arrival_us = self.last_arrival_us.saturating_sub(self.first_arrival_us);
        let sending_us = sending.as_micros() as i64;
        if !(1..=SPAN_MAX_US).contains(&sending_us) || !(1..=SPAN_MAX_US).contains(&arrival_us) {
            return None;
        }
        let arriving = Duration::from_micros(arrival_us.unsigned_abs());
        // n packets span n - 1 gaps: the last sent and the first arrived do not count.
        let sent = Bitrate::of(self.bytes.saturating_sub(self.last_sent_size), sending);
        let arrived = Bitrate::of(self.bytes.saturating_sub(self.first_arrival_size), arriving);
        if arrived > sent.scaled(COMPRESSION_MAX) {
            return None;
        }
        let rate = if arrived < sent.scaled(SATURATED) {
            arrived.scaled(MEASURED)
        } else {
            arrived.min(sent)
        };
        let follow = (rate >= self.rate.scaled(FOLLOW)).then(|| self.rate.scaled(2.0));
        Some(Shown { rate, follow })
    }
}
