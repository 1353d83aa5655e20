//! Signing in and out, and what pages need before that.

use std::{fmt, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vbranch_domain::{Redacted, UserId};

use super::{App, Problem, body::ApiJson, problem::ProblemBody};
use crate::{
    auth::{PeerAddr, SessionAuth, Token, origin_allowed, session_token},
    content::Text,
    store::{Account, AuditEntry, Role},
};

pub(crate) const SESSION_COOKIE: &str = "vb_session";

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct User {
    id: UserId,
    username: String,
    display_name: String,
    title: String,
    staff_no: String,
    role: Role,
}

/// What pages need before anyone has signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Info {
    version: String,
    demo: bool,
    bank_name: Text,
    products: Vec<ProductInfo>,
}

/// A product on offer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProductInfo {
    id: String,
    name: Text,
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
pub(super) struct Credentials {
    username: String,
    #[schema(value_type = String)]
    password: Redacted<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Longer ones are refused unread: hashing a megabyte is a way to burn our cores.
const MAX_CREDENTIAL: usize = 256;

/// What the pages need before anyone has signed in.
#[utoipa::path(get, path = "/api/v1/info", tag = "Session", responses((status = 200, body = Info)))]
pub(super) async fn info(State(app): State<Arc<App>>) -> Json<Info> {
    let products = app.content.products();
    Json(Info {
        version: app.config.version.clone(),
        demo: app.config.demo,
        bank_name: app.config.bank_name.clone(),
        products: products
            .map(|p| ProductInfo { id: p.id.clone(), name: p.name.clone() })
            .collect(),
    })
}

/// Signs in; the cookie is the session.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "Session", request_body = Credentials,
    responses(
        (status = 200, body = User, description = "Signed in; sets the cookie `vb_session`"),
        (status = 401, body = ProblemBody, description = "`bad_credentials`"),
        (status = 429, body = ProblemBody, description = "`too_many_attempts`"),
    )
)]
pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    PeerAddr(from): PeerAddr,
    headers: HeaderMap,
    jar: CookieJar,
    ApiJson(credentials): ApiJson<Credentials>,
) -> Result<(CookieJar, Json<User>), Problem> {
    if !origin_allowed(&headers, &app.config.public_origins) {
        return Err(Problem::BAD_ORIGIN);
    }
    let Credentials { username, password } = credentials;
    if username.len() > MAX_CREDENTIAL || password.expose().len() > MAX_CREDENTIAL {
        return Err(Problem::BAD_CREDENTIALS);
    }
    if !app.throttle.admit(&username, from, app.clock.mono()) {
        metrics::counter!("vbranch_sign_in_total", "result" => "throttled").increment(1);
        return Err(Problem::TOO_MANY_ATTEMPTS);
    }
    let account = app.check(&username, password).await?;
    app.throttle.succeeded(&username, from);
    app.note(&account, "sign_in").await?;
    let begun = app.sessions.begin(account.clone()).await;
    let token = begun.map_err(|e| Problem::unavailable("beginning a session", &e))?;
    if let Some(old) = session_token(&headers) {
        app.sessions.end(&old).await?;
    }
    Ok((jar.add(app.cookie(&token)), Json(user(account))))
}

/// Who is signed in.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "Session", security(("session" = [])),
    responses((status = 200, body = User), (status = 401, body = ProblemBody, description = "`not_signed_in`"))
)]
pub(super) async fn who(SessionAuth(session): SessionAuth) -> Json<User> {
    Json(user(session.account))
}

/// Signs out: the session ends at once, in every open page.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "Session", security(("session" = [])),
    responses((status = 204), (status = 401, body = ProblemBody, description = "`not_signed_in`"))
)]
pub(super) async fn sign_out(
    State(app): State<Arc<App>>,
    SessionAuth(session): SessionAuth,
    jar: CookieJar,
) -> Result<(CookieJar, StatusCode), Problem> {
    app.sessions.end(&session.token).await?;
    app.note(&session.account, "sign_out").await?;
    let gone = Cookie::build(SESSION_COOKIE).path("/");
    Ok((jar.remove(gone), StatusCode::NO_CONTENT))
}

impl App {
    async fn check(&self, username: &str, password: Redacted<String>) -> Result<Account, Problem> {
        let account = self.store.account(username).await?;
        let right =
            self.passwords.verify(password, account.as_ref().map(|a| &a.password_hash)).await;
        let word = if right { "ok" } else { "failed" };
        metrics::counter!("vbranch_sign_in_total", "result" => word).increment(1);
        match account {
            Some(account) if right => Ok(account),
            // An unknown name is not noted: it may be a password in the wrong field.
            Some(account) => {
                self.note(&account, "sign_in_failed").await?;
                Err(Problem::BAD_CREDENTIALS)
            }
            None => Err(Problem::BAD_CREDENTIALS),
        }
    }

    async fn note(&self, account: &Account, action: &'static str) -> Result<(), Problem> {
        let entry = AuditEntry {
            at: self.clock.wall(),
            actor: account.username.clone(),
            action,
            recording: None,
            reason: String::new(),
        };
        Ok(self.store.note(&entry).await?)
    }

    fn cookie(&self, token: &Token) -> Cookie<'static> {
        Cookie::build((SESSION_COOKIE, token.reveal()))
            .path("/")
            .http_only(true)
            .secure(self.config.cookie_secure)
            .same_site(SameSite::Strict)
            .build()
    }
}

fn user(account: Account) -> User {
    User {
        id: account.id,
        username: account.username,
        display_name: account.display_name,
        title: account.title,
        staff_no: account.staff_no,
        role: account.role,
    }
}
