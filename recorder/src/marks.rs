//! Copies of the log's newest checkpoint in both stores. The log's folder can be put back to an
//! older state, checkpoint and all; then a store knows of a newer one.

use std::sync::Arc;

use crate::{
    error::RecorderError,
    log::{EvidenceLog, LogError},
    store::{ObjectName, Store, StoreError},
};

/// The largest checkpoint read.
const MAX_NOTE: u64 = 16 * 1024;

/// Holds the log against the copies in these stores. A copy that is missing, unreadable or not
/// signed by this log proves nothing either way.
pub(crate) fn check<'a>(
    log: &EvidenceLog,
    stores: impl Iterator<Item = &'a Arc<dyn Store>>,
) -> Result<(), RecorderError> {
    for store in stores {
        let note = match store.get(&ObjectName::checkpoint(), MAX_NOTE) {
            Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
            Err(StoreError::NotFound) => continue,
            Err(error) => {
                tracing::warn!(%error, "a store's copy of the checkpoint cannot be read");
                continue;
            }
        };
        match log.agrees_with(&note) {
            Ok(_) => {}
            Err(LogError::Note(error)) => {
                tracing::error!(%error, "a store's copy of the checkpoint is not this log's");
            }
            Err(other) => return Err(other.into()),
        }
    }
    Ok(())
}

/// Puts the newest checkpoint into every store that takes it.
pub(crate) fn publish(log: &EvidenceLog, stores: &[Arc<dyn Store>; 2]) {
    let note = match log.checkpoint() {
        Ok(note) => note,
        Err(error) => return tracing::error!(%error, "no checkpoint to copy"),
    };
    for store in stores {
        if let Err(error) = store.replace(&ObjectName::checkpoint(), note.as_bytes()) {
            tracing::warn!(%error, "a store does not take the copy of the checkpoint");
        }
    }
}
