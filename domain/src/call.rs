//! Who may see and hear whom in a call, and how that is shown to its participants.

use serde::{Deserialize, Serialize};

use crate::{MediaKind, ParticipantId};

/// A participant's place in a call: decides whom they see and hear, and who sees and hears them.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Seat {
    /// Whom the visit is for.
    Customer,
    /// Who serves the customer.
    Staff,
    /// Somebody both parties asked in: an interpreter, a guarantor, a notary.
    ThirdParty,
    /// Listens in. Nobody sees or hears them; they see and hear everyone.
    SupervisorSilent,
    /// As [`Self::SupervisorSilent`], but the staff member hears them.
    SupervisorWhispering,
    /// Takes part like staff.
    SupervisorBargedIn,
}

/// What a participant's one receiving slot shows at present. Slots are fixed when the connection
/// is negotiated; only their content changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Slot {
    /// The media section (RFC 8843 section 8.1) the slot is.
    pub mid: String,
    /// Sound or picture; a slot for pictures may carry a camera or a screen.
    pub kind: MediaKind,
    /// Whose media it carries, `None` while it is empty.
    pub from: Option<ParticipantId>,
}

/// How good a participant's connection is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Quality {
    /// 0 (unusable) to 5 (no impairment to be noticed).
    pub score: f32,
    /// What takes most away from 5, `None` where nothing does.
    pub cause: Option<QualityCause>,
}

/// The strongest impairment of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QualityCause {
    /// Packets are lost and not repaired in time.
    Loss,
    /// The round trip is long or swings.
    Delay,
    /// The network carries less than the picture needs.
    Bitrate,
    /// The client's own machine cannot keep up.
    Cpu,
}
