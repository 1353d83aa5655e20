//! The end of a recording: its manifest is signed, becomes durable, goes on the log, and in the
//! end both stores have everything.

use std::sync::Arc;

use vbranch_domain::{
    Mono, RecordingId,
    recording::{RecorderEvent, RecordingSummary},
};

use super::{Message, Worker, slot::Phase};
use crate::{
    archive::{Archive, SignedManifest, spool_of},
    disk::remove_all,
    error::RecorderError,
    hash::Sha256,
    log::LogEntry,
    manifest::Manifest,
    recovery::{remove_journal, remove_tails, write_manifest, write_replicated, write_summary},
    service::Shared,
    store::ObjectName,
};

impl Worker {
    /// Everything is durable: the manifest is signed.
    pub(super) fn sign(&mut self, recording: RecordingId) {
        let shared = Arc::clone(&self.shared);
        let Some(slot) = self.slots.get_mut(&recording) else { return };
        let Phase::Flushing(open) = &slot.phase else { return };
        slot.is_busy = true;
        let (ledger, folder) = (open.ledger.clone(), slot.folder.clone());
        self.undone.push_back(Box::new(move || {
            let wall = shared.clock.wall();
            let Shared { archive, log, evidence, .. } = &*shared;
            let disk = &*archive.disk;
            let result = write_manifest(disk, &folder, ledger, None, wall, log, evidence);
            if result.is_ok() {
                remove_tails(disk, recording, &folder);
            }
            let result = result.map(|(manifest, signed)| (Box::new(manifest), signed));
            Message::Signed { recording, result }
        }));
    }

    /// The manifest goes to the stores.
    pub(super) fn signed(
        &mut self,
        recording: RecordingId,
        result: Result<(Box<Manifest>, SignedManifest), RecorderError>,
        now: Mono,
    ) {
        let Some(slot) = self.slots.get_mut(&recording) else { return };
        slot.is_busy = false;
        match result {
            Ok((manifest, signed)) => {
                let hash = Sha256::of(&signed.bytes);
                let names = [ObjectName::manifest(recording), ObjectName::signature(recording)];
                for (name, bytes) in names.into_iter().zip([signed.bytes, signed.signature]) {
                    slot.pending.insert(name.clone());
                    self.replicator.put(recording, name, bytes.into(), now);
                }
                slot.phase = Phase::Sealing(manifest, hash);
            }
            Err(error) => slot.complain(recording, &error, &self.shared),
        }
    }

    /// The manifest is durable: it goes on the log.
    pub(super) fn seal(&mut self, recording: RecordingId) {
        let shared = Arc::clone(&self.shared);
        let Some(slot) = self.slots.get_mut(&recording) else { return };
        let Phase::Sealing(manifest, sha256) = &slot.phase else { return };
        slot.is_busy = true;
        let (manifest, sha256, folder) = (manifest.clone(), *sha256, slot.folder.clone());
        self.undone.push_back(Box::new(move || {
            let entry = LogEntry::Manifest { recording, sha256, at_ms: shared.clock.wall() };
            let logged = shared.log.append(&entry).map(drop).map_err(RecorderError::from);
            let result =
                logged.and_then(|()| write_summary(&*shared.archive.disk, &folder, &manifest));
            Message::Sealed { recording, sha256, result }
        }));
    }

    /// The recording is on the list.
    pub(super) fn sealed(
        &mut self,
        recording: RecordingId,
        sha256: Sha256,
        result: Result<RecordingSummary, RecorderError>,
    ) {
        let Some(slot) = self.slots.get_mut(&recording) else { return };
        slot.is_busy = false;
        match result {
            Ok(line) => {
                self.shared.summaries().insert(recording, line);
                slot.phase = Phase::Replicating;
                slot.waiting.drain(..).for_each(|reply| drop(reply.try_send(Ok(()))));
                metrics::counter!("vbranch_recorder_sealed_recordings_total").increment(1);
                let manifest_sha256 = sha256.to_string();
                (self.shared.on_event)(RecorderEvent::Sealed { recording, manifest_sha256 });
            }
            Err(error) => slot.complain(recording, &error, &self.shared),
        }
    }

    pub(super) fn mark_replicated(&mut self, recording: RecordingId) {
        let shared = Arc::clone(&self.shared);
        let Some(slot) = self.slots.get_mut(&recording) else { return };
        if self.replicator.is_replicated(recording) {
            slot.is_busy = true;
            let folder = slot.folder.clone();
            self.undone.push_back(Box::new(move || {
                let Archive { disk, folder: recordings, .. } = &shared.archive;
                // What is left there was put twice, or never acknowledged.
                let spool = spool_of(recordings).join(recording.to_string());
                if let Err(error) = remove_all(&**disk, &spool) {
                    tracing::warn!(%recording, %error, "spool not emptied");
                }
                let result = write_replicated(&**disk, &folder);
                if result.is_ok() {
                    remove_journal(&**disk, recording, &folder);
                }
                Message::Replicated { recording, result }
            }));
        }
    }
}
