//! What is on the log.

use serde::{Deserialize, Serialize};
use vbranch_domain::{RecordingId, UnixMillis};

use crate::hash::Sha256;

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
    /// Someone asked for a film.
    Film(Access),
    /// A film was made, and this is it.
    FilmMade {
        /// Of which recording.
        recording: RecordingId,
        /// SHA-256 of that recording's manifest.
        manifest_sha256: Sha256,
        /// SHA-256 of the film.
        sha256: Sha256,
        /// For whom: as in [`Access`].
        user: String,
        /// Wall clock.
        at_ms: UnixMillis,
    },
    /// Nothing of a recording may be destroyed until further notice.
    Hold(Order),
    /// A hold was lifted.
    Unhold(Order),
    /// A recording must be kept until a day at least.
    Retain(Retain),
    /// A recording's keys were destroyed: all of them are gone.
    Destroy(Destroy),
    /// A new key-encryption key has taken over: nothing is wrapped by those before any more.
    Rotate(Rotate),
    /// A day's calls were held against its recordings.
    Reconcile(Reconciled),
}

impl LogEntry {
    /// The recording it speaks of, if it speaks of one.
    #[must_use]
    pub const fn recording(&self) -> Option<RecordingId> {
        match self {
            Self::Manifest { recording, .. } | Self::FilmMade { recording, .. } => Some(*recording),
            Self::Replay(access) | Self::Export(access) | Self::Film(access) => {
                Some(access.recording)
            }
            Self::Hold(order) | Self::Unhold(order) => Some(order.recording),
            Self::Retain(retain) => Some(retain.order.recording),
            Self::Destroy(destroy) => Some(destroy.recording),
            Self::Rotate(_) | Self::Reconcile(_) => None,
        }
    }
}

/// Who had access, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Which recording.
    pub recording: RecordingId,
    /// Who, by account id or, on the command line, as given.
    pub user: String,
    /// Why, sealed under the recording's own key (it may speak of the customer), in base64. Empty
    /// where that key is destroyed.
    pub reason_sealed: String,
    /// Wall clock.
    pub at_ms: UnixMillis,
}

/// Who decided on a recording, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Which recording.
    pub recording: RecordingId,
    /// Who.
    pub user: String,
    /// Why, in clear: a file number, not a story about the customer. It must outlive the
    /// recording's key.
    pub reason: String,
    /// Wall clock.
    pub at_ms: UnixMillis,
}

/// Until when a recording must be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retain {
    /// Who decided and why.
    pub order: Order,
    /// Until then at least.
    pub until_ms: UnixMillis,
}

/// What was destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destroy {
    /// Which recording.
    pub recording: RecordingId,
    /// SHA-256 of its manifest, which stays.
    pub manifest_sha256: Sha256,
    /// Who decided.
    pub user: String,
    /// Why, in clear.
    pub reason: String,
    /// The last day of retention, as computed then.
    pub retained_until_ms: UnixMillis,
    /// Wall clock of the decision.
    pub at_ms: UnixMillis,
}

/// How the key-encryption key was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// Ids of the keys before.
    pub from: Vec<String>,
    /// Id of the key that took over.
    pub to: String,
    /// Who did it.
    pub user: String,
    /// Wall clock.
    pub at_ms: UnixMillis,
}

/// What came of holding a day's calls against its recordings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconciled {
    /// The day, as `2026-11-29`, in UTC.
    pub day: String,
    /// Calls that had to be recorded.
    pub calls: u64,
    /// Recordings that are missing, or in one store only, or damaged.
    pub missing: Vec<RecordingId>,
    /// Recordings that do not cover their call.
    pub short: Vec<RecordingId>,
    /// Further ones of both kinds that are only counted.
    pub more: u64,
    /// Wall clock.
    pub at_ms: UnixMillis,
}
