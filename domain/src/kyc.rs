//! What a liveness check says to the rest of the branch.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::recording::ArtifactRef;

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
    /// Open the mouth and close it again.
    OpenMouth,
    /// Lower the head and raise it again.
    Nod,
    /// Smile, and stop.
    Smile,
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
    /// The face is too large.
    MoveBack,
    /// The picture is too dark.
    MoreLight,
    /// The face is too bright, or lit from one side or from behind only.
    SofterLight,
    /// The picture is blurred.
    HoldStill,
    /// Something covers a part of the face.
    UncoverFace,
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
    /// The page is to fill its screen with a colour now, or, with `None`, to show itself again.
    /// One event a colour, so that none is known before its time.
    Flash {
        /// What to show.
        colour: Option<FlashColour>,
        /// Which one of how many, from 0.
        index: u32,
        /// How many there are in all.
        of: u32,
    },
    /// The check is over.
    Verdict(KycVerdict),
}

/// A colour that fills the customer's screen, in sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FlashColour {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
}

/// What a check is to be made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KycRequest {
    /// Which attempt of the visit this is, from 1.
    pub attempt: u32,
    /// The picture on the identity document, or one enrolled before, as JPEG or PNG.
    pub portrait: Option<Portrait>,
    /// What the customer's page says of its camera. Claims, to be held against the video.
    pub camera: CameraTraits,
}

/// Who a person is to the bank, for limits and the face vault: the bank's own customer reference,
/// or where there is none the visit's id. Never printed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonRef(pub String);

impl fmt::Debug for PersonRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonRef(…)")
    }
}

/// A picture of a person, as JPEG or PNG from outside: an attack until decoded. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Portrait(pub Bytes);

impl fmt::Debug for Portrait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Portrait({} bytes)", self.0.len())
    }
}

/// A camera, as a page describes it (W3C Media Capture, `MediaTrackSettings`).
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct CameraTraits {
    /// The track's label, e.g. `FaceTime HD Camera`.
    pub label: Option<String>,
    /// Picture width in pixels.
    pub width: Option<u32>,
    /// Picture height in pixels.
    pub height: Option<u32>,
    /// Pictures a second.
    pub frame_rate: Option<f32>,
    /// Whether the page runs on a phone or tablet.
    pub mobile: Option<bool>,
}

impl fmt::Debug for CameraTraits {
    /// Without the label: a phone used as camera carries its owner's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { label: _, width, height, frame_rate, mobile } = self;
        write!(f, "CameraTraits({width:?}x{height:?}, {frame_rate:?}/s, mobile {mobile:?})")
    }
}

/// Gestures that a check asks for at most.
pub const MAX_GESTURES: u32 = 12;
/// What one check hands over at most ([`KycArtifact`]): a picture of each gesture, the best picture
/// and the course.
pub const MAX_ARTIFACTS: usize = MAX_GESTURES as usize + 2;

/// Something a check hands over to be sealed beside the media: a picture that the verdict rests
/// on, or the course of what was measured. The verdict names it by digest.
#[derive(Clone, PartialEq, Eq)]
pub struct KycArtifact {
    /// Name within the recording, e.g. `kyc-1-face.jpg`, `kyc-1-trace.json`.
    pub name: String,
    /// e.g. `image/jpeg`.
    pub media_type: &'static str,
    /// Its content. Never printed.
    pub bytes: Bytes,
}

impl fmt::Debug for KycArtifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KycArtifact({}, {} bytes)", self.name, self.bytes.len())
    }
}

/// What is looked for in the video of a party during the call.
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
pub enum WatchAlarm {
    /// No face is in the picture.
    Absent,
    /// More than one face is.
    SeveralFaces,
    /// Another person sits there than before.
    DifferentFace,
    /// The eyes have been shut for long.
    EyesClosed,
    /// The camera is covered, or its picture has no content.
    CameraCovered,
}

impl WatchAlarm {
    /// The word used in manifests and alarms.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::SeveralFaces => "several_faces",
            Self::DifferentFace => "different_face",
            Self::EyesClosed => "eyes_closed",
            Self::CameraCovered => "camera_covered",
        }
    }
}

/// News from the watch over one party in the call. Sent on change only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WatchEvent {
    /// What.
    pub alarm: WatchAlarm,
    /// Whether it is so now, or no longer.
    pub raised: bool,
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
    /// What the verdict rests on, sealed beside the media.
    #[serde(default)]
    pub artifacts: Vec<ArtifactRef>,
    /// SHA-256 of the policy that decided, as canonical JSON, hex; empty where none did.
    #[serde(default)]
    pub policy_sha256: String,
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
