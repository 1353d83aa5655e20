//! Pictures in planes (I420): filling, fitting and drawing masks over them.

use openh264::formats::YUVSource;

use super::layout::Rect;

/// Luma of a card's ground.
pub(super) const DARK: u8 = 34;
/// Luma of what is drawn upon it.
pub(super) const WHITE: u8 = 235;
/// Chroma of grey.
const GREY: u8 = 128;

/// A picture of its own planes, without padding. Both sides are even.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pub width: usize,
    pub height: usize,
    planes: [Vec<u8>; 3],
}

/// How much of a mask's white shows; 256 is all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opacity(pub u16);

/// White with transparency, drawn once and laid over many pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mask {
    pub width: usize,
    pub height: usize,
    /// Row by row; 0 is clear.
    pub alpha: Vec<u8>,
}

impl Picture {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let chroma = vec![GREY; (width / 2) * (height / 2)];
        Self { width, height, planes: [vec![DARK; width * height], chroma.clone(), chroma] }
    }

    /// Makes a part of it one even grey.
    pub(super) fn fill(&mut self, part: Rect, luma: u8) {
        for (plane, value) in [(0, luma), (1, GREY), (2, GREY)] {
            self.rows_mut(plane, part).for_each(|row| row.fill(value));
        }
    }

    /// Puts a picture of the part's size there.
    pub(super) fn put(&mut self, part: Rect, picture: &Self) {
        for plane in 0..3 {
            let width = (picture.width >> shift(plane)).max(1);
            let from = picture.planes.get(plane).into_iter().flat_map(|p| p.chunks_exact(width));
            for (to, from) in self.rows_mut(plane, part).zip(from) {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = *from;
                }
            }
        }
    }

    /// Draws white through a mask, as much of it as is inside.
    pub(super) fn draw(&mut self, mask: &Mask, x: usize, y: usize, Opacity(opacity): Opacity) {
        let part = Rect { x, y, width: mask.width, height: mask.height };
        let masks = mask.alpha.chunks_exact(mask.width.max(1));
        for (row, mask) in self.rows_mut(0, part).zip(masks) {
            for (pixel, alpha) in row.iter_mut().zip(mask) {
                if *alpha == 0 {
                    continue;
                }
                let alpha = u32::from(*alpha) * u32::from(opacity) / 256;
                let old = u32::from(*pixel);
                let new = old + (u32::from(WHITE).saturating_sub(old)) * alpha / 255;
                *pixel = u8::try_from(new).unwrap_or(u8::MAX);
            }
        }
    }

    /// Darkens a part, so that what is written there can be read on any picture.
    pub(super) fn shade(&mut self, part: Rect) {
        for row in self.rows_mut(0, part) {
            row.iter_mut().for_each(|pixel| *pixel = *pixel / 4 + 12);
        }
        for plane in 1..3 {
            for row in self.rows_mut(plane, part) {
                row.iter_mut().for_each(|pixel| *pixel = *pixel / 4 + 96);
            }
        }
    }

    /// The rows of a part of a plane; what is outside is left out. `part` counts in luma pixels.
    fn rows_mut(&mut self, plane: usize, part: Rect) -> impl Iterator<Item = &mut [u8]> {
        let shift = shift(plane);
        let width = (self.width >> shift).max(1);
        let from = (part.x >> shift).min(width);
        let to = ((part.x + part.width) >> shift).clamp(from, width);
        let rows = self.planes.get_mut(plane).into_iter().flat_map(move |p| p.chunks_mut(width));
        rows.skip(part.y >> shift)
            .take(part.height >> shift)
            .filter_map(move |row| row.get_mut(from..to))
    }
}

const fn shift(plane: usize) -> usize {
    if plane == 0 { 0 } else { 1 }
}

impl YUVSource for Picture {
    fn dimensions(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.width, self.width / 2, self.width / 2)
    }

    fn y(&self) -> &[u8] {
        let [y, ..] = &self.planes;
        y
    }

    fn u(&self) -> &[u8] {
        let [_, u, _] = &self.planes;
        u
    }

    fn v(&self) -> &[u8] {
        let [.., v] = &self.planes;
        v
    }
}

/// Fits pictures of one size into a frame of another: as large as it goes, in the middle, on black.
/// The weights are worked out once for each size that comes.
pub(super) struct Fitter {
    frame: (usize, usize),
    plan: Option<Plan>,
    row: Vec<u8>,
}

struct Plan {
    source: (usize, usize),
    inner: Rect,
    /// Columns and rows of luma, then of chroma.
    axes: [(Vec<Tap>, Vec<Tap>); 2],
}

/// Between which two source pixels one of the result lies, and how near to the second (of 256).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tap {
    first: usize,
    weight: u16,
}

impl Fitter {
    pub(super) const fn new(width: usize, height: usize) -> Self {
        Self { frame: (width, height), plan: None, row: Vec::new() }
    }

    /// Draws `source` into `out`, which has the frame's size. Nothing for an empty source.
    pub(super) fn fit(&mut self, source: &impl YUVSource, out: &mut Picture) {
        let size = source.dimensions();
        if size.0 < 2 || size.1 < 2 {
            return;
        }
        let stale = self.plan.take().filter(|plan| plan.source == size);
        let plan = stale.unwrap_or_else(|| {
            out.fill(Rect { x: 0, y: 0, width: self.frame.0, height: self.frame.1 }, 16);
            Plan::new(size, self.frame)
        });
        let (y, u, v) = source.strides();
        let planes = [(source.y(), y), (source.u(), u), (source.v(), v)];
        for (at, (plane, stride)) in planes.into_iter().enumerate() {
            let shift = shift(at);
            let source_width = size.0.div_ceil(1 << shift);
            let [luma, chroma] = &plan.axes;
            let (columns, rows) = if at == 0 { luma } else { chroma };
            for (out, tap) in out.rows_mut(at, plan.inner).zip(rows) {
                let line = |n: usize| plane.get(n * stride..n * stride + source_width);
                let Some(first) = line(tap.first) else { continue };
                let second = line(tap.first + 1).unwrap_or(first);
                if columns.len() == source_width && tap.weight == 0 {
                    out.iter_mut().zip(first).for_each(|(to, from)| *to = *from);
                    continue;
                }
                blend(&mut self.row, first, second, tap.weight);
                stretch(out, &self.row, columns);
            }
        }
        self.plan = Some(plan);
    }
}

/// A row between two rows, with its last pixel once more behind it.
fn blend(row: &mut Vec<u8>, first: &[u8], second: &[u8], weight: u16) {
    row.clear();
    row.extend(first.iter().zip(second).map(|(a, b)| mix(*a, *b, weight)));
    row.extend(first.last().copied());
}

fn stretch(out: &mut [u8], row: &[u8], columns: &[Tap]) {
    for (to, tap) in out.iter_mut().zip(columns) {
        if let Some([a, b]) = row.get(tap.first..tap.first + 2) {
            *to = mix(*a, *b, tap.weight);
        }
    }
}

/// A mean of two bytes is a byte.
const fn mix(a: u8, b: u8, weight: u16) -> u8 {
    ((a as u16 * (256 - weight) + b as u16 * weight) >> 8) as u8
}

impl Plan {
    fn new(source: (usize, usize), frame: (usize, usize)) -> Self {
        let inner = fitted(source, frame);
        let axis = |shift: usize| {
            let halved = |n: usize| n.div_ceil(1 << shift);
            (
                taps(halved(source.0), inner.width >> shift),
                taps(halved(source.1), inner.height >> shift),
            )
        };
        Self { source, inner, axes: [axis(0), axis(1)] }
    }
}

/// Where a picture lies in a frame: its shape kept, in the middle, on even pixels.
fn fitted((width, height): (usize, usize), frame: (usize, usize)) -> Rect {
    let by_width = height * frame.0 / width.max(1);
    let (w, h) = if by_width <= frame.1 {
        (frame.0, by_width)
    } else {
        (width * frame.1 / height.max(1), frame.1)
    };
    let even = |n: usize| n & !1;
    let (w, h) = (even(w).max(2), even(h).max(2));
    Rect { x: even((frame.0 - w) / 2), y: even((frame.1 - h) / 2), width: w, height: h }
}

/// For each of `to` pixels its place among `from` ones, centre on centre.
fn taps(from: usize, to: usize) -> Vec<Tap> {
    let last = from.saturating_sub(1) * 256;
    let tap = |n: usize| {
        let at = ((2 * n + 1) * from * 128 / to.max(1)).saturating_sub(128).min(last);
        Tap { first: at / 256, weight: u16::try_from(at % 256).unwrap_or(0) }
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn even_grey(width: usize, height: usize, luma: u8) -> Picture {
        let mut picture = Picture::new(width, height);
        picture.fill(Rect { x: 0, y: 0, width, height }, luma);
        picture
    }

    #[test]
    fn a_picture_of_the_frames_size_is_kept_as_it_is() {
        let mut source = Picture::new(64, 48);
        for (n, pixel) in source.planes[0].iter_mut().enumerate() {
            *pixel = (n * 7 % 251) as u8;
        }
        let mut out = Picture::new(64, 48);
        Fitter::new(64, 48).fit(&source, &mut out);
        assert!(out == source);
    }

    #[test]
    fn what_is_wider_than_the_frame_gets_bars_above_and_below() {
        let mut out = Picture::new(480, 360);
        Fitter::new(480, 360).fit(&even_grey(1280, 720, 200), &mut out);
        assert_eq!(out.y()[0], 16);
        assert_eq!(out.y()[480 * 180 + 240], 200);
    }

    #[test]
    fn drawing_beyond_the_edge_is_cut_off() {
        let mut picture = even_grey(32, 32, 0);
        let mask = Mask { width: 20, height: 20, alpha: vec![255; 400] };
        picture.draw(&mask, 20, 25, Opacity(256));
        assert_eq!(picture.y()[31 * 32 + 31], WHITE);
        assert_eq!(picture.y()[24 * 32 + 31], 0);
        picture.draw(&mask, 100, 100, Opacity(256));
    }

    proptest! {
        #[test]
        fn any_size_fits_and_an_even_grey_stays_one(
            source in (2usize..400, 2usize..400),
            frame in (1usize..150, 1usize..150),
        ) {
            let (w, h) = (frame.0 * 2, frame.1 * 2);
            let inner = fitted(source, (w, h));
            prop_assert!(inner.x + inner.width <= w && inner.y + inner.height <= h);
            let source = even_grey(source.0 & !1, source.1 & !1, 77);
            let mut out = Picture::new(w, h);
            Fitter::new(w, h).fit(&source, &mut out);
            prop_assert!(out.y().iter().all(|p| [16, 76, 77].contains(p)));
        }
    }
}
