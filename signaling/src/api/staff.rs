//! What staff can do: see the queue, take a visit, lead it through its journey.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vbranch_domain::{MediaKind, ParticipantId, Redacted, UnixMillis, UserId, VisitId};

use super::{
    App, Problem,
    body::{ApiJson, ApiPath, Empty, StepInput},
    customer::{SdpAnswer, SdpOffer},
    lookup::own_view,
    problem::ProblemBody,
};
use crate::{
    auth::StaffAuth,
    branch::{QueueRow, Wanted},
    person::CustomerRef,
    store::{Account, Role},
    visit::{
        Command, Outcome, StaffBadge, VisitState,
        view::{QueueEntry, StaffView},
    },
};

/// The queue, and the visit one is in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Queue {
    visits: Vec<QueueEntry>,
}

/// A link to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct CreateVisit {
    /// e.g. `demo-loan`.
    product: String,
    /// Seconds, from a minute to 30 days.
    expires_in_s: Option<u64>,
    /// Who the customer is to the bank: 1 to 128 characters, no control characters. Visits with
    /// the same one are of the same person.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    customer_ref: Option<Redacted<String>>,
}

/// A link to hand to a customer.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedVisit {
    visit: VisitId,
    token: String,
    url: String,
    expires: UnixMillis,
}

/// Whom to mute, or to let be heard and seen again.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Mute {
    /// Whose media.
    participant: ParticipantId,
    /// Which.
    kind: MediaKind,
    /// Whether it is kept from the others.
    muted: bool,
}

/// How to close a visit.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Close {
    /// `completed`, `declined` or `abandoned`.
    outcome: Outcome,
}

const LINK_LIFETIME_S: std::ops::RangeInclusive<u64> = 60..=30 * 86_400;

/// The queue in order, and the visit one is in.
#[utoipa::path(
    get, path = "/api/v1/visits", tag = "Staff", security(("session" = [])),
    responses((status = 200, body = Queue))
)]
pub(super) async fn queue(State(app): State<Arc<App>>, staff: StaffAuth) -> Json<Queue> {
    Json(Queue { visits: queue_for(&app.branch.queue().borrow(), staff.viewer()) })
}

/// Makes a link to hand to a customer.
#[utoipa::path(
    post, path = "/api/v1/visits", tag = "Staff", security(("session" = [])),
    request_body = CreateVisit,
    responses((status = 201, body = CreatedVisit), (status = 422, body = ProblemBody, description = "`product_unknown`, `bad_request`"))
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    staff: StaffAuth,
    ApiJson(body): ApiJson<CreateVisit>,
) -> Result<(StatusCode, Json<CreatedVisit>), Problem> {
    let lifetime = match body.expires_in_s {
        None => app.config.limits.link_lifetime,
        Some(s) if LINK_LIFETIME_S.contains(&s) => Duration::from_secs(s),
        Some(_) => return Err(Problem::bad_request("expires_in_s must be 60 to 2592000")),
    };
    let customer = body.customer_ref.map(customer_ref).transpose()?;
    let wanted = Wanted { product: body.product, lifetime, by: Some(staff.user()), customer };
    let link = app.branch.create(wanted).await?;
    let token = link.token.reveal();
    let url = format!("/v/{token}");
    let created = CreatedVisit { visit: link.visit, token, url, expires: link.expires };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Takes a visit from the queue.
#[utoipa::path(
    post, path = "/api/v1/visits/{visit}/accept", tag = "Staff", security(("session" = [])),
    params(("visit" = VisitId, Path)), request_body = Empty,
    responses(
        (status = 200, body = StaffView),
        (status = 409, body = ProblemBody, description = "`already_taken`, `not_waiting`, `busy`"),
    )
)]
pub(super) async fn accept(
    State(app): State<Arc<App>>,
    staff: StaffAuth,
    ApiPath(visit): ApiPath<VisitId>,
    ApiJson(Empty {}): ApiJson<Empty>,
) -> Result<Json<StaffView>, Problem> {
    let command = Command::Accept(badge(&staff.0.account));
    app.staff_does(&staff, visit, command).await
}

/// The visit one has accepted.
#[utoipa::path(
    get, path = "/api/v1/visits/{visit}", tag = "Staff", security(("session" = [])),
    params(("visit" = VisitId, Path)),
    responses((status = 200, body = StaffView), (status = 403, body = ProblemBody, description = "`not_your_visit`"))
)]
pub(super) async fn view(
    State(app): State<Arc<App>>,
    staff: StaffAuth,
    ApiPath(visit): ApiPath<VisitId>,
) -> Result<Json<StaffView>, Problem> {
    Ok(Json(app.staff_view(visit, staff.user()).await?))
}

/// Joins with an SDP offer, or joins again after a reload.
#[utoipa::path(
    post, path = "/api/v1/visits/{visit}/media", tag = "Staff", security(("session" = [])),
    params(("visit" = VisitId, Path)), request_body = SdpOffer,
    responses(
        (status = 200, body = SdpAnswer, description = "The answer"),
        (status = 403, body = ProblemBody, description = "`not_your_visit`"),
        (status = 422, body = ProblemBody, description = "`bad_sdp`, `codec_not_agreed`"),
        (status = 429, body = ProblemBody, description = "`too_many_joins`"),
    )
)]
pub(super) async fn media(
    State(app): State<Arc<App>>,
    staff: StaffAuth,
    ApiPath(visit): ApiPath<VisitId>,
    ApiJson(offer): ApiJson<SdpOffer>,
) -> Result<Json<SdpAnswer>, Problem> {
    Ok(app.branch.join(visit, staff.actor(), offer.sdp).await?.into())
}

/// Opens the next step.
#[utoipa::path(
    post, path = "/api/v1/visits/{visit}/steps/{step}/open", tag = "Staff", security(("session" = [])),
    params(("visit" = VisitId, Path), ("step" = String, Path)), request_body = Empty,
    responses(
        (status = 200, body = StaffView),
        (status = 403, body = ProblemBody, description = "`not_your_visit`"),
        (status = 409, body = ProblemBody, description = "`step_locked`, `step_done`, `recording_not_ready`, `media_not_connected`"),
    )
)]
pub(super) async fn open_step(
    State(app): State<Arc<App>>,
    staff: StaffAuth,
    ApiPath((visit, step)): ApiPath<(VisitId, String)>,
    ApiJson(Empty {}): ApiJson<Empty>,
) -> Result<Json<StaffView>, Problem> {
    let command = Command::OpenStep { by: staff.actor(), step };
    app.staff_does(&staff, visit, command).await
}

/// Completes a step that is the staff member's to complete.
#[utoipa::path(
    post, path = "/api/v1/visits/{visit}/steps/{step}/complete", tag = "Staff", security(("session" = [])),
    params(("visit" = VisitId, Path), ("step" = String, Path)), request_body = StepInput,
    responses(
        (status = 200, body = StaffView),
        (status = 403, body = ProblemBody, description = "`not_your_visit`"),
        (status = 409, body = ProblemBody, description = "`step_locked`, `step_done`, `not_your_step`, `step_busy`, `recording_not_ready`, `media_not_connected`"),
        (status = 422, body = ProblemBody, description = "`wrong_input`, `bad_picture`"),
    )
)]
pub(super) async fn complete_step(
    State(app): State<Arc<App>>,
    staff: StaffAuth,
    ApiPath((visit, step)): ApiPath<(VisitId, String)>,
    ApiJson(input): ApiJson<StepInput>,
) -> Result<Json<StaffView>, Problem> {
    let done = input.into_step(step)?;
    let views = app.branch.complete(visit, staff.actor(), done).await?;
    Ok(Json(own_view(&views, staff.user())?))
}

/// Closes the visit.
#[utoipa::path(
    post, path = "/api/v1/visits/{visit}/close", tag = "Staff", security(("session" = [])),
    params(("visit" = VisitId, Path)), request_body = Close,
    responses(
        (status = 200, body = StaffView),
        (status = 403, body = ProblemBody, description = "`not_your_visit`"),
        (status = 409, body = ProblemBody, description = "`steps_open`, `answer_no`, `visit_closed`"),
    )
)]
pub(super) async fn close(
    State(app): State<Arc<App>>,
    staff: StaffAuth,
    ApiPath(visit): ApiPath<VisitId>,
    ApiJson(Close { outcome }): ApiJson<Close>,
) -> Result<Json<StaffView>, Problem> {
    let command = Command::Close { by: staff.actor(), outcome };
    app.staff_does(&staff, visit, command).await
}

/// Mutes a participant, or lets them be heard and seen again. The recording has them either way.
#[utoipa::path(
    post, path = "/api/v1/visits/{visit}/mute", tag = "Staff", security(("session" = [])),
    params(("visit" = VisitId, Path)), request_body = Mute,
    responses(
        (status = 200, body = StaffView),
        (status = 403, body = ProblemBody, description = "`not_your_visit`"),
        (status = 404, body = ProblemBody, description = "`participant_unknown`"),
    )
)]
pub(super) async fn mute(
    State(app): State<Arc<App>>,
    staff: StaffAuth,
    ApiPath(visit): ApiPath<VisitId>,
    ApiJson(Mute { participant, kind, muted }): ApiJson<Mute>,
) -> Result<Json<StaffView>, Problem> {
    let command = Command::Mute { by: staff.actor(), participant, kind, muted };
    app.staff_does(&staff, visit, command).await
}

/// Who looks at the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Viewer {
    pub(super) id: UserId,
    /// Sees every call, in order to choose which to attend.
    pub(super) supervises: bool,
}

impl StaffAuth {
    pub(super) fn viewer(&self) -> Viewer {
        Viewer { id: self.user(), supervises: self.0.account.role == Role::Supervisor }
    }
}

/// The lines this viewer may see: those waiting, and their own; every call, for a supervisor.
pub(super) fn queue_for(rows: &[QueueRow], who: Viewer) -> Vec<QueueEntry> {
    let mine = |row: &QueueRow| row.owner == Some(who.id);
    let seen = rows
        .iter()
        .filter(|row| row.entry.state == VisitState::Waiting || who.supervises || mine(row));
    seen.map(|row| QueueEntry { mine: mine(row), ..row.entry.clone() }).collect()
}

impl App {
    async fn staff_does(
        &self,
        staff: &StaffAuth,
        visit: VisitId,
        command: Command,
    ) -> Result<Json<StaffView>, Problem> {
        let views = self.branch.command(visit, command).await?;
        Ok(Json(own_view(&views, staff.user())?))
    }
}

fn customer_ref(text: Redacted<String>) -> Result<CustomerRef, Problem> {
    CustomerRef::parse(text.expose().clone()).ok_or_else(|| {
        Problem::bad_request("customer_ref must be 1 to 128 characters, none a control character")
    })
}

fn badge(account: &Account) -> StaffBadge {
    StaffBadge {
        id: account.id,
        display_name: account.display_name.clone(),
        title: account.title.clone(),
        staff_no: account.staff_no.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        content::Text,
        visit::view::{ProductView, StaffLiveness},
    };

    fn row(state: VisitState, owner: Option<UserId>) -> QueueRow {
        let name = Text { zh_cn: String::new(), en: String::new() };
        let entry = QueueEntry {
            visit: VisitId::random(),
            number: "A-0001".to_owned(),
            product: ProductView { id: "demo-loan".to_owned(), name },
            state,
            waiting_since: UnixMillis(0),
            position: None,
            liveness: StaffLiveness::Passed,
            mine: false,
            staff: None,
        };
        QueueRow { entry, owner, supervisors: Vec::new() }
    }

    #[test]
    fn staff_see_who_waits_and_their_own_call_and_supervisors_see_all() {
        let (me, colleague) = (UserId::random(), UserId::random());
        let rows = [
            row(VisitState::Waiting, None),
            row(VisitState::InCall, Some(me)),
            row(VisitState::InCall, Some(colleague)),
        ];
        let lines = |supervises| queue_for(&rows, Viewer { id: me, supervises });
        let seen: Vec<VisitId> = lines(false).iter().map(|line| line.visit).collect();
        assert_eq!(seen, [rows[0].entry.visit, rows[1].entry.visit]);
        let mine: Vec<bool> = lines(true).iter().map(|line| line.mine).collect();
        assert_eq!(mine, [false, true, false]);
    }
}
