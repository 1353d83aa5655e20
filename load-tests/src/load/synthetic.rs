//! A video stream that is cheap to make: the right headers for a key frame or another, and filling.
//!
//! Packets are of one size, but [`SyntheticVideo::probe`] makes one whose size is a number: a
//! subscriber can time it without decrypting, whatever the server did to the header.

use std::{sync::Arc, time::Duration};

use vbranch_domain::Mono;

use crate::scene::Camera;

/// An RTP packet before encryption: 1200 bytes with its 12 byte header.
const PAYLOAD: usize = 1_188;
/// A frame takes 1/30 s, whatever the rate of packets.
const FRAME: Duration = Duration::from_nanos(33_333_333);
/// Sizes of probes lie this far apart: the tag behind the payload is 10 or 16 bytes.
const PROBE_STEP: usize = 16;
const PROBE_BASE: usize = 128;
/// How many probes can be told apart.
pub const PROBES: usize = 48;

/// What the packets look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// RFC 6184, packetization mode 1.
    H264,
    /// RFC 7741.
    Vp8,
}

/// One packet to send.
pub struct Piece {
    /// In 90 kHz.
    pub timestamp: u32,
    /// Ends its frame.
    pub marker: bool,
    /// The payload.
    pub payload: Arc<[u8]>,
}

/// The stream.
pub struct SyntheticVideo {
    codec: Codec,
    /// SPS and PPS as a STAP-A (RFC 6184 section 5.7.1).
    parameters: Arc<[u8]>,
    frame_start: Mono,
    /// Packets of the present frame so far.
    index: u32,
    key: bool,
    key_wanted: bool,
    picture: u16,
}

impl SyntheticVideo {
    /// A stream that begins with a key frame.
    ///
    /// # Errors
    /// When the H.264 encoder, which makes the parameter sets, cannot be made.
    pub fn new(codec: Codec, now: Mono) -> anyhow::Result<Self> {
        let unit = Camera::new()?.shoot(true)?;
        let mut parameters = vec![0x78];
        for nal in openh264::nal_units(&unit) {
            let nal =
                nal.strip_prefix(&[0, 0, 0, 1]).or(nal.strip_prefix(&[0, 0, 1])).unwrap_or(nal);
            if nal.first().is_some_and(|first| matches!(first & 0x1f, 7 | 8)) {
                parameters.extend(u16::try_from(nal.len())?.to_be_bytes());
                parameters.extend(nal);
            }
        }
        Ok(Self {
            codec,
            parameters: parameters.into(),
            frame_start: now,
            index: 0,
            key: true,
            key_wanted: false,
            picture: 0,
        })
    }

    /// The next frame will be a key frame.
    pub const fn want_key(&mut self) {
        self.key_wanted = true;
    }

    /// The next packet of full size.
    pub fn next(&mut self, now: Mono) -> Piece {
        self.piece(now, PAYLOAD)
    }

    /// The next packet, of a size that says `number` (below [`PROBES`]).
    pub fn probe(&mut self, now: Mono, number: usize) -> Piece {
        // In the middle of its step, so that either tag leaves it there.
        self.piece(now, PROBE_BASE + number % PROBES * PROBE_STEP - 7)
    }

    /// The number of a probe by the length of its payload with the tag.
    #[must_use]
    pub fn probe_number(sealed: usize) -> Option<usize> {
        let number = sealed.checked_sub(PROBE_BASE)? / PROBE_STEP;
        (number < PROBES).then_some(number)
    }

    fn piece(&mut self, now: Mono, size: usize) -> Piece {
        let timestamp = (self.frame_start.as_nanos() / 1_000 * 9 / 100) as u32;
        let marker = now.since(self.frame_start) >= FRAME && self.index > 2;
        let payload = match self.codec {
            Codec::H264 if self.key && self.index == 0 => self.parameters.clone(),
            Codec::H264 => self.h264(size, marker),
            Codec::Vp8 => self.vp8(size),
        };
        self.index += 1;
        if marker {
            self.frame_start = now;
            self.index = 0;
            self.key = std::mem::take(&mut self.key_wanted);
            self.picture = self.picture.wrapping_add(1) & 0x7fff;
        }
        Piece { timestamp, marker, payload }
    }

    fn h264(&self, size: usize, end: bool) -> Arc<[u8]> {
        let first = if self.key { 1 } else { 0 };
        let flags = if self.index == first { 0x80 } else { 0 } | if end { 0x40 } else { 0 };
        // FU-A of an IDR or another slice (RFC 6184 section 5.8).
        filled(size, &[0x7c, flags | if self.key { 5 } else { 1 }])
    }

    fn vp8(&self, size: usize) -> Arc<[u8]> {
        // A descriptor with a 15 bit picture id (RFC 7741 section 4.2), and the frame's tag in
        // its first packet, whose lowest bit says that it is no key frame.
        let [high, low] = (self.picture | 0x8000).to_be_bytes();
        if self.index == 0 {
            filled(size, &[0x90, 0x80, high, low, u8::from(!self.key)])
        } else {
            filled(size, &[0x80, 0x80, high, low])
        }
    }
}

fn filled(size: usize, head: &[u8]) -> Arc<[u8]> {
    head.iter().copied().chain(std::iter::repeat(0xab)).take(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_frame_comes_first_and_when_asked_for() {
        let mut video = SyntheticVideo::new(Codec::H264, Mono::ZERO).unwrap();
        let at = |ms| Mono::from_millis(ms);
        let types: Vec<_> = [0, 1, 2, 40, 41, 42, 43, 80, 81]
            .map(|ms| {
                if ms == 42 {
                    video.want_key();
                }
                let piece = video.next(at(ms));
                (piece.payload[0] & 0x1f, piece.payload[1] & 0xdf, piece.marker)
            })
            .into();
        assert_eq!(types[1..4], [(28, 0x85, false), (28, 5, false), (28, 0x45, true)]);
        assert_eq!(
            types[4..8],
            [(28, 0x81, false), (28, 1, false), (28, 1, false), (28, 0x41, true)]
        );
        assert_eq!((types[0].0, types[8].0), (24, 24), "parameter sets before each IDR picture");
    }

    #[test]
    fn probes_are_known_by_their_size_whichever_the_tag() {
        let mut video = SyntheticVideo::new(Codec::Vp8, Mono::ZERO).unwrap();
        for number in 0..PROBES {
            let size = video.probe(Mono::ZERO, number).payload.len();
            for tag in [10, 16] {
                assert_eq!(SyntheticVideo::probe_number(size + tag), Some(number));
            }
        }
        assert_eq!(SyntheticVideo::probe_number(PAYLOAD + 10), None);
    }
}
