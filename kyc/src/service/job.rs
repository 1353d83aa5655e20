//! What a worker works on: a check or a watch.

use vbranch_domain::Mono;

use super::{check::CheckJob, video::Input, watch::WatchJob};
use crate::vision::{Embedding, FaceModels};

/// A piece of work that goes on as frames come.
pub(super) enum Job {
    Check(Box<CheckJob>),
    Watch(Box<WatchJob>),
}

/// What has come for a job since its last turn.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub(super) inputs: Vec<Input>,
    /// When the newest frame came that found the queue full.
    pub(super) dropped: Option<Mono>,
}

/// What a job asks of its surroundings after a turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Nothing can be decoded before a key frame.
    pub(super) awaits_key: bool,
    /// When it wants its next turn even if no frame arrives; `None` when it is over.
    pub(super) deadline: Option<Mono>,
}

impl Job {
    pub(super) fn run(&mut self, models: Option<&FaceModels>, arrived: Arrived, now: Mono) -> Turn {
        match self {
            Self::Check(job) => job.run(models, arrived, now),
            Self::Watch(job) => job.run(models, arrived, now),
        }
    }

    /// Ends it because of a fault of ours.
    pub(super) fn fail_internally(&mut self) {
        match self {
            Self::Check(job) => job.fail_internally(),
            // It ends in silence: staff see the customer.
            Self::Watch(_) => {}
        }
    }

    /// Hands out what there is to tell.
    pub(super) fn tell(&mut self) {
        match self {
            Self::Check(job) => job.tell(),
            Self::Watch(job) => job.tell(),
        }
    }

    /// The face of a check that passed.
    pub(super) fn reference(&self) -> Option<Embedding> {
        match self {
            Self::Check(job) => job.reference(),
            Self::Watch(_) => None,
        }
    }
}
