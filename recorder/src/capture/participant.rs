//! One participant's media through all their connections: clock, reader, segmenter and muxer.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use vbranch_domain::{
    EncodedFrame, Leg, MediaKind, Mono, ParticipantId, Payload, tap::SenderReport,
};

use super::{
    clock::LegClock,
    codec::{VideoConfig, VideoReader, opus_conceal, opus_duration},
    kinds::PerKind,
    mux,
    sample::{Conceal, Cut, Piece, Setup, TimedFrame},
    segmenter::Segmenter,
};
use crate::segment::{
    CaptureOutput, GapCause, GapEntry, InitHash, InitSegment, ReportPair, Segment, Skew,
};

/// Connections recorded per participant. Each may cost a segment and two ledger lines, so a
/// client that reconnects in a loop must not fill the stores; later ones are one declared gap.
const MAX_LEGS: u32 = 1000;

/// Segments a participant may have at once. A client that changes its picture's coding with every
/// frame makes a segment of each; what is beyond is a declared gap.
const SEGMENT_BURST: u64 = 120;
/// Segments a participant may have per second in the long run; a usual call has one, and two
/// where key frames come often.
const SEGMENT_RATE: u64 = 4;
/// Different init sections per participant, one for each picture size. Segments that need more are
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
pub(super) struct Participant {
    id: ParticipantId,
    /// Start of the recording.
    origin: Mono,
    /// The connection in use.
    leg: Option<Connection>,
    /// The newest connection ever seen; older ones are over.
    newest: Option<Leg>,
    legs: u32,
    segmenter: Segmenter,
    init: Option<(Setup, InitHash)>,
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

impl Participant {
    pub(super) fn new(id: ParticipantId, origin: Mono) -> Self {
        Self {
            id,
            origin,
            leg: None,
            newest: None,
            legs: 0,
            segmenter: Segmenter::default(),
            init: None,
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
        let kind = frame.track.kind;
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
            let skew = Skew { participant: self.id, at: arrived, micros };
            out.push_back(CaptureOutput::Skew(skew));
        }
    }

    /// Packets of one stream are missing.
    pub(super) fn lost(&mut self, kind: MediaKind, leg: Leg) {
        if self.leg.as_ref().is_some_and(|current| current.leg == leg) {
            self.segmenter.missing(kind, GapCause::Loss);
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
                    let participant = self.id;
                    out.push_back(CaptureOutput::Gap(GapEntry {
                        participant,
                        kind,
                        start,
                        duration,
                        cause,
                    }));
                }
                Piece::Cut(cut) if !self.budget.take(cut.end) => {
                    self.declare_unwritten(&cut, out);
                }
                Piece::Cut(cut) => {
                    if let Err(error) = self.mux(&cut, out) {
                        tracing::error!(participant = %self.id, %error, "segment not written");
                        self.declare_unwritten(&cut, out);
                    }
                }
            }
        }
    }

    fn mux(&mut self, cut: &Cut, out: &mut VecDeque<CaptureOutput>) -> Result<(), mux::MuxFailure> {
        let bytes = mux::media_segment(self.sequence, cut)?;
        let init = match &self.init {
            Some((setup, hash)) if *setup == cut.setup => *hash,
            _ => {
                let (bytes, codecs) = mux::init_section(&cut.setup)?;
                let hash = InitHash::of(&bytes);
                if !self.inits.contains(&hash) && self.inits.len() >= MAX_INITS {
                    self.declare_unwritten(cut, out);
                    return Ok(());
                }
                self.inits.insert(hash);
                let participant = self.id;
                out.push_back(CaptureOutput::Init(InitSegment {
                    participant,
                    hash,
                    codecs,
                    bytes,
                }));
                self.init = Some((cut.setup.clone(), hash));
                hash
            }
        };
        out.push_back(CaptureOutput::Segment(Segment {
            participant: self.id,
            sequence: self.sequence,
            init,
            start: cut.start,
            duration: cut.duration(),
            has_keyframe: cut.has_keyframe(),
            bytes,
        }));
        self.sequence = self.sequence.saturating_add(1);
        Ok(())
    }

    fn declare_unwritten(&self, cut: &Cut, out: &mut VecDeque<CaptureOutput>) {
        for (kind, samples) in cut.tracks.iter() {
            if !samples.is_empty() {
                out.push_back(CaptureOutput::Gap(GapEntry {
                    participant: self.id,
                    kind,
                    start: cut.start,
                    duration: cut.duration(),
                    cause: GapCause::Overflow,
                }));
            }
        }
    }
}

/// How many more segments a participant may have: a token bucket on the recording's timeline, in
/// thousandths of a segment.
#[derive(Debug)]
struct Budget {
    left: u64,
    at: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: SEGMENT_BURST * 1000, at: Duration::ZERO }
    }
}

impl Budget {
    fn take(&mut self, at: Duration) -> bool {
        let passed = u64::try_from(at.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        self.at = self.at.max(at);
        let more = passed.saturating_mul(SEGMENT_RATE);
        self.left = self.left.saturating_add(more).min(SEGMENT_BURST * 1000);
        let rest = self.left.checked_sub(1000);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
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
            (MediaKind::Video, Payload::H264(nals)) => {
                let picture = self.reader.read(nals)?;
                Some(Read {
                    data: picture.data,
                    sync: picture.sync,
                    config: self.reader.config().cloned(),
                    plays: None,
                    conceal: None,
                })
            }
            _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_come_in_bursts_but_not_in_floods() {
        let mut budget = Budget::default();
        // An hour of a usual call.
        assert!((0..7200).all(|n| budget.take(Duration::from_millis(n * 500))));
        // A flood of thirty a second for ten minutes.
        let start = Duration::from_secs(3600);
        let taken = (0..18_000).filter(|n| budget.take(start + Duration::from_millis(n * 33)));
        let limit = usize::try_from(SEGMENT_BURST + 600 * SEGMENT_RATE).unwrap();
        assert!(taken.count() <= limit);
    }
}
