//! Cuts one participant's frames into segments, and keeps the books on what is missing.
//!
//! A frame is held until the next one of its kind tells how long it lasts; then it joins the open
//! cut. Whatever happens, each frame comes out exactly once and in order, a cut never exceeds
//! [`MAX_SEGMENT`], each kind's time never runs backwards, and time without media is on the ledger.
//!
//! A gap in the picture stretches the picture before it. Stretching sound does not work: browsers
//! play packets back to back whatever their durations say, so each gap would shift all sound after
//! it against the picture. As RFC 7845 section 4.1 has it for recordings of real-time streams, a
//! gap in the sound is stored as empty packets, which ask the decoder to conceal a loss.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use vbranch_domain::MediaKind;

use super::{
    codec::VideoConfig,
    kinds::PerKind,
    sample::{Conceal, Cut, Piece, Sample, Setup, TimedFrame, from_ticks, to_ticks},
    tail::{Held, Teller, Told},
};
use crate::segment::{GapCause, MAX_SEGMENT};

/// Aim for this much media per segment. Longer: a crash loses more; shorter: more objects.
const TARGET: Duration = Duration::from_secs(1);

/// From here on a key frame is worth cutting early for: it makes a place to start decoding.
const NEAR_TARGET: Duration = Duration::from_millis(500);

/// Before the first init section, wait this long for the other kind to show up. Longer: the
/// first durable segment (which business steps wait for) comes late; shorter: a camera that is
/// slow to start splits the recording with a discontinuity.
const WAIT_FOR_BOTH: Duration = Duration::from_millis(1500);

/// A frame waits this long for its successor. Longer: more is lost in a crash; shorter: a slow
/// camera (browsers go down to one picture a second) leaves holes.
const HOLD: Duration = Duration::from_millis(1200);

/// An open cut is closed this long after its first sample came in, whatever is missing from it.
const MAX_OPEN: Duration = Duration::from_millis(1500);

/// Capture jitter and slewing up to half a frame, but no more than this, are not gaps.
const MAX_SLACK: Duration = Duration::from_millis(20);

/// Sound that is missing is concealed up to this long before now while nothing arrives at all.
/// Longer: a crash loses more of the picture's company; shorter: packets that a slow network
/// still delivers find their place taken.
const CONCEAL_BEHIND: Duration = Duration::from_secs(5);

/// Concealed in one go at least.
const CONCEAL_STEP: Duration = Duration::from_secs(1);

/// Concealed in one go at most, so that one absurd time cannot make a flood of samples. Timeouts
/// keep what is left to conceal below this; more is left as a hole.
const MAX_CONCEAL: Duration = Duration::from_secs(10);

/// A cut is closed when its media reach this size: an object is sealed in memory.
const MAX_CUT_BYTES: usize = 8 * 1024 * 1024;

/// A cut is closed at this many samples (2 s of 2.5 ms packets and 120 pictures a second are
/// about 1,000), so that a flood of tiny frames cannot make a huge index.
const MAX_CUT_SAMPLES: usize = 4096;

/// The engine of one participant.
#[derive(Debug, Default)]
pub(super) struct Segmenter {
    tracks: PerKind<Track>,
    open: Option<Open>,
    /// The set-up of the last cut; `None` before the first.
    decided: Option<Setup>,
    out: VecDeque<Piece>,
}

#[derive(Debug, Default)]
struct Track {
    pending: Option<Pending>,
    /// Where media of this kind ended, once any was there.
    last: Option<End>,
    /// Something is known to be missing before the next frame.
    cause: Option<GapCause>,
}

#[derive(Debug)]
struct Pending {
    frame: TimedFrame,
    start: u64,
}

/// The end of what is stored of a kind, ticks.
#[derive(Debug, Clone)]
struct End {
    /// Where the last frame ended by itself.
    nominal: u64,
    /// Where what is stored ends, stretched and concealed.
    stored: u64,
    /// The next frame cannot start before this.
    earliest: u64,
    conceal: Option<Conceal>,
}

/// How long a held frame is to last.
#[derive(Debug, Clone, Copy)]
enum Until {
    /// To the start of its successor.
    Next(u64),
    /// As long as it does by itself: nothing follows soon.
    Itself,
    /// To the end of the sound it belongs to: nothing follows at all.
    Sound(Option<Duration>),
    /// Nothing has followed for [`HOLD`].
    Held,
}

#[derive(Debug)]
struct Open {
    cut: Cut,
    /// Arrival of its first sample.
    since: Duration,
}

impl Segmenter {
    /// Takes the next frame of its kind.
    pub(super) fn push(&mut self, frame: TimedFrame) {
        let kind = frame.kind;
        let track = self.tracks.get(kind);
        let earliest = match (&track.pending, &track.last) {
            (Some(pending), _) => pending.start.saturating_add(1),
            (None, Some(end)) => end.earliest,
            (None, None) => 0,
        };
        let start = to_ticks(kind, frame.at).max(earliest);
        let conceals = track.conceals(kind, start);
        self.release(kind, if conceals { Until::Itself } else { Until::Next(start) });
        self.account(kind, start, &frame);
        if conceals {
            self.conceal(kind, start, frame.arrived);
        }
        self.tracks.get_mut(kind).pending = Some(Pending { frame, start });
    }

    /// Notes that media of this kind is missing between the frames before and after.
    pub(super) fn missing(&mut self, kind: MediaKind, cause: GapCause) {
        // The first cause is the nearest to the truth: what follows it is often its consequence.
        self.tracks.get_mut(kind).cause.get_or_insert(cause);
    }

    /// Notes that media should have begun here but did not (e.g. no key frame yet).
    pub(super) fn expected_at(&mut self, kind: MediaKind, at: Duration, cause: GapCause) {
        let track = self.tracks.get_mut(kind);
        if track.last.is_none() && track.pending.is_none() {
            let at = to_ticks(kind, at);
            track.last = Some(End { nominal: at, stored: at, earliest: at, conceal: None });
        }
        self.missing(kind, cause);
    }

    /// The connection is gone: lets go of everything held. What follows comes after a gap.
    pub(super) fn interrupt(&mut self, cause: GapCause) {
        self.release_last();
        for kind in PerKind::<()>::KINDS {
            let track = self.tracks.get_mut(kind);
            if track.last.is_some() {
                track.cause = Some(cause);
            }
        }
        self.emit();
    }

    /// The recording ends at `now` with the connection up: a stream that had fallen silent is
    /// declared so.
    pub(super) fn finish(&mut self, now: Duration) {
        self.release_last();
        for kind in PerKind::<()>::KINDS {
            let track = self.tracks.get_mut(kind);
            let cause = track.cause.take();
            let Some(end) = &track.last else { continue };
            let silent = now.saturating_sub(from_ticks(kind, end.nominal));
            if silent > HOLD || (cause.is_some() && !silent.is_zero()) {
                let start = from_ticks(kind, end.nominal);
                let cause = cause.unwrap_or(GapCause::Stalled);
                self.out.push_back(Piece::Gap { kind, start, duration: silent, cause });
            }
        }
        self.emit();
    }

    /// The recording ends at `now` with the connection gone: somebody who did not come back is
    /// missed, somebody who left just before the end is not.
    pub(super) fn finish_absent(&mut self, now: Duration) {
        let is_missed = |(kind, track): (MediaKind, &Track)| {
            let end = track.last.as_ref().map(|end| from_ticks(kind, end.nominal));
            end.is_some_and(|end| now.saturating_sub(end) > HOLD)
        };
        if self.tracks.iter().any(is_missed) {
            self.finish(now);
        }
    }

    /// Lets go of what has waited long enough.
    pub(super) fn handle_timeout(&mut self, now: Duration) {
        for kind in PerKind::<()>::KINDS {
            let held = self.tracks.get(kind).pending.as_ref().map(|p| p.frame.arrived);
            if held.is_some_and(|arrived| now >= arrived.saturating_add(HOLD)) {
                self.release(kind, Until::Held);
            }
            let track = self.tracks.get(kind);
            if track.conceal_at(kind).is_some_and(|at| now >= at) {
                let until = to_ticks(kind, now.saturating_sub(CONCEAL_BEHIND));
                self.conceal(kind, until, now);
            }
        }
        if self.open.as_ref().is_some_and(|open| now >= open.since.saturating_add(MAX_OPEN)) {
            self.emit();
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        let held = self
            .tracks
            .iter()
            .filter_map(|(_, t)| t.pending.as_ref().map(|p| p.frame.arrived.saturating_add(HOLD)));
        let open = self.open.as_ref().map(|open| open.since.saturating_add(MAX_OPEN));
        let conceal = self.tracks.iter().filter_map(|(kind, track)| track.conceal_at(kind));
        held.chain(open).chain(conceal).min()
    }

    /// What the tail is to tell of the open cut and of held frames.
    pub(super) fn tell(&self, teller: &mut Teller, now: Duration) -> Told {
        let cut = self.open.as_ref().map(|open| &open.cut);
        let known = cut.map(|cut| &cut.setup).or(self.decided.as_ref());
        let held = |kind| {
            let Pending { frame, start } = self.tracks.get(kind).pending.as_ref()?;
            let duration = to_ticks(kind, frame.nominal).clamp(1, to_ticks(kind, MAX_SEGMENT));
            let setup = known.cloned().unwrap_or_default().with(kind, frame.config.as_ref());
            let (sync, data) = (frame.sync, frame.data.clone());
            Some(Held { setup, sample: Sample { start: *start, duration, sync, data } })
        };
        let mut both = PerKind::default();
        for kind in PerKind::<()>::KINDS {
            *both.get_mut(kind) = held(kind);
        }
        // Before the first cut is complete its set-up may still grow.
        let fixed = self.decided.as_ref().and(known);
        teller.open(cut, fixed, both, now)
    }

    /// The next finished piece.
    pub(super) fn poll(&mut self) -> Option<Piece> {
        self.out.pop_front()
    }

    /// Nothing follows: lets go of both kinds. The last picture was seen for as long as there was
    /// sound, so they end together, as they begin.
    fn release_last(&mut self) {
        let sound = MediaKind::Audio;
        self.release(sound, Until::Itself);
        let end = self.tracks.get(sound).last.as_ref().map(|end| from_ticks(sound, end.stored));
        self.release(MediaKind::Video, Until::Sound(end));
    }

    /// Moves the held frame of a kind into the open cut.
    fn release(&mut self, kind: MediaKind, until: Until) {
        let track = self.tracks.get_mut(kind);
        let Some(Pending { frame, start }) = track.pending.take() else { return };
        let longest = to_ticks(kind, MAX_SEGMENT);
        let nominal = to_ticks(kind, frame.nominal).clamp(1, longest);
        let duration = match (until, kind) {
            (Until::Next(next), _) => next.saturating_sub(start).clamp(1, longest),
            (Until::Sound(Some(end)), _) => match to_ticks(kind, end).saturating_sub(start) {
                // It came after the last sound.
                0 => nominal.min(to_ticks(kind, MAX_SLACK)),
                lasts if lasts <= to_ticks(kind, HOLD) => lasts,
                _ => nominal,
            },
            // Browsers take a jump of more than twice a picture's duration for a seek, and then
            // show nothing before the next key frame.
            (Until::Held, MediaKind::Video | MediaKind::Screen) => {
                nominal.max(to_ticks(kind, HOLD))
            }
            (Until::Held, MediaKind::Audio) | (Until::Itself | Until::Sound(None), _) => nominal,
        };
        let end = start.saturating_add(duration);
        track.last = Some(End {
            nominal: start.saturating_add(nominal.min(duration)),
            stored: end,
            // The successor of a picture held too long may still turn out to be due earlier.
            earliest: if kind == MediaKind::Video { start.saturating_add(1) } else { end },
            conceal: frame.conceal,
        });
        let sample = Sample { start, duration, sync: frame.sync, data: frame.data };
        self.append(kind, sample, frame.config.as_ref(), frame.arrived);
    }

    /// Fills the time from the end of what is stored with empty packets.
    fn conceal(&mut self, kind: MediaKind, until: u64, now: Duration) {
        let Some(End { stored, earliest, conceal: Some(conceal), .. }) =
            &mut self.tracks.get_mut(kind).last
        else {
            return;
        };
        let from = *stored;
        let missing = until.saturating_sub(from);
        if missing == 0 {
            return;
        }
        (*stored, *earliest) = (until, until);
        if missing > to_ticks(kind, MAX_CONCEAL) {
            return;
        }
        let unit = to_ticks(kind, conceal.plays).max(1);
        let data = conceal.packet.clone();
        // As many as play in that time, spread evenly over it.
        let count = (missing + unit / 2) / unit;
        let mut start = from;
        for n in 1..=count {
            let end = from + missing * n / count;
            let sample = Sample { start, duration: end - start, sync: true, data: data.clone() };
            self.append(kind, sample, None, now);
            start = end;
        }
    }

    /// Writes down what is missing between the last stored frame and one that starts at `start`.
    fn account(&mut self, kind: MediaKind, start: u64, frame: &TimedFrame) {
        let track = self.tracks.get_mut(kind);
        let cause = track.cause.take();
        let Some(end) = &track.last else { return };
        let missing = start.saturating_sub(end.nominal);
        let slack = slack(kind, frame.nominal);
        // A video that is merely slow stretches its pictures; only a known loss or a hole in what
        // was stored makes a gap of it. Sound has no such excuse.
        let is_hole = start > end.stored;
        let suspect = kind == MediaKind::Audio || cause.is_some() || is_hole;
        if suspect && missing > slack {
            let from = from_ticks(kind, end.nominal);
            let duration = from_ticks(kind, start).saturating_sub(from);
            let cause = cause.unwrap_or(GapCause::Stalled);
            self.out.push_back(Piece::Gap { kind, start: from, duration, cause });
        }
    }

    fn append(
        &mut self,
        kind: MediaKind,
        sample: Sample,
        config: Option<&Arc<VideoConfig>>,
        arrived: Duration,
    ) {
        if self.must_cut(kind, &sample, config) {
            self.emit();
        }
        let start = from_ticks(kind, sample.start);
        let end = from_ticks(kind, sample.end());
        let known = self.decided.clone().unwrap_or_default();
        let open = self.open.get_or_insert_with(|| Open {
            cut: Cut { setup: known, start, end, ..Cut::default() },
            since: arrived,
        });
        open.cut.setup = open.cut.setup.with(kind, config);
        open.cut.start = open.cut.start.min(start);
        open.cut.end = open.cut.end.max(end);
        open.cut.bytes = open.cut.bytes.saturating_add(sample.data.len());
        open.cut.tracks.get_mut(kind).push(sample);
    }

    /// Whether the open cut has to end before this sample.
    fn must_cut(
        &self,
        kind: MediaKind,
        sample: &Sample,
        config: Option<&Arc<VideoConfig>>,
    ) -> bool {
        let Some(Open { cut, .. }) = &self.open else { return false };
        let start = from_ticks(kind, sample.start);
        let span = from_ticks(kind, sample.end()).max(cut.end) - start.min(cut.start);
        // By the kind's own time: on a lossy network pictures wait for what is sent again while sound
        // goes on, and each would end a cut that the other began.
        let begins = cut.tracks.get(kind).first().map_or(cut.start, |s| from_ticks(kind, s.start));
        let into = start.saturating_sub(begins);
        let setup = cut.setup.with(kind, config);
        // Before the first init section a set-up may still grow; a picture may never change its
        // coding within a cut.
        let other_setup = setup != cut.setup
            && (self.decided.is_some() || (cut.setup.video.is_some() && kind == MediaKind::Video));
        let waiting = self.decided.is_none() && !cut.setup.is_complete();
        let target = if waiting { WAIT_FOR_BOTH } else { TARGET };
        let key = kind == MediaKind::Video && sample.sync && !waiting;
        other_setup
            || span > MAX_SEGMENT
            || into >= target
            || (key && into >= NEAR_TARGET)
            || cut.bytes.saturating_add(sample.data.len()) > MAX_CUT_BYTES
            || cut.samples() >= MAX_CUT_SAMPLES
    }

    fn emit(&mut self) {
        if let Some(Open { mut cut, .. }) = self.open.take() {
            if self.decided.is_none() {
                self.align_start(&mut cut);
            }
            self.decided = Some(cut.setup.clone());
            self.out.push_back(Piece::Cut(cut));
        }
    }

    /// Makes sound and picture of the first cut begin together, as players expect of a film: the
    /// kind that came up first sets the start. The first picture is shown from there on, sound
    /// that was not there yet is concealed, and the ledger says from when each is real.
    fn align_start(&mut self, cut: &mut Cut) {
        let begins = |kind| Some(from_ticks(kind, cut.tracks.get(kind).first()?.start));
        let (Some(sound), Some(picture)) = (begins(MediaKind::Audio), begins(MediaKind::Video))
        else {
            return;
        };
        let (kind, from, to) = if sound < picture {
            (MediaKind::Video, sound, picture)
        } else {
            (MediaKind::Audio, picture, sound)
        };
        if to - from <= MAX_SLACK {
            return;
        }
        let start = to_ticks(kind, from);
        let filled = match kind {
            MediaKind::Video | MediaKind::Screen => stretch_back(cut.tracks.get_mut(kind), start),
            MediaKind::Audio => {
                let end = self.tracks.get(kind).last.as_ref();
                end.and_then(|end| end.conceal.as_ref()).is_some_and(|conceal| {
                    cut.prepended = conceal_before(cut.tracks.get_mut(kind), start, conceal);
                    true
                })
            }
        };
        // What was missed before the first key frame is on the ledger already.
        let declared = self.out.iter().find_map(|piece| match piece {
            Piece::Gap { kind: k, start, .. } if *k == kind => Some(*start),
            _ => None,
        });
        let duration = declared.unwrap_or(to).min(to).saturating_sub(from);
        if filled && !duration.is_zero() {
            let cause = GapCause::Stalled;
            self.out.push_back(Piece::Gap { kind, start: from, duration, cause });
        }
    }
}

/// Shows the first picture from `start` on.
fn stretch_back(samples: &mut [Sample], start: u64) -> bool {
    samples.first_mut().is_some_and(|first| {
        first.duration = first.end().saturating_sub(start);
        first.start = start;
        true
    })
}

/// Puts empty packets in front of the first one, from `start` on; says how many.
fn conceal_before(samples: &mut Vec<Sample>, start: u64, conceal: &Conceal) -> usize {
    let Some(first) = samples.first().map(|s| s.start) else { return 0 };
    let missing = first.saturating_sub(start);
    let unit = to_ticks(MediaKind::Audio, conceal.plays).max(1);
    let count = (missing / unit).max(1);
    let empty = (0..count).map(|n| {
        let (from, to) = (start + missing * n / count, start + missing * (n + 1) / count);
        Sample { start: from, duration: to - from, sync: true, data: conceal.packet.clone() }
    });
    let empty: Vec<_> = empty.collect();
    let put = empty.len();
    samples.splice(0..0, empty);
    put
}

impl Track {
    /// Whether what is missing before a frame that starts at `start` is to be concealed.
    fn conceals(&self, kind: MediaKind, start: u64) -> bool {
        let (end, conceal) = match (&self.pending, &self.last) {
            (Some(Pending { frame, start }), _) => {
                (start.saturating_add(to_ticks(kind, frame.nominal)), &frame.conceal)
            }
            (None, Some(end)) => (end.stored, &end.conceal),
            (None, None) => return false,
        };
        let Some(conceal) = conceal.as_ref().filter(|_| self.is_connected()) else { return false };
        start.saturating_sub(end) > slack(kind, conceal.plays)
    }

    /// When to conceal although nothing arrives.
    fn conceal_at(&self, kind: MediaKind) -> Option<Duration> {
        let end = self.last.as_ref().filter(|end| end.conceal.is_some())?;
        let waits = self.pending.is_none() && self.is_connected();
        waits.then(|| from_ticks(kind, end.stored) + CONCEAL_BEHIND + CONCEAL_STEP)
    }

    /// Between two connections there is nothing to conceal: there was no sound.
    fn is_connected(&self) -> bool {
        self.cause != Some(GapCause::Reconnect)
    }
}

fn slack(kind: MediaKind, nominal: Duration) -> u64 {
    to_ticks(kind, (nominal / 2).min(MAX_SLACK))
}

#[cfg(test)]
#[path = "segmenter_tests.rs"]
mod tests;
