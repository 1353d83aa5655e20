//! The course of a check as numbers, sealed beside the media so that staff and auditors see what
//! the verdict saw.

use serde::Serialize;
use vbranch_domain::{Mono, kyc::Challenge, kyc::FlashColour};

use crate::{
    liveness::{FrameObservation, Rgb, Shown},
    vision::TrackedFace,
};

/// What is written down.
#[derive(Debug, Serialize)]
pub(super) struct Trace {
    version: u32,
    /// What was drawn followed from it: no secret once the check is over.
    seed: String,
    duration_ms: u64,
    looks: Vec<Look>,
    challenges: Vec<Asked>,
    flash: Vec<Colour>,
    skin: Vec<Light>,
    background: Vec<Light>,
    #[serde(skip_serializing_if = "Option::is_none")]
    landmarks: Option<Landmarks>,
    #[serde(skip)]
    started: Mono,
}

#[derive(Debug, Serialize)]
struct Look {
    t: u64,
    faces: u32,
    presence: Number,
    blink: Number,
    mouth: Number,
    smile: Number,
    yaw: Number,
    pitch: Number,
    size: Number,
    light: Number,
    sharp: Number,
}

#[derive(Debug, Serialize)]
struct Asked {
    kind: Challenge,
    index: u32,
    from: u64,
    to: u64,
    done: bool,
}

#[derive(Debug, Serialize)]
struct Colour {
    t: u64,
    colour: Option<String>,
    index: u32,
}

#[derive(Debug, Serialize)]
struct Light {
    t: u64,
    r: Number,
    g: Number,
    b: Number,
}

/// The points of the best picture, in its pixels.
#[derive(Serialize)]
pub(super) struct Landmarks {
    width: usize,
    height: usize,
    points: Vec<[Number; 2]>,
}

/// They tell a person from others: never printed.
impl std::fmt::Debug for Landmarks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Landmarks(…)")
    }
}

/// A number written with at most four places, as `null` where it is none.
#[derive(Debug, Clone, Copy, Default)]
struct Number(f32);

/// Looks beyond this are left out, newest first: with 180 bytes each, half of what a trace may
/// take. At 12 a second they are two minutes, as long as a check takes at most by default.
const LOOKS: usize = 1_440;
/// The same for samples of light: a check shows colours for at most ten seconds.
const LIGHTS: usize = 600;

impl Trace {
    pub(super) fn new(seed: [u8; 32], started: Mono) -> Self {
        Self {
            version: 1,
            seed: hex::encode(seed),
            duration_ms: 0,
            looks: Vec::new(),
            challenges: Vec::new(),
            flash: Vec::new(),
            skin: Vec::new(),
            background: Vec::new(),
            landmarks: None,
            started,
        }
    }

    pub(super) fn look(&mut self, seen: &FrameObservation, flashing: bool) {
        let t = self.since(seen.at);
        self.duration_ms = self.duration_ms.max(t);
        let face = seen.face.unwrap_or_else(|| crate::liveness::FaceObservation {
            presence: 0.0,
            ..crate::liveness::FaceObservation::default()
        });
        if self.looks.len() < LOOKS {
            self.looks.push(Look {
                t,
                faces: seen.faces,
                presence: Number(face.presence),
                blink: Number(face.blink),
                mouth: Number(face.mouth),
                smile: Number(face.smile),
                yaw: Number(face.yaw),
                pitch: Number(face.pitch),
                size: Number(face.size),
                light: Number(face.brightness),
                sharp: Number(face.sharpness),
            });
        }
        if flashing && seen.face.is_some() && self.skin.len() < LIGHTS {
            let facing = face.light.skin.iter().take(crate::liveness::Light::FACING);
            let mut skin = [0.0; 3];
            for rgb in facing {
                for (s, v) in skin.iter_mut().zip(rgb) {
                    *s += v / crate::liveness::Light::FACING as f32;
                }
            }
            self.skin.push(light(t, skin));
            self.background.extend(face.light.background.map(|b| light(t, b)));
        }
    }

    pub(super) fn asked(&mut self, kind: Challenge, index: u32, at: Mono) {
        let from = self.since(at);
        self.challenges.push(Asked { kind, index, from, to: from, done: false });
    }

    pub(super) fn done(&mut self, at: Mono) {
        let to = self.since(at);
        if let Some(asked) = self.challenges.last_mut() {
            asked.to = to;
            asked.done = true;
        }
    }

    pub(super) fn landmarks(&mut self, landmarks: Option<Landmarks>) {
        self.landmarks = landmarks;
    }

    /// As JSON, with what was shown. `at` ends what is still open.
    pub(super) fn finish(mut self, shown: &[Shown], at: Mono) -> Vec<u8> {
        let end = self.since(at);
        self.duration_ms = self.duration_ms.max(end);
        for asked in self.challenges.iter_mut().filter(|a| !a.done) {
            asked.to = end;
        }
        self.flash = shown
            .iter()
            .map(|s| Colour {
                t: self.since(s.at),
                colour: s.colour.map(|FlashColour { r, g, b }| format!("#{r:02x}{g:02x}{b:02x}")),
                index: s.index,
            })
            .collect();
        // Numbers, words and lists always have a JSON form.
        serde_json::to_vec(&self).unwrap_or_default()
    }

    fn since(&self, at: Mono) -> u64 {
        u64::try_from(at.since(self.started).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Landmarks {
    pub(super) fn of(face: &TrackedFace, width: usize, height: usize) -> Self {
        let points = face.mesh.points().map(|[x, y, _]| [Number(x), Number(y)]).collect();
        Self { width, height, points }
    }
}

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((f64::from(self.0) * 1e4).round() / 1e4)
    }
}

fn light(t: u64, [r, g, b]: Rgb) -> Light {
    Light { t, r: Number(r), g: Number(g), b: Number(b) }
}
