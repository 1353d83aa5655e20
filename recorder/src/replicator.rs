//! Brings every object into both stores. Each store is written by a thread of its own behind a
//! bounded queue, so that a full or hanging one cannot hold up the other; what it missed is copied
//! from the healthy one later.
//!
//! [`Replicator`] is the bookkeeping: it decides what to write next and who is in trouble. The
//! threads in [`spawn_writer`] do the writing and report back.

mod spool;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError},
    },
    time::Duration,
};

use bytes::Bytes;
use vbranch_domain::{Mono, RecordingId, recording::StoreId};

use self::spool::Spool;
use crate::{
    hash::Sha256,
    store::{MAX_OBJECT, ObjectName, Store, StoreError},
};

/// Writes handed to a store's thread at a time. More would only wait there instead of here.
pub(crate) const WINDOW: usize = 4;
/// A write that takes longer than this is an alarm. Together with the worker's tick well inside
/// the 10 s within which a failure must be known.
const HANG_AFTER: Duration = Duration::from_secs(5);
/// How soon a failed store is tried again. Shorter loads a full disk for nothing, longer delays
/// the catch-up.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Sealed bytes kept in memory for stores that have not taken them. When full, bytes that one
/// store or the working folder has are let go (and copied later); new objects are refused only when
/// neither store takes anything and the working folder's budget is used up, and the recorder then
/// declares a gap.
const MAX_HELD: usize = 64 * 1024 * 1024;
/// How soon an object that could not be replicated is tried again: someone may have repaired it.
const SET_ASIDE: Duration = Duration::from_secs(60);
/// Objects one store may be behind, by name only (some 200 B each): about an hour of a hundred
/// calls. Beyond, the rest is caught up after the next start.
const MAX_BACKLOG: usize = 400_000;

/// Work for a store's thread.
pub(crate) enum Job {
    /// Find out whether it takes writes.
    Probe,
    /// Store this.
    Put(ObjectName, Bytes),
    /// Put this in place of the copy of the log's checkpoint.
    Mark(Bytes),
    /// Store what another place has under this name, if it has this hash.
    Copy(Source, ObjectName, Sha256),
}

/// Where an object is copied from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The other store.
    Other,
    /// The working folder.
    Spool,
}

/// A store's thread has done one job.
pub(crate) struct Done {
    pub store: StoreId,
    pub result: Result<(), Fault>,
}

/// Why a job was not done, by whose fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The store does not take writes.
    #[error(transparent)]
    Store(StoreError),
    /// The store is well, but another object of that name is there. It is never overwritten.
    #[error("another object of that name is there")]
    Conflict,
    /// Where it should be copied from there is no good copy of the object.
    #[error("there is no good copy to be had: {0}")]
    Source(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Conflict,
            other => Self::Store(other),
        }
    }
}

/// An object found after a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundObject {
    pub name: ObjectName,
    pub hash: Sha256,
    /// Which stores have it.
    pub has: [bool; 2],
    /// Its length, where the working folder has it.
    pub spooled: Option<u64>,
}

/// What changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Degraded(StoreId, String),
    Recovered(StoreId),
}

/// The thread body of one store: does jobs in order until the queue's other end is gone.
pub(crate) fn spawn_writer(
    id: StoreId,
    store: Arc<dyn Store>,
    sources: [Arc<dyn Store>; 2],
    jobs: Receiver<Job>,
    report: impl Fn(Done) -> bool + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let name = format!("store-{}", store_word(id));
    std::thread::Builder::new().name(name).spawn(move || {
        for job in jobs {
            let [other, spool] = &sources;
            let result = do_job(job, &*store, &**other, &**spool);
            if !report(Done { store: id, result }) {
                break;
            }
        }
    })
}

/// Does one job of a store.
pub(crate) fn do_job(
    job: Job,
    store: &dyn Store,
    other: &dyn Store,
    spool: &dyn Store,
) -> Result<(), Fault> {
    match job {
        Job::Probe => store.probe().map_err(Fault::Store),
        Job::Mark(note) => store.replace(&ObjectName::checkpoint(), &note).map_err(Fault::Store),
        Job::Put(name, bytes) => store.put(&name, &bytes).map_err(Fault::from),
        Job::Copy(Source::Other, name, hash) => copy(other, store, &name, hash),
        Job::Copy(Source::Spool, name, hash) => copy(spool, store, &name, hash),
    }
}

fn copy(from: &dyn Store, to: &dyn Store, name: &ObjectName, hash: Sha256) -> Result<(), Fault> {
    let bytes = from.get(name, MAX_OBJECT).map_err(Fault::Source)?;
    if Sha256::of(&bytes) != hash {
        return Err(Fault::Source(StoreError::NotFound));
    }
    to.put(name, &bytes).map_err(Fault::from)
}

pub(crate) const fn store_word(id: StoreId) -> &'static str {
    match id {
        StoreId::A => "a",
        StoreId::B => "b",
    }
}

/// An object that is not in both stores yet.
struct Object {
    recording: RecordingId,
    hash: Sha256,
    bytes: Option<Bytes>,
    has: [bool; 2],
    /// Its length, once the working folder has it, flushed.
    spooled: Option<u64>,
}

impl Object {
    /// Whether it is in no danger without the bytes in memory.
    fn is_kept(&self) -> bool {
        self.has.contains(&true) || self.spooled.is_some()
    }
}

struct Side {
    id: StoreId,
    jobs: SyncSender<Job>,
    backlog: VecDeque<ObjectName>,
    /// The newest checkpoint, until it is handed over. A store in trouble gets it when it is well.
    mark: Option<Bytes>,
    /// Handed over and not reported: the name (none for a probe or a mark) and since when.
    in_flight: VecDeque<(Option<ObjectName>, Mono)>,
    /// Objects that cannot be replicated now through no fault of this store, and when each is
    /// tried again. They hold up neither the other objects nor anybody who waits.
    set_aside: VecDeque<(ObjectName, Mono)>,
    trouble: Option<Trouble>,
    /// It is so far behind that names were let go of.
    overrun: bool,
}

struct Trouble {
    reason: String,
    retry_at: Mono,
}

/// See the module's documentation.
pub(crate) struct Replicator {
    sides: [Side; 2],
    objects: HashMap<ObjectName, Object>,
    of_recording: HashMap<RecordingId, usize>,
    spool: Spool,
    held: usize,
    changes: Vec<Change>,
}

impl Replicator {
    /// Starts with a probe of both stores.
    pub fn new(jobs: [SyncSender<Job>; 2], spool_bytes: u64, now: Mono) -> Self {
        let [a, b] = jobs;
        let side = |id, jobs: SyncSender<Job>| Side {
            id,
            jobs,
            backlog: VecDeque::new(),
            mark: None,
            in_flight: VecDeque::new(),
            set_aside: VecDeque::new(),
            trouble: None,
            overrun: false,
        };
        let mut this = Self {
            sides: [side(StoreId::A, a), side(StoreId::B, b)],
            objects: HashMap::new(),
            of_recording: HashMap::new(),
            spool: Spool::new(spool_bytes),
            held: 0,
            changes: Vec::new(),
        };
        this.sides.iter_mut().for_each(|side| side.send(None, Job::Probe, now));
        this
    }

    /// Whether an object of this size can be taken now.
    pub fn has_room(&mut self, len: usize) -> bool {
        if self.held.saturating_add(len) > MAX_HELD {
            for object in self.objects.values_mut().filter(|object| object.is_kept()) {
                self.held -= object.bytes.take().map_or(0, |bytes| bytes.len());
            }
        }
        self.held.saturating_add(len) <= MAX_HELD
    }

    /// Takes an object for both stores.
    pub fn put(&mut self, recording: RecordingId, name: ObjectName, bytes: Bytes, now: Mono) {
        self.held = self.held.saturating_add(bytes.len());
        let hash = Sha256::of(&bytes);
        let (has, spooled) = ([false; 2], None);
        self.spool.wait(name.clone());
        self.insert(name, Object { recording, hash, bytes: Some(bytes), has, spooled }, now);
    }

    /// Takes the log's newest checkpoint for both stores, in place of an older one.
    pub fn mark(&mut self, note: Bytes) {
        self.sides.iter_mut().for_each(|side| side.mark = Some(note.clone()));
    }

    /// Takes note of an object that only the stores marked in `has` hold, or the working folder.
    pub fn adopt(&mut self, recording: RecordingId, found: FoundObject, now: Mono) {
        let FoundObject { name, hash, has, spooled } = found;
        self.spool.hold(spooled.unwrap_or_default());
        if has != [true; 2] {
            self.insert(name, Object { recording, hash, bytes: None, has, spooled }, now);
        } else if let Some(len) = spooled {
            self.spool.let_go(name, len);
        }
    }

    fn insert(&mut self, name: ObjectName, object: Object, now: Mono) {
        for (side, has) in self.sides.iter_mut().zip(object.has) {
            if has {
                continue;
            }
            if side.backlog.len() < MAX_BACKLOG {
                side.backlog.push_back(name.clone());
            } else {
                side.overrun = true;
            }
        }
        *self.of_recording.entry(object.recording).or_default() += 1;
        self.objects.insert(name, object);
        self.pump(now);
    }

    /// Whether an object that was put is kept: in a store, or flushed in the working folder.
    pub fn is_kept(&self, name: &ObjectName) -> bool {
        self.objects.get(name).is_none_or(Object::is_kept)
    }

    /// Whether an object is safe: in every store that works, and in one at least.
    pub fn is_durable(&self, name: &ObjectName, required: u8) -> bool {
        let Some(object) = self.objects.get(name) else { return true };
        let one = object.has.contains(&true);
        let everywhere = self.sides.iter().zip(object.has).all(|(side, has)| {
            has || side.trouble.is_some() || side.set_aside.iter().any(|(aside, _)| aside == name)
        });
        one && (required < 2 || everywhere)
    }

    /// Whether both stores hold everything of a recording.
    pub fn is_replicated(&self, recording: RecordingId) -> bool {
        !self.of_recording.contains_key(&recording)
    }

    /// Reason of trouble, objects behind and how many of those are set aside, per store.
    pub fn state(&self) -> [(Option<&str>, usize, usize); 2] {
        let [a, b] = &self.sides;
        [a, b].map(|side| {
            let reason = side.trouble.as_ref().map(|trouble| trouble.reason.as_str());
            let set_aside = side.set_aside.len();
            (reason, side.backlog.len() + side.in_flight.len() + set_aside, set_aside)
        })
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// A store's thread reports.
    pub fn done(&mut self, done: Done, now: Mono) {
        let index = usize::from(done.store == StoreId::B);
        let Some(side) = self.sides.get_mut(index) else { return };
        let Some((name, _)) = side.in_flight.pop_front() else { return };
        match done.result {
            Ok(()) => {
                if let Some(name) = name {
                    self.acknowledged(index, &name);
                }
                self.improved(index, now);
            }
            Err(Fault::Store(error)) => {
                if let Some(name) = name {
                    side.backlog.push_front(name);
                }
                self.failed(index, error.to_string(), now);
            }
            Err(fault) => {
                let is_well = matches!(fault, Fault::Conflict);
                if let Some(name) = name {
                    side.set_aside(name, &fault, now);
                }
                if is_well {
                    self.improved(index, now);
                }
            }
        }
        self.pump(now);
    }

    /// Looks for stores that hang and tries failed ones again.
    pub fn tick(&mut self, now: Mono) {
        self.sides.iter_mut().for_each(|side| side.take_up(now));
        for index in 0..2 {
            let hanging = self.sides.get(index).is_some_and(|side| {
                side.trouble.is_none()
                    && side
                        .in_flight
                        .front()
                        .is_some_and(|(_, since)| now.since(*since) > HANG_AFTER)
            });
            if hanging {
                self.failed(index, "does not answer".to_owned(), now);
            }
        }
        self.pump(now);
    }

    fn acknowledged(&mut self, index: usize, name: &ObjectName) {
        let Some(object) = self.objects.get_mut(name) else { return };
        if let Some(has) = object.has.get_mut(index) {
            *has = true;
        }
        if object.has != [true; 2] {
            return;
        }
        if let Some(object) = self.objects.remove(name) {
            if let Some(len) = object.spooled {
                self.spool.let_go(name.clone(), len);
            }
            self.held -= object.bytes.map_or(0, |bytes| bytes.len());
            if let Some(count) = self.of_recording.get_mut(&object.recording) {
                *count -= 1;
                if *count == 0 {
                    self.of_recording.remove(&object.recording);
                }
            }
        }
    }

    fn failed(&mut self, index: usize, reason: String, now: Mono) {
        let Some(side) = self.sides.get_mut(index) else { return };
        metrics::counter!("vbranch_recorder_store_failures_total", "store" => store_word(side.id))
            .increment(1);
        if side.trouble.is_none() {
            self.changes.push(Change::Degraded(side.id, reason.clone()));
        }
        side.trouble = Some(Trouble { reason, retry_at: now + RETRY_AFTER });
    }

    fn improved(&mut self, index: usize, now: Mono) {
        let Some(side) = self.sides.get_mut(index) else { return };
        let behind = !side.backlog.is_empty() || !side.in_flight.is_empty() || side.overrun;
        match &mut side.trouble {
            Some(trouble) if behind => trouble.retry_at = now,
            Some(_) => {
                side.trouble = None;
                self.changes.push(Change::Recovered(side.id));
            }
            None => {}
        }
    }

    /// Hands each store as much as it may have.
    fn pump(&mut self, now: Mono) {
        for (index, side) in self.sides.iter_mut().enumerate() {
            // One thing at a time to a store in trouble, and not before its time.
            let window = match &side.trouble {
                None => WINDOW,
                Some(trouble) if now < trouble.retry_at => 0,
                Some(_) => 1,
            };
            while side.in_flight.len() < window {
                let Some(name) = side.backlog.pop_front() else {
                    if side.trouble.is_none()
                        && let Some(note) = side.mark.take()
                    {
                        side.send(None, Job::Mark(note), now);
                    }
                    if side.trouble.is_some() && side.in_flight.is_empty() && !side.overrun {
                        side.send(None, Job::Probe, now);
                    }
                    break;
                };
                let Some(object) = self.objects.get(&name) else { continue };
                let other_has = object.has.get(1 - index).copied().unwrap_or_default();
                let job = match &object.bytes {
                    Some(bytes) => Job::Put(name.clone(), bytes.clone()),
                    // The other store may have died since; the local disk is asked first.
                    None if object.spooled.is_some() => {
                        Job::Copy(Source::Spool, name.clone(), object.hash)
                    }
                    None if other_has => Job::Copy(Source::Other, name.clone(), object.hash),
                    None => continue,
                };
                side.send(Some(name), job, now);
            }
        }
    }
}

impl Side {
    /// Tells the operator once per attempt; the object is tried again later.
    fn set_aside(&mut self, name: ObjectName, fault: &Fault, now: Mono) {
        let store = store_word(self.id);
        metrics::counter!("vbranch_recorder_objects_set_aside_total", "store" => store)
            .increment(1);
        tracing::error!(store, object = name.as_str(), %fault, "object cannot be replicated");
        self.set_aside.push_back((name, now + SET_ASIDE));
    }

    /// Puts what was set aside long enough ago behind everything else.
    fn take_up(&mut self, now: Mono) {
        while self.set_aside.front().is_some_and(|(_, at)| now >= *at) {
            self.backlog.extend(self.set_aside.pop_front().map(|(name, _)| name));
        }
    }

    fn send(&mut self, name: Option<ObjectName>, job: Job, now: Mono) {
        match self.jobs.try_send(job) {
            Ok(()) => self.in_flight.push_back((name, now)),
            // The queue is as long as the window, so this is a thread that is gone.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.backlog.extend(name);
                self.overrun = true;
            }
        }
    }
}

#[cfg(test)]
#[path = "replicator_tests.rs"]
mod tests;
