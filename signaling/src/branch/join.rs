//! Joining a call: recording first, then media, so that the first packet is recorded.

use std::{collections::VecDeque, time::Duration};

use tokio::task::JoinError as TaskError;
use vbranch_domain::{CallId, Mono, VisitId, recording::RecordingMeta};

use super::{Branch, BranchError};
use crate::{
    ports::{MediaAnswer, MediaError, RecorderError},
    visit::{Actor, Command},
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
    /// The offer is to send, and the token is to watch.
    #[error("a token to watch does not send")]
    WatchOnly,
    /// The recorder: without it there is no call.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The program is stopping.
    #[error("interrupted")]
    Interrupted(#[from] TaskError),
}

/// What a party gets for its offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The SDP answer.
    pub sdp: String,
    /// The how-many-th connection of this party it is, from 1.
    pub connection: u32,
}

/// Joins of one party within [`JOINS_WITHIN`]. Each costs a handshake and starts the picture anew
/// for the other party; a page on a bad line needs a few in a row, no page needs more.
const JOINS: usize = 5;
const JOINS_WITHIN: Duration = Duration::from_secs(10);

/// When a party joined lately.
#[derive(Debug, Default)]
pub(super) struct RecentJoins(VecDeque<Mono>);

impl RecentJoins {
    /// Whether the party may join now; counts it if so.
    pub fn admit(&mut self, now: Mono) -> bool {
        self.0.retain(|at| now.since(*at) < JOINS_WITHIN);
        let free = self.0.len() < JOINS;
        if free {
            self.0.push_back(now);
        }
        free
    }
}

impl Branch {
    /// Gives an SDP offer to the media plane and returns its answer. The first of a visit opens
    /// its recording before, but only for an offer that can be answered.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn join(
        &self,
        visit: VisitId,
        by: Actor,
        offer: String,
    ) -> Result<Answer, JoinError> {
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
    ) -> Result<Answer, JoinError> {
        let seen = self.look(visit).await?.ok_or(BranchError::Unknown)?;
        let _one_at_a_time = seen.media.lock().await;
        let plan = self.ask(|reply| super::Message::Plan { visit, by, reply }).await??;
        self.ports.media.check_offer(&offer)?;
        if let Some(meta) = plan.open.clone() {
            self.open_recording(visit, meta).await?;
        }
        self.step_on(visit, Command::Joining(by)).await?;
        let joined = self.ports.media.join(plan.call, plan.participant, plan.seat, offer).await;
        let answer = match joined {
            // Before the client can have the answer, hence before the new connection can be up.
            Ok(answer) => self.joined(visit, by, answer).await.map_err(JoinError::from),
            Err(error) => Err(error.into()),
        };
        self.hang_up_if_over(visit, plan.call).await;
        answer
    }

    async fn joined(
        &self,
        visit: VisitId,
        by: Actor,
        answer: MediaAnswer,
    ) -> Result<Answer, BranchError> {
        let MediaAnswer { sdp, restarted } = answer;
        // A restart is no new connection: the former was not lost, and none will come up.
        let views = if restarted {
            let seen = self.look(visit).await?.ok_or(BranchError::Unknown)?;
            seen.views.borrow().clone()
        } else {
            self.step_on(visit, Command::Joined(by)).await?.views
        };
        let media = match by {
            Actor::Customer => views.customer.media,
            Actor::Staff(_) => views.staff.media,
            Actor::Supervisor(id) => views.supervisor(id)?.media,
        };
        Ok(Answer { sdp, connection: media.connection })
    }

    async fn open_recording(&self, visit: VisitId, meta: RecordingMeta) -> Result<(), JoinError> {
        let (recording, call) = (meta.recording, meta.call);
        let opened = self.ports.recorder.open(meta, self.clock.mono()).await;
        let known: Result<(), JoinError> = match opened {
            // Refused if the visit was closed meanwhile.
            Ok(()) => {
                let told = self.step_on(visit, Command::RecordingOpened(recording)).await;
                told.map(|_| ()).map_err(JoinError::from)
            }
            Err(error) => {
                tracing::error!(%visit, %error, "no recording, hence no call");
                Err(error.into())
            }
        };
        if known.is_err() {
            // The visit does not know of this recording nor of the call it may hang on: nobody
            // else will end them. One that failed to open may have come half-way.
            self.ports.media.end(call).await;
            self.ports.recorder.close(recording, self.clock.mono()).await;
        }
        known
    }

    /// The visit may have ended while the media plane was making the answer, and its call with it:
    /// the join then made a new one that nobody would end.
    pub(super) async fn hang_up_if_over(&self, visit: VisitId, call: CallId) {
        let over = match self.look(visit).await {
            Ok(Some(seen)) => seen.views.borrow().customer.outcome.is_some(),
            Ok(None) | Err(_) => true,
        };
        if over {
            self.ports.media.end(call).await;
        }
    }
}
