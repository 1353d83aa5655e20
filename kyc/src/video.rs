//! Encoded video from a tap into pictures, whatever its codec.

use vbranch_domain::Payload;

use crate::{
    h264::{H264Decoder, H264Error, sps::SpsError},
    vision::Picture,
    vp8::{Vp8Decoder, Vp8Error},
};

/// Decodes one party's video, in order. The codec is that of the frames; when it changes, the next
/// key frame is waited for.
#[derive(Debug, Default)]
pub struct VideoDecoder {
    codec: Option<Codec>,
}

#[derive(Debug)]
enum Codec {
    H264(H264Decoder),
    Vp8(Vp8Decoder),
}

/// What came of one frame.
#[derive(Debug)]
pub enum Decoded {
    /// A picture (only where one was wanted).
    Picture(Picture),
    /// Decoded, or buffered by the decoder; no picture was wanted or is out yet.
    Silent,
    /// Skipped: a key frame must come first.
    AwaitingKey,
}

/// Why a frame gave no picture.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// H.264.
    #[error(transparent)]
    H264(#[from] H264Error),
    /// VP8.
    #[error(transparent)]
    Vp8(#[from] Vp8Error),
    /// Sound.
    #[error("this is no video")]
    NoVideo,
}

/// No camera's compressed picture is larger: 4 MiB is more than a raw 1080p picture compressed by
/// two thirds. Larger ones would only serve to fill memory.
pub(crate) const MAX_FRAME_BYTES: usize = 4 << 20;
/// The longer side of 1080p. A phone held upright sends 1080x1920.
const MAX_SIDE: u32 = 1920;
/// 1080p in whole macroblocks. A picture this large takes 3 MiB decoded and 6 MiB as RGB; larger
/// ones would cost memory and time and tell a liveness check nothing more.
const MAX_PIXELS: u32 = 1920 * 1088;

/// Whether pictures of this size are decoded here.
pub(crate) fn fits(width: u32, height: u32) -> bool {
    width <= MAX_SIDE
        && height <= MAX_SIDE
        && width.checked_mul(height).is_some_and(|pixels| pixels <= MAX_PIXELS)
}

impl VideoDecoder {
    /// Decodes one frame. The RGB picture is made only if `wanted`: leave it out for frames that
    /// are not looked at.
    ///
    /// # Errors
    /// When the frame is malformed, refused or undecodable; decoding resumes at the next key frame.
    pub fn decode(&mut self, payload: &Payload, wanted: bool) -> Result<Decoded, VideoError> {
        match payload {
            Payload::H264(nals) => Ok(self.h264()?.decode(nals, wanted)?),
            Payload::Vp8(frame) => Ok(self.vp8()?.decode(frame, wanted)?),
            Payload::Opus(_) => Err(VideoError::NoVideo),
        }
    }

    /// Whether nothing will come out before a key frame goes in.
    #[must_use]
    pub fn awaits_key(&self) -> bool {
        match &self.codec {
            None => true,
            Some(Codec::H264(decoder)) => decoder.awaits_key(),
            Some(Codec::Vp8(decoder)) => decoder.awaits_key(),
        }
    }

    /// Frames were lost: what follows cannot be decoded up to the next key frame.
    pub fn lost(&mut self) {
        match &mut self.codec {
            None => {}
            Some(Codec::H264(decoder)) => decoder.lost(),
            Some(Codec::Vp8(decoder)) => decoder.lost(),
        }
    }

    fn h264(&mut self) -> Result<&mut H264Decoder, VideoError> {
        if !matches!(self.codec, Some(Codec::H264(_))) {
            self.codec = Some(Codec::H264(H264Decoder::new()?));
        }
        match &mut self.codec {
            Some(Codec::H264(decoder)) => Ok(decoder),
            _ => Err(VideoError::NoVideo),
        }
    }

    fn vp8(&mut self) -> Result<&mut Vp8Decoder, VideoError> {
        if !matches!(self.codec, Some(Codec::Vp8(_))) {
            self.codec = Some(Codec::Vp8(Vp8Decoder::new()?));
        }
        match &mut self.codec {
            Some(Codec::Vp8(decoder)) => Ok(decoder),
            _ => Err(VideoError::NoVideo),
        }
    }
}

impl VideoError {
    /// The word for it in a verdict, if frames stay so.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::H264(H264Error::Sps(SpsError::TooLarge { .. }))
            | Self::Vp8(Vp8Error::PictureTooLarge { .. }) => "video_too_large",
            Self::Vp8(Vp8Error::Unavailable(_)) => "video_codec_unsupported",
            _ => "undecodable_video",
        }
    }
}
