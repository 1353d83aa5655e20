//! The encrypted dual recorder: tap -> fMP4 segment -> seal -> two stores -> manifest -> log, and
//! back: verify, replay, export. The only holder of keys.

mod access;
pub mod agreement;
mod archive;
mod bundle;
pub mod canonical;
pub mod capture;
pub mod composite;
mod config;
mod disk;
mod error;
mod escrowed;
mod export;
mod faces;
pub mod hash;
mod journal;
pub mod keys;
pub mod ledger;
mod lifecycle;
pub mod log;
pub mod manifest;
mod marks;
mod offline;
mod reconcile;
mod recording;
mod recovery;
mod replicator;
mod retrieve;
pub mod seal;
pub mod segment;
mod service;
mod start;
pub mod store;
mod tail;
mod tap;
#[cfg(test)]
mod test_disk;
#[cfg(test)]
mod test_media;
#[cfg(test)]
mod test_s3;
#[cfg(test)]
mod tests;
pub mod verify;
mod worker;

pub use access::{AccessKind, AccessLeaf, MAX_REASON};
pub use bundle::{ExportRecord, MediaFile};
pub use config::{
    OnEvent, RecorderConfig, RecorderHealth, RecorderPaths, StoreHealth, StoresRequired,
};
pub use error::RecorderError;
pub use escrowed::{open_escrowed, write_films};
pub use export::ExportOptions;
pub use faces::{FaceVault, FaceVaultConfig, FaceVaultError, Swept};
pub use lifecycle::{RetentionRules, Rotation, Standing};
pub use offline::Offline;
pub use reconcile::{Day, ExpectedCall, Finding, Reconciliation};
pub use service::{MAX_ARTIFACT, Recorder};
