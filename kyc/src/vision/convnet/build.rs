//! From the nodes of an ONNX file to the steps of a [`ConvNet`].

use std::{collections::HashMap, sync::Mutex};

use fearless_simd::Level;
use tract_onnx::pb::NodeProto;

use super::{
    super::network::Outputs,
    Conv, ConvNet, DepthWise, InputShape, MapShape, Output, Source, Step, Weights,
    kernels::Eight,
    onnx::{Constant, Graph, integer, numbers, text},
};

/// Builds the network; `None` when a node is not known here.
pub(super) fn build(name: &str, onnx: &[u8], input: InputShape) -> Option<ConvNet> {
    let Graph { graph, constants } = Graph::read(onnx)?;
    let mut builder = Builder {
        input,
        constants,
        uses: HashMap::new(),
        values: HashMap::new(),
        maps: Vec::new(),
        idle: Vec::new(),
        steps: Vec::new(),
    };
    let reads = graph.node.iter().flat_map(|n| &n.input);
    for name in reads.chain(graph.output.iter().map(|o| &o.name)) {
        *builder.uses.entry(name.clone()).or_default() += 1;
    }
    let [picture] = graph.input.as_slice() else { return None };
    builder.values.insert(picture.name.clone(), Value::picture(input));
    for node in &graph.node {
        builder.node(node)?;
    }
    let mut results = Outputs::of(name);
    let mut outputs = Vec::new();
    for output in &graph.output {
        let (output_of, numbers) = builder.output(&output.name)?;
        results.push(output.name.clone(), numbers);
        outputs.push(output_of);
    }
    let Builder { maps, steps, .. } = builder;
    let (level, idle) = (Level::new(), Mutex::default());
    Some(ConvNet { results, level, input, maps, steps, outputs, idle })
}

struct Builder {
    input: InputShape,
    constants: HashMap<String, Constant>,
    /// How many nodes (and outputs) still read a value.
    uses: HashMap<String, usize>,
    values: HashMap<String, Value>,
    maps: Vec<MapShape>,
    /// Maps that nobody reads any more, for the next value of the same shape: their edges stay
    /// zero, and less memory is gone through.
    idle: Vec<usize>,
    steps: Vec<Step>,
}

/// What a name of the file stands for.
#[derive(Debug, Clone, Copy)]
struct Value {
    source: Source,
    channels: usize,
    height: usize,
    width: usize,
    /// The step that made it, while something may still be built into that step.
    open: Option<usize>,
    /// It is the source doubled in both directions, not made yet.
    doubled: bool,
    sigmoid: bool,
    /// Only its order was changed since: it can be an output, but not be read.
    flat: bool,
}

impl Value {
    const fn picture(InputShape { height, width, channels }: InputShape) -> Self {
        Self {
            source: Source::Picture,
            channels,
            height,
            width,
            open: None,
            doubled: false,
            sigmoid: false,
            flat: false,
        }
    }

    const fn map(self) -> Option<usize> {
        match self.source {
            Source::Map(id) if !self.flat && !self.doubled && !self.sigmoid => Some(id),
            _ => None,
        }
    }
}

impl Builder {
    fn node(&mut self, node: &NodeProto) -> Option<()> {
        if node.op_type == "Constant" {
            return Some(());
        }
        let [result] = node.output.as_slice() else { return None };
        let first = node.input.first()?;
        let value = *self.values.get(first)?;
        let made = match node.op_type.as_str() {
            "Conv" => self.conv(node, value)?,
            "PRelu" | "Relu" => self.activation(node, value)?,
            "Add" => self.add(node, value)?,
            "MaxPool" => self.maximum(node, value)?,
            "Pad" => self.pad(node, value)?,
            "Resize" => self.resize(node, value)?,
            "Transpose" => {
                // Pixels keep their channels together here, so turning the picture's into planes
                // changes nothing, and turning planes back is what an output is anyway.
                match numbers(node, "perm", [0; 4])? {
                    [0, 3, 1, 2] if matches!(value.source, Source::Picture) => value,
                    [0, 2, 3, 1] => Value { flat: true, ..value },
                    _ => return None,
                }
            }
            // One row after the other, with the channels last or alone.
            "Reshape" if value.flat || value.height * value.width == 1 => {
                Value { flat: true, ..value }
            }
            "Sigmoid" => Value { sigmoid: true, ..value },
            _ => return None,
        };
        for name in &node.input {
            self.read_once(name, made.source);
        }
        self.values.insert(result.clone(), made);
        Some(())
    }

    /// A node has read this value. The memory of one that nobody else reads is free again, unless
    /// the result is in it.
    fn read_once(&mut self, name: &str, result: Source) {
        let Some(uses) = self.uses.get_mut(name) else { return };
        *uses = uses.saturating_sub(1);
        if let (0, Some(value)) = (*uses, self.values.get(name))
            && value.source != result
            && let Source::Map(id) = value.source
            && !self.is_read(id)
            && !self.idle.contains(&id)
        {
            self.idle.push(id);
        }
    }

    /// Whether something still reads this map, under any name.
    fn is_read(&self, map: usize) -> bool {
        self.values.iter().any(|(name, value)| {
            value.source == Source::Map(map) && self.uses.get(name).is_some_and(|uses| *uses > 0)
        })
    }

    /// Whether the node at hand is the last to read what is under this name.
    fn only_use(&self, name: &str) -> bool {
        let source = self.values.get(name).map(|value| value.source);
        self.uses.get(name) == Some(&1)
            && self.values.iter().all(|(other, value)| {
                other == name
                    || Some(value.source) != source
                    || self.uses.get(other).is_none_or(|uses| *uses == 0)
            })
    }

    fn new_map(&mut self, height: usize, width: usize, channels: usize) -> usize {
        let shape = MapShape { height, width, groups: channels.div_ceil(8) };
        let fits = |id: &usize| self.maps.get(*id) == Some(&shape);
        if let Some(at) = self.idle.iter().rposition(fits) {
            return self.idle.swap_remove(at);
        }
        self.maps.push(shape);
        self.maps.len() - 1
    }

    fn made(&self, map: usize, height: usize, width: usize, channels: usize) -> Value {
        Value {
            source: Source::Map(map),
            channels,
            height,
            width,
            open: self.steps.len().checked_sub(1),
            ..Value::picture(self.input)
        }
    }

    fn constant(&self, node: &NodeProto, index: usize) -> Option<&Constant> {
        self.constants.get(node.input.get(index)?)
    }

    fn conv(&mut self, node: &NodeProto, value: Value) -> Option<Value> {
        let kernel = self.constant(node, 1)?;
        let [outputs, inputs, rows, columns] = *kernel.dims.as_slice() else { return None };
        let bias = match node.input.get(2) {
            Some(name) => self.constants.get(name)?.floats.clone(),
            None => vec![0.0; outputs],
        };
        let depthwise = inputs == 1 && outputs == value.channels && outputs > 1;
        let [top, left, bottom, right] = numbers(node, "pads", [0; 4])?;
        let [stride, same] = numbers(node, "strides", [1; 2])?;
        let known = numbers(node, "dilations", [1; 2])? == [1, 1]
            && matches!(text(node, "auto_pad"), b"" | b"NOTSET")
            && integer(node, "group", 1) == if depthwise { outputs as i64 } else { 1 }
            && [top, left, bottom, right].iter().all(|&pad| pad <= 1)
            && (1..=3).contains(&rows)
            && (1..=3).contains(&columns)
            && (1..=2).contains(&stride)
            && stride == same
            && (depthwise || inputs == value.channels)
            && kernel.floats.len() == outputs * inputs * rows * columns
            && bias.len() == outputs;
        let height = (value.height + top + bottom).checked_sub(rows)? / stride + 1;
        let width = (value.width + left + right).checked_sub(columns)? / stride + 1;
        if !known {
            return None;
        }
        let (bias, slope) = (grouped(&bias), vec![[1.0; 8]; outputs.div_ceil(8)]);
        if depthwise {
            if (rows, columns, stride, top, left, bottom, right) != (3, 3, 1, 1, 1, 1, 1) {
                return None;
            }
            let weights = depthwise_weights(kernel);
            let from = value.map()?;
            let to = self.new_map(height, width, outputs);
            let conv = Box::new(DepthWise { weights, bias, slope });
            self.steps.push(Step::DepthWise { conv, from, to });
            return Some(self.made(to, height, width, outputs));
        }
        let stored = match value.source {
            Source::Picture => value.channels,
            Source::Map(_) => value.map().map(|_| value.channels.next_multiple_of(8))?,
        };
        let conv = Box::new(Conv {
            kernel: [rows, columns],
            stride,
            before: [top, left],
            weights: if outputs.div_ceil(8) % 2 == 0 {
                Weights::Two(weights(kernel, stored)?)
            } else {
                Weights::One(weights(kernel, stored)?)
            },
            bias,
            slope,
        });
        let to = self.new_map(height, width, outputs);
        self.steps.push(Step::Conv { conv, from: value.source, to, add: false });
        Some(self.made(to, height, width, outputs))
    }

    /// Built into the convolution (or the addition onto one) before it.
    fn activation(&mut self, node: &NodeProto, value: Value) -> Option<Value> {
        let slopes = match node.op_type.as_str() {
            "PRelu" => self.constant(node, 1)?.floats.clone(),
            _ => vec![0.0; value.channels],
        };
        let alone = self.only_use(node.input.first()?);
        if !alone || slopes.len() != value.channels {
            return None;
        }
        match self.steps.get_mut(value.open?)? {
            Step::Conv { conv, .. } => conv.slope = grouped(&slopes),
            Step::DepthWise { conv, .. } => conv.slope = grouped(&slopes),
            Step::Maximum { .. } | Step::AddDoubled { .. } => return None,
        }
        Some(Value { open: None, ..value })
    }

    fn add(&mut self, node: &NodeProto, first: Value) -> Option<Value> {
        let [a, b] = node.input.as_slice() else { return None };
        let second = *self.values.get(b)?;
        if first.doubled || second.doubled {
            let (small, onto) = if first.doubled { (first, second) } else { (second, first) };
            let same = (small.height, small.width, small.channels)
                == (onto.height, onto.width, onto.channels);
            let (Source::Map(small), Some(onto_map), true) = (small.source, onto.map(), same)
            else {
                return None;
            };
            let to = self.new_map(onto.height, onto.width, onto.channels);
            self.steps.push(Step::AddDoubled { small, onto: onto_map, to });
            let made = self.made(to, onto.height, onto.width, onto.channels);
            return Some(Value { open: None, ..made });
        }
        // The convolution that comes last adds onto the other value, in that one's memory: nobody
        // may read that any more.
        let last = Some(self.steps.len().checked_sub(1)?);
        let (conv, other, other_name) =
            if second.open == last { (second, first, a) } else { (first, second, b) };
        let conv_name = if second.open == last { b } else { a };
        let free = self.only_use(other_name) && self.only_use(conv_name) && conv.open == last;
        let same = self.maps.get(conv.map()?) == self.maps.get(other.map()?)
            && (conv.height, conv.width) == (other.height, other.width)
            && conv.channels == other.channels;
        if !free || !same {
            return None;
        }
        let onto = other.map()?;
        let Some(Step::Conv { to, add, conv: weights, .. }) = self.steps.last_mut() else {
            return None;
        };
        if *add || weights.slope.iter().any(|s| *s != [1.0; 8]) {
            return None;
        }
        let unused = std::mem::replace(to, onto);
        *add = true;
        self.idle.push(unused);
        Some(Value { source: Source::Map(onto), ..conv })
    }

    fn maximum(&mut self, node: &NodeProto, value: Value) -> Option<Value> {
        let plain = numbers(node, "kernel_shape", [0; 2])? == [2, 2]
            && numbers(node, "strides", [1; 2])? == [2, 2]
            && numbers(node, "pads", [0; 4])? == [0; 4]
            && numbers(node, "dilations", [1; 2])? == [1, 1]
            && integer(node, "ceil_mode", 0) == 0
            && value.height.is_multiple_of(2)
            && value.width.is_multiple_of(2);
        let from = value.map().filter(|_| plain)?;
        let (height, width) = (value.height / 2, value.width / 2);
        let to = self.new_map(height, width, value.channels);
        self.steps.push(Step::Maximum { from, to });
        Some(self.made(to, height, width, value.channels))
    }

    /// More channels behind those of a maximum, all zero.
    fn pad(&mut self, node: &NodeProto, value: Value) -> Option<Value> {
        let pads = &self.constant(node, 1)?.integers;
        let [0, 0, 0, 0, 0, more, 0, 0] = *pads.as_slice() else { return None };
        let zero = node.input.get(2).is_none_or(|name| {
            name.is_empty() || self.constants.get(name).is_some_and(|c| c.floats == [0.0])
        });
        let constant = matches!(text(node, "mode"), b"" | b"constant");
        let alone = self.only_use(node.input.first()?);
        if !(zero && constant && alone && value.channels.is_multiple_of(8)) {
            return None;
        }
        let channels = value.channels + usize::try_from(more).ok()?;
        let wider = self.new_map(value.height, value.width, channels);
        let Step::Maximum { to, .. } = self.steps.get_mut(value.open?)? else { return None };
        let unused = std::mem::replace(to, wider);
        self.idle.push(unused);
        Some(self.made(wider, value.height, value.width, channels))
    }

    /// Twice the size, each pixel four times.
    fn resize(&self, node: &NodeProto, value: Value) -> Option<Value> {
        let twice = match (self.constant(node, 2), self.constant(node, 3)) {
            (Some(scales), None) => scales.floats == [1.0, 1.0, 2.0, 2.0],
            _ => false,
        };
        let nearest = text(node, "mode") == b"nearest"
            && text(node, "coordinate_transformation_mode") == b"asymmetric"
            && text(node, "nearest_mode") == b"floor";
        value.map().filter(|_| twice && nearest)?;
        let (height, width) = (value.height * 2, value.width * 2);
        Some(Value { height, width, doubled: true, open: None, ..value })
    }

    /// How an output is read, and how many numbers it has.
    fn output(&self, name: &str) -> Option<(Output, usize)> {
        let value = self.values.get(name)?;
        let Source::Map(map) = value.source else { return None };
        // Pixel by pixel is the right order only where the file says so, or where there is one.
        let ordered = value.flat || value.height * value.width == 1;
        let output = Output { map, channels: value.channels, sigmoid: value.sigmoid };
        let numbers = value.height * value.width * value.channels;
        (ordered && !value.doubled).then_some((output, numbers))
    }
}

/// Numbers in groups of eight, zero behind the last.
fn grouped(numbers: &[f32]) -> Vec<Eight> {
    let group = |chunk: &[f32]| {
        let mut group = [0.0; 8];
        group.iter_mut().zip(chunk).for_each(|(g, v)| *g = *v);
        group
    };
    numbers.chunks(8).map(group).collect()
}

/// From one kernel after the other to: for each block of outputs, for each value under the kernel
/// (`stored` to a pixel), one weight for each output of the block.
fn weights<const BLOCKS: usize>(kernel: &Constant, stored: usize) -> Option<Vec<[Eight; BLOCKS]>> {
    let [outputs, inputs, rows, columns] = *kernel.dims.as_slice() else { return None };
    let under = rows * columns * stored;
    let block = 8 * BLOCKS;
    let mut packed = vec![[[0.0; 8]; BLOCKS]; outputs.div_ceil(block) * under];
    let area = rows * columns;
    let each = kernel.floats.chunks_exact(area.max(1)).enumerate();
    for (channel, values) in each {
        let (output, input) = (channel / inputs, channel % inputs);
        for (place, value) in values.iter().enumerate() {
            let row = output / block * under + place * stored + input;
            let slot = packed
                .get_mut(row)
                .and_then(|row| row.get_mut(output % block / 8))
                .and_then(|group| group.get_mut(output % 8))?;
            *slot = *value;
        }
    }
    Some(packed)
}

/// For each group of eight channels, the nine weights of each.
fn depthwise_weights(kernel: &Constant) -> Vec<[Eight; 9]> {
    let channels = kernel.floats.as_chunks::<9>().0;
    let group = |channels: &[[f32; 9]]| {
        let mut group = [[0.0; 8]; 9];
        for (lane, nine) in channels.iter().enumerate() {
            for (weights, value) in group.iter_mut().zip(nine) {
                weights.iter_mut().skip(lane).take(1).for_each(|w| *w = *value);
            }
        }
        group
    };
    channels.chunks(8).map(group).collect()
}
