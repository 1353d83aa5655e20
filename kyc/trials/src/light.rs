//! Light on a scene and the camera that sees it.
//!
//! A film's pixels are taken for what its own light made of the scene; the room's light and that of
//! the customer's screen are put on it as factors, in linear light. The screen shines on a face by
//! Lambert's law, with normals from the face's annotated mesh, and hardly on what is behind.

use std::sync::LazyLock;

use rand::{RngExt as _, rngs::StdRng};

use crate::{
    mesh::{Point3, Triangle},
    picture::{Curve, Rgb, linear_table, to_byte},
    warp::each_pixel,
};

/// How much of the screen's light each part of the picture gets, at a quarter of its size.
pub struct Shade {
    width: usize,
    height: usize,
    share: Vec<f32>,
}

/// Camera pixels per shade value, each way.
const COARSE: usize = 4;
/// Hair and shoulders are further from the screen than the face, and darker.
const BODY: f32 = 0.45;

impl Shade {
    /// The same everywhere: a flat thing before the camera.
    #[must_use]
    pub fn flat(width: usize, height: usize, share: f32) -> Self {
        let (width, height) = (width.div_ceil(COARSE), height.div_ceil(COARSE));
        Self { width, height, share: vec![share; width * height] }
    }

    /// A head and shoulders before a background. `points` are in camera pixels; `from` is the
    /// direction to the screen, `background` its share.
    #[must_use]
    pub fn of_person(
        size: (usize, usize),
        points: &[Point3],
        triangles: &[Triangle],
        from: Point3,
        background: f32,
    ) -> Self {
        let mut shade = Self::flat(size.0, size.1, background);
        shade.add_body(points, background);
        let normals = normals(points, triangles);
        for triangle in triangles {
            // The rings are hair and neck.
            if triangle.iter().any(|&i| i >= crate::mesh::FACE_POINTS) {
                continue;
            }
            let corners = triangle.map(|i| points[i].map(|v| v / COARSE as f32));
            let lit = triangle.map(|i| {
                let n = normals[i];
                (n[0] * from[0] + n[1] * from[1] + n[2] * from[2]).max(0.0)
            });
            each_pixel(shade.width, shade.height, &corners, |at, w| {
                shade.share[at] = w[0] * lit[0] + w[1] * lit[1] + w[2] * lit[2];
            });
        }
        shade.soften();
        shade
    }

    /// A head of hair as an ellipse, and shoulders below it.
    fn add_body(&mut self, points: &[Point3], background: f32) {
        let face = &points[..crate::mesh::FACE_POINTS.min(points.len())];
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for p in face {
            for k in 0..2 {
                low[k] = low[k].min(p[k]);
                high[k] = high[k].max(p[k]);
            }
        }
        let (w, h) = (high[0] - low[0], high[1] - low[1]);
        let middle = [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0 - 0.08 * h];
        for y in 0..self.height {
            for x in 0..self.width {
                let (px, py) = ((x * COARSE) as f32, (y * COARSE) as f32);
                let (dx, dy) = ((px - middle[0]) / (0.68 * w), (py - middle[1]) / (0.68 * h));
                let head = 1.0 - smooth(0.8, 1.1, (dx * dx + dy * dy).sqrt());
                let wide = (px - middle[0]).abs() / w;
                let below = smooth(high[1] - 0.05 * h, high[1] + 0.25 * h, py);
                let shoulders = below * (1.0 - smooth(1.1, 1.4, wide));
                let share = head.max(shoulders);
                self.share[y * self.width + x] = background + (BODY - background) * share;
            }
        }
    }

    fn soften(&mut self) {
        let copy = self.share.clone();
        for y in 1..self.height - 1 {
            for x in 1..self.width - 1 {
                let at = y * self.width + x;
                let near =
                    copy[at - 1] + copy[at + 1] + copy[at - self.width] + copy[at + self.width];
                self.share[at] = (copy[at] * 2.0 + near) / 6.0;
            }
        }
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        let (fx, fy) = (x as f32 / COARSE as f32, y as f32 / COARSE as f32);
        let (left, top) = (fx as usize, fy as usize);
        let (right, low) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (fx, fy) = (fx - left as f32, fy - top as f32);
        let get = |x: usize, y: usize| self.share[y * self.width + x];
        (get(left, top) * (1.0 - fx) + get(right, top) * fx) * (1.0 - fy)
            + (get(left, low) * (1.0 - fx) + get(right, low) * fx) * fy
    }
}

/// From 0 below `low` to 1 above `high`.
#[must_use]
pub fn smooth(low: f32, high: f32, v: f32) -> f32 {
    let t = ((v - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn normals(points: &[Point3], triangles: &[Triangle]) -> Vec<Point3> {
    let mut normals = vec![[0.0_f32; 3]; points.len()];
    for t in triangles {
        let [a, b, c] = t.map(|i| points[i]);
        let (u, v) = ([0, 1, 2].map(|k| b[k] - a[k]), [0, 1, 2].map(|k| c[k] - a[k]));
        let n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
        // All look towards the camera, whichever way round the triangle is numbered.
        let sign = if n[2] > 0.0 { -1.0 } else { 1.0 };
        for &i in t {
            for k in 0..3 {
                normals[i][k] += sign * n[k];
            }
        }
    }
    for n in &mut normals {
        let length = (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]).sqrt().max(1e-6);
        *n = n.map(|v| v / length);
    }
    normals
}

/// The light on a scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Light {
    /// The room's, as factors of the film's own.
    pub room: [f32; 3],
    /// More light from one side: share per half picture width, positive from the right.
    pub side: f32,
    /// The screen's, as factors of the film's own where a surface faces it.
    pub screen: [f32; 3],
    /// Light that a glossy surface throws back whatever is behind it, in linear light.
    pub gloss: [f32; 3],
}

/// Puts light on an sRGB picture: linear light as it falls on the sensor.
#[must_use]
pub fn lit(scene: &Rgb, shade: &Shade, light: &Light) -> Vec<[f32; 3]> {
    let half = scene.width as f32 / 2.0;
    let table = linear_table();
    let mut out = Vec::with_capacity(scene.pixels.len());
    for (y, line) in scene.pixels.chunks(scene.width).enumerate() {
        for (x, [r, g, b]) in line.iter().enumerate() {
            let share = shade.at(x, y);
            let side = 1.0 + light.side * (x as f32 - half) / half;
            let on = |pixel: u8, k: usize| {
                table[usize::from(pixel)] * (light.room[k] * side + light.screen[k] * share)
                    + light.gloss[k]
            };
            out.push([on(*r, 0), on(*g, 1), on(*b, 2)]);
        }
    }
    out
}

/// A camera with automatic exposure and white balance that lag, a tone curve and noise.
#[derive(Debug, Clone)]
pub struct Camera {
    gain: Option<[f32; 3]>,
    /// The tone curve.
    curve: Curve,
    /// Mean linear light aimed at.
    pub aim: f32,
    /// Seconds in which exposure and white balance do two thirds of the way.
    pub exposure_lag: f32,
    /// The same for white balance.
    pub balance_lag: f32,
    /// How much of a colour cast white balance takes away, `0..=1`.
    pub balance: f32,
    /// Standard deviation of the noise in steps of 8 bits.
    pub noise: f32,
}

impl Camera {
    /// Some camera.
    #[must_use]
    pub fn random(random: &mut StdRng) -> Self {
        Self {
            gain: None,
            curve: Curve::new(random.random_range(0.9..1.12)),
            aim: random.random_range(0.14..0.26),
            exposure_lag: random.random_range(0.25..0.9),
            balance_lag: random.random_range(0.8..2.5),
            balance: random.random_range(0.2..0.7),
            noise: random.random_range(0.6..2.6),
        }
    }

    /// Takes a picture `dt` seconds after the last.
    pub fn take(
        &mut self,
        light: &[[f32; 3]],
        size: (usize, usize),
        dt: f32,
        random: &mut StdRng,
    ) -> Rgb {
        let gain = self.adjust(light, size, dt);
        let mut pixels = Vec::with_capacity(light.len());
        let mut grain = random.random_range(0..GRAINS);
        for (n, [r, g, b]) in light.iter().enumerate() {
            // Every line begins somewhere else in the table.
            if n % size.0 == 0 {
                grain = random.random_range(0..GRAINS);
            }
            let mut noise = || {
                grain = (grain + 1) % GRAINS;
                self.noise * GRAIN[grain]
            };
            let luma = noise();
            let on = |light: f32, k: usize, own: f32| {
                to_byte(self.curve.value(light * gain[k]) + luma + 0.5 * own)
            };
            let own = [noise(), noise(), noise()];
            pixels.push([on(*r, 0, own[0]), on(*g, 1, own[1]), on(*b, 2, own[2])]);
        }
        Rgb { width: size.0, height: size.1, pixels }
    }

    fn adjust(&mut self, light: &[[f32; 3]], size: (usize, usize), dt: f32) -> [f32; 3] {
        let (mut sum, mut count) = ([0.0_f32; 3], 0.0_f32);
        for y in (size.1 / 8..size.1 * 7 / 8).step_by(8) {
            for x in (size.0 / 8..size.0 * 7 / 8).step_by(8) {
                let p = light[y * size.0 + x];
                (0..3).for_each(|k| sum[k] += p[k].min(4.0));
                count += 1.0;
            }
        }
        let mean = sum.map(|s| s / count.max(1.0) + 1e-4);
        let luma = 0.2126 * mean[0] + 0.7152 * mean[1] + 0.0722 * mean[2];
        let exposure = self.aim / luma;
        let wanted = mean.map(|m| (luma / m).powf(self.balance));
        let Some(now) = self.gain else {
            let gain = wanted.map(|w| w * exposure);
            self.gain = Some(gain);
            return gain;
        };
        // Exposure is what the gains have in common, white balance how they differ.
        let level = (now[0] * now[1] * now[2]).cbrt();
        let aimed = exposure * (wanted[0] * wanted[1] * wanted[2]).cbrt();
        let (fast, slow) =
            (1.0 - (-dt / self.exposure_lag).exp(), 1.0 - (-dt / self.balance_lag).exp());
        let level_next = level * (aimed / level).powf(fast);
        let mean_wanted = (wanted[0] * wanted[1] * wanted[2]).cbrt();
        let gain = [0, 1, 2].map(|k| {
            let (cast, aim) = (now[k] / level, wanted[k] / mean_wanted);
            level_next * cast * (aim / cast).powf(slow)
        });
        self.gain = Some(gain);
        gain
    }
}

/// Numbers of noise that are kept.
const GRAINS: usize = 1 << 15;
static GRAIN: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    (0..GRAINS).map(|_| bell(&mut state)).collect()
});

/// A number that is about normally distributed (the sum of four even ones).
fn bell(state: &mut u64) -> f32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    let s = *state;
    let sum = (s & 0xffff) + (s >> 16 & 0xffff) + (s >> 32 & 0xffff) + (s >> 48);
    (sum as f32 / 65_536.0 - 2.0) * 1.732
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    const SIZE: (usize, usize) = (64, 64);

    fn camera() -> Camera {
        Camera {
            gain: None,
            curve: Curve::new(1.0),
            aim: 0.2,
            exposure_lag: 0.5,
            balance_lag: 1.5,
            balance: 0.5,
            noise: 0.0,
        }
    }

    #[test]
    fn exposure_follows_a_brighter_screen_slowly_and_back_to_its_aim() {
        let (mut camera, mut random) = (camera(), StdRng::seed_from_u64(1));
        let dark = vec![[0.1_f32; 3]; SIZE.0 * SIZE.1];
        let bright = vec![[0.2_f32; 3]; SIZE.0 * SIZE.1];
        let level = |p: &Rgb| p.pixels[2000][1];
        let before = level(&camera.take(&dark, SIZE, 0.04, &mut random));
        let after = level(&camera.take(&bright, SIZE, 0.04, &mut random));
        assert!(after > before + 20, "{before} {after}");
        for _ in 0..100 {
            camera.take(&bright, SIZE, 0.04, &mut random);
        }
        let settled = level(&camera.take(&bright, SIZE, 0.04, &mut random));
        assert!(settled.abs_diff(before) <= 2, "{before} {settled}");
    }

    #[test]
    fn a_face_gets_more_of_the_screen_than_what_is_behind_it() {
        let mut points: Vec<Point3> = Vec::new();
        for i in 0..crate::mesh::FACE_POINTS {
            let (x, y) = ((i % 20) as f32 / 19.0 - 0.5, (i / 20) as f32 / 23.0 - 0.5);
            points.push([320.0 + 160.0 * x, 240.0 + 200.0 * y, 120.0 * (x * x + y * y)]);
        }
        let triangles = crate::mesh::triangulate(&points);
        let shade = Shade::of_person((640, 480), &points, &triangles, [0.0, 0.0, -1.0], 0.05);
        assert!(shade.at(320, 240) > 0.9, "the nose faces the screen: {}", shade.at(320, 240));
        assert!(shade.at(255, 240) < shade.at(320, 240) - 0.05, "a cheek turns away");
        assert!(shade.at(20, 20) < 0.1, "the wall gets little");
    }
}
