//! One gesture, judged over time: at rest, then moved, then at rest again.

use std::{collections::VecDeque, time::Duration};

use vbranch_domain::{Mono, kyc::Challenge};

use super::{
    engine::FaceObservation,
    policy::{LivenessPolicy, millis},
};

/// The state of the gesture that is asked for now.
///
/// A face that already does it when asked has not done it: the gesture must begin at rest.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    challenge: Challenge,
    phase: Phase,
    /// The furthest the gesture ever got, in the unit of its threshold.
    pub(super) best: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Not at rest.
    Waiting,
    /// At rest since then, not yet for long enough.
    Resting { since: Mono },
    /// Was at rest for long enough, last seen so then: the gesture may begin.
    Ready { rested: Mono },
    /// Moved; was last at rest then.
    Moved { rested: Mono },
}

impl Attempt {
    pub(super) const fn new(challenge: Challenge) -> Self {
        Self { challenge, phase: Phase::Waiting, best: 0.0 }
    }

    /// Starts the gesture over: what was seen so far cannot be joined to what follows.
    pub(super) const fn interrupt(&mut self) {
        self.phase = Phase::Waiting;
    }

    /// Whether the face has yet to come to rest before the gesture can begin.
    pub(super) fn waits_for_rest(&self) -> bool {
        self.phase == Phase::Waiting
    }

    /// What is measured, as a verdict names it.
    pub(super) const fn name(challenge: Challenge) -> &'static str {
        match challenge {
            Challenge::Blink => "blink",
            Challenge::TurnLeft => "turn_left",
            Challenge::TurnRight => "turn_right",
        }
    }

    /// What the measure has to reach.
    pub(super) const fn threshold(challenge: Challenge, policy: &LivenessPolicy) -> f32 {
        match challenge {
            Challenge::Blink => policy.blink_shut,
            Challenge::TurnLeft | Challenge::TurnRight => policy.turn_yaw,
        }
    }

    /// Takes one look at the face; true when the gesture is complete.
    pub(super) fn step(
        &mut self,
        at: Mono,
        face: &FaceObservation,
        eyes: EyeLimits,
        policy: &LivenessPolicy,
    ) -> bool {
        let reading = Reading::of(self.challenge, face, eyes, policy);
        self.best = self.best.max(reading.measure);
        let limit = match self.challenge {
            Challenge::Blink => millis(policy.blink_max_ms),
            Challenge::TurnLeft | Challenge::TurnRight => millis(policy.turn_max_ms),
        };
        let next = self.phase.next(at, &reading, millis(policy.baseline_ms), limit);
        self.phase = next.unwrap_or(Phase::Waiting);
        next.is_none()
    }
}

/// From what level on this person's eyes are open and shut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct EyeLimits {
    open: f32,
    shut: f32,
}

/// What a person's eyes usually look like.
#[derive(Debug, Clone, Default)]
pub(super) struct UsualEyes {
    recent: VecDeque<f32>,
}

/// Looks from which the usual level is taken: about four seconds, so that some blinks do not shift
/// it and a change of posture soon does.
const USUAL_OVER: usize = 48;
/// How much eyes at rest go above their usual level.
const USUAL_WAVER: f32 = 0.08;

impl UsualEyes {
    pub(super) fn learn(&mut self, blink: f32) {
        if self.recent.len() == USUAL_OVER {
            self.recent.pop_front();
        }
        self.recent.push_back(blink);
    }

    /// The limits that follow from the lower quartile of what was seen.
    pub(super) fn limits(&self, policy: &LivenessPolicy) -> EyeLimits {
        let mut sorted: Vec<f32> = self.recent.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        let usual = sorted.get(sorted.len() / 4).copied().unwrap_or(0.0);
        EyeLimits {
            open: (usual + USUAL_WAVER).clamp(policy.blink_open, policy.blink_open_most),
            shut: policy.blink_shut.max(usual + policy.blink_rise),
        }
    }
}

impl Phase {
    /// The phase after one reading; `None` when the gesture is complete.
    fn next(self, at: Mono, seen: &Reading, baseline: Duration, limit: Duration) -> Option<Self> {
        let from_rest = || if seen.rest { Self::Resting { since: at } } else { Self::Waiting };
        if seen.contrary {
            return Some(Self::Waiting);
        }
        Some(match self {
            Self::Waiting => from_rest(),
            Self::Resting { .. } if !seen.rest => Self::Waiting,
            Self::Resting { since } if at.since(since) >= baseline => Self::Ready { rested: at },
            Self::Resting { since } => Self::Resting { since },
            Self::Ready { .. } if seen.rest => Self::Ready { rested: at },
            Self::Ready { rested } | Self::Moved { rested } if at.since(rested) > limit => {
                from_rest()
            }
            Self::Ready { rested } if seen.moved => Self::Moved { rested },
            Self::Ready { rested } => Self::Ready { rested },
            Self::Moved { .. } if seen.rest => return None,
            Self::Moved { rested } => Self::Moved { rested },
        })
    }
}

/// A face seen with the eyes of one challenge.
struct Reading {
    /// How far the gesture goes, in the unit of its threshold.
    measure: f32,
    rest: bool,
    moved: bool,
    /// It does something that cannot belong to this gesture.
    contrary: bool,
}

impl Reading {
    fn of(
        challenge: Challenge,
        face: &FaceObservation,
        eyes: EyeLimits,
        policy: &LivenessPolicy,
    ) -> Self {
        let turned = |towards: f32| Self {
            measure: towards,
            rest: face.yaw.abs() <= policy.straight_yaw,
            moved: towards >= policy.turn_yaw,
            contrary: towards <= -policy.turn_yaw,
        };
        match challenge {
            // Turned far, an eye is foreshortened and its blink score means little.
            Challenge::Blink => Self {
                measure: face.blink,
                rest: face.blink <= eyes.open,
                moved: face.blink >= eyes.shut,
                contrary: face.yaw.abs() >= policy.turn_yaw,
            },
            Challenge::TurnLeft => turned(face.yaw),
            Challenge::TurnRight => turned(-face.yaw),
        }
    }
}
