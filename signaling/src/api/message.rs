//! What goes over the WebSocket.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vbranch_domain::{Redacted, VisitId};

use crate::visit::view::{CustomerView, QueueEntry, StaffView, SupervisorView};

/// What a client may send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientMessage {
    /// First, within 5 s: who listens.
    Hello {
        /// A customer's link token; nothing where the cookie counts.
        #[schema(value_type = Option<String>)]
        token: Option<Redacted<String>>,
    },
    /// Staff: also push this visit. A supervisor: this call, which they attend.
    Watch {
        /// Which.
        visit: VisitId,
    },
    /// Whether the page's own machine limits what it sends (WebRTC statistics,
    /// `qualityLimitationReason`); at most once a second. For the visit the socket is about.
    CpuLimited {
        /// It does, or does no longer.
        limited: bool,
    },
    /// Are you there?
    Ping,
}

/// What the server sends: always the whole of what is shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage {
    /// The customer's own visit.
    CustomerVisit {
        /// All of it.
        visit: Box<CustomerView>,
    },
    /// The visit a staff member watches.
    StaffVisit {
        /// All of it.
        visit: Box<StaffView>,
    },
    /// The call a supervisor attends.
    SupervisedVisit {
        /// All of it.
        visit: Box<SupervisorView>,
    },
    /// The queue, and the visit one is in.
    Queue {
        /// All of it.
        visits: Vec<QueueEntry>,
    },
    /// Something was wrong with a message.
    Error {
        /// Stable.
        code: String,
        /// English, for developers.
        detail: String,
    },
    /// I am.
    Pong,
}
