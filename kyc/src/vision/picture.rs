//! An RGB picture in memory, wiped when it goes.

use std::fmt;

use zeroize::Zeroize;

/// A picture of 8-bit RGB, row by row without padding. Its pixels are overwritten with zeros when
/// it is dropped, and never printed.
#[derive(Clone)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

/// Pixels and dimensions that do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {width}x{height} RGB picture cannot have {bytes} bytes")]
pub struct PictureError {
    width: usize,
    height: usize,
    bytes: usize,
}

impl Picture {
    /// Takes `width * height * 3` bytes of RGB.
    ///
    /// # Errors
    /// When the byte count does not match, or a side is zero.
    pub fn from_rgb(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self, PictureError> {
        let wanted = width.checked_mul(height).and_then(|n| n.checked_mul(3));
        if width == 0 || height == 0 || wanted != Some(rgb.len()) {
            return Err(PictureError { width, height, bytes: rgb.len() });
        }
        Ok(Self { width, height, rgb })
    }

    /// Width in pixels, at least 1.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels, at least 1.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.height
    }

    /// The pixels, row by row.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The pixel at a column and row; black outside the picture.
    #[must_use]
    pub fn pixel(&self, x: isize, y: isize) -> [f32; 3] {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return [0.0; 3] };
        if x >= self.width || y >= self.height {
            return [0.0; 3];
        }
        let at = (y * self.width + x) * 3;
        match self.rgb.get(at..at + 3) {
            Some(&[r, g, b]) => [f32::from(r), f32::from(g), f32::from(b)],
            _ => [0.0; 3],
        }
    }

    /// Bilinear sample between pixel centres at whole coordinates; black outside the picture.
    #[must_use]
    pub fn sample(&self, x: f32, y: f32) -> [f32; 3] {
        if !(x.is_finite() && y.is_finite()) {
            return [0.0; 3];
        }
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = (x - left, y - top);
        let (ix, iy) = (left as isize, top as isize);
        let mix = |a: [f32; 3], b: [f32; 3], t: f32| {
            [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
        };
        let (jx, jy) = (ix.saturating_add(1), iy.saturating_add(1));
        mix(
            mix(self.pixel(ix, iy), self.pixel(jx, iy), fx),
            mix(self.pixel(ix, jy), self.pixel(jx, jy), fx),
            fy,
        )
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        self.rgb.zeroize();
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_blends_neighbours_and_is_black_outside() {
        let picture = Picture::from_rgb(2, 1, vec![0, 0, 0, 200, 100, 50]).unwrap();
        assert_eq!(picture.sample(0.5, 0.0), [100.0, 50.0, 25.0]);
        assert_eq!(picture.sample(-5.0, 0.0), [0.0; 3]);
        assert_eq!(picture.sample(f32::NAN, 0.0), [0.0; 3]);
        assert_eq!(picture.sample(f32::MAX, f32::MIN), [0.0; 3]);
    }

    #[test]
    fn dimensions_must_match_the_bytes() {
        assert!(Picture::from_rgb(2, 2, vec![0; 11]).is_err());
        assert!(Picture::from_rgb(0, 2, vec![]).is_err());
        assert!(Picture::from_rgb(usize::MAX, 2, vec![]).is_err());
    }
}
