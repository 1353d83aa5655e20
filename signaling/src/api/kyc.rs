//! What a liveness check rests on, for the staff who serve the customer.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use vbranch_domain::{VisitId, kyc::KycVerdict};

use super::{App, Problem, body::ApiPath, lookup::may_watch, problem::ProblemBody};
use crate::{auth::StaffAuth, visit::KycEvidence};

/// The last check.
#[derive(Serialize, ToSchema)]
pub(super) struct KycCheck {
    /// Which attempt it was.
    attempt: u32,
    /// How it ended; null while it runs, and where it was cut short.
    verdict: Option<KycVerdict>,
    /// Its course.
    #[schema(value_type = Option<KycTrace>)]
    trace: Option<serde_json::Value>,
    /// Whether there is a picture.
    picture: bool,
}

/// The course of a check, as measured. Times are milliseconds since it began.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what the KYC engine writes, for the API's description")]
pub(super) struct KycTrace {
    /// 1.
    version: u32,
    /// How long it took.
    duration_ms: u64,
    /// Each picture looked at.
    looks: Vec<KycLook>,
    /// What was asked for.
    challenges: Vec<KycAsked>,
    /// Which colours the screen was to show.
    flash: Vec<KycShown>,
    /// The colour of the skin.
    skin: Vec<KycColour>,
    /// The colour of what is behind.
    background: Vec<KycColour>,
    /// The mesh of the best picture.
    landmarks: KycLandmarks,
}

/// A picture, measured.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as `KycTrace`")]
pub(super) struct KycLook {
    /// When.
    t: u64,
    /// How many faces.
    faces: u32,
    /// How surely there is one.
    presence: f32,
    /// How closed the eyes are.
    blink: f32,
    /// How open the mouth is.
    mouth: f32,
    /// How much of a smile.
    smile: f32,
    /// Head turned, degrees.
    yaw: f32,
    /// Head raised, degrees.
    pitch: f32,
    /// How large the face is.
    size: f32,
    /// How bright.
    light: f32,
    /// How sharp.
    sharp: f32,
}

/// A challenge, with its time.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as `KycTrace`")]
pub(super) struct KycAsked {
    /// e.g. `blink`.
    kind: String,
    /// Which one, from 0.
    index: u32,
    /// Asked when.
    from: u64,
    /// Over when.
    to: u64,
    /// Whether it was seen.
    done: bool,
}

/// A colour of the screen.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as `KycTrace`")]
pub(super) struct KycShown {
    /// When.
    t: u64,
    /// As in CSS; null: the page itself.
    colour: Option<String>,
    /// Which one, from 0.
    index: u32,
}

/// A mean colour.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as `KycTrace`")]
pub(super) struct KycColour {
    /// When.
    t: u64,
    /// Red.
    r: f32,
    /// Green.
    g: f32,
    /// Blue.
    b: f32,
}

/// The mesh of a face in the pixels of its picture.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as `KycTrace`")]
pub(super) struct KycLandmarks {
    /// The picture's width.
    width: u32,
    /// The picture's height.
    height: u32,
    /// x and y of each point.
    points: Vec<[f32; 2]>,
}

const UNKNOWN: Problem = Problem::new(
    StatusCode::NOT_FOUND,
    "kyc_unknown",
    "There is no check to look at: none was begun, the customer declined, or the visit is over.",
);

/// The last check of a visit one serves, or attends as a supervisor, until the visit closes.
#[utoipa::path(
    get, path = "/api/v1/visits/{visit}/kyc", tag = "Staff", security(("session" = [])),
    params(("visit" = VisitId, Path)),
    responses(
        (status = 200, body = KycCheck),
        (status = 403, body = ProblemBody, description = "`not_your_visit`, `not_supervising`"),
        (status = 404, body = ProblemBody, description = "`visit_unknown`, `kyc_unknown`"),
    )
)]
pub(super) async fn check(
    State(app): State<Arc<App>>,
    staff: StaffAuth,
    ApiPath(visit): ApiPath<VisitId>,
) -> Result<Json<KycCheck>, Problem> {
    let KycEvidence { attempt, verdict, trace, picture } = app.evidence(visit, &staff).await?;
    let trace = trace.and_then(|json| match serde_json::from_slice(&json) {
        Ok(trace) => Some(trace),
        Err(error) => {
            tracing::error!(%visit, %error, "the trace of a check is not JSON");
            None
        }
    });
    Ok(Json(KycCheck { attempt, verdict, trace, picture: picture.is_some() }))
}

/// The best picture of the last check.
#[utoipa::path(
    get, path = "/api/v1/visits/{visit}/kyc/picture", tag = "Staff", security(("session" = [])),
    params(("visit" = VisitId, Path)),
    responses(
        (status = 200, content_type = "image/jpeg", body = Vec<u8>, description = "Not to be stored"),
        (status = 403, body = ProblemBody, description = "`not_your_visit`, `not_supervising`"),
        (status = 404, body = ProblemBody, description = "`visit_unknown`, `kyc_unknown`"),
    )
)]
pub(super) async fn picture(
    State(app): State<Arc<App>>,
    staff: StaffAuth,
    ApiPath(visit): ApiPath<VisitId>,
) -> Result<Response, Problem> {
    let picture = app.evidence(visit, &staff).await?.picture.ok_or(UNKNOWN)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // A picture and nothing else, whatever is in it.
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    Ok((headers, picture).into_response())
}

impl App {
    /// For who may watch the visit: nobody else learns whether there was a check.
    async fn evidence(&self, visit: VisitId, staff: &StaffAuth) -> Result<KycEvidence, Problem> {
        let Some(views) = self.branch.watch(visit).await? else {
            // Over, and no longer in memory.
            self.staff_view(visit, staff.user()).await?;
            return Err(UNKNOWN);
        };
        may_watch(&views.borrow(), staff.viewer())?;
        self.branch.kyc_evidence(visit).await?.ok_or(UNKNOWN)
    }
}
