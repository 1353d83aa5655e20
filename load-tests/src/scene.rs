//! What a bot shows and says: a moving picture in H.264 and a tone in Opus.

use std::f32::consts::TAU;

use anyhow::Context;
use openh264::{
    OpenH264API,
    encoder::{BitRate, Encoder, EncoderConfig, FrameRate},
    formats::YUVBuffer,
};
use opus::{Application, Channels};

/// Width and height of the picture.
pub const SIZE: (usize, usize) = (320, 240);
/// Pictures per second.
pub const FPS: u32 = 15;
/// Length of one audio packet in samples at 48 kHz: 20 ms.
pub const AUDIO_SAMPLES: usize = 960;

/// A camera filming a bar that wanders over a gradient.
pub struct Camera {
    encoder: Encoder,
    frame: usize,
}

impl Camera {
    /// A camera of about 200 kbit/s.
    ///
    /// # Errors
    /// When the encoder cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(200_000))
            .max_frame_rate(FrameRate::from_hz(FPS as f32));
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config)
            .context("H.264 encoder")?;
        Ok(Self { encoder, frame: 0 })
    }

    /// The next picture as an Annex B access unit; `key` makes it an IDR picture.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn shoot(&mut self, key: bool) -> anyhow::Result<Vec<u8>> {
        if key {
            self.encoder.force_intra_frame();
        }
        let picture = picture(self.frame);
        self.frame += 1;
        Ok(self.encoder.encode(&picture).context("encode")?.to_vec())
    }
}

fn picture(frame: usize) -> YUVBuffer {
    let (width, height) = SIZE;
    let bar = (frame * 4) % width;
    let mut yuv = vec![128u8; width * height * 3 / 2];
    for (i, luma) in yuv.iter_mut().take(width * height).enumerate() {
        let (x, y) = (i % width, i / width);
        *luma = if x.abs_diff(bar) < 8 { 235 } else { (16 + (x + y) % 180) as u8 };
    }
    YUVBuffer::from_vec(yuv, width, height)
}

/// A microphone that hears one tone.
pub struct Microphone {
    encoder: opus::Encoder,
    frequency: f32,
    sample: usize,
}

impl Microphone {
    /// A microphone near a tone of `frequency` hertz.
    ///
    /// # Errors
    /// When the encoder cannot be made.
    pub fn new(frequency: f32) -> anyhow::Result<Self> {
        let encoder = opus::Encoder::new(48_000, Channels::Mono, Application::Voip)
            .context("Opus encoder")?;
        Ok(Self { encoder, frequency, sample: 0 })
    }

    /// The next 20 ms as one Opus packet.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn listen(&mut self) -> anyhow::Result<Vec<u8>> {
        let pcm: Vec<f32> = (self.sample..self.sample + AUDIO_SAMPLES)
            .map(|n| 0.4 * (TAU * self.frequency * n as f32 / 48_000.0).sin())
            .collect();
        self.sample += AUDIO_SAMPLES;
        self.encoder.encode_vec_float(&pcm, 1275).context("encode")
    }
}
