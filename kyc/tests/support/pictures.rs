//! Pictures of films, and what can be done to them.

use std::path::Path;

use vbranch_domain::Mono;
use vbranch_kyc::{
    analyze::ClipFrames,
    liveness::{Rigid, Shown},
    vision::Picture,
};

/// A part of a film (seconds) as pictures.
pub fn clip(film: &Path, fps: u32, from: f32, to: f32) -> Vec<Picture> {
    let skip = (from * fps as f32) as usize;
    let take = ((to - from) * fps as f32) as usize;
    ClipFrames::open(film, fps).unwrap().skip(skip).take(take).map(Result::unwrap).collect()
}

/// A picture on a sheet that is turned about its upright axis (degrees) and bent around it, before
/// a camera twice its width away.
pub fn project(picture: &Picture, degrees: f32, bend: f32) -> Picture {
    let (width, height) = (picture.width(), picture.height());
    let (w, h) = (width as f32, height as f32);
    let angle = degrees.to_radians();
    let mut rgb = Vec::with_capacity(width * height * 3);
    for row in 0..height {
        for column in 0..width {
            let (x, y) = ((column as f32 - w / 2.0) / w, (row as f32 - h / 2.0) / w);
            let (u, v) = sheet(x, y, angle, bend);
            rgb.extend(picture.sample(u * w + w / 2.0, v * w + h / 2.0).map(|v| v as u8));
        }
    }
    Picture::from_rgb(width, height, rgb).unwrap()
}

/// Which point of the sheet is seen at x, y (in widths of the picture).
fn sheet(x: f32, y: f32, angle: f32, bend: f32) -> (f32, f32) {
    const CAMERA: f32 = 2.0;
    // A sheet that is not bent is hit by a straight line; a bend is found in a few steps.
    let mut u = x;
    for _ in 0..12 {
        let depth = bend * u * u;
        let z = u * angle.sin() + depth * angle.cos();
        let wanted = x * (CAMERA + z) / CAMERA;
        let got = u * angle.cos() - depth * angle.sin();
        u += (wanted - got) / angle.cos().max(0.2);
    }
    let z = u * angle.sin() + bend * u * u * angle.cos();
    (u, y * (CAMERA + z) / CAMERA)
}

/// What a screen sends, in linear light.
pub struct Screen([f32; 3]);

impl Screen {
    /// At a moment, `lag` milliseconds after it was told.
    pub fn at(shown: &[Shown], at: Mono, lag: u64) -> Self {
        let then = Mono::from_nanos(at.as_nanos().saturating_sub(lag * 1_000_000));
        let now = shown.iter().rev().find(|s| s.at <= then).and_then(|s| s.colour);
        Self(now.map_or([0.7; 3], |c| [c.r, c.g, c.b].map(|v| linear(f32::from(v)))))
    }
}

fn linear(v: f32) -> f32 {
    (v / 255.0).powf(2.2)
}

/// Lights a face by a screen: `share` is the light of a white screen over the other light. Falls off
/// towards the edge of the face, which faces the screen less; a little reaches the background.
pub fn relight(picture: &Picture, face: Option<Rigid>, screen: Screen, share: f32) -> Picture {
    let Some(rigid) = face else { return picture.clone() };
    let [a, b] = rigid.eyes();
    let unit = rigid.eye_distance();
    let (cx, cy) = ((a.x + b.x) / 2.0, (a.y + b.y) / 2.0 + 0.4 * unit);
    let (width, height) = (picture.width(), picture.height());
    let mut rgb = Vec::with_capacity(width * height * 3);
    for row in 0..height {
        for column in 0..width {
            let (dx, dy) = ((column as f32 - cx) / unit, (row as f32 - cy) / unit);
            let r2 = (dx / 0.95).powi(2) + (dy / 1.4).powi(2);
            let facing = if r2 < 1.0 { 0.45 + 0.55 * (1.0 - r2).sqrt() } else { 0.05 };
            let pixel = picture.pixel(column as isize, row as isize);
            for (value, light) in pixel.into_iter().zip(screen.0) {
                let lit = linear(value) * (1.0 + share * facing * light);
                rgb.push((lit.powf(1.0 / 2.2) * 255.0).round().min(255.0) as u8);
            }
        }
    }
    Picture::from_rgb(width, height, rgb).unwrap()
}
