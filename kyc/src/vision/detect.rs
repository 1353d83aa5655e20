//! Face detection with YuNet: boxes and five points.

use zeroize::Zeroize as _;

use super::{
    convnet::ConvNet,
    geometry::{BoxF, Grid, Point},
    network::InferenceError,
    picture::Picture,
};

/// A face found in a picture, in picture pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Where.
    pub face: BoxF,
    /// Confidence in `0..=1`.
    pub score: f32,
    /// The person's right eye, left eye, nose tip, right and left mouth corner. (Their right is
    /// on the picture's left.)
    pub points: [Point; 5],
}

/// YuNet at a fixed, small input size.
#[derive(Debug)]
pub struct Detector {
    network: ConvNet,
    side: usize,
    heads: Vec<Head>,
}

/// One resolution at which the network looks for faces: positions of its outputs.
#[derive(Debug)]
struct Head {
    stride: usize,
    columns: usize,
    class: usize,
    object: usize,
    face: usize,
    points: usize,
}

/// Side of the square the picture is scaled into before a check. At 320, one detection costs a
/// quarter of what 640 costs, and a face of 40 pixels or more (an eighth of the picture) is still
/// found: smaller ones are useless for a liveness check anyway.
pub(super) const FULL: usize = 320;
/// The same for the watch over a call: a quarter of the cost again; faces of a quarter of the
/// picture's longer side are found.
pub(super) const QUICK: usize = 160;
/// Faces less certain than this are not reported: OpenCV's sample default.
const MIN_SCORE: f32 = 0.6;
/// Boxes that overlap more than this are one face: OpenCV's default.
const MAX_OVERLAP: f32 = 0.3;
/// Of several faces, those smaller than this share of the largest one's area are pictures on a
/// wall or people far behind, not a second person at the counter.
const BYSTANDER: f32 = 0.1;
/// No more faces than this are reported; more would tell nothing new, and the cost of comparing
/// boxes grows with the square.
const MAX_FACES: usize = 16;
/// No more candidates than this are compared, best first.
const MAX_CANDIDATES: usize = 256;

impl Detector {
    /// Loads YuNet from its ONNX file, to look at pictures scaled into a square of `side` pixels
    /// (a multiple of 32).
    ///
    /// # Errors
    /// When the file is not YuNet.
    pub fn load(onnx: &[u8], side: usize) -> Result<Self, InferenceError> {
        let network = ConvNet::load("yunet", onnx, side)?;
        let heads = [8, 16, 32]
            .into_iter()
            .map(|stride| {
                let columns = side / stride;
                let cells = columns * columns;
                Ok(Head {
                    stride,
                    columns,
                    class: network.outputs().named(&format!("cls_{stride}"), cells)?,
                    object: network.outputs().named(&format!("obj_{stride}"), cells)?,
                    face: network.outputs().named(&format!("bbox_{stride}"), cells * 4)?,
                    points: network.outputs().named(&format!("kps_{stride}"), cells * 10)?,
                })
            })
            .collect::<Result<_, InferenceError>>()?;
        Ok(Self { network, side, heads })
    }

    /// Finds the faces in a picture, the most certain first, at most 16.
    ///
    /// # Errors
    /// When inference fails.
    pub fn detect(&self, picture: &Picture) -> Result<Vec<Detection>, InferenceError> {
        let scale = picture.width().max(picture.height()) as f32 / self.side as f32;
        let mut input = input_of(picture, self.side, scale);
        let outputs = self.network.run(&input);
        input.zeroize();
        let outputs = outputs?;
        let mut found: Vec<Detection> =
            self.heads.iter().flat_map(|head| head.decode(&outputs, scale)).collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(MAX_CANDIDATES);
        Ok(suppress(found))
    }
}

/// The largest of the faces found, and how many people are at the counter; `None` where nobody is.
#[must_use]
pub fn largest_of(found: &[Detection]) -> Option<(&Detection, u32)> {
    let largest = found.iter().max_by(|a, b| a.face.area().total_cmp(&b.face.area()))?;
    let limit = largest.face.area() * BYSTANDER;
    let count = found.iter().filter(|d| d.face.area() >= limit).count();
    Some((largest, u32::try_from(count).unwrap_or(u32::MAX)))
}

/// The picture in the upper left corner of a black square of `side` pixels, scaled by area so that
/// small faces do not alias; pixels of blue, green, red in `0..=255`.
fn input_of(picture: &Picture, side: usize, scale: f32) -> Vec<f32> {
    let fit = |n: usize| ((n as f32 / scale).round() as usize).clamp(1, side);
    let (width, height) = (fit(picture.width()), fit(picture.height()));
    let mut small = if scale > 1.0 {
        picture.shrink(width, height)
    } else {
        let half = (scale - 1.0) / 2.0;
        let grid = Grid {
            origin: Point { x: half, y: half },
            column: Point { x: scale, y: 0.0 },
            row: Point { x: 0.0, y: scale },
        };
        picture.warp(&grid, width, height)
    };
    let mut input = vec![0.0; side * side * 3];
    let lines = input.chunks_exact_mut(side * 3).zip(small.chunks_exact(width));
    for (line, pixels) in lines {
        for (slot, [r, g, b]) in line.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
            *slot = [*b, *g, *r];
        }
    }
    small.zeroize();
    input
}

impl Head {
    /// The certain cells of this resolution as faces in picture pixels.
    fn decode(&self, outputs: &[Vec<f32>], scale: f32) -> Vec<Detection> {
        let unit = self.stride as f32 * scale;
        // Middles of pixels lie at whole numbers, in the picture and in the network's input.
        let shift = (scale - 1.0) / 2.0;
        let of = |index: usize| outputs.get(index).map_or(&[][..], Vec::as_slice);
        let (class, object) = (of(self.class), of(self.object));
        let (boxes, points) =
            (of(self.face).as_chunks::<4>().0, of(self.points).as_chunks::<10>().0);
        let cells = class.iter().zip(object).zip(boxes).zip(points).enumerate();
        cells
            .filter_map(|(cell, (((class, object), b), k))| {
                let score = (class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0)).sqrt();
                if score.is_nan() || score < MIN_SCORE {
                    return None;
                }
                let (column, row) = ((cell % self.columns) as f32, (cell / self.columns) as f32);
                let (w, h) = (b[2].exp() * unit, b[3].exp() * unit);
                let (cx, cy) = ((column + b[0]) * unit + shift, (row + b[1]) * unit + shift);
                let face = BoxF { x: cx - w / 2.0, y: cy - h / 2.0, w, h };
                let point = |i: usize| Point {
                    x: (k.get(2 * i).copied().unwrap_or(0.0) + column) * unit + shift,
                    y: (k.get(2 * i + 1).copied().unwrap_or(0.0) + row) * unit + shift,
                };
                let sane = face.area().is_finite() && face.area() > 0.0;
                sane.then(|| Detection {
                    face,
                    score,
                    points: [point(0), point(1), point(2), point(3), point(4)],
                })
            })
            .collect()
    }
}

/// Keeps the best of boxes that overlap. `found` comes best first.
fn suppress(found: Vec<Detection>) -> Vec<Detection> {
    let mut kept: Vec<Detection> = Vec::new();
    for candidate in found {
        if kept.len() == MAX_FACES {
            break;
        }
        if kept.iter().all(|k| k.face.iou(&candidate.face) <= MAX_OVERLAP) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_overlapping_boxes_the_best_stays() {
        let at = |x: f32, score: f32| Detection {
            face: BoxF { x, y: 0.0, w: 10.0, h: 10.0 },
            score,
            points: [Point::default(); 5],
        };
        let kept = suppress(vec![at(0.0, 0.9), at(1.0, 0.8), at(50.0, 0.7)]);
        assert_eq!(kept.iter().map(|d| d.score).collect::<Vec<_>>(), [0.9, 0.7]);
    }

    #[test]
    fn garbage_is_not_yunet() {
        assert!(Detector::load(b"not a model", FULL).is_err());
    }
}
