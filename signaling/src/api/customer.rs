//! What the holder of a link can do.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vbranch_domain::kyc::CameraTraits;

use super::{
    App, Problem,
    body::{ApiJson, ApiPath, Empty, StepInput, camera, object},
    problem::ProblemBody,
};
use crate::{
    auth::CustomerAuth,
    branch::{Answer, Views, Wanted},
    visit::{Actor, Command, ConsentEvidence, Refusal, view::CustomerView},
};

/// A product to visit about.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct DemoVisit {
    /// e.g. `demo-loan`.
    product: String,
}

/// A demo link.
#[derive(Serialize, ToSchema)]
pub(super) struct DemoLink {
    /// What to show as bearer token.
    token: String,
    /// The page to open.
    url: String,
}

/// Both decisions.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Consents {
    /// False ends the visit.
    recording: bool,
    /// False: staff identify the customer.
    face: bool,
    /// The version of the texts shown.
    text_version: String,
}

/// A check to be begun.
#[derive(Deserialize, ToSchema)]
pub(super) struct BeginLiveness {
    /// What the page knows of its camera: a label of at most 256 characters, sides of at most
    /// 16384 pixels, at most 1000 pictures a second.
    #[serde(default, deserialize_with = "object")]
    camera: Option<CameraTraits>,
}

/// An offer.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SdpOffer {
    /// The session description.
    pub sdp: String,
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SdpAnswer {
    /// The session description.
    sdp: String,
    /// The how-many-th connection of this party it is. A higher number in the view's `media` says
    /// that another page has taken over.
    connection: u32,
}

impl From<Answer> for Json<SdpAnswer> {
    fn from(Answer { sdp, connection }: Answer) -> Self {
        Self(SdpAnswer { sdp, connection })
    }
}

/// Makes a link without anyone signed in. Only on a demo server.
#[utoipa::path(
    post, path = "/api/v1/demo/visits", tag = "Customer", request_body = DemoVisit,
    responses((status = 201, body = DemoLink), (status = 404, body = ProblemBody, description = "Not a demo"))
)]
pub(super) async fn demo_visit(
    State(app): State<Arc<App>>,
    ApiJson(body): ApiJson<DemoVisit>,
) -> Result<(StatusCode, Json<DemoLink>), Problem> {
    if !app.config.demo {
        return Err(Problem::NOT_FOUND);
    }
    let lifetime = app.config.limits.link_lifetime;
    let wanted = Wanted { product: body.product, lifetime, by: None, customer: None };
    let link = app.branch.create(wanted).await?;
    let token = link.token.reveal();
    let url = format!("/v/{token}");
    Ok((StatusCode::CREATED, Json(DemoLink { token, url })))
}

/// The visit as the customer may see it.
#[utoipa::path(
    get, path = "/api/v1/customer/visit", tag = "Customer", security(("link" = [])),
    responses(
        (status = 200, body = CustomerView),
        (status = 404, body = ProblemBody, description = "`link_unknown`"),
        (status = 410, body = ProblemBody, description = "`link_expired`"),
    )
)]
pub(super) async fn view(
    State(app): State<Arc<App>>,
    customer: CustomerAuth,
) -> Result<Json<CustomerView>, Problem> {
    Ok(Json(app.customer_view(customer.visit).await?))
}

/// Decides on both consents.
#[utoipa::path(
    post, path = "/api/v1/customer/visit/consents", tag = "Customer", security(("link" = [])),
    request_body = Consents,
    responses(
        (status = 200, body = CustomerView),
        (status = 409, body = ProblemBody, description = "`text_outdated`, `consent_decided`, `visit_closed`"),
    )
)]
pub(super) async fn consents(
    State(app): State<Arc<App>>,
    customer: CustomerAuth,
    ApiJson(body): ApiJson<Consents>,
) -> Result<Json<CustomerView>, Problem> {
    let texts = &app.content.consents;
    if body.text_version != texts.version {
        return Err(Refusal::TextOutdated.into());
    }
    let evidence = ConsentEvidence {
        recording: body.recording,
        face: body.face,
        text_version: body.text_version,
        recording_sha256: texts.recording.sha256(),
        face_sha256: texts.face.sha256(),
    };
    app.customer_does(customer, Command::Consent(evidence)).await
}

/// Joins with an SDP offer, or joins again after a reload.
#[utoipa::path(
    post, path = "/api/v1/customer/visit/media", tag = "Customer", security(("link" = [])),
    request_body = SdpOffer,
    responses(
        (status = 200, body = SdpAnswer, description = "The answer"),
        (status = 409, body = ProblemBody, description = "`wrong_state` before the consents, `visit_closed`"),
        (status = 422, body = ProblemBody, description = "`bad_sdp`, `codec_not_agreed`"),
        (status = 429, body = ProblemBody, description = "`too_many_joins`"),
        (status = 503, body = ProblemBody, description = "`recording_unavailable`, `unavailable`"),
    )
)]
pub(super) async fn media(
    State(app): State<Arc<App>>,
    customer: CustomerAuth,
    ApiJson(offer): ApiJson<SdpOffer>,
) -> Result<Json<SdpAnswer>, Problem> {
    Ok(app.branch.join(customer.visit, Actor::Customer, offer.sdp).await?.into())
}

/// Starts the liveness check, or tries again. After `daily_limit` the customer is in the queue.
#[utoipa::path(
    post, path = "/api/v1/customer/visit/liveness", tag = "Customer", security(("link" = [])),
    request_body = BeginLiveness,
    responses(
        (status = 200, body = CustomerView),
        (status = 409, body = ProblemBody, description = "`media_not_connected`, `liveness_running`, `attempts_exhausted`, `daily_limit`, `wrong_state`"),
        (status = 422, body = ProblemBody, description = "`bad_request`: traits no camera has"),
        (status = 503, body = ProblemBody, description = "`unavailable`: the check cannot be counted now"),
    )
)]
pub(super) async fn liveness(
    State(app): State<Arc<App>>,
    customer: CustomerAuth,
    ApiJson(body): ApiJson<BeginLiveness>,
) -> Result<Json<CustomerView>, Problem> {
    let camera = camera(body.camera.unwrap_or_default())?;
    Ok(seen(&app.branch.check_liveness(customer.visit, camera).await?))
}

/// Withdraws the consent to face processing: staff identify the customer.
#[utoipa::path(
    post, path = "/api/v1/customer/visit/liveness/skip", tag = "Customer", security(("link" = [])),
    request_body = Empty,
    responses((status = 200, body = CustomerView), (status = 409, body = ProblemBody))
)]
pub(super) async fn skip_liveness(
    State(app): State<Arc<App>>,
    customer: CustomerAuth,
    ApiJson(Empty {}): ApiJson<Empty>,
) -> Result<Json<CustomerView>, Problem> {
    app.customer_does(customer, Command::SkipLiveness).await
}

/// Answers or signs.
#[utoipa::path(
    post, path = "/api/v1/customer/visit/steps/{step}", tag = "Customer", security(("link" = [])),
    params(("step" = String, Path)), request_body = StepInput,
    responses(
        (status = 200, body = CustomerView),
        (status = 409, body = ProblemBody, description = "`step_locked`, `step_done`, `not_your_step`, `step_busy`, `recording_not_ready`, `media_not_connected`"),
        (status = 422, body = ProblemBody, description = "`wrong_input`, `bad_picture`"),
    )
)]
pub(super) async fn step(
    State(app): State<Arc<App>>,
    customer: CustomerAuth,
    ApiPath(step): ApiPath<String>,
    ApiJson(input): ApiJson<StepInput>,
) -> Result<Json<CustomerView>, Problem> {
    let done = input.into_step(step)?;
    let views = app.branch.complete(customer.visit, Actor::Customer, done).await?;
    Ok(seen(&views))
}

/// Leaves: the visit is over.
#[utoipa::path(
    post, path = "/api/v1/customer/visit/leave", tag = "Customer", security(("link" = [])),
    request_body = Empty, responses((status = 200, body = CustomerView))
)]
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    customer: CustomerAuth,
    ApiJson(Empty {}): ApiJson<Empty>,
) -> Result<Json<CustomerView>, Problem> {
    app.customer_does(customer, Command::Leave).await
}

impl App {
    async fn customer_does(
        &self,
        customer: CustomerAuth,
        command: Command,
    ) -> Result<Json<CustomerView>, Problem> {
        Ok(seen(&self.branch.command(customer.visit, command).await?))
    }
}

fn seen(views: &Views) -> Json<CustomerView> {
    Json((*views.customer).clone())
}
