//! The controller of one peer: packets sent and reports go in, the estimate comes out.

use std::time::Duration;

use vbranch_domain::Mono;

use super::{
    acked::AckedBitrate,
    aimd::Aimd,
    bitrate::Bitrate,
    delay::{DelayDetector, Usage},
    loss::LossController,
    measure::{MediaRate, Rtt},
    outage::OutageWatch,
    pacer::Pacer,
    probe::{Padding, Prober},
    standing::StandingQueue,
    twcc::{self, FeedbackError, Report, SentLog},
};

/// The first burst, as a multiple of the start; each burst that succeeds is followed by a doubled one.
const FIRST_PROBE: f64 = 3.0;
/// A burst goes to this multiple of the estimate when more is wanted.
const PROBE: f64 = 2.0;
/// After an outage bursts look for the rate before it this long, this often, until this share of
/// it is found.
const REGAIN: Duration = Duration::from_secs(5);
const REGAIN_PAUSE: Duration = Duration::from_millis(400);
const REGAINED: f64 = 0.7;
/// No burst goes further above what is wanted than this: room for the allocator's hysteresis.
const WANTED_ROOM: f64 = 1.25;
/// When no picture was sent for so long, what was last seen of the path is over: pictures alone
/// are reported on. Browsers repeat a still screen about once a second.
const IDLE: Duration = Duration::from_millis(1100);
/// Pause between looks at an idle path, and how many come so close: a picture that was paused
/// should be back soon, but each burst delays the sound.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS: u32 = 10;
const LOOK_SELDOM: Duration = Duration::from_secs(5);
/// From this share on (some 400 ms of queue) a queue is taken for full.
const FULL: f64 = 0.7;
/// Media below this share of the estimate does not test it.
const LIMITED: f64 = 0.85;

/// Where the estimate starts and between which rates it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BweConfig {
    /// Before anything is known.
    pub(crate) start: Bitrate,
    /// Never below: audio must pass.
    pub(crate) min: Bitrate,
    /// Never above: what one peer may cost us, whatever it claims to receive.
    pub(crate) max: Bitrate,
}

impl Default for BweConfig {
    fn default() -> Self {
        Self {
            start: Bitrate::from_kbps(1000),
            min: Bitrate::from_kbps(50),
            max: Bitrate::from_kbps(10_000),
        }
    }
}

/// What is known of the path to the peer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// What may be sent, all streams, retransmissions and padding together.
    pub(crate) bitrate: Bitrate,
    /// Round trip, queues included.
    pub(crate) rtt: Duration,
    /// Share of packets lost of late, 0–1, before repair.
    pub(crate) loss: f32,
    /// What limits the rate.
    pub(crate) state: NetworkState,
}

/// What limits the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetworkState {
    /// Nothing: it may grow.
    Normal,
    /// A queue grows on the way.
    Congested,
    /// A queue on the way empties.
    Draining,
    /// Loss.
    Lossy,
    /// Reports have stopped.
    Silent,
}

/// Congestion control of what is sent to one peer.
#[derive(Debug)]
pub(crate) struct SendBwe {
    config: BweConfig,
    log: SentLog,
    delay: DelayDetector,
    standing: StandingQueue,
    acked: AckedBitrate,
    aimd: Aimd,
    loss: LossController,
    outage: OutageWatch,
    prober: Prober,
    pacer: Pacer,
    rtt: Rtt,
    media: MediaRate,
    wanted: Option<Bitrate>,
    /// Delays of packets sent before belong to another path, or to an outage.
    path_since: Mono,
    /// When a packet with a number, not padding, was last sent.
    picture_at: Option<Mono>,
    /// Looks at the path since.
    looks: u32,
    /// The rate before an outage, and until when bursts look for it again.
    regain: Option<(Bitrate, Mono)>,
    bitrate: Bitrate,
}

impl SendBwe {
    /// A controller for a new peer.
    pub(crate) fn new(config: BweConfig) -> Self {
        let start = config.start.max(config.min).min(config.max);
        Self {
            config,
            log: SentLog::default(),
            delay: DelayDetector::default(),
            standing: StandingQueue::default(),
            acked: AckedBitrate::default(),
            aimd: Aimd::new(start),
            loss: LossController::default(),
            outage: OutageWatch::default(),
            prober: Prober::default(),
            pacer: Pacer::new(start),
            rtt: Rtt::default(),
            media: MediaRate::default(),
            wanted: None,
            path_since: Mono::ZERO,
            picture_at: None,
            looks: 0,
            regain: None,
            bitrate: start,
        }
    }

    /// What is known of the path.
    pub(crate) fn estimate(&self) -> Estimate {
        let state = if self.outage.is_silent() {
            NetworkState::Silent
        } else if self.loss.limit().is_some_and(|limit| limit <= self.bitrate) {
            NetworkState::Lossy
        } else {
            match self.delay.usage() {
                Usage::Normal if self.standing.share() < 1.0 => NetworkState::Draining,
                Usage::Normal => NetworkState::Normal,
                Usage::Over => NetworkState::Congested,
                Usage::Under => NetworkState::Draining,
            }
        };
        let loss = self.loss.recent() as f32;
        Estimate { bitrate: self.bitrate, rtt: self.rtt.get(), loss, state }
    }

    /// Tells what all streams together could use: more than the estimate makes for bursts that look
    /// for it. Until told, anything is useful.
    pub(crate) fn set_wanted(&mut self, wanted: Bitrate) {
        self.wanted = Some(wanted);
    }

    /// Tells the round trip as a receiver report has it.
    pub(crate) fn set_rtt(&mut self, now: Mono, rtt: Duration) {
        self.rtt.told(now, rtt);
    }

    /// Counts a packet about to leave, `size` bytes as on the wire (UDP and IP may be left out,
    /// always or never). `is_padding`: sent for [`poll_probe`](Self::poll_probe) alone. Gives the
    /// transport-wide number the packet must carry.
    pub(crate) fn on_sent(&mut self, now: Mono, size: usize, is_padding: bool) -> u16 {
        if self.prober.first_is_due(now) && self.is_calm() {
            self.probe(now, self.bitrate.scaled(FIRST_PROBE));
        }
        self.outage.sent(now);
        self.pacer.sent(now, size);
        if !is_padding {
            (self.picture_at, self.looks) = (Some(now), 0);
            self.media.sent(now, size);
        }
        let cluster = self.prober.sent(now, size);
        self.log.push(now, size, cluster)
    }

    /// Counts a packet about to leave that carries no transport-wide number, as sound does not.
    pub(crate) fn on_unnumbered(&mut self, now: Mono, size: usize) {
        self.pacer.sent(now, size);
        self.media.sent(now, size);
        self.log.skip(size);
    }

    /// May a packet leave now? Audio leaves without asking; what may not waits in a
    /// [`PacedQueue`](super::PacedQueue).
    pub(crate) fn may_send(&self, now: Mono) -> bool {
        self.pacer.may_send(now)
    }

    /// When the next packet may leave.
    pub(crate) fn next_send_at(&self) -> Mono {
        self.pacer.next_at()
    }

    /// Takes a feedback message: one RTCP packet, header included.
    ///
    /// # Errors
    ///
    /// The message is not well-formed transport-wide feedback; nothing has changed.
    pub(crate) fn on_feedback(&mut self, now: Mono, bytes: &[u8]) -> Result<(), FeedbackError> {
        let feedback = twcc::parse(bytes)?;
        let Self { log, delay, standing, acked, loss, prober, outage, path_since, .. } = self;
        let mut recovery = None;
        let mut heard = false;
        let summary = log.apply(&feedback, |report| {
            if !heard {
                heard = true;
                recovery = outage.heard();
                if recovery.is_some() {
                    // What is reported now was lost to, or held up by, the outage.
                    loss.ignore_before(now);
                    acked.reset();
                    delay.reset();
                    standing.reset();
                    *path_since = now;
                }
            }
            match report {
                Report::Received { packet, total, unreported } => {
                    if packet.was_lost {
                        loss.recovered();
                    } else {
                        loss.push(packet.sent_at, total, false);
                    }
                    let unreported = if recovery.is_some() { 0 } else { unreported };
                    acked.push(&packet, unreported);
                    if packet.sent_at >= *path_since {
                        delay.push(&packet);
                        standing.push(&packet);
                    }
                    prober.received(&packet);
                }
                Report::Lost { sent_at, total } => loss.push(sent_at, total, true),
            }
        });
        if let Some(sent_at) = summary.newest_sent {
            self.rtt.measured(now, now.since(sent_at));
        }
        if let Some(recovery) = recovery.filter(|r| r.fell) {
            self.aimd.forget_capacity();
            self.regain = Some((recovery.before, now + REGAIN));
            self.probe(now, recovery.before);
        }
        if heard {
            self.update(now);
        }
        Ok(())
    }

    /// When [`on_timeout`](Self::on_timeout) or [`poll_probe`](Self::poll_probe) is next of use.
    pub(crate) fn poll_timeout(&self) -> Option<Mono> {
        let outage = self.outage.next_at(self.rtt.get());
        let idle = self.idle_look_at();
        [outage, self.prober.next_at(), idle].into_iter().flatten().min()
    }

    /// Time passed.
    pub(crate) fn on_timeout(&mut self, now: Mono) {
        if let Some(rate) = self.outage.on_timeout(now, self.bitrate, self.rtt.get()) {
            self.aimd.set(now, rate);
            self.settle(now);
        }
        if self.idle_look_at().is_some_and(|at| at <= now) {
            // Also when reports have stopped: with nothing to report on they never would begin.
            if !self.outage.is_silent() {
                self.on_path_changed(now);
            }
            self.looks = self.looks.saturating_add(1);
            self.probe(now, self.bitrate.scaled(PROBE));
        } else if self.outage.is_silent() {
            self.prober.cancel();
        }
    }

    /// When a path that carries no pictures is to be looked at, where more of it would be of use:
    /// without them there are no reports, and without reports the estimate stands still.
    fn idle_look_at(&self) -> Option<Mono> {
        let useful = self.wanted.unwrap_or(self.config.max).min(self.config.max);
        let picture_at = self.picture_at.filter(|_| useful > self.bitrate)?;
        let pause = if self.looks < LOOKS { LOOK } else { LOOK_SELDOM };
        Some((picture_at + IDLE).max(self.prober.last_at() + pause))
    }

    fn is_idle(&self, now: Mono) -> bool {
        self.picture_at.is_some_and(|at| now.since(at) >= IDLE)
    }

    /// Padding that a probing burst needs now: retransmissions of old packets, or padding. Each
    /// packet is counted by [`on_sent`](Self::on_sent). Ask after media was sent, until `None`.
    pub(crate) fn poll_probe(&mut self, now: Mono) -> Option<Padding> {
        self.prober.poll(now)
    }

    /// The path is another one: ICE moved to a new address. The rate is kept until reports of the
    /// new path say otherwise; what was learnt of the old one is forgotten.
    pub(crate) fn on_path_changed(&mut self, now: Mono) {
        self.path_since = now;
        self.delay.reset();
        self.standing.reset();
        self.acked.reset();
        self.loss.ignore_before(now);
        self.aimd.forget_capacity();
    }

    fn update(&mut self, now: Mono) {
        self.standing.report_done();
        let usage = self.delay.usage();
        // What a lossy path swallows did pass, or never reached, its narrowest part.
        // What is lost while a queue stands is lost to the queue.
        let is_queued = self.standing.share() < 1.0;
        let path = if is_queued { 0.0 } else { self.loss.path() };
        let acked = self.acked.get().map(|acked| acked.scaled(1.0 / (1.0 - path)));
        let rtt = self.rtt.get();
        let judged = self.judge(now, usage, rtt);
        self.aimd.update(now, judged, acked, rtt);
        if self.standing.share() < FULL
            && let Some(carried) = acked.filter(|acked| *acked < self.aimd.current())
        {
            // A full queue that no longer grows looks normal to the detector of growth; but what
            // leaves it is all that the path carries.
            self.aimd.set(now, carried);
        }
        if usage == Usage::Over {
            self.prober.cancel();
        }
        self.take_burst(now, usage);
        self.loss.update(now, self.aimd.current(), rtt, path);
        self.settle(now);
        self.probe_for_more(now);
    }

    /// What the rate is to make of the delays: two kinds of them say nothing about media, and hold
    /// it where it is.
    fn judge(&mut self, now: Mono, usage: Usage, rtt: Duration) -> Usage {
        let holds = match usage {
            // A queue made by a burst goes with it. Were the rate cut to a share of what little
            // media there was, looking for a higher layer could cost the present one.
            Usage::Over => self.prober.echoes(now, rtt) && self.is_limited(now),
            // Bursts alone say too little about delay to let the rate grow by itself.
            Usage::Normal => self.is_idle(now),
            Usage::Under => false,
        };
        if holds { Usage::Under } else { usage }
    }

    /// Takes what a burst has shown, and lets another follow.
    fn take_burst(&mut self, now: Mono, usage: Usage) {
        let Some(shown) = self.prober.shown(self.loss.recent()) else { return };
        if usage == Usage::Over {
            return;
        }
        if shown.rate > self.aimd.current() {
            self.aimd.set(now, shown.rate);
            self.loss.lift(shown.rate);
        }
        if let Some(follow) = shown.follow {
            self.prober.bore_fruit();
            self.probe(now, follow);
        }
    }

    /// Brings the parts together: the least of them, within bounds.
    fn settle(&mut self, now: Mono) {
        let clamp = |rate: Bitrate| rate.max(self.config.min).min(self.config.max);
        let delay = self.aimd.current();
        if clamp(delay) != delay {
            self.aimd.set(now, clamp(delay));
        }
        let rate = self.loss.limit().map_or(delay, |limit| limit.min(delay));
        self.bitrate = clamp(rate.scaled(self.standing.share()));
        self.pacer.set_estimate(self.bitrate);
    }

    /// Media alone does not show that the path carries more than media needs.
    fn probe_for_more(&mut self, now: Mono) {
        let regained = |rate: Bitrate| self.bitrate > rate.scaled(REGAINED);
        self.regain = self.regain.filter(|(rate, until)| now < *until && !regained(*rate));
        if let Some((rate, _)) = self.regain {
            // The first burst was lost to what is left of the outage, or to a lossy path.
            if self.is_calm() && self.prober.waited(now) >= REGAIN_PAUSE {
                self.probe(now, rate);
            }
            return;
        }
        let limited = self.is_limited(now);
        let wanted = self.wanted.is_some_and(|wanted| wanted > self.bitrate);
        if limited && wanted && self.is_calm() && self.prober.is_rested(now) {
            self.probe(now, self.bitrate.scaled(PROBE));
        }
    }

    /// Does media use less than there is?
    fn is_limited(&mut self, now: Mono) -> bool {
        self.media.get(now).is_some_and(|rate| rate < self.bitrate.scaled(LIMITED))
    }

    /// Would a burst meet a path that has nothing to complain of?
    fn is_calm(&self) -> bool {
        self.delay.usage() == Usage::Normal
            && self.loss.limit().is_none_or(|limit| limit > self.bitrate)
            && !self.outage.is_silent()
    }

    /// A burst at `rate`, or at what there is use for; none where that is no more than there is.
    fn probe(&mut self, now: Mono, rate: Bitrate) {
        let useful = self.wanted.map_or(self.config.max, |wanted| wanted.scaled(WANTED_ROOM));
        let rate = rate.min(useful).min(self.config.max);
        if rate > self.bitrate {
            self.prober.request(now, rate);
        }
    }
}
