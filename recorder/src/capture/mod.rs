//! The media half of the recorder, without I/O: what a tap hears goes in, fMP4 segments of every
//! participant on one timeline come out, with a ledger of everything that is missing.
//!
//! ```text
//! TapItem -> clock (RTP -> server time) -> segmenter (cut, gaps) -> mux (fMP4) -> CaptureOutput
//! ```
//!
//! Media are stored as they were sent. Time is a parameter: the owner hands in items and `now`,
//! asks when to come back, and takes what is finished.

use std::collections::{BTreeMap, VecDeque};

use vbranch_domain::{Mono, ParticipantId, TapItem};

use self::participant::Participant;
use crate::segment::CaptureOutput;

mod clock;
mod codec;
pub mod hls;
mod kinds;
mod mux;
mod participant;
mod regression;
mod sample;
mod segmenter;
#[cfg(test)]
mod tests;

/// Participants recorded in one call. A call has two, a supervisor makes three; frames of more are
/// refused, because each costs memory and nothing in the branch makes so many.
const MAX_PARTICIPANTS: usize = 16;

/// Turns what is heard on a call into segments.
///
/// After every [`handle`](Self::handle), [`handle_timeout`](Self::handle_timeout) and
/// [`finish`](Self::finish), take outputs until [`poll_output`](Self::poll_output) has none:
/// nothing else bounds that queue.
#[derive(Debug)]
pub struct Capture {
    start: Mono,
    participants: BTreeMap<ParticipantId, Participant>,
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
            participants: BTreeMap::new(),
            refused_items: 0,
            out: VecDeque::new(),
        }
    }

    /// Takes one item in, in the order the tap had it.
    pub fn handle(&mut self, item: TapItem) {
        match item {
            TapItem::LegStarted { participant, leg, .. } => {
                self.with(participant, |p, _| p.start_leg(leg));
            }
            TapItem::Frame(frame) => {
                self.with(frame.track.participant, |p, _| p.frame(&frame));
            }
            TapItem::SenderReport(report) => {
                self.with(report.track.participant, |p, out| p.report(&report, out));
            }
            TapItem::Lost { track, leg, .. } => {
                self.with(track.participant, |p, _| p.lost(track.kind, leg));
            }
            TapItem::LegEnded { participant, leg, .. } => {
                self.with(participant, |p, _| p.end_leg(leg));
            }
            TapItem::Overflow { .. } => {
                self.participants.values_mut().for_each(Participant::overflowed);
            }
        }
    }

    /// Lets go of media that have waited long enough for company.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.each(|participant| participant.handle_timeout(now));
    }

    /// When [`Self::handle_timeout`] has something to do; `None` while nothing is held back.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.participants.values().filter_map(Participant::poll_timeout).min()
    }

    /// The next output, in the order in which they have to be stored.
    pub fn poll_output(&mut self) -> Option<CaptureOutput> {
        self.out.pop_front()
    }

    /// The recording ends: everything held back comes out. What is handed in after that starts
    /// new connections, so hand in nothing.
    pub fn finish(&mut self, now: Mono) {
        self.each(|participant| participant.finish(now));
        if self.refused_items > 0 {
            tracing::warn!(items = self.refused_items, "media of too many participants refused");
        }
    }

    /// Runs `act` on a participant, made on first sight, and collects what that finished.
    fn with(
        &mut self,
        id: ParticipantId,
        act: impl FnOnce(&mut Participant, &mut VecDeque<CaptureOutput>),
    ) {
        if self.participants.len() >= MAX_PARTICIPANTS && !self.participants.contains_key(&id) {
            self.refused_items = self.refused_items.saturating_add(1);
            return;
        }
        let start = self.start;
        let participant =
            self.participants.entry(id).or_insert_with(|| Participant::new(id, start));
        act(participant, &mut self.out);
        participant.drain(&mut self.out);
    }

    fn each(&mut self, act: impl Fn(&mut Participant)) {
        for participant in self.participants.values_mut() {
            act(participant);
            participant.drain(&mut self.out);
        }
    }
}
