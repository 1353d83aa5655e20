//! One gesture, judged over time: at rest, then moved, then at rest again.

use std::time::Duration;

use vbranch_domain::{Mono, kyc::Challenge};

use super::{
    look::FaceObservation,
    policy::{LivenessPolicy, millis},
    usual::Levels,
};

/// The state of one gesture that may be done.
///
/// A face that already does it when asked has not done it: the gesture must begin at rest.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    challenge: Challenge,
    /// When it was asked for: what was seen before says nothing.
    asked: Mono,
    /// It cannot begin before this moment.
    earliest: Mono,
    phase: Phase,
    last: Option<Mono>,
    /// The furthest the gesture ever got, in the unit of its threshold.
    pub(super) best: f32,
    /// What it had to reach then: it may be more for a face that looks half like it at rest.
    pub(super) threshold: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Not at rest.
    Waiting,
    /// At rest since then, not yet for long enough.
    Resting { since: Mono },
    /// Was at rest for long enough, last seen so then: the gesture may begin.
    Ready { rested: Mono },
    /// Left its rest, last seen there then; how often it was seen moved far enough.
    Moving { rested: Mono, moved: u32 },
}

/// What one look did to a gesture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing to tell.
    Going,
    /// It has just been seen to have moved far enough.
    Peak,
    /// It is complete.
    Done,
}

impl Attempt {
    /// A gesture asked for at `asked`.
    pub(super) fn new(challenge: Challenge, asked: Mono, policy: &LivenessPolicy) -> Self {
        let earliest = asked + millis(policy.gestures.reaction_ms);
        Self {
            challenge,
            asked,
            earliest,
            phase: Phase::Waiting,
            last: None,
            best: 0.0,
            threshold: 0.0,
        }
    }

    pub(super) const fn challenge(&self) -> Challenge {
        self.challenge
    }

    /// Starts the gesture over: what was seen so far cannot be joined to what follows.
    pub(super) const fn interrupt(&mut self) {
        self.phase = Phase::Waiting;
    }

    /// Whether the face has yet to come to rest before the gesture can begin.
    pub(super) fn waits_for_rest(&self) -> bool {
        self.phase == Phase::Waiting
    }

    /// Whether the face has left its rest.
    pub(super) const fn is_moving(&self) -> bool {
        matches!(self.phase, Phase::Moving { .. })
    }

    /// What is measured, as a verdict names it.
    pub(super) const fn name(challenge: Challenge) -> &'static str {
        match challenge {
            Challenge::Blink => "blink",
            Challenge::TurnLeft => "turn_left",
            Challenge::TurnRight => "turn_right",
            Challenge::OpenMouth => "open_mouth",
            Challenge::Nod => "nod",
            Challenge::Smile => "smile",
        }
    }

    /// Takes one look at the face.
    pub(super) fn step(
        &mut self,
        at: Mono,
        face: &FaceObservation,
        levels: &Levels,
        policy: &LivenessPolicy,
    ) -> Step {
        if at < self.asked {
            return Step::Going;
        }
        let seen = Reading::of(self.challenge, face, levels, policy);
        if seen.measure > self.best || self.threshold == 0.0 {
            self.best = seen.measure.max(self.best);
            self.threshold = seen.threshold;
        }
        // On a busy server looks are so far apart that one of them stands for two.
        let apart = self.last.replace(at).map_or(Duration::ZERO, |last| at.since(last));
        let seen = Reading { weight: 1 + u32::from(apart > SPARSE), ..seen };
        let before = self.phase;
        let (next, done) =
            before.next(at, &seen, self.earliest, &Limits::of(self.challenge, policy));
        self.phase = next;
        let peaks = |phase| matches!(phase, Phase::Moving { moved: 1.., .. });
        match done {
            true => Step::Done,
            false if peaks(next) && !peaks(before) => Step::Peak,
            false => Step::Going,
        }
    }
}

/// Looks further apart than this come from a server without time.
const SPARSE: Duration = Duration::from_millis(140);

/// How long a gesture takes.
struct Limits {
    baseline: Duration,
    least: Duration,
    most: Duration,
    /// How often it must be seen moved: a single look may be a fault of the models.
    looks: u32,
}

impl Limits {
    const fn of(challenge: Challenge, policy: &LivenessPolicy) -> Self {
        let g = &policy.gestures;
        let (least, most, looks) = match challenge {
            // A blink may fall between two looks but for one.
            Challenge::Blink => (0, g.blink_max_ms, 1),
            Challenge::TurnLeft | Challenge::TurnRight => (g.turn_min_ms, g.turn_max_ms, 2),
            Challenge::OpenMouth | Challenge::Nod | Challenge::Smile => {
                (g.move_min_ms, g.move_max_ms, 2)
            }
        };
        Self { baseline: millis(g.baseline_ms), least: millis(least), most: millis(most), looks }
    }
}

impl Phase {
    /// The phase after one reading, and whether the gesture is complete.
    fn next(self, at: Mono, seen: &Reading, earliest: Mono, limits: &Limits) -> (Self, bool) {
        let from_rest = || if seen.rest { Self::Resting { since: at } } else { Self::Waiting };
        if seen.contrary {
            return (Self::Waiting, false);
        }
        let next = match self {
            Self::Waiting => from_rest(),
            Self::Resting { .. } if !seen.rest => Self::Waiting,
            Self::Resting { since } if at.since(since) >= limits.baseline => {
                Self::Ready { rested: at }
            }
            Self::Resting { since } => Self::Resting { since },
            Self::Ready { .. } if seen.rest => Self::Ready { rested: at },
            // It began before anybody can have answered.
            Self::Ready { .. } if at < earliest => Self::Waiting,
            Self::Ready { rested } => {
                Self::Moving { rested, moved: seen.weight * u32::from(seen.moved) }
            }
            Self::Moving { rested, .. } if at.since(rested) > limits.most => from_rest(),
            Self::Moving { rested, moved } if seen.rest => {
                let whole = moved >= limits.looks && at.since(rested) >= limits.least;
                // What went half the way, or too fast for a body, is rest again.
                return (Self::Resting { since: at }, whole);
            }
            Self::Moving { rested, moved } => Self::Moving {
                rested,
                moved: moved.saturating_add(seen.weight * u32::from(seen.moved)),
            },
        };
        (next, false)
    }
}

/// A face seen with the eyes of one challenge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// How far the gesture goes, in the unit of its threshold.
    pub(super) measure: f32,
    pub(super) threshold: f32,
    rest: bool,
    moved: bool,
    /// For how many looks it stands.
    weight: u32,
    /// It does something that cannot belong to this gesture.
    contrary: bool,
}

impl Reading {
    pub(super) fn of(
        challenge: Challenge,
        face: &FaceObservation,
        levels: &Levels,
        policy: &LivenessPolicy,
    ) -> Self {
        let g = &policy.gestures;
        let turned = |towards: f32| Self {
            measure: towards,
            threshold: g.turn_yaw,
            rest: face.yaw.abs() <= g.straight_yaw,
            moved: towards >= g.turn_yaw,
            weight: 1,
            contrary: towards <= -g.turn_yaw,
        };
        // Turned far, an eye or half a mouth is foreshortened and its score means little.
        let aside = face.yaw.abs() >= g.turn_yaw;
        let lowered = levels.pitch - face.pitch;
        let lifted = |measure: f32, level: super::usual::Level, contrary: bool| Self {
            measure,
            threshold: level.moved,
            rest: measure <= level.rest,
            moved: measure >= level.moved,
            weight: 1,
            contrary,
        };
        match challenge {
            // Eyes cast down with the head look shut.
            Challenge::Blink => lifted(face.blink, levels.blink, aside || lowered >= g.nod_pitch),
            Challenge::TurnLeft => turned(face.yaw),
            Challenge::TurnRight => turned(-face.yaw),
            Challenge::OpenMouth => lifted(face.mouth, levels.mouth, aside),
            Challenge::Smile => lifted(face.smile, levels.smile, aside),
            Challenge::Nod => Self {
                measure: lowered,
                threshold: g.nod_pitch,
                rest: lowered.abs() <= g.level_pitch,
                moved: lowered >= g.nod_pitch,
                weight: 1,
                contrary: aside,
            },
        }
    }
}
