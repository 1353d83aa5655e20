//! Replays: a reason first, then decrypted media for this auditor in this session only. What of a
//! recording is read is on the audit log before it is answered.

use std::{
    collections::HashMap,
    ops::Range,
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
use uuid::Uuid;
use vbranch_domain::{
    Mono, RecordingId, ReplayId, VisitId,
    recording::{RecordingSummary, ReplayView, TrackName, TrackSource},
};

use super::{
    App, Problem,
    body::{ApiJson, ApiPath},
    problem::ProblemBody,
    reads::Reads,
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

#[derive(Clone)]
struct Grant {
    recording: RecordingId,
    session: TokenHash,
    since: Mono,
    reads: Arc<ReadLine>,
}

/// The line of the audit log that says what a replay has read. It grows as more is read.
struct ReadLine {
    id: Uuid,
    /// What a track is called on the log.
    names: Vec<(TrackName, String)>,
    reads: tokio::sync::Mutex<Reads>,
}

/// Far more than auditors watch at a time; beyond it the oldest ends.
const MAX_GRANTS: usize = 1_000;

impl Replays {
    pub fn new(lifetime: Duration) -> Self {
        Self { lifetime, grants: Mutex::new(HashMap::new()) }
    }

    fn grant(&self, view: &ReplayView, session: TokenHash, now: Mono) -> ReplayId {
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        grants.retain(|_, g| now.since(g.since) < self.lifetime);
        if grants.len() >= MAX_GRANTS
            && let Some(oldest) = grants.iter().min_by_key(|(_, g)| g.since).map(|(id, _)| *id)
        {
            grants.remove(&oldest);
        }
        let id = ReplayId::random();
        let reads = Arc::new(ReadLine {
            id: Uuid::now_v7(),
            names: track_names(view),
            reads: tokio::sync::Mutex::default(),
        });
        let recording = view.summary.recording;
        grants.insert(id, Grant { recording, session, since: now, reads });
        id
    }

    fn get(&self, replay: ReplayId, session: TokenHash, now: Mono) -> Option<Grant> {
        let grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        let grant = grants.get(&replay)?;
        let valid = grant.session == session && now.since(grant.since) < self.lifetime;
        valid.then(|| grant.clone())
    }
}

/// Tracks by the role of whom they show; a second one of a role is told by its participant's id.
fn track_names(view: &ReplayView) -> Vec<(TrackName, String)> {
    let mut names: Vec<(TrackName, String)> = Vec::new();
    for track in &view.tracks {
        let screen = if track.source == TrackSource::Screen { " screen" } else { "" };
        let mut name = format!("{}{screen}", track.role);
        if names.iter().any(|(_, taken)| *taken == name) {
            let id = track.participant.to_string();
            name = format!("{name} {}", id.get(..8).unwrap_or_default());
        }
        names.push((track.name, name));
    }
    names
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
    let replay = app.replays.grant(&view, session.token, app.clock.mono());
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
    let grant = app.replays.get(replay, session.token, app.clock.mono());
    let grant = grant.ok_or(Problem::REPLAY_UNKNOWN)?;
    let recording = grant.recording;
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
            let span = app.recorder.segment_span(recording, track, n).await?;
            app.note_read(&session, &grant, track, span).await?;
            let bytes = app.recorder.segment(recording, track, n).await?;
            Ok(media("video/iso.segment", bytes))
        }
    }
}

/// A still that is about to be taken of a replay.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Snapshot {
    /// Where in the recording, in milliseconds from its start.
    at_ms: u64,
}

/// The page takes a still. It is on the audit log before this answers; the picture stays with the
/// page.
#[utoipa::path(
    post, path = "/api/v1/replays/{replay}/snapshots", tag = "Auditor", security(("session" = [])),
    params(("replay" = ReplayId, Path)), request_body = Snapshot,
    responses((status = 204), (status = 404, body = ProblemBody, description = "`replay_unknown`"))
)]
pub(super) async fn snapshot(
    State(app): State<Arc<App>>,
    AuditorAuth(session): AuditorAuth,
    ApiPath(replay): ApiPath<ReplayId>,
    ApiJson(body): ApiJson<Snapshot>,
) -> Result<StatusCode, Problem> {
    let grant = app.replays.get(replay, session.token, app.clock.mono());
    let grant = grant.ok_or(Problem::REPLAY_UNKNOWN)?;
    let entry = AuditEntry {
        at: app.clock.wall(),
        actor: session.account.username.clone(),
        action: "snapshot",
        recording: Some(grant.recording),
        reason: super::reads::clock(body.at_ms),
    };
    app.store.note(&entry).await?;
    Ok(StatusCode::NO_CONTENT)
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

impl App {
    /// Writes down what is about to be answered, before it is.
    async fn note_read(
        &self,
        session: &Session,
        grant: &Grant,
        track: TrackName,
        span: Range<u64>,
    ) -> Result<(), Problem> {
        let line = &grant.reads;
        let name = line.names.iter().find(|(of, _)| *of == track).map(|(_, name)| name.as_str());
        // Held over the writing, so that a line never says less than one before it.
        let mut reads = line.reads.lock().await;
        let mut more = reads.clone();
        if !more.add(name.unwrap_or("unknown"), span) {
            return Ok(());
        }
        let entry = AuditEntry {
            at: self.clock.wall(),
            actor: session.account.username.clone(),
            action: "replay_read",
            recording: Some(grant.recording),
            reason: more.to_string(),
        };
        self.store.note_as(line.id, &entry).await?;
        *reads = more;
        Ok(())
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

/// A reason, if it is one.
pub(super) fn reason(given: &str) -> Result<String, Problem> {
    let reason = given.trim();
    let length = reason.chars().count();
    if !(5..=500).contains(&length) || reason.chars().any(char::is_control) {
        return Err(BAD_REASON);
    }
    Ok(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use vbranch_domain::{ParticipantId, UnixMillis, recording::ReplayTrack};

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

    fn view() -> ReplayView {
        let track = |role: &str, source| {
            let participant = ParticipantId::random();
            ReplayTrack {
                name: TrackName { participant, source },
                participant,
                source,
                role: role.to_owned(),
                start_ms: 0,
                duration_ms: 1_000,
            }
        };
        ReplayView {
            summary: RecordingSummary {
                recording: RecordingId::random(),
                visit: VisitId::random(),
                started: UnixMillis(0),
                duration_ms: 1_000,
                state: "sealed".to_owned(),
                gap_ms: 0,
            },
            tracks: vec![
                track("customer", TrackSource::Camera),
                track("staff", TrackSource::Camera),
                track("staff", TrackSource::Screen),
                track("supervisor", TrackSource::Camera),
                track("supervisor", TrackSource::Camera),
            ],
            timeline: Vec::new(),
            gaps: Vec::new(),
        }
    }

    #[test]
    fn tracks_are_told_apart_on_the_log() {
        let view = view();
        let names: Vec<_> = track_names(&view).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names[..4], ["customer", "staff", "staff screen", "supervisor"]);
        assert!(names[4].starts_with("supervisor ") && names[4].len() == 19, "{names:?}");
    }

    #[test]
    fn a_replay_belongs_to_one_session_and_ends() {
        let replays = Replays::new(Duration::from_secs(10));
        let hash = |n: u8| TokenHash::from_hex(&hex::encode([n; 32])).unwrap();
        let view = view();
        let id = replays.grant(&view, hash(1), Mono::ZERO);
        let recording = |session, now| replays.get(id, session, now).map(|g| g.recording);
        assert_eq!(recording(hash(1), Mono::ZERO), Some(view.summary.recording));
        assert_eq!(recording(hash(2), Mono::ZERO), None);
        assert_eq!(recording(hash(1), Mono::from_millis(10_000)), None);
    }

    #[test]
    fn a_reason_is_needed() {
        assert!(reason("  quality inspection ").is_ok());
        for bad in ["", "why", "         x          ", "line\nbreak here", &"x".repeat(501)] {
            assert!(reason(bad).is_err(), "{bad:?}");
        }
    }
}
