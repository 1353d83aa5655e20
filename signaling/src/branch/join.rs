//! Joining a call: recording first, then media, so that the first packet is recorded.

use tokio::task::JoinError as TaskError;
use vbranch_domain::{VisitId, recording::RecordingMeta};

use super::{Branch, BranchError};
use crate::{
    ports::{MediaError, RecorderError},
    visit::{Actor, Command, MediaPlan},
};

/// Why a party could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The visit or the branch.
    #[error(transparent)]
    Branch(#[from] BranchError),
    /// The media plane.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The recorder: without it there is no call.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The program is stopping.
    #[error("interrupted")]
    Interrupted(#[from] TaskError),
}

impl Branch {
    /// Gives an SDP offer to the media plane and returns its answer. The first of a visit opens
    /// its recording before.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn join(
        &self,
        visit: VisitId,
        by: Actor,
        offer: String,
    ) -> Result<String, JoinError> {
        if !offer.starts_with("v=0") {
            return Err(MediaError::BadSdp("does not begin with v=0".to_owned()).into());
        }
        // On a task of its own: a client that hangs up half-way must not leave a recording open
        // that the visit does not know of.
        let branch = self.clone();
        tokio::spawn(async move { branch.join_now(visit, by, offer).await }).await?
    }

    async fn join_now(
        &self,
        visit: VisitId,
        by: Actor,
        offer: String,
    ) -> Result<String, JoinError> {
        let seen = self.look(visit).await?.ok_or(BranchError::Unknown)?;
        let _one_at_a_time = seen.media.lock().await;
        let plan = self.ask(|reply| super::Message::Plan { visit, by, reply }).await??;
        if let Some(meta) = plan.open.clone() {
            self.open_recording(visit, meta).await?;
        }
        self.step_on(visit, Command::Joining(by)).await?;
        let answer = self.ports.media.join(plan.call, plan.participant, offer).await;
        // Before the client can have the answer, hence before the new connection can be up.
        let told = match &answer {
            Ok(_) => self.step_on(visit, Command::Joined(by.party())).await.map(|_| ()),
            Err(_) => Ok(()),
        };
        self.hang_up_if_over(visit, &plan).await;
        told?;
        Ok(answer?)
    }

    async fn open_recording(&self, visit: VisitId, meta: RecordingMeta) -> Result<(), JoinError> {
        let recording = meta.recording;
        if let Err(error) = self.ports.recorder.open(meta, self.clock.mono()).await {
            tracing::error!(%visit, %error, "no recording, hence no call");
            return Err(error.into());
        }
        let known = self.step_on(visit, Command::RecordingOpened(recording)).await;
        if let Err(error) = known {
            // Closed meanwhile: nobody else will close this recording.
            self.ports.recorder.close(recording, self.clock.mono()).await;
            return Err(error.into());
        }
        Ok(())
    }

    /// The visit may have ended while the media plane was making the answer, and its call with it:
    /// the join then made a new one that nobody would end.
    async fn hang_up_if_over(&self, visit: VisitId, plan: &MediaPlan) {
        let over = match self.look(visit).await {
            Ok(Some(seen)) => seen.views.borrow().customer.outcome.is_some(),
            Ok(None) | Err(_) => true,
        };
        if over {
            self.ports.media.end(plan.call).await;
        }
    }
}
