//! The evidence log: one append-only Merkle tree (RFC 6962 section 2.1) over every manifest,
//! replay, export, hold and destruction. An entry cannot be taken out or changed later without the
//! checkpoints that were handed out saying so.
//!
//! It lies in one SQLite database (`database.rs`). Several processes may append (the server and the
//! command line); callers that come at one time share a transaction, a signature and a flush. A
//! database that was put back to an older state agrees with itself: that shows against the copies
//! of the checkpoint in the stores ([`EvidenceLog::agrees_with`]).

use std::{
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::{Connection, TransactionBehavior};
use vbranch_domain::RecordingId;

use self::{
    database::Tables,
    note::{Checkpoint, NoteError},
    proof::{Consistency, LogProof},
};
use crate::{
    canonical::{self, CanonicalError},
    disk::{OsDisk, create_dir_durable},
    hash::Sha256,
    keys::EvidenceKey,
};

mod database;
mod entry;
pub mod note;
pub mod proof;
mod tree;

pub use entry::{Access, Destroy, LogEntry, Order, Reconciled, Retain, Rotate};

/// The longest entry; a reason for a replay is at most a few hundred characters.
pub const MAX_ENTRY: usize = 16 * 1024;
/// Of the newest entries, so many are held against the tree when the log is opened, which takes a
/// fraction of a second. Older ones are when they are read, and all of them by
/// [`EvidenceLog::check_all`].
const CHECKED_AT_START: u64 = 50_000;

/// Why the log refuses.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system refused.
    #[error("evidence log: {}", .0.kind())]
    Io(#[from] std::io::Error),
    /// The database refused.
    #[error("evidence log: {0}")]
    Database(#[from] rusqlite::Error),
    /// Entries that were acknowledged are gone or changed.
    #[error("evidence log is damaged: {0}")]
    Damaged(&'static str),
    /// The database is older than a checkpoint this log signed.
    #[error("evidence log was put back: it has {has} entries, and {signed} were signed before")]
    PutBack {
        /// Entries it has.
        has: u64,
        /// Entries the newer checkpoint is over.
        signed: u64,
    },
    /// The checkpoint is not this log's.
    #[error("evidence log checkpoint: {0}")]
    Note(#[from] NoteError),
    /// An entry that cannot be written down.
    #[error("evidence log entry: {0}")]
    Canonical(#[from] CanonicalError),
    /// An entry beyond [`MAX_ENTRY`].
    #[error("evidence log entry is too long")]
    TooLong,
    /// The recording has another manifest already.
    #[error("recording {0} has another manifest on the log")]
    SecondManifest(RecordingId),
    /// Entries that came at one time failed together.
    #[error(transparent)]
    Together(Arc<LogError>),
}

/// The log, open for appending.
pub struct EvidenceLog {
    origin: String,
    key: Arc<EvidenceKey>,
    writer: Mutex<State>,
    /// Proofs are read beside appends, which wait for the disk.
    reader: Mutex<State>,
    queue: Mutex<Queue>,
    /// An append is done.
    done: Condvar,
    /// Entries under the newest checkpoint this process saw.
    size: AtomicU64,
}

struct State {
    database: Connection,
    /// The newest checkpoint that was checked.
    seen: Option<(String, Checkpoint)>,
}

/// Appends that wait for whoever is writing to be done; then one of them takes all along.
#[derive(Default)]
struct Queue {
    waiting: Vec<Arc<Waiting>>,
    is_writing: bool,
}

/// The one who writes; the next may when this is dropped, whatever happened.
struct Writing<'a>(&'a EvidenceLog);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        locked(&self.0.queue).is_writing = false;
        self.0.done.notify_all();
    }
}

struct Waiting {
    entry: LogEntry,
    line: Vec<u8>,
    outcome: Mutex<Option<Result<u64, LogError>>>,
}

/// What a bundle shows of the log, all under one checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The manifest's entry.
    pub manifest: LogProof,
    /// That the log only grew since the manifest's previous checkpoint.
    pub consistency: Consistency,
    /// The destruction's entry, where the recording was destroyed.
    pub destruction: Option<LogProof>,
}

impl EvidenceLog {
    /// Opens the log in `folder`, made on first use, and checks it against its last checkpoint.
    pub fn open(folder: &Path, origin: &str, key: Arc<EvidenceKey>) -> Result<Self, LogError> {
        create_dir_durable(&OsDisk, folder)?;
        if folder.join("entries").exists() {
            return Err(LogError::Damaged("it is of a version before this one's format"));
        }
        let open = || {
            let database = database::open(&folder.join("log.db"))?;
            Ok::<_, LogError>(Mutex::new(State { database, seen: None }))
        };
        let log = Self {
            origin: origin.to_owned(),
            key,
            writer: open()?,
            reader: open()?,
            queue: Mutex::default(),
            done: Condvar::new(),
            size: AtomicU64::new(0),
        };
        log.write(|tables, seen| {
            check_entries(tables, seen.size.saturating_sub(CHECKED_AT_START), seen.size)
        })?;
        Ok(log)
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Entries under the newest checkpoint this process saw. Does not block.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// The newest checkpoint.
    pub fn checkpoint(&self) -> Result<String, LogError> {
        self.read(|tables, _| {
            tables.checkpoint()?.ok_or(LogError::Damaged("the signed checkpoint is missing"))
        })
    }

    /// Appends an entry; when this returns it is durable and under a checkpoint, and the number is
    /// its place. Entering the same manifest again changes nothing; another manifest for the same
    /// recording is refused.
    pub fn append(&self, entry: &LogEntry) -> Result<u64, LogError> {
        let line = canonical::to_bytes(entry)?;
        if line.len() > MAX_ENTRY {
            return Err(LogError::TooLong);
        }
        let mine = Arc::new(Waiting { entry: entry.clone(), line, outcome: Mutex::new(None) });
        let mut queue = locked(&self.queue);
        queue.waiting.push(Arc::clone(&mine));
        while queue.is_writing {
            queue = self.done.wait(queue).unwrap_or_else(PoisonError::into_inner);
            if let Some(outcome) = locked(&mine.outcome).take() {
                return outcome;
            }
        }
        queue.is_writing = true;
        let batch = std::mem::take(&mut queue.waiting);
        drop(queue);
        let writing = Writing(self);
        self.write_all(&batch);
        drop(writing);
        locked(&mine.outcome).take().unwrap_or(Err(LogError::Damaged("an entry was passed over")))
    }

    /// Enters those who waited, and leaves each its outcome.
    fn write_all(&self, batch: &[Arc<Waiting>]) {
        let result = self.write(|tables, seen| {
            let mut outcomes = Vec::with_capacity(batch.len());
            let mut size = seen.size;
            for waiting in batch {
                outcomes.push(enter(tables, &mut size, waiting)?);
            }
            Ok(outcomes)
        });
        match result {
            Ok(outcomes) => {
                for (waiting, outcome) in batch.iter().zip(outcomes) {
                    *locked(&waiting.outcome) = Some(outcome);
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for waiting in batch {
                    *locked(&waiting.outcome) = Some(Err(LogError::Together(Arc::clone(&error))));
                }
            }
        }
    }

    /// The entry of a recording's manifest with the proof that it is on the log.
    pub fn prove(&self, recording: RecordingId) -> Result<Option<LogProof>, LogError> {
        self.read(|tables, seen| {
            let index = tables.newest(recording, "manifest")?;
            index.map(|index| proof(tables, seen, index)).transpose()
        })
    }

    /// What a bundle of the recording shows: the manifest's entry, that the log only grew since
    /// the checkpoint `previous`, and the destruction if there was one.
    pub fn evidence(
        &self,
        recording: RecordingId,
        previous: Option<&str>,
    ) -> Result<Option<Evidence>, LogError> {
        let old = match previous {
            Some(note) => Checkpoint::verify(note, &self.key.public())?.size,
            None => 0,
        };
        self.read(|tables, seen| {
            let Some(index) = tables.newest(recording, "manifest")? else { return Ok(None) };
            let manifest = proof(tables, seen, index)?;
            let path = tree::consistency(tables, old, seen.size)?;
            let checkpoint = manifest.checkpoint.clone();
            let consistency = Consistency { old, path: joined(&path), checkpoint };
            let destruction = tables.newest(recording, "destroy")?;
            let destruction = destruction.map(|index| proof(tables, seen, index)).transpose()?;
            Ok(Some(Evidence { manifest, consistency, destruction }))
        })
    }

    /// Every entry that speaks of a recording, oldest first.
    pub fn entries_of(&self, recording: RecordingId) -> Result<Vec<LogEntry>, LogError> {
        self.read(|tables, _| {
            let mut entries = Vec::new();
            for index in tables.of_recording(recording)? {
                let line = tables.entry(index)?;
                entries.extend(serde_json::from_slice::<LogEntry>(&line));
            }
            Ok(entries)
        })
    }

    /// Holds a checkpoint that this log may have signed earlier against what it has now: it must be
    /// over no more entries, and over the same.
    pub fn agrees_with(&self, note: &str) -> Result<Checkpoint, LogError> {
        let other = Checkpoint::verify(note, &self.key.public())?;
        if other.origin != self.origin {
            return Err(LogError::Damaged("the signed checkpoint is another log's"));
        }
        self.read(|tables, seen| {
            if other.size > seen.size {
                return Err(LogError::PutBack { has: seen.size, signed: other.size });
            }
            if tree::root(tables, other.size)? != other.root {
                return Err(LogError::Damaged("its entries are not those it signed before"));
            }
            Ok(())
        })?;
        Ok(other)
    }

    /// Holds every entry against the tree, and the tree against the checkpoint: some ten seconds
    /// for ten million. Appends wait meanwhile only as long as others do for the disk.
    pub fn check_all(&self) -> Result<u64, LogError> {
        let mut from = 0;
        loop {
            let size = self.read(|tables, seen| {
                check_entries(tables, from, seen.size.min(from + CHECKED_AT_START))?;
                Ok(seen.size)
            })?;
            from += CHECKED_AT_START;
            if from >= size {
                return Ok(size);
            }
        }
    }

    /// Runs `act` on what is on the log now.
    fn read<T>(
        &self,
        act: impl FnOnce(&Tables<'_>, &Checkpoint) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let mut state = locked(&self.reader);
        let State { database, seen } = &mut *state;
        let transaction = database.transaction_with_behavior(TransactionBehavior::Deferred)?;
        let tables = Tables(&transaction);
        let now = self.catch_up(&tables, seen)?;
        act(&tables, &now)
    }

    /// Runs `act`, signs what is there then, and makes it durable.
    fn write<T>(
        &self,
        act: impl FnOnce(&Tables<'_>, &Checkpoint) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let mut state = locked(&self.writer);
        let State { database, seen } = &mut *state;
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let tables = Tables(&transaction);
        // A new log is signed before its first entry, so that whoever takes the checkpoint away
        // cannot have other entries signed.
        let is_new = seen.is_none() && tables.checkpoint()?.is_none() && tables.size()? == 0;
        let before =
            if is_new { self.checkpoint_of(&tables, 0)? } else { self.catch_up(&tables, seen)? };
        let done = act(&tables, &before)?;
        let size = tables.size()?;
        if is_new || size != before.size {
            let checkpoint = self.checkpoint_of(&tables, size)?;
            let note = checkpoint.sign(&self.key);
            tables.set_checkpoint(&note)?;
            transaction.commit()?;
            *seen = Some((note, checkpoint));
            self.size.fetch_max(size, Ordering::Relaxed);
        }
        Ok(done)
    }

    /// Checks what others appended since: it is signed, it is there, and what was there before is.
    fn catch_up(
        &self,
        tables: &Tables<'_>,
        seen: &mut Option<(String, Checkpoint)>,
    ) -> Result<Checkpoint, LogError> {
        let missing = LogError::Damaged("the signed checkpoint is missing");
        let note = tables.checkpoint()?.ok_or(missing)?;
        if let Some((known, checkpoint)) = seen
            && *known == note
        {
            return Ok(checkpoint.clone());
        }
        let signed = Checkpoint::verify(&note, &self.key.public())?;
        if signed.origin != self.origin {
            return Err(LogError::Damaged("the signed checkpoint is another log's"));
        }
        if tables.size()? != signed.size {
            return Err(LogError::Damaged("entries under the signed checkpoint are missing"));
        }
        if tree::root(tables, signed.size)? != signed.root {
            return Err(LogError::Damaged("entries differ from the signed checkpoint"));
        }
        if let Some((_, before)) = seen {
            if before.size > signed.size {
                return Err(LogError::PutBack { has: signed.size, signed: before.size });
            }
            if tree::root(tables, before.size)? != before.root {
                return Err(LogError::Damaged("its entries are not those it signed before"));
            }
        }
        self.size.fetch_max(signed.size, Ordering::Relaxed);
        *seen = Some((note, signed.clone()));
        Ok(signed)
    }

    fn checkpoint_of(&self, tables: &Tables<'_>, size: u64) -> Result<Checkpoint, LogError> {
        Ok(Checkpoint { origin: self.origin.clone(), size, root: tree::root(tables, size)? })
    }
}

/// Enters one of several entries. What is refused keeps none of the others from being entered.
fn enter(
    tables: &Tables<'_>,
    size: &mut u64,
    waiting: &Waiting,
) -> Result<Result<u64, LogError>, LogError> {
    if let LogEntry::Manifest { recording, sha256, .. } = &waiting.entry
        && let Some(index) = tables.newest(*recording, "manifest")?
    {
        let there = serde_json::from_slice(&tables.entry(index)?);
        let is_same = matches!(there, Ok(LogEntry::Manifest { sha256: s, .. }) if s == *sha256);
        return Ok(if is_same { Ok(index) } else { Err(LogError::SecondManifest(*recording)) });
    }
    let index = *size;
    tables.push(index, &waiting.entry, &waiting.line)?;
    *size += 1;
    Ok(Ok(index))
}

/// An entry with its way to the checkpoint.
fn proof(tables: &Tables<'_>, seen: &Checkpoint, index: u64) -> Result<LogProof, LogError> {
    let missing = LogError::Damaged("the signed checkpoint is missing");
    Ok(LogProof {
        entry: tables.entry(index)?,
        index,
        path: joined(&tree::inclusion(tables, index, seen.size)?),
        checkpoint: tables.checkpoint()?.ok_or(missing)?,
    })
}

/// Holds entries against the tree's leaves, and the nodes over them against these.
fn check_entries(tables: &Tables<'_>, from: u64, to: u64) -> Result<(), LogError> {
    use tree::Nodes as _;
    for index in from..to {
        let leaf = tree::leaf(&tables.entry(index)?);
        for (place, hash) in tree::append(tables, index, leaf)? {
            if tables.node(place)? != hash {
                return Err(LogError::Damaged("a node of the tree was changed"));
            }
        }
    }
    Ok(())
}

fn joined(path: &[Sha256]) -> Vec<u8> {
    path.iter().flat_map(|hash| hash.0).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod bench;
#[cfg(test)]
mod tests;
