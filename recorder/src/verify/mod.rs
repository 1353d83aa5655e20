//! Checking an evidence bundle, offline, against nothing but the branch's public key. Without the
//! data key everything but the plaintext is checked.
//!
//! The bundle may come from an enemy: it can make the check fail, and nothing else.

use std::{collections::BTreeSet, path::Path};

use serde::Serialize;
use vbranch_domain::RecordingId;

use self::files::Files;
use crate::{
    bundle::{
        DATA_KEY, DESTRUCTION, DESTRUCTION_PROOF, EXPORT, EXPORT_FORMAT, EXPORT_SIG, ExportRecord,
        KEY, LOG_CONSISTENCY, LOG_ENTRY, LOG_PROOF, MANIFEST, MANIFEST_SIG, PUBLIC_KEY, media_plan,
    },
    canonical,
    hash::Sha256,
    keys::{DataKey, EvidencePublicKey, WrappedKey},
    manifest::{MAX_MANIFEST, Manifest},
};

mod evidence;
mod files;
mod objects;

/// Failures reported one by one; more are only counted, so that a report stays small.
const MAX_FAILURES: usize = 1000;
/// The largest `export.json`, `key.json` and proof read.
const MAX_DOCUMENT: u64 = 1024 * 1024;

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Pass,
    /// Not as it should be.
    Fail,
    /// Could not be looked at (no data key, or something before it failed).
    Skipped,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked: `layout`, `signature`, `manifest`, `log`, `key`, `export`, `init`,
    /// `segment`, `artifact`, `extra`, `plaintext` or `media`.
    pub check: &'static str,
    /// Of what: a file of the bundle, or a summary like `14 segments of …`.
    pub subject: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it failed or was skipped.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The result of checking a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing failed.
    pub ok: bool,
    /// The recording, as the signed manifest names it.
    pub recording: Option<RecordingId>,
    /// The first thing that is wrong, as a sentence.
    pub first_failure: Option<String>,
    /// How many checks failed.
    pub failures: usize,
    /// Every check; of very many failures the first thousand.
    pub checks: Vec<Check>,
}

/// Checks the bundle in `folder`. `data_key` is needed for the plaintext only; where it is `None`
/// and the bundle has a `data.key`, that is used.
#[must_use]
pub fn verify(folder: &Path, key: &EvidencePublicKey, data_key: Option<DataKey>) -> Report {
    let mut report =
        Report { ok: true, recording: None, first_failure: None, failures: 0, checks: Vec::new() };
    let files = match Files::walk(folder) {
        Ok(files) => files,
        Err(error) => {
            report.fail("layout", "bundle", format!("cannot be read: {}", error.kind()));
            return report;
        }
    };
    for odd in &files.odd {
        report.fail("layout", odd, "is no regular file of a bundle");
    }
    let Some((bytes, manifest)) = manifest(&files, key, &mut report) else { return report };
    report.recording = Some(manifest.recording);
    let mut known: BTreeSet<String> = [
        MANIFEST,
        MANIFEST_SIG,
        LOG_ENTRY,
        LOG_PROOF,
        LOG_CONSISTENCY,
        KEY,
        PUBLIC_KEY,
        EXPORT,
        EXPORT_SIG,
        DATA_KEY,
    ]
    .map(str::to_owned)
    .into();
    let bundle = Bundle { files: &files, key, manifest: &manifest, sha256: Sha256::of(&bytes) };
    let entered = evidence::log(&bundle, &mut report);
    let is_destroyed = files.has(DESTRUCTION);
    if is_destroyed {
        known.extend([DESTRUCTION, DESTRUCTION_PROOF].map(str::to_owned));
        known.remove(KEY);
        known.remove(DATA_KEY);
        evidence::destruction(&bundle, entered, &mut report);
    } else {
        wrapped_key(&bundle, &mut report);
    }
    public_key(&files, key, &mut report);
    let data_key = data_key.or_else(|| bundled_key(&bundle, &mut report));
    let export = export(&bundle, is_destroyed, &mut report);
    objects::sealed(&files, &manifest, &mut known, &mut report);
    objects::media(&files, export.as_ref(), &mut known, &mut report);
    for path in files.paths().filter(|path| !known.contains(*path)) {
        report.fail("extra", path, "is not in the manifest");
    }
    match data_key {
        Some(data_key) => {
            objects::plaintext(&files, &manifest, &data_key, export.as_ref(), &mut report);
        }
        None if is_destroyed => {
            report.skip("plaintext", "objects", "the recording was destroyed");
        }
        None => report.skip("plaintext", "objects", "no data key given"),
    }
    report
}

/// A bundle whose manifest is what was signed.
struct Bundle<'a> {
    files: &'a Files,
    key: &'a EvidencePublicKey,
    manifest: &'a Manifest,
    /// Of the manifest.
    sha256: Sha256,
}

impl Report {
    fn pass(&mut self, check: &'static str, subject: impl Into<String>) {
        let (outcome, detail) = (Outcome::Pass, String::new());
        self.checks.push(Check { check, subject: subject.into(), outcome, detail });
    }

    fn skip(&mut self, check: &'static str, subject: impl Into<String>, why: &str) {
        let (outcome, detail) = (Outcome::Skipped, why.to_owned());
        self.checks.push(Check { check, subject: subject.into(), outcome, detail });
    }

    fn fail(&mut self, check: &'static str, subject: impl Into<String>, why: impl Into<String>) {
        let (subject, detail) = (subject.into(), why.into());
        self.ok = false;
        self.failures += 1;
        self.first_failure.get_or_insert_with(|| format!("{subject} {detail}"));
        if self.failures <= MAX_FAILURES {
            self.checks.push(Check { check, subject, outcome: Outcome::Fail, detail });
        }
    }

    fn judge(&mut self, check: &'static str, subject: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.pass(check, subject),
            Err(why) => self.fail(check, subject, why),
        }
    }
}

fn manifest(
    files: &Files,
    key: &EvidencePublicKey,
    report: &mut Report,
) -> Option<(Vec<u8>, Manifest)> {
    let bytes = match files.read(MANIFEST, MAX_MANIFEST) {
        Ok(bytes) => bytes,
        Err(why) => {
            report.fail("manifest", MANIFEST, why);
            return None;
        }
    };
    let signed = signature(files, MANIFEST_SIG, &bytes, key);
    let is_signed = signed.is_ok();
    report.judge("signature", MANIFEST, signed);
    if !is_signed {
        // A stranger's list of what to read and hash is not worked off.
        for check in [
            "manifest",
            "log",
            "key",
            "export",
            "init",
            "segment",
            "artifact",
            "extra",
            "plaintext",
            "media",
        ] {
            report.skip(check, "bundle", "the manifest is not what was signed");
        }
        return None;
    }
    let parsed = canonical::parse::<Manifest>(&bytes)
        .map_err(|error| format!("is no manifest: {error}"))
        .and_then(|manifest| {
            manifest.check().map_err(|error| format!("contradicts itself: {error}"))?;
            Ok(manifest)
        });
    match parsed {
        Ok(manifest) => {
            report.pass("manifest", MANIFEST);
            Some((bytes, manifest))
        }
        Err(why) => {
            report.fail("manifest", MANIFEST, why);
            None
        }
    }
}

fn signature(
    files: &Files,
    path: &str,
    message: &[u8],
    key: &EvidencePublicKey,
) -> Result<(), String> {
    let signature =
        files.read(path, 64).map_err(|why| format!("has no signature: {path} {why}"))?;
    if key.verifies(message, &signature) {
        Ok(())
    } else {
        Err("is not what was signed with this key".to_owned())
    }
}

fn wrapped_key(bundle: &Bundle<'_>, report: &mut Report) {
    let manifest = bundle.manifest;
    let result = bundle.files.read(KEY, MAX_DOCUMENT).and_then(|bytes| {
        let key: WrappedKey =
            canonical::parse(&bytes).map_err(|error| format!("is no wrapped key: {error}"))?;
        let right = key.recording == manifest.recording
            && key.id == manifest.key.id
            && key.is_well_formed();
        if right { Ok(()) } else { Err("is not the key the manifest names".to_owned()) }
    });
    report.judge("key", KEY, result);
}

/// Only a reference, but one that lies would mislead.
fn public_key(files: &Files, key: &EvidencePublicKey, report: &mut Report) {
    let result = files.read(PUBLIC_KEY, MAX_DOCUMENT).and_then(|bytes| {
        let same = bytes == key.to_pem().as_bytes();
        if same { Ok(()) } else { Err("is not the key this is checked against".to_owned()) }
    });
    report.judge("key", PUBLIC_KEY, result);
}

fn bundled_key(bundle: &Bundle<'_>, report: &mut Report) -> Option<DataKey> {
    let Bundle { files, manifest, .. } = bundle;
    if !files.has(DATA_KEY) {
        return None;
    }
    let key = files.read(DATA_KEY, 128).and_then(|bytes| {
        let text = String::from_utf8(bytes).map_err(|_| "is no data key".to_owned())?;
        let key: DataKey = text.parse().map_err(|_| "is no data key".to_owned())?;
        if text != format!("{}\n", *key.to_hex()) {
            return Err("is not written as a data key is".to_owned());
        }
        match key.id(manifest.recording) {
            Ok(id) if id == manifest.key.id => Ok(key),
            _ => Err("is not the data key the manifest names".to_owned()),
        }
    });
    key.map_err(|why| report.fail("key", DATA_KEY, why)).ok()
}

fn export(bundle: &Bundle<'_>, is_destroyed: bool, report: &mut Report) -> Option<ExportRecord> {
    let bytes = match bundle.files.read(EXPORT, MAX_DOCUMENT) {
        Ok(bytes) => bytes,
        Err(why) => {
            report.fail("export", EXPORT, why);
            return None;
        }
    };
    let signed = signature(bundle.files, EXPORT_SIG, &bytes, bundle.key);
    let result = signed.and_then(|()| {
        let record: ExportRecord =
            canonical::parse(&bytes).map_err(|error| format!("is no export record: {error}"))?;
        let ours = record.format == EXPORT_FORMAT
            && record.recording == bundle.manifest.recording
            && record.manifest_sha256 == bundle.sha256;
        if !ours {
            return Err("is of another manifest".to_owned());
        }
        let key = if is_destroyed {
            None
        } else {
            bundle.files.read(KEY, MAX_DOCUMENT).ok().map(|bytes| Sha256::of(&bytes))
        };
        if key != record.key_sha256 {
            return Err(format!("was made with another {KEY}"));
        }
        let listed = record.media.iter().map(|file| file.path.as_str());
        let films = media_plan(bundle.manifest);
        let all = listed.eq(films.iter().map(|film| film.path.as_str()));
        if (all && !is_destroyed) || record.media.is_empty() {
            Ok(record)
        } else {
            Err("lists other media than the recording has".to_owned())
        }
    });
    report.judge("export", EXPORT, result.as_ref().map(|_| ()).map_err(Clone::clone));
    result.ok()
}
