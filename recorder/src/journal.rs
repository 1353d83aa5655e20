//! A recording's journal: an append-only file of checked lines, from which a recording can be
//! sealed after a crash at any moment.
//!
//! A line is `<16 hex digits of SHA-256 of the JSON> <JSON>\n`. The entry of an object is on the
//! disk before the object is handed to the stores; so what the stores hold is always known here.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    disk::{Disk, DiskFile, remove_if_there, write_all_at},
    hash::Sha256,
    ledger::Entry,
};

/// The largest journal read back: some three days of a two-party call.
const MAX_JOURNAL: u64 = 256 * 1024 * 1024;
/// Lines kept in memory while the disk refuses them, about an hour of a call. Beyond that the
/// recording has failed.
const MAX_PENDING: usize = 4 * 1024 * 1024;

/// Why a journal is of no use.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused.
    #[error("journal: {}", .0.kind())]
    Io(#[from] io::Error),
    /// An entry that JSON cannot express.
    #[error("journal entry: {0}")]
    Entry(#[from] serde_json::Error),
}

/// A journal being written. Whoever owns it flushes [`Self::file`].
#[derive(Debug)]
pub(crate) struct Journal {
    file: Arc<dyn DiskFile>,
    /// Everything up to here is whole.
    written: u64,
    pending: Vec<u8>,
}

impl Journal {
    /// Starts the journal of a new recording, in a folder that is there.
    pub fn create(disk: &dyn Disk, path: &Path) -> Result<Self, JournalError> {
        Ok(Self { file: disk.create(path, 0o600)?, written: 0, pending: Vec::new() })
    }

    /// Writes the journal anew, for one whose flush failed. Whatever is at `path` is replaced.
    pub fn rewrite(
        disk: &dyn Disk,
        path: &Path,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<Self, JournalError> {
        remove_if_there(disk, path)?;
        let mut journal = Self::create(disk, path)?;
        journal.pending = lines(entries)?;
        journal.write()?;
        Ok(journal)
    }

    /// Takes an entry in; [`Self::write`] and a flush make it durable.
    pub fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        if self.pending.len() > MAX_PENDING {
            return Err(io::Error::from(io::ErrorKind::StorageFull).into());
        }
        push_line(&mut self.pending, entry)
    }

    /// Hands everything taken in to the system, where a killed process cannot lose it. After an
    /// error the next call tries again, from the last line known to be whole.
    pub fn write(&mut self) -> Result<(), JournalError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        write_all_at(&*self.file, self.written, &self.pending)?;
        self.written = self.written.saturating_add(self.pending.len() as u64);
        self.pending.clear();
        Ok(())
    }

    /// Whether everything taken in was handed to the system.
    pub fn is_written(&self) -> bool {
        self.pending.is_empty()
    }

    /// What to flush, so that a power cut cannot take what was written.
    pub fn file(&self) -> Arc<dyn DiskFile> {
        Arc::clone(&self.file)
    }
}

/// Where a recording's journal is.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("journal")
}

/// Where it is written anew.
pub(crate) fn new_path(folder: &Path) -> PathBuf {
    folder.join("journal.new")
}

/// The entries of a journal up to the first line that is torn or damaged.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<Entry>, JournalError> {
    let bytes = disk.read(path, MAX_JOURNAL).map_err(io::Error::from)?;
    Ok(bytes.split_inclusive(|byte| *byte == b'\n').map_while(parse).collect())
}

/// A journal's content.
pub(crate) fn lines(entries: impl IntoIterator<Item = Entry>) -> Result<Vec<u8>, JournalError> {
    let mut out = Vec::new();
    entries.into_iter().try_for_each(|entry| push_line(&mut out, &entry))?;
    Ok(out)
}

fn push_line(out: &mut Vec<u8>, entry: &Entry) -> Result<(), JournalError> {
    let json = serde_json::to_string(entry)?;
    out.extend_from_slice(checksum(&json).as_bytes());
    out.push(b' ');
    out.extend_from_slice(json.as_bytes());
    out.push(b'\n');
    Ok(())
}

fn parse(line: &[u8]) -> Option<Entry> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (sum, json) = line.split_once(' ')?;
    if sum != checksum(json) {
        return None;
    }
    serde_json::from_str(json).ok()
}

fn checksum(json: &str) -> String {
    let mut sum = Sha256::of(json.as_bytes()).to_string();
    sum.truncate(16);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OsDisk;

    #[test]
    fn a_torn_tail_costs_only_the_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let entries: Vec<_> = (0..3).map(|n| Entry::Heartbeat { at_us: n }).collect();
        let mut journal = Journal::create(&OsDisk, &path).unwrap();
        entries.iter().for_each(|entry| journal.append(entry).unwrap());
        journal.write().unwrap();
        assert_eq!(read(&OsDisk, &path).unwrap(), entries);

        let whole = std::fs::read(&path).unwrap();
        let second = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
        for cut in second..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let kept = read(&OsDisk, &path).unwrap().len();
            assert!((1..3).contains(&kept), "{kept} entries after a cut at {cut}");
        }
        let mut flipped = whole;
        flipped[second + 20] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert_eq!(read(&OsDisk, &path).unwrap(), entries[..1]);
    }

    #[test]
    fn a_journal_is_never_started_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        Journal::create(&OsDisk, &path).unwrap();
        assert!(Journal::create(&OsDisk, &path).is_err());
    }
}
