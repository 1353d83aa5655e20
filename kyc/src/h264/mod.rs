//! H.264 from a tap into pictures.
//!
//! The bytes come from a stranger's browser and the decoder is C. Only what a WebRTC camera sends
//! reaches it: slices and parameter sets, of a bounded size and resolution (see [`sps`]).

pub mod sps;

use std::fmt;

use bytes::Bytes;
use openh264::{
    decoder::{DecodedYUV, Decoder},
    formats::YUVSource as _,
};

use crate::{
    video::{Decoded, MAX_FRAME_BYTES, fits},
    vision::Picture,
    yuv::{self, Planes},
};
use sps::{Sps, SpsError};

/// Decodes one stream, in order.
pub struct H264Decoder {
    decoder: Decoder,
    /// Slices that depend on pictures not decoded are skipped until the next key frame.
    awaiting_key: bool,
    access_unit: Vec<u8>,
}

/// Why a frame gave no picture.
#[derive(Debug, thiserror::Error)]
pub enum H264Error {
    /// The decoder cannot be made.
    #[error("the H.264 decoder cannot be made: {0}")]
    Decoder(String),
    /// A NAL unit is not one.
    #[error("not an H.264 NAL unit: {0}")]
    Malformed(&'static str),
    /// A parameter set is refused.
    #[error(transparent)]
    Sps(#[from] SpsError),
    /// The frame is larger than any camera's.
    #[error("a frame of {0} bytes is too large")]
    TooLarge(usize),
    /// The decoder refused the frame.
    #[error("the frame cannot be decoded")]
    Undecodable,
}

/// More NAL units in one picture than any encoder makes (a 1080p picture has 68 macroblock rows).
const MAX_NALS: usize = 256;

/// `nal_ref_idc`, section 7.4.1.
const REFERENCED: u8 = 0x60;
const SLICE: u8 = 1;
const IDR_SLICE: u8 = 5;
const SEQUENCE_PARAMETERS: u8 = 7;
const PICTURE_PARAMETERS: u8 = 8;

impl H264Decoder {
    /// A decoder that waits for a key frame.
    ///
    /// # Errors
    /// When the library cannot start one.
    pub fn new() -> Result<Self, H264Error> {
        Ok(Self { decoder: new_decoder()?, awaiting_key: true, access_unit: Vec::new() })
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

    /// Decodes the NAL units of one picture. The RGB picture is made only if `wanted`.
    ///
    /// # Errors
    /// When the frame is malformed, refused or undecodable; decoding resumes at the next key frame.
    pub fn decode(&mut self, nals: &[Bytes], wanted: bool) -> Result<Decoded, H264Error> {
        let result = self.try_decode(nals, wanted);
        self.access_unit.clear();
        if result.is_err() {
            self.awaiting_key = true;
        }
        result
    }

    fn try_decode(&mut self, nals: &[Bytes], wanted: bool) -> Result<Decoded, H264Error> {
        let unit = AccessUnit::parse(nals)?;
        if self.awaiting_key && !unit.key {
            return Ok(Decoded::AwaitingKey);
        }
        if !(wanted || unit.referenced || unit.key) {
            return Ok(Decoded::Silent);
        }
        self.access_unit.clear();
        for nal in &unit.nals {
            self.access_unit.extend_from_slice(&[0, 0, 0, 1]);
            self.access_unit.extend_from_slice(nal);
        }
        if self.access_unit.is_empty() {
            return Ok(Decoded::Silent);
        }
        let whole = unit.key && unit.parameters;
        let decoded = match decode(&mut self.decoder, &self.access_unit, wanted) {
            // The library tells of a broken picture only with the next one, and drops that too.
            // A key frame that brings its parameters needs nothing of what was before.
            Err(H264Error::Undecodable) if whole => {
                self.decoder = new_decoder()?;
                decode(&mut self.decoder, &self.access_unit, wanted)?
            }
            decoded => decoded?,
        };
        if unit.key {
            self.awaiting_key = false;
        }
        Ok(decoded)
    }
}

fn new_decoder() -> Result<Decoder, H264Error> {
    Decoder::new().map_err(|e| H264Error::Decoder(e.to_string()))
}

fn decode(decoder: &mut Decoder, unit: &[u8], wanted: bool) -> Result<Decoded, H264Error> {
    match decoder.decode(unit).map_err(|_| H264Error::Undecodable)? {
        Some(yuv) if wanted => Ok(Decoded::Picture(to_picture(&yuv)?)),
        _ => Ok(Decoded::Silent),
    }
}

impl fmt::Debug for H264Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("H264Decoder")
    }
}

/// The NAL units of one picture that the decoder may see.
struct AccessUnit<'a> {
    nals: Vec<&'a [u8]>,
    /// An instantaneous decoder refresh (IDR) picture.
    key: bool,
    /// A sequence parameter set is among the units.
    parameters: bool,
    /// Later pictures may be predicted from it, or it carries parameter sets. Others need not be
    /// decoded unless their own picture is wanted.
    referenced: bool,
}

impl<'a> AccessUnit<'a> {
    fn parse(nals: &'a [Bytes]) -> Result<Self, H264Error> {
        let total = nals.iter().map(Bytes::len).sum();
        if total > MAX_FRAME_BYTES || nals.len() > MAX_NALS {
            return Err(H264Error::TooLarge(total));
        }
        let room = Vec::with_capacity(nals.len());
        let mut unit = Self { nals: room, key: false, parameters: false, referenced: false };
        for nal in nals {
            let Some(&header) = nal.first() else {
                return Err(H264Error::Malformed("it is empty"));
            };
            if header & 0x80 != 0 {
                return Err(H264Error::Malformed("the forbidden bit is set"));
            }
            match header & 0x1f {
                SLICE | PICTURE_PARAMETERS => {}
                IDR_SLICE => unit.key = true,
                SEQUENCE_PARAMETERS => {
                    Sps::parse(nal)?.check()?;
                    unit.parameters = true;
                }
                // Delimiters, supplemental information and the scalable extensions are not needed
                // for a picture, so the decoder never sees them.
                _ => continue,
            }
            unit.referenced |= header & REFERENCED != 0;
            unit.nals.push(without_start_codes(nal)?);
        }
        Ok(unit)
    }
}

/// The unit without trailing zeros, refused if it would be read as several units once start codes
/// are put between units: otherwise a second, unchecked parameter set could hide in a first.
fn without_start_codes(nal: &[u8]) -> Result<&[u8], H264Error> {
    let end = nal.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    let nal = nal.get(..end).unwrap_or_default();
    let hidden = nal.windows(3).any(|w| matches!(w, [0, 0, 0..=2]));
    if hidden { Err(H264Error::Malformed("a start code is inside")) } else { Ok(nal) }
}

fn to_picture(decoded: &DecodedYUV<'_>) -> Result<Picture, H264Error> {
    let (width, height) = decoded.dimensions();
    if !fits(side(width), side(height)) {
        return Err(SpsError::TooLarge { width: side(width), height: side(height) }.into());
    }
    let (y, u, v) = decoded.strides();
    let planes = [decoded.y(), decoded.u(), decoded.v()];
    yuv::to_picture(&Planes { width, height, planes, strides: [y, u, v] })
        .ok_or(H264Error::Undecodable)
}

fn side(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Splits an Annex B byte stream into its NAL units, start codes and padding removed.
#[must_use]
pub fn split_annex_b(stream: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut rest = stream;
    let mut inside = false;
    loop {
        let code = rest.windows(3).position(|w| w == [0, 0, 1]);
        let unit = rest.get(..code.unwrap_or(rest.len())).unwrap_or_default();
        let end = unit.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
        if inside && end > 0 {
            units.extend(unit.get(..end));
        }
        let Some(code) = code else { return units };
        rest = rest.get(code + 3..).unwrap_or_default();
        inside = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn annex_b_splits_at_start_codes_of_either_length() {
        let stream = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 9];
        assert_eq!(split_annex_b(&stream), [&[0x67, 1, 2][..], &[0x68, 3][..], &[0x65, 9][..]]);
        assert!(split_annex_b(&[]).is_empty());
    }

    #[test]
    fn a_parameter_set_cannot_hide_behind_a_start_code() {
        let hidden = Bytes::from_static(&[0x41, 9, 9, 0, 0, 1, 0x67, 0x42, 0, 0x1f]);
        assert!(matches!(
            H264Decoder::new().unwrap().decode(&[hidden], true),
            Err(H264Error::Malformed(_))
        ));
    }

    #[test]
    fn nothing_is_decoded_before_a_key_frame() {
        let slice = Bytes::from_static(&[0x41, 0x9a, 0x12, 0x34]);
        assert!(matches!(
            H264Decoder::new().unwrap().decode(&[slice], true),
            Ok(Decoded::AwaitingKey)
        ));
    }

    #[test]
    fn an_oversize_frame_is_refused() {
        let huge = Bytes::from(vec![0x65; MAX_FRAME_BYTES + 1]);
        assert!(matches!(
            H264Decoder::new().unwrap().decode(&[huge], true),
            Err(H264Error::TooLarge(_))
        ));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(
            frames in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4), 0..8),
            types in prop::collection::vec(0u8..32, 1..32),
        ) {
            let mut decoder = H264Decoder::new().unwrap();
            let mut types = types.iter().cycle();
            for frame in frames {
                let nals: Vec<Bytes> = frame
                    .into_iter()
                    .map(|mut nal| {
                        if let (Some(first), Some(t)) = (nal.first_mut(), types.next()) {
                            *first = 0x60 | t;
                        }
                        Bytes::from(nal)
                    })
                    .collect();
                let _ = decoder.decode(&nals, true);
            }
        }
    }
}
