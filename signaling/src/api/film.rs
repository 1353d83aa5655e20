//! Films: a recording in one picture, made on demand. A reason first; a second person before it
//! leaves the branch; everything on the audit log.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vbranch_domain::{
    FilmId, Mono, RecordingId, UnixMillis, UserId,
    recording::{FilmLayout, FilmState, FilmStatus},
    timeline::TimelineKind,
};

use super::{
    App, Problem,
    body::{ApiJson, ApiPath, Empty},
    problem::ProblemBody,
    replay::reason,
};
use crate::{
    auth::{AuditorAuth, Session, SessionAuth},
    ports::{FilmOrder, RecorderPort},
    store::{AuditEntry, Role},
};

/// Who asked for which film. The films themselves are the recorder's, and end with the process.
#[derive(Default)]
pub(crate) struct Films {
    orders: Mutex<BTreeMap<FilmId, Order>>,
}

#[derive(Debug, Clone)]
struct Order {
    recording: RecordingId,
    requester: UserId,
    by: String,
    reason: String,
    layout: FilmLayout,
    at: UnixMillis,
    approved_by: Option<String>,
    /// When bytes of it were last given out.
    given: Option<Mono>,
}

/// A browser fetches a film in many ranges; after so long without one the next is a new download.
const ONE_DOWNLOAD: Duration = Duration::from_mins(5);

impl Films {
    fn orders(&self) -> MutexGuard<'_, BTreeMap<FilmId, Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, film: FilmId) -> Result<Order, Problem> {
        self.orders().get(&film).cloned().ok_or(FILM_UNKNOWN)
    }

    /// The film, for the one who asked for it.
    fn own(&self, film: FilmId, user: UserId) -> Result<Order, Problem> {
        self.order(film).and_then(|order| match order.requester == user {
            true => Ok(order),
            false => Err(FILM_UNKNOWN),
        })
    }

    /// Whether giving out bytes now begins a download.
    fn begins_download(&self, film: FilmId, now: Mono) -> bool {
        let mut orders = self.orders();
        let Some(order) = orders.get_mut(&film) else { return true };
        let before = order.given.replace(now);
        before.is_none_or(|before| now.since(before) >= ONE_DOWNLOAD)
    }
}

/// What film is wanted, and why.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NewFilm {
    /// 5 to 500 characters.
    reason: String,
    /// How the parties are arranged.
    #[serde(default)]
    layout: FilmLayout,
}

/// A film.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Film {
    recording: RecordingId,
    /// Who asked for it.
    by: String,
    /// Why.
    reason: String,
    layout: FilmLayout,
    /// When it was asked for.
    at: UnixMillis,
    /// Whether the one who reads this asked for it.
    mine: bool,
    /// The second person who let it go out.
    approved_by: Option<String>,
    /// Whether it may not be fetched before a second person let it go out.
    needs_second_person: bool,
    #[serde(flatten)]
    status: FilmStatus,
}

/// All films.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FilmList {
    films: Vec<Film>,
}

const FILM_UNKNOWN: Problem = Problem::new(
    StatusCode::NOT_FOUND,
    "film_unknown",
    "There is no such film, or it is no longer kept.",
);
const FILM_NOT_READY: Problem =
    Problem::new(StatusCode::CONFLICT, "film_not_ready", "The film is not made yet.");
const OWN_FILM: Problem = Problem::new(
    StatusCode::CONFLICT,
    "own_film",
    "A second person must let it go out, not the one who asked for it.",
);
const SECOND_PERSON_NEEDED: Problem = Problem::new(
    StatusCode::FORBIDDEN,
    "second_person_needed",
    "A second person must let the film go out first.",
);

/// Begins a film. It is on the evidence log and on the audit log before this answers.
#[utoipa::path(
    post, path = "/api/v1/recordings/{recording}/films", tag = "Auditor", security(("session" = [])),
    params(("recording" = RecordingId, Path)), request_body = NewFilm,
    responses(
        (status = 201, body = Film),
        (status = 404, body = ProblemBody, description = "`recording_unknown`"),
        (status = 422, body = ProblemBody, description = "`bad_reason`"),
        (status = 429, body = ProblemBody, description = "`too_many_films`"),
    )
)]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    AuditorAuth(session): AuditorAuth,
    ApiPath(recording): ApiPath<RecordingId>,
    ApiJson(body): ApiJson<NewFilm>,
) -> Result<(StatusCode, Json<Film>), Problem> {
    let reason = reason(&body.reason)?;
    let names = app.names_in(recording).await?;
    app.note_film(&session, "film", recording, reason.clone()).await?;
    let account = &session.account;
    let order = Order {
        recording,
        requester: account.id,
        by: account.display_name.clone(),
        reason: reason.clone(),
        layout: body.layout,
        at: app.clock.wall(),
        approved_by: None,
        given: None,
    };
    let wanted = FilmOrder {
        layout: order.layout,
        by: format!("{} {}", account.display_name, account.staff_no),
        user: account.id,
        reason,
        at: order.at,
        names,
    };
    let film = app.recorder.begin_film(recording, wanted).await?;
    app.films.orders().insert(film, order.clone());
    let status = app.recorder.film(film).await.ok_or(FILM_UNKNOWN)?;
    Ok((StatusCode::CREATED, Json(app.film(&session, order, status))))
}

/// All films that are being made or kept, newest first.
#[utoipa::path(
    get, path = "/api/v1/films", tag = "Auditor", security(("session" = [])),
    responses((status = 200, body = FilmList))
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    SessionAuth(session): SessionAuth,
) -> Result<Json<FilmList>, Problem> {
    may_see(&session)?;
    let orders: Vec<_> = app.films.orders().clone().into_iter().rev().collect();
    let mut films = Vec::with_capacity(orders.len());
    for (id, order) in orders {
        match app.recorder.film(id).await {
            Some(status) => films.push(app.film(&session, order, status)),
            None => drop(app.films.orders().remove(&id)),
        }
    }
    Ok(Json(FilmList { films }))
}

/// How a film is.
#[utoipa::path(
    get, path = "/api/v1/films/{film}", tag = "Auditor", security(("session" = [])),
    params(("film" = FilmId, Path)),
    responses(
        (status = 200, body = Film),
        (status = 404, body = ProblemBody, description = "`film_unknown`"),
    )
)]
pub(super) async fn status(
    State(app): State<Arc<App>>,
    SessionAuth(session): SessionAuth,
    ApiPath(film): ApiPath<FilmId>,
) -> Result<Json<Film>, Problem> {
    may_see(&session)?;
    let order = app.films.order(film)?;
    let status = app.recorder.film(film).await.ok_or(FILM_UNKNOWN)?;
    Ok(Json(app.film(&session, order, status)))
}

/// Cancels one's film, or lets go of it. Nothing is left of it.
#[utoipa::path(
    delete, path = "/api/v1/films/{film}", tag = "Auditor", security(("session" = [])),
    params(("film" = FilmId, Path)),
    responses((status = 204), (status = 404, body = ProblemBody, description = "`film_unknown`"))
)]
pub(super) async fn discard(
    State(app): State<Arc<App>>,
    AuditorAuth(session): AuditorAuth,
    ApiPath(film): ApiPath<FilmId>,
) -> Result<StatusCode, Problem> {
    let order = app.films.own(film, session.account.id)?;
    app.recorder.discard_film(film).await;
    app.films.orders().remove(&film);
    app.note_film(&session, "film_discarded", order.recording, film.to_string()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A second person, an auditor or a supervisor, lets a film go out.
#[utoipa::path(
    post, path = "/api/v1/films/{film}/approval", tag = "Auditor", security(("session" = [])),
    params(("film" = FilmId, Path)), request_body = Empty,
    responses(
        (status = 200, body = Film),
        (status = 404, body = ProblemBody, description = "`film_unknown`"),
        (status = 409, body = ProblemBody, description = "`own_film`"),
    )
)]
pub(super) async fn approve(
    State(app): State<Arc<App>>,
    SessionAuth(session): SessionAuth,
    ApiPath(film): ApiPath<FilmId>,
    _: ApiJson<Empty>,
) -> Result<Json<Film>, Problem> {
    may_see(&session)?;
    let mut order = app.films.order(film)?;
    if order.requester == session.account.id {
        return Err(OWN_FILM);
    }
    let status = app.recorder.film(film).await.ok_or(FILM_UNKNOWN)?;
    app.note_film(&session, "film_approved", order.recording, film.to_string()).await?;
    let name = session.account.display_name.clone();
    order.approved_by = Some(name.clone());
    if let Some(kept) = app.films.orders().get_mut(&film) {
        kept.approved_by = Some(name);
    }
    Ok(Json(app.film(&session, order, status)))
}

/// The film, as MP4, whole or in ranges (RFC 9110 section 14). Opened in memory as it goes out.
#[utoipa::path(
    get, path = "/api/v1/films/{film}/film.mp4", tag = "Auditor", security(("session" = [])),
    params(("film" = FilmId, Path)),
    responses(
        (status = 200, content_type = "video/mp4"),
        (status = 206, content_type = "video/mp4"),
        (status = 403, body = ProblemBody, description = "`second_person_needed`"),
        (status = 404, body = ProblemBody, description = "`film_unknown`"),
        (status = 409, body = ProblemBody, description = "`film_not_ready`"),
        (status = 416, description = "the range is not in the film"),
    )
)]
pub(super) async fn file(
    State(app): State<Arc<App>>,
    AuditorAuth(session): AuditorAuth,
    ApiPath(film): ApiPath<FilmId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order = app.films.own(film, session.account.id)?;
    let status = app.recorder.film(film).await.ok_or(FILM_UNKNOWN)?;
    if status.state != FilmState::Made {
        return Err(FILM_NOT_READY);
    }
    if app.config.second_person && order.approved_by.is_none() {
        return Err(SECOND_PERSON_NEEDED);
    }
    if app.films.begins_download(film, app.clock.mono()) {
        app.note_film(&session, "film_fetched", order.recording, film.to_string()).await?;
    }
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status_code, range) = match asked.map(|text| parse_range(text, status.len)) {
        None | Some(Asked::Whole) => (StatusCode::OK, 0..status.len),
        Some(Asked::Part(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Asked::Outside) => {
            let length = [(header::CONTENT_RANGE, format!("bytes */{}", status.len))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, length).into_response());
        }
    };
    let name = format!("attachment; filename=\"vbranch-{}.mp4\"", order.recording);
    let mut answer = (
        status_code,
        [
            (header::CONTENT_TYPE, "video/mp4".to_owned()),
            (header::CONTENT_LENGTH, (range.end - range.start).to_string()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
            (header::CONTENT_DISPOSITION, name),
        ],
    )
        .into_response();
    if status_code == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{}", range.start, range.end - 1, status.len);
        if let Ok(value) = text.parse() {
            answer.headers_mut().insert(header::CONTENT_RANGE, value);
        }
    }
    *answer.body_mut() = stream(Arc::clone(&app.recorder), film, range);
    Ok(answer)
}

/// Auditors, and supervisors as the second person.
fn may_see(session: &Session) -> Result<(), Problem> {
    match session.account.role {
        Role::Auditor | Role::Supervisor => Ok(()),
        Role::Staff | Role::Admin => Err(Problem::FORBIDDEN),
    }
}

/// A part of a film, piece by piece as the reader takes them.
fn stream(recorder: Arc<dyn RecorderPort>, film: FilmId, range: Range<u64>) -> Body {
    let pieces = futures_util::stream::try_unfold(range, move |range| {
        let recorder = Arc::clone(&recorder);
        async move {
            if range.is_empty() {
                return Ok(None);
            }
            let mut piece = recorder.film_bytes(film, range.start).await?;
            let room = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            piece.truncate(room);
            if piece.is_empty() {
                return Err(crate::ports::RecorderError::NotFound);
            }
            let next = range.start + piece.len() as u64..range.end;
            Ok(Some((piece, next)))
        }
    });
    Body::from_stream(pieces)
}

/// What of a film is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// All of it; also where the header is not understood (RFC 9110 section 14.2).
    Whole,
    Part(Range<u64>),
    Outside,
}

/// A `Range` header with one range of bytes (RFC 9110 section 14.1.2).
fn parse_range(text: &str, len: u64) -> Asked {
    let number = |digits: &str| -> Option<u64> {
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Asked::Whole;
    };
    let range = match (first, last) {
        ("", last) => match number(last) {
            Some(0) => return Asked::Outside,
            Some(n) => len.saturating_sub(n)..len,
            None => return Asked::Whole,
        },
        (first, "") => match number(first) {
            Some(first) => first..len,
            None => return Asked::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(len),
            _ => return Asked::Whole,
        },
    };
    if range.is_empty() { Asked::Outside } else { Asked::Part(range) }
}

impl App {
    fn film(&self, session: &Session, order: Order, status: FilmStatus) -> Film {
        Film {
            recording: order.recording,
            mine: order.requester == session.account.id,
            by: order.by,
            reason: order.reason,
            layout: order.layout,
            at: order.at,
            needs_second_person: self.config.second_person,
            approved_by: order.approved_by,
            status,
        }
    }

    /// Names of the people in a recording, by role: a recording itself names nobody.
    async fn names_in(&self, recording: RecordingId) -> Result<Vec<(String, String)>, Problem> {
        let view = self.recorder.view(recording).await?;
        let staff = view.timeline.iter().rev().find_map(|event| match &event.kind {
            TimelineKind::StaffJoined { staff } => Some(*staff),
            _ => None,
        });
        let Some(staff) = staff else { return Ok(Vec::new()) };
        let account = self.store.account_by_id(staff).await?;
        Ok(account.map(|a| ("staff".to_owned(), a.display_name)).into_iter().collect())
    }

    async fn note_film(
        &self,
        session: &Session,
        action: &'static str,
        recording: RecordingId,
        reason: String,
    ) -> Result<(), Problem> {
        let entry = AuditEntry {
            at: self.clock.wall(),
            actor: session.account.username.clone(),
            action,
            recording: Some(recording),
            reason,
        };
        Ok(self.store.note(&entry).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_rfc_has_it() {
        for (text, asked) in [
            ("bytes=0-", Asked::Part(0..100)),
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=10-19", Asked::Part(10..20)),
            ("bytes=90-999", Asked::Part(90..100)),
            ("bytes=-5", Asked::Part(95..100)),
            ("bytes=-500", Asked::Part(0..100)),
            ("bytes=100-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=20-10", Asked::Whole),
            ("bytes=1-2,4-5", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("bytes=", Asked::Whole),
            ("lines=1-2", Asked::Whole),
            ("bytes=99999999999999999999999-", Asked::Whole),
        ] {
            assert_eq!(parse_range(text, 100), asked, "{text}");
        }
    }

    #[test]
    fn many_ranges_are_one_download_until_a_pause() {
        let films = Films::default();
        let film = FilmId::random();
        let order = Order {
            recording: RecordingId::random(),
            requester: UserId::random(),
            by: "auditor".to_owned(),
            reason: "inspection".to_owned(),
            layout: FilmLayout::Side,
            at: UnixMillis(0),
            approved_by: None,
            given: None,
        };
        films.orders().insert(film, order);
        let begins = |s: u64| films.begins_download(film, Mono::from_millis(s * 1_000));
        assert_eq!([0, 1, 200, 499, 800].map(begins), [true, false, false, false, true]);
    }
}
