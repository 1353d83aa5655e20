//! Extractors: a handler that takes one of these cannot forget to check.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, Method, header, request::Parts},
};
use axum_extra::extract::CookieJar;
use vbranch_domain::{UserId, VisitId};

use super::{Session, SessionError, Token, TokenHash};
use crate::{
    api::{App, Problem, SESSION_COOKIE},
    store::Role,
    visit::{Actor, Inviter},
};

/// Somebody signed in, whoever.
#[derive(Debug)]
pub struct SessionAuth(pub Session);

/// A staff member or supervisor.
#[derive(Debug)]
pub struct StaffAuth(pub Session);

/// A supervisor.
#[derive(Debug)]
pub struct SupervisorAuth(pub Session);

/// An auditor.
#[derive(Debug)]
pub struct AuditorAuth(pub Session);

/// Whoever holds a customer's link.
#[derive(Debug, Clone, Copy)]
pub struct CustomerAuth {
    /// The link's visit.
    pub visit: VisitId,
}

/// Whoever holds a token for a call. Which call and what right is for the branch to say.
#[derive(Debug, Clone, Copy)]
pub struct MediaTokenAuth(pub TokenHash);

/// Who may make tokens for a call: staff for their own, an administrator for every one.
#[derive(Debug, Clone, Copy)]
pub struct InviterAuth(pub Inviter);

/// Where the request came from; `None` when the server does not say.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddr(pub Option<IpAddr>);

impl StaffAuth {
    /// Their account.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.0.account.id
    }

    /// As a party of a visit.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        Actor::Staff(self.user())
    }
}

impl SupervisorAuth {
    /// Their account.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.0.account.id
    }

    /// As one who attends a call.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        Actor::Supervisor(self.user())
    }
}

impl FromRequestParts<Arc<App>> for SessionAuth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let safe = matches!(parts.method, Method::GET | Method::HEAD);
        if !safe && !origin_allowed(&parts.headers, &app.config.public_origins) {
            return Err(Problem::BAD_ORIGIN);
        }
        let token = session_token(&parts.headers).ok_or(Problem::NOT_SIGNED_IN)?;
        match app.sessions.authenticate(&token).await {
            Ok(session) => Ok(Self(session)),
            Err(SessionError::Invalid) => Err(Problem::NOT_SIGNED_IN),
            Err(error) => Err(Problem::unavailable("the session could not be checked", &error)),
        }
    }
}

impl FromRequestParts<Arc<App>> for StaffAuth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let SessionAuth(session) = SessionAuth::from_request_parts(parts, app).await?;
        match session.account.role {
            Role::Staff | Role::Supervisor => Ok(Self(session)),
            Role::Auditor | Role::Admin => Err(Problem::FORBIDDEN),
        }
    }
}

impl FromRequestParts<Arc<App>> for SupervisorAuth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let SessionAuth(session) = SessionAuth::from_request_parts(parts, app).await?;
        match session.account.role {
            Role::Supervisor => Ok(Self(session)),
            Role::Staff | Role::Auditor | Role::Admin => Err(Problem::FORBIDDEN),
        }
    }
}

impl FromRequestParts<Arc<App>> for AuditorAuth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let SessionAuth(session) = SessionAuth::from_request_parts(parts, app).await?;
        match session.account.role {
            Role::Auditor => Ok(Self(session)),
            Role::Staff | Role::Supervisor | Role::Admin => Err(Problem::FORBIDDEN),
        }
    }
}

impl FromRequestParts<Arc<App>> for CustomerAuth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or(Problem::LINK_UNKNOWN)?;
        let visit = app.visit_of_link(&token.hash()).await?;
        Ok(Self { visit })
    }
}

impl FromRequestParts<Arc<App>> for MediaTokenAuth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or(Problem::BAD_MEDIA_TOKEN)?;
        Ok(Self(token.hash()))
    }
}

impl FromRequestParts<Arc<App>> for InviterAuth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let SessionAuth(session) = SessionAuth::from_request_parts(parts, app).await?;
        let any_visit = match session.account.role {
            Role::Staff | Role::Supervisor => false,
            Role::Admin => true,
            Role::Auditor => return Err(Problem::FORBIDDEN),
        };
        Ok(Self(Inviter { user: session.account.id, any_visit }))
    }
}

impl FromRequestParts<Arc<App>> for PeerAddr {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Infallible> {
        let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(info.map(|ConnectInfo(addr)| addr.ip())))
    }
}

/// The token of an `Authorization` header (RFC 6750 section 2.1). The scheme's case does not
/// matter (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<Token> {
    let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = shown.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") { Token::parse(token.trim()) } else { None }
}

/// The session token a browser shows.
pub(crate) fn session_token(headers: &HeaderMap) -> Option<TokenHash> {
    let jar = CookieJar::from_headers(headers);
    Some(Token::parse(jar.get(SESSION_COOKIE)?.value())?.hash())
}

/// Whether the page asking is one of ours. Browsers always say where a changing request or a
/// WebSocket comes from; who says nothing is no browser and cannot be misled into asking.
pub(crate) fn origin_allowed(headers: &HeaderMap, public_origins: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if !public_origins.is_empty() {
        return public_origins.iter().any(|ours| ours == origin);
    }
    let Some(host) = headers.get(header::HOST).and_then(|h| h.to_str().ok()) else { return false };
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    authority == Some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: Option<&str>, host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_our_own_pages_may_ask() {
        let host = "branch.example:8080";
        let ok = |origin| origin_allowed(&headers(origin, host), &[]);
        assert!(ok(None));
        assert!(ok(Some("http://branch.example:8080")));
        for bad in
            ["http://evil.example", "null", "http://branch.example", "ftp://branch.example:8080"]
        {
            assert!(!ok(Some(bad)), "{bad}");
        }
        let ours = ["https://branch.example".to_owned()];
        assert!(origin_allowed(&headers(Some("https://branch.example"), host), &ours));
        assert!(!origin_allowed(&headers(Some("http://branch.example:8080"), host), &ours));
    }
}
