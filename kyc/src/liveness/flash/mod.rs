//! Colours on the customer's screen, and whether their light comes back from the face.
//!
//! A camera that looks at a face before a screen sees the screen's colour on the skin, a moment
//! later. A film does not answer; a film of another check answers to other colours.

mod fit;
mod plan;

use std::collections::VecDeque;

use rand::rngs::StdRng;
use vbranch_domain::{Mono, kyc::FlashColour};

use super::{
    look::{FaceObservation, Light},
    policy::{FlashPolicy, millis},
};
pub use fit::{Answer, FlashReading};
pub(super) use plan::Plan;

/// The light of a face at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LightSample {
    /// When the picture arrived.
    pub at: Mono,
    /// What it showed.
    pub light: Light,
}

/// What was shown from when on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// When the page was told.
    pub at: Mono,
    /// The colour; `None`: the page shows itself.
    pub colour: Option<FlashColour>,
    /// Which one, from 0.
    pub index: u32,
}

/// Reads how a face answered to colours, see [`FlashReading`]. `before` is light from before the
/// first colour, `decoys` are sequences that were not shown.
#[must_use]
pub fn read_flash(
    shown: &[Shown],
    samples: &[LightSample],
    before: &[LightSample],
    decoys: &[Vec<FlashColour>],
    policy: &FlashPolicy,
) -> FlashReading {
    fit::read(shown, samples, before, decoys, policy)
}

/// One showing of all colours.
#[derive(Debug)]
pub(super) struct FlashRun {
    plan: Plan,
    decoys: Vec<Vec<FlashColour>>,
    shown: Vec<Shown>,
    next_at: Mono,
    samples: Vec<LightSample>,
    before: Vec<LightSample>,
    /// Looks without a usable, straight face.
    missed: u32,
}

/// Looks from before the first colour, for how much the light wavers by itself.
const BEFORE: usize = 30;
/// No more looks of one showing are kept: ten seconds at 60 a second.
const SAMPLES: usize = 600;
/// Sequences that were not shown, against which the one shown is held. Fewer leave more to chance.
const DECOYS: usize = 24;
/// After the last colour, its light is on its way for so long.
const TAIL_MS: u64 = 700;
/// A head turned further than this shows other skin to the screen.
const STRAIGHT: f32 = 14.0;

/// The light of the last looks, whatever goes on.
#[derive(Debug, Default)]
pub(super) struct LightLog(VecDeque<LightSample>);

impl LightLog {
    pub(super) fn push(&mut self, at: Mono, face: &FaceObservation) {
        if self.0.len() == BEFORE {
            self.0.pop_front();
        }
        self.0.push_back(LightSample { at, light: face.light });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl FlashRun {
    /// Begins to show colours at once: [`Self::due`] is now.
    pub(super) fn new(policy: &FlashPolicy, rng: &mut StdRng, log: &LightLog, now: Mono) -> Self {
        Self {
            plan: Plan::draw(policy, rng),
            decoys: (0..DECOYS).map(|_| Plan::draw(policy, rng).colours()).collect(),
            shown: Vec::new(),
            next_at: now,
            samples: Vec::new(),
            before: log.0.iter().copied().collect(),
            missed: 0,
        }
    }

    /// When something is next to be shown, or the showing ends.
    pub(super) const fn due(&self) -> Mono {
        self.next_at
    }

    pub(super) fn count(&self) -> u32 {
        self.plan.count()
    }

    /// What to show now, once [`Self::due`] has come; `None` when all is over.
    pub(super) fn advance(&mut self, now: Mono) -> Option<Shown> {
        let (colour, hold_ms) = match self.plan.step(self.shown.len()) {
            Some((colour, hold)) => (Some(colour), hold),
            None if self.shown.last().is_some_and(|s| s.colour.is_some()) => (None, TAIL_MS),
            None => return None,
        };
        let index = u32::try_from(self.shown.len()).unwrap_or(u32::MAX).min(self.count() - 1);
        let shown = Shown { at: now, colour, index };
        self.shown.push(shown);
        self.next_at = now + millis(hold_ms);
        Some(shown)
    }

    /// Takes one look; `None` where there was no usable face.
    pub(super) fn look(&mut self, at: Mono, face: Option<&FaceObservation>) {
        match face {
            Some(face) if face.yaw.abs() <= STRAIGHT && self.samples.len() < SAMPLES => {
                self.samples.push(LightSample { at, light: face.light });
            }
            _ => self.missed = self.missed.saturating_add(1),
        }
    }

    /// Whether too little was seen to say anything: the face was away or turned.
    pub(super) fn is_torn(&self) -> bool {
        let seen = u32::try_from(self.samples.len()).unwrap_or(u32::MAX);
        self.missed > seen / 3 || seen < 2 * self.count() - 2
    }

    pub(super) fn read(&self, policy: &FlashPolicy) -> FlashReading {
        read_flash(&self.shown, &self.samples, &self.before, &self.decoys, policy)
    }
}
