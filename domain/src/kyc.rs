//! What a liveness check says to the rest of the branch.

use serde::{Deserialize, Serialize};

/// An action the server asks of the customer. "Left" and "right" are the customer's own.
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
pub enum Challenge {
    /// Close both eyes and open them again.
    Blink,
    /// Turn the head to one's own left, and back.
    TurnLeft,
    /// Turn the head to one's own right, and back.
    TurnRight,
}

/// What would make the picture usable, in the customer's terms.
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
pub enum Advice {
    /// No face is in the picture.
    NoFace,
    /// More than one face is in the picture.
    SeveralFaces,
    /// The face is too small.
    ComeCloser,
    /// The face leaves the picture.
    CenterFace,
    /// The picture is too dark.
    MoreLight,
    /// The head is turned although nothing asked for it.
    LookStraight,
    /// All is well, carry on.
    Good,
}

/// One event of a running check, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum KycEvent {
    /// How the picture looks now. Sent on change only.
    Advice {
        /// What to tell the customer.
        advice: Advice,
    },
    /// The customer is now asked to do this.
    Challenge {
        /// What to do.
        challenge: Challenge,
        /// Which one of how many, from 0.
        index: u32,
        /// How many there are in all.
        of: u32,
    },
    /// The challenge asked for was seen.
    ChallengeDone {
        /// Which one, from 0.
        index: u32,
    },
    /// The check is over.
    Verdict(KycVerdict),
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KycOutcome {
    /// A live person did what was asked.
    Pass,
    /// The challenges were not met.
    Fail,
    /// The check could not be made (no model, no decodable video): staff identify the customer.
    Refer,
}

/// The verdict with everything it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KycVerdict {
    /// How it ended.
    pub outcome: KycOutcome,
    /// A stable word for the cause, e.g. `live`, `challenge_timeout`, `no_face`, `several_faces`,
    /// `no_video`, `video_codec_unsupported`, `models_unavailable`. For staff and the record; customers see general words.
    pub reason: String,
    /// Each signal measured.
    pub signals: Vec<KycSignal>,
    /// The models used.
    pub models: Vec<KycModel>,
    /// How many frames were looked at.
    pub frames: u32,
}

/// One measured signal and the threshold it was held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KycSignal {
    /// e.g. `challenge.0.blink`.
    pub name: String,
    /// What was measured (unit given by the name's documentation in the KYC policy).
    pub score: f32,
    /// What it had to reach.
    pub threshold: f32,
    /// Whether it did.
    pub passed: bool,
}

/// A model that took part in a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KycModel {
    /// e.g. `yunet`.
    pub name: String,
    /// SHA-256 of the model file, hex.
    pub sha256: String,
}
