//! One party of a call: plays the recording, and watches what comes.

use std::{ops::Range, time::Duration};

use vbranch_domain::Mono;

use super::viewer::Viewer;
use crate::load::{
    agent::{Agent, Happened},
    play::{FPS, Recording, Stamp},
};

const FRAME: Duration = Duration::from_nanos(1_000_000_000 / FPS as u64);
const AUDIO: Duration = Duration::from_millis(20);
/// A party that comes too late for this much does not send it all at once.
const LATE: Duration = Duration::from_millis(500);
/// Not more often than this is a key frame sent because one was asked for.
const KEY_FRAMES: Duration = Duration::from_millis(300);

/// What was sent within the time that is measured.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sent {
    pub(super) video_packets: u64,
    pub(super) audio_packets: u64,
}

pub(super) struct Party {
    pub(super) agent: Agent,
    pub(super) viewer: Viewer,
    pub(super) joined_at: Mono,
    pub(super) connected_at: Option<Mono>,
    pub(super) sent: Sent,
    measured: Option<Range<Mono>>,
    video: Clockwork,
    audio: Clockwork,
    /// Place in the recording.
    frame: usize,
    key_wanted: bool,
    key_sent: Mono,
}

/// Something done at even intervals.
struct Clockwork {
    next: Option<Mono>,
    every: Duration,
    /// Parties do not beat in step.
    phase: Duration,
    number: u32,
}

impl Clockwork {
    fn new(every: Duration, index: usize) -> Self {
        let phase = every.mul_f64((index as f64 * 0.618).fract());
        Self { next: None, every, phase, number: 0 }
    }

    /// The number of what is due now, if something is.
    fn due(&mut self, now: Mono) -> Option<u32> {
        let next = *self.next.get_or_insert(now + self.phase);
        if now < next {
            return None;
        }
        let from = if now.since(next) > LATE { now } else { next };
        self.next = Some(from + self.every);
        self.number += 1;
        Some(self.number - 1)
    }
}

impl Party {
    pub(super) fn new(agent: Agent, index: usize, joined_at: Mono) -> Self {
        Self {
            agent,
            joined_at,
            connected_at: None,
            viewer: Viewer::default(),
            sent: Sent::default(),
            measured: None,
            video: Clockwork::new(FRAME, index),
            audio: Clockwork::new(AUDIO, index),
            frame: 0,
            key_wanted: false,
            key_sent: Mono::ZERO,
        }
    }

    /// What is sent within this time counts, here and at the other party.
    pub(super) fn measure(&mut self, during: Range<Mono>) {
        self.viewer.measure(during.clone());
        self.measured = Some(during);
    }

    pub(super) fn next(&self) -> Mono {
        let media = [self.video.next, self.audio.next].into_iter().flatten();
        media.chain([self.agent.next()]).min().unwrap_or(Mono::ZERO)
    }

    /// Sends what is due.
    pub(super) fn play(&mut self, now: Mono, recording: &Recording) {
        if !self.agent.connected() {
            return;
        }
        self.connected_at.get_or_insert(now);
        while let Some(number) = self.audio.due(now) {
            self.speak(now, number, recording);
        }
        while let Some(number) = self.video.due(now) {
            self.show(now, number, recording);
        }
    }

    fn counts(&self, now: Mono) -> bool {
        self.measured.as_ref().is_some_and(|m| m.contains(&now))
    }

    fn speak(&mut self, now: Mono, number: u32, recording: &Recording) {
        let Some(opus) = recording.audio.get(number as usize % recording.audio.len().max(1)) else {
            return;
        };
        let stamp = Stamp { number, packets: 1, key: true, at: now };
        if let Some(payload) = stamp.as_audio(opus)
            && self.agent.send(now, 0, number.wrapping_mul(960), false, payload)
            && self.counts(now)
        {
            self.sent.audio_packets += 1;
        }
    }

    fn show(&mut self, now: Mono, number: u32, recording: &Recording) {
        if self.key_wanted && now.since(self.key_sent) >= KEY_FRAMES {
            (self.frame, self.key_wanted) = (0, false);
        }
        let place = self.frame % recording.video.len().max(1);
        let Some(payloads) = recording.video.get(place) else { return };
        self.frame = place + 1;
        if place == 0 {
            self.key_sent = now;
        }
        let packets = payloads.len() as u16 + 1;
        let stamp = Stamp { number, packets, key: place == 0, at: now };
        let timestamp = number.wrapping_mul(90_000 / FPS);
        let mut sent = self.agent.send(now, 1, timestamp, false, stamp.as_video());
        for (index, payload) in payloads.iter().enumerate() {
            let last = index + 1 == payloads.len();
            sent &= self.agent.send(now, 1, timestamp, last, payload.clone());
        }
        if sent && self.counts(now) {
            self.sent.video_packets += u64::from(packets);
        }
    }

    /// Takes in what has come.
    pub(super) fn look(&mut self, now: Mono) {
        for happened in self.agent.take() {
            match happened {
                Happened::KeyframeWanted => self.key_wanted = true,
                Happened::Packet(packet) if packet.time.frequency().get() == 48_000 => {
                    self.viewer.take_audio(now, &packet.payload);
                }
                Happened::Packet(packet) => {
                    self.viewer.take_video(now, packet.time.numer(), &packet.payload);
                }
            }
        }
        if self.viewer.wants_key_frame(now)
            && let Some(mid) = self.agent.video_mid()
        {
            self.agent.want_keyframe(mid);
        }
    }
}
