//! Sealed objects, playable files and plaintext against the manifest.

use std::collections::{BTreeMap, BTreeSet};

use super::{Report, files::Files};
use crate::{
    bundle::{DATA_KEY, ExportRecord, OBJECTS, media_plan},
    hash::{Hasher, Sha256},
    keys::DataKey,
    manifest::{
        Manifest, Sealed, SegmentEntry, Track, artifact_context, init_context, segment_context,
    },
    seal::{SealError, SealKey, open},
    segment::InitHash,
    store::{MAX_OBJECT, ObjectName},
};

/// Checks presence, length and hash of every sealed object; adds their paths to `known`.
pub(super) fn sealed(
    files: &Files,
    manifest: &Manifest,
    known: &mut BTreeSet<String>,
    report: &mut Report,
) {
    for track in &manifest.tracks {
        let by_len = |s: &SegmentEntry| ((s.object.sealed_len, s.object.sealed_sha256), s.sequence);
        let segments_of = track.segments.iter().map(by_len).collect();
        let inits = track
            .inits
            .iter()
            .map(|init| (init_path(track, init.object.plain_sha256), init.object));
        let segments = track
            .segments
            .iter()
            .filter(|segment| !segment.lost)
            .map(|segment| (segment_path(track, segment.sequence), segment.object));
        objects(files, "init", &track.name().to_string(), inits, &BTreeMap::new(), known, report);
        objects(files, "segment", &track.name().to_string(), segments, &segments_of, known, report);
    }
    let artifacts = manifest.artifacts.iter().map(|artifact| {
        (format!("{OBJECTS}/{}", ObjectName::artifact_path(&artifact.name)), artifact.object)
    });
    objects(files, "artifact", "artifacts", artifacts, &BTreeMap::new(), known, report);
}

fn objects(
    files: &Files,
    check: &'static str,
    of: &str,
    objects: impl Iterator<Item = (String, Sealed)>,
    by_hash: &BTreeMap<(u64, Sha256), u32>,
    known: &mut BTreeSet<String>,
    report: &mut Report,
) {
    let mut good = 0u64;
    for (path, object) in objects {
        match one(files, &path, &object, by_hash) {
            Ok(()) => good += 1,
            Err(why) => report.fail(check, path.clone(), why),
        }
        known.insert(path);
    }
    report.pass(check, format!("{good} sealed as in the manifest, {of}"));
}

fn one(
    files: &Files,
    path: &str,
    object: &Sealed,
    by_hash: &BTreeMap<(u64, Sha256), u32>,
) -> Result<(), String> {
    let len = files.len(path).ok_or("is missing")?;
    if len > MAX_OBJECT {
        return Err("is larger than an object can be".to_owned());
    }
    // A file of a length that nothing has is not worth reading.
    let zero = Sha256([0; 32]);
    let is_known = by_hash.range((len, zero)..).next().is_some_and(|((known, _), _)| *known == len);
    if len == object.sealed_len || is_known {
        let hash = files.hash(path)?;
        if len == object.sealed_len && hash == object.sealed_sha256 {
            return Ok(());
        }
        if let Some(sequence) = by_hash.get(&(len, hash)) {
            return Err(format!("holds segment {sequence} instead"));
        }
    }
    Err(match len.cmp(&object.sealed_len) {
        std::cmp::Ordering::Less => format!("is cut short: {len} of {} bytes", object.sealed_len),
        std::cmp::Ordering::Greater => {
            format!("is too long: {len} for {} bytes", object.sealed_len)
        }
        std::cmp::Ordering::Equal => "was changed".to_owned(),
    })
}

/// Checks the playable files against the signed export record.
pub(super) fn media(
    files: &Files,
    export: Option<&ExportRecord>,
    known: &mut BTreeSet<String>,
    report: &mut Report,
) {
    for file in export.into_iter().flat_map(|record| &record.media) {
        let result = match files.len(&file.path) {
            None => Err("is missing".to_owned()),
            Some(len) if len != file.len => Err("is not as long as when exported".to_owned()),
            Some(_) => files.hash(&file.path).and_then(|hash| {
                if hash == file.sha256 { Ok(()) } else { Err("was changed".to_owned()) }
            }),
        };
        report.judge("media", &file.path, result);
        known.insert(file.path.clone());
    }
}

/// Opens everything and checks it against the plaintext hashes; checks that playable files are
/// what the segments hold.
pub(super) fn plaintext(
    files: &Files,
    manifest: &Manifest,
    key: &DataKey,
    export: Option<&ExportRecord>,
    report: &mut Report,
) {
    let recording = manifest.recording;
    if is_wrong_key(files, manifest, key) {
        report.fail("key", DATA_KEY, "is not the data key of this recording");
        return report.skip("plaintext", "objects", "no data key that fits");
    }
    for track in &manifest.tracks {
        let Ok(key) = key.track(recording, track.name()) else { return };
        let mut good = 0u64;
        for init in &track.inits {
            let hash = init.object.plain_sha256;
            let context = init_context(recording, track.name(), hash);
            let path = init_path(track, hash);
            good += count(&path, opened(files, &path, &init.object, &key, &context), report);
        }
        for segment in track.segments.iter().filter(|segment| !segment.lost) {
            let (name, sequence) = (track.name(), segment.sequence);
            let context = segment_context(recording, name, sequence, segment.init);
            let path = segment_path(track, sequence);
            good += count(&path, opened(files, &path, &segment.object, &key, &context), report);
        }
        report.pass("plaintext", format!("{good} opened and as in the manifest, {}", track.name()));
    }
    let Ok(artifact_key) = key.artifacts(recording) else { return };
    for artifact in &manifest.artifacts {
        let path = format!("{OBJECTS}/{}", ObjectName::artifact_path(&artifact.name));
        let context = artifact_context(recording, &artifact.name);
        let result = opened(files, &path, &artifact.object, &artifact_key, &context);
        report.judge("plaintext", &path, result.map(|_| ()));
    }
    for file in export.into_iter().flat_map(|record| &record.media) {
        report.judge(
            "plaintext",
            &file.path,
            same_media(files, manifest, key, &file.path, file.sha256),
        );
    }
}

/// Whether an init section that is just as sealed does not open.
fn is_wrong_key(files: &Files, manifest: &Manifest, key: &DataKey) -> bool {
    let recording = manifest.recording;
    manifest.tracks.iter().any(|track| {
        let Some(init) = track.inits.first() else { return false };
        let hash = init.object.plain_sha256;
        let context = init_context(recording, track.name(), hash);
        let sealed = files.read(&init_path(track, hash), init.object.sealed_len.min(MAX_OBJECT));
        let (Ok(sealed), Ok(key)) = (sealed, key.track(recording, track.name())) else {
            return false;
        };
        Sha256::of(&sealed) == init.object.sealed_sha256
            && open(&key, &context, &sealed) == Err(SealError::Commitment)
    })
}

fn count(path: &str, result: Result<Vec<u8>, String>, report: &mut Report) -> u64 {
    match result {
        Ok(_) => 1,
        Err(why) => {
            report.fail("plaintext", path, why);
            0
        }
    }
}

fn opened(
    files: &Files,
    path: &str,
    object: &Sealed,
    key: &SealKey,
    context: &[u8],
) -> Result<Vec<u8>, String> {
    let sealed = files.read(path, object.sealed_len.min(MAX_OBJECT))?;
    let plain =
        open(key, context, &sealed).map_err(|error| format!("cannot be opened: {error}"))?;
    if plain.len() as u64 == object.plain_len && Sha256::of(&plain) == object.plain_sha256 {
        Ok(plain)
    } else {
        Err("holds something else than the manifest says".to_owned())
    }
}

/// Whether a playable file is exactly its init section and segments.
fn same_media(
    files: &Files,
    manifest: &Manifest,
    key: &DataKey,
    path: &str,
    expected: Sha256,
) -> Result<(), String> {
    let plans = media_plan(manifest);
    let plan = plans.iter().find(|plan| plan.path == path).ok_or("is no track of the recording")?;
    let recording = manifest.recording;
    let track = manifest.tracks.iter().find(|track| track.name() == plan.track);
    let track = track.ok_or("is no track of the recording")?;
    let init = track.inits.iter().find(|init| init.object.plain_sha256 == plan.init);
    let init = init.ok_or("has no init section")?;
    let key = key.track(recording, plan.track).map_err(|error| error.to_string())?;
    let mut hasher = Hasher::default();
    let context = init_context(recording, plan.track, plan.init);
    hasher.update(&opened(files, &init_path(track, plan.init), &init.object, &key, &context)?);
    for segment in &plan.segments {
        let context = segment_context(recording, plan.track, segment.sequence, segment.init);
        let path = segment_path(track, segment.sequence);
        hasher.update(&opened(files, &path, &segment.object, &key, &context)?);
    }
    if hasher.finish() == expected { Ok(()) } else { Err("is not what was recorded".to_owned()) }
}

fn init_path(track: &Track, hash: Sha256) -> String {
    format!("{OBJECTS}/{}", ObjectName::init_path(track.name(), InitHash(hash.0)))
}

fn segment_path(track: &Track, sequence: u32) -> String {
    format!("{OBJECTS}/{}", ObjectName::segment_path(track.name(), sequence))
}
