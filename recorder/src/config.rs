//! What the recorder is started with, and what it says about itself.

use std::path::{Path, PathBuf};

use vbranch_domain::recording::{RecorderEvent, StoreId};

use crate::{keys::EscrowPublicKey, lifecycle::RetentionRules, store::StorePlace};

/// Told of every [`RecorderEvent`], on the recorder's own thread: must return at once and must not
/// call the recorder.
pub type OnEvent = Box<dyn Fn(RecorderEvent) + Send + Sync>;

/// Where everything lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecorderPaths {
    /// Journals and manifests of recordings.
    pub recordings: PathBuf,
    /// The evidence log.
    pub log: PathBuf,
    /// Keys: `kek.key`, `evidence.key`, and `evidence.pub` for auditors to take.
    pub keys: PathBuf,
}

impl RecorderPaths {
    /// The embedded default: all below one folder.
    #[must_use]
    pub fn under(data: &Path) -> Self {
        Self { recordings: data.join("recordings"), log: data.join("log"), keys: data.join("keys") }
    }
}

/// How many stores must acknowledge before business begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoresRequired {
    /// Both; while one is known to be in trouble, and the alarm is raised, the other alone counts.
    #[default]
    Both,
    /// Either.
    One,
}

/// What the recorder is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecorderConfig {
    /// Where everything lives.
    pub paths: RecorderPaths,
    /// The two stores: on two disks, or better two machines.
    pub stores: [StorePlace; 2],
    /// How many stores must acknowledge before business begins.
    pub stores_required: StoresRequired,
    /// Bytes of the working folder's disk that sealed objects may take while neither store does.
    /// When they are used up, some 64 MB wait in memory, then segments are declared lost.
    pub spool_bytes: u64,
    /// A second key holder, who gets a copy of every data key.
    pub escrow: Option<EscrowPublicKey>,
    /// How long recordings are kept.
    pub retention: RetentionRules,
    /// Name of the evidence log, unique to this branch, like `bank.example/branch-1`.
    pub log_origin: String,
}

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreHealth {
    /// Which.
    pub store: StoreId,
    /// What is wrong with it; `None` while all is well.
    pub trouble: Option<String>,
    /// Objects it has not got yet.
    pub behind: usize,
}

/// How the recorder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecorderHealth {
    /// Both stores.
    pub stores: [StoreHealth; 2],
    /// Recordings that are being made.
    pub open: usize,
}

impl RecorderHealth {
    /// Whether new calls can be recorded.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.stores.iter().any(|store| store.trouble.is_none())
    }
}
