//! Tokens that let others publish into a call or watch it, by WHIP and WHEP ([`super::whip`]).

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vbranch_domain::{ParticipantId, VisitId};

use super::{
    App, Problem,
    body::{ApiJson, ApiPath},
    problem::ProblemBody,
    whip::Protocol,
};
use crate::{auth::InviterAuth, visit::MediaRight};

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct MakeToken {
    right: MediaRight,
}

/// A token to hand to a guest. It ends with the call.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeToken {
    /// What to show as bearer token; not shown again.
    token: String,
    /// Where to: the endpoint of WHIP to publish, of WHEP to watch.
    url: String,
    /// The guest's place in the call, by which the token can be taken back.
    participant: ParticipantId,
}

/// Makes a token to publish into the visit's call, or to watch it.
#[utoipa::path(
    post, path = "/api/v1/visits/{visit}/media-tokens", tag = "WHIP and WHEP",
    security(("session" = [])), params(("visit" = VisitId, Path)), request_body = MakeToken,
    responses(
        (status = 201, body = MadeToken),
        (status = 403, body = ProblemBody, description = "`not_your_visit`, `forbidden`"),
        (status = 409, body = ProblemBody, description = "`wrong_state` before the call, `visit_closed`, `too_many_guests`"),
    )
)]
pub(super) async fn make(
    State(app): State<Arc<App>>,
    InviterAuth(by): InviterAuth,
    ApiPath(visit): ApiPath<VisitId>,
    ApiJson(MakeToken { right }): ApiJson<MakeToken>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    let made = app.branch.invite(visit, by, right).await?;
    let url = Protocol::from(right).endpoint(made.call);
    let token = made.token.reveal();
    Ok((StatusCode::CREATED, Json(MadeToken { token, url, participant: made.participant })))
}

/// Takes a token back. Who is in the call by it is dropped.
#[utoipa::path(
    delete, path = "/api/v1/visits/{visit}/media-tokens/{participant}", tag = "WHIP and WHEP",
    security(("session" = [])),
    params(("visit" = VisitId, Path), ("participant" = ParticipantId, Path)),
    responses(
        (status = 204),
        (status = 403, body = ProblemBody, description = "`not_your_visit`, `forbidden`"),
        (status = 404, body = ProblemBody, description = "`guest_unknown`, `visit_unknown`"),
    )
)]
pub(super) async fn take_back(
    State(app): State<Arc<App>>,
    InviterAuth(by): InviterAuth,
    ApiPath((visit, participant)): ApiPath<(VisitId, ParticipantId)>,
) -> Result<StatusCode, Problem> {
    app.branch.uninvite(visit, by, participant).await?;
    Ok(StatusCode::NO_CONTENT)
}
