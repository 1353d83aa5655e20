//! A person of numbers: a solid head that turns, skin that answers to light.
#![allow(dead_code, reason = "each test file uses a part of it")]

use vbranch_domain::{Mono, kyc::Challenge};
use vbranch_kyc::{
    liveness::{FaceObservation, Light, Rigid, Shown},
    vision::Point,
};

/// A point on a head: x to the picture's right, y down, z away from the camera; the outer eye
/// corners are one apart.
fn head_point(n: usize) -> [f32; 3] {
    // Spread over the face by the golden angle, in an ellipse; eyes where [`Rigid::eyes`] looks.
    let (x, y) = match n {
        14 => (-0.5, 0.0),
        17 => (0.5, 0.0),
        _ => {
            let (angle, radius) = (2.399_963 * n as f32, (n as f32 / 44.0).sqrt());
            (0.75 * radius * angle.cos(), 0.3 + 1.0 * radius * angle.sin())
        }
    };
    // A cheek curves back, a nose sticks out.
    let nose = 0.45 * (-((x / 0.16).powi(2) + ((y - 0.35) / 0.3).powi(2))).exp();
    (x, y, 0.45 * x * x + 0.2 * (y - 0.3).powi(2) - nose).into()
}

/// Points of a head turned by these angles (degrees), its eyes 100 pixels apart, at a place in the
/// picture.
pub fn head(yaw: f32, pitch: f32, place: [f32; 2]) -> Rigid {
    let mut rigid = Rigid::default();
    let (yaw, pitch) = (yaw.to_radians(), pitch.to_radians());
    for n in 0..Rigid::COUNT {
        let [x, y, z] = head_point(n);
        // Turning to the picture's right (one's own left) moves what is near to the right.
        let (x, z) = (x * yaw.cos() - z * yaw.sin(), z * yaw.cos() + x * yaw.sin());
        // Looking up moves what is near up.
        let (y, z) = (y * pitch.cos() + z * pitch.sin(), z * pitch.cos() - y * pitch.sin());
        rigid.at[n] = Point { x: place[0] + 100.0 * x, y: place[1] + 100.0 * y };
        rigid.depth[n] = 100.0 * z;
    }
    rigid
}

/// A picture of a head, turned about its upright axis by an angle (degrees) and bent around it.
pub fn flat(yaw: f32, bend: f32, place: [f32; 2]) -> Rigid {
    let mut rigid = head(0.0, 0.0, place);
    let yaw = yaw.to_radians();
    for n in 0..Rigid::COUNT {
        let [x, y, _] = head_point(n);
        let z = bend * x * x;
        let (x, z) = (x * yaw.cos() - z * yaw.sin(), z * yaw.cos() + x * yaw.sin());
        // A camera some seven eye distances away sees the far side smaller.
        let far = 7.0 / (7.0 + z);
        rigid.at[n] = Point { x: place[0] + 100.0 * x * far, y: place[1] + 100.0 * y * far };
    }
    rigid
}

/// Light on a face: that of the room and that of the screen.
pub fn light(screen: [f32; 3], response: f32, exposure: f32) -> Light {
    let mut light = Light::default();
    for (n, skin) in light.skin.iter_mut().enumerate() {
        // Parts face the screen more or less, and the room's light as well.
        let (to_screen, to_room) =
            ([1.0, 1.2, 0.9, 0.95, 0.5, 0.55][n], [1.0, 0.9, 0.8, 1.1, 0.7, 0.9][n]);
        for (c, value) in skin.iter_mut().enumerate() {
            let albedo = [0.55, 0.4, 0.3][c];
            let lit = 0.5 * to_room + response * to_screen * screen[c];
            *value = (albedo * lit * exposure).clamp(0.0, 1.0);
        }
    }
    light.background = Some([0.3, 0.3, 0.28].map(|v: f32| v * exposure));
    light
}

/// What a screen of these colours sends at `ms`, in linear light, `lag` after it was told.
pub fn screen(shown: &[Shown], ms: u64, lag: u64) -> [f32; 3] {
    let Some(then) = ms.checked_sub(lag) else { return [0.6; 3] };
    let now = shown.iter().rev().find(|s| s.at <= Mono::from_millis(then));
    match now.and_then(|s| s.colour) {
        None => [0.6; 3],
        Some(c) => [c.r, c.g, c.b].map(|v| (f32::from(v) / 255.0).powf(2.2)),
    }
}

/// A little of everything that wavers, the same for a moment and a seed.
pub fn waver(ms: u64, seed: u64) -> f32 {
    let t = ms as f32 / 1_000.0;
    let s = seed as f32;
    (t * 1.7 + s).sin() * 0.5 + (t * 0.63 + 2.0 * s).sin() * 0.3 + (t * 3.1 + 3.0 * s).sin() * 0.2
}

/// A person at rest at a moment, before a screen that shows these colours.
pub fn at_rest(ms: u64, shown: &[Shown]) -> FaceObservation {
    let place = [320.0 + 4.0 * waver(ms, 1), 200.0 + 3.0 * waver(ms, 2)];
    FaceObservation {
        rigid: head(0.0, 0.0, place),
        light: light(screen(shown, ms, 180), 0.06, 1.0 + 0.1 * waver(ms, 3)),
        ..FaceObservation::default()
    }
}

/// The same person who does something: `wave` from 0 (rest) to 1.
pub fn doing(challenge: Challenge, wave: f32, ms: u64, shown: &[Shown]) -> FaceObservation {
    let rest = at_rest(ms, shown);
    let place = [320.0 + 4.0 * waver(ms, 1), 200.0 + 3.0 * waver(ms, 2)];
    let turned = |yaw: f32| FaceObservation { yaw, rigid: head(yaw, 0.0, place), ..rest };
    match challenge {
        Challenge::Blink => FaceObservation { blink: 0.1 + 0.7 * wave, ..rest },
        Challenge::TurnLeft => turned(35.0 * wave),
        Challenge::TurnRight => turned(-35.0 * wave),
        Challenge::OpenMouth => FaceObservation { mouth: 0.03 + 0.8 * wave, ..rest },
        Challenge::Nod => {
            FaceObservation { pitch: -20.0 * wave, rigid: head(0.0, -20.0 * wave, place), ..rest }
        }
        Challenge::Smile => FaceObservation { smile: 0.05 + 0.85 * wave, ..rest },
    }
}
