//! Passive liveness: a model's guess from one picture whether the face is a living one. Models come
//! from operators, with a manifest that says how to feed them. One vote among others: such models
//! do badly on attacks they were not trained on.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use super::{
    geometry::{BoxF, Grid, Point},
    network::{InferenceError, Network},
    picture::Picture,
};

/// How a passive model is fed and read: a part of its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassiveShape {
    /// Width and height of the input in pixels.
    pub size: [usize; 2],
    /// The crop is a square of this many times the face's longer side, around its middle.
    pub crop: f32,
    /// Order of the colour planes.
    pub order: ChannelOrder,
    /// Whether the planes lie one after the other, or each pixel's colours together.
    #[serde(default)]
    pub layout: Layout,
    /// Subtracted from each plane's value (0 to 255), in the order of the planes.
    #[serde(default)]
    pub mean: [f32; 3],
    /// What is left is then multiplied by this, in the order of the planes.
    #[serde(default = "unscaled")]
    pub scale: [f32; 3],
    /// How many numbers the model answers.
    pub outputs: usize,
    /// Which of them says "live", from 0.
    pub live: usize,
    /// Whether they are to be made into probabilities first: together (softmax), the one by itself
    /// (sigmoid), or not at all.
    #[serde(default)]
    pub activation: Activation,
}

/// Order of colour planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// How the input's numbers lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// One plane after the other.
    #[default]
    Nchw,
    /// One pixel after the other.
    Nhwc,
}

/// What makes a probability of the model's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// They are probabilities already.
    #[default]
    None,
    /// Softmax over all of them.
    Softmax,
    /// The logistic function of the one.
    Sigmoid,
}

/// A passive liveness model, ready to run.
#[derive(Debug)]
pub struct PassiveModel {
    network: Network,
    output: usize,
    shape: PassiveShape,
}

/// Larger inputs are no face model's.
const MAX_SIDE: usize = 1_024;
/// More answers are no liveness model's.
const MAX_OUTPUTS: usize = 64;
/// A larger crop would be background mostly.
const MAX_CROP: f32 = 8.0;

const fn unscaled() -> [f32; 3] {
    [1.0; 3]
}

impl PassiveShape {
    /// Whether the numbers describe something that can be; says what cannot.
    ///
    /// # Errors
    /// Names the field.
    pub fn check(&self) -> Result<(), String> {
        let finite = self.mean.iter().chain(&self.scale).all(|v| v.is_finite());
        if self.size.iter().any(|s| !(8..=MAX_SIDE).contains(s)) {
            Err(format!("size must be 8 to {MAX_SIDE} pixels a side"))
        } else if !(0.5..=MAX_CROP).contains(&self.crop) {
            Err(format!("crop must be 0.5 to {MAX_CROP} times the face"))
        } else if !finite || self.scale.contains(&0.0) {
            Err("mean and scale must be numbers, scale other than 0".to_owned())
        } else if !(1..=MAX_OUTPUTS).contains(&self.outputs) || self.live >= self.outputs {
            Err(format!("outputs must be 1 to {MAX_OUTPUTS}, live one of them"))
        } else {
            Ok(())
        }
    }

    fn dimensions(&self) -> [usize; 4] {
        let [width, height] = self.size;
        match self.layout {
            Layout::Nchw => [1, 3, height, width],
            Layout::Nhwc => [1, height, width, 3],
        }
    }
}

impl PassiveModel {
    /// Loads a model and checks that it takes and gives what its manifest says, by running it once.
    ///
    /// # Errors
    /// When it does not.
    pub fn load(name: &str, onnx: &[u8], shape: PassiveShape) -> Result<Self, InferenceError> {
        shape.check().map_err(|what| InferenceError::Shape { model: name.to_owned(), what })?;
        let network = Network::load(name, onnx, &shape.dimensions())?;
        let model = Self { output: network.outputs().of_len(shape.outputs)?, network, shape };
        let [width, height] = model.shape.size;
        model.run(&vec![[127.0; 3]; width * height])?;
        Ok(model)
    }

    /// How live the face looks, `0..=1`.
    ///
    /// # Errors
    /// When inference fails, or gives no number.
    pub fn score(&self, picture: &Picture, face: BoxF) -> Result<f32, InferenceError> {
        let mut pixels = self.crop(picture, face);
        let score = self.run(&pixels);
        pixels.zeroize();
        score
    }

    fn crop(&self, picture: &Picture, face: BoxF) -> Vec<[f32; 3]> {
        let [width, height] = self.shape.size;
        let (centre, side) = (face.centre(), face.w.max(face.h) * self.shape.crop);
        let step = Point { x: side / width as f32, y: side / height as f32 };
        let grid = Grid {
            origin: Point {
                x: centre.x - side / 2.0 + (step.x - 1.0) / 2.0,
                y: centre.y - side / 2.0 + (step.y - 1.0) / 2.0,
            },
            column: Point { x: step.x, y: 0.0 },
            row: Point { x: 0.0, y: step.y },
        };
        picture.warp(&grid, width, height)
    }

    fn run(&self, pixels: &[[f32; 3]]) -> Result<f32, InferenceError> {
        let mut input = self.input_of(pixels);
        let outputs = self.network.run(&input);
        input.zeroize();
        let outputs = outputs?;
        let numbers = outputs.get(self.output).map_or(&[][..], Vec::as_slice);
        let live = numbers.get(self.shape.live).copied().unwrap_or(f32::NAN);
        let score = match self.shape.activation {
            Activation::None => live,
            Activation::Sigmoid => 1.0 / (1.0 + (-live).exp()),
            Activation::Softmax => {
                let most = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                (live - most).exp() / numbers.iter().map(|n| (n - most).exp()).sum::<f32>()
            }
        };
        if score.is_finite() {
            return Ok(score.clamp(0.0, 1.0));
        }
        Err(InferenceError::Run {
            model: self.network.name().to_owned(),
            cause: "its answer is not a number".to_owned(),
        })
    }

    fn input_of(&self, pixels: &[[f32; 3]]) -> Vec<f32> {
        let PassiveShape { mean, scale, order, layout, .. } = &self.shape;
        let planes = |&[r, g, b]: &[f32; 3]| {
            let [x, y, z] = match order {
                ChannelOrder::Rgb => [r, g, b],
                ChannelOrder::Bgr => [b, g, r],
            };
            [(x - mean[0]) * scale[0], (y - mean[1]) * scale[1], (z - mean[2]) * scale[2]]
        };
        match layout {
            Layout::Nhwc => pixels.iter().flat_map(planes).collect(),
            Layout::Nchw => {
                let plane = |channel: usize| {
                    pixels.iter().filter_map(move |p| planes(p).get(channel).copied())
                };
                plane(0).chain(plane(1)).chain(plane(2)).collect()
            }
        }
    }
}
