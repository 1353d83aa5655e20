//! Secret keys in local files: 32 random bytes as hex, readable by their owner only.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::disk::folder_of;

/// Why a key file is refused.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It could not be read or made.
    #[error("key file {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read or write it: whoever can, may already have it.
    #[error("key file {path} has mode {mode:04o}, expected 0600: others may have read it")]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It does not hold 64 hex digits.
    #[error("key file {path} does not hold a 256-bit key in hex")]
    Malformed {
        /// Which file.
        path: PathBuf,
    },
    /// No random bytes to make a key from.
    #[error("the operating system gave no random bytes")]
    Random,
}

/// Reads the secret at `path`; makes a new one where there is none yet.
pub(crate) fn read_or_create_secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    match read_secret(path) {
        Err(KeyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create_secret(path)?;
            read_secret(path)
        }
        other => other,
    }
}

/// Reads the secret at `path`.
pub(super) fn read_secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let malformed = || KeyFileError::Malformed { path: path.to_owned() };
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o7777;
    if mode & 0o177 != 0 {
        return Err(KeyFileError::Permissions { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(128));
    file.take(128).read_to_string(&mut text).map_err(|_| malformed())?;
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_end(), &mut *secret).map_err(|_| malformed())?;
    Ok(secret)
}

/// Written aside and renamed, so that a crash never leaves half a key behind.
pub(super) fn create_secret(path: &Path) -> Result<(), KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let mut secret = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut *secret).map_err(|_| KeyFileError::Random)?;
    let text = Zeroizing::new(format!("{}\n", hex::encode(*secret)));
    let folder = folder_of(path);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    let temp = path.with_extension("tmp");
    // Left over by a crash before it was ever used.
    if temp.exists() {
        fs::remove_file(&temp).map_err(io)?;
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&temp, path).map_err(io)?;
    sync_folder(folder)
}

/// Waits until the names in a folder are on the disk.
pub(super) fn sync_folder(folder: &Path) -> Result<(), KeyFileError> {
    let io = |source| KeyFileError::Io { path: folder.to_owned(), source };
    File::open(folder).and_then(|dir| dir.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/kek");
        let made = read_or_create_secret(&path).unwrap();
        assert_eq!(read_or_create_secret(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_may_lie_in_the_working_folder() {
        assert_eq!(folder_of(Path::new("esc")), Path::new("."));
        assert_eq!(folder_of(Path::new("keys/esc")), Path::new("keys"));
        assert_eq!(folder_of(Path::new("/esc")), Path::new("/"));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        read_or_create_secret(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_or_create_secret(&path), Err(KeyFileError::Permissions { .. })));
    }

    #[test]
    fn a_key_of_the_wrong_length_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        for text in ["", "abcd", &"0".repeat(66), &"x".repeat(64)] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(read_or_create_secret(&path), Err(KeyFileError::Malformed { .. })));
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
