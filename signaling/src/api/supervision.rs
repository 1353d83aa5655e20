//! What supervisors can do: attend a running call, silently, whispering to staff, or as one of
//! those who talk.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use vbranch_domain::{ParticipantId, VisitId};

use super::{
    App, Problem,
    body::{ApiJson, ApiPath},
    customer::{SdpAnswer, SdpOffer},
    problem::ProblemBody,
};
use crate::{
    auth::SupervisorAuth,
    branch::BranchError,
    visit::{Command, SupervisionMode, view::SupervisorView},
};

/// How to attend.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Attend {
    /// `silent`, `whispering` or `barged_in`.
    mode: SupervisionMode,
}

/// The call one attends.
#[utoipa::path(
    get, path = "/api/v1/visits/{visit}/supervision", tag = "Supervisor", security(("session" = [])),
    params(("visit" = VisitId, Path)),
    responses(
        (status = 200, body = SupervisorView),
        (status = 403, body = ProblemBody, description = "`not_supervising`"),
    )
)]
pub(super) async fn view(
    State(app): State<Arc<App>>,
    supervisor: SupervisorAuth,
    ApiPath(visit): ApiPath<VisitId>,
) -> Result<Json<SupervisorView>, Problem> {
    let views = app.branch.watch(visit).await?.ok_or(BranchError::Unknown)?;
    let view = views.borrow().supervisor(supervisor.user())?;
    Ok(Json((*view).clone()))
}

/// Begins to attend a running call, or goes on in another way. It is on the recording from here
/// on; media is joined next.
#[utoipa::path(
    post, path = "/api/v1/visits/{visit}/supervision", tag = "Supervisor", security(("session" = [])),
    params(("visit" = VisitId, Path)), request_body = Attend,
    responses(
        (status = 200, body = SupervisorView),
        (status = 409, body = ProblemBody, description = "`wrong_state`, `visit_closed`, `own_visit`, `too_many_supervisors`"),
    )
)]
pub(super) async fn attend(
    State(app): State<Arc<App>>,
    supervisor: SupervisorAuth,
    ApiPath(visit): ApiPath<VisitId>,
    ApiJson(Attend { mode }): ApiJson<Attend>,
) -> Result<Json<SupervisorView>, Problem> {
    let (by, participant) = (supervisor.user(), ParticipantId::random());
    let views = app.branch.command(visit, Command::Supervise { by, mode, participant }).await?;
    Ok(Json((*views.supervisor(by)?).clone()))
}

/// Joins the call's media with an SDP offer, or joins again after a reload.
#[utoipa::path(
    post, path = "/api/v1/visits/{visit}/supervision/media", tag = "Supervisor", security(("session" = [])),
    params(("visit" = VisitId, Path)), request_body = SdpOffer,
    responses(
        (status = 200, body = SdpAnswer, description = "The answer"),
        (status = 403, body = ProblemBody, description = "`not_supervising`"),
        (status = 422, body = ProblemBody, description = "`bad_sdp`, `codec_not_agreed`"),
        (status = 429, body = ProblemBody, description = "`too_many_joins`"),
    )
)]
pub(super) async fn media(
    State(app): State<Arc<App>>,
    supervisor: SupervisorAuth,
    ApiPath(visit): ApiPath<VisitId>,
    ApiJson(offer): ApiJson<SdpOffer>,
) -> Result<Json<SdpAnswer>, Problem> {
    Ok(app.branch.join(visit, supervisor.actor(), offer.sdp).await?.into())
}

/// Attends no more.
#[utoipa::path(
    delete, path = "/api/v1/visits/{visit}/supervision", tag = "Supervisor", security(("session" = [])),
    params(("visit" = VisitId, Path)),
    responses(
        (status = 204),
        (status = 403, body = ProblemBody, description = "`not_supervising`"),
    )
)]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    supervisor: SupervisorAuth,
    ApiPath(visit): ApiPath<VisitId>,
) -> Result<StatusCode, Problem> {
    app.branch.command(visit, Command::EndSupervision { by: supervisor.user() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
