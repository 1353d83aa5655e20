//! Watching a face in the call: is somebody there, one only, the same as before, awake, and does
//! the camera see anything?
//!
//! [`Watch`] looks at pictures, about one a second; the states and their times are those of a small
//! engine over numbers. No sockets, no decoder, no clock.

mod states;

use std::collections::VecDeque;

use vbranch_domain::{Mono, kyc::WatchEvent};

use crate::{
    liveness::WatchPolicy,
    vision::{Embedding, FaceModels, FaceTracker, InferenceError, Picture},
};
pub use states::{Seen, WatchStates};

/// The watch over one party.
pub struct Watch {
    policy: WatchPolicy,
    tracker: FaceTracker,
    states: WatchStates,
    /// The face that it should be.
    reference: Option<Embedding>,
    out: VecDeque<WatchEvent>,
}

/// A face turned further than this (degrees) is not compared.
const STRAIGHT: f32 = 15.0;
/// A head turned further hides whether its eyes are shut.
const EYES_SEEN: f32 = 20.0;

impl Watch {
    /// A watch over a person who should look like `reference`, or like the first face seen.
    #[must_use]
    pub fn new(policy: WatchPolicy, reference: Option<Embedding>) -> Self {
        let states = WatchStates::new(policy.clone());
        Self { policy, tracker: FaceTracker::default(), states, reference, out: VecDeque::new() }
    }

    /// Looks at one picture.
    ///
    /// # Errors
    /// When a model fails. The next picture may be looked at all the same.
    pub fn look(
        &mut self,
        models: &FaceModels,
        picture: &Picture,
        at: Mono,
    ) -> Result<(), InferenceError> {
        let report = self.tracker.look(models, picture, at)?;
        let content = report.seen.scene.content();
        let mut seen = Seen {
            faces: report.seen.faces,
            same: None,
            eyes: None,
            covered: content < self.policy.min_content && report.face.is_none(),
        };
        if let (Some(face), Some(numbers)) = (&report.face, &report.seen.face) {
            seen.eyes = (numbers.yaw.abs() <= EYES_SEEN).then_some(numbers.blink);
            if numbers.yaw.abs() <= STRAIGHT
                && let Ok(embedder) = &models.embedder
            {
                let now = embedder.embed(picture, &face.five_points())?;
                seen.same = Some(self.reference.get_or_insert_with(|| now.clone()).cosine(&now));
            }
        }
        self.out.extend(self.states.handle(at, &seen));
        Ok(())
    }

    /// The next news.
    pub fn poll(&mut self) -> Option<WatchEvent> {
        self.out.pop_front()
    }
}

/// What it holds tells a person from others.
impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("states", &self.states).finish_non_exhaustive()
    }
}
