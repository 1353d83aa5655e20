//! Settings of this crate. `vbranch` reads them from file and environment; here they are plain
//! values, each with its unit in the name or type.

use std::time::Duration;

use vbranch_domain::Redacted;

use crate::content::Text;

/// What the branch is started with.
#[derive(Debug, Clone)]
pub struct SignalingConfig {
    /// `sqlite:PATH`, `sqlite://PATH` or `postgres://…`. May hold a password, hence redacted.
    pub database_url: Redacted<String>,
    /// Accounts and visits for trying things out; never on a real branch.
    pub demo: bool,
    /// Whether the session cookie is marked `Secure` (serve over HTTPS, then set it).
    pub cookie_secure: bool,
    /// Origins pages may come from, e.g. `https://branch.example`. Empty: whatever the request's
    /// own `Host` says, which suits one server on one name.
    pub public_origins: Vec<String>,
    /// Whether a film leaves the branch only when a second person has let it go.
    pub second_person: bool,
    /// The bank, as customers know it.
    pub bank_name: Text,
    /// The program's version, for `/api/v1/info`.
    pub version: String,
    /// Numbers a bank may want to change.
    pub limits: Limits,
}

impl SignalingConfig {
    /// Defaults for everything but the database.
    #[must_use]
    pub fn new(database_url: impl Into<String>) -> Self {
        Self {
            database_url: Redacted::new(database_url.into()),
            demo: false,
            cookie_secure: false,
            public_origins: Vec::new(),
            second_person: true,
            bank_name: Text { zh_cn: "示例银行".to_owned(), en: "Sample Bank".to_owned() },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            limits: Limits::default(),
        }
    }
}

/// Limits and graces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a link can be used to begin a visit. Longer: a forwarded link is a risk for
    /// longer; shorter: customers find it dead.
    pub link_lifetime: Duration,
    /// A session ends after so long without a request or an open page.
    pub session_idle: Duration,
    /// A session ends after so long whatever happens: a working day and no more.
    pub session_absolute: Duration,
    /// How often a customer may try the liveness check before staff take over identification.
    pub liveness_attempts: u32,
    /// How often one person may be checked within 24 hours, whatever the visit. More: somebody who
    /// tries attacks has as many; fewer: a customer with a poor camera ends in the queue.
    pub liveness_checks_per_day: u32,
    /// How long a portrait is kept after it was handed in.
    pub portrait_lifetime: Duration,
    /// Whether the customer's face is watched in the call, where they consent.
    pub watch_customer: bool,
    /// Whether the staff member's is.
    pub watch_staff: bool,
    /// In a call: staff are alarmed when a party is gone for so long.
    pub call_grace: Duration,
    /// In a call: the visit is closed as interrupted when a party is gone for so long.
    pub call_lost: Duration,
    /// Before a call: the visit is closed as abandoned when the customer is gone for so long.
    pub waiting_lost: Duration,
    /// Before the customer was ever connected, from the first try on: the visit is closed as
    /// abandoned. Long, since a first connection may need another network or browser, and nobody
    /// waits for it; not for ever, since its recording is open.
    pub first_connection: Duration,
    /// Visits alive at one time. More are refused, so that memory stays bounded.
    pub live_visits: usize,
    /// WebSocket connections at one time. More are refused.
    pub websockets: usize,
    /// How long an auditor may watch under one stated reason.
    pub replay_lifetime: Duration,
    /// Failed sign-ins per username and address within [`Limits::sign_in_window`].
    pub sign_in_failures: u32,
    /// After so long a failed sign-in is forgotten.
    pub sign_in_window: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            link_lifetime: Duration::from_hours(24),
            session_idle: Duration::from_mins(60),
            session_absolute: Duration::from_hours(12),
            liveness_attempts: 3,
            liveness_checks_per_day: 10,
            portrait_lifetime: Duration::from_hours(24),
            watch_customer: true,
            watch_staff: true,
            call_grace: Duration::from_secs(30),
            call_lost: Duration::from_secs(120),
            waiting_lost: Duration::from_secs(60),
            first_connection: Duration::from_mins(5),
            live_visits: 2_000,
            websockets: 8_000,
            replay_lifetime: Duration::from_hours(2),
            sign_in_failures: 5,
            sign_in_window: Duration::from_mins(5),
        }
    }
}
