//! VP8 from a tap into pictures.
//!
//! The bytes come from a stranger's browser and the decoder is C (libvpx, as browsers use it). The
//! size that a key frame asks for is read before the decoder sees it, because a decoder allocates
//! what it asks for; frames between take the size of the key frame before.

use vbranch_vp8::{Decoder, Error, Frame};

use crate::{
    video::{Decoded, MAX_FRAME_BYTES, fits},
    vision::Picture,
    yuv::{self, Planes},
};

/// Decodes one stream, in order.
#[derive(Debug)]
pub struct Vp8Decoder {
    decoder: Decoder,
    /// Frames that depend on pictures not decoded are skipped until the next key frame.
    awaiting_key: bool,
}

/// Why a frame gave no picture.
#[derive(Debug, thiserror::Error)]
pub enum Vp8Error {
    /// VP8 cannot be decoded on this machine.
    #[error("VP8 cannot be decoded here")]
    Unavailable(#[source] Error),
    /// The frame's header is not one (RFC 6386 section 9.1).
    #[error("not a VP8 frame: {0}")]
    Malformed(&'static str),
    /// The frame is larger than any camera's.
    #[error("a frame of {0} bytes is too large")]
    TooLarge(usize),
    /// The picture is larger than is decoded here.
    #[error("pictures of {width}x{height} are not decoded")]
    PictureTooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The decoder refused the frame.
    #[error("the frame cannot be decoded")]
    Undecodable(#[source] Error),
}

/// What a frame says before its compressed part (RFC 6386 section 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    /// A key frame of this size.
    Key { width: u32, height: u32 },
    /// Any other.
    Between,
}

impl Vp8Decoder {
    /// A decoder that waits for a key frame.
    ///
    /// # Errors
    /// When libvpx is not installed.
    pub fn new() -> Result<Self, Vp8Error> {
        let decoder = Decoder::new().map_err(Vp8Error::Unavailable)?;
        Ok(Self { decoder, awaiting_key: true })
    }

    /// Whether nothing will come out before a key frame goes in.
    #[must_use]
    pub const fn awaits_key(&self) -> bool {
        self.awaiting_key
    }

    /// Frames were lost: what follows cannot be decoded up to the next key frame.
    pub const fn lost(&mut self) {
        self.awaiting_key = true;
    }

    /// Decodes one frame. The RGB picture is made only if `wanted`.
    ///
    /// # Errors
    /// When the frame is malformed, refused or undecodable; decoding resumes at the next key frame.
    pub fn decode(&mut self, frame: &[u8], wanted: bool) -> Result<Decoded, Vp8Error> {
        let result = self.try_decode(frame, wanted);
        if result.is_err() {
            self.awaiting_key = true;
        }
        result
    }

    fn try_decode(&mut self, frame: &[u8], wanted: bool) -> Result<Decoded, Vp8Error> {
        if frame.len() > MAX_FRAME_BYTES {
            return Err(Vp8Error::TooLarge(frame.len()));
        }
        match header(frame)? {
            Header::Between if self.awaiting_key => return Ok(Decoded::AwaitingKey),
            Header::Between => {}
            Header::Key { width, height } if fits(width, height) => {}
            Header::Key { width, height } => {
                return Err(Vp8Error::PictureTooLarge { width, height });
            }
        }
        let decoded = self.decoder.decode(frame).map_err(Vp8Error::Undecodable)?;
        self.awaiting_key = false;
        match decoded {
            Some(frame) if wanted => Ok(Decoded::Picture(to_picture(&frame)?)),
            _ => Ok(Decoded::Silent),
        }
    }
}

fn header(frame: &[u8]) -> Result<Header, Vp8Error> {
    const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
    let Some((tag, rest)) = frame.split_first_chunk::<3>() else {
        return Err(Vp8Error::Malformed("it is too short"));
    };
    if tag[0] & 1 != 0 {
        return Ok(Header::Between);
    }
    let Some(([a, b, c, w0, w1, h0, h1], _)) = rest.split_first_chunk::<7>() else {
        return Err(Vp8Error::Malformed("its key frame header is too short"));
    };
    if [*a, *b, *c] != START_CODE {
        return Err(Vp8Error::Malformed("it has no start code"));
    }
    // The two bits above the size ask for scaling when shown, which is not done here.
    let side = |low: &u8, high: &u8| u32::from(u16::from_le_bytes([*low, *high]) & 0x3fff);
    match (side(w0, w1), side(h0, h1)) {
        (0, _) | (_, 0) => Err(Vp8Error::Malformed("its picture has no size")),
        (width, height) => Ok(Header::Key { width, height }),
    }
}

fn to_picture(frame: &Frame<'_>) -> Result<Picture, Vp8Error> {
    let (width, height) = (frame.width, frame.height);
    let too_large = || {
        let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Vp8Error::PictureTooLarge { width: side(width), height: side(height) }
    };
    let fit = u32::try_from(width).is_ok_and(|w| u32::try_from(height).is_ok_and(|h| fits(w, h)));
    if !fit {
        return Err(too_large());
    }
    let Frame { planes, strides, .. } = *frame;
    yuv::to_picture(&Planes { width, height, planes, strides }).ok_or_else(too_large)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A key frame's header for this size and nothing behind it.
    fn key(width: u16, height: u16) -> Vec<u8> {
        let [w0, w1] = width.to_le_bytes();
        let [h0, h1] = height.to_le_bytes();
        vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, w0, w1, h0, h1]
    }

    #[test]
    fn headers_are_read() {
        assert_eq!(header(&key(640, 480)).unwrap(), Header::Key { width: 640, height: 480 });
        // The scaling bits above the size do not count.
        let scaled = header(&key(640 | 0x4000, 480 | 0x8000)).unwrap();
        assert_eq!(scaled, Header::Key { width: 640, height: 480 });
        assert_eq!(header(&[0x11, 0, 0]).unwrap(), Header::Between);
        for bad in [&[][..], &[0x10, 0], &key(640, 480)[..9], &key(0, 480), &[0x10; 10]] {
            assert!(matches!(header(bad), Err(Vp8Error::Malformed(_))), "{bad:?}");
        }
    }

    fn decoder() -> Option<Vp8Decoder> {
        Vp8Decoder::new().inspect_err(|e| println!("skipped: {e:?}")).ok()
    }

    #[test]
    fn a_picture_of_any_size_that_a_header_can_name_is_refused_before_it_is_decoded() {
        let Some(mut decoder) = decoder() else { return };
        for (width, height) in [(16_383, 16_383), (1_921, 16), (16, 1_921), (1_920, 1_104)] {
            let refused = decoder.decode(&key(width, height), true);
            assert!(matches!(refused, Err(Vp8Error::PictureTooLarge { .. })), "{refused:?}");
        }
        let huge = vec![0x11; MAX_FRAME_BYTES + 1];
        assert!(matches!(decoder.decode(&huge, true), Err(Vp8Error::TooLarge(_))));
    }

    #[test]
    fn nothing_is_decoded_before_a_key_frame() {
        let Some(mut decoder) = decoder() else { return };
        assert!(matches!(decoder.decode(&[0x11, 0, 0, 1, 2], true), Ok(Decoded::AwaitingKey)));
    }

    proptest! {
        #[test]
        fn random_frames_never_panic(
            frames in prop::collection::vec(
                (any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 0..8),
        ) {
            let Some(mut decoder) = decoder() else { return Ok(()) };
            for (is_key, body) in frames {
                let mut frame = if is_key { key(64, 48) } else { vec![0x11, 0, 0] };
                frame.extend(body);
                let _ = decoder.decode(&frame, true);
            }
        }
    }
}
