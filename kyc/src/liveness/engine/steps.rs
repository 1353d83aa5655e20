//! What the check does next: goes on when the face is fit, asks, shows colours.

use std::time::Duration;

use vbranch_domain::{
    Mono,
    kyc::{Advice, Challenge, KycEvent, KycOutcome},
};

use super::{
    super::{
        attempt::{Attempt, Step},
        course::{Next, Phase},
        flash::{Answer, FlashReading, FlashRun},
        look::{FaceObservation, FrameObservation},
        policy::{Action, millis},
        quality,
        sequence::is_turn,
    },
    Liveness, Moment,
};

/// How long the customer is asked for less light where the colours were not seen: time to draw a
/// curtain or switch a lamp off.
const DIM_FOR: Duration = Duration::from_secs(3);

impl Liveness {
    /// Nothing is asked at the moment: goes on when the face has been fit for it for long enough.
    pub(super) fn between(
        &mut self,
        seen: &FrameObservation,
        straight: bool,
        elapsed: Duration,
    ) -> Advice {
        let advice = match quality::shortcoming(seen, &self.policy.quality) {
            Some(advice) => advice,
            None if self.dim_until.is_some_and(|until| self.now < until) => Advice::SofterLight,
            None if straight => Advice::Good,
            None => Advice::LookStraight,
        };
        let limit = millis(self.policy.unusable_timeout_ms);
        let now = self.now;
        match &mut self.phase {
            Phase::Settling { good_since } if advice == Advice::Good => {
                let since = *good_since.get_or_insert(seen.at);
                let settled = seen.at.since(since) >= millis(self.policy.settle_ms);
                if settled && !self.course.open {
                    self.go_on(0);
                }
            }
            Phase::Settling { good_since } => *good_since = None,
            Phase::Pausing { done, until, .. } if advice == Advice::Good && now >= *until => {
                let done = *done;
                self.go_on(done);
            }
            Phase::Pausing { unfit_for, .. } if advice != Advice::Good => {
                *unfit_for += elapsed;
                if *unfit_for >= limit {
                    self.finish(KycOutcome::Fail, "poor_picture");
                }
            }
            _ => {}
        }
        advice
    }

    /// A challenge is out.
    pub(super) fn asking(
        &mut self,
        at: Mono,
        face: &FaceObservation,
        straight: bool,
        elapsed: Duration,
    ) -> Advice {
        let levels = self.usual.levels(&self.policy);
        let Phase::Asking { index, attempt, left } = &mut self.phase else { return Advice::Good };
        let (index, challenge) = (*index, attempt.challenge());
        self.wrong.step(at, challenge, face, &levels, &self.policy);
        let step = attempt.step(at, face, &levels, &self.policy);
        if attempt.is_moving() {
            self.moment = Moment::None;
        }
        if step == Step::Peak {
            self.moment = Moment::Peak(index);
        }
        let (over, waits) = (elapsed >= *left, attempt.waits_for_rest());
        *left = left.saturating_sub(elapsed);
        match step {
            Step::Done => self.challenge_done(index, challenge),
            _ if self.too_many_wrong() => self.finish(KycOutcome::Fail, "wrong_gestures"),
            _ if over => self.finish(KycOutcome::Fail, "challenge_timeout"),
            _ if waits && !straight => return Advice::LookStraight,
            _ => {}
        }
        Advice::Good
    }

    /// Whether wrong gestures end the check here. Where the policy only refers for them, it goes on
    /// to its end.
    fn too_many_wrong(&self) -> bool {
        let g = &self.policy.gestures;
        g.wrong == Action::Fail && self.wrong.sum > g.wrong_most
    }

    fn go_on(&mut self, done: usize) {
        match self.course.next(done) {
            Next::Judge => self.judge_all(),
            Next::Ask(index, challenge) => self.ask(index, challenge),
            Next::Flash => {
                self.course.flash_left = self.course.flash_left.saturating_sub(1);
                let run = FlashRun::new(&self.policy.flash, &mut self.rng, &self.light, self.now);
                self.phase = Phase::Flashing { done, run: Box::new(run) };
                self.flash_on();
            }
        }
    }

    fn ask(&mut self, index: usize, challenge: Challenge) {
        self.parallax.begin();
        self.wrong.ask(challenge, self.now, &self.policy);
        self.phase = Phase::Asking {
            index,
            attempt: Attempt::new(challenge, self.now, &self.policy),
            left: millis(self.policy.challenge_timeout_ms),
        };
        self.out.push_back(KycEvent::Challenge {
            challenge,
            index: count(index),
            of: count(self.course.count()),
        });
    }

    fn challenge_done(&mut self, index: usize, challenge: Challenge) {
        self.push_gesture(true);
        if is_turn(challenge) {
            self.parallax.end_turn();
        }
        self.out.push_back(KycEvent::ChallengeDone { index: count(index) });
        let done = index + 1;
        if self.course.next(done) == Next::Judge {
            self.judge_all();
        } else {
            self.pause(done);
        }
    }

    fn pause(&mut self, done: usize) {
        let until = self.now + millis(self.policy.pause_ms);
        self.phase = Phase::Pausing { done, until, unfit_for: Duration::ZERO };
    }

    /// Shows the next colour, or ends the showing.
    pub(super) fn flash_on(&mut self) {
        let Phase::Flashing { done, run } = &mut self.phase else { return };
        let done = *done;
        if let Some(shown) = run.advance(self.now) {
            let (index, of) = (shown.index, run.count());
            self.shown.push(shown);
            self.out.push_back(KycEvent::Flash { colour: shown.colour, index, of });
            return;
        }
        let reading = (!run.is_torn()).then(|| run.read(&self.policy.flash));
        let again = self.course.flash_left > 0;
        // The best of what was seen counts, and a foreign light more than none.
        if let Some(reading) = reading
            && self.flash.is_none_or(|old| rank(&reading) >= rank(&old))
        {
            self.flash = Some(reading);
        }
        let answer = reading.map_or(Answer::Unseen, |r| r.answer);
        if answer != Answer::Follows && again {
            self.course.flash_again(done);
            if reading.is_some_and(|r| r.answer == Answer::Unseen) {
                // Less of the other light shows more of the screen's.
                self.dim_until = Some(self.now + DIM_FOR);
            }
        } else {
            self.course.flash_over = true;
        }
        self.light.clear();
        if self.course.next(done) == Next::Judge {
            self.judge_all();
        } else {
            self.pause(done);
        }
    }
}

/// Which of two readings of the colours counts.
const fn rank(reading: &FlashReading) -> u8 {
    match reading.answer {
        Answer::Unseen => 0,
        Answer::Foreign => 1,
        Answer::Late => 2,
        Answer::Follows => 3,
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
