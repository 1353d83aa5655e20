//! Real media for tests: a camera that films a counter and a microphone that hears a tone, encoded
//! with OpenH264 and Opus, as a tap would hear them from a browser. VP8 comes from a clip.

use std::{ops::Range, time::Duration};

use bytes::Bytes;
use openh264::{
    OpenH264API,
    encoder::{
        BitRate, Encoder, EncoderConfig, FrameRate, IntraFramePeriod, Profile, RateControlMode,
    },
    formats::YUVBuffer,
};
use vbranch_domain::{
    EncodedFrame, Leg, MediaKind, Mono, ParticipantId, Payload, RtpTime, TapItem, TrackId,
    tap::{NtpTime, SenderReport},
};

/// Seconds between the NTP and an arbitrary day of this century.
const NTP_DAY: u64 = 3_970_000_000;

/// What happens on a call, in seconds from its start.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub participant: ParticipantId,
    /// When the first connection comes up.
    pub start: Mono,
    pub seconds: f64,
    pub fps: u32,
    /// Picture size; changes with each entry's time.
    pub sizes: Vec<(f64, usize, usize)>,
    pub microphone: bool,
    /// The tone is heard in the first fifth of each second only.
    pub beeps: bool,
    /// When the camera films.
    pub camera: Range<f64>,
    /// When the camera's picture is coded as VP8.
    pub vp8: Range<f64>,
    /// When a screen is shared, coded as VP8.
    pub screen: Range<f64>,
    /// When the camera is off in between.
    pub camera_off: Vec<Range<f64>>,
    /// The page is reloaded: gone at the start, back at the end.
    pub reloads: Vec<Range<f64>>,
    /// Packets of this kind sent in this time are lost.
    pub losses: Vec<(MediaKind, Range<f64>)>,
    /// The sender's clock against the server's, parts per million.
    pub ppm: f64,
    /// Largest additional network delay, milliseconds.
    pub jitter_ms: u64,
    pub seed: u64,
}

/// A call as the tap heard it.
pub(crate) struct Film {
    /// In order of arrival.
    pub items: Vec<TapItem>,
    /// When the last connection went down.
    pub end: Mono,
}

impl Script {
    /// An undisturbed call.
    pub(crate) fn clean(participant: ParticipantId, seconds: f64) -> Self {
        Self {
            participant,
            start: Mono::from_millis(5_000),
            seconds,
            fps: 15,
            sizes: vec![(0.0, 160, 120)],
            microphone: true,
            beeps: false,
            camera: 0.0..f64::MAX,
            vp8: f64::MAX..f64::MAX,
            screen: f64::MAX..f64::MAX,
            camera_off: Vec::new(),
            reloads: Vec::new(),
            losses: Vec::new(),
            ppm: 40.0,
            jitter_ms: 12,
            seed: 1,
        }
    }

    /// Plays the call.
    pub(crate) fn shoot(&self) -> Film {
        let mut items = Vec::new();
        let mut from = 0.0;
        let mut legs: Vec<Range<f64>> = Vec::new();
        for gone in &self.reloads {
            legs.push(from..gone.start);
            from = gone.end;
        }
        legs.push(from..self.seconds);
        for (leg, time) in (0u32..).zip(legs) {
            LegFilm { script: self, leg: Leg(leg), time, dice: Dice(self.seed + u64::from(leg)) }
                .shoot(&mut items);
        }
        items.sort_by_key(|(at, _)| *at);
        let items = items.into_iter().map(|(_, item)| item).collect();
        Film { items, end: self.at(self.seconds) }
    }

    fn at(&self, seconds: f64) -> Mono {
        self.start + Duration::from_secs_f64(seconds)
    }

    fn films(&self, t: f64) -> bool {
        self.camera.contains(&t) && !self.camera_off.iter().any(|off| off.contains(&t))
    }

    fn loses(&self, kind: MediaKind, t: f64) -> bool {
        self.losses.iter().any(|(k, time)| *k == kind && time.contains(&t))
    }

    fn size(&self, t: f64) -> (usize, usize) {
        let (_, w, h) = *self.sizes.iter().rfind(|(from, ..)| *from <= t).unwrap();
        (w, h)
    }
}

impl Film {
    /// How many frames of a kind arrived.
    pub(crate) fn frames(&self, kind: MediaKind) -> usize {
        let is = |item: &&TapItem| matches!(item, TapItem::Frame(f) if f.track.kind == kind);
        self.items.iter().filter(is).count()
    }
}

/// When an item arrived or happened.
pub(crate) fn time_of(item: &TapItem) -> Mono {
    match item {
        TapItem::Frame(frame) => frame.arrived,
        TapItem::SenderReport(report) => report.arrived,
        TapItem::LegStarted { at, .. }
        | TapItem::Lost { at, .. }
        | TapItem::LegEnded { at, .. }
        | TapItem::Overflow { at, .. } => *at,
    }
}

/// One connection.
struct LegFilm<'a> {
    script: &'a Script,
    leg: Leg,
    time: Range<f64>,
    dice: Dice,
}

/// One stream of one connection.
struct Stream {
    kind: MediaKind,
    rtp_base: u64,
    /// Time from capture to sending, seconds.
    encode: f64,
    last_arrival: Mono,
    losing: bool,
}

impl LegFilm<'_> {
    fn shoot(mut self, items: &mut Vec<(Mono, TapItem)>) {
        let (participant, leg) = (self.script.participant, self.leg);
        let at = self.script.at(self.time.start);
        items.push((at, TapItem::LegStarted { participant, leg, at }));
        if self.script.microphone {
            self.sound(items);
        }
        self.picture(items);
        self.screen(items);
        // Just after what is still on its way.
        let at = items.iter().map(|(at, _)| *at).max().unwrap().max(self.script.at(self.time.end));
        items.push((at, TapItem::LegEnded { participant, leg, at }));
    }

    fn sound(&mut self, items: &mut Vec<(Mono, TapItem)>) {
        let mut encoder =
            opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
        let mut stream = self.stream(MediaKind::Audio, 0.022);
        let packets = ((self.time.end - self.time.start) / 0.02) as u64;
        for n in 0..packets {
            let t = self.time.start + n as f64 * 0.02;
            let loud = if self.script.beeps && t.fract() > 0.199 { 0.0 } else { 8000.0 };
            let tone: Vec<i16> = (0..960u64)
                .map(|i| {
                    let phase = (n * 960 + i) as f64 / 48_000.0 * 440.0 * std::f64::consts::TAU;
                    (phase.sin() * loud) as i16
                })
                .collect();
            let packet = encoder.encode_vec(&tone, 1500).unwrap();
            self.send(&mut stream, t, true, Payload::Opus(packet.into()), items);
            if n % 50 == 25 {
                self.report(&stream, t, items);
            }
        }
    }

    fn picture(&mut self, items: &mut Vec<(Mono, TapItem)>) {
        let mut size = self.script.size(self.time.start);
        let mut encoder = encoder(self.script.fps);
        let mut stream = self.stream(MediaKind::Video, 0.030);
        let pictures = ((self.time.end - self.time.start) * f64::from(self.script.fps)) as u64;
        let mut need_key = true;
        let mut clip = Vp8Clip::open();
        let mut was_vp8 = false;
        for n in 0..pictures {
            let t = self.time.start + n as f64 / f64::from(self.script.fps);
            if !self.script.films(t) {
                continue;
            }
            if size != self.script.size(t) {
                size = self.script.size(t);
                need_key = true;
            }
            let vp8 = self.script.vp8.contains(&t);
            need_key |= std::mem::replace(&mut was_vp8, vp8) != vp8;
            let (payload, keyframe) = if vp8 {
                clip.next(need_key)
            } else {
                if need_key {
                    encoder.force_intra_frame();
                }
                let count = (t * f64::from(self.script.fps)).round() as u64;
                access_unit(&mut encoder, &draw(count, size))
            };
            self.send(&mut stream, t, keyframe, payload, items);
            // The server asks for a key frame when packets are lost.
            need_key = stream.losing;
            if n % u64::from(self.script.fps) == 7 {
                self.report(&stream, t, items);
            }
        }
    }

    fn screen(&mut self, items: &mut Vec<(Mono, TapItem)>) {
        let mut stream = self.stream(MediaKind::Screen, 0.040);
        let mut clip = Vp8Clip::open();
        let pictures = ((self.time.end - self.time.start) * 5.0) as u64;
        let mut need_key = true;
        for n in 0..pictures {
            let t = self.time.start + n as f64 / 5.0;
            if !self.script.screen.contains(&t) {
                continue;
            }
            let (payload, keyframe) = clip.next(need_key);
            self.send(&mut stream, t, keyframe, payload, items);
            need_key = stream.losing;
            if n % 5 == 2 {
                self.report(&stream, t, items);
            }
        }
    }

    fn stream(&mut self, kind: MediaKind, encode: f64) -> Stream {
        let rtp_base = self.dice.below(1 << 32);
        Stream { kind, rtp_base, encode, last_arrival: Mono::ZERO, losing: false }
    }

    fn send(
        &mut self,
        stream: &mut Stream,
        t: f64,
        keyframe: bool,
        payload: Payload,
        items: &mut Vec<(Mono, TapItem)>,
    ) {
        let track = TrackId { participant: self.script.participant, kind: stream.kind };
        if self.script.loses(stream.kind, t) {
            stream.losing = true;
            return;
        }
        let arrived = self.arrival(t + stream.encode).max(stream.last_arrival);
        stream.last_arrival = arrived;
        if std::mem::take(&mut stream.losing) {
            let lost = TapItem::Lost { track, leg: self.leg, packets: 3, at: arrived };
            items.push((arrived, lost));
        }
        let rtp_time = self.rtp(stream, t);
        let leg = self.leg;
        let frame = EncodedFrame { track, leg, rtp_time, arrived, keyframe, payload };
        items.push((arrived, TapItem::Frame(frame)));
    }

    fn report(&mut self, stream: &Stream, t: f64, items: &mut Vec<(Mono, TapItem)>) {
        let track = TrackId { participant: self.script.participant, kind: stream.kind };
        let sent = t + stream.encode;
        let arrived = self.arrival(sent).max(stream.last_arrival);
        let report = SenderReport {
            track,
            leg: self.leg,
            ntp: NtpTime((NTP_DAY << 32) + (self.sender(sent) * 4_294_967_296.0) as u64),
            rtp_time: self.rtp(stream, sent),
            arrived,
        };
        items.push((arrived, TapItem::SenderReport(report)));
    }

    /// The sender's clock at a true time.
    fn sender(&self, t: f64) -> f64 {
        t * (1.0 + self.script.ppm * 1e-6)
    }

    fn rtp(&self, stream: &Stream, t: f64) -> RtpTime {
        let ticks = self.sender(t) * f64::from(stream.kind.clock_rate());
        RtpTime(stream.rtp_base + ticks.round() as u64)
    }

    fn arrival(&mut self, sent: f64) -> Mono {
        let jitter = self.dice.below(self.script.jitter_ms * 1000 + 1);
        self.script.at(sent) + Duration::from_millis(20) + Duration::from_micros(jitter)
    }
}

fn access_unit(encoder: &mut Encoder, picture: &YUVBuffer) -> (Payload, bool) {
    let bits = encoder.encode(picture).unwrap();
    let mut nals = Vec::new();
    for layer in (0..bits.num_layers()).filter_map(|i| bits.layer(i)) {
        for nal in (0..layer.nal_count()).filter_map(|i| layer.nal_unit(i)) {
            let code = nal.iter().position(|b| *b == 1).unwrap() + 1;
            nals.push(Bytes::copy_from_slice(&nal[code..]));
        }
    }
    let keyframe = nals.iter().any(|nal| nal[0] & 0x1f == 5);
    (Payload::H264(nals), keyframe)
}

/// Three seconds of 160x120 that libvpx made, played over and over:
/// `ffmpeg -f lavfi -i testsrc=size=160x120:rate=15:duration=3 -c:v libvpx -b:v 50k -g 15
/// -keyint_min 15 -deadline realtime -auto-alt-ref 0 -lag-in-frames 0 testsrc-vp8.ivf`
struct Vp8Clip {
    frames: Vec<Bytes>,
    next: usize,
}

impl Vp8Clip {
    fn open() -> Self {
        // IVF: a file header of 32 bytes, then frames behind their size and 8 bytes of time.
        let mut rest = &include_bytes!("../testdata/testsrc-vp8.ivf")[32..];
        let mut frames = Vec::new();
        while let Some((size, tail)) = rest.split_first_chunk::<4>() {
            let (frame, tail) = tail[8..].split_at(u32::from_le_bytes(*size) as usize);
            frames.push(Bytes::from_static(frame));
            rest = tail;
        }
        Self { frames, next: 0 }
    }

    /// The next frame, or the next key frame.
    fn next(&mut self, key: bool) -> (Payload, bool) {
        loop {
            let frame = self.frames[self.next % self.frames.len()].clone();
            self.next += 1;
            let is_key = frame[0] & 1 == 0;
            if is_key || !key {
                return (Payload::Vp8(frame), is_key);
            }
        }
    }
}

fn encoder(fps: u32) -> Encoder {
    let config = EncoderConfig::new()
        .profile(Profile::Baseline)
        .rate_control_mode(RateControlMode::Off)
        .bitrate(BitRate::from_bps(200_000))
        .max_frame_rate(FrameRate::from_hz(fps as f32))
        .intra_frame_period(IntraFramePeriod::from_num_frames(100_000))
        .scene_change_detect(false)
        .skip_frames(false);
    Encoder::with_api_config(OpenH264API::from_source(), config).unwrap()
}

/// A grey picture with a bar that wanders and sixteen squares that count in binary.
fn draw(n: u64, (width, height): (usize, usize)) -> YUVBuffer {
    let mut yuv = vec![128u8; width * height * 3 / 2];
    for (y, line) in yuv.chunks_exact_mut(width).take(height).enumerate() {
        for (x, luma) in line.iter_mut().enumerate() {
            let square = x * 16 / width;
            let bit = y < height / 4 && n >> square & 1 == 1;
            let bar = (x + width - (n as usize * 4) % width) % width < width / 8;
            *luma = if bit {
                235
            } else if bar {
                180
            } else {
                60 + (y * 60 / height) as u8
            };
        }
    }
    YUVBuffer::from_vec(yuv, width, height)
}

/// Numbers that look random and are the same every time (SplitMix64).
pub(crate) struct Dice(pub u64);

impl Dice {
    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}
