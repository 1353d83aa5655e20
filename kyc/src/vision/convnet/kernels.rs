//! The arithmetic: rows of pixels with their channels together (NHWC), eight channels at a time.
//! The caller ([`super::ConvNet`]) runs it inside a dispatch to what vectors the processor has.

use fearless_simd::{Simd, SimdBase as _, f32x8};

/// Eight channels in memory.
pub(super) type Eight = [f32; 8];

/// From memory into a vector. (By reference: a copy of the array would go through the stack.)
#[inline(always)]
fn load<S: Simd>(simd: S, eight: &Eight) -> f32x8<S> {
    f32x8::load_array_ref(simd, eight)
}

/// Adds to `PIXELS` sums of `8 * BLOCKS` output channels what these inputs give: `inputs` are each
/// pixel's values, `weights` one row of output channels for each of them.
#[inline(always)]
fn multiply<S: Simd, const PIXELS: usize, const BLOCKS: usize>(
    simd: S,
    sums: &mut [[f32x8<S>; BLOCKS]; PIXELS],
    inputs: &[&[f32]; PIXELS],
    weights: &[[Eight; BLOCKS]],
) {
    // Four values of each pixel at a time, so that lengths are checked once for sixteen products
    // or more.
    let (fours, rest) = weights.as_chunks::<4>();
    for (at, weights) in fours.iter().enumerate() {
        let mut values = [&[0.0; 4]; PIXELS];
        for (values, input) in values.iter_mut().zip(inputs) {
            if let Some(four) = input.as_chunks::<4>().0.get(at) {
                *values = four;
            }
        }
        for (k, weights) in weights.iter().enumerate() {
            let mut row = [simd.splat_f32x8(0.0); BLOCKS];
            for (row, weights) in row.iter_mut().zip(weights) {
                *row = load(simd, weights);
            }
            for (sum, values) in sums.iter_mut().zip(&values) {
                let value = simd.splat_f32x8(values.get(k).copied().unwrap_or_default());
                for (sum, weights) in sum.iter_mut().zip(&row) {
                    *sum = simd.mul_add_f32x8(value, *weights, *sum);
                }
            }
        }
    }
    let first = fours.len() * 4;
    for (k, weights) in rest.iter().enumerate() {
        for (sum, input) in sums.iter_mut().zip(inputs) {
            let value = simd.splat_f32x8(input.get(first + k).copied().unwrap_or_default());
            for (sum, weights) in sum.iter_mut().zip(weights) {
                *sum = simd.mul_add_f32x8(value, load(simd, weights), *sum);
            }
        }
    }
}

/// What happens to a sum before it is written: negative numbers are multiplied by the slope.
#[inline(always)]
fn activate<S: Simd>(simd: S, sum: f32x8<S>, slope: &Eight) -> f32x8<S> {
    let zero = simd.splat_f32x8(0.0);
    let (above, below) = (simd.max_f32x8(sum, zero), simd.min_f32x8(sum, zero));
    simd.mul_add_f32x8(below, load(simd, slope), above)
}

/// One row of a convolution, for one block of `8 * BLOCKS` output channels.
pub(super) struct ConvRow<'a, const BLOCKS: usize> {
    /// The input rows under the kernel, each from the leftmost value it touches.
    pub(super) inputs: [&'a [f32]; 3],
    /// How many of them there are, 1 to 3.
    pub(super) rows: usize,
    /// Values from one output pixel's input to the next one's.
    pub(super) step: usize,
    /// For each kernel row, for each value under it, the weights of the block's channels.
    pub(super) weights: &'a [[Eight; BLOCKS]],
    pub(super) bias: &'a [Eight; BLOCKS],
    pub(super) slope: &'a [Eight; BLOCKS],
}

impl<const BLOCKS: usize> ConvRow<'_, BLOCKS> {
    /// Computes every pixel of the row. `output` is the row in groups of eight channels, `groups`
    /// to a pixel, from this block's first on. With `add`, what is there already is added before
    /// the activation.
    #[inline(always)]
    pub(super) fn run<S: Simd, const PIXELS: usize>(
        &self,
        simd: S,
        output: &mut [Eight],
        groups: usize,
        pixels: usize,
        add: bool,
    ) {
        let whole = pixels - pixels % PIXELS;
        for first in (0..whole).step_by(PIXELS) {
            self.pixels::<S, PIXELS>(simd, output, groups, first, add);
        }
        for first in whole..pixels {
            self.pixels::<S, 1>(simd, output, groups, first, add);
        }
    }

    #[inline(always)]
    fn pixels<S: Simd, const PIXELS: usize>(
        &self,
        simd: S,
        output: &mut [Eight],
        groups: usize,
        first: usize,
        add: bool,
    ) {
        let mut sums = [[simd.splat_f32x8(0.0); BLOCKS]; PIXELS];
        for sum in &mut sums {
            for (sum, bias) in sum.iter_mut().zip(self.bias) {
                *sum = load(simd, bias);
            }
        }
        let under = self.weights.len() / self.rows.max(1);
        let rows = self.weights.chunks_exact(under.max(1)).zip(&self.inputs).take(self.rows);
        for (weights, input) in rows {
            let mut values = [&[][..]; PIXELS];
            for (pixel, values) in values.iter_mut().enumerate() {
                *values = input.get((first + pixel) * self.step..).unwrap_or_default();
            }
            multiply(simd, &mut sums, &values, weights);
        }
        for (pixel, sum) in sums.iter().enumerate() {
            let at = (first + pixel) * groups;
            let Some(slots) = output.get_mut(at..at + BLOCKS) else { return };
            for ((slot, sum), slope) in slots.iter_mut().zip(sum).zip(self.slope) {
                let sum = if add { simd.add_f32x8(*sum, load(simd, slot)) } else { *sum };
                activate(simd, sum, slope).store_array(slot);
            }
        }
    }
}

/// One row of a 3x3 depthwise convolution with stride 1: each channel by itself. `inputs` are the
/// three rows with one pixel more on either side.
#[inline(always)]
pub(super) fn depthwise_row<S: Simd>(
    simd: S,
    inputs: [&[Eight]; 3],
    weights: &[[Eight; 9]],
    bias: &[Eight],
    slope: &[Eight],
    output: &mut [Eight],
) {
    let groups = weights.len();
    let channels = weights.iter().zip(bias).zip(slope).enumerate();
    for (group, ((weights, bias), slope)) in channels {
        let slots = output.iter_mut().skip(group).step_by(groups);
        for (pixel, slot) in slots.enumerate() {
            let at = pixel * groups + group;
            let mut sum = load(simd, bias);
            for (row, weights) in inputs.iter().zip(weights.as_chunks::<3>().0) {
                for (column, weight) in weights.iter().enumerate() {
                    let Some(value) = row.get(at + column * groups) else { return };
                    sum = simd.mul_add_f32x8(load(simd, value), load(simd, weight), sum);
                }
            }
            activate(simd, sum, slope).store_array(slot);
        }
    }
}

/// One row of a 2x2 maximum with stride 2. Groups that the output has more are zero.
#[inline(always)]
pub(super) fn maximum_row(
    inputs: [&[Eight]; 2],
    groups: usize,
    output: &mut [Eight],
    output_groups: usize,
) {
    let [upper, lower] = inputs.map(|row| row.chunks_exact(2 * groups));
    for ((slots, upper), lower) in output.chunks_exact_mut(output_groups).zip(upper).zip(lower) {
        let ((a, b), (c, d)) = (upper.split_at(groups), lower.split_at(groups));
        let (slots, beyond) = slots.split_at_mut(groups);
        for (slot, (((a, b), c), d)) in slots.iter_mut().zip(a.iter().zip(b).zip(c).zip(d)) {
            for ((((s, a), b), c), d) in slot.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *s = a.max(*b).max(c.max(*d));
            }
        }
        beyond.fill([0.0; 8]);
    }
}
