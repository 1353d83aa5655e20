//! The KYC engine behind [`KycPort`].

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use vbranch_domain::{
    CallId, MediaKind, ParticipantId, TrackId,
    kyc::{KycEvent, KycOutcome, KycRequest, KycVerdict},
};
use vbranch_kyc::{CallWatch, KeyframeRequest, KycEngine, Output, OutputSink};
use vbranch_sfu::SfuHandle;
use vbranch_signaling::ports::{KycPort, PortEvent};

use super::Events;

/// Name of a check's tap on a call; a second check replaces the first.
const TAP: &str = "kyc";
/// Name of the watch's tap on a call: one for all parties.
const WATCH_TAP: &str = "kyc-watch";

/// Attaches checks and watches to calls.
pub struct KycAdapter {
    engine: KycEngine,
    sfu: SfuHandle,
    events: Events,
    /// Calls with watched parties. An entry goes when the last of them is unwatched.
    watches: Mutex<HashMap<CallId, CallWatch>>,
}

impl KycAdapter {
    pub fn new(engine: KycEngine, sfu: SfuHandle, events: Events) -> Self {
        Self { engine, sfu, events, watches: Mutex::default() }
    }

    /// Passes on what is said of a participant.
    fn sink(&self, call: CallId, participant: ParticipantId) -> OutputSink {
        let events = self.events.clone();
        Box::new(move |output| {
            events.send(match output {
                Output::Event(event) => PortEvent::Kyc { call, participant, event },
                Output::Artifact(artifact) => {
                    PortEvent::KycArtifact { call, participant, artifact }
                }
                Output::Watch(event) => PortEvent::Watch { call, participant, event },
            });
        })
    }

    fn keyframes(&self, call: CallId, participant: ParticipantId) -> KeyframeRequest {
        let sfu = self.sfu.clone();
        let track = TrackId { participant, kind: MediaKind::Video };
        Box::new(move || sfu.request_keyframe(call, track))
    }

    /// Nothing is done under this lock that can panic.
    fn watches(&self) -> MutexGuard<'_, HashMap<CallId, CallWatch>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KycPort for KycAdapter {
    async fn begin(&self, call: CallId, customer: ParticipantId, request: KycRequest) {
        let sink = self.sink(call, customer);
        let want_keyframe = self.keyframes(call, customer);
        // The operating system's generator: nobody can foresee what is asked and shown.
        let tap = self.engine.begin(customer, request, rand::random(), sink, want_keyframe);
        self.sfu.detach_tap(call, TAP);
        if self.sfu.attach_tap(call, TAP, Box::new(tap)).is_err() {
            tracing::error!(%call, "liveness check cannot listen to the call");
            let event = KycEvent::Verdict(KycVerdict {
                outcome: KycOutcome::Refer,
                reason: "no_video".to_owned(),
                signals: vec![],
                models: vec![],
                frames: 0,
                artifacts: vec![],
                policy_sha256: String::new(),
            });
            self.events.send(PortEvent::Kyc { call, participant: customer, event });
        }
    }

    async fn cancel(&self, call: CallId, _customer: ParticipantId) {
        self.sfu.detach_tap(call, TAP);
    }

    async fn watch(&self, call: CallId, participant: ParticipantId) {
        let mut watches = self.watches();
        if let std::collections::hash_map::Entry::Vacant(vacant) = watches.entry(call) {
            let (watch, tap) = self.engine.watch_call();
            if self.sfu.attach_tap(call, WATCH_TAP, Box::new(tap)).is_err() {
                tracing::error!(%call, "faces in the call cannot be watched");
                return;
            }
            vacant.insert(watch);
        }
        if let Some(watch) = watches.get(&call) {
            let (sink, keyframes) =
                (self.sink(call, participant), self.keyframes(call, participant));
            watch.watch(participant, sink, keyframes);
        }
    }

    async fn unwatch(&self, call: CallId, participant: ParticipantId) {
        let mut watches = self.watches();
        if let Some(watch) = watches.get(&call) {
            watch.unwatch(participant);
            if watch.is_empty() {
                watches.remove(&call);
                self.sfu.detach_tap(call, WATCH_TAP);
            }
        }
    }

    fn available(&self) -> bool {
        self.engine.models_error().is_none()
    }
}
