//! The film as an MP4 file: pictures coded as H.264, sound as it comes from the mixer.

use std::{num::NonZeroU32, time::Duration};

use openh264::{
    OpenH264API,
    encoder::{
        BitRate, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod,
        Profile, RateControlMode, SpsPpsStrategy,
    },
};
use shiguredo_mp4::{
    TrackKind, Utf8String,
    bitstream::{
        h264::{H264SampleEntryConfig, LengthSize, build_avc1_box},
        opus::{ChannelCount, OpusSampleEntryConfig, build_opus_box},
    },
    boxes::SampleEntry,
    mux::{Mp4FileMuxer, Mp4FileMuxerOptions, Sample, TrackMetadata},
};

use super::{
    FilmError,
    picture::Picture,
    sound::{PACKET, RATE},
};

/// Pictures in a second: what a recording has at least.
pub(super) const FPS: u32 = 15;
/// A decoder can begin every two seconds, so seeking is quick.
const KEY_EVERY: u32 = 2 * FPS;
/// Bits a second for each pixel of the picture: enough that faces look as they were sent.
const BITS_PER_PIXEL: usize = 3;
/// Ticks of a picture's clock in a second.
const PICTURE_RATE: u32 = 90_000;
/// Pictures and sound are laid down in runs of about a second each.
const RUN: usize = FPS as usize;

/// Where a film goes.
pub trait FilmSink {
    /// More of it.
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()>;
    /// Replaces what was said at the start, within the first [`HEAD`] bytes.
    fn patch(&mut self, offset: u64, bytes: &[u8]) -> std::io::Result<()>;
}

/// Only what lies before this may be patched.
pub const HEAD: usize = 4_096;

/// Writes the film.
pub(super) struct Movie<'a> {
    sink: &'a mut dyn FilmSink,
    muxer: Mp4FileMuxer,
    encoder: Encoder,
    position: u64,
    pictures: Vec<Coded>,
    sound: Vec<Coded>,
    /// The picture's sample entry, once the coder has said it.
    entry: Option<SampleEntry>,
}

struct Coded {
    data: Vec<u8>,
    key: bool,
}

impl<'a> Movie<'a> {
    /// `name`: what the file says of itself.
    pub(super) fn new(
        sink: &'a mut dyn FilmSink,
        (width, height): (usize, usize),
        name: &str,
        made_at: Duration,
    ) -> Result<Self, FilmError> {
        let name = || TrackMetadata {
            name: Utf8String::new(name).unwrap_or_default(),
            ..TrackMetadata::default()
        };
        let muxer = Mp4FileMuxer::with_options(Mp4FileMuxerOptions {
            creation_timestamp: made_at,
            video_track: name(),
            audio_track: name(),
            ..Mp4FileMuxerOptions::default()
        })?;
        let bits = u32::try_from(width * height * BITS_PER_PIXEL).unwrap_or(u32::MAX);
        let config = EncoderConfig::new()
            .profile(Profile::Baseline)
            .complexity(Complexity::Low)
            .rate_control_mode(RateControlMode::Bitrate)
            .bitrate(BitRate::from_bps(bits))
            .max_frame_rate(FrameRate::from_hz(15.0))
            .intra_frame_period(IntraFramePeriod::from_num_frames(KEY_EVERY))
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            .scene_change_detect(false)
            .adaptive_quantization(false)
            // Every moment of the recording is in the film.
            .skip_frames(false)
            .num_threads(1);
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config)?;
        let head = muxer.initial_boxes_bytes().to_vec();
        sink.append(&head)?;
        Ok(Self {
            sink,
            muxer,
            encoder,
            position: head.len() as u64,
            pictures: Vec::new(),
            sound: Vec::new(),
            entry: None,
        })
    }

    pub(super) fn picture(&mut self, picture: &Picture) -> Result<(), FilmError> {
        let coded = self.encoder.encode(picture)?;
        let key = matches!(coded.frame_type(), FrameType::IDR);
        let (mut data, mut sps, mut pps) = (Vec::new(), Vec::new(), Vec::new());
        let layers = (0..coded.num_layers()).filter_map(|n| coded.layer(n));
        for nal in layers
            .flat_map(|l| (0..l.nal_count()).filter_map(move |n| l.nal_unit(n).map(<[u8]>::to_vec)))
        {
            let Some(nal) = without_start_code(&nal) else { continue };
            match nal.first().map(|byte| byte & 0x1f) {
                Some(7) => sps.push(nal.to_vec()),
                Some(8) => pps.push(nal.to_vec()),
                _ => {
                    let length = u32::try_from(nal.len()).map_err(|_| FilmError::Coder)?;
                    data.extend_from_slice(&length.to_be_bytes());
                    data.extend_from_slice(nal);
                }
            }
        }
        if data.is_empty() {
            return Err(FilmError::Coder);
        }
        if self.entry.is_none() {
            let config = H264SampleEntryConfig { length_size: LengthSize::FourBytes };
            self.entry = Some(SampleEntry::Avc1(build_avc1_box(&sps, &pps, &config)?));
        }
        self.pictures.push(Coded { data, key });
        if self.pictures.len() >= RUN { self.lay_down() } else { Ok(()) }
    }

    pub(super) fn sound(&mut self, packet: Vec<u8>) {
        self.sound.push(Coded { data: packet, key: true });
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> Result<(), FilmError> {
        self.lay_down()?;
        let boxes = self.muxer.finalize()?;
        for (offset, bytes) in boxes.offset_and_bytes_pairs() {
            if offset == self.position {
                self.sink.append(bytes)?;
            } else {
                self.sink.patch(offset, bytes)?;
            }
        }
        Ok(())
    }

    fn lay_down(&mut self) -> Result<(), FilmError> {
        let picture = Run {
            kind: TrackKind::Video,
            rate: PICTURE_RATE,
            duration: PICTURE_RATE / FPS,
            entry: self.entry.clone(),
        };
        let sound = Run {
            kind: TrackKind::Audio,
            rate: RATE,
            duration: u32::try_from(PACKET).unwrap_or_default(),
            entry: Some(sound_entry()),
        };
        for coded in std::mem::take(&mut self.pictures) {
            self.lay(&picture, &coded)?;
        }
        for coded in std::mem::take(&mut self.sound) {
            self.lay(&sound, &coded)?;
        }
        Ok(())
    }

    fn lay(&mut self, run: &Run, coded: &Coded) -> Result<(), FilmError> {
        self.sink.append(&coded.data)?;
        self.muxer.append_sample(&Sample {
            track_kind: run.kind,
            sample_entry: run.entry.clone(),
            keyframe: coded.key,
            timescale: NonZeroU32::new(run.rate).ok_or(FilmError::Coder)?,
            duration: run.duration,
            composition_time_offset: None,
            data_offset: self.position,
            data_size: coded.data.len(),
        })?;
        self.position = self.position.saturating_add(coded.data.len() as u64);
        Ok(())
    }
}

/// What the samples of one kind have in common.
struct Run {
    kind: TrackKind,
    rate: u32,
    duration: u32,
    entry: Option<SampleEntry>,
}

fn sound_entry() -> SampleEntry {
    SampleEntry::Opus(build_opus_box(&OpusSampleEntryConfig {
        channel_count: ChannelCount::Mono,
        // The mixer has moved the sound forward by what the coder delays it.
        pre_skip: 0,
        input_sample_rate: RATE,
        output_gain: 0,
    }))
}

fn without_start_code(nal: &[u8]) -> Option<&[u8]> {
    let code = nal.iter().position(|byte| *byte == 1)?;
    nal.get(code + 1..)
}
