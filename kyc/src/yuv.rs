//! From a decoder's planes (4:2:0, ITU-R BT.601, limited range: what a browser's camera sends) to
//! an RGB picture.

use crate::vision::Picture;

/// Three planes of 8 bits, the second and third of half the width and height (rounded up).
#[derive(Clone, Copy)]
pub(crate) struct Planes<'a> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Luma, blue and red difference, each row by row.
    pub(crate) planes: [&'a [u8]; 3],
    /// Bytes from one row of each plane to its next.
    pub(crate) strides: [usize; 3],
}

/// The picture; `None` where the planes are smaller than they should be.
pub(crate) fn to_picture(frame: &Planes<'_>) -> Option<Picture> {
    let Planes { width, height, planes, strides } = *frame;
    let mut rgb = vec![0; width.checked_mul(height)?.checked_mul(3)?];
    let half = width.div_ceil(2);
    for (y, line) in rgb.chunks_exact_mut((width * 3).max(1)).enumerate() {
        let row = |plane: usize, row: usize, length: usize| {
            let start = row.checked_mul(*strides.get(plane)?)?;
            planes.get(plane)?.get(start..start.checked_add(length)?)
        };
        convert(line, row(0, y, width)?, row(1, y / 2, half)?, row(2, y / 2, half)?);
    }
    Picture::from_rgb(width, height, rgb).ok()
}

/// One row; numbers are scaled by 2^13.
fn convert(line: &mut [u8], luma: &[u8], blue: &[u8], red: &[u8]) {
    const LUMA: i32 = 9_539; // 255 / 219
    const RED_TO_R: i32 = 13_075; // 1.402 * 255 / 224
    const RED_TO_G: i32 = 6_660; // 1.402 * 0.299 / 0.587 * 255 / 224
    const BLUE_TO_G: i32 = 3_209; // 1.772 * 0.114 / 0.587 * 255 / 224
    const BLUE_TO_B: i32 = 16_525; // 1.772 * 255 / 224
    const HALF: i32 = 1 << 12;
    let colours = |blue: u8, red: u8| {
        let (blue, red) = (i32::from(blue) - 128, i32::from(red) - 128);
        [RED_TO_R * red + HALF, HALF - RED_TO_G * red - BLUE_TO_G * blue, BLUE_TO_B * blue + HALF]
    };
    let pixel = |luma: u8, [r, g, b]: [i32; 3]| {
        let light = LUMA * (i32::from(luma) - 16);
        let byte = |colour: i32| ((light + colour) >> 13).clamp(0, 255) as u8;
        [byte(r), byte(g), byte(b)]
    };
    // Two pixels share their colour; the last one of an odd row has it alone.
    let (pairs, last) = line.as_chunks_mut::<6>();
    let (lumas, last_luma) = luma.as_chunks::<2>();
    for ((pair, &[first, second]), (&blue, &red)) in
        pairs.iter_mut().zip(lumas).zip(blue.iter().zip(red))
    {
        let colours = colours(blue, red);
        let ([r0, g0, b0], [r1, g1, b1]) = (pixel(first, colours), pixel(second, colours));
        *pair = [r0, g0, b0, r1, g1, b1];
    }
    if let (Some(slot), Some(&luma), Some(&blue), Some(&red)) =
        (last.first_chunk_mut::<3>(), last_luma.first(), blue.last(), red.last())
    {
        *slot = pixel(luma, colours(blue, red));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(y: u8, u: u8, v: u8) -> Vec<u8> {
        let planes = [&[y; 9][..], &[u; 4], &[v; 4]];
        let frame = Planes { width: 3, height: 3, planes, strides: [3, 2, 2] };
        to_picture(&frame).unwrap().rgb().to_vec()
    }

    #[test]
    fn black_white_and_the_primaries_are_what_the_standard_says() {
        for (yuv, wanted) in [
            ((16, 128, 128), [0, 0, 0]),
            ((235, 128, 128), [255, 255, 255]),
            ((82, 90, 240), [255, 0, 0]),
            ((145, 54, 34), [0, 255, 0]),
            ((41, 240, 110), [0, 0, 255]),
        ] {
            let (y, u, v) = yuv;
            for pixel in rgb(y, u, v).chunks(3) {
                let off = pixel.iter().zip(wanted).map(|(a, b)| a.abs_diff(b)).max();
                assert!(off <= Some(2), "{yuv:?}: {pixel:?}");
            }
        }
    }

    #[test]
    fn planes_too_small_give_no_picture() {
        let planes = [&[0; 8][..], &[0; 4], &[0; 4]];
        let frame = Planes { width: 3, height: 3, planes, strides: [3, 2, 2] };
        assert!(to_picture(&frame).is_none());
    }
}
