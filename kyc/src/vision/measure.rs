//! What a picture says besides where the face is: light, sharpness, cover, noise.

use super::{
    geometry::{BoxF, Point},
    mesh::Mesh,
    picture::Picture,
};
use crate::liveness::{Light, Rgb, Rigid, Scene};

/// Corners of the parts of a face whose light is measured, as mesh points: forehead, nose, the
/// person's right cheek, left cheek, right edge, left edge.
const SKIN: [[usize; 4]; Light::REGIONS] = [
    [67, 297, 107, 336],
    [6, 195, 198, 420],
    [117, 100, 205, 187],
    [346, 329, 425, 411],
    [127, 116, 123, 93],
    [356, 345, 352, 323],
];
/// Between the lower lip and the jaw on both sides, and above the upper lip.
const LOWER: [[usize; 4]; 3] = [[216, 92, 210, 202], [436, 322, 430, 422], [164, 165, 391, 2]];
/// The sockets, lid to lid and what surrounds them.
const EYES: [[usize; 4]; 2] = [[226, 244, 230, 223], [446, 464, 450, 443]];
/// Samples a side of a part.
const PART: usize = 6;

/// The light of a face as a liveness check judges it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FaceLight {
    pub(super) light: Light,
    pub(super) brightness: f32,
    pub(super) burnt: f32,
    pub(super) one_sided: f32,
    pub(super) backlight: f32,
    pub(super) cover: f32,
}

/// Linear light of an 8-bit sRGB value (IEC 61966-2-1).
pub(crate) fn linear(value: f32) -> f32 {
    let v = (value / 255.0).clamp(0.0, 1.0);
    if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

fn luma(rgb: [f32; 3]) -> f32 {
    0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
}

/// Relative luminance of linear light (ITU-R BT.709).
fn luminance(rgb: Rgb) -> f32 {
    0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]
}

impl FaceLight {
    pub(super) fn of(picture: &Picture, mesh: &Mesh, face: BoxF) -> Self {
        let table = LinearTable::new();
        let skin = SKIN.map(|corners| part(picture, mesh, corners, &table).unwrap_or_default());
        let background = background(picture, face, &table);
        let (brightness, burnt) = exposure(picture, face);
        let bright = |i: usize| skin.get(i).map_or(0.0, |&rgb| luminance(rgb));
        let (right, left) = (bright(2), bright(3));
        let facing = skin.iter().take(Light::FACING).map(|&rgb| luminance(rgb)).sum::<f32>()
            / Light::FACING as f32;
        Self {
            light: Light { skin, background },
            brightness,
            burnt,
            one_sided: (right - left).abs() / (right + left).max(1e-4),
            backlight: background.map_or(0.0, luminance) / facing.max(1e-3),
            cover: cover(picture, mesh, &skin, &table),
        }
    }
}

/// Linear light of every 8-bit value: a power for every sample would cost more than the mesh.
struct LinearTable([f32; 256]);

impl LinearTable {
    fn new() -> Self {
        static TABLE: std::sync::OnceLock<[f32; 256]> = std::sync::OnceLock::new();
        Self(*TABLE.get_or_init(|| std::array::from_fn(|v| linear(v as f32))))
    }

    fn of(&self, rgb: [f32; 3]) -> Rgb {
        rgb.map(|v| self.0.get(v.clamp(0.0, 255.0) as usize).copied().unwrap_or(0.0))
    }
}

/// Mean linear light between four mesh points; `None` where all of it is outside the picture.
fn part(picture: &Picture, mesh: &Mesh, corners: [usize; 4], table: &LinearTable) -> Option<Rgb> {
    let points = corners.map(|i| mesh.point_in_picture(i).unwrap_or_default());
    let (mut sum, mut count) = ([0.0; 3], 0.0);
    for i in 0..PART * PART {
        let u = ((i % PART) as f32 + 0.5) / PART as f32;
        let v = ((i / PART) as f32 + 0.5) / PART as f32;
        let at = blend(points, u, v);
        if !inside(picture, at) {
            continue;
        }
        let rgb = table.of(picture.sample(at.x, at.y));
        for (s, value) in sum.iter_mut().zip(rgb) {
            *s += value;
        }
        count += 1.0;
    }
    (count > 0.0).then(|| sum.map(|s| s / count))
}

/// A point within four corners given as two rows.
fn blend([a, b, c, d]: [Point; 4], u: f32, v: f32) -> Point {
    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
    Point {
        x: mix(mix(a.x, b.x, u), mix(c.x, d.x, u), v),
        y: mix(mix(a.y, b.y, u), mix(c.y, d.y, u), v),
    }
}

fn inside(picture: &Picture, at: Point) -> bool {
    at.x >= 0.0
        && at.y >= 0.0
        && at.x <= (picture.width() - 1) as f32
        && at.y <= (picture.height() - 1) as f32
}

/// Mean linear light beside and above the face, without hair and shoulders as far as a box can
/// tell. Pixels that are burnt out or black follow no exposure and are left out.
fn background(picture: &Picture, face: BoxF, table: &LinearTable) -> Option<Rgb> {
    /// Samples over the whole picture, a side.
    const GRID: usize = 28;
    /// Fewer say nothing.
    const ENOUGH: f32 = 24.0;
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let (left, right) = (face.x - 0.45 * face.w, face.x + 1.45 * face.w);
    let (top, bottom) = (face.y - 0.5 * face.h, face.y + 0.75 * face.h);
    let (mut sum, mut count) = ([0.0; 3], 0.0);
    for i in 0..GRID * GRID {
        let x = ((i % GRID) as f32 + 0.5) / GRID as f32 * width;
        let y = ((i / GRID) as f32 + 0.5) / GRID as f32 * height;
        let behind = y < bottom && (x < left || x > right) || y < top;
        let rgb = picture.pixel(x as isize, y as isize);
        if !behind || rgb.iter().any(|&v| v > 250.0) || luma(rgb) < 8.0 {
            continue;
        }
        for (s, value) in sum.iter_mut().zip(table.of(rgb)) {
            *s += value;
        }
        count += 1.0;
    }
    (count >= ENOUGH).then(|| sum.map(|s| s / count))
}

/// Mean luma of the face and the share of it that is burnt out, both `0..=1`.
fn exposure(picture: &Picture, face: BoxF) -> (f32, f32) {
    const GRID: usize = 16;
    /// Luma from which on skin shows no structure any more.
    const BURNT: f32 = 247.0;
    let (mut sum, mut burnt) = (0.0, 0.0);
    for i in 0..GRID * GRID {
        // The inner three quarters: the corners of the box are not face.
        let u = 0.125 + 0.75 * ((i % GRID) as f32 + 0.5) / GRID as f32;
        let v = 0.125 + 0.75 * ((i / GRID) as f32 + 0.5) / GRID as f32;
        let value = luma(picture.sample(face.x + face.w * u, face.y + face.h * v));
        sum += value;
        burnt += f32::from(value > BURNT);
    }
    let count = (GRID * GRID) as f32;
    (sum / count / 255.0, burnt / count)
}

/// How much the surroundings of mouth and eyes differ from the person's own skin.
fn cover(picture: &Picture, mesh: &Mesh, skin: &[Rgb; Light::REGIONS], table: &LinearTable) -> f32 {
    let mut own = [0.0; 3];
    for rgb in skin.iter().take(Light::FACING) {
        for (s, v) in own.iter_mut().zip(rgb) {
            *s += v / Light::FACING as f32;
        }
    }
    if luminance(own) < 1e-3 {
        return 0.0;
    }
    let lower = LOWER.iter().filter_map(|&c| part(picture, mesh, c, table));
    // A beard is dark and colourless: chroma only counts where it is no darker than skin in shade.
    let masked = lower
        .map(|rgb| {
            let dark = (luminance(own) / luminance(rgb).max(1e-4)).max(1.0);
            chroma_distance(rgb, own) / dark
        })
        .fold(0.0, f32::max);
    let eyes = EYES.iter().filter_map(|&c| part(picture, mesh, c, table));
    // Glasses let skin shine through; sunglasses are black where skin is around them. Sockets in
    // the shade of a lamp above are as dark, but keep the hue of skin, where it has one: in the
    // light of an infrared lamp there is none.
    let is_grey = chroma_distance(own, [1.0; 3]) < OTHER_HUE;
    let shaded = eyes
        .map(|rgb| {
            let dark = (luminance(own) / luminance(rgb).max(1e-4)).ln() / DARK_GLASS;
            let other = (chroma_distance(rgb, own) / OTHER_HUE).min(1.0);
            if is_grey { dark } else { dark * other }
        })
        .fold(f32::INFINITY, f32::min);
    masked.max(if shaded.is_finite() { shaded } else { 0.0 })
}

/// Eyes in sockets are down to a third as bright as the cheeks (in linear light); behind sunglasses
/// a sixth and less. The log of this counts as fully covered.
const DARK_GLASS: f32 = 1.8;

/// From this distance on ([`chroma_distance`]) what is dark is not skin.
const OTHER_HUE: f32 = 0.4;

/// Distance of two colours without their brightness, in natural log units.
fn chroma_distance(a: Rgb, b: Rgb) -> f32 {
    let chroma = |rgb: Rgb| {
        let [r, g, b] = rgb.map(|v| v.max(1e-4).ln());
        [r - g, b - g]
    };
    let (a, b) = (chroma(a), chroma(b));
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Side at which sharpness is measured.
const SHARP: usize = 64;

/// Mean absolute Laplacian of the face at a fixed scale, over its mean brightness. A face of less
/// than 64 pixels is blown up and so counts as blurred, which it is.
pub(crate) fn sharpness(picture: &Picture, face: BoxF) -> f32 {
    let taps = ((face.w.max(face.h) / SHARP as f32).ceil() as usize).clamp(1, 6);
    let mut grey = Vec::with_capacity(SHARP * SHARP);
    for i in 0..SHARP * SHARP {
        let (column, row) = ((i % SHARP) as f32, (i / SHARP) as f32);
        let mut sum = 0.0;
        for k in 0..taps * taps {
            let u = (column + ((k % taps) as f32 + 0.5) / taps as f32) / SHARP as f32;
            let v = (row + ((k / taps) as f32 + 0.5) / taps as f32) / SHARP as f32;
            let (x, y) = (face.x + face.w * u, face.y + face.h * v);
            sum += luma(picture.pixel(x as isize, y as isize));
        }
        grey.push(sum / (taps * taps) as f32);
    }
    let at = |x: usize, y: usize| grey.get(y * SHARP + x).copied().unwrap_or(0.0);
    let mut energy = 0.0;
    for y in 1..SHARP - 1 {
        for x in 1..SHARP - 1 {
            let around = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1);
            energy += (around - 4.0 * at(x, y)).abs();
        }
    }
    let mean = grey.iter().sum::<f32>() / grey.len() as f32;
    energy / ((SHARP - 2) * (SHARP - 2)) as f32 / mean.max(8.0) / 4.0
}

/// Points that move with the skull only.
pub(super) fn rigid(mesh: &Mesh) -> Rigid {
    let mut rigid = Rigid::default();
    let all: Vec<[f32; 3]> = mesh.points().collect();
    for ((at, depth), index) in rigid.at.iter_mut().zip(&mut rigid.depth).zip(Rigid::POINTS) {
        if let Some(&[x, y, z]) = all.get(index) {
            *at = Point { x, y };
            *depth = z;
        }
    }
    rigid
}

/// Watches single pixels from picture to picture.
#[derive(Default)]
pub(crate) struct SceneReader {
    last: Vec<u8>,
    size: (usize, usize),
}

impl SceneReader {
    /// Pixels a side that are compared.
    const GRID: usize = 48;

    pub(crate) fn read(&mut self, picture: &Picture) -> Scene {
        let (width, height) = (picture.width(), picture.height());
        let grid = Self::GRID;
        let mut pixels = Vec::with_capacity(grid * grid);
        let mut cells = [0.0; Scene::CELLS];
        let share = (grid / Scene::SIDE * (grid / Scene::SIDE)) as f32;
        for i in 0..grid * grid {
            let (column, row) = (i % grid, i / grid);
            let x = (2 * column + 1) * width / (2 * grid);
            let y = (2 * row + 1) * height / (2 * grid);
            let value = luma(picture.pixel(x as isize, y as isize));
            let cell = row * Scene::SIDE / grid * Scene::SIDE + column * Scene::SIDE / grid;
            if let Some(cell) = cells.get_mut(cell) {
                *cell += value / share;
            }
            pixels.push(value.round() as u8);
        }
        let (mut noise, mut change) = (None, None);
        if self.size == (width, height) {
            let mut apart: Vec<u8> =
                pixels.iter().zip(&self.last).map(|(&a, &b)| a.abs_diff(b)).collect();
            apart.sort_unstable();
            let mean = |part: &[u8]| {
                part.iter().map(|&v| f32::from(v)).sum::<f32>() / part.len().max(1) as f32
            };
            noise = Some(mean(apart.get(..apart.len() / 2).unwrap_or_default()));
            change = Some(mean(&apart));
        }
        self.last = pixels;
        self.size = (width, height);
        let (width, height) = (count(width), count(height));
        Scene { width, height, cells, noise, change }
    }
}

impl Drop for SceneReader {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.last);
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Pixels are never printed.
impl std::fmt::Debug for SceneReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SceneReader").field("size", &self.size).finish_non_exhaustive()
    }
}
