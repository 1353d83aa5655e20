//! One track's media through all connections of its participant: clock, reader, segmenter, muxer.
//!
//! In here a screen is the picture (`MediaKind::Video`) of a track that has no sound; its name comes
//! back on the way out.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use vbranch_domain::{
    EncodedFrame, Leg, MediaKind, Mono, Payload,
    recording::{TrackName, TrackSource},
    tap::SenderReport,
};

use super::{
    budget::Budget,
    clock::LegClock,
    codec::{Picture, VideoConfig, VideoReader, opus_conceal, opus_duration},
    kinds::PerKind,
    mux,
    sample::{Conceal, Cut, Piece, Setup, TimedFrame},
    segmenter::Segmenter,
    tail::{Item, TailEnd, TailItem, TailRecord, Teller, Told},
};
use crate::segment::{
    CaptureOutput, GapCause, GapEntry, InitHash, InitSegment, ReportPair, Segment, Skew,
};

/// Connections recorded per track. Each may cost a segment and two ledger lines, so a
/// client that reconnects in a loop must not fill the stores; later ones are one declared gap.
const MAX_LEGS: u32 = 1000;

/// Different init sections per track, one for each coding of its picture. Segments that need more are
/// a declared gap.
const MAX_INITS: usize = 256;

/// Sender reports kept per stream: one in this time. Browsers send one every 1 to 5 s.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// Sound against picture is reported this often.
const SKEW_INTERVAL: Duration = Duration::from_secs(10);

/// How long a picture lasts before anything is known about the camera's pace.
const FIRST_PICTURE: Duration = Duration::from_millis(33);
/// A single picture is never taken to last longer by itself (one picture a second, with slack).
const LONGEST_PICTURE: Duration = Duration::from_millis(1100);

#[derive(Debug)]
pub(super) struct Recorded {
    name: TrackName,
    /// Start of the recording.
    origin: Mono,
    /// The connection in use.
    leg: Option<Connection>,
    /// The newest connection ever seen; older ones are over.
    newest: Option<Leg>,
    legs: u32,
    segmenter: Segmenter,
    teller: Teller,
    init: Option<(Setup, InitHash)>,
    /// The init section that was last told of or used.
    written: Option<(Setup, InitSegment)>,
    inits: BTreeSet<InitHash>,
    budget: Budget,
    sequence: u32,
    reported: PerKind<Option<Mono>>,
    skew_reported: Option<Mono>,
}

#[derive(Debug)]
struct Connection {
    leg: Leg,
    clock: LegClock,
    reader: VideoReader,
    pace: Pace,
}

impl Recorded {
    pub(super) fn new(name: TrackName, origin: Mono) -> Self {
        Self {
            name,
            origin,
            leg: None,
            newest: None,
            legs: 0,
            segmenter: Segmenter::default(),
            teller: Teller::default(),
            init: None,
            written: None,
            inits: BTreeSet::new(),
            budget: Budget::default(),
            sequence: 0,
            reported: PerKind::default(),
            skew_reported: None,
        }
    }

    /// A connection is up, told or seen by its first frame.
    pub(super) fn start_leg(&mut self, leg: Leg) {
        if self.newest.is_some_and(|newest| leg <= newest) {
            return;
        }
        self.segmenter.interrupt(GapCause::Reconnect);
        self.newest = Some(leg);
        self.legs = self.legs.saturating_add(1);
        self.leg = (self.legs <= MAX_LEGS).then(|| Connection {
            leg,
            clock: LegClock::default(),
            reader: VideoReader::default(),
            pace: Pace::default(),
        });
    }

    pub(super) fn end_leg(&mut self, leg: Leg) {
        // Also when the leg was never started: what comes from it now is too late.
        self.newest = self.newest.max(Some(leg));
        if self.leg.as_ref().is_some_and(|current| current.leg <= leg) {
            self.leg = None;
            self.segmenter.interrupt(GapCause::Reconnect);
        }
    }

    pub(super) fn frame(&mut self, frame: &EncodedFrame) {
        self.start_leg(frame.leg);
        let Some(connection) = self.leg.as_mut().filter(|current| current.leg == frame.leg) else {
            return;
        };
        let kind = inside(frame.track.kind);
        let Some(read) = connection.read(frame) else {
            self.segmenter.missing(kind, GapCause::Loss);
            return;
        };
        let placed = connection.clock.place(kind, frame.rtp_time, frame.arrived);
        let at = placed.since(self.origin);
        if kind == MediaKind::Video && read.config.is_none() {
            // Nothing can be decoded before the connection's first key frame.
            self.segmenter.expected_at(kind, at, GapCause::Loss);
            return;
        }
        let nominal = match read.plays {
            Some(duration) => duration,
            None => connection.pace.picture_at(at),
        };
        self.segmenter.push(TimedFrame {
            kind,
            at,
            arrived: frame.arrived.since(self.origin),
            nominal,
            sync: read.sync,
            conceal: read.conceal,
            config: read.config,
            data: read.data,
        });
    }

    pub(super) fn report(&mut self, report: &SenderReport, out: &mut VecDeque<CaptureOutput>) {
        let Some(connection) = self.leg.as_mut().filter(|current| current.leg == report.leg) else {
            return;
        };
        connection.clock.report(report);
        let arrived = report.arrived.since(self.origin);
        let due = |last: Option<Mono>, interval| {
            last.is_none_or(|last| report.arrived.since(last) >= interval)
        };
        let last = self.reported.get_mut(report.track.kind);
        if due(*last, REPORT_INTERVAL) {
            *last = Some(report.arrived);
            out.push_back(CaptureOutput::SenderReport(ReportPair::new(report, arrived)));
        }
        if let Some(micros) = connection.clock.skew_micros()
            && due(self.skew_reported, SKEW_INTERVAL)
        {
            self.skew_reported = Some(report.arrived);
            let skew = Skew { participant: self.name.participant, at: arrived, micros };
            out.push_back(CaptureOutput::Skew(skew));
        }
    }

    /// Packets of one stream are missing.
    pub(super) fn lost(&mut self, kind: MediaKind, leg: Leg) {
        if self.leg.as_ref().is_some_and(|current| current.leg == leg) {
            self.segmenter.missing(inside(kind), GapCause::Loss);
        }
    }

    /// Packets of unknown streams are missing.
    pub(super) fn overflowed(&mut self) {
        if self.leg.is_some() {
            for kind in PerKind::<()>::KINDS {
                self.segmenter.missing(kind, GapCause::Overflow);
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Mono) {
        self.segmenter.handle_timeout(now.since(self.origin));
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        Some(self.origin + self.segmenter.poll_timeout()?)
    }

    /// The recording ends. Somebody who left just before is not missed; somebody who never came
    /// back, or whose connections were too many, is.
    pub(super) fn finish(&mut self, now: Mono) {
        if self.leg.is_some() || self.legs > MAX_LEGS {
            self.segmenter.finish(now.since(self.origin));
        } else {
            self.segmenter.finish_absent(now.since(self.origin));
        }
        self.leg = None;
    }

    /// Hands over what is finished.
    pub(super) fn drain(&mut self, out: &mut VecDeque<CaptureOutput>) {
        while let Some(piece) = self.segmenter.poll() {
            match piece {
                Piece::Gap { kind, start, duration, cause } => {
                    if !self.is_end_of_share(cause) {
                        out.push_back(self.gap(kind, start, duration, cause));
                    }
                }
                Piece::Cut(cut) => {
                    if !self.finish_cut(&cut, out) {
                        self.declare_unwritten(&cut, out);
                        let dropped = self.teller.dropped();
                        let told = dropped.map(|tail| Told { tail, ..Told::default() });
                        let record = told.map(|told| self.record(told, TailEnd::Dropped));
                        out.extend(record.map(CaptureOutput::Tail));
                    }
                }
            }
        }
    }

    /// What is new in the open segment, if it is time.
    pub(super) fn tell(&mut self, now: Mono) -> Option<TailRecord> {
        let now = now.since(self.origin);
        if !self.teller.is_due(now) {
            return None;
        }
        let told = self.segmenter.tell(&mut self.teller, now);
        (!told.items.is_empty()).then(|| self.record(told, TailEnd::Open))
    }

    pub(super) fn tell_again(&mut self) {
        self.teller.restart();
    }

    fn record(&mut self, told: Told, end: TailEnd) -> TailRecord {
        let mut items = Vec::with_capacity(told.items.len());
        for item in told.items {
            items.push(match item {
                Item::Setup(setup) => {
                    let Ok(InitSegment { codecs, bytes, .. }) = self.init_section(&setup) else {
                        continue;
                    };
                    TailItem::Init { codecs, bytes }
                }
                Item::Sample(kind, sample) => TailItem::Sample(kind, sample),
                Item::Lasts(kind, duration) => TailItem::Lasts(kind, duration),
                Item::Drop(kind) => TailItem::Drop(kind),
            });
        }
        let (track, sequence) = (self.name, self.sequence);
        TailRecord { track, tail: told.tail, sequence, fresh: told.fresh, end, items }
    }

    /// Makes a segment of a cut; false where it cannot be one.
    fn finish_cut(&mut self, cut: &Cut, out: &mut VecDeque<CaptureOutput>) -> bool {
        if !self.budget.take(cut.end) {
            return false;
        }
        match self.mux(cut, out) {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(track = %self.name, %error, "segment not written");
                false
            }
        }
    }

    fn mux(
        &mut self,
        cut: &Cut,
        out: &mut VecDeque<CaptureOutput>,
    ) -> Result<bool, mux::MuxFailure> {
        let bytes = mux::media_segment(self.sequence, cut)?;
        let init = match &self.init {
            Some((setup, hash)) if *setup == cut.setup => *hash,
            _ => {
                let init = self.init_section(&cut.setup)?;
                let hash = init.hash;
                if !self.inits.contains(&hash) && self.inits.len() >= MAX_INITS {
                    return Ok(false);
                }
                self.inits.insert(hash);
                out.push_back(CaptureOutput::Init(init));
                self.init = Some((cut.setup.clone(), hash));
                hash
            }
        };
        let told = self.teller.complete(cut);
        let record = self.record(told, TailEnd::Complete);
        out.push_back(CaptureOutput::Tail(record));
        out.push_back(CaptureOutput::Segment(Segment {
            track: self.name,
            sequence: self.sequence,
            init,
            start: cut.start,
            duration: cut.duration(),
            has_keyframe: cut.has_keyframe(),
            bytes,
        }));
        self.sequence = self.sequence.saturating_add(1);
        Ok(true)
    }

    fn init_section(&mut self, setup: &Setup) -> Result<InitSegment, mux::MuxFailure> {
        if let Some((_, init)) = self.written.as_ref().filter(|(known, _)| known == setup) {
            return Ok(init.clone());
        }
        let (bytes, mut codecs) = mux::init_section(setup)?;
        codecs.iter_mut().for_each(|codec| codec.kind = self.outside(codec.kind));
        let init = InitSegment { track: self.name, hash: InitHash::of(&bytes), codecs, bytes };
        self.written = Some((setup.clone(), init.clone()));
        Ok(init)
    }

    fn declare_unwritten(&self, cut: &Cut, out: &mut VecDeque<CaptureOutput>) {
        for (kind, samples) in cut.tracks.iter() {
            if !samples.is_empty() {
                out.push_back(self.gap(kind, cut.start, cut.duration(), GapCause::Overflow));
            }
        }
    }

    fn gap(
        &self,
        kind: MediaKind,
        start: Duration,
        duration: Duration,
        cause: GapCause,
    ) -> CaptureOutput {
        let (participant, kind) = (self.name.participant, self.outside(kind));
        CaptureOutput::Gap(GapEntry { participant, kind, start, duration, cause })
    }

    /// A screen that sends nothing is not shared, which is nothing missing; nor does anybody
    /// expect it to be shared again after a reconnect.
    fn is_end_of_share(&self, cause: GapCause) -> bool {
        self.name.source == TrackSource::Screen
            && matches!(cause, GapCause::Stalled | GapCause::Reconnect)
    }

    fn outside(&self, kind: MediaKind) -> MediaKind {
        match (kind, self.name.source) {
            (MediaKind::Video, TrackSource::Screen) => MediaKind::Screen,
            _ => kind,
        }
    }
}

const fn inside(kind: MediaKind) -> MediaKind {
    match kind {
        MediaKind::Video | MediaKind::Screen => MediaKind::Video,
        MediaKind::Audio => MediaKind::Audio,
    }
}

/// A frame's bytes as stored.
struct Read {
    data: Bytes,
    sync: bool,
    /// Video: the decoder set-up, once there is one.
    config: Option<Arc<VideoConfig>>,
    /// Audio: how long the packet plays.
    plays: Option<Duration>,
    /// Audio: what stands for a lost packet after this one.
    conceal: Option<Conceal>,
}

impl Connection {
    fn read(&mut self, frame: &EncodedFrame) -> Option<Read> {
        match (frame.track.kind, &frame.payload) {
            (MediaKind::Audio, Payload::Opus(packet)) => Some(Read {
                plays: Some(opus_duration(packet)?),
                conceal: opus_conceal(packet),
                data: packet.clone(),
                sync: true,
                config: None,
            }),
            (MediaKind::Video | MediaKind::Screen, Payload::H264(nals)) => {
                let picture = self.reader.read_h264(nals)?;
                Some(self.picture(picture))
            }
            (MediaKind::Video | MediaKind::Screen, Payload::Vp8(frame)) => {
                let picture = self.reader.read_vp8(frame)?;
                Some(self.picture(picture))
            }
            _ => None,
        }
    }

    fn picture(&self, picture: Picture) -> Read {
        Read {
            data: picture.data,
            sync: picture.sync,
            config: self.reader.config().cloned(),
            plays: None,
            conceal: None,
        }
    }
}

/// How fast a camera delivers.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Duration>,
    interval: Option<Duration>,
}

impl Pace {
    /// How long the picture at this offset will last by itself: the shorter of the last two
    /// intervals, so that one gap does not make the next picture look slow.
    fn picture_at(&mut self, at: Duration) -> Duration {
        let interval = self.last.replace(at).map(|last| at.saturating_sub(last));
        let before = std::mem::replace(&mut self.interval, interval);
        let shorter = before.into_iter().chain(interval).min().unwrap_or(FIRST_PICTURE);
        shorter.clamp(Duration::from_millis(5), LONGEST_PICTURE)
    }
}
