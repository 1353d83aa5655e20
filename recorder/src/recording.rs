//! One recording while it is being made: what the tap heard goes through capture, is entered into
//! the journal, sealed, and handed on as objects for the stores.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use vbranch_domain::{
    Mono, RecordingId, TapItem, UnixMillis,
    recording::{ArtifactRef, RecordedParticipant, RecorderEvent, RecordingMeta, TrackName},
    timeline::{TimelineEvent, TimelineKind},
};

use crate::{
    canonical,
    capture::Capture,
    error::RecorderError,
    hash::Sha256,
    journal::Journal,
    keys::{DataKey, WrappedKey},
    ledger::{Entry, Ledger},
    manifest::{
        ArtifactEntry, Gap, InitEntry, Policy, Sealed, SegmentEntry, TimelineEntry,
        artifact_context, chain_next, init_context, micros, segment_context,
    },
    seal::{SealKey, seal},
    segment::{CaptureOutput, GapCause, InitSegment, Segment},
    store::{ArtifactName, ObjectName},
    tap::TapQueue,
};

/// How often the journal says that recording goes on: what a crash hides at most, beyond the open
/// segment. Shorter costs a disk flush each time.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);

/// A journal that refused is tried again after this long. Shorter loads a full disk for nothing.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Sealed bytes kept while the journal refuses, half a minute of a call at 8 Mbit/s. Beyond that
/// segments are declared lost and artefacts refused.
const MAX_KEPT: usize = 32 * 1024 * 1024;

/// An object on its way to the stores.
pub(crate) struct Outgoing {
    pub name: ObjectName,
    pub bytes: Bytes,
    /// It is a segment, and this is its number.
    pub segment: Option<(TrackName, u32)>,
}

/// See the module's documentation.
pub(crate) struct OpenRecording {
    pub ledger: Ledger,
    journal: Journal,
    capture: Capture,
    tap: Arc<TapQueue>,
    key: DataKey,
    track_keys: BTreeMap<TrackName, SealKey>,
    started_at: Mono,
    heartbeat_at: Mono,
    outgoing: Vec<Outgoing>,
    /// When to try a journal that refused again; `None` while it takes everything.
    retry_at: Option<Mono>,
    events: Vec<RecorderEvent>,
    failed: bool,
}

impl OpenRecording {
    /// Opens the journal and writes the first entry; the wrapped key goes to the stores.
    pub fn open(
        folder: &Path,
        meta: RecordingMeta,
        key: DataKey,
        wrapped: WrappedKey,
        policy: Policy,
        started_at: Mono,
    ) -> Result<Self, RecorderError> {
        let recording = meta.recording;
        let mut journal = Journal::create(&folder.join("journal"))?;
        let opened =
            Entry::Opened { meta: meta.clone(), key: wrapped.clone(), policy: policy.clone() };
        journal.append(&opened)?;
        journal.sync()?;
        let key_object = Outgoing {
            name: ObjectName::key(recording),
            bytes: canonical::to_bytes(&wrapped)?.into(),
            segment: None,
        };
        Ok(Self {
            ledger: Ledger::new(meta, wrapped, policy),
            journal,
            capture: Capture::new(started_at),
            tap: Arc::default(),
            key,
            track_keys: BTreeMap::new(),
            started_at,
            heartbeat_at: started_at,
            outgoing: vec![key_object],
            retry_at: None,
            events: Vec::new(),
            failed: false,
        })
    }

    /// The queue its tap fills.
    pub fn tap(&self) -> Arc<TapQueue> {
        Arc::clone(&self.tap)
    }

    /// Works off the tap's queue and whatever time has brought.
    pub fn tick(&mut self, now: Mono) {
        self.drain_tap();
        self.capture.handle_timeout(now);
        self.drain_capture();
        if now.since(self.heartbeat_at) >= HEARTBEAT {
            self.heartbeat_at = now;
            self.enter(Entry::Heartbeat { at_us: micros(now.since(self.started_at)) });
        }
    }

    /// Ends the recording: nothing more is heard, everything held back comes out.
    pub fn close(&mut self, at: Mono, wall: UnixMillis) {
        self.tap.close();
        self.drain_tap();
        self.capture.finish(at);
        self.drain_capture();
        let duration_us = micros(at.since(self.started_at));
        self.enter(Entry::Closed { duration_us, at_ms: wall });
    }

    /// Someone else takes part.
    pub fn add_participant(&mut self, participant: RecordedParticipant) {
        self.enter(Entry::Participant(participant));
    }

    /// Something happened.
    pub fn mark(&mut self, event: &TimelineEvent) -> Result<(), RecorderError> {
        let after = i64::try_from(micros(event.at.since(self.started_at))).unwrap_or(i64::MAX);
        let before = i64::try_from(micros(self.started_at.since(event.at))).unwrap_or(i64::MAX);
        let event = event_value(&event.kind)?;
        self.enter(Entry::Event(TimelineEntry { offset_us: after - before, event }));
        Ok(())
    }

    /// Seals an artefact; returns what to call it and the object that has to become durable.
    pub fn put_artifact(
        &mut self,
        name: ArtifactName,
        bytes: &[u8],
    ) -> Result<(ArtifactRef, ObjectName), RecorderError> {
        if self.ledger.artifacts().iter().any(|artifact| artifact.name == name) {
            return Err(RecorderError::ArtifactExists);
        }
        if self.is_full(bytes.len()) {
            return Err(RecorderError::Busy);
        }
        let recording = self.ledger.recording();
        let key = self.key.artifacts(recording)?;
        let sealed = seal(&key, &artifact_context(recording, &name), bytes)?;
        let object = describe(&sealed, bytes);
        let reference =
            ArtifactRef { name: name.to_string(), sha256: object.plain_sha256.to_string() };
        let object_name = ObjectName::artifact(recording, &name);
        self.enter(Entry::Artifact(ArtifactEntry { name, object }));
        self.send(object_name.clone(), sealed, None);
        Ok((reference, object_name))
    }

    /// Writes the journal and gives out what may now be handed to the stores. Before an object
    /// the journal is made durable, so that no store ever holds what the journal does not know;
    /// entries without objects wait for the next object's flush, which comes within seconds.
    /// While the journal refuses, objects are kept here.
    pub fn flush(&mut self, now: Mono) -> Vec<Outgoing> {
        if self.retry_at.is_some_and(|at| now < at) {
            return Vec::new();
        }
        let result =
            if self.outgoing.is_empty() { self.journal.write() } else { self.journal.sync() };
        match result {
            Ok(()) => {
                self.retry_at = None;
                std::mem::take(&mut self.outgoing)
            }
            Err(error) => {
                self.retry_at = Some(now + RETRY_AFTER);
                self.fail(&error.to_string());
                Vec::new()
            }
        }
    }

    /// Whether objects wait here for the journal.
    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether the journal refuses and no more may wait for it.
    fn is_full(&self, len: usize) -> bool {
        let kept = self.outgoing.iter().map(|outgoing| outgoing.bytes.len()).sum::<usize>();
        self.retry_at.is_some() && kept.saturating_add(len) > MAX_KEPT
    }

    /// What the branch has to be told.
    pub fn take_events(&mut self) -> Vec<RecorderEvent> {
        std::mem::take(&mut self.events)
    }

    /// A segment that no store could take: the media are gone, and that is declared.
    pub fn lose(&mut self, track: TrackName, sequence: u32) {
        let Some(gaps) = self.ledger.lose(track, sequence) else { return };
        for gap in gaps {
            self.declare(gap);
        }
        self.enter(Entry::Lost { track, sequence });
        self.fail("segments cannot be stored");
    }

    fn drain_tap(&mut self) {
        for item in self.tap.take() {
            if let TapItem::LegStarted { participant, at, .. } = &item {
                let at_us = micros(at.since(self.started_at));
                self.enter(Entry::Leg { participant: *participant, at_us });
            }
            self.capture.handle(item);
            // Taken out at once: capture holds what it finished in memory.
            self.drain_capture();
        }
    }

    fn drain_capture(&mut self) {
        while let Some(output) = self.capture.poll_output() {
            let result = match output {
                CaptureOutput::Init(init) => self.init(&init),
                CaptureOutput::Segment(segment) => self.segment(&segment),
                CaptureOutput::Gap(gap) => {
                    self.declare(Gap::from(&gap));
                    Ok(())
                }
                CaptureOutput::SenderReport(pair) => {
                    self.enter(Entry::Report((&pair).into()));
                    Ok(())
                }
                CaptureOutput::Skew(skew) => {
                    self.enter(Entry::Skew((&skew).into()));
                    Ok(())
                }
            };
            if let Err(error) = result {
                self.fail(&error.to_string());
            }
        }
    }

    fn init(&mut self, init: &InitSegment) -> Result<(), RecorderError> {
        let (recording, track) = (self.ledger.recording(), init.track);
        let known = self.ledger.tracks().find(|known| known.name() == track);
        let hash = Sha256(init.hash.0);
        if known.is_some_and(|t| t.inits.iter().any(|i| i.object.plain_sha256 == hash)) {
            return Ok(());
        }
        let context = init_context(recording, track, hash);
        let sealed = seal(self.track_key(track)?, &context, &init.bytes)?;
        let object = describe(&sealed, &init.bytes);
        let entry = InitEntry { codecs: init.codecs.clone(), object };
        self.enter(Entry::Init { track, init: entry });
        self.send(ObjectName::init(recording, track, init.hash), sealed, None);
        Ok(())
    }

    fn segment(&mut self, segment: &Segment) -> Result<(), RecorderError> {
        let (recording, track) = (self.ledger.recording(), segment.track);
        let (sequence, init) = (segment.sequence, Sha256(segment.init.0));
        let context = segment_context(recording, track, sequence, init);
        let sealed = seal(self.track_key(track)?, &context, &segment.bytes)?;
        let object = describe(&sealed, &segment.bytes);
        let entry = SegmentEntry {
            sequence,
            init,
            start_us: micros(segment.start),
            duration_us: micros(segment.duration),
            keyframe: segment.has_keyframe,
            chain: chain_next(self.ledger.chain(track), sequence, &object),
            object,
            lost: false,
        };
        metrics::counter!("vbranch_recorder_segments_total").increment(1);
        metrics::counter!("vbranch_recorder_sealed_bytes_total").increment(object.sealed_len);
        self.enter(Entry::Segment { track, segment: entry });
        if self.is_full(sealed.len()) {
            self.lose(track, sequence);
            return Ok(());
        }
        let name = ObjectName::segment(recording, track, sequence);
        self.send(name, sealed, Some((track, sequence)));
        Ok(())
    }

    fn declare(&mut self, gap: Gap) {
        metrics::counter!("vbranch_recorder_gaps_total", "cause" => gap.cause.as_str())
            .increment(1);
        self.events.push(RecorderEvent::Gap {
            recording: self.ledger.recording(),
            participant: gap.participant,
            kind: gap.kind,
            millis: gap.duration_us / 1000,
        });
        if gap.cause == GapCause::Overflow {
            tracing::warn!(recording = %self.ledger.recording(), "recorder overflow, gap declared");
        }
        self.enter(Entry::Gap(gap));
    }

    /// Journal and ledger always get the same entry.
    fn enter(&mut self, entry: Entry) {
        if let Err(error) = self.journal.append(&entry) {
            self.fail(&error.to_string());
        }
        self.ledger.apply(entry);
    }

    fn send(&mut self, name: ObjectName, sealed: Vec<u8>, segment: Option<(TrackName, u32)>) {
        self.outgoing.push(Outgoing { name, bytes: sealed.into(), segment });
    }

    fn track_key(&mut self, track: TrackName) -> Result<&SealKey, RecorderError> {
        if !self.track_keys.contains_key(&track) {
            let key = self.key.track(self.ledger.recording(), track)?;
            self.track_keys.insert(track, key);
        }
        self.track_keys.get(&track).ok_or(RecorderError::NotOpen)
    }

    /// Told once per recording; the policy above decides what becomes of the call.
    fn fail(&mut self, reason: &str) {
        if std::mem::replace(&mut self.failed, true) {
            return;
        }
        let recording: RecordingId = self.ledger.recording();
        tracing::error!(%recording, reason, "recording failed");
        self.events.push(RecorderEvent::Failed { recording, reason: reason.to_owned() });
    }
}

fn describe(sealed: &[u8], plain: &[u8]) -> Sealed {
    Sealed {
        sealed_len: sealed.len() as u64,
        sealed_sha256: Sha256::of(sealed),
        plain_len: plain.len() as u64,
        plain_sha256: Sha256::of(plain),
    }
}

/// An event as the manifest keeps it: scores rounded to six decimals, so that every reader gets
/// the same number and writes it the same way.
fn event_value(kind: &TimelineKind) -> Result<serde_json::Value, RecorderError> {
    let mut value = serde_json::to_value(kind).map_err(canonical::CanonicalError::from)?;
    round_floats(&mut value);
    Ok(value)
}

/// The largest number that six decimals leave with fifteen digits, which is what canonical JSON
/// allows. Scores and thresholds are far below.
const MAX_SCORE: f64 = 999_999_999.0;

fn round_floats(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Number(number) if number.is_f64() => {
            let score = number.as_f64().unwrap_or_default().clamp(-MAX_SCORE, MAX_SCORE);
            *value = Value::from((score * 1e6).round() / 1e6);
        }
        Value::Array(items) => items.iter_mut().for_each(round_floats),
        Value::Object(members) => members.values_mut().for_each(round_floats),
        _ => {}
    }
}

#[cfg(test)]
impl OpenRecording {
    /// From now on the journal is on another disk.
    pub fn swap_journal(&mut self, file: std::fs::File) -> std::fs::File {
        self.journal.swap_file(file)
    }
}

#[cfg(test)]
#[path = "recording_tests.rs"]
mod tests;
