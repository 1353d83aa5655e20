//! Whose face it is: templates taken as the check goes, so that nothing is left for its end.

use vbranch_domain::{Mono, kyc::Portrait};

use super::album::worth;
use crate::{
    liveness::{Comparison, FaceObservation, IdentityPolicy, PortraitState, millis},
    vision::{Embedding, FaceModels, InferenceError, Picture, PortraitFace, TrackedFace},
};

/// Templates of one check: those of the best looks, and the portrait's.
#[derive(Default)]
pub(super) struct FaceBook {
    portrait: Option<Embedding>,
    /// Best looks, best first.
    best: Vec<(f32, Embedding)>,
    taken: Option<Mono>,
}

/// Templates that stand for the person: few, as each is another try at the portrait.
const BEST: usize = 5;
/// A face turned further than this (degrees) is not compared.
const STRAIGHT: f32 = 12.0;

impl FaceBook {
    /// Reads the portrait, once.
    pub(super) fn read_portrait(
        &mut self,
        models: &FaceModels,
        portrait: Option<&Portrait>,
    ) -> PortraitState {
        let Some(portrait) = portrait else { return PortraitState::None };
        let Ok(embedder) = &models.embedder else { return PortraitState::Unusable };
        let read = PortraitFace::read(&models.detector, &portrait.0);
        let embedded = match &read {
            Ok(face) => embedder.embed(&face.picture, &face.face.points),
            Err(error) => {
                tracing::info!(%error, "the portrait cannot be used");
                return PortraitState::Unusable;
            }
        };
        match embedded {
            Ok(embedding) => {
                self.portrait = Some(embedding);
                PortraitState::Ready
            }
            Err(error) => {
                tracing::error!(%error, "the portrait cannot be compared");
                PortraitState::Unusable
            }
        }
    }

    /// Takes the template of a face at rest where one is due, and compares it.
    pub(super) fn look(
        &mut self,
        models: &FaceModels,
        picture: &Picture,
        face: &TrackedFace,
        seen: &FaceObservation,
        at: Mono,
        policy: &IdentityPolicy,
    ) -> Result<Option<Comparison>, InferenceError> {
        let Ok(embedder) = &models.embedder else { return Ok(None) };
        let due = self.taken.is_none_or(|last| at.since(last) >= millis(policy.every_ms));
        if !due || seen.yaw.abs() > STRAIGHT {
            return Ok(None);
        }
        self.taken = Some(at);
        let now = embedder.embed(picture, &face.five_points())?;
        let same = self.best.iter().map(|(_, known)| known.cosine(&now)).reduce(f32::max);
        let place = self.best.partition_point(|(known, _)| *known >= worth(seen));
        // A face that is another's must not become what it is held against.
        let known = same.is_none_or(|same| same >= policy.same);
        if place < BEST && known {
            self.best.insert(place, (worth(seen), now));
            self.best.truncate(BEST);
        }
        Ok(Some(Comparison { same, portrait: self.likeness() }))
    }

    /// How alike the person and the portrait are: the mean over the best looks.
    fn likeness(&self) -> Option<f32> {
        let portrait = self.portrait.as_ref()?;
        let count = self.best.len();
        let sum: f32 = self.best.iter().map(|(_, face)| face.cosine(portrait)).sum();
        (count > 0).then(|| sum / count as f32)
    }

    /// The best template of the person.
    pub(super) fn reference(&self) -> Option<&Embedding> {
        self.best.first().map(|(_, face)| face)
    }
}
