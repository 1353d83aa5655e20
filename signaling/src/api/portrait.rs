//! The portrait of a visit's customer: handed in by who made the link, into the face vault.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
};
use bytes::Bytes;
use tokio::task::spawn_blocking;
use vbranch_domain::{VisitId, kyc::Portrait};

use super::{App, Problem, body::ApiPath, problem::ProblemBody};
use crate::{
    auth::StaffAuth,
    branch::{BranchError, PortraitError},
    jpeg,
    person::Person,
    png,
};

/// What a portrait is at most, in bytes.
pub(super) const PORTRAIT_BODY_LIMIT: usize = 5 * 1024 * 1024;

/// A picture of a sane size, of the kind it is said to be.
pub(super) struct Picture(Portrait);

#[derive(Clone, Copy)]
enum Kind {
    Jpeg,
    Png,
}

impl<S: Send + Sync> FromRequest<S> for Picture {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = kind(request.headers()).ok_or(NOT_A_PICTURE)?;
        let bytes = Bytes::from_request(request, state).await?;
        let picture = bytes.clone();
        // A whole PNG is summed up to check it: some tens of milliseconds.
        let checked = spawn_blocking(move || match kind {
            Kind::Jpeg => jpeg::check(&picture).map_err(Problem::from),
            Kind::Png => png::check(&picture).map_err(Problem::from),
        });
        checked.await.map_err(|error| Problem::unavailable("checking a portrait", &error))??;
        Ok(Self(Portrait(bytes)))
    }
}

const NOT_A_PICTURE: Problem = Problem::new(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "not_a_picture",
    "Send Content-Type: image/jpeg or image/png.",
);

fn kind(headers: &HeaderMap) -> Option<Kind> {
    let said = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    match said.split(';').next().unwrap_or_default().trim() {
        "image/jpeg" => Some(Kind::Jpeg),
        "image/png" => Some(Kind::Png),
        _ => None,
    }
}

/// Keeps the picture on the customer's identity document, to be matched in every check of the same
/// person while it is kept. In place of one that was there.
#[utoipa::path(
    put, path = "/api/v1/visits/{visit}/portrait", tag = "Staff", security(("session" = [])),
    params(("visit" = VisitId, Path)),
    request_body(
        description = "At most 5 MiB and 4096 x 4096",
        content(
            (Vec<u8> = "image/jpeg"),
            (Vec<u8> = "image/png"),
        )
    ),
    responses(
        (status = 204, description = "It is kept, sealed"),
        (status = 404, body = ProblemBody, description = "`visit_unknown`: there is none, or somebody else made its link"),
        (status = 409, body = ProblemBody, description = "`visit_closed`, `face_declined`"),
        (status = 413, body = ProblemBody, description = "`too_large`"),
        (status = 415, body = ProblemBody, description = "`not_a_picture`"),
        (status = 422, body = ProblemBody, description = "`bad_picture`"),
    )
)]
pub(super) async fn keep(
    State(app): State<Arc<App>>,
    staff: StaffAuth,
    ApiPath(visit): ApiPath<VisitId>,
    Picture(portrait): Picture,
) -> Result<StatusCode, Problem> {
    match app.branch.keep_portrait(visit, staff.user(), portrait).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(PortraitError::Branch(BranchError::Unknown)) => {
            app.old_customer(visit, &staff).await?;
            Err(crate::visit::Refusal::Closed.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Forgets it, wherever the visit is in its course.
#[utoipa::path(
    delete, path = "/api/v1/visits/{visit}/portrait", tag = "Staff", security(("session" = [])),
    params(("visit" = VisitId, Path)),
    responses(
        (status = 204, description = "There is none, or none any more"),
        (status = 404, body = ProblemBody, description = "`visit_unknown`: there is none, or somebody else made its link"),
    )
)]
pub(super) async fn forget(
    State(app): State<Arc<App>>,
    staff: StaffAuth,
    ApiPath(visit): ApiPath<VisitId>,
) -> Result<StatusCode, Problem> {
    match app.branch.forget_portrait(visit, staff.user()).await {
        Ok(()) => {}
        Err(PortraitError::Branch(BranchError::Unknown)) => {
            let person = app.old_customer(visit, &staff).await?;
            let forgotten = app.vault.forget(person.reference()).await;
            forgotten.map_err(PortraitError::from)?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(StatusCode::NO_CONTENT)
}

impl App {
    /// The customer of a visit that is over and no longer in memory, for who made its link.
    async fn old_customer(&self, id: VisitId, staff: &StaffAuth) -> Result<Person, Problem> {
        if self.branch.watch(id).await?.is_some() {
            return Err(Problem::VISIT_UNKNOWN);
        }
        let mut stored = self.store.visit(id).await?.ok_or(Problem::VISIT_UNKNOWN)?;
        let customer = stored.customer.take();
        let visit = self.rebuild(stored).ok_or(Problem::VISIT_UNKNOWN)?;
        if visit.state().created.created_by != Some(staff.user()) {
            return Err(Problem::VISIT_UNKNOWN);
        }
        Ok(Person::of(id, customer))
    }
}
