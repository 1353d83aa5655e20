//! The whole recorder, from tap to bundle, on real media.

mod bundle;
mod crash;
mod destroyed;
mod differential;
mod film;
mod hour;
mod killed;
mod lifecycle;
mod reconcile;
mod s3;
mod stores;
mod visit;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use vbranch_domain::{
    CallId, Clock, Mono, ParticipantId, RecordingId, SystemClock, TapItem, UnixMillis, VisitId,
    recording::{RecordedParticipant, RecorderEvent, RecordingMeta, TrackName},
};

use crate::{
    ExportOptions, Recorder, RecorderConfig, RecorderError, RecorderPaths, StoresRequired,
    keys::FileKeys,
    lifecycle::RetentionRules,
    store::{FsStore, ObjectName, Store, StoreError, StorePlace},
    test_media::{Film, Script, time_of},
};

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// When films begin.
const START: Mono = Mono::from_millis(5_000);

/// A real clock that tests can push forward.
#[derive(Clone)]
struct TestClock(SystemClock, Arc<AtomicU64>);

impl TestClock {
    fn start() -> Self {
        Self(SystemClock::start(), Arc::default())
    }

    fn advance(&self, by: Duration) {
        self.1.fetch_add(by.as_nanos() as u64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn mono(&self) -> Mono {
        let pushed = Duration::from_nanos(self.1.load(Ordering::SeqCst));
        START + self.0.mono().since(Mono::ZERO) + pushed
    }

    fn wall(&self) -> UnixMillis {
        self.0.wall()
    }
}

/// Where everything is, with stores in folders.
struct Places {
    paths: RecorderPaths,
    store_a: PathBuf,
    store_b: PathBuf,
}

impl Places {
    fn under(data: &Path) -> Self {
        let paths = RecorderPaths::under(data);
        Self { paths, store_a: data.join("store-a"), store_b: data.join("store-b") }
    }
}

impl std::ops::Deref for Places {
    type Target = RecorderPaths;

    fn deref(&self) -> &RecorderPaths {
        &self.paths
    }
}

fn config(data: &Path) -> RecorderConfig {
    let Places { paths, store_a, store_b } = Places::under(data);
    RecorderConfig {
        paths,
        stores: [StorePlace::Folder(store_a), StorePlace::Folder(store_b)],
        stores_required: StoresRequired::Both,
        spool_bytes: 1 << 30,
        escrow: None,
        retention: RetentionRules::default(),
        log_origin: "bank.example/test".to_owned(),
    }
}

/// A recorder on a folder, with what it said.
struct Rig {
    recorder: Recorder,
    events: Receiver<RecorderEvent>,
    clock: TestClock,
}

/// Starts what locks a folder. A process that another test starts holds all our locks until it has
/// become another program, also those that were just let go.
fn when_unlocked<T>(start: impl Fn() -> Result<T, RecorderError>) -> T {
    loop {
        match start() {
            Err(RecorderError::Locked) => std::thread::yield_now(),
            started => break started.unwrap(),
        }
    }
}

impl Rig {
    fn start(data: &Path) -> Self {
        when_unlocked(|| Self::try_start(data))
    }

    fn try_start(data: &Path) -> Result<Self, RecorderError> {
        let (clock, (tell, events)) = (TestClock::start(), channel());
        let on_event = Box::new(move |event| drop(tell.send(event)));
        let recorder = Recorder::start(&config(data), Arc::new(clock.clone()), on_event)?;
        Ok(Self { recorder, events, clock })
    }

    fn with_stores(data: &Path, stores: [Arc<dyn Store>; 2]) -> Self {
        let (clock, (tell, events)) = (TestClock::start(), channel());
        let config = config(data);
        let kek = Arc::new(FileKeys::open(&config.paths.keys).unwrap());
        let recorder = when_unlocked(|| {
            let (tell, clock) = (tell.clone(), Arc::new(clock.clone()));
            let on_event = Box::new(move |event| drop(tell.send(event)));
            Recorder::start_with(&config, stores.clone(), kek.clone(), clock, on_event)
        });
        Self { recorder, events, clock }
    }

    /// Waits for an event; others are passed over.
    fn wait(&self, wanted: impl Fn(&RecorderEvent) -> bool) -> RecorderEvent {
        loop {
            let event = self.events.recv_timeout(PATIENCE).expect("the event never came");
            if wanted(&event) {
                return event;
            }
        }
    }

    fn wait_first_segment(&self) {
        self.wait(|event| matches!(event, RecorderEvent::FirstSegmentDurable { .. }));
    }

    /// Records a whole call and closes it.
    fn record(&self, call: &Call) -> RecordingId {
        let mut tap = self.recorder.open(call.meta.clone(), START).unwrap();
        call.items.iter().for_each(|item| tap.push(item.clone()));
        self.wait_first_segment();
        self.recorder.close(call.meta.recording, call.end).unwrap();
        call.meta.recording
    }

    fn export(&self, recording: RecordingId, out: &Path, clear: bool) {
        let options = ExportOptions {
            by: "tester".to_owned(),
            reason: "a test of 客户".to_owned(),
            at: UnixMillis(1_700_000_000_000),
            media: clear,
            data_key: clear,
        };
        self.recorder.export(recording, out, &options).unwrap();
    }
}

const ALWAYS: std::ops::Range<f64> = 0.0..f64::MAX;
const NEVER: std::ops::Range<f64> = f64::MAX..f64::MAX;

/// A call of a customer and a member of staff.
struct Call {
    meta: RecordingMeta,
    customer: ParticipantId,
    items: Vec<TapItem>,
    end: Mono,
}

impl Call {
    fn shoot(seconds: f64) -> Self {
        let (customer, staff) = (ParticipantId::random(), ParticipantId::random());
        let films = [customer, staff].map(|who| {
            // The staff member's browser sends VP8, and a screen.
            let (vp8, screen) = if who == staff { (ALWAYS, 1.0..f64::MAX) } else { (NEVER, NEVER) };
            let clean = Script::clean(who, seconds);
            Script { start: START, vp8, screen, ..clean }.shoot()
        });
        let end = films.iter().map(|film| film.end).max().unwrap();
        let mut items: Vec<_> = films.into_iter().flat_map(|film: Film| film.items).collect();
        items.sort_by_key(time_of);
        let participant = |id, role: &str| RecordedParticipant { id, role: role.to_owned() };
        let meta = RecordingMeta {
            recording: RecordingId::random(),
            visit: VisitId::random(),
            call: CallId::random(),
            started: UnixMillis(1_700_000_000_000),
            journey: "demo-loan@1".to_owned(),
            participants: vec![participant(customer, "customer"), participant(staff, "staff")],
        };
        Self { meta, customer, items, end }
    }
}

/// How a store on command behaves.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Full,
    Hanging,
}

/// A store that fails or hangs on command.
struct MoodyStore {
    inner: FsStore,
    mood: Mutex<Mood>,
    changed: Condvar,
}

impl MoodyStore {
    fn new(root: PathBuf, mood: Mood) -> Arc<Self> {
        Arc::new(Self {
            inner: FsStore::new(root),
            mood: Mutex::new(mood),
            changed: Condvar::new(),
        })
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
        self.changed.notify_all();
    }

    fn feel(&self) -> Result<(), StoreError> {
        let mood = self.mood.lock().unwrap();
        let mood = self.changed.wait_while(mood, |mood| *mood == Mood::Hanging).unwrap();
        match *mood {
            Mood::Full => Err(StoreError::Io(std::io::ErrorKind::StorageFull.into())),
            Mood::Well | Mood::Hanging => Ok(()),
        }
    }
}

impl Store for MoodyStore {
    fn put(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), StoreError> {
        self.feel()?;
        self.inner.put(name, bytes)
    }

    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        // A full store can be read.
        let _ = self.feel();
        self.inner.get(name, limit)
    }

    fn len(&self, name: &ObjectName) -> Result<u64, StoreError> {
        self.inner.len(name)
    }

    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), StoreError> {
        self.feel()?;
        self.inner.replace(name, bytes)
    }

    fn remove(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.feel()?;
        self.inner.remove(name)
    }

    fn probe(&self) -> Result<(), StoreError> {
        self.feel()?;
        self.inner.probe()
    }
}

/// Every file below a folder, by path.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                // A file on its way in is renamed at any moment.
                if let Ok(bytes) = std::fs::read(&path) {
                    found.push((path, bytes));
                }
            }
        }
    }
    found.sort();
    found
}

/// The sealed objects of a store by name; not the log's checkpoint, nor what is being written.
fn objects(store: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let relative =
        |(path, bytes): (PathBuf, Vec<u8>)| (path.strip_prefix(store).unwrap().to_owned(), bytes);
    let is_temp = |path: &Path| path.to_str().unwrap().starts_with(".incoming-");
    let is_object = |(path, _): &(PathBuf, Vec<u8>)| !path.starts_with("log") && !is_temp(path);
    files(store).into_iter().map(relative).filter(is_object).collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
