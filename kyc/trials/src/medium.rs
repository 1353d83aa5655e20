//! What an attacker holds before a camera: a photograph, a print, a screen.

use std::f32::consts::TAU;

use rand::{RngExt as _, rngs::StdRng};

use crate::{
    light::smooth,
    picture::{Rgb, linear, linear3},
};

/// A flat thing that shows a picture.
#[derive(Debug, Clone)]
pub struct Medium {
    /// What it is made of.
    pub surface: Surface,
    /// Its height, as a share of the camera picture's.
    pub height: f32,
    /// How far it is bent about its upright axis, radians from edge to edge.
    pub bend: f32,
    /// How much it moves in the hand, in shares of the picture's height.
    pub tremor: f32,
    /// How far it is swung about on purpose, radians.
    pub swing: f32,
    phases: [f32; 6],
    wall: [u8; 3],
    grain: u32,
}

/// What a medium is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Surface {
    /// A glossy photograph.
    Photo,
    /// A newspaper or laser print: dots per width of the picture, how strong they are.
    Print { dots: f32, strength: f32 },
    /// A screen: its pixels across, how far they show, how strong its refresh bands are, its
    /// brightness against the room, and how much it reflects.
    Display { pixels: f32, grid: f32, bands: f32, brightness: f32, reflects: f32, gamma: f32 },
}

/// The light that falls on a medium.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    /// The room's.
    pub room: [f32; 3],
    /// That of the screen before it, which asks for colours.
    pub screen: [f32; 3],
}

impl Medium {
    /// A medium of that surface, held by some hand before some wall.
    #[must_use]
    pub fn new(surface: Surface, random: &mut StdRng) -> Self {
        let grey = random.random_range(60..190);
        let tint = |random: &mut StdRng| random.random_range(0..25_u8);
        Self {
            surface,
            height: random.random_range(0.85..1.15),
            bend: 0.0,
            tremor: random.random_range(0.002..0.008),
            swing: 0.0,
            phases: std::array::from_fn(|_| random.random_range(0.0..TAU)),
            wall: std::array::from_fn(|_| grey + tint(random)),
            grain: random.random(),
        }
    }

    /// What falls on the sensor `at` seconds into the attack, in linear light. `swing` is how far
    /// it is turned now: (about the upright, about the level axis), radians.
    #[must_use]
    pub fn seen(
        &self,
        content: &Rgb,
        size: (usize, usize),
        at: f32,
        turned: (f32, f32),
        around: &Around,
    ) -> Vec<[f32; 3]> {
        let plane = self.plane(size, at, turned);
        let wall = linear3(self.wall);
        let mut light = Vec::with_capacity(size.0 * size.1);
        for y in 0..size.1 {
            for x in 0..size.0 {
                let (px, py) = (x as f32 - size.0 as f32 / 2.0, y as f32 - size.1 as f32 / 2.0);
                let on = plane.hit(px, py).and_then(|(u, v)| self.on_surface(content, u, v));
                light.push(match on {
                    Some((cu, cv, facing)) => self.surface_light(
                        content,
                        cu,
                        cv,
                        facing,
                        y as f32 / size.1 as f32,
                        at,
                        around,
                    ),
                    None => {
                        let fall = 0.85 + 0.3 * x as f32 / size.0 as f32;
                        [0, 1, 2]
                            .map(|k| wall[k] * fall * (around.room[k] + 0.06 * around.screen[k]))
                    }
                });
            }
        }
        light
    }

    fn plane(&self, size: (usize, usize), at: f32, turned: (f32, f32)) -> Plane {
        let wave =
            |n: usize, hertz: f32| (at * hertz * std::f32::consts::TAU + self.phases[n]).sin();
        let high = size.1 as f32;
        let sway = self.tremor * high;
        let yaw = turned.0 + self.swing * wave(0, 0.23) + self.tremor * wave(1, 0.9);
        let pitch = turned.1 + 0.6 * self.swing * wave(2, 0.17) + self.tremor * wave(3, 1.1);
        Plane {
            centre: [
                sway * (wave(4, 0.7) + 0.5 * wave(5, 1.7))
                    + self.swing * 0.15 * high * wave(3, 0.19),
                sway * (wave(2, 0.8) + 0.5 * wave(0, 2.1)),
            ],
            yaw,
            pitch,
            roll: 0.5 * self.tremor * wave(1, 0.6),
            focus: 1.3 * high,
            height: self.height * high * (1.0 + self.tremor * wave(5, 0.3)),
        }
    }

    /// Content position and how far the surface faces the camera, where it is hit at `u`, `v`
    /// (heights from the middle).
    fn on_surface(&self, content: &Rgb, u: f32, v: f32) -> Option<(f32, f32, f32)> {
        let aspect = content.width as f32 / content.height as f32;
        let (u, facing) = if self.bend > 0.05 {
            // A cylinder about the upright axis whose arc is as long as the flat picture.
            let radius = aspect / self.bend;
            let sine = u / radius;
            if sine.abs() >= 1.0 {
                return None;
            }
            (radius * sine.asin(), (1.0 - sine * sine).sqrt())
        } else {
            (u, 1.0)
        };
        let (cu, cv) = (u / aspect + 0.5, v + 0.5);
        ((0.0..1.0).contains(&cu) && (0.0..1.0).contains(&cv)).then_some((cu, cv, facing))
    }

    #[expect(clippy::too_many_arguments, reason = "a point on a surface has that many sides")]
    fn surface_light(
        &self,
        content: &Rgb,
        cu: f32,
        cv: f32,
        facing: f32,
        row: f32,
        at: f32,
        around: &Around,
    ) -> [f32; 3] {
        let sample =
            content.sample(cu * content.width as f32 - 0.5, cv * content.height as f32 - 0.5);
        let shown = sample.map(|v| linear((v + 0.5) as u8));
        let falls = [0, 1, 2].map(|k| around.room[k] + around.screen[k] * facing);
        match self.surface {
            Surface::Photo => {
                // A sheen from the room's lamp.
                let sheen =
                    0.05 * smooth(0.25, 0.0, ((cu - 0.7).powi(2) + (cv - 0.25).powi(2)).sqrt());
                [0, 1, 2].map(|k| (0.01 + 0.93 * shown[k]) * falls[k] * facing + sheen)
            }
            Surface::Print { dots, strength } => {
                let paper = 0.96 + 0.08 * self.fibre(cu * 260.0, cv * 260.0);
                [0, 1, 2].map(|k| {
                    // Each ink's screen is turned by another angle.
                    let (s, c) = (0.26 + 0.52 * k as f32).sin_cos();
                    let (a, b) = ((cu * c - cv * s) * dots, (cu * s + cv * c) * dots);
                    let tau = std::f32::consts::TAU;
                    let dot = 1.0 + strength * (a * tau).cos() * (b * tau).cos() * (1.0 - shown[k]);
                    (0.045 + 0.72 * shown[k].powf(0.9)) * dot * paper * falls[k] * facing
                })
            }
            Surface::Display { pixels, grid, bands, brightness, reflects, gamma } => {
                let tau = std::f32::consts::TAU;
                let (column, line) =
                    (cu * pixels, cv * pixels * content.height as f32 / content.width as f32);
                let band = 1.0 - bands * (0.5 + 0.5 * (row * 2.2 * tau + at * 7.3).sin()).powi(4);
                [0, 1, 2].map(|k| {
                    let phase = column * tau + k as f32 * tau / 3.0;
                    let cell = 1.0 + grid * phase.cos() + 0.5 * grid * (line * tau).cos();
                    shown[k].powf(gamma) * brightness * band * cell + reflects * falls[k]
                })
            }
        }
    }

    /// Noise that stays where it is on the paper.
    fn fibre(&self, x: f32, y: f32) -> f32 {
        let mut h = (x as u32).wrapping_mul(374_761_393)
            ^ (y as u32).wrapping_mul(668_265_263)
            ^ self.grain;
        h = (h ^ h >> 13).wrapping_mul(1_274_126_177);
        (h >> 16 & 0xff) as f32 / 255.0 - 0.5
    }
}

/// Where a flat thing is before the camera, in camera pixels.
struct Plane {
    centre: [f32; 2],
    yaw: f32,
    pitch: f32,
    roll: f32,
    focus: f32,
    height: f32,
}

impl Plane {
    /// Where the ray through a pixel (from the picture's middle) meets it, in its heights from its
    /// middle.
    fn hit(&self, x: f32, y: f32) -> Option<(f32, f32)> {
        let ((sy, cy), (sp, cp)) = (self.yaw.sin_cos(), self.pitch.sin_cos());
        let (sr, cr) = self.roll.sin_cos();
        // Its axes in space; it lies `focus` away, so that it is as large as it is there.
        let across = [cy, sy * sp, -sy * cp];
        let down = [0.0, cp, sp];
        let normal = [
            across[1] * down[2] - across[2] * down[1],
            across[2] * down[0] - across[0] * down[2],
            across[0] * down[1] - across[1] * down[0],
        ];
        let ray = [x, y, self.focus];
        let origin = [self.centre[0], self.centre[1], self.focus];
        let dot = |a: [f32; 3], b: [f32; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let towards = dot(ray, normal);
        if towards.abs() < 1e-3 {
            return None;
        }
        let share = dot(origin, normal) / towards;
        if share <= 0.0 {
            return None;
        }
        let at = [0, 1, 2].map(|k| ray[k] * share - origin[k]);
        let (u, v) = (dot(at, across) / self.height, dot(at, down) / self.height);
        Some((u * cr + v * sr, v * cr - u * sr))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    const AROUND: Around = Around { room: [1.0; 3], screen: [0.0; 3] };

    fn medium(surface: Surface) -> Medium {
        let mut medium = Medium::new(surface, &mut StdRng::seed_from_u64(3));
        (medium.height, medium.tremor) = (1.0, 0.0);
        medium
    }

    #[test]
    fn held_straight_a_photograph_shows_what_is_on_it() {
        let mut content = Rgb::filled(64, 48, [100, 100, 100]);
        content.pixels[24 * 64 + 32] = [255; 3];
        let light = medium(Surface::Photo).seen(&content, (64, 48), 0.0, (0.0, 0.0), &AROUND);
        let at = |x: usize, y: usize| light[y * 64 + x][1];
        assert!(at(32, 24) > 1.5 * at(28, 20), "{} {}", at(32, 24), at(28, 20));
    }

    #[test]
    fn swung_to_the_side_its_far_edge_is_shorter() {
        let content = Rgb::filled(64, 48, [255; 3]);
        let mut photo = medium(Surface::Photo);
        (photo.height, photo.wall) = (0.7, [0; 3]);
        let light = photo.seen(&content, (96, 96), 0.0, (0.6, 0.0), &AROUND);
        let tall = |x: usize| (0..96).filter(|y| light[y * 96 + x][1] > 0.3).count();
        assert!(tall(30) > 0 && tall(66) > 0);
        assert_ne!(tall(30), tall(66));
    }

    #[test]
    fn a_colour_before_a_display_is_seen_only_as_its_reflection() {
        let content = Rgb::filled(64, 48, [200; 3]);
        let surface = Surface::Display {
            pixels: 1920.0,
            grid: 0.0,
            bands: 0.0,
            brightness: 1.0,
            reflects: 0.04,
            gamma: 1.0,
        };
        let display = medium(surface);
        let red = Around { room: [0.0; 3], screen: [0.5, 0.0, 0.0] };
        let middle = display.seen(&content, (64, 48), 0.0, (0.0, 0.0), &red)[24 * 64 + 32];
        assert!((middle[0] - middle[1] - 0.02).abs() < 1e-3, "{middle:?}");
    }
}
