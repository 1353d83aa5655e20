//! Which model files there are, where they come from, and whether they are what they should be.

mod fetch;
mod imported;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use ring::digest;
use serde::{Deserialize, Serialize};

pub use fetch::{FetchError, FetchStep};
pub use imported::{ImportError, ImportManifest, ImportedStatus};

use crate::vision::InferenceError;

/// The manifest that belongs to this build.
const MANIFEST: &str = include_str!("../../models/models.toml");
/// Models small and free enough to be part of the program.
const CARRIED: [(&str, &[u8]); 2] = [
    ("face_landmarks", include_bytes!("../../models/face_landmarks.onnx")),
    ("face_blendshapes", include_bytes!("../../models/face_blendshapes.onnx")),
];
/// No model file is larger; a larger one is refused before it is read, so that a wrong file in the
/// folder cannot fill the memory.
const MAX_MODEL_BYTES: u64 = 256 << 20;

/// One entry of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// What the program calls it.
    pub name: String,
    /// Its file name in the models folder.
    pub file: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// SPDX licence of the weights.
    pub licence: String,
    /// Whether the liveness check cannot do without it.
    pub required: bool,
    /// Whether it is inside the program.
    #[serde(default)]
    pub carried: bool,
    /// What it is for.
    #[serde(rename = "use")]
    pub purpose: String,
    /// How its input must look.
    pub input: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// The registry package that a model comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Which registry.
    pub registry: Registry,
    /// Name of the package.
    pub package: String,
    /// Exact version.
    pub version: String,
    /// Path of the file inside the package.
    pub path: String,
    /// Whether the file was converted after it was taken out (the model card has the recipe).
    #[serde(default)]
    pub converted: bool,
}

/// A package registry, by the client that talks to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registry {
    /// Python packages, through `pip`.
    Pypi,
    /// Node packages, through `npm`.
    Npm,
}

/// Where a model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    /// Inside the program.
    Carried,
    /// In the models folder, with the right digest.
    Present,
    /// Not in the models folder.
    Missing,
    /// In the models folder, but not the file it should be, or not readable.
    Corrupt,
}

/// One line of `vbranch kyc models list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelStatus {
    /// The manifest's entry.
    #[serde(flatten)]
    pub entry: ModelEntry,
    /// Where it stands.
    pub state: ModelState,
}

/// What is wrong with a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The manifest itself is wrong.
    #[error("the model manifest is not valid: {0}")]
    Manifest(String),
    /// The manifest has no such model.
    #[error("no model is called {0}")]
    Unknown(String),
    /// The file is not there.
    #[error(
        "model {model} is missing: no file {file} in the models folder (run `vbranch kyc models fetch`)"
    )]
    Missing {
        /// The model's name.
        model: String,
        /// The file's name.
        file: String,
    },
    /// The file is there but cannot be read.
    #[error("model {model} cannot be read")]
    Unreadable {
        /// The model's name.
        model: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not the one of the manifest.
    #[error(
        "model {model} is corrupt: its SHA-256 is {found}, not {wanted} (delete the file and run `vbranch kyc models fetch`)"
    )]
    Digest {
        /// The model's name.
        model: String,
        /// What the manifest says.
        wanted: String,
        /// What the file has.
        found: String,
    },
    /// An imported file is no longer the one its manifest describes.
    #[error("model {model} is not the file of its manifest: its SHA-256 is {found}, not {wanted}")]
    Changed {
        /// The model's name.
        model: String,
        /// What the manifest says.
        wanted: String,
        /// What the file has.
        found: String,
    },
    /// The file is far larger than a model can be.
    #[error("model {model} is corrupt: {bytes} bytes are too many for a model")]
    TooLarge {
        /// The model's name.
        model: String,
        /// Its size.
        bytes: u64,
    },
    /// The digest is right but the network cannot be used.
    #[error("model {model} cannot be used: {source}")]
    Unusable {
        /// The model's name.
        model: String,
        /// Why.
        source: InferenceError,
    },
}

/// The models folder, seen through the manifest.
#[derive(Debug, Clone)]
pub struct ModelStore {
    folder: PathBuf,
    entries: Vec<ModelEntry>,
}

impl ModelStore {
    /// Opens a models folder, which need not exist yet.
    ///
    /// # Errors
    /// When the manifest is not valid.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, ModelError> {
        Self::with_manifest(folder, MANIFEST)
    }

    fn with_manifest(folder: impl Into<PathBuf>, manifest: &str) -> Result<Self, ModelError> {
        Ok(Self { folder: folder.into(), entries: parse(manifest)? })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The manifest's entry of that name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&ModelEntry> {
        self.entries.iter().find(|e| e.name == name)
    }

    /// Every model of the manifest and where it stands. Reads every file.
    #[must_use]
    pub fn list(&self) -> Vec<ModelStatus> {
        let state_of = |entry: &ModelEntry| match self.read(&entry.name) {
            Ok(_) if entry.carried => ModelState::Carried,
            Ok(_) => ModelState::Present,
            Err(ModelError::Missing { .. }) => ModelState::Missing,
            Err(_) => ModelState::Corrupt,
        };
        self.entries.iter().map(|e| ModelStatus { state: state_of(e), entry: e.clone() }).collect()
    }

    /// The bytes of a model, after checking them against the manifest's digest.
    ///
    /// # Errors
    /// Names the model that is missing, unreadable or changed.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, ModelError> {
        let entry = self.entry(name).ok_or_else(|| ModelError::Unknown(name.to_owned()))?;
        let bytes = match CARRIED.iter().find(|(n, _)| entry.carried && *n == entry.name) {
            Some((_, bytes)) => bytes.to_vec(),
            None => self.read_file(entry)?,
        };
        check_digest(entry, &bytes)?;
        Ok(bytes)
    }

    fn read_file(&self, entry: &ModelEntry) -> Result<Vec<u8>, ModelError> {
        let path = self.folder.join(&entry.file);
        let unreadable = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => {
                ModelError::Missing { model: entry.name.clone(), file: entry.file.clone() }
            }
            _ => ModelError::Unreadable { model: entry.name.clone(), source },
        };
        let bytes = fs::metadata(&path).map_err(unreadable)?.len();
        if bytes > MAX_MODEL_BYTES {
            return Err(ModelError::TooLarge { model: entry.name.clone(), bytes });
        }
        fs::read(&path).map_err(unreadable)
    }
}

fn check_digest(entry: &ModelEntry, bytes: &[u8]) -> Result<(), ModelError> {
    let found = digest_of(bytes);
    if found == entry.sha256 {
        return Ok(());
    }
    Err(ModelError::Digest { model: entry.name.clone(), wanted: entry.sha256.clone(), found })
}

/// SHA-256 of a file, lower-case hex.
fn digest_of(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn parse(manifest: &str) -> Result<Vec<ModelEntry>, ModelError> {
    #[derive(Deserialize)]
    struct Manifest {
        model: Vec<ModelEntry>,
    }
    let manifest: Manifest =
        toml::from_str(manifest).map_err(|e| ModelError::Manifest(e.to_string()))?;
    let mut names = BTreeSet::new();
    for entry in &manifest.model {
        if !is_digest(&entry.sha256) {
            return Err(ModelError::Manifest(format!("{}: sha256 is not a digest", entry.name)));
        }
        // A plain file name, so that no entry can reach outside the models folder.
        let plain = Path::new(&entry.file).file_name().is_some_and(|n| n == entry.file.as_str());
        if !plain {
            return Err(ModelError::Manifest(format!("{}: file is not a plain name", entry.name)));
        }
        if !names.insert(entry.name.as_str()) {
            return Err(ModelError::Manifest(format!("{} is there twice", entry.name)));
        }
    }
    Ok(manifest.model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_carries_is_what_the_manifest_says() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::open(folder.path()).unwrap();
        for (name, _) in CARRIED {
            assert!(store.read(name).is_ok(), "{name}");
        }
        let states: Vec<_> =
            store.list().into_iter().map(|s| (s.entry.name.clone(), s.state)).collect();
        assert!(states.contains(&("face_landmarks".into(), ModelState::Carried)));
        assert!(states.contains(&("yunet".into(), ModelState::Missing)));
    }

    #[test]
    fn a_missing_or_changed_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::open(folder.path()).unwrap();
        let missing = store.read("yunet").unwrap_err();
        assert!(matches!(missing, ModelError::Missing { .. }));
        assert!(missing.to_string().contains("yunet"), "{missing}");

        fs::write(folder.path().join(&store.entry("yunet").unwrap().file), b"not it").unwrap();
        let changed = store.read("yunet").unwrap_err();
        assert!(matches!(changed, ModelError::Digest { .. }));
        assert!(changed.to_string().contains("yunet"), "{changed}");
    }

    #[test]
    fn a_manifest_cannot_name_a_file_outside_the_folder() {
        let good = MANIFEST;
        assert!(parse(good).is_ok());
        for bad in ["../face.onnx", "/etc/passwd", "a/b.onnx", "..", ""] {
            let manifest =
                good.replacen("face_detection_yunet_2023mar.onnx\"", &format!("{bad}\""), 1);
            assert!(parse(&manifest).is_err(), "{bad:?} was accepted");
        }
    }
}
