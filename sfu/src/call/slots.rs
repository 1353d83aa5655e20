//! What each of a subscriber's receiving slots shows.
//!
//! A client negotiates a fixed number of slots once; people who join, leave, listen in or share a
//! screen change what is in them. A source keeps its slot for as long as it is shown, so that a
//! picture never jumps from one place of a page to another.

use std::cmp::Reverse;

use vbranch_domain::{MediaKind, Seat, Slot, TrackId};

/// Most slots one subscriber may have; further sections of its offer receive nothing. More only
/// makes every change of a call dearer: a call has at most [`super::MAX_MEMBERS`] members, and
/// nobody looks at more pictures than this.
pub(crate) const MAX_SLOTS: usize = 16;

/// What a slot was negotiated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotKind {
    Audio,
    /// A camera or a screen.
    Picture,
}

impl SlotKind {
    pub(crate) const fn carries(self, kind: MediaKind) -> bool {
        matches!(
            (self, kind),
            (Self::Audio, MediaKind::Audio) | (Self::Picture, MediaKind::Video | MediaKind::Screen)
        )
    }

    /// How an empty slot is shown to clients.
    const fn empty(self) -> MediaKind {
        match self {
            Self::Audio => MediaKind::Audio,
            Self::Picture => MediaKind::Video,
        }
    }
}

/// A media section on which a subscriber receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotSpec {
    /// The section's mid (RFC 8843 section 15).
    pub(crate) mid: String,
    pub(crate) kind: SlotKind,
}

/// A source that a subscriber may receive, with what decides its rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) track: TrackId,
    pub(crate) seat: Seat,
    pub(crate) speaking: bool,
}

/// Slot `slot` now shows `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotChange {
    /// Index into the slots as they were handed over at the join.
    pub(crate) slot: u8,
    pub(crate) from: Option<TrackId>,
}

/// The slots of one connection.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<(SlotSpec, Option<TrackId>)>,
}

impl Slots {
    /// All empty; what is beyond [`MAX_SLOTS`] is left out.
    pub(crate) fn new(specs: Vec<SlotSpec>) -> Self {
        Self { slots: specs.into_iter().take(MAX_SLOTS).map(|spec| (spec, None)).collect() }
    }

    /// Gives the slots to the candidates that rank highest and tells what changed. `candidates`
    /// come in the order in which they joined; those that rank alike keep it.
    ///
    /// Rank: a screen before cameras, then by seat, then who speaks, then who is shown already.
    pub(crate) fn assign(&mut self, candidates: &[Candidate]) -> Vec<SlotChange> {
        let mut changes = vec![];
        for kind in [SlotKind::Audio, SlotKind::Picture] {
            let wanted = self.wanted(kind, candidates);
            self.fill(kind, &wanted, &mut changes);
        }
        changes.sort_by_key(|change| change.slot);
        changes
    }

    /// The candidates that get a slot of this kind, best first.
    fn wanted(&self, kind: SlotKind, candidates: &[Candidate]) -> Vec<TrackId> {
        let mut ranked: Vec<&Candidate> =
            candidates.iter().filter(|c| kind.carries(c.track.kind)).collect();
        ranked.sort_by_key(|c| {
            let screen = c.track.kind == MediaKind::Screen;
            (Reverse(screen), c.seat, Reverse(c.speaking), Reverse(self.shows(c.track)))
        });
        let room = self.slots.iter().filter(|(spec, _)| spec.kind == kind).count();
        ranked.into_iter().take(room).map(|c| c.track).collect()
    }

    /// Leaves in place what is wanted and there, clears the rest, puts newcomers in free slots.
    fn fill(&mut self, kind: SlotKind, wanted: &[TrackId], changes: &mut Vec<SlotChange>) {
        let mut newcomers: Vec<TrackId> =
            wanted.iter().copied().filter(|track| !self.shows(*track)).rev().collect();
        for (index, (spec, from)) in self.slots.iter_mut().enumerate() {
            if spec.kind != kind || from.is_some_and(|track| wanted.contains(&track)) {
                continue;
            }
            let next = newcomers.pop();
            if *from != next {
                *from = next;
                changes.push(SlotChange { slot: narrow(index), from: next });
            }
        }
    }

    fn shows(&self, track: TrackId) -> bool {
        self.slots.iter().any(|(_, from)| *from == Some(track))
    }

    /// The slots in use, with their sources.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (u8, TrackId)> + '_ {
        self.slots.iter().enumerate().filter_map(|(i, (_, from))| Some((narrow(i), (*from)?)))
    }

    /// The whole table, as the subscriber's page is told it.
    pub(crate) fn table(&self) -> Vec<Slot> {
        let row = |(spec, from): &(SlotSpec, Option<TrackId>)| Slot {
            mid: spec.mid.clone(),
            kind: from.map_or(spec.kind.empty(), |track| track.kind),
            from: from.map(|track| track.participant),
        };
        self.slots.iter().map(row).collect()
    }
}

/// Slots are at most [`MAX_SLOTS`], so nothing is ever cut.
fn narrow(index: usize) -> u8 {
    u8::try_from(index).unwrap_or(u8::MAX)
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
