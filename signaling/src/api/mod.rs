//! HTTP and WebSocket as `docs/protocol.md` has them. Handlers say whom they serve by the
//! extractor they take, and leave every decision to the branch.

mod body;
mod customer;
mod docs;
mod film;
mod kyc;
mod limits;
mod lookup;
mod media_token;
mod message;
mod portrait;
mod problem;
mod reads;
mod replay;
mod session;
mod staff;
mod supervision;
mod whip;
mod ws;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::{sync::Semaphore, time::timeout};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};
use vbranch_domain::Clock;

pub(crate) use film::Films;
pub use problem::Problem;
pub(crate) use replay::Replays;
pub(crate) use session::SESSION_COOKIE;

use crate::{
    auth::{Passwords, Sessions, Throttle},
    branch::Branch,
    config::SignalingConfig,
    content::Content,
    ports::{FaceVault, RecorderPort},
    store::Store,
};

/// What handlers share.
pub struct App {
    pub(crate) config: SignalingConfig,
    pub(crate) content: Arc<Content>,
    pub(crate) store: Store,
    pub(crate) branch: Branch,
    pub(crate) sessions: Sessions,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    pub(crate) replays: replay::Replays,
    pub(crate) films: film::Films,
    pub(crate) sockets: Arc<Semaphore>,
    pub(crate) recorder: Arc<dyn RecorderPort>,
    pub(crate) vault: Arc<dyn FaceVault>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A body that trickles in, or an answer that does not come, ends here. Longer: connections pile
/// up under a slow attack; shorter: a picture from a poor mobile line does not arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Everything under `/api`.
pub(crate) fn router(app: Arc<App>) -> Router {
    let pictures = || DefaultBodyLimit::max(body::PICTURE_BODY_LIMIT);
    let portraits = || DefaultBodyLimit::max(portrait::PORTRAIT_BODY_LIMIT);
    let (router, openapi) = OpenApiRouter::with_openapi(docs::openapi())
        .routes(routes!(session::info))
        .routes(routes!(session::sign_in, session::who, session::sign_out))
        .routes(routes!(customer::demo_visit))
        .routes(routes!(customer::view))
        .routes(routes!(customer::consents))
        .routes(routes!(customer::media))
        .routes(routes!(customer::liveness))
        .routes(routes!(customer::skip_liveness))
        .routes(routes!(customer::step).layer(pictures()))
        .routes(routes!(customer::leave))
        .routes(routes!(staff::queue, staff::create))
        .routes(routes!(staff::view))
        .routes(routes!(staff::accept))
        .routes(routes!(staff::media))
        .routes(routes!(staff::open_step))
        .routes(routes!(staff::complete_step).layer(pictures()))
        .routes(routes!(staff::close))
        .routes(routes!(staff::mute))
        .routes(routes!(portrait::keep, portrait::forget).layer(portraits()))
        .routes(routes!(kyc::check))
        .routes(routes!(kyc::picture))
        .routes(routes!(supervision::view, supervision::attend, supervision::end))
        .routes(routes!(supervision::media))
        .routes(routes!(media_token::make))
        .routes(routes!(media_token::take_back))
        .routes(
            routes!(whip::begin, whip::about, whip::options)
                .layer(middleware::from_fn(whip::for_other_origins)),
        )
        .routes(
            routes!(whip::end, whip::candidates, whip::about_session, whip::session_options)
                .layer(middleware::from_fn(whip::for_other_origins)),
        )
        .routes(routes!(replay::recordings))
        .routes(routes!(replay::begin))
        .routes(routes!(replay::file))
        .routes(routes!(replay::snapshot))
        .routes(routes!(film::begin))
        .routes(routes!(film::list))
        .routes(routes!(film::status, film::discard))
        .routes(routes!(film::approve))
        .routes(routes!(film::file))
        .routes(routes!(replay::audit_log))
        .routes(routes!(ws::upgrade))
        .split_for_parts();
    router
        .merge(docs::router(openapi))
        // Not a fallback: what is not under /api belongs to whoever merges this router.
        .route("/api/{*rest}", axum::routing::any(async || Problem::NOT_FOUND))
        .method_not_allowed_fallback(async || Problem::METHOD_NOT_ALLOWED)
        .layer(DefaultBodyLimit::max(body::BODY_LIMIT))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), observe))
        .with_state(app)
}

/// Times out, counts, and marks every answer as one nobody may keep or reinterpret.
async fn observe(
    axum::extract::State(app): axum::extract::State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|p| p.as_str().to_owned());
    let route = route.unwrap_or_else(|| "unmatched".to_owned());
    let method = method_word(request.method());
    let begun = app.clock.mono();
    let answer = timeout(REQUEST_TIMEOUT, next.run(request)).await;
    let mut answer = answer.unwrap_or_else(|_| Problem::TIMEOUT.into_response());
    let took = app.clock.mono().since(begun);
    let status = answer.status().as_u16();
    tracing::debug!(method, route, status, took_ms = took.as_millis(), "answered");
    crate::metrics::request(method, route, status, took.as_secs_f64());
    let headers = answer.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Methods are free text; a label of a metric must not be.
fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
