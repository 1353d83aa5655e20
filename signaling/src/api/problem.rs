//! Errors as RFC 9457 problems: a stable code, never anything about the inside.

use std::{borrow::Cow, fmt::Display};

use axum::{
    extract::rejection::{BytesRejection, JsonRejection, PathRejection, StringRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    branch::{BranchError, CheckError, JoinError, PortraitError, StepError},
    jpeg::JpegError,
    png::PngError,
    ports::{MediaError, RecorderError},
    store::StoreError,
    visit::Refusal,
};

/// An error as a client gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
}

/// `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `about:blank#` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// Stable; choose words for a person by it.
    code: &'static str,
    /// English, for developers.
    detail: Cow<'static, str>,
}

impl Problem {
    /// Nobody is signed in.
    pub const NOT_SIGNED_IN: Self = Self::new(
        StatusCode::UNAUTHORIZED,
        "not_signed_in",
        "There is no session, or it has ended.",
    );
    /// Signed in as somebody who may not.
    pub const FORBIDDEN: Self =
        Self::new(StatusCode::FORBIDDEN, "forbidden", "This role may not do that.");
    /// A page of another site asks.
    pub const BAD_ORIGIN: Self = Self::new(
        StatusCode::FORBIDDEN,
        "bad_origin",
        "The Origin header is not one of this server's own.",
    );
    /// Wrong name or password; which one is not said.
    pub const BAD_CREDENTIALS: Self = Self::new(
        StatusCode::UNAUTHORIZED,
        "bad_credentials",
        "The user name or the password is wrong.",
    );
    /// No token, or one that this call does not know, or no longer.
    pub const BAD_MEDIA_TOKEN: Self = Self::new(
        StatusCode::UNAUTHORIZED,
        "bad_media_token",
        "A bearer token made for this call is needed; it ends with the call.",
    );
    /// Guessing.
    pub const TOO_MANY_ATTEMPTS: Self = Self::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_attempts",
        "Too many failed attempts; wait some minutes.",
    );
    /// No such link.
    pub const LINK_UNKNOWN: Self =
        Self::new(StatusCode::NOT_FOUND, "link_unknown", "No visit has this link.");
    /// A link that came too late.
    pub const LINK_EXPIRED: Self =
        Self::new(StatusCode::GONE, "link_expired", "The link is no longer valid.");
    /// No such route.
    pub const NOT_FOUND: Self =
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here.");
    /// The route knows other methods.
    pub const METHOD_NOT_ALLOWED: Self = Self::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This address does not answer to that method.",
    );
    /// No such visit.
    pub const VISIT_UNKNOWN: Self =
        Self::new(StatusCode::NOT_FOUND, "visit_unknown", "There is no such visit.");
    /// Not the one who accepted.
    pub const NOT_YOUR_VISIT: Self = Self::new(
        StatusCode::FORBIDDEN,
        "not_your_visit",
        "The visit was accepted by somebody else, or by nobody yet.",
    );
    /// No such replay, or somebody else's, or over.
    pub const REPLAY_UNKNOWN: Self = Self::new(
        StatusCode::NOT_FOUND,
        "replay_unknown",
        "There is no such replay, or it has ended.",
    );
    /// No such recording or part of one.
    pub const RECORDING_UNKNOWN: Self = Self::new(
        StatusCode::NOT_FOUND,
        "recording_unknown",
        "There is no such recording, or no such part of it.",
    );
    /// Took too long.
    pub const TIMEOUT: Self = Self::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "timeout",
        "The request took too long to arrive or to be answered.",
    );

    /// A problem with a code of its own.
    #[must_use]
    pub const fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self { status, code, detail: Cow::Borrowed(detail) }
    }

    /// The request says something that cannot be.
    #[must_use]
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: "bad_request",
            detail: detail.into(),
        }
    }

    /// Not the client's fault. Logged here, once.
    #[must_use]
    pub fn unavailable(doing: &'static str, error: &dyn Display) -> Self {
        tracing::error!(%error, doing, "unavailable");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment.")
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// English, for developers.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let body = ProblemBody {
            kind: format!("about:blank#{}", self.code),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: self.code,
            detail: self.detail,
        };
        let mut response = (status, axum::Json(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        use StatusCode as S;
        let (status, code) = match refusal {
            Refusal::Closed => (S::CONFLICT, "visit_closed"),
            Refusal::WrongState => (S::CONFLICT, "wrong_state"),
            Refusal::TextOutdated => (S::CONFLICT, "text_outdated"),
            Refusal::ConsentDecided => (S::CONFLICT, "consent_decided"),
            Refusal::MediaNotConnected => (S::CONFLICT, "media_not_connected"),
            Refusal::LivenessRunning => (S::CONFLICT, "liveness_running"),
            Refusal::AttemptsExhausted => (S::CONFLICT, "attempts_exhausted"),
            Refusal::FaceDeclined => (S::CONFLICT, "face_declined"),
            Refusal::AlreadyTaken => (S::CONFLICT, "already_taken"),
            Refusal::NotWaiting => (S::CONFLICT, "not_waiting"),
            Refusal::NotYourVisit => return Self::NOT_YOUR_VISIT,
            Refusal::NotSupervising => (S::FORBIDDEN, "not_supervising"),
            Refusal::OwnVisit => (S::CONFLICT, "own_visit"),
            Refusal::TooManySupervisors => (S::CONFLICT, "too_many_supervisors"),
            Refusal::ParticipantUnknown => (S::NOT_FOUND, "participant_unknown"),
            Refusal::WrongRight => (S::FORBIDDEN, "wrong_right"),
            Refusal::GuestUnknown => (S::NOT_FOUND, "guest_unknown"),
            Refusal::TooManyGuests => (S::CONFLICT, "too_many_guests"),
            Refusal::StepUnknown => (S::NOT_FOUND, "step_unknown"),
            Refusal::StepLocked => (S::CONFLICT, "step_locked"),
            Refusal::StepDone => (S::CONFLICT, "step_done"),
            Refusal::NotYourStep => (S::CONFLICT, "not_your_step"),
            Refusal::WrongInput => (S::UNPROCESSABLE_ENTITY, "wrong_input"),
            Refusal::StepBusy => (S::CONFLICT, "step_busy"),
            Refusal::RecordingNotReady => (S::CONFLICT, "recording_not_ready"),
            Refusal::StepsOpen => (S::CONFLICT, "steps_open"),
            Refusal::AnswerNo => (S::CONFLICT, "answer_no"),
            Refusal::WrongOutcome => (S::UNPROCESSABLE_ENTITY, "wrong_outcome"),
        };
        Self { status, code, detail: refusal.to_string().into() }
    }
}

impl From<BranchError> for Problem {
    fn from(error: BranchError) -> Self {
        match error {
            BranchError::Unknown => Self::VISIT_UNKNOWN,
            BranchError::Refused(refusal) => refusal.into(),
            BranchError::Busy => Self::new(
                StatusCode::CONFLICT,
                "busy",
                "One staff member is in one visit at a time.",
            ),
            BranchError::NoCall => {
                Self::new(StatusCode::NOT_FOUND, "call_unknown", "No live call has this id.")
            }
            BranchError::NotInvited => Self::BAD_MEDIA_TOKEN,
            BranchError::TooManyJoins => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_joins",
                "Too many joins in a short time; wait some seconds.",
            ),
            BranchError::NoProduct => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "product_unknown",
                "There is no such product.",
            ),
            BranchError::Full => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "branch_full",
                "There are as many visits as this branch can hold.",
            ),
            BranchError::Unavailable => Self::unavailable("a command to the branch", &error),
        }
    }
}

impl From<JoinError> for Problem {
    fn from(error: JoinError) -> Self {
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        match error {
            JoinError::Branch(error) => error.into(),
            JoinError::Media(MediaError::BadSdp(detail)) => {
                Self { status: unprocessable, code: "bad_sdp", detail: detail.into() }
            }
            JoinError::Media(MediaError::CodecNotAgreed(detail)) => {
                Self { status: unprocessable, code: "codec_not_agreed", detail: detail.into() }
            }
            JoinError::Media(MediaError::Unavailable) => Self::unavailable("joining media", &error),
            JoinError::WatchOnly => Self::new(
                unprocessable,
                "watch_only",
                "This token is to watch: offer every media section as a=recvonly or a=inactive.",
            ),
            JoinError::Recorder(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "recording_unavailable",
                "The call cannot be recorded, hence it cannot be made.",
            ),
            JoinError::Interrupted(_) => Self::unavailable("joining media", &error),
        }
    }
}

impl From<StepError> for Problem {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Branch(error) => error.into(),
            StepError::Recorder(error) => Self::unavailable("sealing a picture", &error),
            StepError::Interrupted(error) => Self::unavailable("completing a step", &error),
        }
    }
}

impl From<CheckError> for Problem {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Branch(error) => error.into(),
            CheckError::DailyLimit => Self {
                status: StatusCode::CONFLICT,
                code: "daily_limit",
                detail: error.to_string().into(),
            },
            CheckError::Store(error) => Self::unavailable("counting a check", &error),
            CheckError::Interrupted(error) => Self::unavailable("beginning a check", &error),
        }
    }
}

impl From<PortraitError> for Problem {
    fn from(error: PortraitError) -> Self {
        match error {
            PortraitError::Branch(error) => error.into(),
            PortraitError::Vault(error) => Self::unavailable("keeping a portrait", &error),
            PortraitError::Interrupted(error) => Self::unavailable("keeping a portrait", &error),
        }
    }
}

impl From<RecorderError> for Problem {
    fn from(error: RecorderError) -> Self {
        match error {
            RecorderError::NotFound => Self::RECORDING_UNKNOWN,
            RecorderError::Busy => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_films",
                "As many films are being made as may be at a time; wait for one, or cancel it.",
            ),
            RecorderError::Destroyed => Self::new(
                StatusCode::GONE,
                "recording_destroyed",
                "The recording was destroyed: its media can never be opened again.",
            ),
            RecorderError::Damaged(_) => {
                tracing::error!(%error, "a recording does not verify");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "recording_damaged",
                    "The stored recording does not verify.",
                )
            }
            RecorderError::Unavailable(_) => Self::unavailable("reading a recording", &error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::unavailable("asking the database", &error)
    }
}

impl From<PngError> for Problem {
    fn from(error: PngError) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: "bad_picture",
            detail: error.to_string().into(),
        }
    }
}

impl From<JpegError> for Problem {
    fn from(error: JpegError) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: "bad_picture",
            detail: error.to_string().into(),
        }
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let status = rejection.status();
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(status, "too_large", "The body is larger than is accepted here.")
            }
            _ => Self::new(status, "bad_body", "The body could not be read."),
        }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let status = rejection.status();
        let (code, detail) = match &rejection {
            JsonRejection::MissingJsonContentType(_) => {
                ("not_json", "Send Content-Type: application/json.".to_owned())
            }
            JsonRejection::JsonSyntaxError(_) => ("bad_json", "The body is not JSON.".to_owned()),
            JsonRejection::JsonDataError(e) => ("bad_request", e.body_text()),
            _ if status == StatusCode::PAYLOAD_TOO_LARGE => {
                ("too_large", "The body is larger than is accepted here.".to_owned())
            }
            _ => ("bad_body", "The body could not be read.".to_owned()),
        };
        Self { status, code, detail: detail.into() }
    }
}

impl From<StringRejection> for Problem {
    fn from(rejection: StringRejection) -> Self {
        let status = rejection.status();
        let (code, detail) = match status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("too_large", "The body is larger than is accepted here.")
            }
            _ => ("bad_body", "The body could not be read as text."),
        };
        Self::new(status, code, detail)
    }
}

impl From<PathRejection> for Problem {
    /// An id that is none names nothing.
    fn from(_: PathRejection) -> Self {
        Self::NOT_FOUND
    }
}
