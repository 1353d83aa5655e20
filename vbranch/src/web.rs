//! The embedded web client and the headers every response carries.

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../web-client/dist"]
struct Client;

/// Pages load nothing from elsewhere. Component styles are injected at run time, hence
/// `unsafe-inline` for styles alone; replay feeds media through blobs.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; \
     media-src 'self' blob:; style-src 'self' 'unsafe-inline'; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // A customer's link must not leak through a Referer header.
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(self), geolocation=(), payment=()",
    ),
];

/// Adds the client to everything that the API does not answer.
pub fn with_client(api: Router) -> Router {
    api.fallback(asset).layer(middleware::from_fn(secure))
}

async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// A file of the client; any other path is a page of the single-page application.
async fn asset(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    match Client::get(path) {
        Some(file) if !path.is_empty() => {
            // Vite puts a content hash into every name under assets/.
            let cache = if path.starts_with("assets/") {
                "public, max-age=31536000, immutable"
            } else {
                "no-cache"
            };
            let kind = file.metadata.mimetype().to_owned();
            let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache.to_owned())];
            (headers, file.data).into_response()
        }
        _ if path.starts_with("assets/") => StatusCode::NOT_FOUND.into_response(),
        _ => page(),
    }
}

fn page() -> Response {
    match Client::get("index.html") {
        Some(index) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CACHE_CONTROL, "no-cache"),
            ];
            (headers, index.data).into_response()
        }
        None => (
            StatusCode::NOT_FOUND,
            Html("<p>The web client is not built. <code>make run</code> builds it.</p>"),
        )
            .into_response(),
    }
}
