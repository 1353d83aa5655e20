//! The WebSocket: pushes snapshots, takes little. What a client has not read yet is replaced by
//! what is newer, so a slow reader costs one snapshot, not a queue.

mod admission;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    http::HeaderMap,
    response::Response,
};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{MissedTickBehavior, interval, timeout},
};
use vbranch_domain::{Mono, VisitId};

use admission::session;

use super::{
    App, Problem,
    limits::Limits,
    lookup::watched,
    message::{ClientMessage, ServerMessage},
    problem::ProblemBody,
    staff::{Viewer, queue_for},
};
use crate::{
    auth::{TokenHash, origin_allowed, session_token},
    branch::{QueueRow, Views},
    metrics::OpenSocket,
    visit::Actor,
};

/// What a message from a client is at most.
const MAX_MESSAGE: usize = 16 * 1024;
/// Read up to here, so that one somewhat too large is told apart from a flood and gets its 1009.
const MAX_READ: usize = 64 * 1024;
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// Often enough to keep proxies from cutting a quiet line and to notice an ended session.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Two pings unanswered.
const SILENT_FOR: Duration = Duration::from_secs(45);
/// What a page says of its machine is passed on at most this often.
const CPU_EVERY: Duration = Duration::from_secs(1);
/// A client that does not read for so long is gone.
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// Opens the WebSocket; messages as in the schemas `ClientMessage` and `ServerMessage`.
#[utoipa::path(
    get, path = "/api/v1/ws", tag = "WebSocket",
    responses(
        (status = 101, body = ServerMessage, description = "Switches to WebSocket"),
        (status = 403, body = ProblemBody, description = "`bad_origin`"),
        (status = 503, body = ProblemBody, description = "`too_many_sockets`"),
    )
)]
pub(super) async fn upgrade(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    if !origin_allowed(&headers, &app.config.public_origins) {
        return Err(Problem::BAD_ORIGIN);
    }
    let upgrade = upgrade.map_err(|_| Problem::bad_request("this is a WebSocket address"))?;
    let slot = Arc::clone(&app.sockets).try_acquire_owned().map_err(|_| TOO_MANY_SOCKETS)?;
    let cookie = session_token(&headers);
    let upgrade = upgrade.max_message_size(MAX_READ).max_frame_size(MAX_READ);
    Ok(upgrade.on_upgrade(async move |socket| {
        let connection = Connection::new(app, socket, cookie, slot);
        connection.run().await;
    }))
}

const TOO_MANY_SOCKETS: Problem = Problem::new(
    axum::http::StatusCode::SERVICE_UNAVAILABLE,
    "too_many_sockets",
    "There are as many open connections as this server can hold.",
);

struct Connection {
    app: Arc<App>,
    socket: WebSocket,
    cookie: Option<TokenHash>,
    who: Who,
    views: Option<watch::Receiver<Views>>,
    queue: Option<watch::Receiver<Arc<Vec<QueueRow>>>>,
    session_ended: Option<watch::Receiver<()>>,
    /// The visit that is pushed.
    visit: Option<VisitId>,
    /// The visit as it was pushed last.
    sent_visit: Option<Utf8Bytes>,
    /// The queue as it was pushed last.
    sent_queue: Option<Utf8Bytes>,
    /// What the page said of its machine in this visit, and when.
    cpu: Option<(bool, Mono)>,
    limits: Limits,
    _open: OpenSocket,
    _slot: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Who {
    Unknown,
    Customer,
    Staff(Viewer),
}

/// The connection ends, and this is how.
struct End {
    code: u16,
    reason: &'static str,
}

impl End {
    const fn policy(reason: &'static str) -> Self {
        Self { code: close_code::POLICY, reason }
    }
}

impl Connection {
    fn new(
        app: Arc<App>,
        socket: WebSocket,
        cookie: Option<TokenHash>,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let now = app.clock.mono();
        Self {
            app,
            socket,
            cookie,
            who: Who::Unknown,
            views: None,
            queue: None,
            session_ended: None,
            visit: None,
            sent_visit: None,
            sent_queue: None,
            cpu: None,
            limits: Limits::new(now),
            _open: OpenSocket::new(),
            _slot: slot,
        }
    }

    async fn run(mut self) {
        let end = self.listen().await;
        let Err(Some(End { code, reason })) = end else { return };
        tracing::debug!(code, reason, "socket closed");
        let frame = CloseFrame { code, reason: reason.into() };
        // The other end may be long gone.
        let _ = timeout(SEND_WITHIN, self.socket.send(Message::Close(Some(frame)))).await;
    }

    /// `Err(None)`: the client is gone and there is nobody to say goodbye to.
    async fn listen(&mut self) -> Result<(), Option<End>> {
        let mut ping = interval(PING_EVERY);
        ping.reset();
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let hello = tokio::time::sleep(HELLO_WITHIN);
        tokio::pin!(hello);
        loop {
            let waiting_for_hello = matches!(self.who, Who::Unknown);
            tokio::select! {
                frame = self.socket.recv() => self.take(frame).await?,
                changed = changed(&mut self.views) => self.push_visit(changed).await?,
                changed = changed(&mut self.queue) => self.push_queue(changed).await?,
                _ = changed(&mut self.session_ended) => return Err(Some(End::policy("session_ended"))),
                () = &mut hello, if waiting_for_hello => return Err(Some(End::policy("no_hello"))),
                _ = ping.tick() => self.keep_alive().await?,
            }
        }
    }

    async fn take(
        &mut self,
        frame: Option<Result<Message, axum::Error>>,
    ) -> Result<(), Option<End>> {
        let too_large = || Some(End { code: close_code::SIZE, reason: "message_too_large" });
        // A frame the library refuses is nearly always one that is too large by far; where the
        // line is dead, nobody hears this.
        let frame = frame.ok_or(None)?.map_err(|_| too_large())?;
        if !self.limits.admit(self.app.clock.mono()) {
            return Err(Some(End::policy("too_many_messages")));
        }
        let text = match frame {
            Message::Text(text) if text.len() > MAX_MESSAGE => return Err(too_large()),
            Message::Text(text) => text,
            Message::Binary(_) => return self.strike("only text is understood").await,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(None),
        };
        match serde_json::from_str(&text) {
            Ok(message) => self.obey(message).await,
            Err(_) => self.strike("the message does not parse").await,
        }
    }

    async fn obey(&mut self, message: ClientMessage) -> Result<(), Option<End>> {
        match (message, &self.who) {
            (ClientMessage::Ping, _) => self.send(&ServerMessage::Pong).await,
            (ClientMessage::Hello { token: Some(token) }, Who::Unknown) => {
                self.hello_customer(token).await
            }
            (ClientMessage::Hello { token: None }, Who::Unknown) => self.hello_staff().await,
            (ClientMessage::Watch { visit }, Who::Staff(me)) => {
                let me = *me;
                self.watch_as_staff(visit, me).await
            }
            (ClientMessage::CpuLimited { .. }, Who::Unknown) => {
                self.strike("say hello first").await
            }
            (ClientMessage::CpuLimited { limited }, Who::Customer) => {
                self.cpu_limited(Actor::Customer, limited).await
            }
            (ClientMessage::CpuLimited { limited }, Who::Staff(me)) => {
                let by = Actor::Staff(me.id);
                self.cpu_limited(by, limited).await
            }
            (ClientMessage::Hello { .. }, _) => self.strike("hello was said before").await,
            (ClientMessage::Watch { .. }, _) => self.strike("only staff watch visits").await,
        }
    }

    /// Passed on where it is news, and not more often than it can change.
    async fn cpu_limited(&mut self, by: Actor, limited: bool) -> Result<(), Option<End>> {
        let now = self.limits.heard();
        let known = self.cpu.is_some_and(|(was, at)| was == limited || now.since(at) < CPU_EVERY);
        let Some(visit) = self.visit.filter(|_| !known) else { return Ok(()) };
        self.cpu = Some((limited, now));
        match self.app.branch.cpu_limited(visit, by, limited).await {
            Ok(()) => Ok(()),
            Err(error) => self.complain(&error.into()).await,
        }
    }

    async fn push_visit(&mut self, open: bool) -> Result<(), Option<End>> {
        let Some(views) = &mut self.views else { return Ok(()) };
        if !open {
            // Forgotten by the branch after its end, or the branch is stopping.
            self.views = None;
            return match self.who {
                Who::Customer => Err(Some(GOING_AWAY)),
                Who::Staff(_) | Who::Unknown => Ok(()),
            };
        }
        let now = views.borrow_and_update().clone();
        let seen = match self.who {
            Who::Customer => {
                Ok(ServerMessage::CustomerVisit { visit: Box::new((*now.customer).clone()) })
            }
            Who::Staff(me) => watched(&now, me),
            Who::Unknown => return Ok(()),
        };
        match seen {
            Ok(message) => self.push(&message).await,
            Err(problem) => {
                self.views = None;
                self.complain(&problem).await
            }
        }
    }

    async fn push_queue(&mut self, open: bool) -> Result<(), Option<End>> {
        let Who::Staff(me) = self.who else { return Ok(()) };
        let Some(queue) = self.queue.as_mut().filter(|_| open) else {
            return Err(Some(GOING_AWAY));
        };
        let visits = queue_for(&queue.borrow_and_update(), me);
        self.push(&ServerMessage::Queue { visits }).await
    }

    /// Sends a snapshot if it is news. One that repeats the last would tell that something has
    /// happened of which this viewer is not to know, such as that a supervisor listens.
    async fn push(&mut self, snapshot: &ServerMessage) -> Result<(), Option<End>> {
        let text = written(snapshot)?;
        let last = match snapshot {
            ServerMessage::Queue { .. } => &mut self.sent_queue,
            _ => &mut self.sent_visit,
        };
        if last.replace(text.clone()).as_ref() == Some(&text) {
            return Ok(());
        }
        self.deliver(Message::Text(text)).await
    }

    /// An open console counts as activity: staff in a long call are not signed out of it. What
    /// has ended in the database or by age is noticed here at the latest.
    async fn keep_alive(&mut self) -> Result<(), Option<End>> {
        if self.app.clock.mono().since(self.limits.heard()) >= SILENT_FOR {
            return Err(None);
        }
        if matches!(self.who, Who::Staff(_))
            && session(&self.app, self.cookie).await.is_err_and(|p| p == Problem::NOT_SIGNED_IN)
        {
            return Err(Some(End::policy("session_ended")));
        }
        self.deliver(Message::Ping(bytes::Bytes::new())).await
    }

    async fn strike(&mut self, detail: &str) -> Result<(), Option<End>> {
        let message =
            ServerMessage::Error { code: "bad_message".to_owned(), detail: detail.to_owned() };
        self.send(&message).await?;
        if self.limits.strike_is_last() {
            return Err(Some(End::policy("three_strikes")));
        }
        Ok(())
    }

    /// Says what is wrong, and goes on.
    async fn complain(&mut self, problem: &Problem) -> Result<(), Option<End>> {
        let (code, detail) = (problem.code().to_owned(), problem.detail().to_owned());
        self.send(&ServerMessage::Error { code, detail }).await
    }

    /// Says what is wrong, and hangs up.
    async fn refuse(&mut self, problem: Problem) -> Result<(), Option<End>> {
        self.complain(&problem).await?;
        Err(Some(End::policy(problem.code())))
    }

    async fn send(&mut self, message: &ServerMessage) -> Result<(), Option<End>> {
        let text = written(message)?;
        self.deliver(Message::Text(text)).await
    }

    async fn deliver(&mut self, message: Message) -> Result<(), Option<End>> {
        match timeout(SEND_WITHIN, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(None),
        }
    }
}

const GOING_AWAY: End = End { code: close_code::AWAY, reason: "going_away" };

fn written(message: &ServerMessage) -> Result<Utf8Bytes, Option<End>> {
    match serde_json::to_string(message) {
        Ok(json) => Ok(json.into()),
        Err(error) => {
            tracing::error!(%error, "a snapshot could not be written");
            Err(Some(End { code: close_code::ERROR, reason: "internal" }))
        }
    }
}

/// Waits for a change; false: nothing will change any more. Without a receiver it waits for ever.
async fn changed<T>(receiver: &mut Option<watch::Receiver<T>>) -> bool {
    match receiver {
        Some(receiver) => receiver.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}
