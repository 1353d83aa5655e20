//! The recorder's one worker thread. It owns every open recording and the bookkeeping of both
//! stores; everyone else sends it messages.
//!
//! Whatever waits for the local disk (flushes, manifests) is a [`Chore`] of another thread, so that
//! a slow disk cannot keep the worker from writing tails.
//!
//! A recording passes through: open -> flushing (closed, its objects become durable) -> sealing
//! (manifest signed and logged, becomes durable) -> replicating (sealed; a store catches up) ->
//! gone.

mod sealing;
mod slot;

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{
        Arc, PoisonError,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError},
    },
    time::Duration,
};

use vbranch_domain::{
    Mono, RecordingId, Tap,
    recording::{ArtifactRef, RecordedParticipant, RecorderEvent, RecordingSummary, StoreId},
    timeline::TimelineEvent,
};

use self::slot::{First, Phase, Slot};
use crate::{
    archive::SignedManifest,
    config::StoreHealth,
    error::RecorderError,
    hash::Sha256,
    log::LogError,
    manifest::Manifest,
    recording::{OpenRecording, Outgoing},
    recovery::{Closed, folder_of},
    replicator::{Change, Done, Replicator, store_word},
    service::Shared,
    store::{ArtifactName, ObjectName, Store as _, StoreError},
    tap::RecorderTap,
};

/// How often taps are listened to and time is looked at while something is being recorded. Longer
/// fills the taps' queues, shorter wakes the machine for nothing.
const TICK: Duration = Duration::from_millis(20);
/// The same while nothing is being recorded: stores are still watched.
const IDLE_TICK: Duration = Duration::from_millis(500);
/// How often the stores' copies of the log's checkpoint are renewed. Longer lets more be put back
/// unseen, shorter has the stores write for nothing.
const MARK_EVERY: Duration = Duration::from_secs(10);
/// Messages worked off between two ticks, so that a flood cannot stop the taps from being heard.
const MESSAGES_PER_TICK: usize = 256;

/// Chores handed to their thread at a time. More would only wait there instead of here.
pub(crate) const CHORES: usize = 16;

pub(crate) type Reply<T> = SyncSender<Result<T, RecorderError>>;

/// Something that waits for the local disk, done on a thread of its own.
pub(crate) type Chore = Box<dyn FnOnce() -> Message + Send>;

/// The thread body that does chores until nobody has any more.
pub(crate) fn do_chores(chores: &Receiver<Chore>, report: impl Fn(Message) -> bool) {
    for chore in chores {
        if !report(chore()) {
            break;
        }
    }
}

/// What the worker is asked to do.
pub(crate) enum Message {
    Open {
        open: Box<OpenRecording>,
        reply: Reply<Box<dyn Tap>>,
    },
    AddParticipant {
        recording: RecordingId,
        participant: RecordedParticipant,
    },
    Mark {
        recording: RecordingId,
        event: Box<TimelineEvent>,
    },
    PutArtifact {
        recording: RecordingId,
        name: ArtifactName,
        bytes: Vec<u8>,
        reply: Reply<ArtifactRef>,
    },
    Close {
        recording: RecordingId,
        at: Mono,
        reply: Reply<()>,
    },
    CloseAll {
        at: Mono,
        reply: Reply<()>,
    },
    Adopt {
        closed: Vec<Closed>,
        reply: Reply<()>,
    },
    Done(Done),
    Synced {
        recording: RecordingId,
        result: std::io::Result<()>,
    },
    Signed {
        recording: RecordingId,
        result: Result<(Box<Manifest>, SignedManifest), RecorderError>,
    },
    Sealed {
        recording: RecordingId,
        sha256: Sha256,
        result: Result<RecordingSummary, RecorderError>,
    },
    Spooled {
        name: ObjectName,
        result: Result<u64, StoreError>,
    },
    Emptied,
    Checkpoint(Result<String, LogError>),
    Replicated {
        recording: RecordingId,
        result: Result<(), RecorderError>,
    },
    Stop,
}

/// See the module's documentation.
pub(crate) struct Worker {
    pub shared: Arc<Shared>,
    messages: Receiver<Message>,
    replicator: Replicator,
    slots: BTreeMap<RecordingId, Slot>,
    chores: SyncSender<Chore>,
    /// Chores that their thread has no room for; one per recording at most.
    undone: VecDeque<Chore>,
    draining: Vec<Reply<()>>,
    /// Size of the log the stores were last told of, and when.
    marked: (u64, Mono),
}

impl Worker {
    pub fn new(
        shared: Arc<Shared>,
        messages: Receiver<Message>,
        replicator: Replicator,
        chores: SyncSender<Chore>,
    ) -> Self {
        let marked = (0, shared.clock.mono());
        Self {
            shared,
            messages,
            replicator,
            slots: BTreeMap::new(),
            chores,
            undone: VecDeque::new(),
            draining: Vec::new(),
            marked,
        }
    }

    /// Works until told to stop.
    pub fn run(mut self) {
        let mut ticked_at = self.shared.clock.mono();
        loop {
            let tick = if self.slots.is_empty() { IDLE_TICK } else { TICK };
            let since = self.shared.clock.mono().since(ticked_at);
            match self.messages.recv_timeout(tick.saturating_sub(since)) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(message) => self.handle(message),
                Err(RecvTimeoutError::Timeout) => {}
            }
            for _ in 0..MESSAGES_PER_TICK {
                match self.messages.try_recv() {
                    Ok(Message::Stop) => return,
                    Ok(message) => self.handle(message),
                    Err(_) => break,
                }
            }
            // A tick looks at every recording: one for each message would be too many.
            let now = self.shared.clock.mono();
            if self.slots.is_empty() || now.since(ticked_at) >= TICK {
                ticked_at = now;
                self.tick();
            }
        }
    }

    pub fn handle(&mut self, message: Message) {
        let now = self.shared.clock.mono();
        match message {
            Message::Open { open, reply } => {
                let _ = reply.try_send(Ok(self.open(open)));
            }
            Message::AddParticipant { recording, participant } => {
                if let Some(open) = self.open_mut(recording) {
                    open.add_participant(participant);
                }
            }
            Message::Mark { recording, event } => {
                let result = self.open_mut(recording).map(|open| open.mark(&event));
                if !matches!(result, Some(Ok(()))) {
                    tracing::warn!(%recording, "an event came for a recording that is not open");
                }
            }
            Message::PutArtifact { recording, name, bytes, reply } => {
                self.put_artifact(recording, name, &bytes, reply);
            }
            Message::Close { recording, at, reply } => self.close(recording, at, reply),
            Message::CloseAll { at, reply } => {
                let open: Vec<_> = self.slots.keys().copied().collect();
                open.into_iter().for_each(|recording| self.finish(recording, at));
                self.draining.push(reply);
            }
            Message::Adopt { closed, reply } => {
                closed.into_iter().for_each(|closed| self.adopt(closed, now));
                self.draining.push(reply);
            }
            Message::Done(done) => self.replicator.done(done, now),
            Message::Synced { recording, result } => self.synced(recording, result, now),
            Message::Signed { recording, result } => self.signed(recording, result, now),
            Message::Sealed { recording, sha256, result } => {
                self.sealed(recording, sha256, result);
            }
            Message::Replicated { recording, result } => {
                if let Err(error) = result {
                    tracing::warn!(%recording, %error, "replication mark");
                }
                self.slots.remove(&recording);
            }
            Message::Spooled { name, result } => self.replicator.spooled(name, result, now),
            Message::Checkpoint(Ok(note)) => self.replicator.mark(note.into()),
            Message::Checkpoint(Err(error)) => tracing::error!(%error, "no checkpoint to copy"),
            Message::Emptied | Message::Stop => {}
        }
    }

    fn open(&mut self, open: Box<OpenRecording>) -> Box<dyn Tap> {
        let recording = open.ledger.recording();
        let folder = folder_of(&self.shared.archive.folder, recording);
        let tap = RecorderTap(open.tap());
        self.slots.insert(recording, Slot::new(Phase::Open(open), folder, Some(First::default())));
        Box::new(tap)
    }

    fn open_mut(&mut self, recording: RecordingId) -> Option<&mut OpenRecording> {
        match &mut self.slots.get_mut(&recording)?.phase {
            Phase::Open(open) => Some(open),
            _ => None,
        }
    }

    fn put_artifact(
        &mut self,
        recording: RecordingId,
        name: ArtifactName,
        bytes: &[u8],
        reply: Reply<ArtifactRef>,
    ) {
        if !self.replicator.has_room(bytes.len()) {
            let _ = reply.try_send(Err(RecorderError::Busy));
            return;
        }
        let sealed = self.open_mut(recording).ok_or(RecorderError::NotOpen);
        match sealed.and_then(|open| open.put_artifact(name, bytes)) {
            Ok((reference, object)) => {
                if let Some(slot) = self.slots.get_mut(&recording) {
                    slot.artifacts.push((object, reference, reply));
                }
            }
            Err(error) => {
                let _ = reply.try_send(Err(error));
            }
        }
    }

    fn close(&mut self, recording: RecordingId, at: Mono, reply: Reply<()>) {
        let sealed = self.shared.summaries().contains_key(&recording);
        match self.slots.get_mut(&recording) {
            _ if sealed => {
                let _ = reply.try_send(Ok(()));
            }
            None => {
                let _ = reply.try_send(Err(RecorderError::NotOpen));
            }
            Some(slot) => {
                slot.waiting.push(reply);
                self.finish(recording, at);
            }
        }
    }

    /// Ends an open recording; nothing happens to one that has ended.
    fn finish(&mut self, recording: RecordingId, at: Mono) {
        let wall = self.shared.clock.wall();
        let Some(slot) = self.slots.get_mut(&recording) else { return };
        if let Phase::Open(open) = &mut slot.phase {
            open.close(at, wall);
            let phase = std::mem::replace(&mut slot.phase, Phase::Replicating);
            if let Phase::Open(open) = phase {
                slot.phase = Phase::Flushing(open);
            }
        }
    }

    fn adopt(&mut self, closed: Closed, now: Mono) {
        let recording = closed.manifest.recording;
        let folder = folder_of(&self.shared.archive.folder, recording);
        let hash = Sha256::of(&closed.signed.bytes);
        let sealed = self.shared.summaries().contains_key(&recording);
        let mut pending = HashSet::new();
        for found in closed.objects {
            // What only the working folder has must be in a store before the recording is sealed.
            if found.has == [false; 2] && found.spooled.is_some() {
                pending.insert(found.name.clone());
            }
            self.replicator.adopt(recording, found, now);
        }
        let manifest = (ObjectName::manifest(recording), closed.signed.bytes);
        let signature = (ObjectName::signature(recording), closed.signed.signature);
        let phase = if sealed {
            Phase::Replicating
        } else {
            Phase::Sealing(Box::new(closed.manifest), hash)
        };
        let mut slot = Slot::new(phase, folder, None);
        slot.pending = pending;
        for (name, bytes) in [manifest, signature] {
            slot.pending.insert(name.clone());
            self.replicator.put(recording, name, bytes.into(), now);
        }
        self.slots.insert(recording, slot);
    }

    pub fn tick(&mut self) {
        let now = self.shared.clock.mono();
        self.replicator.tick(now);
        // Before the recordings: the alarm is raised before one store alone counts.
        for change in self.replicator.take_changes() {
            self.tell_change(change);
        }
        let recordings: Vec<_> = self.slots.keys().copied().collect();
        for recording in recordings {
            self.tick_recording(recording, now);
        }
        self.spool(now);
        self.mark(now);
        self.do_chores();
        if self.slots.values().all(|slot| matches!(slot.phase, Phase::Replicating)) {
            self.draining.drain(..).for_each(|reply| drop(reply.try_send(Ok(()))));
        }
        self.publish_health();
    }

    fn tick_recording(&mut self, recording: RecordingId, now: Mono) {
        let Some(slot) = self.slots.get_mut(&recording) else { return };
        if let Phase::Open(open) = &mut slot.phase {
            open.tick(now);
        }
        if let Phase::Open(open) | Phase::Flushing(open) = &mut slot.phase {
            open.write(now);
            open.let_go(|name| self.replicator.is_kept(name));
            if !slot.is_busy
                && let Some(work) = open.sync(now)
            {
                slot.is_busy = true;
                let chore = move || Message::Synced { recording, result: work.run() };
                self.undone.push_back(Box::new(chore));
            }
            open.take_events().into_iter().for_each(|event| (self.shared.on_event)(event));
        }
        let required = self.shared.stores_required;
        slot.pending.retain(|name| !self.replicator.is_durable(name, required));
        if matches!(&slot.phase, Phase::Open(o) | Phase::Flushing(o) if o.has_outgoing()) {
            // Objects are not even on their way: nobody may be told that they are durable.
            return;
        }
        slot.answer(recording, &self.shared);
        if !slot.pending.is_empty() || slot.is_busy || slot.retry_at.is_some_and(|at| now < at) {
            return;
        }
        match &slot.phase {
            Phase::Open(_) => {}
            Phase::Flushing(_) => self.sign(recording),
            Phase::Sealing(..) => self.seal(recording),
            Phase::Replicating => self.mark_replicated(recording),
        }
    }

    /// Has the working folder take what no store takes, and let go of what both have.
    fn spool(&mut self, now: Mono) {
        if let Some((name, bytes)) = self.replicator.poll_spool(now) {
            let spool = Arc::clone(&self.shared.archive.spool);
            self.undone.push_back(Box::new(move || {
                let result = spool.put(&name, &bytes).map(|()| bytes.len() as u64);
                Message::Spooled { name, result }
            }));
        }
        let over = self.replicator.take_over();
        if !over.is_empty() {
            let spool = Arc::clone(&self.shared.archive.spool);
            self.undone.push_back(Box::new(move || {
                for name in &over {
                    if let Err(error) = spool.discard(name) {
                        tracing::warn!(object = name.as_str(), %error, "spool not emptied");
                    }
                }
                Message::Emptied
            }));
        }
    }

    /// Has both stores keep the log's newest checkpoint.
    fn mark(&mut self, now: Mono) {
        let size = self.shared.log.size();
        let (marked, at) = self.marked;
        // The very first at once: the log may have been put back since the last start.
        if size == marked || (marked > 0 && now.since(at) < MARK_EVERY) {
            return;
        }
        self.marked = (size, now);
        let shared = Arc::clone(&self.shared);
        self.undone.push_back(Box::new(move || Message::Checkpoint(shared.log.checkpoint())));
    }

    fn do_chores(&mut self) {
        while let Some(chore) = self.undone.pop_front() {
            match self.chores.try_send(chore) {
                Ok(()) => {}
                Err(TrySendError::Full(chore) | TrySendError::Disconnected(chore)) => {
                    self.undone.push_front(chore);
                    break;
                }
            }
        }
    }

    fn synced(&mut self, recording: RecordingId, result: std::io::Result<()>, now: Mono) {
        let Some(slot) = self.slots.get_mut(&recording) else { return };
        slot.is_busy = false;
        let (Phase::Open(open) | Phase::Flushing(open)) = &mut slot.phase else { return };
        for outgoing in open.synced(result, now) {
            let (pending, first) = (&mut slot.pending, &mut slot.first);
            hand_over(&mut self.replicator, open, pending, first, outgoing, now);
        }
    }

    fn tell_change(&self, change: Change) {
        let event = match change {
            Change::Degraded(store, reason) => {
                tracing::error!(store = store_word(store), reason, "store degraded");
                RecorderEvent::StoreDegraded { store, reason }
            }
            Change::Recovered(store) => {
                tracing::info!(store = store_word(store), "store recovered");
                RecorderEvent::StoreRecovered { store }
            }
        };
        (self.shared.on_event)(event);
    }

    fn publish_health(&self) {
        let open = self.slots.values().filter(|s| matches!(s.phase, Phase::Open(_))).count();
        let [a, b] = self.replicator.state();
        for (flag, (trouble, ..)) in self.shared.archive.troubled.iter().zip([&a, &b]) {
            flag.store(trouble.is_some(), Ordering::Relaxed);
        }
        let states = [(StoreId::A, a), (StoreId::B, b)];
        let stores = states.map(|(store, (trouble, behind, set_aside))| {
            let word = store_word(store);
            let healthy = if trouble.is_none() { 1.0 } else { 0.0 };
            metrics::gauge!("vbranch_recorder_store_healthy", "store" => word).set(healthy);
            let objects = u32::try_from(behind).unwrap_or(u32::MAX);
            metrics::gauge!("vbranch_recorder_store_behind_objects", "store" => word)
                .set(f64::from(objects));
            let set_aside = u32::try_from(set_aside).unwrap_or(u32::MAX);
            metrics::gauge!("vbranch_recorder_store_set_aside_objects", "store" => word)
                .set(f64::from(set_aside));
            StoreHealth { store, trouble: trouble.map(str::to_owned), behind }
        });
        let recordings = u32::try_from(open).unwrap_or(u32::MAX);
        metrics::gauge!("vbranch_recorder_open_recordings").set(f64::from(recordings));
        let mut health = self.shared.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.open = open;
        health.stores = stores;
    }
}

/// Gives an object to the stores; a segment that cannot be held is declared lost.
fn hand_over(
    replicator: &mut Replicator,
    open: &mut OpenRecording,
    pending: &mut HashSet<ObjectName>,
    first: &mut Option<First>,
    outgoing: Outgoing,
    now: Mono,
) {
    let Outgoing { name, bytes, segment } = outgoing;
    if let Some((track, sequence)) = segment
        && !replicator.has_room(bytes.len())
    {
        open.lose(track, sequence);
        return;
    }
    if let Some(first) = first.as_mut().filter(|first| !first.has_segment) {
        first.objects.push(name.clone());
        first.has_segment = segment.is_some();
    }
    pending.insert(name.clone());
    replicator.put(open.ledger.recording(), name, bytes, now);
}
