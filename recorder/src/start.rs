//! What has to be there before the recorder runs: stores that answer, keys, the evidence log, and
//! nobody else in the folder.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    time::Duration,
};

use vbranch_domain::{Clock, RecordingId, recording::StoreId};

use crate::{
    archive::{Archive, spool_of},
    config::{OnEvent, RecorderConfig, RecorderHealth, RecorderPaths, StoreHealth, StoresRequired},
    disk::{Disk, OsDisk, create_dir_durable, replace_durable},
    error::RecorderError,
    keys::{EvidenceKey, FileKeys, KeyHolder},
    log::{EvidenceLog, note::is_origin},
    marks,
    replicator::{Replicator, WINDOW, spawn_writer},
    service::Shared,
    store::{FsStore, Store},
    worker::Message,
};

/// How long a store may take to answer at the start; longer counts as absent.
const PROBE: Duration = Duration::from_secs(5);

/// Both stores by their settings.
pub(crate) fn open_stores(
    config: &RecorderConfig,
    clock: &Arc<dyn Clock>,
) -> Result<[Arc<dyn Store>; 2], RecorderError> {
    let [a, b] = &config.stores;
    Ok([a.open(Arc::clone(clock))?, b.open(Arc::clone(clock))?])
}

/// The key-encryption key, made on the first start only: a new one would open none of the
/// recordings that are there, and hide that the old one is missing.
pub(crate) fn open_kek(paths: &RecorderPaths) -> Result<FileKeys, RecorderError> {
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
    Ok(FileKeys::open(&paths.keys)?)
}

pub(crate) fn open_shared(
    config: &RecorderConfig,
    disk: Arc<dyn Disk>,
    stores: [Arc<dyn Store>; 2],
    kek: Arc<dyn KeyHolder>,
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
    let there = stores.iter().zip(&troubled).filter(|(_, bad)| !bad.load(Ordering::Relaxed));
    marks::check(&log, there.map(|(store, _)| store))?;
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
        escrow: config.escrow,
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

pub(crate) fn start_writers(
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
