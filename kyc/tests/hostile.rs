//! Video from somebody who means harm: every stream ends in a clear error or a verdict, memory
//! stays bounded, and a good stream is decoded again afterwards.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use openh264::{
    OpenH264API,
    encoder::{Encoder, EncoderConfig},
    formats::{RgbSliceU8, YUVBuffer},
};
use proptest::prelude::*;
use support::{STILL, TestClock, access_units, frame, models, models_dir};
use vbranch_domain::{Mono, ParticipantId, Tap as _, TapItem, kyc::KycRequest};
use vbranch_kyc::{
    KycConfig, KycEngine, LivenessPolicy,
    h264::{H264Decoder, H264Error, split_annex_b, sps::SpsError},
    video::Decoded,
};

/// Writes bits as a parameter set has them.
#[derive(Default)]
struct Bits(String);

impl Bits {
    fn fixed(mut self, value: u32, bits: usize) -> Self {
        self.0.push_str(&format!("{value:0bits$b}"));
        self
    }

    /// An unsigned Exp-Golomb number.
    fn golomb(mut self, value: u32) -> Self {
        let code = format!("{:b}", u64::from(value) + 1);
        self.0.push_str(&"0".repeat(code.len() - 1));
        self.0.push_str(&code);
        self
    }

    /// The NAL unit, with emulation prevention.
    fn nal(self, header: u8) -> Bytes {
        let bits = self.0 + "1";
        let mut nal = vec![header];
        let mut zeros = 0;
        for chunk in bits.as_bytes().chunks(8) {
            let text = std::str::from_utf8(chunk).unwrap();
            let byte = u8::from_str_radix(&format!("{text:0<8}"), 2).unwrap();
            if zeros >= 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        Bytes::from(nal)
    }
}

/// A baseline sequence parameter set for a picture of so many macroblocks.
fn sps(columns: u32, rows: u32, references: u32) -> Bytes {
    Bits::default()
        .fixed(66, 8)
        .fixed(0xc0, 8)
        .fixed(31, 8)
        .golomb(0)
        .golomb(0)
        .golomb(2)
        .golomb(references)
        .fixed(0, 1)
        .golomb(columns - 1)
        .golomb(rows - 1)
        .fixed(1, 1)
        .fixed(1, 1)
        .fixed(0, 1)
        .fixed(0, 1)
        .nal(0x67)
}

fn decodes(decoder: &mut H264Decoder) -> usize {
    let units = access_units(STILL);
    let good = |nals: &&Vec<Bytes>| matches!(decoder.decode(nals, true), Ok(Decoded::Picture(_)));
    units.iter().take(5).filter(good).count()
}

/// Resident memory of this process, in MiB; `None` where the system does not tell.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

#[test]
fn a_picture_of_any_size_beyond_the_limit_is_refused_before_the_decoder_sees_it() {
    // One side too long, too many pixels within both, and numbers that overflow.
    for (columns, rows) in [(121, 1), (1, 121), (120, 120), (4096, 4096), (1 << 28, 1 << 28)] {
        let mut decoder = H264Decoder::new().unwrap();
        let bomb = [sps(columns, rows, 1), access_units(STILL)[0][1].clone()];
        let refused = decoder.decode(&bomb, true).unwrap_err();
        assert!(matches!(refused, H264Error::Sps(_)), "{columns}x{rows}: {refused}");
        assert_eq!(decodes(&mut decoder), 5, "{columns}x{rows}: a good stream goes on");
    }
}

#[test]
fn a_size_that_grows_in_the_middle_of_a_stream_is_refused_and_the_stream_recovers() {
    let mut decoder = H264Decoder::new().unwrap();
    assert_eq!(decodes(&mut decoder), 5);
    let refused = decoder.decode(&[sps(512, 512, 1)], true).unwrap_err();
    assert!(matches!(refused, H264Error::Sps(SpsError::TooLarge { width: 8192, height: 8192 })));
    assert!(refused.to_string().contains("8192x8192"), "{refused}");
    assert!(decoder.awaits_key());
    assert_eq!(decodes(&mut decoder), 5);
}

#[test]
fn a_size_that_changes_all_the_time_takes_no_more_memory() {
    let sizes = [(64, 64), (640, 480), (1280, 720), (1920, 1080), (320, 240), (480, 640)];
    let streams: Vec<Vec<Bytes>> = sizes.iter().map(|&(w, h)| key_frame(w, h)).collect();
    let mut decoder = H264Decoder::new().unwrap();
    let mut round = |times: usize| {
        for (n, nals) in streams.iter().cycle().take(times * sizes.len()).enumerate() {
            let Ok(Decoded::Picture(picture)) = decoder.decode(nals, true) else {
                panic!("picture {n} was not decoded");
            };
            assert_eq!((picture.width(), picture.height()), sizes[n % sizes.len()]);
        }
    };
    round(3);
    let before = resident();
    round(20);
    if let (Some(before), Some(after)) = (before, resident()) {
        assert!(after < before + 60, "{before} MiB before, {after} MiB after");
    }
}

fn key_frame(width: usize, height: usize) -> Vec<Bytes> {
    let rgb: Vec<u8> = (0..width * height * 3).map(|i| (i / 7) as u8).collect();
    let yuv = YUVBuffer::from_rgb8_source(RgbSliceU8::new(&rgb, (width, height)));
    let config = EncoderConfig::new();
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config).unwrap();
    let stream = encoder.encode(&yuv).unwrap().to_vec();
    split_annex_b(&stream).into_iter().map(Bytes::copy_from_slice).collect()
}

#[test]
fn parameter_sets_without_a_picture_are_no_error_and_give_none() {
    let mut decoder = H264Decoder::new().unwrap();
    for id in 0..5_000_u32 {
        let pps = Bits::default().golomb(id % 256).golomb(0).fixed(0, 2).golomb(0).nal(0x68);
        let given = decoder.decode(&[sps(40, 30, id % 17), pps], true);
        assert!(!matches!(given, Ok(Decoded::Picture(_))));
    }
    let mut fresh = H264Decoder::new().unwrap();
    assert_eq!(decodes(&mut fresh), 5);
}

#[test]
fn more_units_than_a_picture_has_are_refused() {
    let slice = access_units(STILL)[0].last().unwrap().clone();
    let many = vec![slice; 10_000];
    let refused = H264Decoder::new().unwrap().decode(&many, true).unwrap_err();
    assert!(matches!(refused, H264Error::TooLarge(_)), "{refused}");
}

#[test]
fn a_picture_cut_short_anywhere_never_stops_the_stream_for_good() {
    let units = access_units(STILL);
    let key = &units[0];
    let length: usize = key.iter().map(Bytes::len).sum();
    let mut decoder = H264Decoder::new().unwrap();
    for cut in (0..length).step_by((length / 60).max(1)) {
        let mut left = cut;
        let short: Vec<Bytes> = key
            .iter()
            .map(|nal| {
                let take = left.min(nal.len());
                left -= take;
                nal.slice(..take)
            })
            .filter(|nal| !nal.is_empty())
            .collect();
        let _ = decoder.decode(&short, true);
        assert_eq!(decodes(&mut decoder), 5, "after {cut} of {length} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_stream_never_stops_the_next_good_one(
        damage in prop::collection::vec((0_usize..40, any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let mut units: Vec<Vec<Vec<u8>>> = access_units(STILL)
            .iter()
            .map(|nals| nals.iter().map(|nal| nal.to_vec()).collect())
            .collect();
        for (unit, at, value) in damage {
            let count = units.len();
            let nals = &mut units[unit % count];
            let nal = at.index(nals.len());
            let byte = at.index(nals[nal].len());
            nals[nal][byte] ^= value;
        }
        let mut decoder = H264Decoder::new().unwrap();
        for nals in units {
            let nals: Vec<Bytes> = nals.into_iter().map(Bytes::from).collect();
            if let Ok(Decoded::Picture(picture)) = decoder.decode(&nals, true) {
                prop_assert!(picture.width() <= 1920 && picture.height() <= 1920);
            }
        }
        prop_assert_eq!(decodes(&mut decoder), 5);
    }
}

#[test]
fn a_key_frame_is_decoded_though_the_picture_before_it_was_broken() {
    // The broken slice gives no picture and no error: the decoder reports it with what comes next.
    let mut decoder = H264Decoder::new().unwrap();
    let units = access_units(STILL);
    for nals in &units[..21] {
        decoder.decode(nals, true).unwrap();
    }
    let mut broken = units[21][0].to_vec();
    broken[86] ^= 8;
    assert!(matches!(decoder.decode(&[broken.into()], true), Ok(Decoded::Silent)));
    decoder.lost();
    assert_eq!(decodes(&mut decoder), 5);
}

#[test]
fn frames_without_end_are_dropped_and_memory_stays_bounded() {
    if models().is_none() {
        return;
    }
    let clock = Arc::new(TestClock::default());
    let policy = LivenessPolicy::default();
    let config = KycConfig { models_dir: models_dir(), threads: 1, policy };
    let engine = KycEngine::start(config, clock.clone()).unwrap();
    let customer = ParticipantId::random();
    let request = KycRequest::default();
    let mut tap = engine.begin(customer, request, [0; 32], Box::new(|_| ()), Box::new(|| ()));
    let mut push = |n: u64| {
        // All within one second, so that the check does not end meanwhile.
        let at = Mono::from_nanos(n * 100_000);
        clock.set(at);
        // 200 kB each, of its own: nothing is shared between them.
        let nal = Bytes::from(vec![0x65; 200_000]);
        tap.push(TapItem::Frame(frame(customer, vec![nal], at)));
    };
    (0..500).for_each(&mut push);
    let before = resident();
    (500..5_500).for_each(&mut push);
    if let (Some(before), Some(after)) = (before, resident()) {
        assert!(after < before + 64, "{before} MiB before a gigabyte of frames, {after} MiB after");
    }
}
