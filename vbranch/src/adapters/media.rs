//! The media plane behind [`MediaPlane`].

use std::sync::Arc;

use async_trait::async_trait;
use vbranch_domain::{CallId, MediaKind, ParticipantId, Seat};
use vbranch_sfu::{JoinError, SfuEvent, SfuHandle};
use vbranch_signaling::ports::{MediaAnswer, MediaError, MediaPlane, PortEvent};

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
                SfuEvent::Slots { call, participant, slots } => {
                    PortEvent::Slots { call, participant, slots }
                }
                SfuEvent::ActiveSpeaker { call, participant } => {
                    PortEvent::ActiveSpeaker { call, participant }
                }
                SfuEvent::Quality { call, participant, quality } => {
                    PortEvent::Quality { call, participant, quality }
                }
                SfuEvent::VideoCodec { call, participant, codec } => {
                    PortEvent::VideoCodec { call, participant, codec }
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
        seat: Seat,
        offer: String,
    ) -> Result<MediaAnswer, MediaError> {
        let answer = self.sfu.join(call, participant, seat, offer).await.map_err(to_port)?;
        Ok(MediaAnswer { sdp: answer.sdp, restarted: answer.restarted })
    }

    async fn set_seat(&self, call: CallId, participant: ParticipantId, seat: Seat) {
        self.sfu.set_seat(call, participant, seat);
    }

    async fn mute(&self, call: CallId, participant: ParticipantId, kind: MediaKind, muted: bool) {
        self.sfu.mute(call, participant, kind, muted);
    }

    async fn cpu_limited(&self, call: CallId, participant: ParticipantId, limited: bool) {
        self.sfu.set_cpu_limited(call, participant, limited);
    }

    async fn leave(&self, call: CallId, participant: ParticipantId) {
        self.sfu.leave(call, participant);
    }

    async fn end(&self, call: CallId) {
        self.sfu.end_call(call);
    }
}
