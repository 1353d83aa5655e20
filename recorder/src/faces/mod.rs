//! The face vault: portraits that are kept beyond a check, apart from recordings, under a key of
//! their own and each only for a time.
//!
//! One file a person. Its name is a keyed hash of who they are, so the folder tells nobody whose
//! faces lie in it; what is in it opens under that name only and only with the expiry it was
//! sealed with. Destroying `faces.key` destroys all of it.

mod entry;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    fs::Permissions,
    io,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use entry::{Keys, Name};
use vbranch_domain::{UnixMillis, kyc::PersonRef};

use crate::{
    disk::{Disk, OsDisk, create_dir_durable, remove_if_there, write_durable},
    keys::KeyFileError,
    seal::SealError,
    store::StoreError,
};

/// What the vault is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaceVaultConfig {
    /// Where the files lie: a folder for nothing else.
    pub dir: PathBuf,
    /// The key file, made at the first start.
    pub key: PathBuf,
    /// How many persons' faces may be stored before a regulator must be told; a warning comes at
    /// nine tenths of it.
    pub persons_threshold: u64,
}

/// Why the vault did not do it.
#[derive(Debug, thiserror::Error)]
pub enum FaceVaultError {
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The disk.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file is damaged, was moved here from another person, or was sealed with another key.
    #[error("entry {name} is refused: {source}")]
    Refused {
        /// Its name, which tells nobody whose it is.
        name: String,
        /// What is wrong with it.
        source: SealError,
    },
    /// It could not be sealed.
    #[error(transparent)]
    Seal(SealError),
}

/// What a look through the vault found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Entries whose time was over, and which are gone.
    pub expired: u64,
    /// Files that are none of ours, or not as we left them. Never served.
    pub refused: u64,
}

/// See the module's documentation. Calls wait for the disk.
pub struct FaceVault {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    keys: Keys,
    threshold: u64,
    /// Whom the folder has; held while a file is changed, so that no two do it at one time.
    known: Mutex<HashSet<Name>>,
    /// How many that are, to be asked without waiting.
    persons: AtomicU64,
}

/// The longest file read. Portraits are at most 5 MiB.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// An entry being written; what a crash left of it is of no use.
const TEMP: &str = "new";

impl FaceVault {
    /// Opens the vault and looks through it: what is over by `now` is gone when this returns.
    ///
    /// # Errors
    /// A key file that others can read, a folder that cannot be made or read.
    pub fn open(config: &FaceVaultConfig, now: UnixMillis) -> Result<Self, FaceVaultError> {
        let vault = Self::open_on(Arc::new(OsDisk), config, now)?;
        // Names tell nothing, but how many there are is nobody's business either.
        std::fs::set_permissions(&config.dir, Permissions::from_mode(0o700))
            .map_err(io("closing the folder of faces to others"))?;
        Ok(vault)
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        config: &FaceVaultConfig,
        now: UnixMillis,
    ) -> Result<Self, FaceVaultError> {
        let keys = Keys::open(&config.key)?;
        create_dir_durable(&*disk, &config.dir).map_err(io("making the folder of faces"))?;
        let vault = Self {
            disk,
            dir: config.dir.clone(),
            keys,
            threshold: config.persons_threshold,
            known: Mutex::default(),
            persons: AtomicU64::new(0),
        };
        #[expect(clippy::cast_precision_loss, reason = "a threshold is far below 2^52")]
        metrics::gauge!("vbranch_kyc_persons_threshold").set(vault.threshold as f64);
        vault.sweep(now)?;
        Ok(vault)
    }

    /// Keeps a portrait until then, in place of an earlier one; durable when this returns.
    ///
    /// # Errors
    /// When it was not kept; an earlier one may be there still.
    pub fn keep(
        &self,
        person: &PersonRef,
        portrait: &[u8],
        until: UnixMillis,
    ) -> Result<(), FaceVaultError> {
        let name = self.keys.name(person);
        let file = self.keys.seal(&name, until, portrait).map_err(FaceVaultError::Seal)?;
        let (path, temp) = (self.path(&name), self.path(&name).with_extension(TEMP));
        let mut known = self.lock();
        let written = write_durable(&*self.disk, &temp, &file, 0o600)
            .and_then(|()| self.disk.rename(&temp, &path));
        if let Err(error) = written {
            // What is left of it goes with the next sweep.
            let _ = remove_if_there(&*self.disk, &temp);
            return Err(io("writing a portrait")(error));
        }
        known.insert(name);
        self.count(&known);
        self.disk.sync_dir(&self.dir).map_err(io("flushing the folder of faces"))
    }

    /// The portrait of a person, unless its time is over by `now`.
    ///
    /// # Errors
    /// When it cannot be read, or what is there is not what was kept for this person.
    pub fn portrait(
        &self,
        person: &PersonRef,
        now: UnixMillis,
    ) -> Result<Option<Vec<u8>>, FaceVaultError> {
        let name = self.keys.name(person);
        let mut known = self.lock();
        let file = match self.disk.read(&self.path(&name), MAX_FILE) {
            Ok(file) => file,
            Err(StoreError::NotFound) => return Ok(None),
            Err(error) => return Err(read_failed(&name, error)),
        };
        let opened = self.keys.unseal(&name, &file);
        let (until, portrait) = opened.map_err(|source| refused(&name, source))?;
        if now >= until {
            self.remove(&mut known, &name)?;
            return Ok(None);
        }
        Ok(Some(portrait))
    }

    /// Forgets everything about a person; durable when this returns.
    ///
    /// # Errors
    /// When that is not sure.
    pub fn forget(&self, person: &PersonRef) -> Result<(), FaceVaultError> {
        let name = self.keys.name(person);
        let mut known = self.lock();
        self.remove(&mut known, &name)
    }

    /// How many persons are kept. Does not wait.
    #[must_use]
    pub fn persons(&self) -> u64 {
        self.persons.load(Ordering::Relaxed)
    }

    /// Looks through the folder and removes what is over by `now`. What is not as it was left is
    /// left alone and named in the log by its hash.
    ///
    /// # Errors
    /// When the folder cannot be read, or something in it not be removed.
    pub fn sweep(&self, now: UnixMillis) -> Result<Swept, FaceVaultError> {
        let listed = self.disk.list(&self.dir).map_err(io("listing the folder of faces"))?;
        let mut swept = Swept::default();
        let mut there = HashSet::with_capacity(listed.len());
        for file in &listed {
            // One at a time, so that a check need not wait for a whole sweep.
            let mut known = self.lock();
            match Name::of_file(file) {
                Some(name) => {
                    self.sweep_entry(&mut known, &name, now, &mut swept)?;
                    there.insert(name);
                }
                None if is_temp(file) => {
                    let path = self.dir.join(file);
                    remove_if_there(&*self.disk, &path).map_err(io("removing half a portrait"))?;
                }
                None => {
                    swept.refused += 1;
                    tracing::warn!("a file that is no entry lies among the faces");
                }
            }
        }
        let mut known = self.lock();
        known.retain(|name| {
            there.contains(name) || self.disk.exists(&self.path(name)).unwrap_or(true)
        });
        self.count(&known);
        drop(known);
        #[expect(clippy::cast_precision_loss, reason = "counts of files are far below 2^52")]
        metrics::gauge!("vbranch_kyc_vault_refused").set(swept.refused as f64);
        self.warn_if_many();
        Ok(swept)
    }

    /// Reads no more than the beginning: that tells whose it is and how long it is good.
    fn sweep_entry(
        &self,
        known: &mut HashSet<Name>,
        name: &Name,
        now: UnixMillis,
        swept: &mut Swept,
    ) -> Result<(), FaceVaultError> {
        let start = match self.disk.read_start(&self.path(name), entry::START) {
            Ok(start) => start,
            // Forgotten since the folder was listed.
            Err(StoreError::NotFound) => return Ok(()),
            Err(error) => return Err(read_failed(name, error)),
        };
        match self.keys.expiry(name, &start) {
            Some(until) if now >= until => {
                self.remove(known, name)?;
                swept.expired += 1;
            }
            Some(_) => {
                known.insert(name.clone());
            }
            None => {
                known.remove(name);
                swept.refused += 1;
                tracing::warn!(entry = %name, "an entry of the face vault is refused");
            }
        }
        Ok(())
    }

    fn remove(&self, known: &mut HashSet<Name>, name: &Name) -> Result<(), FaceVaultError> {
        let path = self.path(name);
        let removed = remove_if_there(&*self.disk, &path.with_extension(TEMP))
            .and_then(|()| remove_if_there(&*self.disk, &path));
        removed.map_err(io("removing a portrait"))?;
        known.remove(name);
        self.count(known);
        // Always: a removal before, whose flush failed, is made good by this one.
        self.disk.sync_dir(&self.dir).map_err(io("flushing the folder of faces"))
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.dir.join(name.file())
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Name>> {
        // Nothing is left half-done in it by a panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of persons are far below 2^52")]
    fn count(&self, known: &HashSet<Name>) {
        let persons = known.len() as u64;
        self.persons.store(persons, Ordering::Relaxed);
        metrics::gauge!("vbranch_kyc_persons").set(persons as f64);
        metrics::gauge!("vbranch_kyc_persons_near_threshold").set(f64::from(self.is_near(persons)));
    }

    /// Nine tenths of the threshold, or more.
    const fn is_near(&self, persons: u64) -> bool {
        persons.saturating_mul(10) >= self.threshold.saturating_mul(9)
    }

    fn warn_if_many(&self) {
        let (persons, threshold) = (self.persons(), self.threshold);
        if self.is_near(persons) {
            tracing::warn!(persons, threshold, "faces of nearly as many persons as may be stored");
        }
    }
}

impl std::fmt::Debug for FaceVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FaceVault({} persons)", self.persons())
    }
}

/// Whether a file is an entry that a crash left half written.
fn is_temp(file: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(stem, extension)| {
        extension == TEMP && Name::of_file(&format!("{stem}.{}", entry::EXTENSION)).is_some()
    })
}

/// For `map_err` on I/O.
fn io(doing: &'static str) -> impl FnOnce(io::Error) -> FaceVaultError {
    move |source| FaceVaultError::Io { doing, source }
}

fn refused(name: &Name, source: SealError) -> FaceVaultError {
    tracing::error!(entry = %name, %source, "an entry of the face vault is refused");
    FaceVaultError::Refused { name: name.to_string(), source }
}

fn read_failed(name: &Name, error: StoreError) -> FaceVaultError {
    match error {
        StoreError::TooLarge => refused(name, SealError::TooLong),
        other => io("reading a portrait")(io::Error::other(other)),
    }
}
