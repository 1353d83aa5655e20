//! The log's file: entries, tree nodes and the newest checkpoint in one SQLite database, so that an
//! entry and the checkpoint over it become durable together or not at all, and proofs read a few
//! rows whatever the size.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use rusqlite::{Connection, OptionalExtension as _, params};
use vbranch_domain::RecordingId;

use super::{
    LogEntry, LogError,
    tree::{self, Nodes},
};
use crate::hash::Sha256;

/// How long one process waits for another's append.
const BUSY: Duration = Duration::from_secs(20);

/// Pages kept in memory, in KiB; negative as SQLite wants it. Less has every append into a log of
/// millions read the index anew.
const CACHE_KIB: i32 = -32_768;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS entries (
        idx INTEGER PRIMARY KEY, recording BLOB, type TEXT NOT NULL, json BLOB NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS entries_of_recording
        ON entries (recording, idx) WHERE recording IS NOT NULL;
    CREATE TABLE IF NOT EXISTS nodes (place INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS checkpoint (
        one INTEGER PRIMARY KEY CHECK (one = 1), note TEXT NOT NULL
    ) STRICT;
";

/// Opens the database, made on first use.
pub(super) fn open(path: &Path) -> Result<Connection, LogError> {
    // SQLite would make it readable for everybody the umask lets.
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o640).open(path)?;
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // Readers do not wait for writers, and what is committed survives a power cut.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", CACHE_KIB)?;
    connection.execute_batch(TABLES)?;
    Ok(connection)
}

/// The tables within a transaction.
pub(super) struct Tables<'a>(pub &'a Connection);

impl Nodes for Tables<'_> {
    type Error = LogError;

    fn node(&self, place: u64) -> Result<Sha256, LogError> {
        let mut query = self.0.prepare_cached("SELECT hash FROM nodes WHERE place = ?1")?;
        let hash: Option<[u8; 32]> =
            query.query_row([signed(place)], |row| row.get(0)).optional()?;
        hash.map(Sha256).ok_or(LogError::Damaged("a node of the tree is missing"))
    }
}

impl Tables<'_> {
    /// Entries there are.
    pub fn size(&self) -> Result<u64, LogError> {
        let mut query = self.0.prepare_cached("SELECT COALESCE(MAX(idx) + 1, 0) FROM entries")?;
        let size: i64 = query.query_row([], |row| row.get(0))?;
        u64::try_from(size).map_err(|_| LogError::Damaged("an entry has a number below 0"))
    }

    /// Adds an entry behind the others.
    pub fn push(&self, size: u64, entry: &LogEntry, line: &[u8]) -> Result<(), LogError> {
        let recording = entry.recording().map(|recording| recording.as_bytes().to_vec());
        self.0
            .prepare_cached(
                "INSERT INTO entries (idx, recording, type, json) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![signed(size), recording, word(entry), line])?;
        let mut insert =
            self.0.prepare_cached("INSERT INTO nodes (place, hash) VALUES (?1, ?2)")?;
        for (place, hash) in tree::append(self, size, tree::leaf(line))? {
            insert.execute(params![signed(place), hash.0])?;
        }
        Ok(())
    }

    /// An entry as it was entered.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, LogError> {
        let mut query = self.0.prepare_cached("SELECT json FROM entries WHERE idx = ?1")?;
        let line: Option<Vec<u8>> =
            query.query_row([signed(index)], |row| row.get(0)).optional()?;
        let line = line.ok_or(LogError::Damaged("an entry is missing"))?;
        // The tree is under the signature; the entry is what the tree says it is.
        if self.node(tree::leaf_place(index))? != tree::leaf(&line) {
            return Err(LogError::Damaged("an entry was changed"));
        }
        Ok(line)
    }

    /// Numbers of a recording's entries, oldest first.
    pub fn of_recording(&self, recording: RecordingId) -> Result<Vec<u64>, LogError> {
        let mut query =
            self.0.prepare_cached("SELECT idx FROM entries WHERE recording = ?1 ORDER BY idx")?;
        let rows = query.query_map([recording.as_bytes().to_vec()], |row| row.get::<_, i64>(0))?;
        let numbers: Result<Vec<_>, _> = rows.collect();
        Ok(numbers?.into_iter().filter_map(|index| u64::try_from(index).ok()).collect())
    }

    /// Number of the newest entry of a recording and type.
    pub fn newest(&self, recording: RecordingId, kind: &str) -> Result<Option<u64>, LogError> {
        let mut query = self.0.prepare_cached(
            "SELECT idx FROM entries WHERE recording = ?1 AND type = ?2 ORDER BY idx DESC LIMIT 1",
        )?;
        let index: Option<i64> = query
            .query_row(params![recording.as_bytes().to_vec(), kind], |row| row.get(0))
            .optional()?;
        Ok(index.and_then(|index| u64::try_from(index).ok()))
    }

    /// The newest checkpoint.
    pub fn checkpoint(&self) -> Result<Option<String>, LogError> {
        let mut query = self.0.prepare_cached("SELECT note FROM checkpoint")?;
        Ok(query.query_row([], |row| row.get(0)).optional()?)
    }

    /// Puts a newer checkpoint in place of the one before.
    pub fn set_checkpoint(&self, note: &str) -> Result<(), LogError> {
        self.0
            .prepare_cached("INSERT OR REPLACE INTO checkpoint (one, note) VALUES (1, ?1)")?
            .execute([note])?;
        Ok(())
    }
}

/// The type of an entry, as in its JSON.
const fn word(entry: &LogEntry) -> &'static str {
    match entry {
        LogEntry::Manifest { .. } => "manifest",
        LogEntry::Replay(_) => "replay",
        LogEntry::Export(_) => "export",
        LogEntry::Film(_) => "film",
        LogEntry::FilmMade { .. } => "film_made",
        LogEntry::Hold(_) => "hold",
        LogEntry::Unhold(_) => "unhold",
        LogEntry::Retain(_) => "retain",
        LogEntry::Destroy(_) => "destroy",
        LogEntry::Rotate(_) => "rotate",
        LogEntry::Reconcile(_) => "reconcile",
    }
}

/// SQLite's integers have a sign; the largest tree is far from needing it.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
