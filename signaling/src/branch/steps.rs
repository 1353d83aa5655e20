//! Completing a step. One with a picture is reserved, its picture sealed, then completed.

use bytes::Bytes;
use tokio::task::JoinError as TaskError;
use vbranch_domain::{RecordingId, VisitId, recording::ArtifactRef};

use super::{Branch, BranchError, Views};
use crate::{
    ports::RecorderError,
    visit::{Actor, Command, Refusal, StepOutcome},
};

/// A step as handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepDone {
    /// Which.
    pub step: String,
    /// What came of it.
    pub outcome: StepOutcome,
    /// A PNG where one belongs to it.
    pub picture: Option<Bytes>,
}

/// Why a step was not completed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The visit or the branch.
    #[error(transparent)]
    Branch(#[from] BranchError),
    /// The picture could not be sealed.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The program is stopping.
    #[error("interrupted")]
    Interrupted(#[from] TaskError),
}

impl Branch {
    /// Completes a step.
    ///
    /// # Errors
    /// Why it was not; it can then be handed in again.
    pub async fn complete(
        &self,
        visit: VisitId,
        by: Actor,
        done: StepDone,
    ) -> Result<Views, StepError> {
        let StepDone { step, outcome, picture } = done;
        let Some(picture) = picture else {
            let command = Command::CompleteStep { by, step, outcome, artifact: None };
            return Ok(self.command(visit, command).await?);
        };
        // On a task of its own: a client that hangs up half-way must not leave the step reserved.
        let branch = self.clone();
        let task = async move { branch.complete_with(visit, by, step, outcome, picture).await };
        tokio::spawn(task).await?
    }

    async fn complete_with(
        &self,
        visit: VisitId,
        by: Actor,
        step: String,
        outcome: StepOutcome,
        picture: Bytes,
    ) -> Result<Views, StepError> {
        let kind = outcome.kind();
        let reserved =
            self.step_on(visit, Command::ReserveStep { by, step: step.clone(), kind }).await?;
        let done = async {
            let seen = self.look(visit).await?.ok_or(BranchError::Unknown)?;
            let recording =
                seen.recording.ok_or(BranchError::Refused(Refusal::RecordingNotReady))?;
            let name = reserved.picture.ok_or(BranchError::Refused(Refusal::StepBusy))?;
            let artifact = Some(self.seal(recording, name, picture).await?);
            let command = Command::CompleteStep { by, step: step.clone(), outcome, artifact };
            Ok(self.command(visit, command).await?)
        };
        let done = done.await;
        if done.is_err()
            && let Err(error) = self.step_on(visit, Command::ReleaseStep { step }).await
        {
            tracing::debug!(%visit, %error, "the step needs no release");
        }
        done
    }

    async fn seal(
        &self,
        recording: RecordingId,
        name: String,
        picture: Bytes,
    ) -> Result<ArtifactRef, RecorderError> {
        let sealed = self.ports.recorder.put_artifact(recording, name, picture).await;
        if let Err(error) = &sealed {
            tracing::error!(%recording, %error, "a picture was not sealed");
        }
        sealed
    }
}
