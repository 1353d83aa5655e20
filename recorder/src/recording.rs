//! One recording while it is being made: what the tap heard goes through capture, is entered into
//! the journal, sealed, and handed on as objects for the stores.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use vbranch_domain::{
    Mono, RecordingId, TapItem, UnixMillis,
    recording::{ArtifactRef, RecordedParticipant, RecorderEvent, RecordingMeta, TrackName},
    timeline::{TimelineEvent, TimelineKind},
};

use crate::{
    canonical,
    capture::Capture,
    disk::{Disk, DiskFile, create_dir_durable},
    error::RecorderError,
    hash::Sha256,
    journal::{self, Journal},
    keys::{DataKey, WrappedKey},
    ledger::{Entry, Ledger},
    manifest::{
        ArtifactEntry, Gap, InitEntry, Policy, Sealed, SegmentEntry, TimelineEntry,
        artifact_context, chain_next, init_context, micros, segment_context,
    },
    seal::{SealKey, seal},
    segment::{CaptureOutput, GapCause, InitHash, InitSegment, Segment, TailEnd, TailRecord},
    store::{ArtifactName, ObjectName},
    tail::Tails,
    tap::TapQueue,
};

/// A sign of life is on the local disk at least this often: what a killed process hides at most,
/// beyond the tails. The worker aims for [`SIGN_EVERY`].
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(200);
/// How often something is written down that says that recording goes on. Longer blurs when the
/// process was killed; shorter costs a write each time.
const SIGN_EVERY: Duration = Duration::from_millis(100);
/// How often what was written is flushed although no object waits for it: with the time a flush
/// takes, what a power cut costs. Shorter costs two disk flushes a track each time.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// A flush that takes longer than this is told: the disk hangs.
const SYNC_HANGS: Duration = Duration::from_secs(5);

/// A journal or tail that refused is tried again after this long. Longer costs more in a kill after
/// a passing error, shorter loads a full disk for nothing.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Sealed bytes kept until the journal knows of them, half a minute of a call at 8 Mbit/s. Beyond
/// that segments are declared lost and artefacts refused.
const MAX_KEPT: usize = 32 * 1024 * 1024;

/// An object on its way to the stores.
pub(crate) struct Outgoing {
    pub name: ObjectName,
    pub bytes: Bytes,
    /// It is a segment, and this is its number.
    pub segment: Option<(TrackName, u32)>,
}

/// Files to flush, done where waiting for a disk holds nobody up.
pub(crate) struct SyncWork {
    disk: Arc<dyn Disk>,
    files: Vec<Arc<dyn DiskFile>>,
    rename: Option<(PathBuf, PathBuf)>,
    folders: Vec<PathBuf>,
}

impl SyncWork {
    /// Waits until everything is on the disk.
    pub fn run(self) -> std::io::Result<()> {
        self.files.iter().try_for_each(|file| file.sync())?;
        if let Some((from, to)) = &self.rename {
            self.disk.rename(from, to)?;
        }
        self.folders.iter().try_for_each(|folder| self.disk.sync_dir(folder))
    }
}

/// A flush under way.
struct Syncing {
    /// How many of the outgoing objects the journal knows of when it is done.
    covers: usize,
    since: Mono,
}

/// See the module's documentation.
pub(crate) struct OpenRecording {
    pub ledger: Ledger,
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    journal: Journal,
    /// A flush of the journal failed: it is written anew before anything else.
    journal_in_doubt: bool,
    /// The journal was written anew and has not got its name yet.
    renaming: bool,
    tails: Tails,
    capture: Capture,
    tap: Arc<TapQueue>,
    key: DataKey,
    track_keys: BTreeMap<TrackName, SealKey>,
    started_at: Mono,
    records: Vec<TailRecord>,
    /// The last sign of life, and the last in the journal.
    alive_at: Mono,
    heartbeat_at: Mono,
    syncing: Option<Syncing>,
    synced_at: Mono,
    outgoing: Vec<Outgoing>,
    /// When to try a journal that refused again; `None` while it takes everything.
    retry_at: Option<Mono>,
    /// The same for tails.
    tails_retry_at: Option<Mono>,
    events: Vec<RecorderEvent>,
    failed: bool,
}

impl OpenRecording {
    /// Opens the journal and writes the first entry; the wrapped key goes to the stores. Blocks
    /// for a few disk flushes.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        meta: RecordingMeta,
        (key, wrapped): (DataKey, WrappedKey),
        policy: Policy,
        started_at: Mono,
    ) -> Result<Self, RecorderError> {
        let recording = meta.recording;
        let io = || RecorderError::io("opening a recording");
        create_dir_durable(&*disk, folder).map_err(io())?;
        let tails = Tails::create(Arc::clone(&disk), recording, folder)?;
        let mut journal = Journal::create(&*disk, &journal::path(folder))?;
        let ledger = Ledger::new(meta, wrapped.clone(), policy, disk.boot());
        for entry in ledger.entries() {
            journal.append(&entry)?;
        }
        journal.write()?;
        journal.file().sync().map_err(io())?;
        disk.sync_dir(folder).map_err(io())?;
        let key_object = Outgoing {
            name: ObjectName::key(recording),
            bytes: canonical::to_bytes(&wrapped)?.into(),
            segment: None,
        };
        Ok(Self {
            ledger,
            disk,
            folder: folder.to_owned(),
            journal,
            journal_in_doubt: false,
            renaming: false,
            tails,
            capture: Capture::new(started_at),
            tap: Arc::default(),
            key,
            track_keys: BTreeMap::new(),
            started_at,
            records: Vec::new(),
            alive_at: started_at,
            heartbeat_at: started_at,
            syncing: None,
            synced_at: started_at,
            outgoing: vec![key_object],
            retry_at: None,
            tails_retry_at: None,
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

    /// Hands everything new to the system, where a killed process cannot lose it: first the tails,
    /// then the journal.
    pub fn write(&mut self, now: Mono) {
        self.write_tails(now);
        let quiet = now.since(self.alive_at) >= SIGN_EVERY;
        if quiet || now.since(self.heartbeat_at) >= SYNC_EVERY {
            (self.alive_at, self.heartbeat_at) = (now, now);
            if !self.ledger.is_closed() {
                self.enter(Entry::Heartbeat { at_us: micros(now.since(self.started_at)) });
            }
        }
        if self.is_waiting(now) {
            return;
        }
        if let Err(error) = self.journal.write() {
            self.refused(&error.to_string(), now);
        }
    }

    /// What has to be flushed now. Before an object goes to the stores its journal entry is
    /// durable, so that no store ever holds what the journal does not know.
    pub fn sync(&mut self, now: Mono) -> Option<SyncWork> {
        if let Some(Syncing { since, .. }) = self.syncing {
            if now.since(since) >= SYNC_HANGS {
                self.fail("the local disk does not answer");
            }
            return None;
        }
        let is_due = now.since(self.synced_at) >= SYNC_EVERY;
        if self.is_waiting(now) || (self.outgoing.is_empty() && !is_due) {
            return None;
        }
        if self.journal_in_doubt
            && let Err(error) = self.rewrite_journal()
        {
            self.refused(&error.to_string(), now);
            return None;
        }
        if !self.journal.is_written() {
            return None;
        }
        self.syncing = Some(Syncing { covers: self.outgoing.len(), since: now });
        let mut files = self.tails.take_unsynced();
        let mut folders = Vec::new();
        if !files.is_empty() {
            folders.push(self.tails.folder().to_owned());
        }
        files.push(self.journal.file());
        let rename = self.renaming.then(|| {
            folders.push(self.folder.clone());
            (journal::new_path(&self.folder), journal::path(&self.folder))
        });
        Some(SyncWork { disk: Arc::clone(&self.disk), files, rename, folders })
    }

    /// The flush is over: what may now be handed to the stores.
    pub fn synced(&mut self, result: std::io::Result<()>, now: Mono) -> Vec<Outgoing> {
        let covers = self.syncing.take().map_or(0, |syncing| syncing.covers);
        match result {
            Ok(()) => {
                (self.renaming, self.retry_at, self.synced_at) = (false, None, now);
                self.outgoing.drain(..covers.min(self.outgoing.len())).collect()
            }
            Err(error) => {
                // Nothing is known of what was flushed; flushing it again would prove nothing.
                self.journal_in_doubt = true;
                self.tails.distrust();
                self.capture.tell_all_again();
                self.refused(&format!("local disk: {}", error.kind()), now);
                Vec::new()
            }
        }
    }

    /// Lets go of the tails of segments that are in a store, with all they need.
    pub fn let_go(&mut self, is_stored: impl Fn(&ObjectName) -> bool) {
        if !self.journal.is_written() || self.journal_in_doubt {
            return;
        }
        let Self { outgoing, ledger, tails, .. } = self;
        let recording = ledger.recording();
        let is_safe = |name: &ObjectName| {
            !outgoing.iter().any(|object| object.name == *name) && is_stored(name)
        };
        tails.let_go(|track, sequence| {
            ledger.segment(track, sequence).is_some_and(|segment| {
                let init = ObjectName::init(recording, track, InitHash(segment.init.0));
                let name = ObjectName::segment(recording, track, sequence);
                segment.lost || (is_safe(&init) && is_safe(&name))
            })
        });
    }

    fn write_tails(&mut self, now: Mono) {
        if self.tails_retry_at.is_none_or(|at| now >= at) {
            self.tails_retry_at = None;
            self.records.extend(self.capture.tell(now));
        }
        // What begins first: a frame that moves to the next segment is in both tails, not in none.
        self.records.sort_by_key(|record| !record.fresh);
        let at_us = micros(now.since(self.started_at));
        for record in std::mem::take(&mut self.records) {
            match self.tails.write(&record, &self.key, at_us) {
                Ok(()) => self.alive_at = now,
                Err(error) => {
                    metrics::counter!("vbranch_recorder_tail_failures_total").increment(1);
                    if record.end == TailEnd::Open {
                        self.capture.tell_again(record.track);
                    }
                    self.tails_retry_at = Some(now + RETRY_AFTER);
                    self.fail(&error.to_string());
                }
            }
        }
    }

    fn rewrite_journal(&mut self) -> Result<(), RecorderError> {
        let path = journal::new_path(&self.folder);
        self.journal = Journal::rewrite(&*self.disk, &path, self.ledger.entries())?;
        (self.journal_in_doubt, self.renaming) = (false, true);
        Ok(())
    }

    fn refused(&mut self, reason: &str, now: Mono) {
        self.retry_at = Some(now + RETRY_AFTER);
        self.fail(reason);
    }

    /// Whether the journal refused and is not tried again yet.
    fn is_waiting(&self, now: Mono) -> bool {
        self.retry_at.is_some_and(|at| now < at)
    }

    /// Whether objects wait here for the journal.
    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether no more may wait for the journal.
    fn is_full(&self, len: usize) -> bool {
        let kept = self.outgoing.iter().map(|outgoing| outgoing.bytes.len()).sum::<usize>();
        kept.saturating_add(len) > MAX_KEPT
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
                CaptureOutput::Tail(record) => {
                    self.records.push(record);
                    Ok(())
                }
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

/// What a manifest says of a sealed object.
pub(crate) fn describe(sealed: &[u8], plain: &[u8]) -> Sealed {
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
#[path = "recording_tests.rs"]
mod tests;
