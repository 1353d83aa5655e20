//! The films of a branch: made on threads of their own, a few at a time, kept sealed for a while.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use vbranch_domain::{
    FilmId, Mono, RecordingId,
    recording::{FilmState, FilmStatus},
};

use super::{
    FilmError, FilmOrder, Watch,
    file::{FilmSink, HEAD},
    make::{Shown, make},
    sealed::{SealedFilm, SealedWriter},
};
use crate::{
    access::{AccessKind, AccessLeaf, log_access},
    archive::Archive,
    error::RecorderError,
    hash::{Sha256, of_reader},
    keys::DataKey,
    lifecycle::is_destroyed,
    log::{EvidenceLog, LogEntry},
    manifest::Manifest,
    offline::Offline,
    service::Recorder,
};

/// Films made at a time. Each takes a core for as long as it lasts; calls come first.
pub const MAX_MAKING: usize = 2;
/// Finished films kept. Beyond, the oldest goes: each may take some hundred megabytes of the disk.
const MAX_KEPT: usize = 6;
/// A finished film is kept for so long.
const KEPT: Duration = Duration::from_secs(2 * 3_600);
/// How much a film's thread stands back behind calls (the scheduler's nice value).
const NICE: i32 = 10;

/// The films that are being made or kept. When it is dropped, nothing is left of them.
pub struct Films(Arc<Room>);

/// What callers and the threads that make films share.
struct Room {
    recorder: Recorder,
    jobs: Mutex<BTreeMap<FilmId, Job>>,
}

struct Job {
    recording: RecordingId,
    since: Mono,
    watch: Arc<Watch>,
    state: State,
}

enum State {
    Making,
    Made { film: Arc<SealedFilm>, sha256: Sha256, shown: Shown },
    Failed(String),
}

impl Films {
    /// No films yet.
    #[must_use]
    pub fn new(recorder: Recorder) -> Self {
        Self(Arc::new(Room { recorder, jobs: Mutex::default() }))
    }

    /// Begins a film. That somebody asked for it is on the evidence log when this returns. Blocks
    /// for a disk flush.
    pub fn begin(&self, recording: RecordingId, order: FilmOrder) -> Result<FilmId, FilmError> {
        let room = &self.0;
        let shared = room.recorder.shared();
        let manifest = shared.archive.manifest(recording)?;
        let id = FilmId::random();
        let watch = Arc::new(Watch::default());
        room.admit(id, recording, &watch)?;
        let key = shared.archive.data_key(&manifest);
        let logged = key.and_then(|key| log_order(&key, &shared.log, recording, &order));
        let begun = logged.and_then(|()| {
            let (maker, watch) = (Arc::clone(room), Arc::clone(&watch));
            let make = move || maker.run(id, &manifest, &order, &watch);
            let thread = std::thread::Builder::new().name("film".to_owned());
            thread.spawn(make).map_err(RecorderError::io("starting a film"))
        });
        if let Err(error) = begun {
            room.jobs().remove(&id);
            return Err(error.into());
        }
        Ok(id)
    }

    /// How a film is. `None`: there is no such film, or no longer.
    #[must_use]
    pub fn status(&self, film: FilmId) -> Option<FilmStatus> {
        self.0.let_go();
        let jobs = self.0.jobs();
        let job = jobs.get(&film)?;
        let (position_ms, total_ms) = job.watch.progress();
        let (state, sha256, len, left_out) = match &job.state {
            State::Making => (FilmState::Making, None, 0, Vec::new()),
            State::Made { film, sha256, shown } => {
                (FilmState::Made, Some(sha256.to_string()), film.len(), shown.left_out.clone())
            }
            State::Failed(why) => {
                tracing::debug!(%film, why, "a film that failed was asked after");
                (FilmState::Failed, None, 0, Vec::new())
            }
        };
        Some(FilmStatus { film, state, position_ms, total_ms, sha256, len, left_out })
    }

    /// Bytes of a finished film from `from` on: some of them, none at its end. Opened in memory.
    /// Once its recording is destroyed, nothing is left of the film either.
    pub fn read(&self, film: FilmId, from: u64) -> Result<Vec<u8>, FilmError> {
        let made = match self.0.jobs().get(&film) {
            Some(Job { recording, state: State::Made { film, .. }, .. }) => {
                Some((*recording, Arc::clone(film)))
            }
            _ => None,
        };
        let (recording, sealed) = made.ok_or(RecorderError::NotFound)?;
        if is_destroyed(&self.0.recorder.shared().archive, recording)? {
            self.discard(film);
            return Err(RecorderError::Destroyed.into());
        }
        sealed.read(from)
    }

    /// Cancels a film that is being made, or lets go of a finished one: nothing is left of it.
    pub fn discard(&self, film: FilmId) {
        self.0.discard(film);
    }
}

impl Drop for Films {
    fn drop(&mut self) {
        self.0.jobs().values().for_each(|job| job.watch.cancel());
    }
}

impl Room {
    fn discard(&self, film: FilmId) {
        if let Some(job) = self.jobs().remove(&film) {
            job.watch.cancel();
        }
    }

    fn admit(
        &self,
        id: FilmId,
        recording: RecordingId,
        watch: &Arc<Watch>,
    ) -> Result<(), FilmError> {
        self.let_go();
        let mut jobs = self.jobs();
        let making = jobs.values().filter(|job| matches!(job.state, State::Making)).count();
        if making >= MAX_MAKING {
            return Err(FilmError::Busy);
        }
        let since = self.recorder.shared().clock.mono();
        let job = Job { recording, since, watch: Arc::clone(watch), state: State::Making };
        jobs.insert(id, job);
        Ok(())
    }

    fn run(&self, id: FilmId, manifest: &Manifest, order: &FilmOrder, watch: &Watch) {
        // Of this thread only. Refused, it is as urgent as others.
        let _ = rustix::process::nice(NICE);
        let result = self.make_sealed(id, manifest, order, watch);
        let state = match result {
            Ok(state) => state,
            Err(FilmError::Cancelled) => return self.discard(id),
            Err(error) => {
                tracing::error!(film = %id, recording = %manifest.recording, %error, "no film");
                State::Failed(error.to_string())
            }
        };
        let mut jobs = self.jobs();
        if let Some(job) = jobs.get_mut(&id) {
            job.state = state;
        }
        drop(jobs);
        self.let_go();
    }

    fn make_sealed(
        &self,
        id: FilmId,
        manifest: &Manifest,
        order: &FilmOrder,
        watch: &Watch,
    ) -> Result<State, FilmError> {
        let shared = self.recorder.shared();
        let mut writer = SealedWriter::new(&shared.archive.folder, id)?;
        let shown = film(&shared.archive, manifest, order, watch, &mut writer)?;
        let sealed = writer.finish()?;
        let sha256 = sealed.sha256()?;
        if watch.is_cancelled() {
            return Err(FilmError::Cancelled);
        }
        let at = shared.clock.wall();
        log_made(&shared.archive, &shared.log, manifest, order, sha256, at)?;
        Ok(State::Made { film: Arc::new(sealed), sha256, shown })
    }

    /// Lets go of finished films that are old or too many.
    fn let_go(&self) {
        let now = self.recorder.shared().clock.mono();
        let mut jobs = self.jobs();
        let is_over = |job: &Job| !matches!(job.state, State::Making);
        jobs.retain(|_, job| !is_over(job) || now.since(job.since) < KEPT);
        let kept = jobs.iter().filter(|(_, job)| is_over(job)).map(|(id, _)| *id);
        // Ids made later sort later.
        let kept: Vec<FilmId> = kept.collect();
        for id in kept.iter().take(kept.len().saturating_sub(MAX_KEPT)) {
            jobs.remove(id);
        }
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<FilmId, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a film from the data folder into the new file `out`, in clear, also while a server is
/// running on it. Nothing is left of one that is cancelled or fails.
pub fn composite(
    office: &Offline,
    recording: RecordingId,
    out: &Path,
    order: &FilmOrder,
    watch: &Watch,
) -> Result<FilmStatus, FilmError> {
    let Offline { archive, log, .. } = office;
    let manifest = archive.manifest(recording)?;
    log_order(&archive.data_key(&manifest)?, log, recording, order)?;
    // Not for everyone: it is in clear.
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o640).open(out)?;
    let mut plain = PlainFile { file: io::BufWriter::with_capacity(1 << 20, file) };
    let made = film(archive, &manifest, order, watch, &mut plain)
        .and_then(|shown| Ok((shown, plain.finish()?)))
        .and_then(|(shown, (sha256, len))| {
            log_made(archive, log, &manifest, order, sha256, order.at)?;
            Ok((shown, sha256, len))
        });
    let (shown, sha256, len) = made.inspect_err(|_| {
        // What cannot be removed is said by the error before it.
        let _ = std::fs::remove_file(out);
    })?;
    let (position_ms, total_ms) = watch.progress();
    Ok(FilmStatus {
        film: FilmId::random(),
        state: FilmState::Made,
        position_ms,
        total_ms,
        sha256: Some(sha256.to_string()),
        len,
        left_out: shown.left_out,
    })
}

fn film(
    archive: &Archive,
    manifest: &Manifest,
    order: &FilmOrder,
    watch: &Watch,
    sink: &mut dyn FilmSink,
) -> Result<Shown, FilmError> {
    let key = archive.data_key(manifest)?;
    let open = |track, segment: &_| archive.segment(manifest, &key, track, segment);
    make(manifest, &open, order, watch, sink)
}

fn log_order(
    key: &DataKey,
    log: &EvidenceLog,
    recording: RecordingId,
    order: &FilmOrder,
) -> Result<(), RecorderError> {
    let leaf = AccessLeaf {
        kind: AccessKind::Film,
        user: order.user.clone(),
        recording,
        reason: order.reason.clone(),
        at: order.at,
    };
    log_access(Some(key), log, &leaf)
}

fn log_made(
    archive: &Archive,
    log: &EvidenceLog,
    manifest: &Manifest,
    order: &FilmOrder,
    sha256: Sha256,
    at_ms: vbranch_domain::UnixMillis,
) -> Result<(), RecorderError> {
    let recording = manifest.recording;
    let manifest_sha256 = Sha256::of(&archive.signed_manifest(recording)?.bytes);
    let user = order.user.clone();
    log.append(&LogEntry::FilmMade { recording, manifest_sha256, sha256, user, at_ms })?;
    Ok(())
}

/// A film in clear, in a file of whoever asked for it.
struct PlainFile {
    file: io::BufWriter<File>,
}

impl PlainFile {
    fn finish(self) -> Result<(Sha256, u64), FilmError> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(of_reader(file)?)
    }
}

impl FilmSink for PlainFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn patch(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset.saturating_add(bytes.len() as u64) > HEAD as u64 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.write_all(bytes)?;
        self.file.seek(SeekFrom::End(0)).map(drop)
    }
}
