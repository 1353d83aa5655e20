//! Pictures as a browser sends them.

use anyhow::Context as _;
use bytes::Bytes;
use openh264::{
    OpenH264API,
    encoder::{
        BitRate, Complexity, Encoder, EncoderConfig, FrameRate, IntraFramePeriod, Profile,
        RateControlMode, UsageType,
    },
    formats::{RgbSliceU8, YUVBuffer},
};
use vbranch_kyc::{
    h264::{H264Decoder, split_annex_b},
    video::Decoded,
};

use crate::picture::Rgb;

/// An encoder as browsers set theirs: constrained baseline, no skipped frames.
pub struct Sender {
    encoder: Encoder,
}

impl Sender {
    /// An encoder for so many pictures and bits a second.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn new(fps: f32, kbit: u32) -> anyhow::Result<Self> {
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(kbit * 1_000))
            .max_frame_rate(FrameRate::from_hz(fps))
            .rate_control_mode(RateControlMode::Bitrate)
            .usage_type(UsageType::CameraVideoRealTime)
            .profile(Profile::Baseline)
            .complexity(Complexity::Low)
            .skip_frames(false)
            .scene_change_detect(false)
            .num_threads(1)
            .intra_frame_period(IntraFramePeriod::from_num_frames(300));
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config)?;
        Ok(Self { encoder })
    }

    /// The NAL units of the next picture.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn encode(&mut self, picture: &Rgb) -> anyhow::Result<Vec<Bytes>> {
        let size = (picture.width, picture.height);
        let yuv = YUVBuffer::from_rgb8_source(RgbSliceU8::new(picture.pixels.as_flattened(), size));
        let stream = self.encoder.encode(&yuv).context("encoding")?.to_vec();
        Ok(split_annex_b(&stream).into_iter().map(Bytes::copy_from_slice).collect())
    }
}

/// A check as it was once sent, to be played again and again.
pub struct Recording {
    units: Vec<Vec<Bytes>>,
    decoder: H264Decoder,
    next: usize,
    last: Option<Rgb>,
}

impl Recording {
    /// A recording of encoded pictures, the first of which is a key frame.
    ///
    /// # Errors
    /// When there is no decoder.
    pub fn new(units: Vec<Vec<Bytes>>) -> anyhow::Result<Self> {
        Ok(Self { units, decoder: H264Decoder::new()?, next: 0, last: None })
    }

    /// The next picture; after the last comes the first.
    pub fn next_picture(&mut self) -> Rgb {
        for _ in 0..self.units.len().max(1) {
            let Some(nals) = self.units.get(self.next) else { break };
            self.next = (self.next + 1) % self.units.len();
            if let Ok(Decoded::Picture(picture)) = self.decoder.decode(nals, true) {
                let (pixels, _) = picture.rgb().as_chunks::<3>();
                let (width, height) = (picture.width(), picture.height());
                self.last = Some(Rgb { width, height, pixels: pixels.to_vec() });
                break;
            }
        }
        self.last.clone().unwrap_or_else(|| Rgb::filled(16, 16, [0; 3]))
    }
}
