//! Replays: a reason first, then decrypted media for this auditor in this session only.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vbranch_domain::{
    Mono, RecordingId, ReplayId, VisitId,
    recording::{RecordingSummary, ReplayView, TrackName},
};

use super::{
    App, Problem,
    body::{ApiJson, ApiPath},
    problem::ProblemBody,
};
use crate::{
    auth::{AuditorAuth, Session, TokenHash},
    store::{AuditEntry, AuditRow},
};

/// Who may watch what, until when. Kept in memory: a restart ends every replay.
pub(crate) struct Replays {
    lifetime: Duration,
    grants: Mutex<HashMap<ReplayId, Grant>>,
}

#[derive(Debug, Clone, Copy)]
struct Grant {
    recording: RecordingId,
    session: TokenHash,
    since: Mono,
}

/// Far more than auditors watch at a time; beyond it the oldest ends.
const MAX_GRANTS: usize = 1_000;

impl Replays {
    pub fn new(lifetime: Duration) -> Self {
        Self { lifetime, grants: Mutex::new(HashMap::new()) }
    }

    fn grant(&self, recording: RecordingId, session: TokenHash, now: Mono) -> ReplayId {
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        grants.retain(|_, g| now.since(g.since) < self.lifetime);
        if grants.len() >= MAX_GRANTS
            && let Some(oldest) = grants.iter().min_by_key(|(_, g)| g.since).map(|(id, _)| *id)
        {
            grants.remove(&oldest);
        }
        let id = ReplayId::random();
        grants.insert(id, Grant { recording, session, since: now });
        id
    }

    fn recording(&self, replay: ReplayId, session: TokenHash, now: Mono) -> Option<RecordingId> {
        let grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        let grant = grants.get(&replay)?;
        let valid = grant.session == session && now.since(grant.since) < self.lifetime;
        valid.then_some(grant.recording)
    }
}

/// Every recording, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recordings {
    recordings: Vec<RecordingLine>,
}

/// A line of the auditor's list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecordingLine {
    #[serde(flatten)]
    summary: RecordingSummary,
    /// The visit's number, where the visit is known.
    number: Option<String>,
}

/// Why somebody wants to watch.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Reason {
    /// 5 to 500 characters.
    reason: String,
}

/// A replay that was granted.
#[derive(Serialize, ToSchema)]
pub(super) struct Replay {
    replay: ReplayId,
    /// The name for the watermark.
    viewer: String,
    view: ReplayView,
}

/// The audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditLog {
    entries: Vec<AuditRow>,
}

/// Every recording, newest first.
#[utoipa::path(
    get, path = "/api/v1/recordings", tag = "Auditor", security(("session" = [])),
    responses((status = 200, body = Recordings))
)]
pub(super) async fn recordings(
    State(app): State<Arc<App>>,
    _: AuditorAuth,
) -> Result<Json<Recordings>, Problem> {
    let summaries = app.recorder.list().await?;
    let visits: Vec<VisitId> = summaries.iter().map(|s| s.visit).collect();
    let numbers = app.store.numbers(&visits).await?;
    let line = |summary: RecordingSummary| RecordingLine {
        number: numbers.get(&summary.visit).cloned(),
        summary,
    };
    Ok(Json(Recordings { recordings: summaries.into_iter().map(line).collect() }))
}

/// Begins a replay. It is on the evidence log and on the audit log before this answers.
#[utoipa::path(
    post, path = "/api/v1/recordings/{recording}/replays", tag = "Auditor", security(("session" = [])),
    params(("recording" = RecordingId, Path)), request_body = Reason,
    responses(
        (status = 201, body = Replay),
        (status = 404, body = ProblemBody, description = "`recording_unknown`"),
        (status = 422, body = ProblemBody, description = "`bad_reason`"),
    )
)]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    AuditorAuth(session): AuditorAuth,
    ApiPath(recording): ApiPath<RecordingId>,
    ApiJson(body): ApiJson<Reason>,
) -> Result<(StatusCode, Json<Replay>), Problem> {
    let reason = reason(&body.reason)?;
    let view = app.recorder.view(recording).await?;
    app.log_replay(&session, recording, reason).await?;
    let replay = app.replays.grant(recording, session.token, app.clock.mono());
    let viewer = session.account.display_name;
    Ok((StatusCode::CREATED, Json(Replay { replay, viewer, view })))
}

/// A file of a track of the replay (`name` in the replay's `tracks`): `index.m3u8` (HLS playlist),
/// `init-{n}.mp4` or `segment-{n}.m4s`.
#[utoipa::path(
    get, path = "/api/v1/replays/{replay}/{track}/{file}", tag = "Auditor", security(("session" = [])),
    params(("replay" = ReplayId, Path), ("track" = String, Path), ("file" = String, Path)),
    responses(
        (status = 200, content_type = "application/vnd.apple.mpegurl", description = "Or video/mp4, video/iso.segment; decrypted in memory, never stored"),
        (status = 404, body = ProblemBody, description = "`replay_unknown`, `recording_unknown`"),
    )
)]
pub(super) async fn file(
    State(app): State<Arc<App>>,
    AuditorAuth(session): AuditorAuth,
    ApiPath((replay, track, file)): ApiPath<(ReplayId, TrackName, String)>,
) -> Result<Response, Problem> {
    let recording = app.replays.recording(replay, session.token, app.clock.mono());
    let recording = recording.ok_or(Problem::REPLAY_UNKNOWN)?;
    let media = |kind: &'static str, bytes| ([(header::CONTENT_TYPE, kind)], bytes).into_response();
    match ReplayFile::parse(&file).ok_or(Problem::NOT_FOUND)? {
        ReplayFile::Playlist => {
            let text = app.recorder.playlist(recording, track).await?;
            Ok(media("application/vnd.apple.mpegurl", bytes::Bytes::from(text)))
        }
        ReplayFile::Init(n) => {
            let bytes = app.recorder.init_section(recording, track, n).await?;
            Ok(media("video/mp4", bytes))
        }
        ReplayFile::Segment(n) => {
            let bytes = app.recorder.segment(recording, track, n).await?;
            Ok(media("video/iso.segment", bytes))
        }
    }
}

/// Who did what, newest first.
#[utoipa::path(
    get, path = "/api/v1/audit-log", tag = "Auditor", security(("session" = [])),
    responses((status = 200, body = AuditLog))
)]
pub(super) async fn audit_log(
    State(app): State<Arc<App>>,
    _: AuditorAuth,
) -> Result<Json<AuditLog>, Problem> {
    Ok(Json(AuditLog { entries: app.store.audit_log().await? }))
}

impl App {
    async fn log_replay(
        &self,
        session: &Session,
        recording: RecordingId,
        reason: String,
    ) -> Result<(), Problem> {
        self.recorder.log_replay(recording, session.account.id, reason.clone()).await?;
        let entry = AuditEntry {
            at: self.clock.wall(),
            actor: session.account.username.clone(),
            action: "replay",
            recording: Some(recording),
            reason,
        };
        Ok(self.store.note(&entry).await?)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplayFile {
    Playlist,
    Init(u32),
    Segment(u32),
}

impl ReplayFile {
    fn parse(name: &str) -> Option<Self> {
        let number = |prefix, suffix| {
            let digits: &str = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
            let plain = digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|_| plain)
        };
        if name == "index.m3u8" {
            return Some(Self::Playlist);
        }
        let init = number("init-", ".mp4").map(Self::Init);
        init.or_else(|| number("segment-", ".m4s").map(Self::Segment))
    }
}

const BAD_REASON: Problem = Problem::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "bad_reason",
    "The reason must be 5 to 500 printable characters.",
);

fn reason(given: &str) -> Result<String, Problem> {
    let reason = given.trim();
    let length = reason.chars().count();
    if !(5..=500).contains(&length) || reason.chars().any(char::is_control) {
        return Err(BAD_REASON);
    }
    Ok(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_replay_have_names() {
        assert_eq!(ReplayFile::parse("index.m3u8"), Some(ReplayFile::Playlist));
        assert_eq!(ReplayFile::parse("init-0.mp4"), Some(ReplayFile::Init(0)));
        assert_eq!(ReplayFile::parse("segment-17.m4s"), Some(ReplayFile::Segment(17)));
        for bad in [
            "",
            "segment-.m4s",
            "segment-+1.m4s",
            "segment-1.mp4",
            "../key",
            "init-99999999999.mp4",
        ] {
            assert_eq!(ReplayFile::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_replay_belongs_to_one_session_and_ends() {
        let replays = Replays::new(Duration::from_secs(10));
        let hash = |n: u8| TokenHash::from_hex(&hex::encode([n; 32])).unwrap();
        let recording = RecordingId::random();
        let id = replays.grant(recording, hash(1), Mono::ZERO);
        assert_eq!(replays.recording(id, hash(1), Mono::ZERO), Some(recording));
        assert_eq!(replays.recording(id, hash(2), Mono::ZERO), None);
        assert_eq!(replays.recording(id, hash(1), Mono::from_millis(10_000)), None);
    }

    #[test]
    fn a_reason_is_needed() {
        assert!(reason("  quality inspection ").is_ok());
        for bad in ["", "why", "         x          ", "line\nbreak here", &"x".repeat(501)] {
            assert!(reason(bad).is_err(), "{bad:?}");
        }
    }
}
