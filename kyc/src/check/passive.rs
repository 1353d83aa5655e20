//! Looks of the operator's passive models, spread over the check.

use std::time::Duration;

use vbranch_domain::Mono;

use crate::{
    liveness::Liveness,
    vision::{FaceModels, InferenceError, Picture, TrackedFace},
};

/// Which pictures were shown to them.
#[derive(Debug, Default)]
pub(super) struct PassiveLooks {
    last: Option<Mono>,
    count: u32,
}

/// Pictures of one check. More cost time and say little new: the light and the face are the same.
const MOST: u32 = 8;
const EVERY: Duration = Duration::from_millis(500);

impl PassiveLooks {
    /// Whether the next picture of a face at rest is to be shown to them.
    pub(super) fn are_due(&self, at: Mono) -> bool {
        self.count < MOST && self.last.is_none_or(|last| at.since(last) >= EVERY)
    }

    /// Shows a picture to every model that could be loaded.
    pub(super) fn look(
        &mut self,
        models: &FaceModels,
        picture: &Picture,
        face: &TrackedFace,
        at: Mono,
        liveness: &mut Liveness,
    ) -> Result<(), InferenceError> {
        self.last = Some(at);
        self.count += 1;
        for (n, model) in models.passive.iter().enumerate() {
            if let Ok(model) = model {
                liveness.passive(n, model.score(picture, face.face)?);
            }
        }
        Ok(())
    }
}
