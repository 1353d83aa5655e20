//! Those who take part by a token: WHIP and WHEP sessions, one per token.

use vbranch_domain::{CallId, ParticipantId, VisitId};

use super::{Branch, BranchError, JoinError, Message};
use crate::{
    auth::{Token, TokenHash},
    ports::{MediaAnswer, MediaError},
    sdp,
    visit::{Command, GuestCommand, GuestPlan, Inviter, MediaRight, NewGuest},
};

/// What somebody shows who wants to take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestKey {
    /// The call asked for.
    pub call: CallId,
    /// The token shown.
    pub token: TokenHash,
    /// The right asked for.
    pub right: MediaRight,
}

/// A token that was made.
#[derive(Debug)]
pub struct NewToken {
    /// What the guest shows.
    pub token: Token,
    /// For which call.
    pub call: CallId,
    /// As whom the guest takes part.
    pub participant: ParticipantId,
}

/// A session that has begun.
#[derive(Debug)]
pub struct GuestAnswer {
    /// The SDP answer.
    pub sdp: String,
    /// The session's name, which nobody can guess.
    pub session: Token,
}

impl Branch {
    /// Makes a token for one right in one visit's call.
    ///
    /// # Errors
    /// Not theirs, no call, too many tokens.
    pub async fn invite(
        &self,
        visit: VisitId,
        by: Inviter,
        right: MediaRight,
    ) -> Result<NewToken, BranchError> {
        let token = Token::random().ok_or(BranchError::Unavailable)?;
        let participant = ParticipantId::random();
        let guest = NewGuest { token: token.hash(), right, participant };
        self.step_on(visit, Command::Guest(GuestCommand::Invite(by, guest))).await?;
        let call = self.look(visit).await?.ok_or(BranchError::Unknown)?.call;
        Ok(NewToken { token, call, participant })
    }

    /// Takes a token back; who is in the call by it is dropped.
    ///
    /// # Errors
    /// Not theirs, no such token.
    pub async fn uninvite(
        &self,
        visit: VisitId,
        by: Inviter,
        participant: ParticipantId,
    ) -> Result<(), BranchError> {
        self.part(visit, participant, GuestCommand::Uninvite(by, participant)).await
    }

    /// What the holder of a token may do now.
    ///
    /// # Errors
    /// No such call, not invited to it, invited to something else.
    pub async fn guest(&self, key: GuestKey) -> Result<GuestPlan, BranchError> {
        self.ask(|reply| Message::Guest { key, joins: false, reply }).await?
    }

    /// Begins a session, in place of a former one of the same token.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn guest_join(&self, key: GuestKey, offer: String) -> Result<GuestAnswer, JoinError> {
        // On a task of its own: a client that hangs up half-way must not leave a connection that
        // the visit does not know of.
        let branch = self.clone();
        tokio::spawn(async move { branch.guest_join_now(key, offer).await }).await?
    }

    async fn guest_join_now(&self, key: GuestKey, offer: String) -> Result<GuestAnswer, JoinError> {
        let plan = self.ask(|reply| Message::Guest { key, joins: true, reply }).await??;
        self.ports.media.check_offer(&offer)?;
        if key.right == MediaRight::Watch && sdp::sends(&offer) {
            return Err(JoinError::WatchOnly);
        }
        let seen = self.look(plan.visit).await?.ok_or(BranchError::Unknown)?;
        let _one_at_a_time = seen.media.lock().await;
        let session = Token::random().ok_or(BranchError::Unavailable)?;
        let joining = Command::Guest(GuestCommand::Joining(plan.participant, session.hash()));
        // Before the connection can be up, and refused where the token was taken back meanwhile.
        self.step_on(plan.visit, joining).await?;
        let seat = key.right.seat();
        let answer = self.ports.media.join(plan.call, plan.participant, seat, offer).await;
        let known = self.guest_answered(&plan, &session, &answer).await;
        self.hang_up_if_over(plan.visit, plan.call).await;
        known?;
        Ok(GuestAnswer { sdp: answer?.sdp, session })
    }

    /// Tells the visit what came of a join, before the client can have the answer, hence before a
    /// new connection can be up.
    async fn guest_answered(
        &self,
        plan: &GuestPlan,
        session: &Token,
        answer: &Result<MediaAnswer, MediaError>,
    ) -> Result<(), BranchError> {
        let command = match answer {
            // No new connection: the guest has never left.
            Ok(MediaAnswer { restarted: true, .. }) => return Ok(()),
            Ok(_) => GuestCommand::Joined(plan.participant),
            Err(_) => {
                // The former connection may be up still, and its session is over.
                self.ports.media.leave(plan.call, plan.participant).await;
                GuestCommand::Leave(plan.participant, session.hash())
            }
        };
        self.step_on(plan.visit, Command::Guest(command)).await?;
        Ok(())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// No such session of this token.
    pub async fn guest_leave(&self, key: GuestKey, session: TokenHash) -> Result<(), BranchError> {
        let plan = self.guest(key).await?;
        let leave = GuestCommand::Leave(plan.participant, session);
        self.part(plan.visit, plan.participant, leave).await
    }

    /// Tells the visit, then the media plane, with no join in between that would be undone.
    async fn part(
        &self,
        visit: VisitId,
        participant: ParticipantId,
        command: GuestCommand,
    ) -> Result<(), BranchError> {
        let branch = self.clone();
        let done = tokio::spawn(async move {
            let seen = branch.look(visit).await?.ok_or(BranchError::Unknown)?;
            let _one_at_a_time = seen.media.lock().await;
            branch.step_on(visit, Command::Guest(command)).await?;
            branch.ports.media.leave(seen.call, participant).await;
            Ok(())
        });
        done.await.unwrap_or(Err(BranchError::Unavailable))
    }
}
