//! Pictures to paint on: 8-bit sRGB, and the way to linear light and back.

use std::sync::LazyLock;

/// A picture of 8-bit sRGB pixels, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The pixels.
    pub pixels: Vec<[u8; 3]>,
}

impl Rgb {
    /// A picture of one colour.
    #[must_use]
    pub fn filled(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self { width, height, pixels: vec![colour; width * height] }
    }

    /// A bilinear sample; beyond its edges the picture goes on as it ends there: a
    /// mirror would show a second face beside one that is near the edge.
    #[must_use]
    #[inline]
    pub fn sample(&self, x: f32, y: f32) -> [f32; 3] {
        let x = x.clamp(0.0, (self.width - 1) as f32);
        let y = y.clamp(0.0, (self.height - 1) as f32);
        let (left, top) = (x as usize, y as usize);
        let (right, low) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (fx, fy) = (x - left as f32, y - top as f32);
        let at = |x: usize, y: usize| self.pixels[y * self.width + x];
        let (a, b, c, d) = (at(left, top), at(right, top), at(left, low), at(right, low));
        let weights = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
        std::array::from_fn(|i| {
            weights[0] * f32::from(a[i])
                + weights[1] * f32::from(b[i])
                + weights[2] * f32::from(c[i])
                + weights[3] * f32::from(d[i])
        })
    }

    /// Mixes another picture of the same size in, `share` of it in `0..=1`.
    pub fn blend(&mut self, other: &Self, share: f32) {
        for (a, b) in self.pixels.iter_mut().zip(&other.pixels) {
            *a = std::array::from_fn(|i| {
                to_byte(f32::from(a[i]) * (1.0 - share) + f32::from(b[i]) * share)
            });
        }
    }
}

/// Rounds to a byte.
#[must_use]
#[inline]
pub fn to_byte(v: f32) -> u8 {
    (v + 0.5).clamp(0.0, 255.0) as u8
}

static LINEAR: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|i| decode_srgb(i as f32 / 255.0)));
/// As fine as the darkest step of 8 bits.
const STEPS: usize = 4096;
static PLAIN: LazyLock<Curve> = LazyLock::new(|| Curve::new(1.0));

/// Linear light, `0..=1`, of a byte of sRGB.
#[must_use]
pub fn linear(byte: u8) -> f32 {
    LINEAR[usize::from(byte)]
}

/// Linear light of a colour.
#[must_use]
pub fn linear3(colour: [u8; 3]) -> [f32; 3] {
    colour.map(linear)
}

/// What every byte of sRGB is in linear light, for those who ask often.
#[must_use]
pub fn linear_table() -> &'static [f32; 256] {
    &LINEAR
}

/// From linear light to sRGB, with a tone curve.
#[derive(Debug, Clone)]
pub struct Curve(Vec<f32>);

impl Curve {
    /// sRGB of light raised to a power.
    #[must_use]
    pub fn new(gamma: f32) -> Self {
        let value = |i: usize| 255.0 * encode_srgb((i as f32 / STEPS as f32).powf(gamma));
        Self((0..=STEPS).map(value).collect())
    }

    /// The value, `0..=255`, of linear light; clipped like a sensor.
    #[must_use]
    #[inline]
    pub fn value(&self, light: f32) -> f32 {
        self.0[(light.clamp(0.0, 1.0) * STEPS as f32 + 0.5) as usize]
    }
}

/// The sRGB value, `0..=255`, of linear light.
#[must_use]
pub fn encoded(light: f32) -> f32 {
    PLAIN.value(light)
}

fn decode_srgb(v: f32) -> f32 {
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

fn encode_srgb(v: f32) -> f32 {
    if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_goes_there_and_back() {
        for byte in 0..=255_u8 {
            assert!((encoded(linear(byte)) - f32::from(byte)).abs() < 1.0, "{byte}");
        }
    }

    #[test]
    fn beyond_the_edge_the_picture_goes_on_as_it_ends() {
        let picture = Rgb { width: 3, height: 1, pixels: vec![[0; 3], [100; 3], [200; 3]] };
        assert_eq!(picture.sample(0.5, 0.0), [50.0; 3]);
        assert_eq!(picture.sample(-1.0, 0.0), [0.0; 3]);
        assert_eq!(picture.sample(3.0, 7.0), [200.0; 3]);
    }
}
