//! What a person's face is like when it does nothing.

use std::collections::VecDeque;

use super::{look::FaceObservation, policy::LivenessPolicy};

/// What a person's face usually looks like.
#[derive(Debug, Clone, Default)]
pub(super) struct UsualFace {
    blink: Recent,
    mouth: Recent,
    smile: Recent,
    pitch: Recent,
}

/// Where rest ends and movement begins, for this person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Levels {
    pub(super) blink: Level,
    pub(super) mouth: Level,
    pub(super) smile: Level,
    /// The pitch of the head at rest, degrees.
    pub(super) pitch: f32,
}

/// Up to `rest` it is at rest, from `moved` on it has moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub(super) rest: f32,
    pub(super) moved: f32,
}

/// Looks from which the usual level is taken: about four seconds, so that some blinks do not shift
/// it and a change of posture soon does.
const USUAL_OVER: usize = 48;
/// How much eyes at rest go above their usual level.
const EYES_WAVER: f32 = 0.08;
/// The same of mouths and smiles.
const MOUTH_WAVER: f32 = 0.1;

impl UsualFace {
    pub(super) fn learn(&mut self, face: &FaceObservation) {
        self.blink.push(face.blink);
        self.mouth.push(face.mouth);
        self.smile.push(face.smile);
        self.pitch.push(face.pitch);
    }

    /// The levels that follow from what was seen: lower quartiles, since eyes, mouths and smiles
    /// move up only, and the median of the pitch.
    pub(super) fn levels(&self, policy: &LivenessPolicy) -> Levels {
        let g = &policy.gestures;
        let eyes = self.blink.quantile(4);
        let lifted = |usual: f32, moved: f32, rise: f32| Level {
            rest: usual + MOUTH_WAVER,
            moved: moved.max(usual + rise),
        };
        Levels {
            blink: Level {
                rest: (eyes + EYES_WAVER).clamp(g.blink_open, g.blink_open_most),
                moved: g.blink_shut.max(eyes + g.blink_rise),
            },
            mouth: lifted(self.mouth.quantile(4), g.mouth_open, g.mouth_rise),
            smile: lifted(self.smile.quantile(4), g.smile_shown, g.smile_rise),
            pitch: self.pitch.quantile(2),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Recent(VecDeque<f32>);

impl Recent {
    fn push(&mut self, value: f32) {
        if self.0.len() == USUAL_OVER {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// The value below which one part in `parts` lies; zero where nothing was seen.
    fn quantile(&self, parts: usize) -> f32 {
        let mut sorted: Vec<f32> = self.0.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        sorted.get(sorted.len() / parts).copied().unwrap_or(0.0)
    }
}
