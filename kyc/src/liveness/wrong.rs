//! Gestures done although others were asked for: a film of many gestures contains the right one
//! sooner or later, a person does what was asked.

use vbranch_domain::{Mono, kyc::Challenge};

use super::{
    attempt::{Attempt, Reading, Step},
    look::FaceObservation,
    policy::LivenessPolicy,
    usual::Levels,
};

/// Watches the other gestures of the pool while one is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct WrongGestures {
    others: Vec<Attempt>,
    /// How many there were in the whole check, weighed.
    pub(super) sum: f32,
}

/// A gesture is left out of account while the one asked for has gone this share of its way: mouths
/// open with a smile, heads sink with a turn.
const UNDER_WAY: f32 = 0.5;

impl WrongGestures {
    /// Another gesture is asked for.
    pub(super) fn ask(&mut self, asked: Challenge, now: Mono, policy: &LivenessPolicy) {
        self.others.clear();
        for &other in &policy.challenges {
            let known = self.others.iter().any(|a| a.challenge() == other);
            if other != asked && !known && weight(other) > 0.0 {
                self.others.push(Attempt::new(other, now, policy));
            }
        }
    }

    /// What was seen so far cannot be joined to what follows.
    pub(super) fn interrupt(&mut self) {
        self.others.iter_mut().for_each(Attempt::interrupt);
    }

    /// Takes one look. Each other gesture counts once for a question.
    pub(super) fn step(
        &mut self,
        at: Mono,
        asked: Challenge,
        face: &FaceObservation,
        levels: &Levels,
        policy: &LivenessPolicy,
    ) {
        let reading = Reading::of(asked, face, levels, policy);
        let under_way = reading.measure >= UNDER_WAY * reading.threshold;
        let mut sum = 0.0;
        self.others.retain_mut(|other| {
            if under_way && !opposite(asked, other.challenge()) {
                other.interrupt();
                return true;
            }
            let done = other.step(at, face, levels, policy) == Step::Done;
            sum += if done { weight(other.challenge()) } else { 0.0 };
            !done
        });
        self.sum += sum;
    }
}

/// How much a gesture that nobody asked for counts. Everybody blinks; people speak and smile.
const fn weight(challenge: Challenge) -> f32 {
    match challenge {
        Challenge::Blink => 0.0,
        Challenge::OpenMouth | Challenge::Smile => 0.5,
        Challenge::TurnLeft | Challenge::TurnRight | Challenge::Nod => 1.0,
    }
}

const fn opposite(a: Challenge, b: Challenge) -> bool {
    matches!(
        (a, b),
        (Challenge::TurnLeft, Challenge::TurnRight) | (Challenge::TurnRight, Challenge::TurnLeft)
    )
}
