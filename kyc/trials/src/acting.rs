//! What a person (or a puppet) does over time: rest, and gestures when they are asked for.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use vbranch_domain::kyc::Challenge;

use crate::{
    mesh::Expression,
    subject::{Gesture, Look, Subject},
};

/// How someone acts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Manner {
    /// Whether gestures may be taken from the film where it has them.
    pub own_gestures: bool,
    /// Whether the film shows the mirror image: left and right change places.
    pub mirror: bool,
    /// Whether they never move between gestures.
    pub still: bool,
    /// Whether gestures are cut in instead of being joined to the rest.
    pub cuts: bool,
    /// How far gestures go, 1 for as usual.
    pub vigour: f32,
}

/// A person at some moment of what they do.
#[derive(Debug)]
pub struct Acting {
    manner: Manner,
    state: State,
    /// Position within the rest, in pictures: people at rest move a little, to and fro, but never
    /// twice alike.
    rest: f32,
    /// Pictures a picture of the film's, and for how long (seconds) at that pace.
    pace: (f32, f32),
    random: StdRng,
    /// What was done last, and how often in a row: who is not understood does more.
    again: Option<(Challenge, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Resting,
    /// A gesture of the film: on the way to it, in it, on the way back.
    Joining {
        gesture: Gesture,
        done: f32,
    },
    Playing {
        gesture: Gesture,
        at: f32,
    },
    Leaving {
        from: usize,
        done: f32,
    },
    /// A gesture that is painted, since when and for how long (seconds).
    Painting {
        kind: Challenge,
        done: f32,
        length: f32,
        depth: f32,
    },
}

/// Seconds in which one part of a film turns into another.
const JOIN: f32 = 0.25;

impl Acting {
    /// Someone at rest.
    #[must_use]
    pub fn new(subject: &Subject, manner: Manner, random: &mut StdRng) -> Self {
        let span = (subject.rest.1 - subject.rest.0) as f32;
        let rest = if manner.still { 0.0 } else { random.random_range(0.0..span) };
        let pace = (0.0, 0.0);
        let random = StdRng::from_rng(random);
        Self { manner, state: State::Resting, rest, pace, random, again: None }
    }

    /// Whether no gesture is going on.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.state == State::Resting
    }

    /// Begins a gesture now; returns whether it is one of the film.
    pub fn begin(&mut self, subject: &Subject, kind: Challenge) -> bool {
        let random = &mut self.random;
        let tries = match self.again {
            Some((last, tries)) if last == kind => tries + 1,
            _ => 0,
        };
        self.again = Some((kind, tries));
        let wanted = if self.manner.mirror { other_side(kind) } else { kind };
        let found: Vec<_> = subject.gestures.iter().filter(|g| g.kind == wanted).collect();
        // Painted lids are never as shut as real ones.
        let own = self.manner.own_gestures || kind == Challenge::Blink;
        if own && !found.is_empty() {
            let gesture = *found[random.random_range(0..found.len())];
            self.state = if self.manner.cuts {
                State::Playing { gesture, at: gesture.from as f32 }
            } else {
                State::Joining { gesture, done: 0.0 }
            };
            return true;
        }
        let (least, most) = match kind {
            Challenge::Blink => (0.35, 0.7),
            Challenge::TurnLeft | Challenge::TurnRight => (1.3, 2.4),
            Challenge::OpenMouth => (0.8, 1.6),
            Challenge::Nod => (1.1, 1.9),
            Challenge::Smile => (1.2, 2.2),
        };
        self.state = State::Painting {
            kind: wanted,
            done: 0.0,
            length: random.random_range(least..most),
            depth: random.random_range(0.9..1.15)
                * self.manner.vigour
                * (1.0 + 0.15 * tries.min(3) as f32),
        };
        false
    }

    /// Moves on by `dt` seconds and tells what is to be seen.
    pub fn step(&mut self, subject: &Subject, dt: f32) -> Look {
        let pictures = dt * subject.film.fps;
        let span = (subject.rest.1 - subject.rest.0) as f32;
        if !self.manner.still {
            self.pace.1 -= dt;
            if self.pace.1 <= 0.0 {
                self.pace =
                    (self.random.random_range(-0.9..0.9), self.random.random_range(0.2..1.1));
            }
            self.rest += pictures * self.pace.0;
            if !(0.0..=span).contains(&self.rest) {
                self.pace.0 = -self.pace.0;
                self.rest = self.rest.clamp(0.0, span);
            }
        }
        let rest = subject.rest.0 + self.rest.round() as usize;
        let mut look = Look { picture: rest, towards: None, expression: Expression::default() };
        self.state = match self.state {
            State::Resting => State::Resting,
            State::Joining { gesture, done } => {
                look.towards = Some((gesture.from, (done / JOIN).min(1.0)));
                if done >= JOIN {
                    State::Playing { gesture, at: gesture.from as f32 }
                } else {
                    State::Joining { gesture, done: done + dt }
                }
            }
            State::Playing { gesture, at } => {
                look.picture = (at.round() as usize).min(gesture.to);
                if at >= gesture.to as f32 && self.manner.cuts {
                    State::Resting
                } else if at >= gesture.to as f32 {
                    State::Leaving { from: gesture.to, done: 0.0 }
                } else {
                    State::Playing { gesture, at: at + pictures }
                }
            }
            State::Leaving { from, done } => {
                look.picture = from;
                look.towards = Some((rest, (done / JOIN).min(1.0)));
                if done >= JOIN { State::Resting } else { State::Leaving { from, done: done + dt } }
            }
            State::Painting { kind, done, length, depth } => {
                look.expression = painted(kind, (done / length).min(1.0), depth);
                if done >= length {
                    State::Resting
                } else {
                    State::Painting { kind, done: done + dt, length, depth }
                }
            }
        };
        look
    }
}

/// A gesture at a share of its time: it begins and ends softly and holds in the middle.
#[must_use]
pub fn painted(kind: Challenge, time: f32, depth: f32) -> Expression {
    let wave =
        crate::light::smooth(0.0, 0.38, time) * (1.0 - crate::light::smooth(0.62, 1.0, time));
    let wave = wave * depth;
    let none = Expression::default();
    match kind {
        Challenge::Blink => Expression { lids: wave.min(1.15), ..none },
        // The person's own left is on the picture's right.
        Challenge::TurnLeft => Expression { yaw: 28.0 * wave, ..none },
        Challenge::TurnRight => Expression { yaw: -28.0 * wave, ..none },
        Challenge::OpenMouth => Expression { jaw: wave.min(1.1), ..none },
        Challenge::Nod => Expression { pitch: -16.0 * wave, ..none },
        Challenge::Smile => Expression { smile: wave, ..none },
    }
}

/// The same in the mirror.
#[must_use]
pub const fn other_side(kind: Challenge) -> Challenge {
    match kind {
        Challenge::TurnLeft => Challenge::TurnRight,
        Challenge::TurnRight => Challenge::TurnLeft,
        other => other,
    }
}
