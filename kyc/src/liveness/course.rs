//! Where a check is: its steps and what comes after each.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};
use vbranch_domain::{Mono, kyc::Challenge};

use super::{attempt::Attempt, flash::FlashRun, policy::LivenessPolicy, sequence};

/// What a check asks for, in order.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) challenges: Vec<Challenge>,
    /// The colours come once so many challenges are done.
    flash_after: usize,
    /// How often colours may still be shown.
    pub(super) flash_left: u32,
    /// The colours have been answered, or nobody asks for them.
    pub(super) flash_over: bool,
    /// It ends only when it is told to.
    pub(super) open: bool,
}

/// The step a check is in.
#[derive(Debug)]
pub(super) enum Phase {
    /// Waiting for a usable face to stay; since when it has.
    Settling { good_since: Option<Mono> },
    /// A challenge is out.
    Asking { index: usize, attempt: Attempt, left: Duration },
    /// A challenge was met, or colours shown; what comes next comes then, if the face is fit.
    Pausing { done: usize, until: Mono, unfit_for: Duration },
    /// Colours are shown.
    Flashing { done: usize, run: Box<FlashRun> },
    /// The verdict is out.
    Done,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Ask(usize, Challenge),
    Flash,
    Judge,
}

impl Course {
    pub(super) fn draw(policy: &LivenessPolicy, rng: &mut StdRng) -> Self {
        let challenges = sequence::draw(policy, rng);
        Self {
            // Never before the first: the face has to be known at rest.
            flash_after: rng.random_range(1..=challenges.len().max(1)),
            challenges,
            flash_left: policy.flash.tries,
            flash_over: policy.flash.tries == 0,
            open: false,
        }
    }

    /// Nothing is asked for or shown; whoever looks says when it is over.
    pub(super) const fn open() -> Self {
        Self { challenges: Vec::new(), flash_after: 0, flash_left: 0, flash_over: true, open: true }
    }

    /// What comes after so many challenges.
    pub(super) fn next(&self, done: usize) -> Next {
        let due = !self.flash_over && self.flash_left > 0 && done >= self.flash_after;
        match self.challenges.get(done) {
            _ if due => Next::Flash,
            Some(&challenge) => Next::Ask(done, challenge),
            None => Next::Judge,
        }
    }

    /// Colours were not answered: they come again, after another challenge where there is one.
    pub(super) fn flash_again(&mut self, done: usize) {
        self.flash_after = (done + 1).min(self.challenges.len());
    }

    pub(super) fn count(&self) -> usize {
        self.challenges.len()
    }
}
