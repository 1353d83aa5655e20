//! The recorder as the rest of the branch sees it.

use std::{
    collections::BTreeMap,
    fs::File,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::Ordering,
        mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use vbranch_domain::{
    Clock, Mono, RecordingId, Tap,
    recording::{
        ArtifactRef, RecordedParticipant, RecorderEvent, RecordingMeta, RecordingSummary,
        ReplayView, TrackName,
    },
    timeline::TimelineEvent,
};

use crate::{
    access::{AccessLeaf, log_access, open_access},
    archive::{self, Archive},
    config::{OnEvent, RecorderConfig, RecorderHealth},
    disk::{Disk, OsDisk},
    error::RecorderError,
    keys::{DataKey, EscrowPublicKey, EvidenceKey, EvidencePublicKey, KeyHolder, wrap_for_all},
    log::EvidenceLog,
    manifest::Policy,
    recording::{HEARTBEAT, OpenRecording},
    recovery::{Found, Recovery, folder_of},
    segment::MAX_SEGMENT,
    start::{open_kek, open_shared, open_stores, start_writers},
    store::{ArtifactName, Store},
    worker::{CHORES, Message, Reply, Worker, do_chores},
};

/// Messages to the worker that may wait. Callers are told [`RecorderError::Busy`] beyond that; the
/// worker empties it every few milliseconds, so a full one means that it is stuck on its disk.
const MAX_MESSAGES: usize = 4096;
/// How long a caller waits for an object or a manifest to become durable.
const WAIT: Duration = Duration::from_secs(30);
/// The largest artefact: a photograph of a document.
pub const MAX_ARTIFACT: usize = 16 * 1024 * 1024;

/// What worker and callers share.
pub(crate) struct Shared {
    pub archive: Archive,
    pub log: EvidenceLog,
    pub evidence: Arc<EvidenceKey>,
    pub clock: Arc<dyn Clock>,
    pub on_event: OnEvent,
    /// Whoever gets a copy of each data key.
    pub escrow: Option<EscrowPublicKey>,
    pub stores_required: u8,
    pub spool_bytes: u64,
    pub health: Mutex<RecorderHealth>,
    pub summaries: Mutex<BTreeMap<RecordingId, RecordingSummary>>,
    /// Held as long as this process records into the folder.
    pub _lock: File,
}

impl Shared {
    /// Seals what a crash left open.
    pub fn recover(&self) -> Result<Found, RecorderError> {
        let recovery = Recovery {
            archive: &self.archive,
            log: &self.log,
            key: &self.evidence,
            now: self.clock.wall(),
            reachable: self.archive.troubled.each_ref().map(|flag| !flag.load(Ordering::Relaxed)),
        };
        recovery.run()
    }

    /// Makes the folder, key and journal of a new recording.
    pub fn open(
        &self,
        meta: RecordingMeta,
        started_at: Mono,
    ) -> Result<OpenRecording, RecorderError> {
        let Archive { disk, kek, folder, .. } = &self.archive;
        let recording = meta.recording;
        let folder = folder_of(folder, recording);
        // Made by whoever comes first.
        match disk.create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(RecorderError::Exists);
            }
            other => other.map_err(RecorderError::io("opening a recording"))?,
        }
        disk.sync_dir(&self.archive.folder).map_err(RecorderError::io("opening a recording"))?;
        let key = DataKey::random()?;
        let wrapped = wrap_for_all(&**kek, self.escrow.as_ref(), recording, &key)?;
        let policy = Policy {
            stores_required: self.stores_required,
            segment_ms: u64::try_from(MAX_SEGMENT.as_millis()).unwrap_or_default(),
            heartbeat_ms: u64::try_from(HEARTBEAT.as_millis()).unwrap_or_default(),
        };
        let key = (key, wrapped);
        OpenRecording::open(Arc::clone(disk), &folder, meta, key, policy, started_at)
    }

    pub fn summaries(&self) -> MutexGuard<'_, BTreeMap<RecordingId, RecordingSummary>> {
        self.summaries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The recorder. Calls block for as long as a disk takes (see each); from async code, call them
/// where blocking is allowed. Copies share one recorder, which stops with the last of them.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    messages: SyncSender<Message>,
    /// The worker and the thread that does its chores.
    threads: Vec<JoinHandle<()>>,
    recovered: Vec<RecordingId>,
}

impl Recorder {
    /// Starts on the file system: makes keys on the first start, seals what a crash left open.
    /// Returns when the recovered recordings are sealed (or after half a minute at the latest).
    pub fn start(
        config: &RecorderConfig,
        clock: Arc<dyn Clock>,
        on_event: OnEvent,
    ) -> Result<Self, RecorderError> {
        let kek = Arc::new(open_kek(&config.paths)?);
        let stores = open_stores(config, &clock)?;
        Self::start_on(config, Arc::new(OsDisk), stores, kek, clock, on_event)
    }

    /// Starts on other stores or another key-encryption key.
    pub fn start_with(
        config: &RecorderConfig,
        stores: [Arc<dyn Store>; 2],
        kek: Arc<dyn KeyHolder>,
        clock: Arc<dyn Clock>,
        on_event: OnEvent,
    ) -> Result<Self, RecorderError> {
        Self::start_on(config, Arc::new(OsDisk), stores, kek, clock, on_event)
    }

    fn start_on(
        config: &RecorderConfig,
        disk: Arc<dyn Disk>,
        stores: [Arc<dyn Store>; 2],
        kek: Arc<dyn KeyHolder>,
        clock: Arc<dyn Clock>,
        on_event: OnEvent,
    ) -> Result<Self, RecorderError> {
        let [a, b] = &config.stores;
        if a == b {
            return Err(RecorderError::Config("the two stores are one place".to_owned()));
        }
        let shared = open_shared(config, disk, stores, kek, clock, on_event)?;
        let found = shared.recover()?;
        for (recording, reason) in found.failed {
            (shared.on_event)(RecorderEvent::Failed { recording, reason });
        }
        shared.summaries().extend(found.sealed.into_iter().map(|line| (line.recording, line)));
        let shared = Arc::new(shared);
        let (messages, inbox) = sync_channel(MAX_MESSAGES);
        let replicator = start_writers(&shared, &messages)?;
        let (chores, to_do) = sync_channel(CHORES);
        let worker = Worker::new(Arc::clone(&shared), inbox, replicator, chores);
        let report = messages.clone();
        let threads = vec![
            spawn("recorder", move || worker.run())?,
            spawn("recorder-disk", move || do_chores(&to_do, |done| report.send(done).is_ok()))?,
        ];
        let inner = Inner { shared, messages, threads, recovered: found.recovered };
        let recorder = Self(Arc::new(inner));
        let closed = found.unfinished;
        match recorder.ask(|reply| Message::Adopt { closed, reply }) {
            Err(RecorderError::Timeout) => {
                tracing::warn!("recovered recordings are not sealed yet")
            }
            other => other?,
        }
        Ok(recorder)
    }

    /// Recordings that the last crash cut off, now sealed with the loss declared.
    #[must_use]
    pub fn recovered(&self) -> &[RecordingId] {
        &self.0.recovered
    }

    /// Opens a recording whose offsets count from `started_at`. Blocks for a few disk flushes.
    pub fn open(
        &self,
        meta: RecordingMeta,
        started_at: Mono,
    ) -> Result<Box<dyn Tap>, RecorderError> {
        let open = Box::new(self.0.shared.open(meta, started_at)?);
        self.ask(|reply| Message::Open { open, reply })
    }

    /// Someone else takes part. Does not block.
    pub fn add_participant(
        &self,
        recording: RecordingId,
        participant: RecordedParticipant,
    ) -> Result<(), RecorderError> {
        self.tell(Message::AddParticipant { recording, participant })
    }

    /// Something happened in the visit. Does not block; on the journal within milliseconds.
    pub fn mark(&self, recording: RecordingId, event: TimelineEvent) -> Result<(), RecorderError> {
        self.tell(Message::Mark { recording, event: Box::new(event) })
    }

    /// Seals a still or a signature. Blocks until it is durable.
    pub fn put_artifact(
        &self,
        recording: RecordingId,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<ArtifactRef, RecorderError> {
        let name =
            ArtifactName::try_from(name.to_owned()).map_err(|_| RecorderError::BadArtifact)?;
        if bytes.is_empty() || bytes.len() > MAX_ARTIFACT {
            return Err(RecorderError::BadArtifact);
        }
        self.ask(|reply| Message::PutArtifact { recording, name, bytes, reply })
    }

    /// Closes a recording: everything is sealed, the manifest signed, logged and durable when this
    /// returns. Closing again waits for the same. After [`RecorderError::Timeout`] the recorder
    /// goes on trying by itself.
    pub fn close(&self, recording: RecordingId, at: Mono) -> Result<(), RecorderError> {
        self.ask(|reply| Message::Close { recording, at, reply })
    }

    /// Closes everything that is open and waits until it is sealed, for a graceful shutdown.
    pub fn close_all(&self) -> Result<(), RecorderError> {
        let at = self.0.shared.clock.mono();
        self.ask(|reply| Message::CloseAll { at, reply })
    }

    /// How the recorder is. Does not block.
    #[must_use]
    pub fn health(&self) -> RecorderHealth {
        self.0.shared.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All sealed recordings, newest first. Does not block.
    #[must_use]
    pub fn list(&self) -> Vec<RecordingSummary> {
        let mut lines: Vec<_> = self.0.shared.summaries().values().cloned().collect();
        lines.sort_by_key(|line| std::cmp::Reverse((line.started, line.recording)));
        lines
    }

    /// What a replay shows beside the media. Reads the manifest.
    pub fn view(&self, recording: RecordingId) -> Result<ReplayView, RecorderError> {
        Ok(archive::view(&*self.0.shared.archive.manifest(recording)?))
    }

    /// The HLS playlist of one track. Its addresses are `init-<n>.mp4` and
    /// `segment-<sequence>.m4s`, beside its own.
    pub fn playlist(
        &self,
        recording: RecordingId,
        track: TrackName,
    ) -> Result<String, RecorderError> {
        let manifest = self.0.shared.archive.manifest(recording)?;
        Ok(archive::playlist(archive::track(&manifest, track)?))
    }

    /// The n-th init section of a track, decrypted in memory.
    pub fn init_section(
        &self,
        recording: RecordingId,
        track: TrackName,
        n: u32,
    ) -> Result<Bytes, RecorderError> {
        let archive = &self.0.shared.archive;
        let manifest = archive.manifest(recording)?;
        let found = archive::track(&manifest, track)?;
        let index = usize::try_from(n).map_err(|_| RecorderError::NotFound)?;
        let init = found.inits.get(index).ok_or(RecorderError::NotFound)?;
        let key = archive.data_key(&manifest)?;
        archive.init(&manifest, &key, track, init.object.plain_sha256)
    }

    /// One segment of a track, decrypted in memory.
    pub fn segment(
        &self,
        recording: RecordingId,
        track: TrackName,
        sequence: u32,
    ) -> Result<Bytes, RecorderError> {
        let archive = &self.0.shared.archive;
        let manifest = archive.manifest(recording)?;
        let found = archive::track(&manifest, track)?;
        let mut segments = archive::playable(found);
        let segment = segments.find(|s| s.sequence == sequence).ok_or(RecorderError::NotFound)?;
        let key = archive.data_key(&manifest)?;
        archive.segment(&manifest, &key, track, segment)
    }

    /// What of the recording a segment holds, in milliseconds from its start.
    pub fn segment_span(
        &self,
        recording: RecordingId,
        track: TrackName,
        sequence: u32,
    ) -> Result<Range<u64>, RecorderError> {
        let manifest = self.0.shared.archive.manifest(recording)?;
        let mut segments = archive::playable(archive::track(&manifest, track)?);
        let segment = segments.find(|s| s.sequence == sequence).ok_or(RecorderError::NotFound)?;
        let end = segment.start_us.saturating_add(segment.duration_us);
        Ok(segment.start_us / 1000..end.div_ceil(1000))
    }

    /// Enters an access into the evidence log. It is durable when this returns.
    pub fn log_access(&self, leaf: &AccessLeaf) -> Result<(), RecorderError> {
        let Shared { archive, log, .. } = &*self.0.shared;
        let key = archive.data_key(&*archive.manifest(leaf.recording)?)?;
        log_access(Some(&key), log, leaf)
    }

    /// Who watched or copied a recording and why, oldest first.
    pub fn accesses(&self, recording: RecordingId) -> Result<Vec<AccessLeaf>, RecorderError> {
        let shared = &self.0.shared;
        let manifest = shared.archive.manifest(recording)?;
        let key = shared.archive.data_key(&manifest)?;
        let entries = shared.log.entries_of(recording)?;
        Ok(entries.into_iter().filter_map(|entry| open_access(&key, entry)).collect())
    }

    /// What auditors check this branch's signatures with.
    #[must_use]
    pub fn public_key(&self) -> EvidencePublicKey {
        self.0.shared.archive.public
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    fn tell(&self, message: Message) -> Result<(), RecorderError> {
        self.0.messages.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => RecorderError::Busy,
            TrySendError::Disconnected(_) => RecorderError::Stopped,
        })
    }

    fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, RecorderError> {
        let (reply, answer) = sync_channel(1);
        self.tell(message(reply))?;
        match answer.recv_timeout(WAIT) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(RecorderError::Timeout),
            Err(RecvTimeoutError::Disconnected) => Err(RecorderError::Stopped),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A full inbox is emptied within milliseconds by a worker that is alive.
        let _ = self.messages.send(Message::Stop);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, RecorderError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(RecorderError::io("starting the recorder"))
}
