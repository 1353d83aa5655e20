//! The KYC engine behind [`KycPort`].

use async_trait::async_trait;
use vbranch_domain::{
    CallId, MediaKind, ParticipantId, TrackId,
    kyc::{KycEvent, KycOutcome, KycVerdict},
};
use vbranch_kyc::KycEngine;
use vbranch_sfu::SfuHandle;
use vbranch_signaling::ports::{KycPort, PortEvent};

use super::Events;

/// Name of the tap on a call; a second check replaces the first.
const TAP: &str = "kyc";

/// Attaches checks to calls.
pub struct KycAdapter {
    engine: KycEngine,
    sfu: SfuHandle,
    events: Events,
}

impl KycAdapter {
    pub fn new(engine: KycEngine, sfu: SfuHandle, events: Events) -> Self {
        Self { engine, sfu, events }
    }
}

#[async_trait]
impl KycPort for KycAdapter {
    async fn begin(&self, call: CallId, customer: ParticipantId) {
        let events = self.events.clone();
        let on_event = Box::new(move |event| {
            events.send(PortEvent::Kyc { call, participant: customer, event });
        });
        let sfu = self.sfu.clone();
        let track = TrackId { participant: customer, kind: MediaKind::Video };
        let want_keyframe = Box::new(move || sfu.request_keyframe(call, track));
        // The operating system's generator: nobody can foresee the order of the challenges.
        let tap = self.engine.begin(customer, rand::random(), on_event, want_keyframe);
        self.sfu.detach_tap(call, TAP);
        if self.sfu.attach_tap(call, TAP, Box::new(tap)).is_err() {
            tracing::error!(%call, "liveness check cannot listen to the call");
            let event = KycEvent::Verdict(KycVerdict {
                outcome: KycOutcome::Refer,
                reason: "no_video".to_owned(),
                signals: vec![],
                models: vec![],
                frames: 0,
            });
            self.events.send(PortEvent::Kyc { call, participant: customer, event });
        }
    }

    async fn cancel(&self, call: CallId, _customer: ParticipantId) {
        self.sfu.detach_tap(call, TAP);
    }

    fn available(&self) -> bool {
        self.engine.models_error().is_none()
    }
}
