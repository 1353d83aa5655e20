//! Queues and turns: which worker serves which job when.

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use vbranch_domain::{Clock, Mono, ParticipantId};

use super::{
    KeyframeRequest,
    job::{Arrived, Job},
    video::Input,
};
use crate::vision::{Embedding, FaceModels};

/// What taps, workers and the engine share.
pub(super) struct Shared {
    models: Option<FaceModels>,
    clock: Arc<dyn Clock>,
    board: Mutex<Board>,
    news: Condvar,
}

#[derive(Default)]
struct Board {
    jobs: HashMap<u64, Slot>,
    /// Jobs that wait for a turn, first come first served; each at most once.
    ready: VecDeque<u64>,
    next_id: u64,
    closing: bool,
}

struct Slot {
    participant: ParticipantId,
    /// `None` while a worker has it, and when it is over.
    job: Option<Job>,
    /// The face of a check that passed, until its tap goes or it is to be forgotten.
    reference: Option<Embedding>,
    queue: VecDeque<Input>,
    queued_bytes: usize,
    /// The queue overflowed: nothing is taken before a key frame.
    dropping: bool,
    /// When the newest frame came that was dropped for that.
    dropped: Option<Mono>,
    is_ready: bool,
    done: bool,
    deadline: Option<Mono>,
    want_keyframe: Arc<dyn Fn() + Send + Sync>,
    keyframe_asked: Option<Mono>,
}

/// Frames that wait while a worker is busy. Lossy: when it is full everything in it is dropped and
/// nothing is taken until the next key frame, which is asked for. Smaller, and a short hiccup costs
/// a key frame; larger, and the check judges what happened long ago. 64 frames are two seconds.
const QUEUE_FRAMES: usize = 64;
/// The same in bytes, so that huge frames cannot fill the memory.
const QUEUE_BYTES: usize = 8 << 20;
/// Key frames are asked for no more often: each costs the sender about ten ordinary frames.
const KEYFRAME_EVERY: Duration = Duration::from_secs(1);

impl Shared {
    pub(super) fn new(models: Option<FaceModels>, clock: Arc<dyn Clock>) -> Self {
        Self { models, clock, board: Mutex::default(), news: Condvar::new() }
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(super) const fn models(&self) -> Option<&FaceModels> {
        self.models.as_ref()
    }

    /// Takes a new job and gives it a first turn at once.
    pub(super) fn admit(
        &self,
        participant: ParticipantId,
        job: Job,
        want_keyframe: KeyframeRequest,
    ) -> u64 {
        let mut board = self.board();
        let id = board.next_id;
        board.next_id += 1;
        board.ready.push_back(id);
        board.jobs.insert(
            id,
            Slot {
                participant,
                job: Some(job),
                reference: None,
                queue: VecDeque::new(),
                queued_bytes: 0,
                dropping: false,
                dropped: None,
                is_ready: true,
                done: false,
                deadline: None,
                want_keyframe: Arc::from(want_keyframe),
                keyframe_asked: None,
            },
        );
        metrics::gauge!("vbranch_kyc_checks").increment(1.0);
        self.news.notify_one();
        id
    }

    /// Queues an input of a job. Never waits for a worker's work.
    pub(super) fn push(&self, id: u64, input: Input) {
        let now = self.clock.mono();
        let ask = {
            let mut board = self.board();
            let Some(slot) = board.jobs.get_mut(&id) else { return };
            if slot.done {
                return;
            }
            slot.take(input);
            let ask = slot.dropping.then(|| slot.keyframe_due(now)).flatten();
            if !slot.queue.is_empty() && slot.job.is_some() && !slot.is_ready {
                slot.is_ready = true;
                board.ready.push_back(id);
                self.news.notify_one();
            }
            ask
        };
        if let Some(ask) = ask {
            ask();
        }
    }

    /// The face of the check that a participant passed, if its tap is still there.
    pub(super) fn reference(&self, participant: ParticipantId) -> Option<Embedding> {
        let board = self.board();
        let mut known = board.jobs.iter().filter(|(_, slot)| slot.participant == participant);
        // The latest check counts.
        let mut latest: Option<(u64, &Embedding)> = None;
        for (&id, slot) in known.by_ref() {
            if let Some(face) = &slot.reference
                && latest.is_none_or(|(then, _)| id > then)
            {
                latest = Some((id, face));
            }
        }
        latest.map(|(_, face)| face.clone())
    }

    /// Forgets the faces of the checks that a participant passed.
    pub(super) fn forget(&self, participant: ParticipantId) {
        let mut board = self.board();
        for slot in board.jobs.values_mut().filter(|slot| slot.participant == participant) {
            slot.reference = None;
        }
    }

    /// Forgets a job; nothing more is told about it.
    pub(super) fn dismiss(&self, id: u64) {
        // Its callbacks are dropped only after the lock is released: what they hold may come back
        // here when it goes.
        let slot = self.board().jobs.remove(&id);
        if slot.is_some() {
            metrics::gauge!("vbranch_kyc_checks").decrement(1.0);
        }
    }

    pub(super) fn is_done(&self, id: u64) -> bool {
        self.board().jobs.get(&id).is_none_or(|slot| slot.done)
    }

    pub(super) fn shut_down(&self) {
        self.board().closing = true;
        self.news.notify_all();
    }

    /// A worker panics only outside the lock, so the board is whole even if one did.
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a job that needs a turn; `None` at shutdown.
    fn next_turn(&self) -> Option<(u64, Job, Arrived)> {
        let mut board = self.board();
        loop {
            if board.closing {
                return None;
            }
            let now = self.clock.mono();
            board.wake_overdue(now);
            while let Some(id) = board.ready.pop_front() {
                if let Some(slot) = board.jobs.get_mut(&id)
                    && let Some(job) = slot.job.take()
                {
                    slot.is_ready = false;
                    slot.queued_bytes = 0;
                    let inputs = slot.queue.drain(..).collect();
                    let dropped = slot.dropped.take();
                    return Some((id, job, Arrived { inputs, dropped }));
                }
            }
            board = match board.earliest_deadline() {
                None => self.news.wait(board).unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    let wait = self.news.wait_timeout(board, due.since(now));
                    wait.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Puts a job back after its turn. One that is over or was dismissed meanwhile is handed back,
    /// to be dropped without the lock.
    fn put_back(&self, id: u64, job: Job, deadline: Option<Mono>) -> Option<Job> {
        let mut board = self.board();
        let Some(slot) = board.jobs.get_mut(&id) else { return Some(job) };
        slot.deadline = deadline;
        if deadline.is_none() {
            slot.done = true;
            slot.queue.clear();
            slot.reference = job.reference();
            return Some(job);
        }
        slot.job = Some(job);
        if !slot.queue.is_empty() {
            slot.is_ready = true;
            board.ready.push_back(id);
        }
        // Another worker may be asleep until a later deadline than this job's.
        self.news.notify_one();
        None
    }

    fn ask_keyframe(&self, id: u64) {
        let now = self.clock.mono();
        let ask = self.board().jobs.get_mut(&id).and_then(|slot| slot.keyframe_due(now));
        if let Some(ask) = ask {
            ask();
        }
    }

    fn is_known(&self, id: u64) -> bool {
        self.board().jobs.contains_key(&id)
    }
}

/// A worker's life.
pub(super) fn work(shared: &Shared) {
    while let Some((id, mut job, arrived)) = shared.next_turn() {
        let had_frames = !arrived.inputs.is_empty();
        let now = shared.clock.mono();
        let turn = catch_unwind(AssertUnwindSafe(|| {
            let began = shared.clock.mono();
            let turn = job.run(shared.models(), arrived, now);
            let took = shared.clock.mono().since(began);
            metrics::histogram!("vbranch_kyc_turn_seconds").record(took.as_secs_f64());
            turn
        }));
        let deadline = match turn {
            Ok(turn) => {
                if turn.awaits_key && had_frames {
                    shared.ask_keyframe(id);
                }
                turn.deadline
            }
            Err(_) => {
                tracing::error!("a job panicked: a check is referred to staff, a watch ends");
                job.fail_internally();
                None
            }
        };
        if shared.is_known(id) {
            job.tell();
        }
        drop(shared.put_back(id, job, deadline));
    }
}

impl Board {
    fn wake_overdue(&mut self, now: Mono) {
        for (&id, slot) in &mut self.jobs {
            let overdue = slot.deadline.is_some_and(|due| due <= now);
            if overdue && slot.job.is_some() && !slot.is_ready {
                slot.is_ready = true;
                self.ready.push_back(id);
            }
        }
    }

    fn earliest_deadline(&self) -> Option<Mono> {
        let waiting = self.jobs.values().filter(|slot| slot.job.is_some());
        waiting.filter_map(|slot| slot.deadline).min()
    }
}

impl Slot {
    fn take(&mut self, input: Input) {
        let Input::Frame(frame) = input else {
            self.queue.push_back(Input::Broken);
            self.trim();
            return;
        };
        if self.dropping && !frame.keyframe {
            self.dropped = Some(frame.arrived);
            metrics::counter!("vbranch_kyc_dropped_frames_total").increment(1);
            return;
        }
        if self.dropping {
            self.dropping = false;
            self.queue.push_back(Input::Broken);
        }
        self.queued_bytes = self.queued_bytes.saturating_add(frame.payload.len());
        self.queue.push_back(Input::Frame(frame));
        self.trim();
    }

    fn trim(&mut self) {
        if self.queue.len() > QUEUE_FRAMES || self.queued_bytes > QUEUE_BYTES {
            let dropped = u64::try_from(self.queue.len()).unwrap_or(u64::MAX);
            metrics::counter!("vbranch_kyc_dropped_frames_total").increment(dropped);
            let frames = self.queue.iter().filter_map(Input::arrived);
            self.dropped = frames.max().max(self.dropped);
            self.queue.clear();
            self.queued_bytes = 0;
            self.dropping = true;
        }
    }

    /// The request to call, unless one was made a moment ago.
    fn keyframe_due(&mut self, now: Mono) -> Option<Arc<dyn Fn() + Send + Sync>> {
        if self.keyframe_asked.is_some_and(|last| now.since(last) < KEYFRAME_EVERY) {
            return None;
        }
        self.keyframe_asked = Some(now);
        Some(Arc::clone(&self.want_keyframe))
    }
}
