//! What a bundle says of the evidence log: the manifest's entry, that the log only grew since the
//! checkpoint before it, and the destruction of the keys if there was one.

use super::{Bundle, MAX_DOCUMENT, Report};
use crate::{
    bundle::{DESTRUCTION, DESTRUCTION_PROOF, LOG_CONSISTENCY, LOG_ENTRY, LOG_PROOF},
    canonical,
    hash::Sha256,
    log::{
        LogEntry, MAX_ENTRY,
        note::Checkpoint,
        proof::{Consistency, LogProof, ProofError},
    },
};

/// Where the manifest stands on the log, once that is proven.
pub(super) struct Entered {
    index: u64,
}

/// Checks the manifest's entry, its proof, and that the log only grew.
pub(super) fn log(bundle: &Bundle<'_>, report: &mut Report) -> Option<Entered> {
    let entry = match bundle.files.read(LOG_ENTRY, MAX_ENTRY as u64) {
        Ok(entry) => entry,
        Err(why) => {
            report.fail("log", LOG_ENTRY, why);
            return None;
        }
    };
    let names_it = match canonical::parse(&entry) {
        Ok(LogEntry::Manifest { recording, sha256, .. }) => {
            recording == bundle.manifest.recording && sha256 == bundle.sha256
        }
        _ => false,
    };
    let entry_result = if names_it { Ok(()) } else { Err("is not of this manifest".to_owned()) };
    report.judge("log", LOG_ENTRY, entry_result);
    let (proof, _) = included(bundle, (LOG_ENTRY, LOG_PROOF), entry, report)?;
    report.judge("log", LOG_CONSISTENCY, consistency(bundle, &proof));
    Some(Entered { index: proof.index })
}

/// Checks that the keys were destroyed, after the recording was sealed.
pub(super) fn destruction(bundle: &Bundle<'_>, entered: Option<Entered>, report: &mut Report) {
    let entry = match bundle.files.read(DESTRUCTION, MAX_ENTRY as u64) {
        Ok(entry) => entry,
        Err(why) => return report.fail("destruction", DESTRUCTION, why),
    };
    let names_it = match canonical::parse(&entry) {
        Ok(LogEntry::Destroy(destroy)) => {
            destroy.recording == bundle.manifest.recording
                && destroy.manifest_sha256 == bundle.sha256
        }
        _ => false,
    };
    let entry_result = if names_it { Ok(()) } else { Err("is not of this manifest".to_owned()) };
    report.judge("destruction", DESTRUCTION, entry_result);
    let paths = (DESTRUCTION, DESTRUCTION_PROOF);
    let Some((proof, _)) = included(bundle, paths, entry, report) else { return };
    if entered.is_some_and(|entered| entered.index >= proof.index) {
        report.fail("destruction", DESTRUCTION_PROOF, "is from before the recording was sealed");
    }
}

/// An entry whose proof leads to a checkpoint of the manifest's log.
fn included(
    bundle: &Bundle<'_>,
    (entry_path, proof_path): (&str, &str),
    entry: Vec<u8>,
    report: &mut Report,
) -> Option<(LogProof, Checkpoint)> {
    let check = if entry_path == LOG_ENTRY { "log" } else { "destruction" };
    let proof = bundle
        .files
        .read(proof_path, MAX_DOCUMENT)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is no log proof".to_owned()))
        .and_then(|text| LogProof::parse(&text, entry).map_err(|error| error.to_string()));
    let proof = match proof {
        Ok(proof) => proof,
        Err(why) => {
            report.fail(check, proof_path, why);
            return None;
        }
    };
    match proof.verify(bundle.key) {
        Ok(checkpoint) if checkpoint.origin != bundle.manifest.log.origin => {
            report.fail(check, proof_path, "is of another log");
            None
        }
        Ok(checkpoint) => {
            let judged = previous_checkpoint(bundle, proof.index);
            let is_after = judged.is_ok();
            report.judge(check, proof_path, judged);
            is_after.then_some((proof, checkpoint))
        }
        // Either of the two may be the one that was changed.
        Err(ProofError::NotIncluded) => {
            report.fail(check, format!("{entry_path} with {proof_path}"), "is not on the log");
            None
        }
        Err(error) => {
            report.fail(check, proof_path, format!("proves nothing: {error}"));
            None
        }
    }
}

/// The checkpoint the manifest was made after is the same log's, and the entry is behind it.
fn previous_checkpoint(bundle: &Bundle<'_>, index: u64) -> Result<(), String> {
    let log = &bundle.manifest.log;
    let Some(note) = &log.previous_checkpoint else { return Ok(()) };
    match Checkpoint::verify(note, bundle.key) {
        Err(error) => Err(format!("cannot be after the manifest's previous checkpoint: {error}")),
        Ok(before) if before.origin != log.origin => {
            Err("is of another log than the manifest's previous checkpoint".to_owned())
        }
        Ok(before) if before.size > index => {
            Err("is from before the manifest's previous checkpoint".to_owned())
        }
        Ok(_) => Ok(()),
    }
}

/// What was on the log before the recording was sealed still is.
fn consistency(bundle: &Bundle<'_>, proof: &LogProof) -> Result<(), String> {
    let bytes = bundle.files.read(LOG_CONSISTENCY, MAX_DOCUMENT)?;
    let text = String::from_utf8(bytes).map_err(|_| "is no consistency proof".to_owned())?;
    let consistency = Consistency::parse(&text).map_err(|error| error.to_string())?;
    if consistency.checkpoint != proof.checkpoint {
        return Err(format!("is not under the checkpoint of {LOG_PROOF}"));
    }
    let earlier = match &bundle.manifest.log.previous_checkpoint {
        None => (0, Sha256::of(b"")),
        Some(note) => {
            let before = Checkpoint::verify(note, bundle.key).map_err(|error| error.to_string())?;
            (before.size, before.root)
        }
    };
    consistency.verify(earlier, bundle.key).map(|_| ()).map_err(|error| error.to_string())
}
