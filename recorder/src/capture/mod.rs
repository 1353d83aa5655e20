//! The media half of the recorder, without I/O: what a tap hears goes in, fMP4 segments of every
//! track on one timeline come out, with a ledger of everything that is missing.
//!
//! ```text
//! TapItem -> clock (RTP -> server time) -> segmenter (cut, gaps) -> mux (fMP4) -> CaptureOutput
//! ```
//!
//! Media are stored as they were sent. Time is a parameter: the owner hands in items and `now`,
//! asks when to come back, and takes what is finished.

use std::collections::{BTreeMap, VecDeque};

use vbranch_domain::{
    Mono, ParticipantId, TapItem, TrackId,
    recording::{TrackName, TrackSource},
};

use self::{recorded::Recorded, tail::TailRecord};
use crate::segment::CaptureOutput;

mod budget;
mod clock;
mod codec;
pub mod hls;
mod kinds;
mod mux;
mod recorded;
mod regression;
mod sample;
mod segmenter;
pub(crate) mod tail;
#[cfg(test)]
mod tests;

/// Tracks recorded in one call, two of each of the participants a call may have. Frames of more
/// are refused, because each costs memory.
const MAX_TRACKS: usize = 32;

/// Turns what is heard on a call into segments.
///
/// After every [`handle`](Self::handle), [`handle_timeout`](Self::handle_timeout) and
/// [`finish`](Self::finish), take outputs until [`poll_output`](Self::poll_output) has none:
/// nothing else bounds that queue.
#[derive(Debug)]
pub struct Capture {
    start: Mono,
    tracks: BTreeMap<TrackName, Recorded>,
    refused_items: u64,
    out: VecDeque<CaptureOutput>,
}

impl Capture {
    /// A capture whose offsets count from `recording_start`. Media from before that are placed at
    /// offset zero.
    #[must_use]
    pub const fn new(recording_start: Mono) -> Self {
        Self {
            start: recording_start,
            tracks: BTreeMap::new(),
            refused_items: 0,
            out: VecDeque::new(),
        }
    }

    /// Takes one item in, in the order the tap had it.
    pub fn handle(&mut self, item: TapItem) {
        match item {
            TapItem::LegStarted { participant, leg, .. } => {
                self.with(TrackName::camera(participant), |track, _| track.start_leg(leg));
                self.with_screen(participant, |screen| screen.start_leg(leg));
            }
            TapItem::Frame(frame) => {
                self.with(name_of(frame.track), |track, _| track.frame(&frame));
            }
            TapItem::SenderReport(report) => {
                self.with(name_of(report.track), |track, out| track.report(&report, out));
            }
            TapItem::Lost { track, leg, .. } => {
                self.with(name_of(track), |recorded, _| recorded.lost(track.kind, leg));
            }
            TapItem::LegEnded { participant, leg, .. } => {
                self.with(TrackName::camera(participant), |track, _| track.end_leg(leg));
                self.with_screen(participant, |screen| screen.end_leg(leg));
            }
            TapItem::Overflow { .. } => {
                self.tracks.values_mut().for_each(Recorded::overflowed);
            }
        }
    }

    /// Lets go of media that have waited long enough for company.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.each(|track| track.handle_timeout(now));
    }

    /// When [`Self::handle_timeout`] has something to do; `None` while nothing is held back.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.tracks.values().filter_map(Recorded::poll_timeout).min()
    }

    /// The next output, in the order in which they have to be stored.
    pub fn poll_output(&mut self) -> Option<CaptureOutput> {
        self.out.pop_front()
    }

    /// Tells what is new in open segments and due to be written down. What was told is taken to be
    /// written, in this order; where it was not, say so with [`Self::tell_again`].
    pub(crate) fn tell(&mut self, now: Mono) -> Vec<TailRecord> {
        self.tracks.values_mut().filter_map(|track| track.tell(now)).collect()
    }

    /// What was told of a track's open segment is not written down: it is told again from the
    /// start, in a new tail.
    pub(crate) fn tell_again(&mut self, track: TrackName) {
        if let Some(track) = self.tracks.get_mut(&track) {
            track.tell_again();
        }
    }

    /// The same for all tracks.
    pub(crate) fn tell_all_again(&mut self) {
        self.tracks.values_mut().for_each(Recorded::tell_again);
    }

    /// The recording ends: everything held back comes out. What is handed in after that starts
    /// new connections, so hand in nothing.
    pub fn finish(&mut self, now: Mono) {
        self.each(|track| track.finish(now));
        if self.refused_items > 0 {
            tracing::warn!(items = self.refused_items, "media of too many tracks refused");
        }
    }

    /// Runs `act` on a track, made on first sight, and collects what that finished.
    fn with(
        &mut self,
        name: TrackName,
        act: impl FnOnce(&mut Recorded, &mut VecDeque<CaptureOutput>),
    ) {
        if self.tracks.len() >= MAX_TRACKS && !self.tracks.contains_key(&name) {
            self.refused_items = self.refused_items.saturating_add(1);
            return;
        }
        let start = self.start;
        let track = self.tracks.entry(name).or_insert_with(|| Recorded::new(name, start));
        act(track, &mut self.out);
        track.drain(&mut self.out);
    }

    /// Runs `act` on a participant's screen, if one was ever shared.
    fn with_screen(&mut self, participant: ParticipantId, act: impl FnOnce(&mut Recorded)) {
        let name = TrackName::screen(participant);
        if self.tracks.contains_key(&name) {
            self.with(name, |screen, _| act(screen));
        }
    }

    fn each(&mut self, act: impl Fn(&mut Recorded)) {
        for track in self.tracks.values_mut() {
            act(track);
            track.drain(&mut self.out);
        }
    }
}

/// The track that keeps a stream.
pub(crate) const fn name_of(stream: TrackId) -> TrackName {
    TrackName { participant: stream.participant, source: TrackSource::of(stream.kind) }
}
