//! Where sealed objects live. Objects are written once and never changed.

mod fs;
mod s3;
mod settings;
mod write_once;

use std::{fmt, io};

use vbranch_domain::{RecordingId, recording::TrackName};

use crate::segment::InitHash;

pub use self::{
    fs::FsStore,
    s3::S3Store,
    settings::{S3Settings, Secret, StorePlace},
};

/// The largest object read back into memory: a sealed [`crate::seal::MAX_PLAINTEXT`] with room.
pub const MAX_OBJECT: u64 = 65 * 1024 * 1024;

/// The name of an object: `<recording>/<part>` or `<recording>/<folder>/<part>`. Made from ids,
/// numbers, hashes and checked artefact names only, so it can never leave its folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

impl ObjectName {
    /// One segment of a track.
    #[must_use]
    pub fn segment(recording: RecordingId, track: TrackName, sequence: u32) -> Self {
        Self(format!("{recording}/{}", Self::segment_path(track, sequence)))
    }

    /// One init section of a track.
    #[must_use]
    pub fn init(recording: RecordingId, track: TrackName, hash: InitHash) -> Self {
        Self(format!("{recording}/{}", Self::init_path(track, hash)))
    }

    /// An artefact.
    #[must_use]
    pub fn artifact(recording: RecordingId, name: &ArtifactName) -> Self {
        Self(format!("{recording}/{}", Self::artifact_path(name)))
    }

    /// The wrapped data key.
    #[must_use]
    pub fn key(recording: RecordingId) -> Self {
        Self(format!("{recording}/key.json"))
    }

    /// The newest checkpoint of the evidence log, so that a log that was rolled back shows.
    #[must_use]
    pub fn checkpoint() -> Self {
        Self("log/checkpoint".to_owned())
    }

    /// Whether what has this name may be replaced and taken away: wrapped keys, which are wrapped
    /// anew and in the end destroyed, and the copy of the checkpoint. All else is written once.
    #[must_use]
    pub fn is_replaceable(&self) -> bool {
        self.0.ends_with("/key.json") || self.0 == "log/checkpoint"
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(recording: RecordingId) -> Self {
        Self(format!("{recording}/manifest.json"))
    }

    /// The manifest's signature.
    #[must_use]
    pub fn signature(recording: RecordingId) -> Self {
        Self(format!("{recording}/manifest.sig"))
    }

    /// `<track>/<sequence>.seg`, as in a store and in a bundle.
    pub(crate) fn segment_path(track: TrackName, sequence: u32) -> String {
        format!("{track}/{sequence:08}.seg")
    }

    /// `<track>/<hash>.init`, as in a store and in a bundle.
    pub(crate) fn init_path(track: TrackName, hash: InitHash) -> String {
        format!("{track}/{hash}.init")
    }

    /// `artifacts/<name>.sealed`, as in a store and in a bundle.
    pub(crate) fn artifact_path(name: &ArtifactName) -> String {
        format!("artifacts/{name}.sealed")
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an artefact within its recording: 1 to 64 of `a-z 0-9 . _ -`, starting with a
/// letter or digit.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactName(String);

impl TryFrom<String> for ArtifactName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = name.len() <= 64
            && name.bytes().next().is_some_and(plain)
            && name.bytes().all(|c| plain(c) || b"._-".contains(&c));
        if good { Ok(Self(name)) } else { Err("not an artefact name") }
    }
}

impl From<ArtifactName> for String {
    fn from(name: ArtifactName) -> Self {
        name.0
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("object is missing")]
    NotFound,
    /// An object of that name with other content is there already.
    #[error("another object of that name exists")]
    Conflict,
    /// The object is larger than the reader allows.
    #[error("object is larger than expected")]
    TooLarge,
    /// The store does not keep what it must keep, or keeps what it must let go of.
    #[error("{0}")]
    Unfit(String),
    /// The server could not be reached, or refused.
    #[error("{0}")]
    Server(String),
    /// The system refused.
    #[error("{}", .0.kind())]
    Io(#[from] io::Error),
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io(error) => error,
            StoreError::NotFound => io::ErrorKind::NotFound.into(),
            StoreError::TooLarge | StoreError::Conflict => io::ErrorKind::FileTooLarge.into(),
            StoreError::Unfit(what) | StoreError::Server(what) => Self::other(what),
        }
    }
}

/// A place for sealed objects. Calls may block for as long as the place takes to answer; each
/// store is therefore written by a thread of its own.
pub trait Store: Send + Sync {
    /// Stores an object. When this returns, the object survives a power cut. Storing the same
    /// content again is fine; other content under the same name is refused.
    fn put(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), StoreError>;
    /// Reads an object of at most `limit` bytes.
    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError>;
    /// The length of an object.
    fn len(&self, name: &ObjectName) -> Result<u64, StoreError>;
    /// Puts new content in place of what is there, whole; for replaceable names only.
    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), StoreError>;
    /// Takes an object away for good; for replaceable names only. One that is not there is none
    /// the worse.
    fn remove(&self, name: &ObjectName) -> Result<(), StoreError>;
    /// Finds out whether the store takes writes now, and the first time, whether it is fit: what is
    /// written once cannot be overwritten, nor (where that is asked for) be taken away.
    fn probe(&self) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artefact_names_cannot_leave_their_folder() {
        for bad in ["", ".", "..", "../x", "a/b", "A", ".hidden", "a\0", "ä", &"a".repeat(65)] {
            assert!(ArtifactName::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(ArtifactName::try_from("sign-1.png".to_owned()).is_ok());
    }
}
