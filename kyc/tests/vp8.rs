//! VP8 as a browser without H.264 sends it, held against another decoder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::path::Path;

use bytes::Bytes;
use support::ffmpeg;
use vbranch_domain::Payload;
use vbranch_kyc::{
    video::{Decoded, VideoDecoder},
    vp8::Vp8Decoder,
};

const WIDTH: usize = 322;
const HEIGHT: usize = 178;

/// A moving test picture of one second as VP8 in an IVF file, and its frames.
fn film(folder: &Path) -> Option<(String, Vec<Bytes>)> {
    if let Err(error) = Vp8Decoder::new() {
        println!("skipped: {error:?}");
        return None;
    }
    let file = folder.join("film.ivf").to_str().unwrap().to_owned();
    let source = format!("testsrc2=size={WIDTH}x{HEIGHT}:rate=25:duration=1");
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        &source,
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libvpx",
        "-deadline",
        "realtime",
        "-b:v",
        "400k",
        "-g",
        "12",
        "-auto-alt-ref",
        "0",
        &file,
    ])?;
    // IVF: a header of 32 bytes, then for each frame its length, eight bytes of time, and itself.
    let bytes = Bytes::from(std::fs::read(&file).unwrap());
    let (mut at, mut frames) = (32, Vec::new());
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        frames.push(bytes.slice(at + 12..at + 12 + length));
        at += 12 + length;
    }
    Some((file, frames))
}

#[test]
fn every_picture_is_the_one_that_another_decoder_sees() {
    let folder = tempfile::tempdir().unwrap();
    let Some((file, frames)) = film(folder.path()) else { return };
    assert_eq!(frames.len(), 25);
    // Each colour for its four pixels, as here: in between would be a matter of taste.
    let scale = "scale=in_range=limited:in_color_matrix=bt601:\
                 flags=neighbor+accurate_rnd+full_chroma_int+full_chroma_inp";
    let wanted = ffmpeg(&[
        "-c:v", "vp8", "-i", &file, "-vf", scale, "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
    ])
    .unwrap();
    let mut decoder = VideoDecoder::default();
    let pictures = wanted.chunks(WIDTH * HEIGHT * 3);
    assert_eq!(pictures.len(), frames.len());
    for (n, (frame, wanted)) in frames.into_iter().zip(pictures).enumerate() {
        let Decoded::Picture(seen) = decoder.decode(&Payload::Vp8(frame), true).unwrap() else {
            panic!("frame {n} gave no picture");
        };
        assert_eq!((seen.width(), seen.height()), (WIDTH, HEIGHT));
        let off = seen.rgb().iter().zip(wanted).map(|(a, b)| u64::from(a.abs_diff(*b)));
        let mean = off.sum::<u64>() as f64 / wanted.len() as f64;
        assert!(mean < 0.5, "frame {n} is {mean} off on average");
    }
}

#[test]
fn pictures_are_made_only_where_they_are_wanted_and_a_loss_waits_for_a_key_frame() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_, frames)) = film(folder.path()) else { return };
    let mut decoder = VideoDecoder::default();
    assert!(decoder.awaits_key());
    let silent = decoder.decode(&Payload::Vp8(frames[0].clone()), false);
    assert!(matches!(silent, Ok(Decoded::Silent)) && !decoder.awaits_key());
    decoder.lost();
    let skipped = decoder.decode(&Payload::Vp8(frames[1].clone()), true);
    assert!(matches!(skipped, Ok(Decoded::AwaitingKey)) && decoder.awaits_key());
    let key = decoder.decode(&Payload::Vp8(frames[12].clone()), true);
    assert!(matches!(key, Ok(Decoded::Picture(_))), "{key:?}");
}

#[test]
fn damaged_frames_are_errors_and_the_next_key_frame_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_, frames)) = film(folder.path()) else { return };
    let mut decoder = VideoDecoder::default();
    let mut state = 7_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize
    };
    for _ in 0..40 {
        for frame in &frames {
            let mut frame = frame.to_vec();
            for _ in 0..4 {
                // The first ten bytes hold the picture's size, which other tests look at.
                let at = 10 + random() % (frame.len() - 10).max(1);
                if let Some(byte) = frame.get_mut(at) {
                    *byte = random() as u8;
                }
            }
            let keep = 1 + random() % frame.len();
            frame.truncate(if random() % 4 == 0 { keep } else { frame.len() });
            let _ = decoder.decode(&Payload::Vp8(frame.into()), true);
        }
    }
    let mended = decoder.decode(&Payload::Vp8(frames[0].clone()), true);
    assert!(matches!(mended, Ok(Decoded::Picture(_))), "{mended:?}");
}
