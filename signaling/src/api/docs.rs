//! The OpenAPI document, and a page that makes it readable without anything from elsewhere.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::{HeaderName, header},
    response::{Html, IntoResponse},
    routing::get,
};
use utoipa::{
    OpenApi,
    openapi::{
        InfoBuilder, OpenApi as Document, OpenApiBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use vbranch_domain::CallId;

use super::{App, SESSION_COOKIE, kyc::KycTrace, message::ClientMessage, whip::Protocol};

/// Schemas no route mentions, or in its path only.
#[derive(OpenApi)]
#[openapi(components(schemas(ClientMessage, CallId, KycTrace, Protocol)))]
struct Extra;

const ABOUT: &str = "Commands are HTTP requests with JSON in and out; the WebSocket at \
    `/api/v1/ws` only pushes whole snapshots. Errors are `application/problem+json` (RFC 9457) \
    with a stable `code`. Times are milliseconds since the Unix epoch, UTC. A request body is at \
    most 64 KiB, but 1 MiB where a picture is carried and 5 MiB for a portrait.";

/// The document without its paths.
pub(super) fn openapi() -> Document {
    let info = InfoBuilder::new()
        .title("vbranch")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .build();
    let mut components = Extra::openapi().components.unwrap_or_default();
    let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE)));
    let link = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("session", cookie);
    components.add_security_scheme("media", SecurityScheme::Http(link.clone()));
    components.add_security_scheme("link", SecurityScheme::Http(link));
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// `/api/openapi.json` and `/api/docs`.
pub(super) fn router(document: Document) -> Router<Arc<App>> {
    let document = Arc::new(document);
    Router::new()
        .route("/api/openapi.json", get(async move || Json(Arc::clone(&document))))
        .route("/api/docs", get(page))
        .route("/api/docs/script.js", get(script))
        .route("/api/docs/style.css", get(style))
}

const CSP: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'",
);

async fn page() -> impl IntoResponse {
    ([CSP], Html(include_str!("docs/page.html")))
}

async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript")], include_str!("docs/script.js"))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css")], include_str!("docs/style.css"))
}
