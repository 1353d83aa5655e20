//! Which of a source's simulcast and temporal layers one subscriber gets.
//!
//! A simulcast layer can only be entered at one of its key frames, so the present one goes on
//! until the wanted one sends one. A temporal layer is left at any picture's start and entered at
//! pictures that need nothing the subscriber did not get (RFC 7741 section 4.2, Y).

use std::time::Duration;

use vbranch_domain::Mono;

use super::{PayloadInfo, vp8::PictureId};

/// Simulcast layers per source; browsers send three at most.
pub(crate) const MAX_LAYERS: usize = 3;
/// The highest temporal layer; TID has two bits.
pub(crate) const MAX_TID: u8 = 3;

/// A layer is taken for stopped when others have been sending for this long without it. Shorter
/// gives up a layer during a burst of loss; longer leaves the picture frozen when a sender turns
/// a layer off. Counted from the others' first packet, not from its own last one, so that a
/// screen that sends one picture a second in all of its layers does not look stopped.
const STOPPED_AFTER: Duration = Duration::from_millis(600);

/// Pictures after which a change of the temporal limit is forgotten. More, and 7-bit picture
/// numbers wrap within it; fewer, and packets a retransmission brought are judged wrongly.
const REMEMBERED: i32 = 30;

/// A source's simulcast layers from the smallest to the largest. A layer's number is only its
/// place in the offer: browsers make the first the smallest, but a page may name any of them first
/// and RFC 8853 (section 5.2) has the preferred one there. So that is where the order begins, and
/// what is measured decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerOrder([u8; MAX_LAYERS]);

/// A layer that takes this many times another's bits is the larger one. Less would take a key frame
/// for a difference in size; encoders give each layer three to four times the bits of the next.
const LARGER: u64 = 2;

impl Default for LayerOrder {
    fn default() -> Self {
        Self([0, 1, 2])
    }
}

impl LayerOrder {
    /// The layers, the smallest first.
    pub(crate) fn smallest_first(self) -> std::array::IntoIter<u8, MAX_LAYERS> {
        self.0.into_iter()
    }

    /// Learns from bit/s by layer; 0 where they say nothing of a layer.
    pub(crate) fn learn(&mut self, bitrates: [u64; MAX_LAYERS]) {
        let of = |layer: u8| bitrates.get(usize::from(layer)).copied().unwrap_or(0);
        for at in 1..MAX_LAYERS {
            for below in 0..at {
                let [smaller, larger] = [below, at].map(|n| self.0.get(n).map_or(0, |l| of(*l)));
                if larger > 0 && smaller > larger.saturating_mul(LARGER) {
                    self.0.swap(below, at);
                }
            }
        }
    }

    /// How many layers are smaller.
    fn rank(self, layer: u8) -> usize {
        self.0.iter().position(|of| *of == layer).unwrap_or(MAX_LAYERS)
    }
}

/// What a subscriber should get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// The simulcast layer, by its place in the offer.
    pub(crate) layer: u8,
    /// The highest temporal layer of it.
    pub(crate) tid: u8,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It goes to the subscriber.
    Forward,
    /// It is of the layer being forwarded and left out on purpose: numbers close up behind it.
    Skip,
    /// It is of another layer: for this subscriber it was never there.
    Drop,
}

/// The layer choice of one subscriber's slot, for one source at a time.
#[derive(Debug, Default)]
pub(crate) struct LayerSelector {
    target: Option<Target>,
    order: LayerOrder,
    current: Option<u8>,
    limit: Limit,
    layers: [Liveness; MAX_LAYERS],
}

/// Whether a layer is being sent.
#[derive(Debug, Clone, Copy, Default)]
struct Liveness {
    seen: bool,
    /// The first packet of another layer since this one's last.
    others_since: Option<Mono>,
}

/// The highest temporal layer forwarded, with what it was before its last change: packets of
/// pictures before that are judged as their pictures were.
#[derive(Debug, Clone, Copy, Default)]
struct Limit {
    tid: u8,
    before: u8,
    changed_at: Option<u16>,
}

impl LayerSelector {
    /// Another source is in the slot: everything but the target is forgotten.
    pub(crate) fn reset(&mut self) {
        *self = Self { target: self.target, ..Self::default() };
    }

    /// Sets what the subscriber should get; `None` pauses the slot, and it takes a key frame to
    /// begin again. A layer the source does not have stands for its highest live one below.
    pub(crate) fn set_target(&mut self, target: Option<Target>) {
        let top = (MAX_LAYERS - 1) as u8;
        self.target = target.map(|target| Target { layer: target.layer.min(top), ..target });
        if target.is_none() {
            self.current = None;
        }
    }

    /// Which of the source's layers are the smaller ones.
    pub(crate) fn set_order(&mut self, order: LayerOrder) {
        self.order = order;
    }

    /// The layer being forwarded.
    pub(crate) fn current(&self) -> Option<u8> {
        self.current
    }

    /// The layer of which a key frame is needed before the target is reached, for as long as it
    /// is: the caller's throttle says when to ask again.
    pub(crate) fn wants_keyframe(&self, now: Mono) -> Option<u8> {
        let goal = self.goal(now)?;
        (self.current != Some(goal)).then_some(goal)
    }

    /// Decides on one packet of the source, in order of arrival.
    pub(crate) fn on_packet(&mut self, now: Mono, layer: u8, info: &PayloadInfo) -> Decision {
        self.note(now, layer);
        let Some(target) = self.target else { return Decision::Drop };
        if info.keyframe && self.enters(now, layer) {
            self.current = Some(layer);
            self.limit.set(self.allowed(target, layer), info);
            return Decision::Forward;
        }
        if self.current != Some(layer) {
            return Decision::Drop;
        }
        self.limit.follow(self.allowed(target, layer), info);
        if self.limit.admits(info) { Decision::Forward } else { Decision::Skip }
    }

    fn note(&mut self, now: Mono, layer: u8) {
        for (n, liveness) in (0u8..).zip(&mut self.layers) {
            if n == layer {
                *liveness = Liveness { seen: true, others_since: None };
            } else {
                liveness.others_since.get_or_insert(now);
            }
        }
    }

    /// Whether a key frame of `layer` is worth switching to: of the layer aimed at, of the present
    /// one (a new start for its temporal layers), or of a smaller one where there is none yet.
    fn enters(&self, now: Mono, layer: u8) -> bool {
        let goal = self.goal(now);
        goal == Some(layer)
            || self.current == Some(layer)
            || (self.current.is_none()
                && goal.is_some_and(|goal| self.order.rank(layer) < self.order.rank(goal)))
    }

    /// The live layer nearest to the target, smaller ones first. Before anything was seen, the
    /// target itself.
    fn goal(&self, now: Mono) -> Option<u8> {
        let target = self.target?.layer;
        let live = |layer: &u8| {
            self.layers.get(usize::from(*layer)).is_some_and(|liveness| liveness.is_live(now))
        };
        let rank = self.order.rank(target);
        let below = self.order.smallest_first().take(rank + 1).rfind(live);
        below.or_else(|| self.order.smallest_first().skip(rank).find(live)).or(Some(target))
    }

    /// The highest temporal layer of `layer` the subscriber may have. Of a layer larger than it
    /// should have, until it gets away from it, as little as possible; of a smaller one everything.
    fn allowed(&self, target: Target, layer: u8) -> u8 {
        match self.order.rank(layer).cmp(&self.order.rank(target.layer)) {
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Equal => target.tid,
            std::cmp::Ordering::Less => MAX_TID,
        }
    }
}

impl Liveness {
    fn is_live(&self, now: Mono) -> bool {
        self.seen && self.others_since.is_none_or(|since| now.since(since) < STOPPED_AFTER)
    }
}

impl Limit {
    /// Moves towards `allowed` where this packet lets it.
    fn follow(&mut self, allowed: u8, info: &PayloadInfo) {
        let Some(vp8) = info.vp8 else { return };
        let ahead = self.pictures_since_change(vp8.picture_id);
        if ahead.is_some_and(|ahead| ahead > REMEMBERED) {
            self.changed_at = None;
        }
        if !vp8.starts_frame() || ahead.is_some_and(|ahead| ahead < 0) {
            return;
        }
        // One layer at a time: a picture that needs the base layer only is a way into its own
        // layer, but those after it may need the layer between.
        let entry = vp8.temporal.filter(|t| t.sync && t.tid == self.tid + 1 && t.tid <= allowed);
        if self.tid > allowed {
            self.set(allowed, info);
        } else if let Some(temporal) = entry {
            self.set(temporal.tid, info);
        }
    }

    fn set(&mut self, tid: u8, info: &PayloadInfo) {
        let changed_at = info.vp8.and_then(|vp8| vp8.picture_id).map(|id| id.value);
        *self = Self { tid, before: self.tid, changed_at };
    }

    fn admits(&self, info: &PayloadInfo) -> bool {
        let id = info.vp8.and_then(|vp8| vp8.picture_id);
        let late = self.pictures_since_change(id).is_some_and(|ahead| ahead < 0);
        info.tid() <= if late { self.before } else { self.tid }
    }

    fn pictures_since_change(&self, id: Option<PictureId>) -> Option<i32> {
        Some(id?.ahead_of(self.changed_at?))
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
