//! A store in a folder of a file system.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{ObjectName, Store, StoreError};
use crate::disk::{Disk, OsDisk, create_dir_durable, remove_if_there, write_durable};

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
    /// Takes any object away; one that is not there is none the worse.
    pub(crate) fn discard(&self, name: &ObjectName) -> io::Result<()> {
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

    fn len(&self, name: &ObjectName) -> Result<u64, StoreError> {
        self.disk.len(&self.root.join(name.as_str()))
    }

    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.root.join(name.as_str());
        let folder = path.parent().unwrap_or(&self.root);
        create_dir_durable(&*self.disk, folder)?;
        self.write_again(&path, bytes)?;
        Ok(self.disk.sync_dir(folder)?)
    }

    fn remove(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.discard(name)?;
        match self.root.join(name.as_str()).parent() {
            Some(folder) if self.disk.exists(folder)? => Ok(self.disk.sync_dir(folder)?),
            _ => Ok(()),
        }
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
    use vbranch_domain::{ParticipantId, RecordingId, recording::TrackName};

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
}
