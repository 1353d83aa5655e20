//! Where sealed objects live. Objects are written once and never changed.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use vbranch_domain::{RecordingId, recording::TrackName};

use crate::{
    disk::{Disk, OsDisk, create_dir_durable, remove_if_there, write_durable},
    segment::InitHash,
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
    /// Finds out whether the store takes writes now.
    fn probe(&self) -> Result<(), StoreError>;
}

/// A store in a folder of a file system.
pub struct FsStore {
    disk: Arc<dyn Disk>,
    root: PathBuf,
}

impl FsStore {
    /// A store below `root`, which is made by the first write.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::on(Arc::new(OsDisk), root)
    }

    /// The same on a disk of the caller's.
    pub(crate) fn on(disk: Arc<dyn Disk>, root: impl Into<PathBuf>) -> Self {
        Self { disk, root: root.into() }
    }

    /// A name nobody else uses: two branches may write to one store. A crash can leave one such
    /// file behind.
    fn temp(&self) -> PathBuf {
        self.root.join(format!(".incoming-{}", uuid::Uuid::new_v4()))
    }

    /// Writes aside, then gives the whole file its name; unlike a rename, a link never replaces
    /// what is there.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temp = self.temp();
        let linked = write_durable(&*self.disk, &temp, bytes, 0o440)
            .and_then(|()| self.disk.link(&temp, path));
        let removed = self.disk.remove(&temp);
        linked.and(removed)
    }

    /// Puts a flushed copy of the same content in place of what is there. Whoever wrote that, its
    /// flush may have failed, and flushing it again would prove nothing.
    fn write_again(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temp = self.temp();
        let renamed = write_durable(&*self.disk, &temp, bytes, 0o440)
            .and_then(|()| self.disk.rename(&temp, path));
        if renamed.is_err() {
            let _ = self.disk.remove(&temp);
        }
        renamed
    }

    /// Whether the content is there already.
    fn holds(&self, name: &ObjectName, bytes: &[u8]) -> Result<bool, StoreError> {
        match self.get(name, bytes.len() as u64) {
            Ok(there) if there == bytes => Ok(true),
            Ok(_) | Err(StoreError::TooLarge) => Err(StoreError::Conflict),
            Err(StoreError::NotFound) => Ok(false),
            Err(other) => Err(other),
        }
    }
}

impl FsStore {
    /// Takes an object away; one that is not there is none the worse.
    pub(crate) fn remove(&self, name: &ObjectName) -> io::Result<()> {
        remove_if_there(&*self.disk, &self.root.join(name.as_str()))
    }
}

impl Store for FsStore {
    fn put(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.root.join(name.as_str());
        let folder = path.parent().unwrap_or(&self.root);
        if self.holds(name, bytes)? {
            self.write_again(&path, bytes)?;
            return Ok(self.disk.sync_dir(folder)?);
        }
        create_dir_durable(&*self.disk, folder)?;
        match self.write_new(&path, bytes) {
            Ok(()) => Ok(self.disk.sync_dir(folder)?),
            // Someone else was faster.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                if self.holds(name, bytes)? {
                    self.write_again(&path, bytes)?;
                    Ok(self.disk.sync_dir(folder)?)
                } else {
                    Err(StoreError::NotFound)
                }
            }
            Err(other) => Err(other.into()),
        }
    }

    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.disk.read(&self.root.join(name.as_str()), limit)
    }

    fn probe(&self) -> Result<(), StoreError> {
        create_dir_durable(&*self.disk, &self.root)?;
        let path = self.temp();
        self.write_new(&path, &[0; 4096])?;
        self.disk.remove(&path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use vbranch_domain::ParticipantId;

    use super::*;

    fn name() -> ObjectName {
        ObjectName::segment(RecordingId::random(), TrackName::camera(ParticipantId::random()), 3)
    }

    #[test]
    fn an_object_reads_back_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let store = FsStore::new(dir.path().join("deep/store"));
        let name = name();
        assert!(matches!(store.get(&name, 10), Err(StoreError::NotFound)));
        store.put(&name, b"first").unwrap();
        store.put(&name, b"first").unwrap();
        for other in [b"other".as_slice(), b"f", b"first and more"] {
            assert!(matches!(store.put(&name, other), Err(StoreError::Conflict)));
        }
        assert_eq!(store.get(&name, 10).unwrap(), b"first");
        assert!(matches!(store.get(&name, 4), Err(StoreError::TooLarge)));
    }

    #[test]
    fn writers_of_one_store_do_not_get_into_each_others_way() {
        let dir = tempfile::tempdir().unwrap();
        let store = FsStore::new(dir.path());
        let names: Vec<_> = (0..20).map(|_| name()).collect();
        std::thread::scope(|scope| {
            for writer in 0..4_u8 {
                let (store, names) = (&store, &names);
                scope.spawn(move || {
                    for (n, name) in names.iter().enumerate() {
                        // Even ones are the same from everybody.
                        let bytes = [if n % 2 == 0 { 9 } else { writer }; 5000];
                        let result = store.put(name, &bytes);
                        let there = store.get(name, 5000).unwrap();
                        assert_eq!(result.is_ok(), there == bytes, "{n} by {writer}: {result:?}");
                        store.probe().unwrap();
                    }
                });
            }
        });
        let left = std::fs::read_dir(dir.path()).unwrap().flatten();
        assert!(left.map(|e| e.file_name()).all(|n| !n.to_str().unwrap().starts_with('.')));
    }

    #[test]
    fn artefact_names_cannot_leave_their_folder() {
        for bad in ["", ".", "..", "../x", "a/b", "A", ".hidden", "a\0", "ä", &"a".repeat(65)] {
            assert!(ArtifactName::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(ArtifactName::try_from("sign-1.png".to_owned()).is_ok());
    }
}
