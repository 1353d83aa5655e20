//! The local disk as the recorder sees it: the one place where its files are made, written and
//! flushed, so that tests can put a disk there that fails, tears and forgets on command.
//!
//! What survives what: bytes written survive the death of the process; bytes flushed, in a file
//! whose name was flushed with its folder, survive a power cut. After a flush that failed nothing
//! is known of the file, and a second flush that succeeds proves nothing (the system may have
//! dropped the pages): such a file is written anew under another name.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
};

use crate::store::StoreError;

/// See the module's documentation.
pub(crate) trait Disk: Send + Sync {
    /// Makes a new file; one that is there already is an error.
    fn create(&self, path: &Path, mode: u32) -> io::Result<Arc<dyn DiskFile>>;
    /// The same out of a file that nobody needs any more, which is empty then and has that name:
    /// cheaper than to remove one and make another. `path` must be free.
    fn reuse(&self, old: &Path, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Reads a file of at most `limit` bytes.
    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, StoreError>;
    /// Reads the first `len` bytes of a file, or all of a shorter one.
    fn read_start(&self, path: &Path, len: usize) -> Result<Vec<u8>, StoreError> {
        let mut bytes = self.read(path, u64::MAX)?;
        bytes.truncate(len);
        Ok(bytes)
    }
    /// The length of a file.
    fn len(&self, path: &Path) -> Result<u64, StoreError>;
    /// Makes a folder in one that is there.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Flushes a folder: the names in it.
    fn sync_dir(&self, folder: &Path) -> io::Result<()>;
    /// The names in a folder.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Whether there is a file or folder of this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Gives a file a second name, which must be free.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file another name, in place of what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a file's name away.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Takes an empty folder away.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// A word that changes whenever the machine starts: tells a killed process from a power cut.
    fn boot(&self) -> String;
}

/// A file being written.
pub(crate) trait DiskFile: fmt::Debug + Send + Sync {
    /// Writes some or all of the bytes; says how many.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    /// Flushes the content.
    fn sync(&self) -> io::Result<()>;
}

/// The file system of the operating system.
pub(crate) struct OsDisk;

impl Disk for OsDisk {
    fn create(&self, path: &Path, mode: u32) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        Ok(Arc::new(file))
    }

    fn reuse(&self, old: &Path, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).truncate(true).open(old)?;
        fs::rename(old, path)?;
        Ok(Arc::new(file))
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
        read_limited(path, limit)
    }

    fn read_start(&self, path: &Path, len: usize) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::with_capacity(len);
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound,
            _ => error.into(),
        })?;
        file.take(len as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn len(&self, path: &Path) -> Result<u64, StoreError> {
        match fs::metadata(path) {
            Ok(found) if found.is_file() => Ok(found.len()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Err(StoreError::NotFound),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        // Names that are not text are none of ours.
        names.filter_map(Result::transpose).collect()
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn boot(&self) -> String {
        // Where the system does not say, every start counts as after a power cut: more is declared
        // lost then, never less.
        let said = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        said.trim().to_owned()
    }
}

impl DiskFile for File {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Writes all of the bytes.
pub(crate) fn write_all_at(file: &dyn DiskFile, mut offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match file.write_at(offset, rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                rest = rest.get(n..).unwrap_or_default();
                offset = offset.saturating_add(n as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes a new file and waits until its content is on the disk. Whatever an earlier crash left
/// at `path` is replaced.
pub(crate) fn write_durable(
    disk: &dyn Disk,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> io::Result<()> {
    remove_if_there(disk, path)?;
    let file = disk.create(path, mode)?;
    write_all_at(&*file, 0, bytes)?;
    file.sync()
}

/// Replaces `path` by new content: after a crash either the old or the new is there, whole.
pub(crate) fn replace_durable(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temp = path.with_extension("new");
    write_durable(disk, &temp, bytes, 0o640)?;
    disk.rename(&temp, path)?;
    disk.sync_dir(folder_of(path))
}

/// The folder that a file lies in; of a bare name, the working folder.
pub(crate) fn folder_of(path: &Path) -> &Path {
    let named = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    named.unwrap_or(Path::new("."))
}

/// Makes a folder and everything above it, each entered durably in its parent.
pub(crate) fn create_dir_durable(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || disk.exists(folder)? {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_dir_durable(disk, parent)?;
    }
    match disk.create_dir(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    let synced = disk.sync_dir(folder_of(folder));
    if synced.is_err() {
        // The next attempt must not take it for durable.
        let _ = disk.remove_dir(folder);
    }
    synced
}

/// Takes a file's name away, if it has one.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Takes a file away, or a folder with all that is in it.
pub(crate) fn remove_all(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    if !disk.exists(path)? {
        return Ok(());
    }
    // Only a folder can be listed.
    let Ok(names) = disk.list(path) else { return remove_if_there(disk, path) };
    names.iter().try_for_each(|name| remove_all(disk, &path.join(name)))?;
    disk.remove_dir(path)
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(StoreError::NotFound),
        other => other?,
    };
    let len = file.metadata()?.len();
    if len > limit {
        return Err(StoreError::TooLarge);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(StoreError::TooLarge);
    }
    Ok(bytes)
}
