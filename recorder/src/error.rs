//! What can go wrong for the recorder's callers.

use vbranch_domain::UnixMillis;

use crate::{
    canonical::CanonicalError, journal::JournalError, keys::KeyError, log::LogError,
    seal::SealError, store::StoreError,
};

/// Why the recorder did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The recording is not open (never was, or is closed).
    #[error("no such open recording")]
    NotOpen,
    /// There is no such recording, track or segment.
    #[error("no such recording, track or segment")]
    NotFound,
    /// A recording of this id exists already.
    #[error("a recording of this id exists already")]
    Exists,
    /// An artefact of this name exists already; evidence is never overwritten.
    #[error("an artefact of this name exists already")]
    ArtifactExists,
    /// The name or size of an artefact is not acceptable.
    #[error("artefact name or size is not acceptable")]
    BadArtifact,
    /// The recorder's queue is full; nothing was done. Try again or give up.
    #[error("the recorder is overloaded")]
    Busy,
    /// Nothing came back in time. What was asked for may still happen.
    #[error("the recorder did not finish in time")]
    Timeout,
    /// The recorder has stopped.
    #[error("the recorder has stopped")]
    Stopped,
    /// Another process records into this data folder.
    #[error("another process is recording into this data folder")]
    Locked,
    /// Neither store takes writes.
    #[error("neither store takes writes: {0}")]
    NoStore(String),
    /// Settings that cannot be.
    #[error("{0}")]
    Config(String),
    /// The recording's keys are destroyed.
    #[error("the recording was destroyed: its media can never be opened again")]
    Destroyed,
    /// The recording is under legal hold.
    #[error("the recording is under legal hold")]
    Held,
    /// The recording must still be kept.
    #[error("the recording must be kept until {}", day_of(*.0))]
    Retained(UnixMillis),
    /// What was asked for cannot be done now.
    #[error("{0}")]
    Refused(String),
    /// An object is in no store as it should be.
    #[error("no store has a good copy of this object")]
    NoGoodCopy,
    /// A manifest whose signature is not this branch's.
    #[error("the manifest's signature is not good")]
    BadSignature,
    /// Keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Sealing.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The evidence log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A store.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A signed document.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// The system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl RecorderError {
    /// For `map_err` on I/O.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

/// A day as people write it, in UTC.
pub(crate) fn day_of(at: UnixMillis) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at.0);
    at.map_or_else(|| "forever".to_owned(), |at| at.format("%Y-%m-%d").to_string())
}
