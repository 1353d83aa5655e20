//! Recorded media: encoded once, sent by many. Every frame and every audio packet is stamped with
//! its sender's time and number, where decoders do not look.

use std::sync::Arc;

use openh264::{
    OpenH264API,
    encoder::{Encoder, EncoderConfig, FrameRate, RateControlMode},
    formats::YUVBuffer,
};
use vbranch_domain::Mono;

use crate::{bot::packetize, scene::Microphone};

/// Pictures per second.
pub const FPS: u32 = 30;
/// Picture size.
const SIZE: (usize, usize) = (640, 360);
/// The loop: it begins with a key frame, and begins anew when one is asked for.
const FRAMES: usize = 90;
/// Macroblocks of a picture, the cut-off ones at the bottom left out.
const BLOCKS: usize = (SIZE.0 / 16) * (SIZE.1 / 16);
/// Length of the audio loop: two seconds.
const AUDIO_PACKETS: usize = 100;
/// Marks our SEI messages (RFC 9562 would call it a custom UUID).
const UUID: &[u8; 16] = b"vbranch-load-sei";
/// Stamp as hexadecimal digits: number (8), packets (4), key (1), time (16). Digits need no
/// emulation prevention (ITU-T H.264 section 7.4.1).
const STAMP: usize = 29;

/// What a stamp says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Of the frame or the audio packet, from 0.
    pub number: u32,
    /// RTP packets of the frame, the stamp's own included; 1 for audio.
    pub packets: u16,
    /// Whether it can be decoded by itself.
    pub key: bool,
    /// When it was sent.
    pub at: Mono,
}

impl Stamp {
    fn write(self) -> String {
        let Self { number, packets, key, at } = self;
        format!("{number:08x}{packets:04x}{:x}{:016x}", u8::from(key), at.as_nanos())
    }

    fn read(digits: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(digits.get(..STAMP)?).ok()?;
        Some(Self {
            number: u32::from_str_radix(text.get(..8)?, 16).ok()?,
            packets: u16::from_str_radix(text.get(8..12)?, 16).ok()?,
            key: text.get(12..13)? == "1",
            at: Mono::from_nanos(u64::from_str_radix(text.get(13..29)?, 16).ok()?),
        })
    }

    /// A single NAL unit packet: SEI, user data unregistered (ITU-T H.264 section D.1.7).
    #[must_use]
    pub fn as_video(self) -> Arc<[u8]> {
        let mut nal = vec![6, 5, (UUID.len() + STAMP) as u8];
        nal.extend(UUID);
        nal.extend(self.write().bytes());
        nal.push(0x80);
        nal.into()
    }

    /// The stamp of a video packet that is one.
    #[must_use]
    pub fn of_video(payload: &[u8]) -> Option<Self> {
        Self::read(payload.get(3..)?.strip_prefix(UUID)?)
    }

    /// An Opus packet with the stamp as padding (RFC 6716 section 3.2.5): a decoder skips it.
    #[must_use]
    pub fn as_audio(self, opus: &[u8]) -> Option<Arc<[u8]>> {
        let (toc, frame) = opus.split_first()?;
        if toc & 3 != 0 {
            return None;
        }
        let mut packet = vec![toc | 3, 0x41, STAMP as u8];
        packet.extend(frame);
        packet.extend(self.write().bytes());
        Some(packet.into())
    }

    /// The stamp of an audio packet.
    #[must_use]
    pub fn of_audio(payload: &[u8]) -> Option<Self> {
        Self::read(payload.get(payload.len().checked_sub(STAMP)?..)?)
    }
}

/// The recording.
pub struct Recording {
    /// The loop.
    pub video: Film,
    /// Opus packets of 20 ms.
    pub audio: Vec<Vec<u8>>,
}

impl Recording {
    /// Encodes it: `bits` per second of video.
    ///
    /// # Errors
    /// When an encoder fails.
    pub fn encode(bits: u32) -> anyhow::Result<Self> {
        // The encoder keeps its quality; how much moves in the picture makes the rate.
        let (mut low, mut high) = (0, BLOCKS);
        let mut video = film(high)?;
        while high - low > BLOCKS / 64 {
            let middle = low.midpoint(high);
            video = film(middle)?;
            if bps(&video) > f64::from(bits) { high = middle } else { low = middle }
        }
        let mut microphone = Microphone::new(440.0)?;
        let audio = (0..AUDIO_PACKETS).map(|_| microphone.listen()).collect::<Result<_, _>>()?;
        Ok(Self { video, audio })
    }

    /// Bits per second of video payload.
    #[must_use]
    pub fn video_bps(&self) -> f64 {
        bps(&self.video)
    }
}

/// RTP payloads per frame.
pub type Film = Vec<Vec<Arc<[u8]>>>;

/// Bits per second of payload.
fn bps(film: &Film) -> f64 {
    let bytes: usize = film.iter().flatten().map(|p| p.len()).sum();
    bytes as f64 * 8.0 * f64::from(FPS) / film.len().max(1) as f64
}

/// A loop in which so many blocks change with every frame.
fn film(busy: usize) -> anyhow::Result<Film> {
    let config = EncoderConfig::new()
        .rate_control_mode(RateControlMode::Off)
        .skip_frames(false)
        .max_frame_rate(FrameRate::from_hz(FPS as f32));
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config)?;
    let mut film = vec![];
    for frame in 0..FRAMES {
        let unit = encoder.encode(&picture(frame, busy))?.to_vec();
        film.push(packetize(&unit).iter().map(|p| Arc::from(p.as_ref())).collect());
    }
    Ok(film)
}

/// A patchwork, of which the first `busy` blocks of 16 x 16 are new in each frame.
fn picture(frame: usize, busy: usize) -> YUVBuffer {
    let (width, height) = SIZE;
    let mut yuv = vec![128u8; width * height * 3 / 2];
    for (i, luma) in yuv.iter_mut().take(width * height).enumerate() {
        let (x, y) = (i % width, i / width);
        let block = y / 16 * (width / 16) + x / 16;
        let seed = if block < busy { frame + 1 } else { 0 };
        let mut noise = (x / 4).wrapping_mul(0x9e37_79b1) ^ (y / 4).wrapping_mul(0x85eb_ca6b);
        noise = (noise ^ seed.wrapping_mul(0x27d4_eb2f)).wrapping_mul(0x165667b1);
        *luma = (80 + (noise >> 15) % 96) as u8;
    }
    YUVBuffer::from_vec(yuv, width, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMPED: Stamp =
        Stamp { number: 7, packets: 5, key: true, at: Mono::from_millis(123_456) };

    #[test]
    fn a_stamp_comes_back_and_does_not_disturb_a_decoder() {
        assert_eq!(Stamp::of_video(&STAMPED.as_video()), Some(STAMPED));
        assert_eq!(Stamp::of_video(&[6, 5, 3, 1, 2, 3, 0x80]), None);

        let recording = Recording::encode(1_000_000).unwrap();
        let mut decoder = opus::Decoder::new(48_000, opus::Channels::Mono).unwrap();
        let mut pcm = [0f32; 5_760];
        for packet in &recording.audio {
            let stamped = STAMPED.as_audio(packet).unwrap();
            assert_eq!(Stamp::of_audio(&stamped), Some(STAMPED));
            assert_eq!(decoder.decode_float(&stamped, &mut pcm, false).unwrap(), 960);
        }
    }

    #[test]
    fn the_recording_begins_with_a_key_frame_and_has_about_its_rate() {
        let recording = Recording::encode(1_000_000).unwrap();
        let types: Vec<u8> = recording.video[0]
            .iter()
            .map(|p| if p[0] & 0x1f == 28 { p[1] & 0x1f } else { p[0] & 0x1f })
            .collect();
        assert!(types.contains(&7) && types.contains(&5), "{types:?}");
        let bps = recording.video_bps();
        assert!((700_000.0..1_400_000.0).contains(&bps), "{bps}");
    }
}
