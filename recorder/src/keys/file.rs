//! Key-encryption keys in local files.
//!
//! `kek.key` wraps. While a new one takes over, the one before is kept as `kek-<id>.key`, so that
//! what it wrapped opens until all is wrapped anew. Files are read at each use: whichever process
//! turns the key, the others see it at once, and no key stays in memory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use vbranch_domain::RecordingId;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    DataKey, KeyError, KeyFileError, KeyHolder, WrappedKey,
    secret_file::{create_secret, read_or_create_secret, read_secret, sync_folder},
};

/// How ids of key-encryption keys in files begin.
pub(super) const FILE_KEK: &str = "file-";
/// Length of what such a key wraps: nonce, data key, tag.
pub(super) const FILE_WRAPPED: usize = NONCE_LEN + 32 + 16;

/// See the module's documentation. Each key: AES-256-GCM with a random nonce, associated data =
/// `vbranch/v1/wrap|` + the recording's id. Good for 2^32 recordings (NIST SP 800-38D, 8.3).
#[derive(Debug, Clone)]
pub struct FileKeys {
    folder: PathBuf,
}

/// Where a change of the key-encryption key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The keys that were used before and are still kept.
    pub from: Vec<String>,
    /// The key that wraps now.
    pub to: String,
    /// It had begun earlier and was not finished.
    pub is_resumed: bool,
}

impl FileKeys {
    /// The keys in a folder; makes the first one where there is none.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        read_or_create_secret(&folder.join("kek.key"))?;
        Self::existing(folder)
    }

    /// The keys in a folder, where they must be.
    pub fn existing(folder: &Path) -> Result<Self, KeyError> {
        let keys = Self { folder: folder.to_owned() };
        keys.read(&keys.current_path())?;
        Ok(keys)
    }

    /// Has a new key wrap from now on and keeps the old one; goes on with a change that was not
    /// finished. After a crash at any moment every key that wrapped something is still there.
    pub fn turn(&self) -> Result<Turn, KeyError> {
        let (current, next) = (self.current_path(), self.folder.join("kek.next"));
        let (before, kept) = (self.read(&current)?.id, self.kept()?);
        let is_linked = kept.contains(&before);
        if !kept.is_empty() && !is_linked {
            return Ok(Turn { from: kept, to: before, is_resumed: true });
        }
        if !next.exists() {
            create_secret(&next)?;
        }
        if !is_linked {
            let old = self.kept_path(&before);
            fs::hard_link(&current, &old).map_err(Self::io(&old))?;
            sync_folder(&self.folder)?;
        }
        fs::rename(&next, &current).map_err(Self::io(&current))?;
        sync_folder(&self.folder)?;
        Ok(Turn { from: self.kept()?, to: self.current()?, is_resumed: is_linked })
    }

    /// Forgets a key that wraps nothing any more. What it wrapped, wherever a copy is, never opens
    /// again.
    pub fn forget(&self, id: &str) -> Result<(), KeyError> {
        let path = self.kept_path(id);
        if self.current()? != id {
            fs::remove_file(&path).map_err(Self::io(&path))?;
            sync_folder(&self.folder)?;
        }
        Ok(())
    }

    /// Ids of the keys kept from before.
    fn kept(&self) -> Result<Vec<String>, KeyError> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(Self::io(&self.folder))? {
            let name = entry.map_err(Self::io(&self.folder))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_prefix("kek-")?.strip_suffix(".key"));
            kept.extend(id.map(|id| format!("{FILE_KEK}{id}")));
        }
        kept.sort();
        Ok(kept)
    }

    fn current_path(&self) -> PathBuf {
        self.folder.join("kek.key")
    }

    fn kept_path(&self, id: &str) -> PathBuf {
        let id = id.strip_prefix(FILE_KEK).unwrap_or(id);
        // Of a document, perhaps: it must not lead elsewhere.
        let id: String = id.chars().filter(char::is_ascii_hexdigit).take(32).collect();
        self.folder.join(format!("kek-{id}.key"))
    }

    fn io(path: &Path) -> impl Fn(io::Error) -> KeyError + use<> {
        let path = path.to_owned();
        move |source| KeyFileError::Io { path: path.clone(), source }.into()
    }

    fn read(&self, path: &Path) -> Result<Kek, KeyError> {
        Kek::new(&*read_secret(path)?)
    }

    /// The key of this id, current or kept.
    fn of(&self, id: &str) -> Result<Kek, KeyError> {
        let current = self.read(&self.current_path())?;
        if current.id == id {
            return Ok(current);
        }
        match self.read(&self.kept_path(id)) {
            Ok(kek) if kek.id == id => Ok(kek),
            Err(KeyError::File(KeyFileError::Io { source, .. }))
                if source.kind() != io::ErrorKind::NotFound =>
            {
                Err(Self::io(&self.kept_path(id))(source))
            }
            Err(KeyError::File(KeyFileError::Io { .. })) | Ok(_) => Err(KeyError::Unwrap),
            Err(other) => Err(other),
        }
    }
}

impl KeyHolder for FileKeys {
    fn current(&self) -> Result<String, KeyError> {
        Ok(self.read(&self.current_path())?.id)
    }

    fn wrap(&self, recording: RecordingId, key: &DataKey) -> Result<WrappedKey, KeyError> {
        self.read(&self.current_path())?.wrap(recording, key)
    }

    fn unwrap(&self, recording: RecordingId, wrapped: &WrappedKey) -> Result<DataKey, KeyError> {
        self.of(&wrapped.kek)?.unwrap(recording, wrapped)
    }
}

/// One key, as long as it is used.
struct Kek {
    id: String,
    key: LessSafeKey,
}

impl Kek {
    fn new(secret: &[u8; 32]) -> Result<Self, KeyError> {
        let key = UnboundKey::new(&AES_256_GCM, secret).map_err(|_| KeyError::Crypto)?;
        let name = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"vbranch/v1/kek-id");
        let id = name.as_ref().get(..8).unwrap_or_default();
        Ok(Self { id: format!("{FILE_KEK}{}", hex::encode(id)), key: LessSafeKey::new(key) })
    }

    fn aad(recording: RecordingId) -> Aad<Vec<u8>> {
        Aad::from([b"vbranch/v1/wrap|", recording.as_bytes().as_slice()].concat())
    }

    fn wrap(&self, recording: RecordingId, key: &DataKey) -> Result<WrappedKey, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| KeyError::Crypto)?;
        let mut sealed = key.0;
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Self::aad(recording),
                &mut sealed,
            )
            .map_err(|_| {
                sealed.zeroize();
                KeyError::Crypto
            })?;
        let wrapped = BASE64_STANDARD.encode([nonce.as_slice(), &sealed, tag.as_ref()].concat());
        let (id, kek) = (key.id(recording)?, self.id.clone());
        Ok(WrappedKey { id, recording, kek, wrapped, escrow: Vec::new() })
    }

    fn unwrap(&self, recording: RecordingId, wrapped: &WrappedKey) -> Result<DataKey, KeyError> {
        let bytes = BASE64_STANDARD.decode(&wrapped.wrapped).map_err(|_| KeyError::Unwrap)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(KeyError::Unwrap)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let plain = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Self::aad(recording),
                sealed.as_mut_slice(),
            )
            .map_err(|_| KeyError::Unwrap)?;
        Ok(DataKey((&*plain).try_into().map_err(|_| KeyError::Unwrap)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_for_its_own_recording_and_key_only() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [keys, others] = [&one, &two].map(|dir| FileKeys::open(dir.path()).unwrap());
        let (mine, other) = (RecordingId::random(), RecordingId::random());
        let key = DataKey::random().unwrap();
        let wrapped = keys.wrap(mine, &key).unwrap();
        assert_eq!(keys.unwrap(mine, &wrapped).unwrap().0, key.0);
        assert!(keys.unwrap(other, &wrapped).is_err(), "moved between recordings");
        assert!(others.unwrap(mine, &wrapped).is_err());
        assert!(!wrapped.wrapped.contains(&BASE64_STANDARD.encode(key.0)));
    }

    #[test]
    fn a_key_that_was_turned_opens_what_it_wrapped_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (keys, other_process) =
            (FileKeys::open(dir.path()).unwrap(), FileKeys::open(dir.path()).unwrap());
        let recording = RecordingId::random();
        let key = DataKey::random().unwrap();
        let old = keys.wrap(recording, &key).unwrap();
        let turn = keys.turn().unwrap();
        assert_eq!((turn.from.as_slice(), turn.is_resumed), ([old.kek.clone()].as_slice(), false));
        assert_ne!(turn.to, old.kek);
        let new = other_process.wrap(recording, &key).unwrap();
        assert_eq!(new.kek, turn.to, "others see it at once");
        assert_eq!(other_process.unwrap(recording, &old).unwrap().0, key.0);
        let again = keys.turn().unwrap();
        assert_eq!((again.to, again.is_resumed), (turn.to.clone(), true), "it is not turned twice");

        keys.forget(&old.kek).unwrap();
        assert!(matches!(keys.unwrap(recording, &old), Err(KeyError::Unwrap)));
        assert_eq!(keys.unwrap(recording, &new).unwrap().0, key.0);
        keys.forget(&turn.to).unwrap();
        assert_eq!(keys.unwrap(recording, &new).unwrap().0, key.0, "never the current one");
    }

    #[test]
    fn a_turn_that_was_cut_off_anywhere_is_finished_by_the_next() {
        for (has_next, is_linked) in [(true, false), (false, true), (true, true)] {
            let dir = tempfile::tempdir().unwrap();
            let keys = FileKeys::open(dir.path()).unwrap();
            let recording = RecordingId::random();
            let key = DataKey::random().unwrap();
            let old = keys.wrap(recording, &key).unwrap();
            if has_next {
                create_secret(&dir.path().join("kek.next")).unwrap();
            }
            if is_linked {
                fs::hard_link(keys.current_path(), keys.kept_path(&old.kek)).unwrap();
            }
            assert_eq!(keys.unwrap(recording, &old).unwrap().0, key.0);
            let turn = keys.turn().unwrap();
            assert_eq!(turn.from, std::slice::from_ref(&old.kek));
            assert_ne!(turn.to, old.kek);
            assert_eq!(keys.unwrap(recording, &old).unwrap().0, key.0);
            assert!(!dir.path().join("kek.next").exists());
        }
    }
}
