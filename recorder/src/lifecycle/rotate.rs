//! A new key-encryption key: every data key is wrapped anew, media are not touched.
//!
//! Both keys open what they wrapped until nothing is wrapped by the old one any more, so a crash
//! costs nothing, and running the command again goes on where it stopped.

use vbranch_domain::RecordingId;

use crate::{
    canonical,
    error::RecorderError,
    keys::{KeyError, KeyHolder as _, Turn, WrappedKey},
    lifecycle::is_destroyed,
    log::{LogEntry, Rotate},
    offline::Offline,
    recovery::folder_of,
    store::{ObjectName, Store, StoreError},
};

/// The largest wrapped key read.
const MAX_KEY: u64 = 16 * 1024;

/// What came of a change of the key-encryption key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Which key took over from which.
    pub turn: Turn,
    /// Data keys that were wrapped anew now.
    pub wrapped: usize,
    /// Recordings that still need an old key, and why. While there are any the old key is kept.
    pub waiting: Vec<(RecordingId, String)>,
}

impl Rotation {
    /// Whether the old key is gone.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Offline {
    /// Has a new key-encryption key take over, or goes on with a change that was not finished.
    pub fn rotate_keys(&self, user: &str) -> Result<Rotation, RecorderError> {
        let _lock = self.lock()?;
        let turn = self.keys.turn()?;
        let mut rotation = Rotation { turn, wrapped: 0, waiting: Vec::new() };
        let archive = &self.archive;
        let names = archive.disk.list(&archive.folder);
        for name in names.map_err(RecorderError::io("reading recordings"))? {
            let Ok(recording) = name.parse::<RecordingId>() else { continue };
            match self.wrap_anew(recording, &rotation.turn.to) {
                Ok(anew) => rotation.wrapped += usize::from(anew),
                Err(error) => rotation.waiting.push((recording, error.to_string())),
            }
        }
        if rotation.is_finished() {
            let Turn { from, to, .. } = rotation.turn.clone();
            let at_ms = self.clock.wall();
            let entry = Rotate { from: from.clone(), to, user: user.to_owned(), at_ms };
            self.log.append(&LogEntry::Rotate(entry))?;
            from.iter().try_for_each(|id| self.keys.forget(id))?;
        }
        Ok(rotation)
    }

    /// Sees to it that both stores hold a recording's data key under the key `to`; says whether one
    /// did not.
    fn wrap_anew(&self, recording: RecordingId, to: &str) -> Result<bool, RecorderError> {
        if is_destroyed(&self.archive, recording)? {
            return Ok(false);
        }
        let mark = folder_of(&self.archive.folder, recording).join("replicated");
        let there = self.archive.disk.exists(&mark);
        if !there.map_err(RecorderError::io("looking at a recording"))? {
            return Err(RecorderError::Refused("it is not in both stores yet".to_owned()));
        }
        let name = ObjectName::key(recording);
        let [a, b] = &self.archive.stores;
        let found = [read(&**a, &name)?, read(&**b, &name)?];
        let is_new = |key: &WrappedKey| key.kek == to && self.has_escrow(key);
        if let [Some(a), Some(b)] = &found
            && a == b
            && is_new(a)
        {
            return Ok(false);
        }
        // One of them may be new already.
        let opened = found
            .iter()
            .flatten()
            .find_map(|wrapped| Some((wrapped, self.keys.unwrap(recording, wrapped).ok()?)));
        let (wrapped, key) = opened.ok_or(KeyError::Unwrap)?;
        let anew = if is_new(wrapped) {
            wrapped.clone()
        } else {
            let mut anew = self.keys.wrap(recording, &key)?;
            anew.escrow.clone_from(&wrapped.escrow);
            if let Some(escrow) = self.escrow.filter(|_| !self.has_escrow(wrapped)) {
                anew.escrow.push(escrow.seal(recording, &key)?);
            }
            anew
        };
        // Nothing is replaced by what does not open.
        self.keys.unwrap(recording, &anew)?;
        let bytes = canonical::to_bytes(&anew)?;
        for store in [a, b] {
            store.replace(&name, &bytes)?;
        }
        for store in [a, b] {
            if store.get(&name, MAX_KEY)? != bytes {
                return Err(RecorderError::Store(StoreError::Conflict));
            }
        }
        Ok(true)
    }

    /// Whether the second key holder, if there is one now, has a copy.
    fn has_escrow(&self, key: &WrappedKey) -> bool {
        self.escrow.is_none_or(|escrow| key.escrow.iter().any(|copy| copy.holder == escrow.id()))
    }
}

/// The wrapped key in a store; none where it is missing or unreadable, an error where that cannot
/// be told now.
fn read(store: &dyn Store, name: &ObjectName) -> Result<Option<WrappedKey>, RecorderError> {
    match store.get(name, MAX_KEY) {
        Ok(bytes) => Ok(canonical::parse(&bytes).ok()),
        Err(StoreError::NotFound | StoreError::TooLarge) => Ok(None),
        Err(other) => Err(other.into()),
    }
}
