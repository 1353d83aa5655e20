//! One track's samples in order, read from its segments as they are needed.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use shiguredo_mp4::{Decode as _, boxes::MoofBox};
use vbranch_domain::{MediaKind, recording::TrackName};

use super::FilmError;
use crate::{
    archive::playable,
    error::RecorderError,
    manifest::{SegmentEntry, Track},
    segment::MAX_SEGMENT,
};

/// How a picture is coded, as its init section says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    H264,
    Vp8,
}

/// A picture or a packet of sound, as sent.
#[derive(Clone)]
pub(super) struct Sample {
    /// From the start of the recording.
    pub start: Duration,
    pub end: Duration,
    pub coding: Coding,
    pub data: Bytes,
}

/// Gives a segment in clear.
pub(super) type OpenSegment<'a> =
    dyn Fn(TrackName, &SegmentEntry) -> Result<Bytes, RecorderError> + 'a;

/// A track's samples, in order for each kind.
pub(super) struct TrackSource<'a> {
    name: TrackName,
    track: &'a Track,
    segments: std::iter::Peekable<Box<dyn Iterator<Item = &'a SegmentEntry> + 'a>>,
    open: &'a OpenSegment<'a>,
    pub pictures: VecDeque<Sample>,
    pub sound: VecDeque<Sample>,
}

impl<'a> TrackSource<'a> {
    pub(super) fn new(track: &'a Track, open: &'a OpenSegment<'a>) -> Self {
        let segments: Box<dyn Iterator<Item = &'a SegmentEntry> + 'a> = Box::new(playable(track));
        Self {
            name: track.name(),
            track,
            segments: segments.peekable(),
            open,
            pictures: VecDeque::new(),
            sound: VecDeque::new(),
        }
    }

    /// Reads what begins until then. A segment may begin before the one in front of it, so a little
    /// more is read than is needed: a few seconds of coded media are in memory.
    pub(super) fn load(&mut self, until: Duration) -> Result<(), FilmError> {
        let horizon = micros(until.saturating_add(MAX_SEGMENT));
        while let Some(segment) = self.segments.next_if(|segment| segment.start_us <= horizon) {
            let coding = coding_of(self.track, segment);
            let bytes = (self.open)(self.name, segment)?;
            self.split(&bytes, coding)?;
        }
        Ok(())
    }

    /// Whether everything was read and taken.
    pub(super) fn is_over(&mut self) -> bool {
        self.segments.peek().is_none() && self.pictures.is_empty()
    }

    fn split(&mut self, segment: &Bytes, coding: Coding) -> Result<(), FilmError> {
        let (moof, _) = MoofBox::decode(segment).map_err(|_| FilmError::BadSegment)?;
        for traf in &moof.traf_boxes {
            let (kind, queue) = match traf.tfhd_box.track_id {
                1 => (MediaKind::Video, &mut self.pictures),
                2 => (MediaKind::Audio, &mut self.sound),
                _ => continue,
            };
            let begin = traf.tfdt_box.as_ref().ok_or(FilmError::BadSegment)?;
            let mut ticks = begin.base_media_decode_time;
            for trun in &traf.trun_boxes {
                // From the start of `moof`, which is the start of the segment.
                let offset = trun.data_offset.and_then(|at| usize::try_from(at).ok());
                let mut at = offset.ok_or(FilmError::BadSegment)?;
                for sample in &trun.samples {
                    let size = sample.size.and_then(|n| usize::try_from(n).ok());
                    let end = size.and_then(|n| at.checked_add(n)).ok_or(FilmError::BadSegment)?;
                    if end > segment.len() {
                        return Err(FilmError::BadSegment);
                    }
                    let next = ticks.saturating_add(sample.duration.unwrap_or(0).into());
                    let place = |ticks| from_ticks(ticks, kind.clock_rate());
                    let (start, data) = (place(ticks), segment.slice(at..end));
                    queue.push_back(Sample { start, end: place(next), coding, data });
                    (at, ticks) = (end, next);
                }
            }
        }
        Ok(())
    }
}

fn coding_of(track: &Track, segment: &SegmentEntry) -> Coding {
    let init = track.inits.iter().find(|init| init.object.plain_sha256 == segment.init);
    let mut codecs = init.into_iter().flat_map(|init| &init.codecs);
    if codecs.any(|codec| codec.codec.starts_with("vp08")) { Coding::Vp8 } else { Coding::H264 }
}

fn from_ticks(ticks: u64, rate: u32) -> Duration {
    let rate = u64::from(rate.max(1));
    let nanos = (ticks % rate) * 1_000_000_000 / rate;
    Duration::from_secs(ticks / rate).saturating_add(Duration::from_nanos(nanos))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
