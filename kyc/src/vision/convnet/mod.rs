//! A small runner for the convolutional networks that look at every picture (face mesh, face
//! detector), written for them because the general one takes most of its time beside the
//! arithmetic: it turns each parametric ReLU into four passes over memory, and packs every image
//! anew before each of the many 1x1 convolutions on few channels. See `docs/adr/0009`.
//!
//! It takes an ONNX file whose nodes it all knows and leaves every other to the general runner.
//! Pixels keep their channels together, in groups of eight; activations and residual additions
//! happen while a convolution's sums are still in registers.

mod build;
mod kernels;
mod onnx;

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use fearless_simd::{Level, Simd, dispatch};

use zeroize::Zeroize as _;

use super::network::{InferenceError, Outputs};
use kernels::{ConvRow, Eight, depthwise_row, maximum_row};

/// A network that maps one picture (rows of pixels, channels together) to its outputs.
pub(super) struct ConvNet {
    results: Outputs,
    /// What vectors the processor has.
    level: Level,
    input: InputShape,
    maps: Vec<MapShape>,
    steps: Vec<Step>,
    outputs: Vec<Output>,
    /// Working memory of runs that are over, for the next ones: at most as many as ever ran at the
    /// same time. Taking fresh memory for every run costs as much as a tenth of the run.
    idle: Mutex<Vec<Memory>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InputShape {
    height: usize,
    width: usize,
    channels: usize,
}

/// A picture between two steps, with an edge of one zero pixel all round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MapShape {
    height: usize,
    width: usize,
    /// Groups of eight channels; those beyond the real ones are zero.
    groups: usize,
}

/// What is read: the picture, or a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Picture,
    Map(usize),
}

enum Step {
    /// A convolution over all channels, kernel up to 3x3; with `add` onto what `to` holds.
    Conv { conv: Box<Conv>, from: Source, to: usize, add: bool },
    /// A 3x3 convolution of each channel by itself.
    DepthWise { conv: Box<DepthWise>, from: usize, to: usize },
    /// The largest of 2x2; channels that `to` has more are zero.
    Maximum { from: usize, to: usize },
    /// `to` = `onto` + `small` doubled in both directions.
    AddDoubled { small: usize, onto: usize, to: usize },
}

struct Conv {
    kernel: [usize; 2],
    stride: usize,
    /// Rows above and columns to the left that are beyond the edge, 0 or 1.
    before: [usize; 2],
    weights: Weights,
    bias: Vec<Eight>,
    slope: Vec<Eight>,
}

/// For each block of output channels, for each value under the kernel, the block's weights.
enum Weights {
    One(Vec<[Eight; 1]>),
    Two(Vec<[Eight; 2]>),
}

struct DepthWise {
    weights: Vec<[Eight; 9]>,
    bias: Vec<Eight>,
    slope: Vec<Eight>,
}

struct Output {
    map: usize,
    channels: usize,
    sigmoid: bool,
}

struct Memory {
    picture: Vec<f32>,
    maps: Vec<Vec<Eight>>,
}

impl ConvNet {
    /// Reads an ONNX file for square pictures of `side` pixels in three colours.
    ///
    /// # Errors
    /// When it is anything else than a small convolutional network of nodes known here.
    pub(super) fn load(name: &str, onnx: &[u8], side: usize) -> Result<Self, InferenceError> {
        let input = InputShape { height: side, width: side, channels: 3 };
        build::build(name, onnx, input).ok_or_else(|| InferenceError::Load {
            model: name.to_owned(),
            cause: "it is not a small convolutional network of the known kinds".to_owned(),
        })
    }

    /// Its outputs, in the order that [`Self::run`] gives them in.
    pub(super) const fn outputs(&self) -> &Outputs {
        &self.results
    }

    /// Runs it on a picture, row by row, channels together. Outputs are in the same order.
    ///
    /// # Errors
    /// When the picture is of another size.
    pub(super) fn run(&self, picture: &[f32]) -> Result<Vec<Vec<f32>>, InferenceError> {
        let InputShape { height, width, channels } = self.input;
        if picture.len() != height * width * channels {
            return Err(InferenceError::Run {
                model: self.results.model().to_owned(),
                cause: format!("input of {} numbers for {:?}", picture.len(), self.input),
            });
        }
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = idle.unwrap_or_else(|| self.memory());
        let inside = memory.picture.chunks_exact_mut((width + 2) * channels).skip(1);
        for (line, pixels) in inside.zip(picture.chunks_exact(width * channels)) {
            let line = line.get_mut(channels..(width + 1) * channels).unwrap_or_default();
            line.copy_from_slice(pixels);
        }
        for step in &self.steps {
            self.step(step, &mut memory);
        }
        let outputs = self.outputs.iter().map(|o| self.output(o, &memory)).collect();
        // The slice: a vector that is wiped is empty afterwards.
        memory.picture.as_mut_slice().zeroize();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        Ok(outputs)
    }

    fn memory(&self) -> Memory {
        let InputShape { height, width, channels } = self.input;
        Memory {
            picture: vec![0.0; (height + 2) * (width + 2) * channels],
            maps: self.maps.iter().map(|m| vec![[0.0; 8]; m.len()]).collect(),
        }
    }

    fn step(&self, step: &Step, memory: &mut Memory) {
        let (Step::Conv { to, .. }
        | Step::DepthWise { to, .. }
        | Step::Maximum { to, .. }
        | Step::AddDoubled { to, .. }) = *step;
        // The map that is written is taken out, so that the others can be read.
        let Some(mut target) = memory.maps.get_mut(to).map(std::mem::take) else { return };
        let Some(&shape) = self.maps.get(to) else { return };
        dispatch!(self.level, simd => self.run_step(simd, step, memory, shape, &mut target));
        if let Some(slot) = memory.maps.get_mut(to) {
            *slot = target;
        }
    }

    #[inline(always)]
    fn run_step<S: Simd>(
        &self,
        simd: S,
        step: &Step,
        memory: &Memory,
        shape: MapShape,
        target: &mut [Eight],
    ) {
        let map = |id: usize| {
            let data = memory.maps.get(id).map_or(&[][..], Vec::as_slice);
            self.maps.get(id).map(|shape| Map { shape: *shape, data })
        };
        let rows = (0..shape.height).zip(shape.inside(target));
        match step {
            Step::Conv { conv, from, add, .. } => {
                let (line, channels, data) = match *from {
                    Source::Picture => {
                        let InputShape { width, channels, .. } = self.input;
                        ((width + 2) * channels, channels, memory.picture.as_slice())
                    }
                    Source::Map(id) => {
                        let Some(map) = map(id) else { return };
                        let channels = map.shape.groups * 8;
                        ((map.shape.width + 2) * channels, channels, map.data.as_flattened())
                    }
                };
                for (y, output) in rows {
                    let inputs = [0, 1, 2].map(|ky| {
                        let start = (y * conv.stride + ky + 1 - conv.before[0]) * line;
                        data.get(start + (1 - conv.before[1]) * channels..).unwrap_or_default()
                    });
                    conv.row(simd, inputs, channels, output, shape, *add);
                }
            }
            Step::DepthWise { conv, from, .. } => {
                let Some(map) = map(*from) else { return };
                for (y, output) in rows {
                    let inputs = [0, 1, 2].map(|ky| map.line(y + ky));
                    let DepthWise { weights, bias, slope } = &**conv;
                    depthwise_row(simd, inputs, weights, bias, slope, output);
                }
            }
            Step::Maximum { from, .. } => {
                let Some(map) = map(*from) else { return };
                for (y, output) in rows {
                    let inputs = [2 * y, 2 * y + 1].map(|y| map.inner(y));
                    maximum_row(inputs, map.shape.groups, output, shape.groups);
                }
            }
            Step::AddDoubled { small, onto, .. } => {
                let (Some(small), Some(onto)) = (map(*small), map(*onto)) else { return };
                for (y, output) in rows {
                    let groups = shape.groups.max(1);
                    let doubled = small.inner(y / 2).chunks_exact(groups).flat_map(|p| [p, p]);
                    let pixels = output.chunks_exact_mut(groups);
                    for ((slots, a), b) in
                        pixels.zip(onto.inner(y).chunks_exact(groups)).zip(doubled)
                    {
                        for ((slot, a), b) in slots.iter_mut().zip(a).zip(b) {
                            for ((s, a), b) in slot.iter_mut().zip(a).zip(b) {
                                *s = a + b;
                            }
                        }
                    }
                }
            }
        }
    }

    fn output(&self, output: &Output, memory: &Memory) -> Vec<f32> {
        let (Some(shape), Some(data)) = (self.maps.get(output.map), memory.maps.get(output.map))
        else {
            return Vec::new();
        };
        let map = Map { shape: *shape, data };
        let rows = (0..shape.height).flat_map(|y| map.inner(y).chunks_exact(shape.groups.max(1)));
        let numbers = rows.flat_map(|pixel| pixel.as_flattened().iter().take(output.channels));
        if output.sigmoid {
            numbers.map(|v| 1.0 / (1.0 + (-v).exp())).collect()
        } else {
            numbers.copied().collect()
        }
    }
}

impl fmt::Debug for ConvNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (input, outputs) = (&self.input, &self.results);
        write!(f, "ConvNet({input:?} to {outputs:?})")
    }
}

/// A map and its memory.
#[derive(Clone, Copy)]
struct Map<'a> {
    shape: MapShape,
    data: &'a [Eight],
}

impl<'a> Map<'a> {
    /// A line with its edges; line 0 is the edge above the picture.
    #[inline(always)]
    fn line(&self, line: usize) -> &'a [Eight] {
        let length = self.shape.line();
        self.data.get(line * length..(line + 1) * length).unwrap_or_default()
    }

    /// A row of the picture without the edges.
    #[inline(always)]
    fn inner(&self, y: usize) -> &'a [Eight] {
        let MapShape { width, groups, .. } = self.shape;
        self.line(y + 1).get(groups..(width + 1) * groups).unwrap_or_default()
    }
}

impl MapShape {
    const fn line(self) -> usize {
        (self.width + 2) * self.groups
    }

    const fn len(self) -> usize {
        (self.height + 2) * self.line()
    }

    /// The rows of the picture without the edges.
    fn inside(self, data: &mut [Eight]) -> impl Iterator<Item = &mut [Eight]> {
        let inner = self.groups..(self.width + 1) * self.groups;
        data.chunks_exact_mut(self.line())
            .skip(1)
            .take(self.height)
            .map(move |line| line.get_mut(inner.clone()).unwrap_or_default())
    }
}

impl Conv {
    #[inline(always)]
    fn row<S: Simd>(
        &self,
        simd: S,
        inputs: [&[f32]; 3],
        channels: usize,
        output: &mut [Eight],
        shape: MapShape,
        add: bool,
    ) {
        let MapShape { width, groups, .. } = shape;
        let [rows, columns] = self.kernel;
        let (step, under) = (self.stride * channels, rows * columns * channels);
        match &self.weights {
            Weights::One(weights) => {
                let blocks = weights.chunks_exact(under.max(1));
                let each = blocks.zip(self.bias.as_chunks::<1>().0);
                for (n, ((weights, bias), slope)) in
                    each.zip(self.slope.as_chunks::<1>().0).enumerate()
                {
                    let row = ConvRow { inputs, rows, step, weights, bias, slope };
                    let output = output.get_mut(n..).unwrap_or_default();
                    row.run::<S, 8>(simd, output, groups, width, add);
                }
            }
            Weights::Two(weights) => {
                let blocks = weights.chunks_exact(under.max(1));
                let each = blocks.zip(self.bias.as_chunks::<2>().0);
                for (n, ((weights, bias), slope)) in
                    each.zip(self.slope.as_chunks::<2>().0).enumerate()
                {
                    let row = ConvRow { inputs, rows, step, weights, bias, slope };
                    let output = output.get_mut(2 * n..).unwrap_or_default();
                    row.run::<S, 4>(simd, output, groups, width, add);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{models::ModelStore, vision::Network};

    fn noise(len: usize, mut state: u32) -> Vec<f32> {
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32
            })
            .collect()
    }

    #[test]
    fn the_mesh_is_what_the_general_runner_makes_of_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = ModelStore::open(folder.path()).unwrap().read("face_landmarks").unwrap();
        let ours = ConvNet::load("face_landmarks", &file, 256).unwrap();
        let general = Network::load("face_landmarks", &file, &[1, 256, 256, 3]).unwrap();
        assert_eq!(ours.outputs(), general.outputs());
        // Twice, so that memory used before is met as well.
        for seed in [1, 2] {
            let picture = noise(256 * 256 * 3, seed);
            let (ours, general) = (ours.run(&picture).unwrap(), general.run(&picture).unwrap());
            for (ours, general) in ours.iter().zip(&general) {
                assert_eq!(ours.len(), general.len());
                for (a, b) in ours.iter().zip(general) {
                    assert!((a - b).abs() < 1e-3 * (1.0 + b.abs()), "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn a_picture_of_another_size_and_other_networks_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::open(folder.path()).unwrap();
        let mesh = store.read("face_landmarks").unwrap();
        let mesh = ConvNet::load("face_landmarks", &mesh, 256).unwrap();
        assert!(mesh.run(&[0.0; 3]).is_err());
        let other = store.read("face_blendshapes").unwrap();
        assert!(ConvNet::load("face_blendshapes", &other, 256).is_err());
        assert!(ConvNet::load("garbage", b"not a model", 256).is_err());
    }
}
