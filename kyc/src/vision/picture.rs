//! An RGB picture in memory, wiped when it goes.

use std::fmt;

use zeroize::Zeroize;

use super::geometry::Grid;

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
        let (jx, jy) = (ix.saturating_add(1), iy.saturating_add(1));
        mix(
            mix(self.pixel(ix, iy), self.pixel(jx, iy), fx),
            mix(self.pixel(ix, jy), self.pixel(jx, jy), fx),
            fy,
        )
    }

    /// Bilinear samples on a grid of `width` by `height` points, row by row; black outside the
    /// picture. Channels are red, green, blue in `0..=255`.
    #[must_use]
    pub fn warp(&self, grid: &Grid, width: usize, height: usize) -> Vec<[f32; 3]> {
        let mut out = Vec::with_capacity(width * height);
        for row in 0..height {
            let start = grid.at(0.0, row as f32);
            out.extend((0..width).map(|column| {
                let x = start.x + grid.column.x * column as f32;
                let y = start.y + grid.column.y * column as f32;
                self.sample_inside(x, y).unwrap_or_else(|| self.sample(x, y))
            }));
        }
        out
    }

    /// [`Self::sample`] where all four neighbours are inside, without looking at each of them for
    /// itself: what almost every sample of a face is.
    #[inline]
    fn sample_inside(&self, x: f32, y: f32) -> Option<[f32; 3]> {
        // Negative numbers and NaN fail here, others are checked by the slices below.
        if !(x >= 0.0 && y >= 0.0 && x < (self.width - 1) as f32) {
            return None;
        }
        let (ix, iy) = (x as usize, y as usize);
        let (fx, fy) = (x - ix as f32, y - iy as f32);
        let at = iy.checked_mul(self.width * 3)?.checked_add(ix * 3)?;
        let [r, g, b, right @ ..] = *self.rgb.get(at..)?.first_chunk::<6>()?;
        let top = mix([r, g, b].map(f32::from), right.map(f32::from), fx);
        let [r, g, b, right @ ..] = *self.rgb.get(at + self.width * 3..)?.first_chunk::<6>()?;
        let low = mix([r, g, b].map(f32::from), right.map(f32::from), fx);
        Some(mix(top, low, fy))
    }

    /// The picture scaled down to `width` by `height` points, each the mean of the area it covers;
    /// row by row, red, green, blue in `0..=255`.
    #[must_use]
    pub fn shrink(&self, width: usize, height: usize) -> Vec<[f32; 3]> {
        let (columns, rows) = (shares(self.width, width), shares(self.height, height));
        let mut out = Vec::with_capacity(width * height);
        let mut sum = vec![0.0_f32; self.width * 3];
        for row in rows {
            sum.fill(0.0);
            let lines = self.rgb.chunks_exact(self.width * 3).skip(row.first);
            for (line, weight) in lines.zip(&row.weights) {
                for (s, &value) in sum.iter_mut().zip(line) {
                    *s += f32::from(value) * weight;
                }
            }
            let pixels = sum.as_chunks::<3>().0;
            out.extend(columns.iter().map(|column| {
                let covered = pixels.iter().skip(column.first).zip(&column.weights);
                covered
                    .fold([0.0; 3], |[r, g, b], (p, w)| [r + p[0] * w, g + p[1] * w, b + p[2] * w])
            }));
        }
        sum.zeroize();
        out
    }
}

#[inline]
fn mix(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

/// Which pixels one scaled pixel covers along a side, and how much of it each is.
struct Share {
    first: usize,
    weights: Vec<f32>,
}

fn shares(from: usize, to: usize) -> Vec<Share> {
    let scale = from as f32 / to.max(1) as f32;
    (0..to)
        .map(|at| {
            let (start, end) = (at as f32 * scale, (at + 1) as f32 * scale);
            let first = start as usize;
            let last = (end.ceil() as usize).clamp(first + 1, from.max(first + 1));
            let part = |pixel: usize| ((pixel + 1) as f32).min(end) - (pixel as f32).max(start);
            Share { first, weights: (first..last).map(|p| part(p).max(0.0) / scale).collect() }
        })
        .collect()
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
    use super::{super::geometry::Point, *};

    #[test]
    fn sampling_blends_neighbours_and_is_black_outside() {
        let picture = Picture::from_rgb(2, 1, vec![0, 0, 0, 200, 100, 50]).unwrap();
        assert_eq!(picture.sample(0.5, 0.0), [100.0, 50.0, 25.0]);
        assert_eq!(picture.sample(-5.0, 0.0), [0.0; 3]);
        assert_eq!(picture.sample(f32::NAN, 0.0), [0.0; 3]);
        assert_eq!(picture.sample(f32::MAX, f32::MIN), [0.0; 3]);
    }

    fn gradient(width: usize, height: usize) -> Picture {
        let pixel = |i: usize| [(i % width) as u8, (i / width) as u8, (i % 7) as u8];
        Picture::from_rgb(width, height, (0..width * height).flat_map(pixel).collect()).unwrap()
    }

    #[test]
    fn a_grid_reads_the_same_as_single_samples_inside_and_across_the_edge() {
        let picture = gradient(20, 10);
        let grid = Grid {
            origin: Point { x: -3.2, y: -2.1 },
            column: Point { x: 1.3, y: 0.4 },
            row: Point { x: -0.4, y: 1.3 },
        };
        let warped = picture.warp(&grid, 18, 12);
        for (i, &seen) in warped.iter().enumerate() {
            let at = grid.at((i % 18) as f32, (i / 18) as f32);
            let wanted = picture.sample(at.x, at.y);
            for (a, b) in seen.iter().zip(wanted) {
                assert!((a - b).abs() < 1e-2, "{at:?}: {seen:?} {wanted:?}");
            }
        }
        assert!(warped.contains(&[0.0; 3]) && warped.iter().any(|p| p[0] > 5.0));
    }

    #[test]
    fn shrinking_keeps_the_mean() {
        for (width, height) in [(10, 5), (7, 3), (20, 10), (1, 1)] {
            let picture = gradient(20, 10);
            let small = picture.shrink(width, height);
            assert_eq!(small.len(), width * height);
            let mean = small.iter().map(|p| p[0]).sum::<f32>() / small.len() as f32;
            assert!((mean - 9.5).abs() < 1e-3, "{width}x{height}: {mean}");
        }
    }

    #[test]
    fn dimensions_must_match_the_bytes() {
        assert!(Picture::from_rgb(2, 2, vec![0; 11]).is_err());
        assert!(Picture::from_rgb(0, 2, vec![]).is_err());
        assert!(Picture::from_rgb(usize::MAX, 2, vec![]).is_err());
    }
}
