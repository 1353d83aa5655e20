//! The tail: what is known of a track's open segment, told as it grows, so that a killed process
//! loses none of it. Written down record by record, read back and made into a segment after a
//! crash.
//!
//! A frame is told when it comes, with the duration it has by itself; how long it really lasts is
//! told when that is known. When a segment is complete, its tail is told to its end and a new one
//! begins.

use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use vbranch_domain::{MediaKind, recording::TrackName};

use super::{
    kinds::PerKind,
    mux,
    sample::{Cut, Sample, Setup, from_ticks},
};
use crate::segment::{InitHash, InitSegment, MAX_SEGMENT, Segment, TrackCodec};

/// How long media may wait before they are told. With the owner's tick and the disk's haste this is
/// what a killed process loses: longer loses more, shorter costs a write each time.
pub(super) const TELL_AFTER: Duration = Duration::from_millis(100);

/// News of a track's open segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailRecord {
    /// Of which track.
    pub track: TrackName,
    /// Which of the track's tails; each higher than the one before.
    pub tail: u32,
    /// The number the segment has or will have.
    pub sequence: u32,
    /// Nothing of this tail was told before.
    pub fresh: bool,
    /// What becomes of the tail.
    pub end: TailEnd,
    /// What is new. Media, so never printed.
    pub(super) items: Vec<TailItem>,
}

/// What becomes of a tail after a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailEnd {
    /// It goes on.
    Open,
    /// The segment is complete. The tail stands in for it until the segment is safe.
    Complete,
    /// There will be no such segment; the ledger says why.
    Dropped,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum TailItem {
    /// The decoder set-up of all samples of this tail so far.
    Init { codecs: Vec<TrackCodec>, bytes: Bytes },
    /// The next frame of its kind.
    Sample(MediaKind, Sample),
    /// How long the last frame of its kind lasts after all.
    Lasts(MediaKind, u64),
    /// The last frame of its kind belongs to a later segment.
    Drop(MediaKind),
}

impl std::fmt::Debug for TailItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Init { .. } => "Init",
            Self::Sample(..) => "Sample",
            Self::Lasts(..) => "Lasts",
            Self::Drop(_) => "Drop",
        })
    }
}

impl TailRecord {
    /// Writes the record behind what is in `out`. `at_us` is now: a tail is a sign of life, too.
    pub(crate) fn encode(&self, at_us: u64, out: &mut Vec<u8>) {
        out.put_u64(at_us);
        out.put_u32(self.sequence);
        for item in &self.items {
            match item {
                TailItem::Init { codecs, bytes } => {
                    out.put_u8(TAG_INIT);
                    put_bytes(out, &serde_json::to_vec(codecs).unwrap_or_default());
                    put_bytes(out, bytes);
                }
                TailItem::Sample(kind, sample) => {
                    out.put_u8(TAG_SAMPLE);
                    out.put_u8(kind_code(*kind));
                    out.put_u8(sample.sync.into());
                    out.put_u64(sample.start);
                    out.put_u64(sample.duration);
                    put_bytes(out, &sample.data);
                }
                TailItem::Lasts(kind, duration) => {
                    out.put_u8(TAG_LASTS);
                    out.put_u8(kind_code(*kind));
                    out.put_u64(*duration);
                }
                TailItem::Drop(kind) => {
                    out.put_u8(TAG_DROP);
                    out.put_u8(kind_code(*kind));
                }
            }
        }
    }
}

const TAG_INIT: u8 = 0;
const TAG_SAMPLE: u8 = 1;
const TAG_LASTS: u8 = 2;
const TAG_DROP: u8 = 3;

const fn kind_code(kind: MediaKind) -> u8 {
    match kind {
        MediaKind::Audio => 0,
        MediaKind::Video | MediaKind::Screen => 1,
    }
}

/// Media are below 2^32 bytes: a cut is a few megabytes.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

/// How much of an open segment was told.
#[derive(Debug, Default)]
pub(super) struct Teller {
    tail: u32,
    begun: bool,
    setup: Option<Setup>,
    /// Samples of the cut that were told.
    told: PerKind<usize>,
    /// The held frame was told, with this duration.
    held: PerKind<Option<u64>>,
    told_at: Option<Duration>,
}

/// A frame that is not in the cut yet.
pub(super) struct Held {
    pub setup: Setup,
    pub sample: Sample,
}

impl Teller {
    /// Forgets what was told: it was not written down. All of it is told again, in a new tail.
    pub(super) fn restart(&mut self) {
        *self = Self { tail: self.tail.saturating_add(1), ..Self::default() };
    }

    /// Whether it is time to tell.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.told_at.is_none_or(|at| now.saturating_sub(at) >= TELL_AFTER)
    }

    /// What is new in the open cut, and frames that are held. `fixed` is the set-up of the segment
    /// where it can no longer grow.
    pub(super) fn open(
        &mut self,
        cut: Option<&Cut>,
        fixed: Option<&Setup>,
        held: PerKind<Option<Held>>,
        now: Duration,
    ) -> Told {
        let mut told = Told::default();
        if let Some(cut) = cut {
            self.samples(cut, &mut told);
        }
        for (kind, held) in held.iter() {
            let Some(held) = held.as_ref().filter(|_| self.held.get(kind).is_none()) else {
                continue;
            };
            // A frame that needs another set-up begins the next segment: it is told there.
            if fixed.is_some_and(|fixed| held.setup != *fixed) {
                continue;
            }
            self.grow(&held.setup, &mut told);
            *self.held.get_mut(kind) = Some(held.sample.duration);
            told.items.push(Item::Sample(kind, held.sample.clone()));
        }
        if !told.items.is_empty() {
            self.told_at = Some(now);
            self.begin(&mut told);
        }
        told
    }

    /// The cut is complete: what was not told of it. What comes is told in the next tail.
    pub(super) fn complete(&mut self, cut: &Cut) -> Told {
        let mut told = Told::default();
        self.set_up(&cut.setup, &mut told);
        self.samples(cut, &mut told);
        for kind in PerKind::<()>::KINDS {
            if self.held.get(kind).is_some() {
                told.items.push(Item::Drop(kind));
            }
        }
        self.begin(&mut told);
        self.restart();
        told
    }

    /// The cut will be no segment. Says whether anything of it was told.
    pub(super) fn dropped(&mut self) -> Option<u32> {
        let tail = self.begun.then_some(self.tail);
        self.restart();
        tail
    }

    fn begin(&mut self, told: &mut Told) {
        (told.tail, told.fresh) = (self.tail, !self.begun);
        self.begun = true;
    }

    fn samples(&mut self, cut: &Cut, told: &mut Told) {
        self.grow(&cut.setup, told);
        for (kind, samples) in cut.tracks.iter() {
            let before = if kind == MediaKind::Audio { cut.prepended } else { 0 };
            let samples = samples.get(before..).unwrap_or_default();
            let from = *self.told.get(kind);
            let mut new = samples.get(from..).unwrap_or_default().iter();
            if let Some(duration) = *self.held.get(kind)
                && let Some(first) = new.next()
            {
                *self.held.get_mut(kind) = None;
                if first.duration != duration {
                    told.items.push(Item::Lasts(kind, first.duration));
                }
            }
            told.items.extend(new.map(|sample| Item::Sample(kind, sample.clone())));
            *self.told.get_mut(kind) = samples.len();
        }
    }

    /// What was told may need more than what is told now.
    fn grow(&mut self, setup: &Setup, told: &mut Told) {
        let setup = self.setup.clone().unwrap_or_default().and(setup);
        self.set_up(&setup, told);
    }

    fn set_up(&mut self, setup: &Setup, told: &mut Told) {
        if self.setup.as_ref() != Some(setup) {
            self.setup = Some(setup.clone());
            told.items.push(Item::Setup(setup.clone()));
        }
    }
}

/// News, before the set-up is written out.
#[derive(Default)]
pub(super) struct Told {
    pub tail: u32,
    pub fresh: bool,
    pub items: Vec<Item>,
}

pub(super) enum Item {
    Setup(Setup),
    Sample(MediaKind, Sample),
    Lasts(MediaKind, u64),
    Drop(MediaKind),
}

/// A stream of a tail, and from where to where it has media.
pub(crate) type Span = (MediaKind, Option<(Duration, Duration)>);

/// A tail read back.
pub(crate) struct Tail {
    /// The number of its segment.
    pub sequence: u32,
    /// The last sign of life in it.
    pub at_us: u64,
    init: Option<(Vec<TrackCodec>, Bytes)>,
    samples: PerKind<Vec<Sample>>,
}

impl Tail {
    /// The tail that these records tell of, up to the first that makes no sense.
    pub(crate) fn read(records: Vec<Vec<u8>>) -> Option<Self> {
        let mut tail = Self { sequence: 0, at_us: 0, init: None, samples: PerKind::default() };
        let mut known = false;
        for record in records {
            let mut record = Bytes::from(record);
            let (Ok(at_us), Ok(sequence)) = (record.try_get_u64(), record.try_get_u32()) else {
                break;
            };
            (tail.at_us, tail.sequence, known) = (at_us, sequence, true);
            while !record.is_empty() && tail.read_item(&mut record).is_some() {}
        }
        known.then_some(tail)
    }

    fn read_item(&mut self, from: &mut Bytes) -> Option<()> {
        match from.try_get_u8().ok()? {
            TAG_INIT => {
                let codecs = serde_json::from_slice(&get_bytes(from)?).ok()?;
                self.init = Some((codecs, get_bytes(from)?));
            }
            TAG_SAMPLE => {
                let kind = get_kind(from)?;
                let sync = from.try_get_u8().ok()? != 0;
                let (start, duration) = (from.try_get_u64().ok()?, from.try_get_u64().ok()?);
                let data = get_bytes(from)?;
                self.samples.get_mut(kind).push(Sample { start, duration, sync, data });
            }
            TAG_LASTS => {
                let kind = get_kind(from)?;
                let duration = from.try_get_u64().ok()?;
                self.samples.get_mut(kind).last_mut()?.duration = duration;
            }
            TAG_DROP => {
                let kind = get_kind(from)?;
                self.samples.get_mut(kind).pop();
            }
            _ => return None,
        }
        Some(())
    }

    /// Where the latest media in it end.
    pub(crate) fn end(&self) -> Option<Duration> {
        let last = |(kind, samples): (MediaKind, &Vec<Sample>)| {
            samples.last().map(|last| from_ticks(kind, last.end()))
        };
        self.samples.iter().filter_map(last).max()
    }

    /// Leaves out what the next tail has too.
    pub(crate) fn end_before(&mut self, next: &Self) {
        for kind in PerKind::<()>::KINDS {
            let Some(first) = next.samples.get(kind).first().map(|sample| sample.start) else {
                continue;
            };
            let samples = self.samples.get_mut(kind);
            samples.retain(|sample| sample.start < first);
            if let Some(last) = samples.last_mut() {
                last.duration = last.duration.min(first.saturating_sub(last.start));
            }
        }
    }

    /// From where to where there are media of each kind that the set-up has.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let codecs = self.init.iter().flat_map(|(codecs, _)| codecs);
        codecs
            .map(|codec| {
                let kind = match codec.kind {
                    MediaKind::Screen => MediaKind::Video,
                    kind => kind,
                };
                let samples = self.samples.get(kind);
                let span = samples.first().zip(samples.last()).map(|(first, last)| {
                    (from_ticks(kind, first.start), from_ticks(kind, last.end()))
                });
                (codec.kind, span)
            })
            .collect()
    }

    /// The init section.
    pub(crate) fn init(&self, track: TrackName) -> Option<InitSegment> {
        let (codecs, bytes) = self.init.clone()?;
        Some(InitSegment { track, hash: InitHash::of(&bytes), codecs, bytes })
    }

    /// The segment, as the muxer would have written it, and the init section it needs; `None`
    /// where there are no media.
    pub(crate) fn segment(self, track: TrackName, sequence: u32) -> Option<(InitSegment, Segment)> {
        let init = self.init(track)?;
        let kinds: Vec<_> = self.samples.iter().filter(|(_, s)| !s.is_empty()).collect();
        let span = |(kind, samples): &(MediaKind, &Vec<Sample>)| {
            let (first, last) = (samples.first()?, samples.last()?);
            Some((from_ticks(*kind, first.start), from_ticks(*kind, last.end())))
        };
        let start = kinds.iter().filter_map(span).map(|(start, _)| start).min()?;
        let end = kinds.iter().filter_map(span).map(|(_, end)| end).max()?;
        let media = self.samples.iter().flat_map(|(_, samples)| samples);
        let cut = Cut {
            bytes: media.map(|sample| sample.data.len()).sum(),
            tracks: self.samples,
            start,
            // A held frame may have been given more than a segment has room for.
            end: end.min(start.saturating_add(MAX_SEGMENT)),
            ..Cut::default()
        };
        let segment = Segment {
            track,
            sequence,
            init: init.hash,
            start,
            duration: cut.duration(),
            has_keyframe: cut.has_keyframe(),
            bytes: mux::media_segment(sequence, &cut).ok()?,
        };
        Some((init, segment))
    }
}

fn get_kind(from: &mut Bytes) -> Option<MediaKind> {
    match from.try_get_u8().ok()? {
        0 => Some(MediaKind::Audio),
        1 => Some(MediaKind::Video),
        _ => None,
    }
}

fn get_bytes(from: &mut Bytes) -> Option<Bytes> {
    let len = usize::try_from(from.try_get_u32().ok()?).ok()?;
    (len <= from.len()).then(|| from.split_to(len))
}
