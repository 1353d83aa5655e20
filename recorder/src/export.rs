//! Writing an evidence bundle: everything an outsider needs to check a recording offline.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use vbranch_domain::{RecordingId, UnixMillis};

use crate::{
    access::{AccessKind, AccessLeaf, log_access},
    archive::Archive,
    bundle::{
        DATA_KEY, DESTRUCTION, DESTRUCTION_PROOF, EXPORT, EXPORT_FORMAT, EXPORT_SIG, ExportRecord,
        KEY, LOG_CONSISTENCY, LOG_ENTRY, LOG_PROOF, MANIFEST, MANIFEST_SIG, MediaFile, MediaPlan,
        OBJECTS, PUBLIC_KEY, media_plan,
    },
    canonical,
    error::RecorderError,
    hash::{Hasher, Sha256},
    keys::{DataKey, EvidenceKey, WrappedKey},
    log::EvidenceLog,
    manifest::{Manifest, Sealed},
    segment::InitHash,
    service::{Recorder, Shared},
    store::ObjectName,
};

/// What to put into a bundle, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOptions {
    /// Who takes the copy: an account's id, or the name of whoever runs the command.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: UnixMillis,
    /// Also write playable tracks **in clear**.
    pub media: bool,
    /// Also write the data key **in clear**, for a receiver who is to check the plaintext.
    pub data_key: bool,
}

impl Recorder {
    /// Exports a sealed recording into the new folder `out`. Blocks while everything is copied.
    pub fn export(
        &self,
        recording: RecordingId,
        out: &Path,
        options: &ExportOptions,
    ) -> Result<ExportRecord, RecorderError> {
        self.shared().export(recording, out, options)
    }
}

impl Shared {
    /// See [`Recorder::export`].
    pub(crate) fn export(
        &self,
        recording: RecordingId,
        out: &Path,
        options: &ExportOptions,
    ) -> Result<ExportRecord, RecorderError> {
        Exporter { archive: &self.archive, log: &self.log, evidence: &self.evidence }
            .run(recording, out, options)
    }
}

/// What a bundle is made of.
pub(crate) struct Exporter<'a> {
    pub archive: &'a Archive,
    pub log: &'a EvidenceLog,
    pub evidence: &'a EvidenceKey,
}

impl Exporter<'_> {
    pub fn run(
        &self,
        recording: RecordingId,
        out: &Path,
        options: &ExportOptions,
    ) -> Result<ExportRecord, RecorderError> {
        let signed = self.archive.signed_manifest(recording)?;
        let manifest = self.archive.parse(recording, &signed)?;
        let keys = match self.archive.keys(&manifest) {
            // What can still be shown is: all but what was said and seen.
            Err(RecorderError::Destroyed) if !options.media && !options.data_key => None,
            other => Some(other?),
        };
        new_folder(out)?;
        // On the log before anything leaves.
        let leaf = AccessLeaf {
            kind: AccessKind::Export,
            user: options.by.clone(),
            recording,
            reason: options.reason.clone(),
            at: options.at,
        };
        log_access(keys.as_ref().map(|(_, key)| key), self.log, &leaf)?;
        write(out, MANIFEST, &signed.bytes)?;
        write(out, MANIFEST_SIG, &signed.signature)?;
        write(out, PUBLIC_KEY, self.evidence.public().to_pem().as_bytes())?;
        let key_sha256 = self.key(out, &manifest, keys.as_ref().map(|(wrapped, _)| wrapped))?;
        self.copy_objects(out, &manifest)?;
        let (mut media, key) = (Vec::new(), keys.as_ref().map(|(_, key)| key));
        if let Some(key) = key.filter(|_| options.media) {
            media = self.media(out, &manifest, key)?;
        }
        if let Some(key) = key.filter(|_| options.data_key) {
            write(out, DATA_KEY, format!("{}\n", *key.to_hex()).as_bytes())?;
        }
        let record = ExportRecord {
            format: EXPORT_FORMAT.to_owned(),
            recording,
            manifest_sha256: Sha256::of(&signed.bytes),
            key_sha256,
            by: options.by.clone(),
            at_ms: options.at,
            media,
        };
        let bytes = canonical::to_bytes(&record)?;
        write(out, EXPORT, &bytes)?;
        write(out, EXPORT_SIG, &self.evidence.sign(&bytes))?;
        Ok(record)
    }

    /// Writes what the log says, and the wrapped key or else its destruction. Returns the hash of
    /// `key.json`.
    fn key(
        &self,
        out: &Path,
        manifest: &Manifest,
        wrapped: Option<&WrappedKey>,
    ) -> Result<Option<Sha256>, RecorderError> {
        let previous = manifest.log.previous_checkpoint.as_deref();
        let evidence = self.log.evidence(manifest.recording, previous)?;
        let evidence = evidence.ok_or(RecorderError::NotFound)?;
        write(out, LOG_ENTRY, &evidence.manifest.entry)?;
        write(out, LOG_PROOF, evidence.manifest.to_text().as_bytes())?;
        write(out, LOG_CONSISTENCY, evidence.consistency.to_text().as_bytes())?;
        if let Some(wrapped) = wrapped {
            let bytes = canonical::to_bytes(wrapped)?;
            write(out, KEY, &bytes)?;
            return Ok(Some(Sha256::of(&bytes)));
        }
        let begun = || RecorderError::Refused("the recording is being destroyed".to_owned());
        let destruction = evidence.destruction.ok_or_else(begun)?;
        write(out, DESTRUCTION, &destruction.entry)?;
        write(out, DESTRUCTION_PROOF, destruction.to_text().as_bytes())?;
        Ok(None)
    }

    fn copy_objects(&self, out: &Path, manifest: &Manifest) -> Result<(), RecorderError> {
        let recording = manifest.recording;
        let copy = |name: &ObjectName, path: &str, object: &Sealed| {
            let bytes = self.archive.object(name, object)?;
            write(out, &format!("{OBJECTS}/{path}"), &bytes)
        };
        for track in &manifest.tracks {
            let track_name = track.name();
            for init in &track.inits {
                let hash = InitHash(init.object.plain_sha256.0);
                let path = ObjectName::init_path(track_name, hash);
                copy(&ObjectName::init(recording, track_name, hash), &path, &init.object)?;
            }
            for segment in track.segments.iter().filter(|segment| !segment.lost) {
                let path = ObjectName::segment_path(track_name, segment.sequence);
                let name = ObjectName::segment(recording, track_name, segment.sequence);
                copy(&name, &path, &segment.object)?;
            }
        }
        for artifact in &manifest.artifacts {
            let path = ObjectName::artifact_path(&artifact.name);
            copy(&ObjectName::artifact(recording, &artifact.name), &path, &artifact.object)?;
        }
        Ok(())
    }

    fn media(
        &self,
        out: &Path,
        manifest: &Manifest,
        key: &DataKey,
    ) -> Result<Vec<MediaFile>, RecorderError> {
        media_plan(manifest).iter().map(|plan| self.media_file(out, manifest, key, plan)).collect()
    }

    fn media_file(
        &self,
        out: &Path,
        manifest: &Manifest,
        key: &DataKey,
        plan: &MediaPlan<'_>,
    ) -> Result<MediaFile, RecorderError> {
        let mut file = create(out, &plan.path)?;
        let mut hasher = Hasher::default();
        let mut len = 0u64;
        let mut add = |bytes: &[u8]| {
            hasher.update(bytes);
            len = len.saturating_add(bytes.len() as u64);
            file.write_all(bytes).map_err(RecorderError::io("writing the bundle"))
        };
        add(&self.archive.init(manifest, key, plan.track, plan.init)?)?;
        for segment in &plan.segments {
            add(&self.archive.segment(manifest, key, plan.track, segment)?)?;
        }
        Ok(MediaFile { path: plan.path.clone(), len, sha256: hasher.finish() })
    }
}

/// Makes the bundle's folder; one that holds something is left alone.
fn new_folder(out: &Path) -> Result<(), RecorderError> {
    fs::create_dir_all(out).map_err(RecorderError::io("making the bundle's folder"))?;
    let mut entries =
        fs::read_dir(out).map_err(RecorderError::io("reading the bundle's folder"))?;
    if entries.next().is_some() {
        return Err(RecorderError::Config("the bundle's folder is not empty".to_owned()));
    }
    Ok(())
}

fn create(out: &Path, path: &str) -> Result<File, RecorderError> {
    let path = out.join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(RecorderError::io("writing the bundle"))?;
    }
    // Not for everyone: some of it may be in clear.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(path)
        .map_err(RecorderError::io("writing the bundle"))
}

fn write(out: &Path, path: &str, bytes: &[u8]) -> Result<(), RecorderError> {
    create(out, path)?.write_all(bytes).map_err(RecorderError::io("writing the bundle"))
}
