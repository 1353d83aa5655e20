//! The media plane behind [`MediaPlane`].

use std::sync::Arc;

use async_trait::async_trait;
use vbranch_domain::{CallId, ParticipantId};
use vbranch_sfu::{JoinError, SfuEvent, SfuHandle};
use vbranch_signaling::ports::{MediaError, MediaPlane, PortEvent};

use super::Events;

/// Forwards to the SFU.
pub struct MediaAdapter {
    sfu: SfuHandle,
}

impl MediaAdapter {
    pub fn new(sfu: SfuHandle) -> Self {
        Self { sfu }
    }

    /// What the SFU calls with its events.
    pub fn event_sink(events: Events) -> Arc<dyn Fn(SfuEvent) + Send + Sync> {
        Arc::new(move |event| {
            events.send(match event {
                SfuEvent::Connected { call, participant } => {
                    PortEvent::MediaConnected { call, participant }
                }
                SfuEvent::Disconnected { call, participant } => {
                    PortEvent::MediaDisconnected { call, participant }
                }
            });
        })
    }
}

fn to_port(error: JoinError) -> MediaError {
    match error {
        JoinError::BadSdp(detail) => MediaError::BadSdp(detail),
        JoinError::CodecNotAgreed(detail) => MediaError::CodecNotAgreed(detail),
        JoinError::Unavailable => MediaError::Unavailable,
    }
}

#[async_trait]
impl MediaPlane for MediaAdapter {
    fn check_offer(&self, offer: &str) -> Result<(), MediaError> {
        self.sfu.check_offer(offer).map_err(to_port)
    }

    async fn join(
        &self,
        call: CallId,
        participant: ParticipantId,
        offer: String,
    ) -> Result<String, MediaError> {
        self.sfu.join(call, participant, offer).await.map_err(to_port)
    }

    async fn leave(&self, call: CallId, participant: ParticipantId) {
        self.sfu.leave(call, participant);
    }

    async fn end(&self, call: CallId) {
        self.sfu.end_call(call);
    }
}
