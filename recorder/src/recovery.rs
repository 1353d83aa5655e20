//! After a start: recordings that were never sealed are sealed from their journals, with the loss
//! declared, and recordings that one store missed parts of are taken up again.
//!
//! A recording's folder holds `journal`, then `manifest.json` and `manifest.sig` once it is
//! closed, then `summary.json` once it is sealed, and `replicated` once both stores hold all of
//! it.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

use vbranch_domain::{RecordingId, UnixMillis, recording::RecordingSummary};

use crate::{
    archive::{Archive, SignedManifest, spool_of, summary},
    canonical,
    disk::{Disk, remove_all, remove_if_there, replace_durable},
    error::RecorderError,
    hash::Sha256,
    journal,
    keys::EvidenceKey,
    ledger::Ledger,
    lifecycle::{Destroyer, is_destroyed},
    log::EvidenceLog,
    manifest::{LogRef, Loss, Manifest, Sealed, SegmentEntry},
    replicator::FoundObject,
    retrieve::{Ends, Retriever},
    segment::InitHash,
    store::{MAX_OBJECT, ObjectName, Store as _, StoreError},
    tail,
};

/// A recording that has a signed manifest and needs the rest: log entry, summary, both stores.
pub(crate) struct Closed {
    pub manifest: Manifest,
    pub signed: SignedManifest,
    /// Its objects, and where they are.
    pub objects: Vec<FoundObject>,
}

/// What was found on disk.
#[derive(Default)]
pub(crate) struct Found {
    pub sealed: Vec<RecordingSummary>,
    pub unfinished: Vec<Closed>,
    /// Recordings that were cut off by a crash.
    pub recovered: Vec<RecordingId>,
    /// Recordings that could not be recovered now, and why. The next start tries again.
    pub failed: Vec<(RecordingId, String)>,
}

/// Everything recovery works with.
pub(crate) struct Recovery<'a> {
    pub archive: &'a Archive,
    pub log: &'a EvidenceLog,
    pub key: &'a EvidenceKey,
    pub now: UnixMillis,
    /// Whether each store answers. What only an absent store may hold is not declared lost.
    pub reachable: [bool; 2],
}

impl Recovery<'_> {
    /// Looks through all recordings. One that cannot be recovered is reported and left as it is;
    /// it does not stop the others.
    pub fn run(&self) -> Result<Found, RecorderError> {
        let mut found = Found::default();
        let io = RecorderError::io("reading recordings");
        for name in self.archive.disk.list(&self.archive.folder).map_err(io)? {
            let Ok(recording) = name.parse::<RecordingId>() else { continue };
            let folder = folder_of(&self.archive.folder, recording);
            if let Err(error) = self.look(recording, &folder, &mut found) {
                tracing::error!(%recording, %error, "recording cannot be recovered");
                found.failed.push((recording, error.to_string()));
            }
        }
        if let Err(error) = self.tidy_spool() {
            tracing::warn!(%error, "spool cannot be tidied");
        }
        Ok(found)
    }

    /// Takes away what a crash left in the spool: half an object, and what both stores have.
    fn tidy_spool(&self) -> std::io::Result<()> {
        let disk = &*self.archive.disk;
        let spool = spool_of(&self.archive.folder);
        if !disk.exists(&spool)? {
            return Ok(());
        }
        for name in disk.list(&spool)? {
            let is_over = match name.parse::<RecordingId>() {
                Ok(recording) => {
                    let folder = folder_of(&self.archive.folder, recording);
                    disk.exists(&folder.join("replicated"))?
                }
                Err(_) => name.starts_with('.'),
            };
            if is_over {
                remove_all(disk, &spool.join(name))?;
            }
        }
        Ok(())
    }

    fn look(
        &self,
        recording: RecordingId,
        folder: &Path,
        found: &mut Found,
    ) -> Result<(), RecorderError> {
        let disk = &*self.archive.disk;
        let exists = |name| {
            disk.exists(&folder.join(name)).map_err(RecorderError::io("looking at a recording"))
        };
        if is_destroyed(self.archive, recording)? {
            return self.look_at_destroyed(recording, folder, found);
        }
        let summary_file = disk.read(&folder.join("summary.json"), 64 * 1024);
        if let Some(line) = summary_file.ok().and_then(|b| serde_json::from_slice(&b).ok()) {
            found.sealed.push(line);
            remove_tails(disk, recording, folder);
            if exists("replicated")? {
                remove_journal(disk, recording, folder);
            } else {
                found.unfinished.push(self.closed(recording)?);
            }
            return Ok(());
        }
        if !exists("manifest.sig")? {
            match self.seal_from_journal(recording, folder)? {
                Some(true) => found.recovered.push(recording),
                Some(false) => {}
                None => return Ok(()),
            }
        }
        let closed = self.closed(recording)?;
        remove_tails(disk, recording, folder);
        found.unfinished.push(closed);
        Ok(())
    }

    /// Goes on with a destruction that was cut off; the recording stays on the list.
    fn look_at_destroyed(
        &self,
        recording: RecordingId,
        folder: &Path,
        found: &mut Found,
    ) -> Result<(), RecorderError> {
        let disk = &*self.archive.disk;
        let bytes = disk.read(&folder.join("summary.json"), 64 * 1024)?;
        let line: RecordingSummary =
            serde_json::from_slice(&bytes).map_err(canonical::CanonicalError::from)?;
        found.sealed.push(RecordingSummary { state: "destroyed".to_owned(), ..line });
        let destroyer = Destroyer { archive: self.archive, log: self.log };
        if destroyer.is_begun(recording)? { destroyer.finish(recording) } else { Ok(()) }
    }

    /// Writes the manifest a crash prevented. Says whether media were cut off; `None` for a
    /// recording whose opening was never acknowledged.
    fn seal_from_journal(
        &self,
        recording: RecordingId,
        folder: &Path,
    ) -> Result<Option<bool>, RecorderError> {
        let disk = &*self.archive.disk;
        let path = journal::path(folder);
        let there = disk.exists(&path).map_err(RecorderError::io("looking for a journal"))?;
        let entries = if there { journal::read(disk, &path)? } else { return Ok(None) };
        let Some(mut ledger) = Ledger::replay(entries) else { return Ok(None) };
        if ledger.recording() != recording {
            return Err(RecorderError::Config("journal of another recording".to_owned()));
        }
        self.put_key(&ledger)?;
        let ends = Retriever { recovery: self, folder }.run(&mut ledger)?;
        let loss = self.declare(&mut ledger, &ends)?;
        write_manifest(disk, folder, ledger, loss, self.now, self.log, self.key)?;
        tracing::warn!(%recording, cut_off = loss.is_some(), "recording sealed after a crash");
        Ok(Some(loss.is_some()))
    }

    /// The crash may have come before the wrapped key was stored; without it nothing opens.
    fn put_key(&self, ledger: &Ledger) -> Result<(), RecorderError> {
        let bytes = canonical::to_bytes(ledger.key())?;
        self.put(&ObjectName::key(ledger.recording()), &bytes)
    }

    /// Puts an object into every store that answers, and into one at least.
    pub fn put(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), RecorderError> {
        let stores = self.archive.stores.iter().zip(self.reachable);
        let results: Vec<_> =
            stores.filter(|(_, there)| *there).map(|(store, _)| store.put(name, bytes)).collect();
        if results.iter().any(Result::is_ok) {
            return Ok(());
        }
        let error = results.into_iter().find_map(Result::err);
        Err(error.map_or(RecorderError::NoGoodCopy, RecorderError::Store))
    }

    fn declare(&self, ledger: &mut Ledger, ends: &Ends) -> Result<Option<Loss>, RecorderError> {
        let recording = ledger.recording();
        // What cannot be read now is not lost: a later start may find it.
        let doubt = Cell::new(false);
        let there = |name: &ObjectName, hash: Sha256| {
            let kept = self.is_kept(name, hash);
            doubt.set(doubt.get() || kept.is_err());
            kept.unwrap_or_default()
        };
        ledger.retain_artifacts(|artifact| {
            let name = ObjectName::artifact(recording, &artifact.name);
            there(&name, artifact.object.sealed_sha256)
        });
        ledger.retain_inits(|track, init| {
            let hash = InitHash(init.object.plain_sha256.0);
            there(&ObjectName::init(recording, track, hash), init.object.sealed_sha256)
        });
        let inits: Vec<_> = ledger
            .tracks()
            .flat_map(|t| t.inits.iter().map(|i| (t.name(), i.object.plain_sha256)))
            .collect();
        let mut all_there = true;
        let mut kept = std::collections::BTreeSet::new();
        for track in ledger.tracks() {
            for segment in track.segments.iter().filter(|segment| !segment.lost) {
                let name = ObjectName::segment(recording, track.name(), segment.sequence);
                if inits.contains(&(track.name(), segment.init))
                    && there(&name, segment.object.sealed_sha256)
                {
                    kept.insert((track.name(), segment.sequence));
                } else {
                    all_there = false;
                }
            }
        }
        if doubt.get() {
            return Err(RecorderError::NoGoodCopy);
        }
        // Streams with an end of their own were cut off.
        if ledger.is_closed() && all_there && ends.is_empty() {
            return Ok(None);
        }
        let is_there = |track, s: &SegmentEntry| kept.contains(&(track, s.sequence));
        Ok(Some(ledger.declare_crash(is_there, ends, &self.archive.disk.boot())))
    }

    fn closed(&self, recording: RecordingId) -> Result<Closed, RecorderError> {
        let signed = self.archive.signed_manifest(recording)?;
        let manifest = self.archive.parse(recording, &signed)?;
        let mut objects = Vec::new();
        for (name, object) in objects_of(&manifest) {
            objects.push(self.find(name, object.sealed_sha256));
        }
        objects.extend(self.key_object(&manifest));
        Ok(Closed { manifest, signed, objects })
    }

    /// The wrapped key's object is known by what is in it, not by its hash.
    fn key_object(&self, manifest: &Manifest) -> Option<FoundObject> {
        let (wrapped, _) = self.archive.keys(manifest).ok()?;
        let hash = Sha256::of(&canonical::to_bytes(&wrapped).ok()?);
        let name = ObjectName::key(manifest.recording);
        Some(self.find(name, hash))
    }

    fn find(&self, name: ObjectName, hash: Sha256) -> FoundObject {
        let has = self.look_for(&name, hash).map(|copy| copy == Some(true));
        let spooled = self.spooled(&name, hash);
        FoundObject { name, hash, has, spooled }
    }

    /// Whether an object is in a store or the working folder; an error where that cannot be told
    /// now.
    pub fn is_kept(&self, name: &ObjectName, hash: Sha256) -> Result<bool, RecorderError> {
        if self.spooled(name, hash).is_some() {
            return Ok(true);
        }
        let copies = self.look_for(name, hash);
        match copies.contains(&Some(true)) {
            false if copies.contains(&None) => Err(RecorderError::NoGoodCopy),
            found => Ok(found),
        }
    }

    /// The length of a good copy in the working folder.
    fn spooled(&self, name: &ObjectName, hash: Sha256) -> Option<u64> {
        let bytes = self.archive.spool.get(name, MAX_OBJECT).ok()?;
        (Sha256::of(&bytes) == hash).then_some(bytes.len() as u64)
    }

    /// Whether each store has a good copy; `None` where that cannot be told now.
    fn look_for(&self, name: &ObjectName, hash: Sha256) -> [Option<bool>; 2] {
        let [a, b] = &self.archive.stores;
        let [a_there, b_there] = self.reachable;
        [(a, a_there), (b, b_there)].map(|(store, reachable)| {
            if !reachable {
                return None;
            }
            match store.get(name, MAX_OBJECT) {
                Ok(bytes) => Some(Sha256::of(&bytes) == hash),
                Err(StoreError::NotFound | StoreError::TooLarge) => Some(false),
                Err(error) => {
                    tracing::warn!(object = name.as_str(), %error, "store cannot be read");
                    None
                }
            }
        })
    }
}

/// The manifest is signed: all that was in the tails is in segments.
pub(crate) fn remove_tails(disk: &dyn Disk, recording: RecordingId, folder: &Path) {
    if let Err(error) = tail::remove_all(disk, folder) {
        tracing::warn!(%recording, %error, "tails cannot be removed");
    }
}

/// Both stores hold everything: nobody will read the journal again, and it has a wrapped key.
pub(crate) fn remove_journal(disk: &dyn Disk, recording: RecordingId, folder: &Path) {
    let removed = remove_if_there(disk, &journal::path(folder))
        .and_then(|()| remove_if_there(disk, &journal::new_path(folder)))
        .and_then(|()| disk.sync_dir(folder));
    if let Err(error) = removed {
        tracing::warn!(%recording, %error, "journal cannot be removed");
    }
}

/// Every object a manifest names, but for the wrapped key.
pub(crate) fn objects_of(manifest: &Manifest) -> Vec<(ObjectName, Sealed)> {
    let recording = manifest.recording;
    let mut objects = Vec::new();
    for track in &manifest.tracks {
        for init in &track.inits {
            let hash = InitHash(init.object.plain_sha256.0);
            let name = ObjectName::init(recording, track.name(), hash);
            objects.push((name, init.object));
        }
        for segment in track.segments.iter().filter(|segment| !segment.lost) {
            let name = ObjectName::segment(recording, track.name(), segment.sequence);
            objects.push((name, segment.object));
        }
    }
    for artifact in &manifest.artifacts {
        let name = ObjectName::artifact(recording, &artifact.name);
        objects.push((name, artifact.object));
    }
    objects
}

/// Writes manifest and signature into the recording's folder. From here on there is exactly one
/// manifest of this recording.
pub(crate) fn write_manifest(
    disk: &dyn Disk,
    folder: &Path,
    ledger: Ledger,
    loss: Option<Loss>,
    now: UnixMillis,
    log: &EvidenceLog,
    key: &EvidenceKey,
) -> Result<(Manifest, SignedManifest), RecorderError> {
    let origin = log.origin().to_owned();
    let reference = LogRef { origin, previous_checkpoint: Some(log.checkpoint()?) };
    let manifest = ledger.manifest(loss, now, reference);
    if let Err(error) = manifest.check() {
        // A mistake of ours. Evidence is sealed all the same; every verifier will name it.
        tracing::error!(recording = %manifest.recording, %error, "manifest contradicts itself");
    }
    let bytes = canonical::to_bytes(&manifest)?;
    let signature = key.sign(&bytes).to_vec();
    let io = || RecorderError::io("writing the manifest");
    // The signature last: where it is, the manifest is whole. One of an earlier try, whose flush
    // failed, is not this manifest's.
    remove_if_there(disk, &folder.join("manifest.sig")).map_err(io())?;
    disk.sync_dir(folder).map_err(io())?;
    replace_durable(disk, &folder.join("manifest.json"), &bytes).map_err(io())?;
    replace_durable(disk, &folder.join("manifest.sig"), &signature).map_err(io())?;
    Ok((manifest, SignedManifest { bytes, signature }))
}

/// Notes that a recording is sealed.
pub(crate) fn write_summary(
    disk: &dyn Disk,
    folder: &Path,
    manifest: &Manifest,
) -> Result<RecordingSummary, RecorderError> {
    let line = summary(manifest);
    let bytes = serde_json::to_vec(&line).map_err(canonical::CanonicalError::from)?;
    replace_durable(disk, &folder.join("summary.json"), &bytes)
        .map_err(RecorderError::io("writing the summary"))?;
    Ok(line)
}

/// Notes that both stores hold everything.
pub(crate) fn write_replicated(disk: &dyn Disk, folder: &Path) -> Result<(), RecorderError> {
    replace_durable(disk, &folder.join("replicated"), b"")
        .map_err(RecorderError::io("writing the replication mark"))
}

/// `<folder>/<recording>`.
pub(crate) fn folder_of(folder: &Path, recording: RecordingId) -> PathBuf {
    folder.join(recording.to_string())
}
