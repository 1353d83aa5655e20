//! Calls to media plane, recorder and KYC, one visit at a time and in order, on a task of the
//! visit's own: a slow recorder delays that visit's marks and nobody else.

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinSet};
use vbranch_domain::{CallId, ParticipantId};

use crate::{
    ports::{KycPort, MediaPlane, RecorderPort},
    visit::PortCall,
};

/// Calls waiting. A visit makes some twenty marks in all: full means the recorder has hung, and
/// the visit treats its recording as failed.
const QUEUE: usize = 256;

/// The other parts of the program.
#[derive(Clone)]
pub(crate) struct Ports {
    pub media: Arc<dyn MediaPlane>,
    pub recorder: Arc<dyn RecorderPort>,
    pub kyc: Arc<dyn KycPort>,
}

/// Starts a visit's task. It ends when the sender is dropped and everything is done.
pub(super) fn start(
    tasks: &mut JoinSet<()>,
    ports: Ports,
    call: CallId,
    customer: ParticipantId,
) -> mpsc::Sender<PortCall> {
    let (tx, mut rx) = mpsc::channel(QUEUE);
    tasks.spawn(async move {
        while let Some(next) = rx.recv().await {
            perform(&ports, call, customer, next).await;
        }
    });
    tx
}

async fn perform(ports: &Ports, call: CallId, customer: ParticipantId, next: PortCall) {
    match next {
        PortCall::Mark(recording, event) => ports.recorder.mark(recording, event).await,
        PortCall::AddParticipant(recording, who) => {
            ports.recorder.add_participant(recording, who).await;
        }
        PortCall::BeginKyc => ports.kyc.begin(call, customer).await,
        PortCall::CancelKyc => ports.kyc.cancel(call, customer).await,
        PortCall::SetSeat(participant, seat) => {
            ports.media.set_seat(call, participant, seat).await;
        }
        PortCall::Mute(participant, kind, muted) => {
            ports.media.mute(call, participant, kind, muted).await;
        }
        PortCall::Drop(participant) => ports.media.leave(call, participant).await,
        PortCall::EndMedia => ports.media.end(call).await,
        PortCall::CloseRecording(recording, at) => ports.recorder.close(recording, at).await,
    }
}
