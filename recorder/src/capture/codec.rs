//! The little that has to be read out of Opus packets, H.264 access units and VP8 frames.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use shiguredo_mp4::bitstream::{h264::parse_sps, vp8};

use super::sample::Conceal;

/// Largest picture taken. A 1080p key frame is some 300 kB; what is larger is an attack.
const MAX_PICTURE: usize = 4 * 1024 * 1024;
/// Most NAL units in one access unit: slices and parameter sets are a handful.
const MAX_NALS: usize = 256;
/// Largest Opus packet taken: RFC 6716 allows 1275 bytes a frame, WebRTC sends one to six.
const MAX_OPUS: usize = 6 * 1276;
/// Parameter sets are tens of bytes; this is what an `avcC` box can hold of one.
const MAX_PARAMETER_SET: usize = u16::MAX as usize;

const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const NAL_PPS: u8 = 8;

/// What a sample entry says about the picture, from the first key frame of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VideoConfig {
    pub coding: VideoCoding,
    pub width: u16,
    pub height: u16,
}

/// How the picture is coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum VideoCoding {
    H264 {
        sps: Bytes,
        pps: Bytes,
        /// `profile_idc`, `constraint_set_flags`, `level_idc`.
        profile: [u8; 3],
    },
    Vp8,
}

impl VideoConfig {
    /// Whether a decoder set up for `self` can carry on with `other` from what is in band alone.
    /// Another size or level can: H.264's sample entry is `avc3` (ISO/IEC 14496-15 section
    /// 5.3.3.1.2), and each VP8 key frame says its size. Another coding or profile may need
    /// another decoder.
    fn serves(&self, other: &Self) -> bool {
        match (&self.coding, &other.coding) {
            (VideoCoding::H264 { profile: a, .. }, VideoCoding::H264 { profile: b, .. }) => {
                a.first() == b.first()
            }
            (VideoCoding::Vp8, VideoCoding::Vp8) => true,
            _ => false,
        }
    }
}

/// A picture as stored.
#[derive(Debug)]
pub(super) struct Picture {
    /// H.264: NAL units with 4-byte lengths. VP8: the frame.
    pub data: Bytes,
    /// It needs no other.
    pub sync: bool,
}

/// Reads one video stream's pictures and keeps what a decoder needs to know beforehand.
#[derive(Debug, Default)]
pub(super) struct VideoReader {
    sps: Option<Bytes>,
    pps: Option<Bytes>,
    config: Option<Arc<VideoConfig>>,
}

impl VideoReader {
    /// Turns an access unit into its stored form; `None` when it is not one that can be stored.
    pub(super) fn read_h264(&mut self, nals: &[Bytes]) -> Option<Picture> {
        let size = nals.iter().fold(0usize, |sum, nal| sum.saturating_add(nal.len()));
        if nals.len() > MAX_NALS || size > MAX_PICTURE {
            return None;
        }
        self.forget_unless(|coding| matches!(coding, VideoCoding::H264 { .. }));
        let mut data = BytesMut::with_capacity(size + 4 * nals.len());
        let mut sync = false;
        for nal in nals {
            let Some(&header) = nal.first() else { continue };
            match header & 0x1f {
                NAL_IDR => sync = true,
                NAL_SPS if nal.len() <= MAX_PARAMETER_SET => self.sps = Some(nal.clone()),
                NAL_PPS if nal.len() <= MAX_PARAMETER_SET => self.pps = Some(nal.clone()),
                _ => {}
            }
            data.put_u32(u32::try_from(nal.len()).ok()?);
            data.put_slice(nal);
        }
        if sync && let Some(config) = self.h264_config() {
            self.reconfigure(config);
        }
        (!data.is_empty()).then(|| Picture { data: data.freeze(), sync })
    }

    /// Takes a VP8 frame as it is; `None` when it is not one that can be stored.
    pub(super) fn read_vp8(&mut self, frame: &Bytes) -> Option<Picture> {
        if frame.len() > MAX_PICTURE {
            return None;
        }
        let header = vp8::parse_frame_header(frame).ok()?;
        self.forget_unless(|coding| matches!(coding, VideoCoding::Vp8));
        if let Some(key) = header.keyframe {
            let (width, height) = (key.width, key.height);
            self.reconfigure(VideoConfig { coding: VideoCoding::Vp8, width, height });
        }
        Some(Picture { data: frame.clone(), sync: header.keyframe.is_some() })
    }

    /// The decoder set-up of the pictures read, once a key frame with all it needs was seen.
    pub(super) const fn config(&self) -> Option<&Arc<VideoConfig>> {
        self.config.as_ref()
    }

    /// A picture of another coding begins anew: it has nothing to rest on before its key frame.
    fn forget_unless(&mut self, is_same: impl Fn(&VideoCoding) -> bool) {
        if self.config.as_ref().is_some_and(|config| !is_same(&config.coding)) {
            *self = Self::default();
        }
    }

    /// What the parameter sets say, `None` where they say what is known or nothing sound.
    fn h264_config(&self) -> Option<VideoConfig> {
        let (sps, pps) = (self.sps.as_ref()?, self.pps.as_ref()?);
        let is_known = self.config.as_ref().is_some_and(
            |config| matches!(&config.coding, VideoCoding::H264 { sps: known, .. } if known == sps),
        );
        if is_known {
            return None;
        }
        let parsed = parse_sps(sps).ok()?;
        let id = parsed.profile_level_id;
        Some(VideoConfig {
            coding: VideoCoding::H264 {
                sps: Bytes::copy_from_slice(sps),
                pps: Bytes::copy_from_slice(pps),
                profile: [id.profile_idc, id.profile_iop, id.level_idc],
            },
            width: parsed.width,
            height: parsed.height,
        })
    }

    fn reconfigure(&mut self, config: VideoConfig) {
        // `tkhd` holds sizes as 16.16 fixed point.
        let fits = |size: u16| i16::try_from(size).is_ok();
        let is_served = self.config.as_ref().is_some_and(|known| known.serves(&config));
        if !is_served && fits(config.width) && fits(config.height) {
            self.config = Some(Arc::new(config));
        }
    }
}

/// How long an Opus packet plays (RFC 6716 sections 3.1 and 3.2); `None` when it is malformed.
pub(super) fn opus_duration(packet: &[u8]) -> Option<Duration> {
    let toc = *packet.first()?;
    if packet.len() > MAX_OPUS {
        return None;
    }
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    let plays = opus_frame_duration(toc) * frames;
    (!plays.is_zero() && plays <= Duration::from_millis(120)).then_some(plays)
}

/// The packet that stands for a lost one after `packet`: the same configuration, one frame, no
/// data (RFC 7845 section 4.1).
pub(super) fn opus_conceal(packet: &[u8]) -> Option<Conceal> {
    let toc = *packet.first()?;
    Some(Conceal { packet: Bytes::copy_from_slice(&[toc & !3]), plays: opus_frame_duration(toc) })
}

/// How long each frame of a packet plays, by the first byte.
const fn opus_frame_duration(toc: u8) -> Duration {
    let config = toc >> 3;
    let micros = match (config, config & 3) {
        (16.., 0) => 2_500,
        (16.., 1) => 5_000,
        (0..=11, 2) => 40_000,
        (0..=11, 3) => 60_000,
        (12..=15, 1 | 3) | (0..=11, 1) | (16.., 3) => 20_000,
        _ => 10_000,
    };
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_packets_say_how_long_they_play() {
        let ms = |packet: &[u8]| opus_duration(packet).map(|d| d.as_micros());
        assert_eq!(ms(&[0x78, 1, 2]), Some(20_000)); // hybrid, fullband, 20 ms
        assert_eq!(ms(&[0xfc, 1]), Some(20_000)); // CELT, fullband, 20 ms, stereo
        assert_eq!(ms(&[0xe1, 1]), Some(5_000)); // two frames of 2.5 ms
        assert_eq!(ms(&[0x18, 1]), Some(60_000)); // SILK, 60 ms
        assert_eq!(ms(&[0x1b, 2]), Some(120_000)); // two of them
        assert_eq!(ms(&[0x1b, 3]), None); // 180 ms is not allowed
        assert_eq!(ms(&[0x1b, 0]), None);
        assert_eq!(ms(&[0x1b]), None);
        assert_eq!(ms(&[]), None);
        assert_eq!(ms(&[0x78; MAX_OPUS + 1]), None);
    }

    #[test]
    fn what_is_no_access_unit_is_refused() {
        let mut reader = VideoReader::default();
        assert!(reader.read_h264(&[]).is_none());
        assert!(reader.read_h264(&[Bytes::new()]).is_none());
        assert!(reader.read_h264(&vec![Bytes::from_static(&[1]); MAX_NALS + 1]).is_none());
        assert!(reader.read_h264(&[Bytes::from(vec![1; MAX_PICTURE + 1])]).is_none());
        // A key frame with rubbish for parameter sets can be read but not be started from.
        let rubbish = [&[0x67][..], &[0x68], &[0x65, 1]].map(Bytes::from_static);
        assert!(reader.read_h264(&rubbish).is_some_and(|picture| picture.sync));
        assert!(reader.config().is_none());
    }

    #[test]
    fn a_change_of_coding_waits_for_the_new_ones_key_frame() {
        let mut reader = VideoReader::default();
        let key = [&[0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 1, 0xf0, 0][..], &[0; 20]].concat();
        let (key, inter) = (Bytes::from(key), Bytes::from_static(&[0x11, 0, 0, 9]));
        assert!(reader.read_vp8(&inter).is_some_and(|picture| !picture.sync));
        assert!(reader.config().is_none());
        assert!(reader.read_vp8(&key).is_some_and(|picture| picture.sync));
        let config = reader.config().cloned().unwrap();
        assert_eq!((config.width, config.height, &config.coding), (320, 240, &VideoCoding::Vp8));
        assert!(reader.read_vp8(&inter).is_some() && reader.config() == Some(&config));
        assert!(reader.read_h264(&[Bytes::from_static(&[0x41, 1])]).is_some());
        assert!(reader.config().is_none());
        for rubbish in [&[][..], &[0x10, 0], &[0x10, 0, 0, 1, 2, 3, 4, 5, 6, 7], &[0x1e, 0, 0, 9]] {
            assert!(reader.read_vp8(&Bytes::copy_from_slice(rubbish)).is_none(), "{rubbish:?}");
        }
    }
}
