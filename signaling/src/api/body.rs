//! Bodies and paths from outside, parsed into types or refused as problems.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::JsonRejection},
    http::request::Parts,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use utoipa::ToSchema;
use vbranch_domain::{Redacted, kyc::CameraTraits};

use super::Problem;
use crate::{branch::StepDone, png, visit::StepOutcome};

/// What a JSON body is at most where nothing else is said.
pub const BODY_LIMIT: usize = 64 * 1024;
/// Where it carries a picture.
pub const PICTURE_BODY_LIMIT: usize = 1024 * 1024;

/// A JSON body.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let parsed: Result<Json<T>, JsonRejection> = Json::from_request(request, state).await;
        Ok(Self(parsed?.0))
    }
}

/// Parameters of the path.
#[derive(Debug)]
pub struct ApiPath<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for ApiPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(value) = Path::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// `{}`: there is nothing to say, but only a page of ours can say it as JSON.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Empty {}

/// An object and nothing else: serde takes a list, too, for a structure of which everything may be
/// missing.
pub(super) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    json: D,
) -> Result<Option<T>, D::Error> {
    let members = Option::<serde_json::Map<String, serde_json::Value>>::deserialize(json)?;
    members.map(|m| serde_json::from_value(m.into()).map_err(D::Error::custom)).transpose()
}

/// Characters of a camera's name, as its maker gave it, or its owner.
const MAX_LABEL: usize = 256;
/// Pixels of a side, and pictures a second: beyond any camera.
const MAX_SIDE: u32 = 16_384;
const MAX_RATE: f32 = 1_000.0;

/// What a page says of its camera, as long as it could be true of one.
pub(super) fn camera(traits: CameraTraits) -> Result<CameraTraits, Problem> {
    let CameraTraits { label, width, height, frame_rate, mobile: _ } = &traits;
    if label.as_ref().is_some_and(|label| label.chars().count() > MAX_LABEL) {
        return Err(Problem::bad_request("camera.label must be at most 256 characters"));
    }
    if [width, height].into_iter().flatten().any(|side| *side > MAX_SIDE) {
        return Err(Problem::bad_request("camera.width and height must be at most 16384"));
    }
    if frame_rate.is_some_and(|rate| !(0.0..=MAX_RATE).contains(&rate)) {
        return Err(Problem::bad_request("camera.frame_rate must be 0 to 1000"));
    }
    Ok(traits)
}

/// What a step is completed with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StepInput {
    /// Staff: my identity has been shown.
    Identity,
    /// Staff: it has been read out.
    Disclosure,
    /// Customer: the answer.
    Question {
        /// Yes or no.
        answer: Answer,
    },
    /// Staff: a still of the document.
    Document {
        /// A PNG, base64.
        #[schema(value_type = String)]
        image_png: Redacted<String>,
    },
    /// Customer: the drawn signature.
    Signature {
        /// A PNG, base64.
        #[schema(value_type = String)]
        image_png: Redacted<String>,
    },
}

/// An answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
}

impl StepInput {
    /// As the branch takes it, the picture decoded and checked.
    pub(super) fn into_step(self, step: String) -> Result<StepDone, Problem> {
        let (outcome, picture) = match self {
            Self::Identity => (StepOutcome::Shown, None),
            Self::Disclosure => (StepOutcome::Read, None),
            Self::Question { answer: Answer::Yes } => (StepOutcome::Yes, None),
            Self::Question { answer: Answer::No } => (StepOutcome::No, None),
            Self::Document { image_png } => (StepOutcome::Captured, Some(picture(&image_png)?)),
            Self::Signature { image_png } => (StepOutcome::Signed, Some(picture(&image_png)?)),
        };
        Ok(StepDone { step, outcome, picture })
    }
}

fn picture(base64: &Redacted<String>) -> Result<Bytes, Problem> {
    let bytes = STANDARD.decode(base64.expose()).map_err(|_| png::PngError::Malformed)?;
    png::check(&bytes)?;
    Ok(bytes.into())
}
