//! Destruction of a recording: of every wrapped form of its data key.
//!
//! First the decision is written down (`destroy.json` in the recording's folder); from that moment
//! nothing opens the recording. Then the wrapped keys go from both stores and the journal, the log
//! is told, and the decision's file becomes `destroyed.json`. A crash before the decision is on the
//! disk leaves everything as it was; after it, whoever comes next goes on to the end.

use std::path::PathBuf;

use vbranch_domain::{RecordingId, UnixMillis};

use crate::{
    archive::{Archive, spool_of},
    canonical,
    disk::{remove_all, remove_if_there, replace_durable},
    error::RecorderError,
    hash::Sha256,
    journal,
    log::{Destroy, EvidenceLog, LogEntry, Order},
    recovery::{folder_of, remove_tails},
    store::{ObjectName, StoreError},
};

/// The largest decision read.
const MAX_DECISION: u64 = 16 * 1024;
/// The largest wrapped key read.
const MAX_KEY: u64 = 16 * 1024;

/// Whether a recording's keys are destroyed, or about to be.
pub(crate) fn is_destroyed(
    archive: &Archive,
    recording: RecordingId,
) -> Result<bool, RecorderError> {
    let folder = folder_of(&archive.folder, recording);
    let there = |name| archive.disk.exists(&folder.join(name));
    let there = there("destroyed.json").and_then(|done| Ok(done || there("destroy.json")?));
    there.map_err(RecorderError::io("looking at a recording"))
}

/// See the module's documentation.
pub(crate) struct Destroyer<'a> {
    pub archive: &'a Archive,
    pub log: &'a EvidenceLog,
}

impl Destroyer<'_> {
    /// Whether it was decided on and not finished.
    pub fn is_begun(&self, recording: RecordingId) -> Result<bool, RecorderError> {
        let begun = self.archive.disk.exists(&self.decision(recording));
        begun.map_err(RecorderError::io("looking at a recording"))
    }

    /// Writes the decision down. Whoever calls this has made sure that it may be.
    pub fn begin(&self, order: &Order, until: UnixMillis) -> Result<(), RecorderError> {
        let recording = order.recording;
        let disk = &*self.archive.disk;
        let folder = folder_of(&self.archive.folder, recording);
        // Until both stores have everything, wrapped keys may still be on their way to one.
        let is_settled = disk.exists(&folder.join("replicated"));
        if !is_settled.map_err(RecorderError::io("looking at a recording"))? {
            return Err(RecorderError::Refused(
                "the recording is not in both stores yet".to_owned(),
            ));
        }
        let signed = self.archive.signed_manifest(recording)?;
        let decision = Destroy {
            recording,
            manifest_sha256: Sha256::of(&signed.bytes),
            user: order.user.clone(),
            reason: order.reason.clone(),
            retained_until_ms: until,
            at_ms: order.at_ms,
        };
        // Both stores must be there: a key that cannot be taken away is not destroyed.
        for store in &self.archive.stores {
            store.probe()?;
        }
        replace_durable(disk, &self.decision(recording), &canonical::to_bytes(&decision)?)
            .map_err(RecorderError::io("writing a decision"))
    }

    /// Takes every wrapped key away, and says so on the log.
    pub fn finish(&self, recording: RecordingId) -> Result<(), RecorderError> {
        let disk = &*self.archive.disk;
        let bytes = disk.read(&self.decision(recording), MAX_DECISION)?;
        let decision: Destroy = canonical::parse(&bytes)?;
        if decision.recording != recording {
            return Err(RecorderError::Config("a decision on another recording".to_owned()));
        }
        let key = ObjectName::key(recording);
        for store in &self.archive.stores {
            store.remove(&key)?;
            match store.get(&key, MAX_KEY) {
                Err(StoreError::NotFound) => {}
                Ok(_) | Err(StoreError::TooLarge) => {
                    return Err(RecorderError::Refused("a store keeps the wrapped key".to_owned()));
                }
                Err(other) => return Err(other.into()),
            }
        }
        self.remove_local(recording)?;
        let entries = self.log.entries_of(recording)?;
        if !entries.iter().any(|entry| matches!(entry, LogEntry::Destroy(_))) {
            self.log.append(&LogEntry::Destroy(decision))?;
        }
        let folder = folder_of(&self.archive.folder, recording);
        let io = || RecorderError::io("noting a destruction");
        disk.rename(&self.decision(recording), &folder.join("destroyed.json")).map_err(io())?;
        disk.sync_dir(&folder).map_err(io())?;
        tracing::warn!(%recording, "recording destroyed");
        Ok(())
    }

    /// The working folder may still have the key: in the journal, or on its way to a store.
    fn remove_local(&self, recording: RecordingId) -> Result<(), RecorderError> {
        let disk = &*self.archive.disk;
        let folder = folder_of(&self.archive.folder, recording);
        let io = || RecorderError::io("removing a wrapped key");
        remove_if_there(disk, &journal::path(&folder)).map_err(io())?;
        remove_if_there(disk, &journal::new_path(&folder)).map_err(io())?;
        disk.sync_dir(&folder).map_err(io())?;
        remove_all(disk, &spool_of(&self.archive.folder).join(recording.to_string()))
            .map_err(io())?;
        remove_tails(disk, recording, &folder);
        Ok(())
    }

    fn decision(&self, recording: RecordingId) -> PathBuf {
        folder_of(&self.archive.folder, recording).join("destroy.json")
    }
}
