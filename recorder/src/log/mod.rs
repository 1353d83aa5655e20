//! The evidence log: one append-only Merkle tree (RFC 6962 section 2.1) over every manifest,
//! replay and export. An entry cannot be taken out or changed later without the checkpoints that
//! were handed out saying so.
//!
//! On disk: `entries`, one canonical JSON document per line, and `checkpoint`, the newest signed
//! note, which is there before the first entry. Several processes may append (the server and the command line): each takes a file lock
//! and reads what the others wrote first. An entry counts once a checkpoint covers it; what a
//! crash left behind the checkpoint is kept if it is whole, and dropped if it is torn.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use serde::{Deserialize, Serialize};
use vbranch_domain::{RecordingId, UnixMillis};

use self::note::{Checkpoint, NoteError};
use crate::{
    canonical::{self, CanonicalError},
    disk::{OsDisk, create_dir_durable, read_limited, replace_durable},
    hash::Sha256,
    keys::EvidenceKey,
    store::StoreError,
};

pub mod note;
pub mod proof;

/// The longest entry; a reason for a replay is at most a few hundred characters.
pub const MAX_ENTRY: usize = 16 * 1024;

/// What is on the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum LogEntry {
    /// A recording was sealed. There is exactly one per recording.
    Manifest {
        /// Which recording.
        recording: RecordingId,
        /// SHA-256 of its manifest.
        sha256: Sha256,
        /// Wall clock.
        at_ms: UnixMillis,
    },
    /// Someone watched.
    Replay(Access),
    /// Someone took a copy.
    Export(Access),
}

/// Who had access, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Which recording.
    pub recording: RecordingId,
    /// Who, by account id or, on the command line, as given.
    pub user: String,
    /// Why, sealed under the recording's own key (it may speak of the customer), in base64.
    pub reason_sealed: String,
    /// Wall clock.
    pub at_ms: UnixMillis,
}

/// Why the log refuses.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system refused.
    #[error("evidence log: {}", .0.kind())]
    Io(#[from] io::Error),
    /// Entries that were acknowledged are gone or changed.
    #[error("evidence log is damaged: {0}")]
    Damaged(&'static str),
    /// The checkpoint file is not this log's.
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
}

/// The log, open for appending.
pub struct EvidenceLog {
    folder: PathBuf,
    origin: String,
    key: Arc<EvidenceKey>,
    state: Mutex<State>,
}

struct State {
    entries: File,
    lock: File,
    /// Length of `entries` that is in the tree.
    read: u64,
    tree: MemoryBackedTree<sha2::Sha256, Vec<u8>>,
    manifests: std::collections::BTreeMap<RecordingId, (Sha256, usize)>,
    /// The newest checkpoint and the size it covers.
    checkpoint: Option<String>,
    signed: u64,
}

impl EvidenceLog {
    /// Opens the log in `folder`, made on first use, and checks it against its last checkpoint.
    pub fn open(folder: &Path, origin: &str, key: Arc<EvidenceKey>) -> Result<Self, LogError> {
        create_dir_durable(&OsDisk, folder)?;
        let open = |name| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o640)
                .open(folder.join(name))
        };
        let state = State {
            entries: open("entries")?,
            lock: open("lock")?,
            read: 0,
            tree: MemoryBackedTree::new(),
            manifests: std::collections::BTreeMap::new(),
            checkpoint: None,
            signed: 0,
        };
        let log = Self {
            folder: folder.to_owned(),
            origin: origin.to_owned(),
            key,
            state: Mutex::new(state),
        };
        log.locked(|_| Ok(()))?;
        Ok(log)
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The newest checkpoint, if there is one.
    pub fn checkpoint(&self) -> Result<Option<String>, LogError> {
        self.locked(|state| Ok(state.checkpoint.clone()))
    }

    /// Appends an entry; when this returns it is durable and under a checkpoint. Entering the
    /// same manifest again changes nothing; another manifest for the same recording is refused.
    pub fn append(&self, entry: &LogEntry) -> Result<(), LogError> {
        let line = canonical::to_bytes(entry)?;
        if line.len() > MAX_ENTRY {
            return Err(LogError::TooLong);
        }
        self.locked(|state| {
            if let LogEntry::Manifest { recording, sha256, .. } = entry {
                match state.manifests.get(recording) {
                    Some((there, _)) if there == sha256 => return Ok(()),
                    Some(_) => return Err(LogError::SecondManifest(*recording)),
                    None => {}
                }
            }
            let written = state.write(&line);
            if written.is_err() {
                // The tail is not known to be whole: the next reader drops it.
                let _ = state.entries.set_len(state.read);
            }
            written?;
            state.push(line, entry);
            self.sign(state)
        })
    }

    /// The entry of a recording's manifest with the proof that it is on the log.
    pub fn prove(&self, recording: RecordingId) -> Result<Option<proof::LogProof>, LogError> {
        self.locked(|state| {
            let Some(&(_, index)) = state.manifests.get(&recording) else { return Ok(None) };
            let Some(entry) = state.tree.get(index).cloned() else { return Ok(None) };
            let Some(checkpoint) = state.checkpoint.clone() else { return Ok(None) };
            let path = state.tree.prove_inclusion(index).as_bytes().to_vec();
            Ok(Some(proof::LogProof { entry, index: index as u64, path, checkpoint }))
        })
    }

    /// Every replay and export of a recording, oldest first.
    pub fn accesses(&self, recording: RecordingId) -> Result<Vec<LogEntry>, LogError> {
        self.locked(|state| {
            let entries = state.tree.items().iter();
            let entries = entries.filter_map(|line| serde_json::from_slice(line).ok());
            Ok(entries
                .filter(|entry| match entry {
                    LogEntry::Replay(access) | LogEntry::Export(access) => {
                        access.recording == recording
                    }
                    LogEntry::Manifest { .. } => false,
                })
                .collect())
        })
    }

    /// Runs `act` with the file lock held and everything read that is on the log.
    fn locked<T>(
        &self,
        act: impl FnOnce(&mut State) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let mut state = self.state();
        state.lock.lock()?;
        let result = self.catch_up(&mut state).and_then(|()| act(&mut state));
        state.lock.unlock()?;
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what others appended, drops a torn tail and checks the last checkpoint.
    fn catch_up(&self, state: &mut State) -> Result<(), LogError> {
        let note = match read_limited(&self.folder.join("checkpoint"), 16 * 1024) {
            Ok(bytes) => {
                Some(String::from_utf8(bytes).map_err(|_| LogError::Note(NoteError::Malformed))?)
            }
            Err(StoreError::NotFound) => None,
            Err(StoreError::Io(error)) => return Err(error.into()),
            Err(_) => return Err(LogError::Note(NoteError::Malformed)),
        };
        let len = state.entries.metadata()?.len();
        if len < state.read {
            return Err(LogError::Damaged("entries that were there are missing"));
        }
        match note {
            Some(note) if state.checkpoint.as_ref() == Some(&note) && len == state.read => {}
            Some(note) => self.advance(state, note)?,
            // A new log: signed before its first entry, so that whoever takes the checkpoint away
            // cannot have other entries signed.
            None if len == 0 && state.checkpoint.is_none() => return self.sign(state),
            None => return Err(LogError::Damaged("the signed checkpoint is missing")),
        }
        // After a crash or an error between the entry and the checkpoint.
        if state.tree.len() > state.signed { self.sign(state) } else { Ok(()) }
    }

    /// Takes in what a newer checkpoint covers, and what is whole behind it.
    fn advance(&self, state: &mut State, note: String) -> Result<(), LogError> {
        let signed = Checkpoint::verify(&note, &self.key.public())?;
        if signed.origin != self.origin {
            return Err(LogError::Damaged("the signed checkpoint is another log's"));
        }
        if signed.size < state.signed {
            return Err(LogError::Damaged("the signed checkpoint is older than one before"));
        }
        state.read_entries(&signed)?;
        (state.checkpoint, state.signed) = (Some(note), signed.size);
        Ok(())
    }

    fn checkpoint_of(&self, tree: &MemoryBackedTree<sha2::Sha256, Vec<u8>>) -> Checkpoint {
        Checkpoint { origin: self.origin.clone(), size: tree.len(), root: root(tree) }
    }

    fn sign(&self, state: &mut State) -> Result<(), LogError> {
        let note = self.checkpoint_of(&state.tree).sign(&self.key);
        replace_durable(&OsDisk, &self.folder.join("checkpoint"), note.as_bytes())?;
        (state.checkpoint, state.signed) = (Some(note), state.tree.len());
        Ok(())
    }
}

impl State {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.entries.seek(SeekFrom::Start(self.read))?;
        self.entries.write_all(&[line, b"\n"].concat())?;
        self.entries.sync_all()
    }

    fn push(&mut self, line: Vec<u8>, entry: &LogEntry) {
        self.read = self.read.saturating_add(line.len() as u64 + 1);
        let index = usize::try_from(self.tree.len()).unwrap_or(usize::MAX);
        self.tree.push(line);
        if let LogEntry::Manifest { recording, sha256, .. } = entry {
            self.manifests.entry(*recording).or_insert((*sha256, index));
        }
    }

    /// Takes in all whole lines behind what was read and cuts a torn one off. Wrong where `signed`
    /// covers more than is there, or something else.
    fn read_entries(&mut self, signed: &Checkpoint) -> Result<(), LogError> {
        self.entries.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        self.entries.read_to_end(&mut bytes)?;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else { break };
            let acknowledged = self.tree.len() < signed.size;
            match serde_json::from_slice::<LogEntry>(line) {
                Ok(entry) => self.push(line.to_vec(), &entry),
                Err(_) if acknowledged => return Err(LogError::Damaged("an entry is unreadable")),
                Err(_) => break,
            }
            if self.tree.len() == signed.size && root(&self.tree) != signed.root {
                return Err(LogError::Damaged("entries differ from the signed checkpoint"));
            }
        }
        if self.tree.len() < signed.size {
            return Err(LogError::Damaged("entries under the signed checkpoint are missing"));
        }
        if self.entries.metadata()?.len() > self.read {
            tracing::warn!("evidence log: dropped an entry that was never acknowledged");
            self.entries.set_len(self.read)?;
            self.entries.sync_all()?;
        }
        Ok(())
    }
}

fn root(tree: &MemoryBackedTree<sha2::Sha256, Vec<u8>>) -> Sha256 {
    let root = tree.root();
    let mut out = [0; 32];
    out.iter_mut().zip(root.as_bytes().iter()).for_each(|(to, from)| *to = *from);
    Sha256(out)
}

#[cfg(test)]
mod tests;
