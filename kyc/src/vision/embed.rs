//! Telling faces apart with SFace: 128 numbers a face, close for one person and far for two.

use std::fmt;

use zeroize::{Zeroize as _, ZeroizeOnDrop};

use super::{
    geometry::{Grid, Point},
    network::{InferenceError, Network},
    picture::Picture,
};

/// What tells a face from others: a vector of length 1. It identifies a person, so it is wiped when
/// dropped and never printed.
#[derive(Clone, PartialEq, ZeroizeOnDrop)]
pub struct Embedding([f32; NUMBERS]);

/// SFace, ready to run.
#[derive(Debug)]
pub struct Embedder {
    network: Network,
    output: usize,
}

const NUMBERS: usize = 128;
/// Side of the model's input in pixels.
const INPUT: usize = 112;
/// Where the model wants the five points of a [`Detection`](super::Detection) to lie in its input:
/// the template it was trained on.
const TEMPLATE: [Point; 5] = [
    Point { x: 38.2946, y: 51.6963 },
    Point { x: 73.5318, y: 51.5014 },
    Point { x: 56.0252, y: 71.7366 },
    Point { x: 41.5493, y: 92.3655 },
    Point { x: 70.7299, y: 92.2041 },
];

impl Embedder {
    /// Loads SFace from its ONNX file.
    ///
    /// # Errors
    /// When the file is not SFace.
    pub fn load(onnx: &[u8]) -> Result<Self, InferenceError> {
        let network = Network::load("sface", onnx, &[1, 3, INPUT, INPUT])?;
        Ok(Self { output: network.outputs().named("fc1", NUMBERS)?, network })
    }

    /// The numbers of the face whose eyes, nose and corners of the mouth are at these points.
    ///
    /// # Errors
    /// When the points are not those of a face, or inference fails.
    pub fn embed(
        &self,
        picture: &Picture,
        points: &[Point; 5],
    ) -> Result<Embedding, InferenceError> {
        let failed = |cause: &str| InferenceError::Run {
            model: self.network.name().to_owned(),
            cause: cause.to_owned(),
        };
        let grid = Grid::aligning(points, &TEMPLATE)
            .ok_or_else(|| failed("the points are not those of a face"))?;
        let mut pixels = picture.warp(&grid, INPUT, INPUT);
        let mut input: Vec<f32> = Vec::with_capacity(3 * INPUT * INPUT);
        input.extend(pixels.iter().map(|[r, _, _]| r));
        input.extend(pixels.iter().map(|[_, g, _]| g));
        input.extend(pixels.iter().map(|[_, _, b]| b));
        pixels.zeroize();
        let outputs = self.network.run(&input);
        input.zeroize();
        let mut outputs = outputs?;
        let embedding = outputs.get(self.output).and_then(|numbers| Embedding::of(numbers));
        outputs.zeroize();
        embedding.ok_or_else(|| failed("its output is no direction"))
    }
}

impl Embedding {
    /// Takes a model's numbers and scales them to length 1; `None` for another count than 128, or
    /// numbers without a direction.
    #[must_use]
    pub fn of(numbers: &[f32]) -> Option<Self> {
        let mut vector: [f32; NUMBERS] = numbers.try_into().ok()?;
        let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        if !(length.is_finite() && length > 0.0) {
            vector.zeroize();
            return None;
        }
        vector.iter_mut().for_each(|v| *v /= length);
        Some(Self(vector))
    }

    /// How alike two faces are, `-1..=1`: the cosine of the angle between them. Two pictures of one
    /// person give 0.55 and more in good light, of two people 0.43 and less (see the model card).
    #[must_use]
    pub fn cosine(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum::<f32>().clamp(-1.0, 1.0)
    }

    /// How alike a face is to the one of these that is closest: of several frames of one person,
    /// the one seen most like the portrait tells most. `None` where there are none.
    ///
    /// Whoever is compared may try as often as there are frames, so keep them few.
    #[must_use]
    pub fn best_of(&self, frames: &[Self]) -> Option<f32> {
        frames.iter().map(|frame| self.cosine(frame)).max_by(f32::total_cmp)
    }
}

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedding(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn along(axis: usize, and: usize) -> Embedding {
        let mut numbers = [0.0; NUMBERS];
        numbers[axis] += 3.0;
        numbers[and] += 3.0;
        Embedding::of(&numbers).unwrap()
    }

    #[test]
    fn the_same_face_is_as_alike_as_can_be_and_the_best_frame_counts() {
        let (a, b, c) = (along(0, 0), along(0, 1), along(5, 6));
        assert!((a.cosine(&a) - 1.0).abs() < 1e-6);
        assert!((a.cosine(&b) - 0.5_f32.sqrt()).abs() < 1e-6);
        assert_eq!(a.best_of(&[c.clone(), b.clone()]), Some(a.cosine(&b)));
        assert_eq!(a.best_of(&[]), None);
    }

    #[test]
    fn numbers_without_a_direction_are_no_face() {
        assert_eq!(Embedding::of(&[0.0; NUMBERS]), None);
        assert_eq!(Embedding::of(&[f32::NAN; NUMBERS]), None);
        assert_eq!(Embedding::of(&[1.0; 12]), None);
    }

    #[test]
    fn it_is_never_printed() {
        assert_eq!(format!("{:?}", along(0, 1)), "Embedding(…)");
    }
}
