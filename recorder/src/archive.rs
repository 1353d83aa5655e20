//! Finished recordings, read: manifests are checked against the branch's own signature, objects
//! against the manifest, and whichever store has a good copy serves it. Plaintext exists in memory
//! only.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use vbranch_domain::{
    RecordingId,
    recording::{RecordingSummary, ReplayEvent, ReplayGap, ReplayTrack, ReplayView, TrackName},
};

use crate::{
    capture::hls::{HlsResource, HlsSegment, vod_playlist},
    disk::Disk,
    error::RecorderError,
    hash::Sha256,
    keys::{DataKey, EvidencePublicKey, KeyHolder, WrappedKey},
    lifecycle::is_destroyed,
    manifest::{
        MAX_MANIFEST, Manifest, Sealed, SegmentEntry, Track, init_context, segment_context,
    },
    seal::open,
    segment::InitHash,
    store::{FsStore, MAX_OBJECT, ObjectName, Store, StoreError},
};

/// Manifests kept parsed: about as many replays as run at a time. Beyond, all are let go of.
const CACHED: usize = 16;

/// The largest wrapped key read.
const MAX_KEY: u64 = 16 * 1024;

/// See the module's documentation.
pub(crate) struct Archive {
    pub stores: [Arc<dyn Store>; 2],
    pub kek: Arc<dyn KeyHolder>,
    pub public: EvidencePublicKey,
    /// Where the folder is.
    pub disk: Arc<dyn Disk>,
    /// `<data>/recordings`.
    pub folder: PathBuf,
    pub cache: Mutex<HashMap<RecordingId, Arc<Manifest>>>,
    /// What waits, sealed, for stores that are out; in the working folder.
    pub spool: Arc<FsStore>,
    /// Stores that fail or hang: read last, because reading from them may never end.
    pub troubled: [AtomicBool; 2],
}

/// Where the spool is.
pub(crate) fn spool_of(recordings: &Path) -> PathBuf {
    recordings.join("spool")
}

/// A manifest as signed.
pub(crate) struct SignedManifest {
    pub bytes: Vec<u8>,
    pub signature: Vec<u8>,
}

impl Archive {
    /// The manifest of a sealed recording.
    pub fn manifest(&self, recording: RecordingId) -> Result<Arc<Manifest>, RecorderError> {
        let cache = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(manifest) = cache().get(&recording) {
            return Ok(Arc::clone(manifest));
        }
        // Read without the lock: a store that hangs must not hold up other replays.
        let signed = self.signed_manifest(recording)?;
        let manifest = Arc::new(self.parse(recording, &signed)?);
        let mut cache = cache();
        if cache.len() >= CACHED {
            cache.clear();
        }
        cache.insert(recording, Arc::clone(&manifest));
        Ok(manifest)
    }

    /// The manifest's bytes and signature, from the data folder or else from a store, checked.
    pub fn signed_manifest(&self, recording: RecordingId) -> Result<SignedManifest, RecorderError> {
        let folder = self.folder.join(recording.to_string());
        let local = || -> Result<SignedManifest, StoreError> {
            Ok(SignedManifest {
                bytes: self.disk.read(&folder.join("manifest.json"), MAX_MANIFEST)?,
                signature: self.disk.read(&folder.join("manifest.sig"), 64)?,
            })
        };
        let stored = |store: &Arc<dyn Store>| -> Result<SignedManifest, StoreError> {
            Ok(SignedManifest {
                bytes: store.get(&ObjectName::manifest(recording), MAX_MANIFEST)?,
                signature: store.get(&ObjectName::signature(recording), 64)?,
            })
        };
        // Each is read only if those before it were no good.
        let candidates = std::iter::once_with(local).chain(self.by_health().map(stored));
        let mut found = false;
        for signed in candidates.flatten() {
            if self.public.verifies(&signed.bytes, &signed.signature) {
                return Ok(signed);
            }
            found = true;
        }
        Err(if found { RecorderError::BadSignature } else { RecorderError::NotFound })
    }

    /// The stores, those that are well first.
    fn by_health(&self) -> impl Iterator<Item = &Arc<dyn Store>> {
        let is_troubled = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let of = move |wanted: bool| {
            let stores = self.stores.iter().zip(&self.troubled);
            stores.filter(move |(_, flag)| is_troubled(flag) == wanted).map(|(store, _)| store)
        };
        of(false).chain(of(true))
    }

    /// A manifest whose signature has been checked, as a value that agrees with itself.
    pub fn parse(
        &self,
        recording: RecordingId,
        signed: &SignedManifest,
    ) -> Result<Manifest, RecorderError> {
        let manifest: Manifest = serde_json::from_slice(&signed.bytes)
            .map_err(crate::canonical::CanonicalError::from)?;
        if manifest.recording != recording {
            return Err(RecorderError::NotFound);
        }
        Ok(manifest)
    }

    /// The data key of a sealed recording, as wrapped and in clear: that of the manifest, whatever
    /// a store has under its name.
    pub fn keys(&self, manifest: &Manifest) -> Result<(WrappedKey, DataKey), RecorderError> {
        let recording = manifest.recording;
        if is_destroyed(self, recording)? {
            return Err(RecorderError::Destroyed);
        }
        let name = ObjectName::key(recording);
        let mut fault = None;
        for store in self.by_health() {
            let Ok(bytes) = store.get(&name, MAX_KEY) else { continue };
            let Ok(wrapped) = serde_json::from_slice::<WrappedKey>(&bytes) else { continue };
            match self.kek.unwrap(recording, &wrapped) {
                Ok(key) if key.id(recording)? == manifest.key.id => return Ok((wrapped, key)),
                Ok(_) => {}
                Err(error) => fault = Some(error),
            }
        }
        Err(fault.map_or(RecorderError::NoGoodCopy, RecorderError::Key))
    }

    /// The data key of a sealed recording.
    pub fn data_key(&self, manifest: &Manifest) -> Result<DataKey, RecorderError> {
        Ok(self.keys(manifest)?.1)
    }

    /// A sealed object as the manifest describes it, from whichever store has a good copy.
    pub fn object(&self, name: &ObjectName, object: &Sealed) -> Result<Vec<u8>, RecorderError> {
        self.by_health()
            .filter_map(|store| store.get(name, object.sealed_len.min(MAX_OBJECT)).ok())
            .find(|bytes| Sha256::of(bytes) == object.sealed_sha256)
            .ok_or(RecorderError::NoGoodCopy)
    }

    /// An init section of a track, in clear.
    pub fn init(
        &self,
        manifest: &Manifest,
        key: &DataKey,
        name: TrackName,
        hash: Sha256,
    ) -> Result<Bytes, RecorderError> {
        let track = track(manifest, name)?;
        let init = track.inits.iter().find(|init| init.object.plain_sha256 == hash);
        let init = init.ok_or(RecorderError::NotFound)?;
        let recording = manifest.recording;
        let object = ObjectName::init(recording, name, InitHash(hash.0));
        let sealed = self.object(&object, &init.object)?;
        let key = key.track(recording, name)?;
        Ok(open(&key, &init_context(recording, name, hash), &sealed)?.into())
    }

    /// One segment, in clear.
    pub fn segment(
        &self,
        manifest: &Manifest,
        key: &DataKey,
        track: TrackName,
        segment: &SegmentEntry,
    ) -> Result<Bytes, RecorderError> {
        let recording = manifest.recording;
        let name = ObjectName::segment(recording, track, segment.sequence);
        let sealed = self.object(&name, &segment.object)?;
        let key = key.track(recording, track)?;
        let context = segment_context(recording, track, segment.sequence, segment.init);
        Ok(open(&key, &context, &sealed)?.into())
    }
}

/// A track by name.
pub(crate) fn track(manifest: &Manifest, name: TrackName) -> Result<&Track, RecorderError> {
    let mut tracks = manifest.tracks.iter();
    tracks.find(|track| track.name() == name).ok_or(RecorderError::NotFound)
}

/// Segments that can be played.
pub(crate) fn playable(track: &Track) -> impl Iterator<Item = &SegmentEntry> {
    track.segments.iter().filter(|segment| !segment.lost)
}

/// The HLS playlist of a track. Addresses are `init-<n>.mp4` and `segment-<sequence>.m4s`, beside
/// the playlist's own.
pub(crate) fn playlist(track: &Track) -> String {
    let segments: Vec<_> = playable(track)
        .map(|segment| HlsSegment {
            sequence: segment.sequence,
            init: InitHash(segment.init.0),
            start: Duration::from_micros(segment.start_us),
            duration: Duration::from_micros(segment.duration_us),
            keyframe: segment.keyframe,
        })
        .collect();
    vod_playlist(&segments, |resource| match resource {
        HlsResource::Init(hash) => {
            let n = track.inits.iter().position(|init| init.object.plain_sha256.0 == hash.0);
            format!("init-{}.mp4", n.unwrap_or_default())
        }
        HlsResource::Segment(sequence) => format!("segment-{sequence}.m4s"),
    })
}

/// The line of the auditor's list.
pub(crate) fn summary(manifest: &Manifest) -> RecordingSummary {
    RecordingSummary {
        recording: manifest.recording,
        visit: manifest.visit,
        started: manifest.started_ms,
        duration_ms: manifest.duration_us / 1000,
        state: manifest.state.as_str().to_owned(),
        gap_ms: manifest.gap_us() / 1000,
    }
}

/// What a replay shows beside the media.
pub(crate) fn view(manifest: &Manifest) -> ReplayView {
    let tracks = manifest.tracks.iter().filter_map(|track| {
        let start_us = playable(track).next()?.start_us;
        let end_us = playable(track).map(|s| s.start_us.saturating_add(s.duration_us)).max()?;
        Some(ReplayTrack {
            name: track.name(),
            participant: track.participant,
            source: track.source,
            role: manifest.role(track.participant).unwrap_or("unknown").to_owned(),
            start_ms: start_us / 1000,
            duration_ms: end_us.saturating_sub(start_us) / 1000,
        })
    });
    let timeline = manifest.timeline.iter().filter_map(|entry| {
        // Events of a newer version are in the manifest, but this one cannot show them.
        let kind = serde_json::from_value(entry.event.clone()).ok()?;
        Some(ReplayEvent { offset_ms: u64::try_from(entry.offset_us / 1000).unwrap_or(0), kind })
    });
    let gaps = manifest.gaps.iter().map(|gap| ReplayGap {
        offset_ms: gap.start_us / 1000,
        duration_ms: gap.duration_us / 1000,
        participant: gap.participant,
        kind: gap.kind,
        cause: gap.cause.as_str().to_owned(),
    });
    ReplayView {
        summary: summary(manifest),
        tracks: tracks.collect(),
        timeline: timeline.collect(),
        gaps: gaps.collect(),
    }
}
