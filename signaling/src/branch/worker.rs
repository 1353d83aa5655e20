//! Calls to media plane, recorder and KYC, one visit at a time and in order, on a task of the
//! visit's own: a slow recorder delays that visit's marks and nobody else.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use vbranch_domain::{
    CallId, ParticipantId, RecordingId, VisitId,
    kyc::{KycArtifact, KycRequest},
    recording::ArtifactRef,
};

use crate::{
    person::Person,
    ports::{FaceVault, KycPort, MediaPlane, RecorderPort},
    visit::{Command, PortCall},
};

/// Calls waiting. A visit makes some twenty marks in all: full means the recorder has hung, and
/// the visit treats its recording as failed.
const QUEUE: usize = 256;
/// How long sealing what a check rests on may take. Longer: the customer waits for a verdict that
/// is known; shorter: a busy disk costs evidence.
const SEAL_WITHIN: Duration = Duration::from_secs(10);

/// The other parts of the program.
#[derive(Clone)]
pub(crate) struct Ports {
    pub media: Arc<dyn MediaPlane>,
    pub recorder: Arc<dyn RecorderPort>,
    pub kyc: Arc<dyn KycPort>,
    pub vault: Arc<dyn FaceVault>,
}

/// What came of a call, for the actor. Full: the visit's task waits, and nobody else.
pub(super) type Told = mpsc::Sender<(VisitId, Command)>;

/// Whom the calls of a visit are about.
pub(super) struct Subject {
    pub visit: VisitId,
    pub call: CallId,
    pub customer: ParticipantId,
    pub person: Person,
}

/// Starts a visit's task. It ends when the sender is dropped and everything is done.
pub(super) fn start(
    tasks: &mut JoinSet<()>,
    ports: Ports,
    subject: Subject,
    told: Told,
) -> mpsc::Sender<PortCall> {
    let (tx, mut rx) = mpsc::channel(QUEUE);
    let worker = Arc::new(Worker { ports, subject, told });
    tasks.spawn(async move {
        let mut sealing = JoinSet::new();
        while let Some(next) = rx.recv().await {
            worker.perform(next, &mut sealing).await;
            // Those that are done are let go.
            while sealing.try_join_next().is_some() {}
        }
        all_of(sealing).await;
    });
    tx
}

struct Worker {
    ports: Ports,
    subject: Subject,
    told: Told,
}

impl Worker {
    /// What a check leaves is sealed side by side, in `sealing`: each piece waits for the disk, and
    /// the customer for all of them.
    async fn perform(self: &Arc<Self>, next: PortCall, sealing: &mut JoinSet<()>) {
        let Self { ports, subject, .. } = &**self;
        let (call, customer) = (subject.call, subject.customer);
        match next {
            PortCall::Mark(recording, event) => ports.recorder.mark(recording, event).await,
            PortCall::AddParticipant(recording, who) => {
                ports.recorder.add_participant(recording, who).await;
            }
            PortCall::BeginKyc { request, needs_portrait } => {
                self.begin_kyc(request, needs_portrait).await;
            }
            PortCall::CancelKyc => ports.kyc.cancel(call, customer).await,
            PortCall::SealArtifact { recording, attempt, artifact } => {
                let worker = Arc::clone(self);
                sealing.spawn(async move {
                    let sealed = worker.seal(recording, artifact).await;
                    worker.tell(Command::ArtifactSealed { attempt, sealed }).await;
                });
            }
            PortCall::Watch(participant) => ports.kyc.watch(call, participant).await,
            PortCall::Unwatch(participant) => ports.kyc.unwatch(call, participant).await,
            PortCall::ForgetFace => self.forget_face().await,
            PortCall::ForgetOwnFace if subject.person.is_of_one_visit() => {
                self.forget_face().await;
            }
            PortCall::ForgetOwnFace => {}
            PortCall::SetSeat(participant, seat) => {
                ports.media.set_seat(call, participant, seat).await;
            }
            PortCall::Mute(participant, kind, muted) => {
                ports.media.mute(call, participant, kind, muted).await;
            }
            PortCall::Drop(participant) => ports.media.leave(call, participant).await,
            PortCall::EndMedia => ports.media.end(call).await,
            PortCall::CloseRecording(recording, at) => {
                // A closed recording takes nothing any more.
                all_of(std::mem::take(sealing)).await;
                ports.recorder.close(recording, at).await;
            }
        }
    }

    /// A portrait that was given and cannot be had must not turn a match into none.
    async fn begin_kyc(&self, request: KycRequest, needs_portrait: bool) {
        let Subject { visit, call, customer, person } = &self.subject;
        let portrait = match self.ports.vault.portrait(person.reference()).await {
            Ok(None) if needs_portrait => Err("its time is over, or it was withdrawn".to_owned()),
            Ok(portrait) => Ok(portrait),
            Err(error) => Err(error.to_string()),
        };
        match portrait {
            Ok(portrait) => {
                let request = KycRequest { portrait, ..request };
                self.ports.kyc.begin(*call, *customer, request).await;
            }
            Err(error) => {
                tracing::error!(%visit, error, "no check: its portrait is not to be had");
                self.tell(Command::PortraitMissing { attempt: request.attempt }).await;
            }
        }
    }

    async fn seal(&self, recording: RecordingId, artifact: KycArtifact) -> Option<ArtifactRef> {
        let KycArtifact { name, bytes, .. } = artifact;
        let sealing = self.ports.recorder.put_artifact(recording, name, bytes);
        match timeout(SEAL_WITHIN, sealing).await {
            Ok(Ok(sealed)) => Some(sealed),
            Ok(Err(error)) => {
                tracing::error!(%recording, %error, "what a check rests on was not sealed");
                None
            }
            Err(_) => {
                tracing::error!(%recording, "what a check rests on was not sealed in time");
                None
            }
        }
    }

    async fn forget_face(&self) {
        let forgotten = self.ports.vault.forget(self.subject.person.reference()).await;
        if let Err(error) = forgotten {
            // What is left of it is forgotten when its time is over.
            metrics::counter!("vbranch_kyc_forget_failed_total").increment(1);
            tracing::error!(visit = %self.subject.visit, %error, "a portrait was not forgotten");
        }
    }

    async fn tell(&self, command: Command) {
        if self.told.send((self.subject.visit, command)).await.is_err() {
            tracing::debug!(visit = %self.subject.visit, "the branch has stopped");
        }
    }
}

async fn all_of(mut tasks: JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}
