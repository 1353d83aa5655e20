//! The models a check needs, loaded once and shared by all checks.

use std::thread::{self, ScopedJoinHandle};

use vbranch_domain::kyc::KycModel;

use super::{
    detect::{Detector, FULL, QUICK},
    embed::Embedder,
    mesh::MeshReader,
    network::InferenceError,
    passive::PassiveModel,
};
use crate::{
    liveness::LivenessPolicy,
    models::{ModelError, ModelStore},
};

/// Names of the models that [`FaceModels`] cannot do without, as in the manifest.
pub const VISION_MODELS: [&str; 3] = ["yunet", "face_landmarks", "face_blendshapes"];
/// The model that tells faces apart, which it can do without.
const EMBEDDER: &str = "sface";

/// Detectors, mesh and embedder, with the digests that go into every verdict.
#[derive(Debug)]
pub struct FaceModels {
    /// Finds faces, small ones too.
    pub detector: Detector,
    /// Finds large faces, at a quarter of the cost: for the watch over a call.
    pub quick: Detector,
    /// Reads a face.
    pub mesh: MeshReader,
    /// Tells faces apart; why not, where its model is missing or broken.
    pub embedder: Result<Embedder, ModelError>,
    /// Passive models in the order of the policy; why not, where one is missing or broken.
    pub passive: Vec<Result<PassiveModel, ModelError>>,
    /// Which files these are.
    pub digests: Vec<KycModel>,
}

impl FaceModels {
    /// Loads the models from a store, each in a thread of its own; each file's digest is checked
    /// first.
    ///
    /// # Errors
    /// Names the model that is missing, changed or not what it should be.
    pub fn load(store: &ModelStore) -> Result<Self, ModelError> {
        let [yunet, landmarks, blendshapes] = VISION_MODELS;
        let (detectors, mesh, embedder) = thread::scope(|scope| {
            let detectors = scope.spawn(|| {
                let file = store.read(yunet)?;
                let load = |side| Detector::load(&file, side).map_err(unusable(yunet));
                Ok((load(FULL)?, load(QUICK)?))
            });
            let embedder =
                scope.spawn(|| Embedder::load(&store.read(EMBEDDER)?).map_err(unusable(EMBEDDER)));
            let mesh = store.read(landmarks).and_then(|landmarks_file| {
                MeshReader::load(&landmarks_file, &store.read(blendshapes)?)
                    .map_err(unusable(landmarks))
            });
            (joined(yunet, detectors), mesh, joined(EMBEDDER, embedder))
        });
        let (detector, quick) = detectors?;
        let names = VISION_MODELS.iter().chain(embedder.is_ok().then_some(&EMBEDDER));
        let digests = names
            .filter_map(|name| store.entry(name))
            .map(|entry| KycModel { name: entry.name.clone(), sha256: entry.sha256.clone() })
            .collect();
        Ok(Self { detector, quick, mesh: mesh?, embedder, passive: Vec::new(), digests })
    }

    /// These models and the imported ones that a policy names. One that cannot be used does not stop
    /// the others: the checks say that it was not asked.
    #[must_use]
    pub fn with_passive(mut self, store: &ModelStore, policy: &LivenessPolicy) -> Self {
        for wanted in &policy.passive {
            let model = store.passive(&wanted.model).map(|(model, manifest)| {
                self.digests.push(KycModel { name: manifest.name, sha256: manifest.sha256 });
                model
            });
            self.passive.push(model);
        }
        self
    }
}

fn unusable(model: &str) -> impl Fn(InferenceError) -> ModelError + '_ {
    |source| ModelError::Unusable { model: model.to_owned(), source }
}

/// What a loading thread found. A file that makes the inference library panic is unusable.
fn joined<T>(
    model: &str,
    thread: ScopedJoinHandle<'_, Result<T, ModelError>>,
) -> Result<T, ModelError> {
    thread.join().unwrap_or_else(|_| {
        Err(unusable(model)(InferenceError::Load {
            model: model.to_owned(),
            cause: "the inference library panicked".to_owned(),
        }))
    })
}
