//! The models a liveness check needs, loaded once and shared by all checks.

use vbranch_domain::kyc::KycModel;

use super::{detect::Detector, mesh::MeshReader};
use crate::models::{ModelError, ModelStore};

/// Names of the models that [`FaceModels`] needs, as in the manifest.
pub const VISION_MODELS: [&str; 3] = ["yunet", "face_landmarks", "face_blendshapes"];

/// Detector and mesh, with the digests that go into every verdict.
#[derive(Debug)]
pub struct FaceModels {
    /// Finds faces.
    pub detector: Detector,
    /// Reads a face.
    pub mesh: MeshReader,
    /// Which files these are.
    pub digests: Vec<KycModel>,
}

impl FaceModels {
    /// Loads the models from a store; each file's digest is checked first.
    ///
    /// # Errors
    /// Names the model that is missing, changed or not what it should be.
    pub fn load(store: &ModelStore) -> Result<Self, ModelError> {
        let [yunet, landmarks, blendshapes] = VISION_MODELS;
        let broken = |model: &str, e| ModelError::Unusable { model: model.to_owned(), source: e };
        let detector = Detector::load(&store.read(yunet)?).map_err(|e| broken(yunet, e))?;
        let mesh = MeshReader::load(&store.read(landmarks)?, &store.read(blendshapes)?)
            .map_err(|e| broken(landmarks, e))?;
        let digests = VISION_MODELS
            .iter()
            .filter_map(|name| store.entry(name))
            .map(|entry| KycModel { name: entry.name.clone(), sha256: entry.sha256.clone() })
            .collect();
        Ok(Self { detector, mesh, digests })
    }
}
