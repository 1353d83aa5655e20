//! One watch at work, and the taps of a call whose parties are watched.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use vbranch_domain::{MediaKind, Mono, ParticipantId, Tap, TapItem};

use super::{
    KeyframeRequest, Output, OutputSink,
    job::{Arrived, Job, Turn},
    video::{Input, Video},
    workers::Shared,
};
use crate::{
    liveness::{WatchPolicy, millis},
    vision::{Embedding, FaceModels},
    watch::Watch,
};

/// The state of one watch; owned by one worker at a time.
pub(super) struct WatchJob {
    watch: Watch,
    video: Video,
    policy: WatchPolicy,
    on_output: OutputSink,
}

impl WatchJob {
    pub(super) fn new(
        policy: WatchPolicy,
        reference: Option<Embedding>,
        on_output: OutputSink,
    ) -> Self {
        Self {
            watch: Watch::new(policy.clone(), reference),
            video: Video::new(millis(policy.every_ms)),
            policy,
            on_output,
        }
    }

    /// Browsers send pictures that need all those before them, so all are decoded; but only one a
    /// second is turned into a picture and looked at.
    pub(super) fn run(&mut self, models: Option<&FaceModels>, arrived: Arrived, now: Mono) -> Turn {
        if let Some(models) = models
            && let Some((picture, times)) = self.video.decode(arrived.inputs, |_| ())
        {
            metrics::counter!("vbranch_kyc_watch_looks_total").increment(1);
            if let Err(error) = self.watch.look(models, &picture, times.arrived) {
                tracing::error!(%error, "inference failed in a watch");
            }
        }
        // It has no time limits of its own: without pictures nothing is known, and the call shows
        // that they are missing.
        let deadline = Some(now + millis(self.policy.every_ms) * 60);
        Turn { awaits_key: self.video.awaits_key(), deadline }
    }

    /// Hands out what there is to tell.
    pub(super) fn tell(&mut self) {
        while let Some(event) = self.watch.poll() {
            (self.on_output)(Output::Watch(event));
        }
    }
}

/// The watched parties of one call. Dropping it ends every watch and forgets the faces.
pub struct CallWatch {
    shared: Arc<Shared>,
    policy: WatchPolicy,
    watched: Arc<Watched>,
}

/// Listens to a call for its watches. Dropping it (the call is over) ends them.
pub struct WatchTap {
    shared: Arc<Shared>,
    watched: Arc<Watched>,
}

/// Which job watches whom. Few: the parties of one call.
#[derive(Default)]
struct Watched(Mutex<HashMap<ParticipantId, u64>>);

impl Watched {
    /// Nothing is done under this lock that can panic.
    fn lock(&self) -> MutexGuard<'_, HashMap<ParticipantId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_all(&self, shared: &Shared) {
        let all: Vec<u64> = self.lock().drain().map(|(_, id)| id).collect();
        for id in all {
            shared.dismiss(id);
        }
    }
}

impl CallWatch {
    /// The watch over a call and the tap to attach to it.
    pub(super) fn new(shared: Arc<Shared>, policy: WatchPolicy) -> (Self, WatchTap) {
        let watched = Arc::new(Watched::default());
        let tap = WatchTap { shared: Arc::clone(&shared), watched: Arc::clone(&watched) };
        (Self { shared, policy, watched }, tap)
    }

    /// Watches a party from now on: against the face of the check it passed, if it did, else
    /// against the first face seen. Asking again changes nothing.
    pub fn watch(
        &self,
        participant: ParticipantId,
        on_output: OutputSink,
        want_keyframe: KeyframeRequest,
    ) {
        let mut watched = self.watched.lock();
        if watched.contains_key(&participant) {
            return;
        }
        let reference = self.shared.reference(participant);
        let job = WatchJob::new(self.policy.clone(), reference, on_output);
        let id = self.shared.admit(participant, Job::Watch(Box::new(job)), want_keyframe);
        watched.insert(participant, id);
    }

    /// Stops watching a party, and forgets its face, also that of its check.
    pub fn unwatch(&self, participant: ParticipantId) {
        let id = self.watched.lock().remove(&participant);
        if let Some(id) = id {
            self.shared.dismiss(id);
        }
        self.shared.forget(participant);
    }

    /// Whether nobody is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.watched.lock().is_empty()
    }
}

impl Drop for CallWatch {
    fn drop(&mut self) {
        self.watched.end_all(&self.shared);
    }
}

impl Tap for WatchTap {
    fn push(&mut self, item: TapItem) {
        let to = |participant: &ParticipantId| self.watched.lock().get(participant).copied();
        match item {
            TapItem::Frame(frame) if frame.track.kind == MediaKind::Video => {
                if let Some(id) = to(&frame.track.participant) {
                    self.shared.push(id, Input::Frame(frame));
                }
            }
            TapItem::Lost { track, .. } if track.kind == MediaKind::Video => {
                if let Some(id) = to(&track.participant) {
                    self.shared.push(id, Input::Broken);
                }
            }
            TapItem::LegStarted { participant, .. } => {
                if let Some(id) = to(&participant) {
                    self.shared.push(id, Input::Broken);
                }
            }
            TapItem::Overflow { .. } => {
                let all: Vec<u64> = self.watched.lock().values().copied().collect();
                for id in all {
                    self.shared.push(id, Input::Broken);
                }
            }
            _ => {}
        }
    }
}

impl Drop for WatchTap {
    fn drop(&mut self) {
        self.watched.end_all(&self.shared);
    }
}

impl fmt::Debug for CallWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallWatch").field("watched", &self.watched.lock().len()).finish()
    }
}

impl fmt::Debug for WatchTap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchTap").field("watched", &self.watched.lock().len()).finish()
    }
}
