//! Face detection with YuNet: boxes and five points.

use zeroize::Zeroize as _;

use super::{
    geometry::{BoxF, Point},
    network::{InferenceError, Network},
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
    network: Network,
    heads: Vec<Head>,
}

/// One resolution at which the network looks for faces: positions of its outputs.
#[derive(Debug)]
struct Head {
    stride: usize,
    class: usize,
    object: usize,
    face: usize,
    points: usize,
}

/// Side of the square the picture is scaled into. At 320, one detection costs a quarter of what
/// 640 costs, and a face of 40 pixels or more (an eighth of the picture) is still found: smaller
/// ones are useless for a liveness check anyway.
const INPUT: usize = 320;
/// Faces less certain than this are not reported: OpenCV's sample default.
const MIN_SCORE: f32 = 0.6;
/// Boxes that overlap more than this are one face: OpenCV's default.
const MAX_OVERLAP: f32 = 0.3;
/// No more faces than this are reported; more would tell nothing new, and the cost of comparing
/// boxes grows with the square.
const MAX_FACES: usize = 16;
/// No more candidates than this are compared, best first.
const MAX_CANDIDATES: usize = 256;

impl Detector {
    /// Loads YuNet from its ONNX file.
    ///
    /// # Errors
    /// When the file is not YuNet.
    pub fn load(onnx: &[u8]) -> Result<Self, InferenceError> {
        let network = Network::load("yunet", onnx, &[1, 3, INPUT, INPUT])?;
        let heads = [8, 16, 32]
            .into_iter()
            .map(|stride| {
                let cells = (INPUT / stride) * (INPUT / stride);
                Ok(Head {
                    stride,
                    class: network.output(&format!("cls_{stride}"), cells)?,
                    object: network.output(&format!("obj_{stride}"), cells)?,
                    face: network.output(&format!("bbox_{stride}"), cells * 4)?,
                    points: network.output(&format!("kps_{stride}"), cells * 10)?,
                })
            })
            .collect::<Result<_, InferenceError>>()?;
        Ok(Self { network, heads })
    }

    /// Finds the faces in a picture, the most certain first, at most 16.
    ///
    /// # Errors
    /// When inference fails.
    pub fn detect(&self, picture: &Picture) -> Result<Vec<Detection>, InferenceError> {
        let scale = picture.width().max(picture.height()) as f32 / INPUT as f32;
        let mut input = input_of(picture, scale);
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

/// The picture in the upper left corner of a black square, scaled by area so that small faces do
/// not alias; planes of blue, green, red in `0..=255`.
fn input_of(picture: &Picture, scale: f32) -> Vec<f32> {
    let plane = INPUT * INPUT;
    let mut input = vec![0.0; 3 * plane];
    // Whole source steps per target pixel: averaging this many samples a side is close to an area
    // filter and costs the same for every picture size.
    let taps = (scale.ceil() as usize).clamp(1, 4);
    let share = 1.0 / (taps * taps) as f32;
    for row in 0..INPUT {
        for column in 0..INPUT {
            let mut sum = [0.0; 3];
            for i in 0..taps * taps {
                let (dy, dx) = ((i / taps) as f32 + 0.5, (i % taps) as f32 + 0.5);
                let x = (column as f32 + dx / taps as f32) * scale - 0.5;
                let y = (row as f32 + dy / taps as f32) * scale - 0.5;
                let rgb = picture.pixel(x.round() as isize, y.round() as isize);
                for (s, v) in sum.iter_mut().zip(rgb) {
                    *s += v * share;
                }
            }
            let at = row * INPUT + column;
            for (channel, value) in sum.into_iter().rev().enumerate() {
                if let Some(slot) = input.get_mut(channel * plane + at) {
                    *slot = value;
                }
            }
        }
    }
    input
}

impl Head {
    /// The certain cells of this resolution as faces in picture pixels.
    fn decode(&self, outputs: &[Vec<f32>], scale: f32) -> Vec<Detection> {
        let columns = INPUT / self.stride;
        let unit = self.stride as f32 * scale;
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
                let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
                let (w, h) = (b[2].exp() * unit, b[3].exp() * unit);
                let (cx, cy) = ((column + b[0]) * unit, (row + b[1]) * unit);
                let face = BoxF { x: cx - w / 2.0, y: cy - h / 2.0, w, h };
                let point = |i: usize| Point {
                    x: (k.get(2 * i).copied().unwrap_or(0.0) + column) * unit,
                    y: (k.get(2 * i + 1).copied().unwrap_or(0.0) + row) * unit,
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
        assert!(Detector::load(b"not a model").is_err());
    }
}
