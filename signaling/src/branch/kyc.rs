//! Liveness checks and portraits: what must be asked outside before the visit may go on.

use tokio::task::JoinError as TaskError;
use vbranch_domain::{
    UnixMillis, UserId, VisitId,
    kyc::{CameraTraits, Portrait},
};

use super::{Branch, BranchError, Message, Seen, Views};
use crate::{
    ports::VaultError,
    store::StoreError,
    visit::{Command, KycEvidence},
};

/// Why no check was begun.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The visit or the branch.
    #[error(transparent)]
    Branch(#[from] BranchError),
    /// This person has been checked as often as a day allows.
    #[error("this person has been checked as often as a day allows; staff identify them")]
    DailyLimit,
    /// It cannot be counted.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The program is stopping.
    #[error("interrupted")]
    Interrupted(#[from] TaskError),
}

/// Why a portrait was not kept or not forgotten.
#[derive(Debug, thiserror::Error)]
pub enum PortraitError {
    /// The visit or the branch.
    #[error(transparent)]
    Branch(#[from] BranchError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The program is stopping.
    #[error("interrupted")]
    Interrupted(#[from] TaskError),
}

impl Branch {
    /// Begins a liveness check, where the person may have one more today. Where not, the customer
    /// is referred to staff.
    ///
    /// # Errors
    /// Why none was begun.
    pub async fn check_liveness(
        &self,
        visit: VisitId,
        camera: CameraTraits,
    ) -> Result<Views, CheckError> {
        // On a task of its own: a client that hangs up half-way must not leave it reserved.
        let branch = self.clone();
        tokio::spawn(async move { branch.check_reserved(visit, camera).await }).await?
    }

    async fn check_reserved(
        &self,
        visit: VisitId,
        camera: CameraTraits,
    ) -> Result<Views, CheckError> {
        self.step_on(visit, Command::ReserveLiveness).await?;
        let checked = self.count_and_check(visit, camera).await;
        // Begun or referred, the visit has taken the reservation back already.
        if !matches!(checked, Ok(_) | Err(CheckError::DailyLimit))
            && let Err(error) = self.step_on(visit, Command::ReleaseLiveness).await
        {
            tracing::debug!(%visit, %error, "the check needs no release");
        }
        checked
    }

    async fn count_and_check(
        &self,
        visit: VisitId,
        camera: CameraTraits,
    ) -> Result<Views, CheckError> {
        let available = self.ports.kyc.available();
        if available && !self.count_check(visit).await? {
            tracing::warn!(%visit, "checked too often today: referred to staff");
            metrics::counter!("vbranch_kyc_daily_limit_total").increment(1);
            self.command(visit, Command::ReferLiveness { reason: "daily_limit" }).await?;
            return Err(CheckError::DailyLimit);
        }
        Ok(self.command(visit, Command::StartLiveness { available, camera }).await?)
    }

    async fn count_check(&self, visit: VisitId) -> Result<bool, CheckError> {
        let person = self.seen(visit).await?.person.reference();
        let (limit, now) = (self.limits.liveness_checks_per_day, self.clock.wall());
        Ok(self.store.count_check(&person, limit, now).await?)
    }

    /// Keeps the portrait of a visit's customer, for who made the link.
    ///
    /// # Errors
    /// Not theirs, over, declined; the vault does not take it.
    pub async fn keep_portrait(
        &self,
        visit: VisitId,
        by: UserId,
        portrait: Portrait,
    ) -> Result<(), PortraitError> {
        // On a task of its own: the visit must know of what is kept.
        let branch = self.clone();
        tokio::spawn(async move { branch.keep_now(visit, by, portrait).await }).await?
    }

    async fn keep_now(
        &self,
        visit: VisitId,
        by: UserId,
        portrait: Portrait,
    ) -> Result<(), PortraitError> {
        let seen = self.made_by(visit, by).await?;
        seen.takes_portrait.map_err(BranchError::from)?;
        let bytes = portrait.0.len();
        let lifetime = i64::try_from(self.limits.portrait_lifetime.as_millis());
        let now = self.clock.wall();
        let until = UnixMillis(now.0.saturating_add(lifetime.unwrap_or(i64::MAX)));
        self.ports.vault.keep(seen.person.reference(), portrait, until).await?;
        // Declined or closed meanwhile: what was to be forgotten must not be there again.
        if let Err(error) = self.command(visit, Command::Portrait { kept: true }).await {
            self.ports.vault.forget(seen.person.reference()).await?;
            return Err(error.into());
        }
        tracing::info!(%visit, bytes, "a portrait is kept");
        Ok(())
    }

    /// Forgets the portrait of a visit's customer, for who made the link.
    ///
    /// # Errors
    /// Not theirs; the vault does not do it.
    pub async fn forget_portrait(&self, visit: VisitId, by: UserId) -> Result<(), PortraitError> {
        let branch = self.clone();
        tokio::spawn(async move { branch.forget_now(visit, by).await }).await?
    }

    async fn forget_now(&self, visit: VisitId, by: UserId) -> Result<(), PortraitError> {
        let seen = self.made_by(visit, by).await?;
        self.ports.vault.forget(seen.person.reference()).await?;
        self.command(visit, Command::Portrait { kept: false }).await?;
        Ok(())
    }

    /// What staff may look at of the last check; `None` where there is nothing.
    ///
    /// # Errors
    /// When the branch is stopping.
    pub async fn kyc_evidence(&self, visit: VisitId) -> Result<Option<KycEvidence>, BranchError> {
        self.ask(|reply| Message::Evidence { visit, reply }).await
    }

    async fn seen(&self, visit: VisitId) -> Result<Seen, BranchError> {
        self.look(visit).await?.ok_or(BranchError::Unknown)
    }

    /// Whoever did not make the link does not learn that there is such a visit.
    async fn made_by(&self, visit: VisitId, by: UserId) -> Result<Seen, BranchError> {
        let seen = self.seen(visit).await?;
        if seen.created_by == Some(by) { Ok(seen) } else { Err(BranchError::Unknown) }
    }
}
