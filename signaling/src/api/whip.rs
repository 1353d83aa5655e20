//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): any standard client publishes into a call or
//! watches it, by one HTTP exchange of SDP and a bearer token.
//!
//! The server is ICE-lite and puts its candidates into the answer. Trickled candidates are taken
//! and need not be looked at: the client's checks tell its addresses. There is no ICE restart by
//! PATCH; a client whose network changed is followed, and may post again. That replaces its
//! former session, and its connection too unless the offer is one that restarts ICE.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;
use vbranch_domain::CallId;

use super::{App, Problem, body::ApiPath, problem::ProblemBody};
use crate::{
    auth::{MediaTokenAuth, Token, TokenHash},
    branch::GuestKey,
    visit::{MediaRight, Refusal},
};

const SDP: &str = "application/sdp";
const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Into the call, or out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Protocol {
    /// Publishing, with a token of the right `publish`.
    Whip,
    /// Watching, with a token of the right `watch`.
    Whep,
}

impl From<MediaRight> for Protocol {
    fn from(right: MediaRight) -> Self {
        match right {
            MediaRight::Publish => Self::Whip,
            MediaRight::Watch => Self::Whep,
        }
    }
}

impl Protocol {
    const fn right(self) -> MediaRight {
        match self {
            Self::Whip => MediaRight::Publish,
            Self::Whep => MediaRight::Watch,
        }
    }

    /// Where sessions of the call are begun.
    pub(super) fn endpoint(self, call: CallId) -> String {
        let word = match self {
            Self::Whip => "whip",
            Self::Whep => "whep",
        };
        format!("/api/v1/calls/{call}/{word}")
    }
}

/// Begins a session: an SDP offer in, an answer out.
#[utoipa::path(
    post, path = "/api/v1/calls/{call}/{protocol}", tag = "WHIP and WHEP",
    security(("media" = [])),
    params(("call" = CallId, Path), ("protocol" = Protocol, Path, description = "`whip` or `whep`")),
    request_body(content = String, content_type = "application/sdp"),
    responses(
        (status = 201, body = String, content_type = "application/sdp", description = "The answer",
            headers(("Location" = String, description = "The session"), ("ETag" = String))),
        (status = 401, body = ProblemBody, description = "`bad_media_token`"),
        (status = 403, body = ProblemBody, description = "`wrong_right`"),
        (status = 404, body = ProblemBody, description = "`call_unknown`"),
        (status = 409, body = ProblemBody, description = "`visit_closed`"),
        (status = 415, body = ProblemBody, description = "`not_sdp`"),
        (status = 422, body = ProblemBody, description = "`bad_sdp`, `codec_not_agreed`, `watch_only`"),
        (status = 429, body = ProblemBody, description = "`too_many_joins`"),
    )
)]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    MediaTokenAuth(token): MediaTokenAuth,
    ApiPath((call, protocol)): ApiPath<(CallId, Protocol)>,
    Offer(offer): Offer,
) -> Result<Response, Problem> {
    let key = GuestKey { call, token, right: protocol.right() };
    let answer = app.branch.guest_join(key, offer).await?;
    let location = format!("{}/{}", protocol.endpoint(call), answer.session.reveal());
    let headers = [
        (header::CONTENT_TYPE, SDP.to_owned()),
        (header::LOCATION, location),
        (header::ETAG, entity_tag(answer.session.hash())),
    ];
    Ok((StatusCode::CREATED, headers, answer.sdp).into_response())
}

/// Nothing is to be read here (RFC 9725 section 4.1).
#[utoipa::path(
    get, path = "/api/v1/calls/{call}/{protocol}", tag = "WHIP and WHEP",
    params(("call" = CallId, Path), ("protocol" = Protocol, Path)), responses((status = 204))
)]
pub(super) async fn about(_known: ApiPath<(CallId, Protocol)>) -> StatusCode {
    StatusCode::NO_CONTENT
}

/// What can be sent here; answers a page's question before its request.
#[utoipa::path(
    options, path = "/api/v1/calls/{call}/{protocol}", tag = "WHIP and WHEP",
    params(("call" = CallId, Path), ("protocol" = Protocol, Path)), responses((status = 200))
)]
pub(super) async fn options(_known: ApiPath<(CallId, Protocol)>) -> impl IntoResponse {
    [
        (ACCEPT_POST, HeaderValue::from_static(SDP)),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, OPTIONS")),
    ]
}

/// Ends the session.
#[utoipa::path(
    delete, path = "/api/v1/calls/{call}/{protocol}/{session}", tag = "WHIP and WHEP",
    security(("media" = [])),
    params(("call" = CallId, Path), ("protocol" = Protocol, Path), ("session" = String, Path)),
    responses(
        (status = 200, description = "Ended"),
        (status = 401, body = ProblemBody, description = "`bad_media_token`"),
        (status = 404, body = ProblemBody, description = "`guest_unknown`: ended, or replaced by a newer one"),
    )
)]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    MediaTokenAuth(token): MediaTokenAuth,
    ApiPath((call, protocol, session)): ApiPath<(CallId, Protocol, String)>,
) -> Result<StatusCode, Problem> {
    let key = GuestKey { call, token, right: protocol.right() };
    app.branch.guest_leave(key, session_hash(&session)?).await?;
    Ok(StatusCode::OK)
}

/// Takes trickled candidates.
#[utoipa::path(
    patch, path = "/api/v1/calls/{call}/{protocol}/{session}", tag = "WHIP and WHEP",
    security(("media" = [])),
    params(("call" = CallId, Path), ("protocol" = Protocol, Path), ("session" = String, Path)),
    request_body(content = String, content_type = "application/trickle-ice-sdpfrag"),
    responses(
        (status = 204, description = "Taken"),
        (status = 401, body = ProblemBody, description = "`bad_media_token`"),
        (status = 404, body = ProblemBody, description = "`guest_unknown`"),
        (status = 412, body = ProblemBody, description = "`other_ice_session`"),
        (status = 415, body = ProblemBody, description = "`not_sdp`"),
        (status = 422, body = ProblemBody, description = "`no_ice_restart`: post a new offer"),
    )
)]
pub(super) async fn candidates(
    State(app): State<Arc<App>>,
    MediaTokenAuth(token): MediaTokenAuth,
    ApiPath((call, protocol, session)): ApiPath<(CallId, Protocol, String)>,
    headers: HeaderMap,
    _checked: Fragment,
) -> Result<StatusCode, Problem> {
    let plan = app.branch.guest(GuestKey { call, token, right: protocol.right() }).await?;
    let session = session_hash(&session)?;
    if plan.session != Some(session) {
        return Err(Refusal::GuestUnknown.into());
    }
    match headers.get(header::IF_MATCH).and_then(|v| v.to_str().ok()) {
        None => Ok(StatusCode::NO_CONTENT),
        Some(tag) if tag == entity_tag(session) => Ok(StatusCode::NO_CONTENT),
        // How a client says that it restarts ICE (RFC 9725 section 4.3.3).
        Some("*" | "\"*\"") => Err(NO_ICE_RESTART),
        Some(_) => Err(OTHER_ICE_SESSION),
    }
}

/// Nothing is to be read here.
#[utoipa::path(
    get, path = "/api/v1/calls/{call}/{protocol}/{session}", tag = "WHIP and WHEP",
    params(("call" = CallId, Path), ("protocol" = Protocol, Path), ("session" = String, Path)),
    responses((status = 204))
)]
pub(super) async fn about_session(_known: ApiPath<(CallId, Protocol, String)>) -> StatusCode {
    StatusCode::NO_CONTENT
}

/// What can be sent here; answers a page's question before its request.
#[utoipa::path(
    options, path = "/api/v1/calls/{call}/{protocol}/{session}", tag = "WHIP and WHEP",
    params(("call" = CallId, Path), ("protocol" = Protocol, Path), ("session" = String, Path)),
    responses((status = 200))
)]
pub(super) async fn session_options(
    _known: ApiPath<(CallId, Protocol, String)>,
) -> impl IntoResponse {
    let methods = HeaderValue::from_static("DELETE, PATCH, GET, OPTIONS");
    [
        (ACCEPT_PATCH, HeaderValue::from_static(SDP_FRAGMENT)),
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
    ]
}

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

const NO_ICE_RESTART: Problem = Problem::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "no_ice_restart",
    "ICE is not restarted by PATCH; post a new offer to replace the session.",
);
const OTHER_ICE_SESSION: Problem = Problem::new(
    StatusCode::PRECONDITION_FAILED,
    "other_ice_session",
    "The entity tag is not the one of this session.",
);

/// Players and encoders run on pages of any origin. What opens the door is a token that the page
/// must know and show itself; cookies count for nothing here, hence every origin may ask.
pub(super) async fn for_other_origins(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    let fixed = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, if-match"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "location, etag, accept-post, accept-patch"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if unauthorized {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Names the session's one ICE session. What the session's own name is made of is not told.
fn entity_tag(session: TokenHash) -> String {
    let hex = session.to_hex();
    format!("\"{}\"", hex.get(..16).unwrap_or(&hex))
}

/// A name that cannot be one is that of no session.
fn session_hash(name: &str) -> Result<TokenHash, Problem> {
    Ok(Token::parse(name).ok_or(Refusal::GuestUnknown)?.hash())
}

/// An offer.
pub(super) struct Offer(String);

/// An SDP fragment. It is only checked for being one; see above.
pub(super) struct Fragment;

impl<S: Send + Sync> FromRequest<S> for Offer {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Ok(Self(text_of_kind(request, state, SDP).await?))
    }
}

impl<S: Send + Sync> FromRequest<S> for Fragment {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        text_of_kind(request, state, SDP_FRAGMENT).await.map(|_| Self)
    }
}

async fn text_of_kind<S: Send + Sync>(
    request: Request,
    state: &S,
    kind: &'static str,
) -> Result<String, Problem> {
    let told = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    // Parameters such as a charset may follow.
    let told = told.and_then(|v| v.split(';').next()).unwrap_or_default().trim();
    if !told.eq_ignore_ascii_case(kind) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_sdp",
            "Send the Content-Type that this address takes; see its description.",
        ));
    }
    Ok(String::from_request(request, state).await?)
}
