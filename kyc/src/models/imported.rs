//! Models that an operator brings: a file and a manifest that says how to feed it, kept together
//! in a folder of their own below the models folder.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    panic::catch_unwind,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{MAX_MODEL_BYTES, ModelError, ModelState, ModelStore, digest_of, is_digest};
use crate::vision::{InferenceError, PassiveModel, PassiveShape};

/// The manifest of an imported model, a TOML file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportManifest {
    /// What settings and verdicts call it: lower-case letters, digits, `_` and `-`.
    pub name: String,
    /// SHA-256 of the ONNX file, lower-case hex.
    pub sha256: String,
    /// Licence of the weights, for the record.
    pub licence: String,
    /// Where it comes from, for the record.
    #[serde(default)]
    pub origin: String,
    /// How it is fed and read.
    pub passive: PassiveShape,
}

/// One imported model and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportedStatus {
    /// Its name: that of its file where the manifest cannot be read.
    pub name: String,
    /// Its manifest, where that can be read.
    pub manifest: Option<ImportManifest>,
    /// Where it stands.
    pub state: ModelState,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// Why a model was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The manifest is no manifest.
    #[error("the manifest is not valid: {0}")]
    Manifest(String),
    /// The model is not what its manifest says, or cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The models folder cannot be written.
    #[error("model {model} cannot be stored: {source}")]
    Store {
        /// The model's name.
        model: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Below the models folder.
const FOLDER: &str = "imported";
/// A manifest is a dozen lines.
const MAX_MANIFEST_BYTES: u64 = 64 << 10;
const MAX_NAME: usize = 40;
/// More files in the folder are not looked at, so that a folder full of files cannot hold up a
/// start.
const MAX_IMPORTED: usize = 32;

impl ModelStore {
    /// Checks a model file against its manifest (digest, then whether it loads and answers as the
    /// manifest says) and copies both into the models folder. Replaces a model of the same name.
    ///
    /// # Errors
    /// Says what is wrong; nothing is copied then.
    pub fn import(&self, model: &Path, manifest: &Path) -> Result<ImportManifest, ImportError> {
        let read = |path: &Path, most| {
            read_at_most(path, most)
                .map_err(|source| ImportError::Read { path: path.to_owned(), source })
        };
        let text = read(manifest, MAX_MANIFEST_BYTES)?;
        let manifest = self.parse_import(&text).map_err(ImportError::Manifest)?;
        let bytes = read(model, MAX_MODEL_BYTES)?;
        load(&manifest, &bytes)?;
        let store_error = |source| ImportError::Store { model: manifest.name.clone(), source };
        // The manifest comes last: a model without one is not looked at.
        self.put(&format!("{}.onnx", manifest.name), &bytes).map_err(store_error)?;
        self.put(&format!("{}.toml", manifest.name), &text).map_err(store_error)?;
        Ok(manifest)
    }

    /// Every imported model and where it stands. Reads every file; what is broken is said, never
    /// an error.
    #[must_use]
    pub fn imported(&self) -> Vec<ImportedStatus> {
        let Ok(files) = fs::read_dir(self.folder.join(FOLDER)) else { return Vec::new() };
        let mut names: Vec<String> = files
            .filter_map(|file| file.ok()?.file_name().into_string().ok())
            .filter_map(|file| file.strip_suffix(".toml").map(str::to_owned))
            .collect();
        names.sort();
        names.truncate(MAX_IMPORTED);
        names.into_iter().map(|name| self.status_of(name)).collect()
    }

    /// An imported passive liveness model, ready to run, with its manifest.
    ///
    /// # Errors
    /// When there is none of that name, or it is not what its manifest says.
    pub fn passive(&self, name: &str) -> Result<(PassiveModel, ImportManifest), ModelError> {
        let (manifest, bytes) = self.read_imported(name)?;
        Ok((load(&manifest, &bytes)?, manifest))
    }

    fn status_of(&self, name: String) -> ImportedStatus {
        let manifest = self.manifest_of(&name);
        let (state, problem) = match self.read_imported(&name) {
            Ok(_) => (ModelState::Present, None),
            Err(error @ ModelError::Missing { .. }) => {
                (ModelState::Missing, Some(error.to_string()))
            }
            Err(error) => (ModelState::Corrupt, Some(error.to_string())),
        };
        ImportedStatus { name, manifest: manifest.ok(), state, problem }
    }

    fn manifest_of(&self, name: &str) -> Result<ImportManifest, ModelError> {
        if !is_name(name) {
            return Err(ModelError::Unknown(name.to_owned()));
        }
        let path = self.folder.join(FOLDER).join(format!("{name}.toml"));
        let text =
            read_at_most(&path, MAX_MANIFEST_BYTES).map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => ModelError::Unknown(name.to_owned()),
                _ => ModelError::Unreadable { model: name.to_owned(), source },
            })?;
        let manifest = self.parse_import(&text).map_err(ModelError::Manifest)?;
        if manifest.name != name {
            return Err(ModelError::Manifest(format!("{name}.toml names {}", manifest.name)));
        }
        Ok(manifest)
    }

    fn read_imported(&self, name: &str) -> Result<(ImportManifest, Vec<u8>), ModelError> {
        let manifest = self.manifest_of(name)?;
        let file = format!("{name}.onnx");
        let bytes = read_at_most(&self.folder.join(FOLDER).join(&file), MAX_MODEL_BYTES).map_err(
            |source| match source.kind() {
                io::ErrorKind::NotFound => ModelError::Missing { model: name.to_owned(), file },
                _ => ModelError::Unreadable { model: name.to_owned(), source },
            },
        )?;
        check(&manifest, &bytes)?;
        Ok((manifest, bytes))
    }

    fn parse_import(&self, text: &[u8]) -> Result<ImportManifest, String> {
        let text = str::from_utf8(text).map_err(|e| e.to_string())?;
        let manifest: ImportManifest = toml::from_str(text).map_err(|e| e.to_string())?;
        if !is_name(&manifest.name) || self.entry(&manifest.name).is_some() {
            return Err(format!(
                "name must be 1 to {MAX_NAME} lower-case letters, digits, _ or -, and not that of \
                 a model of the program"
            ));
        }
        if !is_digest(&manifest.sha256) {
            return Err("sha256 is not a digest".to_owned());
        }
        manifest.passive.check()?;
        Ok(manifest)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = self.folder.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(folder.join(name))?;
        Ok(())
    }
}

/// A plain name, so that it cannot reach outside the folder.
fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

fn check(manifest: &ImportManifest, bytes: &[u8]) -> Result<(), ModelError> {
    let found = digest_of(bytes);
    if found == manifest.sha256 {
        return Ok(());
    }
    let (model, wanted) = (manifest.name.clone(), manifest.sha256.clone());
    Err(ModelError::Changed { model, wanted, found })
}

fn load(manifest: &ImportManifest, bytes: &[u8]) -> Result<PassiveModel, ModelError> {
    check(manifest, bytes)?;
    let unusable = |source| ModelError::Unusable { model: manifest.name.clone(), source };
    // A file nobody tried before may bring the inference library to panic; the server goes on.
    catch_unwind(|| PassiveModel::load(&manifest.name, bytes, manifest.passive.clone()))
        .unwrap_or_else(|_| {
            Err(InferenceError::Load {
                model: manifest.name.clone(),
                cause: "the inference library panicked".to_owned(),
            })
        })
        .map_err(unusable)
}

fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    Ok(bytes)
}
