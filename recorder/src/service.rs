//! The recorder as the rest of the branch sees it.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
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
        ReplayView, StoreId, TrackName,
    },
    timeline::TimelineEvent,
};

use crate::{
    access::{AccessLeaf, log_access, open_access},
    archive::{self, Archive, spool_of},
    config::{OnEvent, RecorderConfig, RecorderHealth, RecorderPaths, StoreHealth, StoresRequired},
    disk::{Disk, OsDisk, create_dir_durable, replace_durable},
    error::RecorderError,
    keys::{DataKey, EvidenceKey, EvidencePublicKey, FileKek, KeyEncryptionKey},
    log::{EvidenceLog, note::is_origin},
    manifest::Policy,
    recording::{HEARTBEAT, OpenRecording},
    recovery::{Found, Recovery, folder_of},
    replicator::{Replicator, WINDOW, spawn_writer},
    segment::MAX_SEGMENT,
    store::{ArtifactName, FsStore, Store},
    worker::{CHORES, Message, Reply, Worker, do_chores},
};

/// Messages to the worker that may wait. Callers are told [`RecorderError::Busy`] beyond that; the
/// worker empties it every few milliseconds, so a full one means that it is stuck on its disk.
const MAX_MESSAGES: usize = 4096;
/// How long a caller waits for an object or a manifest to become durable.
const WAIT: Duration = Duration::from_secs(30);
/// How long a store may take to answer at the start; longer counts as absent.
const PROBE: Duration = Duration::from_secs(5);
/// The largest artefact: a photograph of a document.
pub const MAX_ARTIFACT: usize = 16 * 1024 * 1024;

/// What worker and callers share.
pub(crate) struct Shared {
    pub archive: Archive,
    pub log: EvidenceLog,
    pub evidence: Arc<EvidenceKey>,
    pub clock: Arc<dyn Clock>,
    pub on_event: OnEvent,
    pub stores_required: u8,
    pub spool_bytes: u64,
    pub health: Mutex<RecorderHealth>,
    pub summaries: Mutex<BTreeMap<RecordingId, RecordingSummary>>,
    /// Held as long as this process records into the folder.
    _lock: File,
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
        let wrapped = kek.wrap(recording, &key)?;
        let policy = Policy {
            stores_required: self.stores_required,
            segment_ms: u64::try_from(MAX_SEGMENT.as_millis()).unwrap_or_default(),
            heartbeat_ms: u64::try_from(HEARTBEAT.as_millis()).unwrap_or_default(),
        };
        OpenRecording::open(Arc::clone(disk), &folder, meta, key, wrapped, policy, started_at)
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
        let paths = &config.paths;
        let kek = Arc::new(open_kek(paths)?);
        let stores: [Arc<dyn Store>; 2] =
            [Arc::new(FsStore::new(&paths.store_a)), Arc::new(FsStore::new(&paths.store_b))];
        Self::start_on(config, Arc::new(OsDisk), stores, kek, clock, on_event)
    }

    /// Starts on other stores or another key-encryption key.
    pub fn start_with(
        config: &RecorderConfig,
        stores: [Arc<dyn Store>; 2],
        kek: Arc<dyn KeyEncryptionKey>,
        clock: Arc<dyn Clock>,
        on_event: OnEvent,
    ) -> Result<Self, RecorderError> {
        Self::start_on(config, Arc::new(OsDisk), stores, kek, clock, on_event)
    }

    fn start_on(
        config: &RecorderConfig,
        disk: Arc<dyn Disk>,
        stores: [Arc<dyn Store>; 2],
        kek: Arc<dyn KeyEncryptionKey>,
        clock: Arc<dyn Clock>,
        on_event: OnEvent,
    ) -> Result<Self, RecorderError> {
        if config.paths.store_a == config.paths.store_b {
            return Err(RecorderError::Config("the two stores are one folder".to_owned()));
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

    /// Enters an access into the evidence log. It is durable when this returns.
    pub fn log_access(&self, leaf: &AccessLeaf) -> Result<(), RecorderError> {
        let shared = &self.0.shared;
        log_access(&shared.archive, &shared.log, leaf)
    }

    /// Who watched or copied a recording and why, oldest first.
    pub fn accesses(&self, recording: RecordingId) -> Result<Vec<AccessLeaf>, RecorderError> {
        let shared = &self.0.shared;
        let manifest = shared.archive.manifest(recording)?;
        let key = shared.archive.data_key(&manifest)?;
        let entries = shared.log.accesses(recording)?;
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

/// The key-encryption key, made on the first start only: a new one would open none of the
/// recordings that are there, and hide that the old one is missing.
fn open_kek(paths: &RecorderPaths) -> Result<FileKek, RecorderError> {
    let path = paths.keys.join("kek.key");
    let is_recording = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.map(|entry| entry.file_name());
        name.is_ok_and(|name| name.to_str().is_some_and(|n| n.parse::<RecordingId>().is_ok()))
    };
    let has_recordings = match std::fs::read_dir(&paths.recordings) {
        Ok(mut entries) => entries.any(is_recording),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(RecorderError::io("reading recordings")(error)),
    };
    let there = path.try_exists().map_err(RecorderError::io("looking for kek.key"))?;
    if has_recordings && !there {
        let what = "kek.key is missing, but there are recordings that only it can open: restore it";
        return Err(RecorderError::Config(what.to_owned()));
    }
    Ok(FileKek::open(&path)?)
}

pub(crate) fn open_shared(
    config: &RecorderConfig,
    disk: Arc<dyn Disk>,
    stores: [Arc<dyn Store>; 2],
    kek: Arc<dyn KeyEncryptionKey>,
    clock: Arc<dyn Clock>,
    on_event: OnEvent,
) -> Result<Shared, RecorderError> {
    let paths = &config.paths;
    if !is_origin(&config.log_origin) {
        return Err(RecorderError::Config("the log's name must be one word without +".to_owned()));
    }
    let io = RecorderError::io("making the data folder");
    create_dir_durable(&*disk, &paths.recordings).map_err(io)?;
    let lock = lock_folder(&paths.recordings)?;
    let [a, b] = probe(&stores)?;
    if let (Some(a), Some(b)) = (&a, &b) {
        return Err(RecorderError::NoStore(format!("{a}; {b}")));
    }
    let troubled = [a, b].map(|trouble| AtomicBool::new(trouble.is_some()));
    let evidence = Arc::new(EvidenceKey::open(&paths.keys.join("evidence.key"))?);
    let public = evidence.public();
    replace_durable(&OsDisk, &paths.keys.join("evidence.pub"), public.to_pem().as_bytes())
        .map_err(RecorderError::io("writing evidence.pub"))?;
    let log = EvidenceLog::open(&paths.log, &config.log_origin, Arc::clone(&evidence))?;
    let archive = Archive {
        stores,
        kek,
        public,
        spool: Arc::new(FsStore::on(Arc::clone(&disk), spool_of(&paths.recordings))),
        disk,
        folder: paths.recordings.clone(),
        cache: Mutex::new(HashMap::new()),
        troubled,
    };
    let well = |store| StoreHealth { store, trouble: None, behind: 0 };
    Ok(Shared {
        archive,
        log,
        evidence,
        clock,
        on_event,
        spool_bytes: config.spool_bytes,
        stores_required: match config.stores_required {
            StoresRequired::Both => 2,
            StoresRequired::One => 1,
        },
        health: Mutex::new(RecorderHealth {
            stores: [well(StoreId::A), well(StoreId::B)],
            open: 0,
        }),
        summaries: Mutex::default(),
        _lock: lock,
    })
}

/// What is wrong with each store, found out on threads of their own: one that hangs keeps its
/// thread, and does not stop the start.
fn probe(stores: &[Arc<dyn Store>; 2]) -> Result<[Option<String>; 2], RecorderError> {
    let start = |store: &Arc<dyn Store>| {
        let (tell, answer) = sync_channel(1);
        let store = Arc::clone(store);
        std::thread::Builder::new()
            .name("store-probe".to_owned())
            .spawn(move || drop(tell.send(store.probe())))
            .map_err(RecorderError::io("starting a probe"))?;
        Ok::<_, RecorderError>(answer)
    };
    let [a, b] = stores;
    let answers = [start(a)?, start(b)?];
    Ok(answers.map(|answer| match answer.recv_timeout(PROBE) {
        Ok(result) => result.err().map(|error| error.to_string()),
        Err(_) => Some("does not answer".to_owned()),
    }))
}

/// Two recorders on one folder would recover each other's open recordings.
fn lock_folder(folder: &Path) -> Result<File, RecorderError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join("lock"))
        .map_err(RecorderError::io("opening the lock file"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RecorderError::Locked),
        Err(TryLockError::Error(source)) => {
            Err(RecorderError::Io { doing: "locking the data folder", source })
        }
    }
}

fn start_writers(
    shared: &Shared,
    messages: &SyncSender<Message>,
) -> Result<Replicator, RecorderError> {
    let [a, b] = &shared.archive.stores;
    let start = |id, store: &Arc<dyn Store>, other: &Arc<dyn Store>| {
        let (jobs, queue) = sync_channel(WINDOW);
        let messages = messages.clone();
        let report = move |done| messages.send(Message::Done(done)).is_ok();
        let spool = Arc::clone(&shared.archive.spool) as Arc<dyn Store>;
        spawn_writer(id, Arc::clone(store), [Arc::clone(other), spool], queue, report)
            .map_err(RecorderError::io("starting a store's writer"))?;
        Ok::<_, RecorderError>(jobs)
    };
    let jobs = [start(StoreId::A, a, b)?, start(StoreId::B, b, a)?];
    Ok(Replicator::new(jobs, shared.spool_bytes, shared.clock.mono()))
}
