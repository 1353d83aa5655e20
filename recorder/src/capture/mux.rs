//! Writes cuts as fragmented MP4 (ISO/IEC 14496-12), byte for byte as the media were sent.
//!
//! The picture's sample entry is `avc3`: parameter sets stay in band and may change with any key
//! frame (WebRTC changes the picture's size whenever bandwidth does), without a new init section.
//! ffmpeg and Chromium's Media Source Extensions both follow such changes. The first parameter
//! sets are in the sample entry as well, for readers that want to know the size beforehand. VP8
//! (`vp08`) needs no such care: each of its key frames says its size.

use std::num::NonZeroU32;

use bytes::Bytes;
use shiguredo_mp4::{
    BoxSize, BoxType, Decode, Encode, SampleFlags, TrackKind,
    bitstream::{
        h264::{H264SampleEntryConfig, LengthSize, build_avc1_box},
        opus::{ChannelCount, OpusSampleEntryConfig, build_opus_box},
        vp8::{Vp8SampleEntryConfig, build_vp08_box},
    },
    boxes::{
        FtypBox, MfhdBox, MoofBox, MoovBox, SampleEntry, TfdtBox, TfhdBox, TrafBox, TrunBox,
        TrunSample, UnknownBox,
    },
    mux::{Fmp4SegmentMuxer, MuxError, Sample as MuxSample},
};
use vbranch_domain::MediaKind;

use super::{
    codec::{VideoCoding, VideoConfig},
    sample::{Cut, Sample, Setup},
};
use crate::segment::TrackCodec;

/// Size of the `mdat` box header.
const MDAT_HEADER: usize = 8;

/// A cut or set-up that cannot be written as MP4.
#[derive(Debug, thiserror::Error)]
pub(super) enum MuxFailure {
    /// The MP4 library refused it.
    #[error("init section: {0}")]
    Init(#[from] MuxError),
    /// The MP4 library refused it.
    #[error("box: {0}")]
    Box(#[from] shiguredo_mp4::Error),
    /// A size or time does not fit its field.
    #[error("a size or time is out of range")]
    Range,
}

/// `ftyp` + `moov` for a set-up, and what is inside in words.
pub(super) fn init_section(setup: &Setup) -> Result<(Bytes, Vec<TrackCodec>), MuxFailure> {
    let mut muxer = Fmp4SegmentMuxer::new()?;
    let mut kinds = Vec::new();
    let mut codecs = Vec::new();
    if let Some(config) = &setup.video {
        muxer.create_media_segment_metadata(&[primer(MediaKind::Video, video_entry(config)?)?])?;
        kinds.push(MediaKind::Video);
        codecs.push(video_codec(config));
    }
    if setup.audio {
        muxer.create_media_segment_metadata(&[primer(MediaKind::Audio, audio_entry())?])?;
        kinds.push(MediaKind::Audio);
        codecs.push(TrackCodec {
            kind: MediaKind::Audio,
            codec: "opus".into(),
            width: 0,
            height: 0,
        });
    }
    let bytes = muxer.init_segment_bytes()?;
    let (ftyp, ftyp_len) = FtypBox::decode(&bytes)?;
    let (mut moov, _) = MoovBox::decode(bytes.get(ftyp_len..).unwrap_or_default())?;
    adapt(&mut moov, &kinds)?;
    let mut out = ftyp.encode_to_vec()?;
    out.extend(moov.encode_to_vec()?);
    Ok((out.into(), codecs))
}

/// `moof` + `mdat` for a cut. `sequence` counts from 0; the box counts from 1.
pub(super) fn media_segment(sequence: u32, cut: &Cut) -> Result<Bytes, MuxFailure> {
    // The size of `moof` does not depend on the offsets in it, so it is measured with none.
    let moof_len = moof(sequence, cut, 0)?.encode_to_vec()?.len();
    let mut out = moof(sequence, cut, moof_len)?.encode_to_vec()?;
    out.reserve(MDAT_HEADER + cut.bytes);
    let mdat_len = u32::try_from(MDAT_HEADER + cut.bytes).map_err(|_| MuxFailure::Range)?;
    out.extend(mdat_len.to_be_bytes());
    out.extend(b"mdat");
    for (_, samples) in cut.tracks.iter() {
        for sample in samples {
            out.extend_from_slice(&sample.data);
        }
    }
    Ok(out.into())
}

/// Track ids never change, whatever an init section holds.
const fn track_id(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Video | MediaKind::Screen => 1,
        MediaKind::Audio => 2,
    }
}

fn video_codec(config: &VideoConfig) -> TrackCodec {
    TrackCodec {
        kind: MediaKind::Video,
        codec: match &config.coding {
            VideoCoding::H264 { profile, .. } => format!("avc3.{}", hex::encode(profile)),
            // Profile 0, level not defined, 8 bits: all that VP8 has.
            VideoCoding::Vp8 => "vp08.00.00.08".to_owned(),
        },
        width: config.width.into(),
        height: config.height.into(),
    }
}

fn video_entry(config: &VideoConfig) -> Result<SampleEntry, MuxFailure> {
    Ok(match &config.coding {
        VideoCoding::H264 { sps, pps, .. } => SampleEntry::Avc1(build_avc1_box(
            &[sps.to_vec()],
            &[pps.to_vec()],
            &H264SampleEntryConfig { length_size: LengthSize::FourBytes },
        )?),
        VideoCoding::Vp8 => SampleEntry::Vp08(build_vp08_box(&Vp8SampleEntryConfig {
            // What VP8 is defined with (RFC 6386 section 9.2).
            video_full_range_flag: false,
            colour_primaries: Vp8SampleEntryConfig::COLOUR_PRIMARIES_BT601,
            transfer_characteristics: Vp8SampleEntryConfig::TRANSFER_CHARACTERISTICS_BT601,
            matrix_coefficients: Vp8SampleEntryConfig::MATRIX_COEFFICIENTS_BT601,
            width: config.width,
            height: config.height,
        })),
    })
}

/// Decoders play Opus in stereo whatever the packets hold, and each packet says what it holds.
/// Nothing is skipped at the start: the samples' times are capture times already.
fn audio_entry() -> SampleEntry {
    SampleEntry::Opus(build_opus_box(&OpusSampleEntryConfig {
        channel_count: ChannelCount::Stereo,
        pre_skip: 0,
        input_sample_rate: MediaKind::Audio.clock_rate(),
        output_gain: 0,
    }))
}

/// A sample that makes the muxer learn a track. It is not written anywhere.
fn primer(kind: MediaKind, entry: SampleEntry) -> Result<MuxSample, MuxFailure> {
    Ok(MuxSample {
        track_kind: match kind {
            MediaKind::Audio => TrackKind::Audio,
            MediaKind::Video | MediaKind::Screen => TrackKind::Video,
        },
        timescale: NonZeroU32::new(kind.clock_rate()).ok_or(MuxFailure::Range)?,
        sample_entry: Some(entry),
        duration: 1,
        keyframe: true,
        composition_time_offset: None,
        data_offset: 0,
        data_size: 1,
    })
}

/// Gives the tracks their fixed ids and the picture its `avc3` entry, which the library lacks.
fn adapt(moov: &mut MoovBox, kinds: &[MediaKind]) -> Result<(), MuxFailure> {
    for (trak, kind) in moov.trak_boxes.iter_mut().zip(kinds) {
        trak.tkhd_box.track_id = track_id(*kind);
        for entry in &mut trak.mdia_box.minf_box.stbl_box.stsd_box.entries {
            if let SampleEntry::Avc1(avc1) = entry {
                let bytes = avc1.encode_to_vec()?;
                *entry = SampleEntry::Unknown(UnknownBox {
                    box_type: BoxType::Normal(*b"avc3"),
                    box_size: BoxSize::U32(
                        u32::try_from(bytes.len()).map_err(|_| MuxFailure::Range)?,
                    ),
                    // Size and type come first, 4 bytes each.
                    payload: bytes.get(8..).unwrap_or_default().to_vec(),
                });
            }
        }
    }
    if let Some(mvex) = &mut moov.mvex_box {
        // It would claim a duration of zero; the true one is not known.
        mvex.mehd_box = None;
        for (trex, kind) in mvex.trex_boxes.iter_mut().zip(kinds) {
            trex.track_id = track_id(*kind);
        }
    }
    moov.mvhd_box.next_track_id = 3;
    Ok(())
}

fn moof(sequence: u32, cut: &Cut, moof_len: usize) -> Result<MoofBox, MuxFailure> {
    let mut offset = moof_len + MDAT_HEADER;
    let mut traf_boxes = Vec::new();
    for (kind, samples) in cut.tracks.iter() {
        let Some(first) = samples.first() else { continue };
        traf_boxes.push(traf(kind, first.start, samples, offset)?);
        offset += samples.iter().map(|sample| sample.data.len()).sum::<usize>();
    }
    Ok(MoofBox {
        mfhd_box: MfhdBox { sequence_number: sequence.saturating_add(1) },
        traf_boxes,
        unknown_boxes: Vec::new(),
    })
}

fn traf(
    kind: MediaKind,
    start: u64,
    samples: &[Sample],
    offset: usize,
) -> Result<TrafBox, MuxFailure> {
    let samples = samples
        .iter()
        .map(|sample| {
            Ok(TrunSample {
                duration: Some(u32::try_from(sample.duration).map_err(|_| MuxFailure::Range)?),
                size: Some(u32::try_from(sample.data.len()).map_err(|_| MuxFailure::Range)?),
                flags: Some(sample_flags(sample.sync)),
                composition_time_offset: None,
            })
        })
        .collect::<Result<_, MuxFailure>>()?;
    Ok(TrafBox {
        tfhd_box: TfhdBox {
            track_id: track_id(kind),
            base_data_offset: None,
            sample_description_index: None,
            default_sample_duration: None,
            default_sample_size: None,
            default_sample_flags: None,
            duration_is_empty: false,
            default_base_is_moof: true,
        },
        tfdt_box: Some(TfdtBox { version: 1, base_media_decode_time: start }),
        trun_boxes: vec![TrunBox {
            data_offset: Some(i32::try_from(offset).map_err(|_| MuxFailure::Range)?),
            first_sample_flags: None,
            samples,
        }],
        unknown_boxes: Vec::new(),
    })
}

/// Whether a sample depends on others (ISO/IEC 14496-12 section 8.8.3.1).
const fn sample_flags(sync: bool) -> SampleFlags {
    if sync {
        SampleFlags::from_fields(0, 2, 0, 0, 0, false, 0)
    } else {
        SampleFlags::from_fields(0, 1, 0, 0, 0, true, 0)
    }
}
