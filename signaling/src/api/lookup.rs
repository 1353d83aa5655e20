//! Visits, wherever they are: live ones with the branch, old ones in the database.

use vbranch_domain::{UserId, VisitId, recording};

use super::{App, Problem, message::ServerMessage, staff::Viewer};
use crate::{
    auth::TokenHash,
    branch::{Link, Views},
    store::StoredVisit,
    visit::{
        Refusal, Visit,
        view::{CustomerView, StaffView, StoresView},
    },
};

impl App {
    /// The visit a link opens.
    pub(crate) async fn visit_of_link(&self, link: &TokenHash) -> Result<VisitId, Problem> {
        match self.branch.resolve(*link).await? {
            Link::Valid(visit) => return Ok(visit),
            Link::Expired => return Err(Problem::LINK_EXPIRED),
            Link::Unknown => {}
        }
        let stored = self.store.visit_by_token(link).await?.ok_or(Problem::LINK_UNKNOWN)?;
        let visit = self.rebuild(stored).ok_or(Problem::LINK_UNKNOWN)?;
        if visit.link_expired(self.clock.wall()) {
            return Err(Problem::LINK_EXPIRED);
        }
        Ok(visit.id())
    }

    /// What the customer sees.
    pub(crate) async fn customer_view(&self, id: VisitId) -> Result<CustomerView, Problem> {
        if let Some(views) = self.branch.watch(id).await? {
            return Ok((*views.borrow().customer).clone());
        }
        let visit = self.old_visit(id).await?;
        Ok(visit.customer_view(&self.content.consents, None))
    }

    /// What the staff member sees who accepted it; nobody else sees anything.
    pub(crate) async fn staff_view(&self, id: VisitId, who: UserId) -> Result<StaffView, Problem> {
        if let Some(views) = self.branch.watch(id).await? {
            return own_view(&views.borrow(), who);
        }
        let visit = self.old_visit(id).await?;
        if visit.state().staff.as_ref().map(|s| s.id) != Some(who) {
            return Err(Problem::NOT_YOUR_VISIT);
        }
        Ok(visit.staff_view(self.stores()))
    }

    fn stores(&self) -> StoresView {
        StoresView {
            a: self.recorder.store_ok(recording::StoreId::A).into(),
            b: self.recorder.store_ok(recording::StoreId::B).into(),
        }
    }

    async fn old_visit(&self, id: VisitId) -> Result<Visit, Problem> {
        let stored = self.store.visit(id).await?.ok_or(Problem::VISIT_UNKNOWN)?;
        self.rebuild(stored).ok_or(Problem::VISIT_UNKNOWN)
    }

    pub(super) fn rebuild(&self, stored: StoredVisit) -> Option<Visit> {
        let journey = self.content.journey(&stored.journey)?;
        Visit::rebuild(stored.id, journey, self.config.limits, &stored.events)
    }
}

/// Whether somebody signed in may watch a visit: it is theirs, or they attend it.
pub(super) fn may_watch(views: &Views, who: Viewer) -> Result<(), Problem> {
    let attends = views.supervisors.iter().any(|(id, _)| *id == who.id);
    if attends || views.owner == Some(who.id) { Ok(()) } else { Err(not_theirs(who)) }
}

/// What is pushed to somebody who watches a visit, while they may.
pub(super) fn watched(views: &Views, who: Viewer) -> Result<ServerMessage, Problem> {
    may_watch(views, who)?;
    Ok(match views.supervisor(who.id) {
        Ok(view) => ServerMessage::SupervisedVisit { visit: Box::new((*view).clone()) },
        Err(_) => ServerMessage::StaffVisit { visit: Box::new((*views.staff).clone()) },
    })
}

/// Why a visit is not shown to somebody: a supervisor could attend it.
pub(super) fn not_theirs(who: Viewer) -> Problem {
    if who.supervises { Refusal::NotSupervising.into() } else { Problem::NOT_YOUR_VISIT }
}

/// The staff side of these views, for its owner.
pub(super) fn own_view(views: &Views, who: UserId) -> Result<StaffView, Problem> {
    if views.owner == Some(who) { Ok((*views.staff).clone()) } else { Err(Problem::NOT_YOUR_VISIT) }
}
