//! The encrypted dual recorder: tap -> fMP4 segment -> seal -> two stores -> manifest -> log, and
//! back: verify, replay, export. The only holder of keys.

mod archive;
mod bundle;
pub mod canonical;
pub mod capture;
mod error;
mod export;
pub mod hash;
pub mod journal;
mod keyfile;
pub mod keys;
pub mod ledger;
pub mod log;
pub mod manifest;
mod recording;
mod recovery;
mod replicator;
pub mod seal;
pub mod segment;
mod service;
pub mod store;
mod tap;
#[cfg(test)]
mod test_media;
#[cfg(test)]
mod tests;
pub mod verify;
mod worker;

pub use bundle::{ExportRecord, MediaFile};
pub use error::RecorderError;
pub use export::{ExportOptions, export};
pub use service::{
    AccessKind, AccessLeaf, MAX_ARTIFACT, MAX_REASON, OnEvent, Recorder, RecorderConfig,
    RecorderHealth, RecorderPaths, StoreHealth, StoresRequired,
};
