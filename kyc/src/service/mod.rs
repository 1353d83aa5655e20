//! Running checks and watches: a few worker threads serve all of them in turn.

mod check;
mod job;
mod video;
mod watch;
mod workers;

use std::{fmt, io, path::PathBuf, sync::Arc, thread::JoinHandle};

use tracing::{info, warn};
use vbranch_domain::{
    Clock, MediaKind, ParticipantId, Tap, TapItem, TrackId,
    kyc::{KycArtifact, KycEvent, KycRequest, WatchEvent},
};

use crate::{
    liveness::{LivenessPolicy, PolicyError},
    models::{ModelError, ModelStore},
    vision::FaceModels,
};
use check::CheckJob;
use job::Job;
use video::Input;
pub use watch::{CallWatch, WatchTap};
use workers::{Shared, work};

/// What a check or a watch says.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// From a check. The last one is a verdict.
    Event(KycEvent),
    /// A check hands over something to be sealed beside the media; before its verdict.
    Artifact(KycArtifact),
    /// From a watch.
    Watch(WatchEvent),
}

/// Takes what one check or watch says, in order, on a worker thread: it must not block.
pub type OutputSink = Box<dyn Fn(Output) + Send + Sync>;
/// Asks the sender for a key frame (a picture loss indication). Called on a worker thread or in
/// [`Tap::push`], at most once a second: it must not block.
pub type KeyframeRequest = Box<dyn Fn() + Send + Sync>;

/// How to run checks.
#[derive(Debug, Clone)]
pub struct KycConfig {
    /// Where fetched models are.
    pub models_dir: PathBuf,
    /// How many threads decode and infer, at least 1. Each keeps a core busy with one or two
    /// checks at the default frame rate.
    pub threads: usize,
    /// Thresholds and time limits.
    pub policy: LivenessPolicy,
}

/// Why checks cannot be run at all. (Missing models are not among it: checks then refer the
/// customer to staff.)
#[derive(Debug, thiserror::Error)]
pub enum KycStartError {
    /// The policy cannot work.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// No thread could be started.
    #[error("a KYC worker thread cannot be started")]
    Thread(#[source] io::Error),
}

/// Runs liveness checks and watches. Dropping it ends them without a verdict.
pub struct KycEngine {
    shared: Arc<Shared>,
    policy: LivenessPolicy,
    models_error: Option<ModelError>,
    threads: Vec<JoinHandle<()>>,
}

impl KycEngine {
    /// Loads the models (a second or so) and starts the workers. Where a model is missing or
    /// corrupt it starts all the same: see [`Self::models_error`].
    ///
    /// # Errors
    /// When the policy cannot work or the system refuses a thread.
    pub fn start(config: KycConfig, clock: Arc<dyn Clock>) -> Result<Self, KycStartError> {
        config.policy.check()?;
        let began = clock.mono();
        let (models, models_error) = match load_models(config.models_dir, &config.policy) {
            Ok(models) => (Some(models), None),
            Err(error) => (None, Some(error)),
        };
        let load_ms = u64::try_from(clock.mono().since(began).as_millis()).unwrap_or(u64::MAX);
        match &models_error {
            None => info!(load_ms, "face models loaded"),
            Some(error) => {
                let error: &dyn std::error::Error = error;
                warn!(error, "face models unavailable: checks refer to staff");
            }
        }
        let shared = Arc::new(Shared::new(models, clock));
        let mut engine = Self { shared, policy: config.policy, models_error, threads: Vec::new() };
        for n in 0..config.threads.max(1) {
            let shared = Arc::clone(&engine.shared);
            let thread = std::thread::Builder::new()
                .name(format!("kyc-{n}"))
                .spawn(move || work(&shared))
                .map_err(KycStartError::Thread)?;
            engine.threads.push(thread);
        }
        Ok(engine)
    }

    /// Why checks can only refer to staff, if they can.
    #[must_use]
    pub const fn models_error(&self) -> Option<&ModelError> {
        self.models_error.as_ref()
    }

    /// Begins a check of one participant. Attach the tap to their call; drop it to end the check.
    ///
    /// `seed` decides what is asked and shown: take it from a cryptographic source. The last
    /// event is always a verdict, unless the tap or the engine is dropped first.
    #[must_use]
    pub fn begin(
        &self,
        participant: ParticipantId,
        request: KycRequest,
        seed: [u8; 32],
        on_output: OutputSink,
        want_keyframe: KeyframeRequest,
    ) -> KycTap {
        let at = self.shared.clock().mono();
        let job = CheckJob::new(self.policy.clone(), request, seed, at, on_output);
        let id = self.shared.admit(participant, Job::Check(Box::new(job)), want_keyframe);
        KycTap { shared: Arc::clone(&self.shared), id, participant }
    }

    /// Prepares to watch parties of one call: attach the tap to it, then say whom to watch.
    #[must_use]
    pub fn watch_call(&self) -> (CallWatch, WatchTap) {
        CallWatch::new(Arc::clone(&self.shared), self.policy.watch.clone())
    }
}

impl Drop for KycEngine {
    fn drop(&mut self) {
        self.shared.shut_down();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                warn!("a KYC worker had panicked");
            }
        }
    }
}

impl fmt::Debug for KycEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KycEngine")
            .field("models_error", &self.models_error)
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

/// Listens to one participant's video. Dropping it ends the check without a verdict; only an event
/// that is being told at that moment may still come. While it lives, the face of a check that
/// passed is kept for a watch.
pub struct KycTap {
    shared: Arc<Shared>,
    id: u64,
    participant: ParticipantId,
}

impl KycTap {
    /// Whether the verdict is out: the tap then ignores what it is given.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.shared.is_done(self.id)
    }
}

impl Tap for KycTap {
    fn push(&mut self, item: TapItem) {
        let video = TrackId { participant: self.participant, kind: MediaKind::Video };
        let input = match item {
            TapItem::Frame(frame) if frame.track == video => Input::Frame(frame),
            TapItem::Lost { track, .. } if track == video => Input::Broken,
            TapItem::LegStarted { participant, .. } if participant == self.participant => {
                Input::Broken
            }
            TapItem::Overflow { .. } => Input::Broken,
            _ => return,
        };
        self.shared.push(self.id, input);
    }
}

impl Drop for KycTap {
    fn drop(&mut self) {
        self.shared.dismiss(self.id);
    }
}

impl fmt::Debug for KycTap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KycTap").field("participant", &self.participant).finish_non_exhaustive()
    }
}

fn load_models(folder: PathBuf, policy: &LivenessPolicy) -> Result<FaceModels, ModelError> {
    let store = ModelStore::open(folder)?;
    let models = FaceModels::load(&store)?.with_passive(&store, policy);
    for error in models.passive.iter().filter_map(|model| model.as_ref().err()) {
        let error: &dyn std::error::Error = error;
        warn!(error, "a passive model of the policy is not asked");
    }
    Ok(models)
}
