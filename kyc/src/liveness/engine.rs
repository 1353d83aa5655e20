//! The check as a whole: usable picture, challenges in random order, verdict.

use std::{collections::VecDeque, time::Duration};

use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use vbranch_domain::{
    Mono,
    kyc::{Advice, Challenge, KycEvent, KycModel, KycOutcome, KycSignal, KycVerdict},
};

use super::{
    attempt::{Attempt, UsualEyes},
    policy::{LivenessPolicy, millis},
};

/// What one look at the picture showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameObservation {
    /// When the picture arrived.
    pub at: Mono,
    /// How many faces are in it.
    pub faces: u32,
    /// The face that is followed, if any.
    pub face: Option<FaceObservation>,
}

/// What the followed face does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaceObservation {
    /// Changes when the face was lost and another, or the same elsewhere, was taken up.
    pub track: u32,
    /// How sure the mesh is, `0..=1`.
    pub presence: f32,
    /// How closed the eyes are, `0..=1`.
    pub blink: f32,
    /// Degrees; positive to the person's own left.
    pub yaw: f32,
    /// Degrees; positive upwards.
    pub pitch: f32,
    /// Height of the face as a share of the picture's shorter side.
    pub size: f32,
    /// Share of the face that is inside the picture.
    pub visible: f32,
    /// Mean brightness of the face, `0..=1`.
    pub brightness: f32,
}

/// How long an advice must hold before the customer is told: less makes the page flicker, more
/// leaves the customer wondering.
const ADVICE_HOLD: Duration = Duration::from_millis(400);

/// One liveness check. Feed it with [`handle`](Self::handle), wake it at
/// [`poll_timeout`](Self::poll_timeout), take what it says from [`poll`](Self::poll).
#[derive(Debug)]
pub struct Liveness {
    policy: LivenessPolicy,
    order: Vec<Challenge>,
    models: Vec<KycModel>,
    phase: Phase,
    started: Mono,
    /// The latest moment the engine knows of; time never runs backwards in it.
    now: Mono,
    last_look: Option<Mono>,
    last_track: Option<u32>,
    unusable: Option<(Advice, Mono)>,
    told: Option<Advice>,
    pending: Option<(Advice, Mono)>,
    eyes: UsualEyes,
    signals: Vec<KycSignal>,
    presence_sum: f32,
    usable_frames: u32,
    frames: u32,
    out: VecDeque<KycEvent>,
}

#[derive(Debug)]
enum Phase {
    /// Waiting for a usable face to stay; since when it has.
    Settling { good_since: Option<Mono> },
    /// A challenge is out.
    Asking { index: usize, attempt: Attempt, left: Duration },
    /// A challenge was met; the next comes then.
    Pausing { next: usize, until: Mono },
    /// The verdict is out.
    Done,
}

impl Liveness {
    /// A check that begins at `at`. The order of the challenges follows from `seed`, which must
    /// be unpredictable to the customer.
    #[must_use]
    pub fn new(policy: LivenessPolicy, models: Vec<KycModel>, seed: [u8; 32], at: Mono) -> Self {
        let mut order = policy.challenges.clone();
        order.shuffle(&mut StdRng::from_seed(seed));
        Self {
            policy,
            order,
            models,
            phase: Phase::Settling { good_since: None },
            started: at,
            now: at,
            last_look: None,
            last_track: None,
            unusable: None,
            told: None,
            pending: None,
            eyes: UsualEyes::default(),
            signals: Vec::new(),
            presence_sum: 0.0,
            usable_frames: 0,
            frames: 0,
            out: VecDeque::new(),
        }
    }

    /// Takes one look at the picture. Looks come in the order of their time.
    pub fn handle(&mut self, seen: &FrameObservation) {
        self.handle_timeout(seen.at);
        if self.is_done() {
            return;
        }
        let gap = self.last_look.map_or(Duration::ZERO, |last| self.now.since(last));
        self.last_look = Some(self.now);
        self.frames = self.frames.saturating_add(1);

        let obstacle = self.obstacle(seen);
        self.note_obstacle(obstacle);
        match (obstacle, &seen.face) {
            (None, Some(face)) => {
                self.usable_frames = self.usable_frames.saturating_add(1);
                self.presence_sum += face.presence;
                let track = self.last_track.replace(face.track);
                let torn = gap > millis(self.policy.max_gap_ms)
                    || track.is_some_and(|track| track != face.track);
                self.judge(face, gap.min(millis(self.policy.max_gap_ms)), torn);
            }
            (obstacle, _) => {
                self.interrupt();
                self.advise(obstacle.unwrap_or(Advice::NoFace));
            }
        }
    }

    /// Lets time pass until `now`.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.now = self.now.max(now);
        if self.is_done() {
            return;
        }
        let over = |since: Mono, limit: u64| self.now.since(since) >= millis(limit);
        if self.video_overdue(self.now) {
            self.finish(KycOutcome::Refer, "no_video");
        } else if over(self.started, self.policy.overall_timeout_ms) {
            self.finish(KycOutcome::Fail, "overall_timeout");
        } else if let Some((advice, since)) = self.unusable
            && over(since, self.policy.unusable_timeout_ms)
        {
            self.finish(KycOutcome::Fail, failure_of(advice));
        } else if let Phase::Pausing { next, until } = self.phase
            && self.now >= until
            && self.unusable.is_none()
        {
            self.ask(next);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next due; `None` when the check is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        let policy = &self.policy;
        let pause = match self.phase {
            Phase::Done => return None,
            Phase::Pausing { until, .. } if self.unusable.is_none() => Some(until),
            _ => None,
        };
        let times = [
            Some(self.last_look.unwrap_or(self.started) + millis(policy.no_video_timeout_ms)),
            Some(self.started + millis(policy.overall_timeout_ms)),
            self.unusable.map(|(_, since)| since + millis(policy.unusable_timeout_ms)),
            pause,
        ];
        times.into_iter().flatten().min()
    }

    /// The next thing to tell, in order.
    pub fn poll(&mut self) -> Option<KycEvent> {
        self.out.pop_front()
    }

    /// Whether no picture has come for so long that the check is about to end for it.
    #[must_use]
    pub fn video_overdue(&self, now: Mono) -> bool {
        let last = self.last_look.unwrap_or(self.started);
        now.since(last) >= millis(self.policy.no_video_timeout_ms)
    }

    /// Ends the check for a reason outside the picture (no model, no decodable video).
    pub fn refer(&mut self, reason: &str) {
        if !self.is_done() {
            self.finish(KycOutcome::Refer, reason);
        }
    }

    /// Whether the verdict is out (it may still have to be polled).
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// What makes this picture unusable, the most important first.
    fn obstacle(&self, seen: &FrameObservation) -> Option<Advice> {
        let policy = &self.policy;
        // Comparisons are written so that NaN counts as an obstacle.
        let at_least = |value: f32, limit: f32| value >= limit;
        match seen.face {
            _ if seen.faces > 1 => Some(Advice::SeveralFaces),
            None => Some(Advice::NoFace),
            Some(f) if !at_least(f.presence, policy.min_presence) => Some(Advice::NoFace),
            Some(f) if !(f.yaw.is_finite() && f.blink.is_finite()) => Some(Advice::NoFace),
            Some(f) if !at_least(f.visible, policy.min_visible) => Some(Advice::CenterFace),
            Some(f) if !at_least(f.size, policy.min_face) => Some(Advice::ComeCloser),
            Some(f) if !at_least(f.brightness, policy.min_brightness) => Some(Advice::MoreLight),
            Some(_) => None,
        }
    }

    /// Keeps the time since when the picture has been unusable, and for what.
    fn note_obstacle(&mut self, obstacle: Option<Advice>) {
        self.unusable = match (obstacle, self.unusable) {
            (None, _) => None,
            (Some(advice), Some((_, since))) => Some((advice, since)),
            (Some(advice), None) => Some((advice, self.now)),
        };
    }

    /// What was seen before cannot be joined to what follows.
    const fn interrupt(&mut self) {
        match &mut self.phase {
            Phase::Settling { good_since } => *good_since = None,
            Phase::Asking { attempt, .. } => attempt.interrupt(),
            Phase::Pausing { .. } | Phase::Done => {}
        }
    }

    /// Judges a usable face. `elapsed` is the time since the last look, as far as it counts.
    fn judge(&mut self, face: &FaceObservation, elapsed: Duration, torn: bool) {
        if torn {
            self.interrupt();
        }
        self.eyes.learn(face.blink);
        let (now, policy) = (self.now, &self.policy);
        let straight = face.yaw.abs() <= policy.straight_yaw;
        let mut advice = Advice::Good;
        match &mut self.phase {
            Phase::Settling { good_since } if straight => {
                let since = *good_since.get_or_insert(now);
                if now.since(since) >= millis(policy.settle_ms) {
                    self.ask(0);
                }
            }
            Phase::Settling { good_since } => {
                *good_since = None;
                advice = Advice::LookStraight;
            }
            Phase::Asking { index, attempt, left } => {
                if attempt.step(now, face, self.eyes.limits(policy), policy) {
                    let index = *index;
                    self.challenge_done(index);
                } else if left.is_zero() || elapsed >= *left {
                    self.finish(KycOutcome::Fail, "challenge_timeout");
                    return;
                } else {
                    *left = left.saturating_sub(elapsed);
                    if attempt.waits_for_rest() && !straight {
                        advice = Advice::LookStraight;
                    }
                }
            }
            Phase::Pausing { .. } | Phase::Done => {}
        }
        self.advise(advice);
    }

    fn ask(&mut self, index: usize) {
        let Some(&challenge) = self.order.get(index) else {
            return self.finish(KycOutcome::Pass, "live");
        };
        self.phase = Phase::Asking {
            index,
            attempt: Attempt::new(challenge),
            left: millis(self.policy.challenge_timeout_ms),
        };
        self.out.push_back(KycEvent::Challenge {
            challenge,
            index: count(index),
            of: count(self.order.len()),
        });
    }

    fn challenge_done(&mut self, index: usize) {
        self.push_signal(true);
        self.out.push_back(KycEvent::ChallengeDone { index: count(index) });
        if index + 1 == self.order.len() {
            self.finish(KycOutcome::Pass, "live");
        } else {
            let until = self.now + millis(self.policy.pause_ms);
            self.phase = Phase::Pausing { next: index + 1, until };
        }
    }

    /// Writes down how far the challenge that is out has got.
    fn push_signal(&mut self, passed: bool) {
        if let Phase::Asking { index, attempt, .. } = &self.phase
            && let Some(&challenge) = self.order.get(*index)
        {
            self.signals.push(KycSignal {
                name: format!("challenge.{index}.{}", Attempt::name(challenge)),
                score: attempt.best,
                threshold: Attempt::threshold(challenge, &self.policy),
                passed,
            });
        }
    }

    fn finish(&mut self, outcome: KycOutcome, reason: &str) {
        if outcome != KycOutcome::Pass {
            self.push_signal(false);
        }
        if self.usable_frames > 0 {
            let score = self.presence_sum / self.usable_frames as f32;
            let threshold = self.policy.min_presence;
            self.signals.push(KycSignal {
                name: "face.presence".to_owned(),
                score,
                threshold,
                passed: score >= threshold,
            });
        }
        self.phase = Phase::Done;
        self.out.push_back(KycEvent::Verdict(KycVerdict {
            outcome,
            reason: reason.to_owned(),
            signals: std::mem::take(&mut self.signals),
            models: self.models.clone(),
            frames: self.frames,
        }));
    }

    /// Tells the customer when the advice has changed and has held for a moment.
    fn advise(&mut self, advice: Advice) {
        if self.is_done() || self.told == Some(advice) {
            self.pending = None;
            return;
        }
        let since = match self.pending {
            Some((pending, since)) if pending == advice => since,
            _ => self.now,
        };
        if self.told.is_none() || self.now.since(since) >= ADVICE_HOLD {
            self.told = Some(advice);
            self.pending = None;
            self.out.push_back(KycEvent::Advice { advice });
        } else {
            self.pending = Some((advice, since));
        }
    }
}

/// The verdict's word for a picture that stayed unusable.
const fn failure_of(advice: Advice) -> &'static str {
    match advice {
        Advice::NoFace => "no_face",
        Advice::SeveralFaces => "several_faces",
        Advice::ComeCloser
        | Advice::CenterFace
        | Advice::MoreLight
        | Advice::LookStraight
        | Advice::Good => "poor_picture",
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
