//! What an evidence bundle looks like on disk; writer and verifier share these names.
//!
//! ```text
//! manifest.json   manifest.sig     the recording, signed
//! log-entry.json  log-proof.txt    its entry in the evidence log, with the way to a checkpoint
//! log-consistency.txt              that the log only grew since before the recording was sealed
//! key.json                         the data key, wrapped; or, once it is destroyed,
//! destruction.json  destruction-proof.txt   the destruction's entry in the log
//! evidence.pub                     for reference; verifiers bring their own
//! export.json     export.sig       who took this copy, and the files under media/
//! objects/        <track>/<sequence>.seg, <track>/<hash>.init, artifacts/<name>.sealed
//! media/          playable tracks (only if asked for)
//! data.key        the data key in clear (only if asked for)
//! ```

use serde::{Deserialize, Serialize};
use vbranch_domain::{
    RecordingId, UnixMillis,
    recording::{TrackName, TrackSource},
};

use crate::{
    archive::playable,
    hash::Sha256,
    manifest::{Manifest, SegmentEntry},
};

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const MANIFEST_SIG: &str = "manifest.sig";
pub(crate) const LOG_ENTRY: &str = "log-entry.json";
pub(crate) const LOG_PROOF: &str = "log-proof.txt";
pub(crate) const LOG_CONSISTENCY: &str = "log-consistency.txt";
pub(crate) const DESTRUCTION: &str = "destruction.json";
pub(crate) const DESTRUCTION_PROOF: &str = "destruction-proof.txt";
pub(crate) const KEY: &str = "key.json";
pub(crate) const PUBLIC_KEY: &str = "evidence.pub";
pub(crate) const EXPORT: &str = "export.json";
pub(crate) const EXPORT_SIG: &str = "export.sig";
pub(crate) const DATA_KEY: &str = "data.key";
pub(crate) const OBJECTS: &str = "objects";
pub(crate) const MEDIA: &str = "media";
/// Name and version of `export.json`.
pub(crate) const EXPORT_FORMAT: &str = "vbranch-export/2";

/// `export.json`: which copy this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRecord {
    /// `vbranch-export/2`.
    pub format: String,
    /// Of which recording.
    pub recording: RecordingId,
    /// SHA-256 of its manifest.
    pub manifest_sha256: Sha256,
    /// SHA-256 of `key.json`; none where the recording was destroyed.
    pub key_sha256: Option<Sha256>,
    /// Who made it.
    pub by: String,
    /// When.
    pub at_ms: UnixMillis,
    /// Files in clear that came with it.
    pub media: Vec<MediaFile>,
}

/// A playable file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaFile {
    /// Its path in the bundle.
    pub path: String,
    /// Its length.
    pub len: u64,
    /// Its hash.
    pub sha256: Sha256,
}

/// How a playable file is put together: one init section, then segments.
pub(crate) struct MediaPlan<'a> {
    pub path: String,
    pub track: TrackName,
    pub init: Sha256,
    pub segments: Vec<&'a SegmentEntry>,
}

/// The playable files of a recording: one per track and run of segments under one init section.
/// `media/<role>.mp4`, then `media/<role>-2.mp4` and so on; screens are `media/<role>-screen.mp4`.
pub(crate) fn media_plan(manifest: &Manifest) -> Vec<MediaPlan<'_>> {
    let mut plans: Vec<MediaPlan<'_>> = Vec::new();
    let mut used = std::collections::BTreeMap::<String, u32>::new();
    for track in &manifest.tracks {
        let name = track.name();
        let mut role = file_word(manifest.role(track.participant).unwrap_or_default());
        if name.source == TrackSource::Screen {
            role.push_str("-screen");
        }
        let mut last = None;
        for segment in playable(track) {
            if last != Some(segment.init) {
                last = Some(segment.init);
                let n = used.entry(role.clone()).or_default();
                *n += 1;
                let number = if *n == 1 { String::new() } else { format!("-{n}") };
                let path = format!("{MEDIA}/{role}{number}.mp4");
                let init = segment.init;
                plans.push(MediaPlan { path, track: name, init, segments: Vec::new() });
            }
            if let Some(plan) = plans.last_mut() {
                plan.segments.push(segment);
            }
        }
    }
    plans
}

/// A role as a file name.
fn file_word(role: &str) -> String {
    let word: String = role.chars().filter(char::is_ascii_lowercase).take(32).collect();
    if word.is_empty() { "participant".to_owned() } else { word }
}
