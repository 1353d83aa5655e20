//! A recording's journal: an append-only file of checked lines, from which a recording can be
//! sealed after a crash at any moment.
//!
//! A line is `<16 hex digits of SHA-256 of the JSON> <JSON>\n`. The entry of an object is on the
//! disk before the object is handed to the stores; so what the stores hold is always known here.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::{
    hash::Sha256,
    ledger::Entry,
    store::{StoreError, create_dir_durable, read_limited},
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

/// A journal being written.
#[derive(Debug)]
pub struct Journal {
    file: File,
    /// Everything up to here is whole.
    written: u64,
    /// Written lines that a power cut could still take.
    unsynced: bool,
    pending: Vec<u8>,
}

impl Journal {
    /// Starts the journal of a new recording, in a new folder.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        create_dir_durable(folder)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        File::open(folder)?.sync_all()?;
        Ok(Self { file, written: 0, unsynced: false, pending: Vec::new() })
    }

    /// Takes an entry in; [`Self::write`] and [`Self::sync`] make it durable.
    pub fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let json = serde_json::to_string(entry)?;
        if self.pending.len().saturating_add(json.len()) > MAX_PENDING {
            return Err(io::Error::from(io::ErrorKind::StorageFull).into());
        }
        self.pending.extend_from_slice(checksum(&json).as_bytes());
        self.pending.push(b' ');
        self.pending.extend_from_slice(json.as_bytes());
        self.pending.push(b'\n');
        Ok(())
    }

    /// Hands everything taken in to the system, where a killed process cannot lose it. After an
    /// error the next call tries again, from the last line known to be whole.
    pub fn write(&mut self) -> Result<(), JournalError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(self.written))?;
        self.file.write_all(&self.pending)?;
        self.written = self.written.saturating_add(self.pending.len() as u64);
        self.unsynced = true;
        self.pending.clear();
        Ok(())
    }

    /// Waits until everything taken in is on the disk, where a power cut cannot take it.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.write()?;
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }
}

/// The entries of a journal up to the first line that is torn or damaged.
pub fn read(path: &Path) -> Result<Vec<Entry>, JournalError> {
    let bytes = read_limited(path, MAX_JOURNAL).map_err(|error| match error {
        StoreError::Io(error) => error,
        StoreError::NotFound => io::ErrorKind::NotFound.into(),
        StoreError::TooLarge | StoreError::Conflict => io::ErrorKind::FileTooLarge.into(),
    })?;
    Ok(bytes.split_inclusive(|byte| *byte == b'\n').map_while(parse).collect())
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
impl Journal {
    /// From now on it is another file.
    pub fn swap_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_tail_costs_only_the_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r/journal");
        let entries: Vec<_> = (0..3).map(|n| Entry::Heartbeat { at_us: n }).collect();
        let mut journal = Journal::create(&path).unwrap();
        entries.iter().for_each(|entry| journal.append(entry).unwrap());
        journal.sync().unwrap();
        assert_eq!(read(&path).unwrap(), entries);

        let whole = std::fs::read(&path).unwrap();
        let second = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
        for cut in second..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let kept = read(&path).unwrap().len();
            assert!((1..3).contains(&kept), "{kept} entries after a cut at {cut}");
        }
        let mut flipped = whole;
        flipped[second + 20] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert_eq!(read(&path).unwrap(), entries[..1]);
    }

    #[test]
    fn a_journal_is_never_started_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        Journal::create(&path).unwrap();
        assert!(Journal::create(&path).is_err());
    }
}
