//! The two ends of `scripts/interop.sh` that are ours.
//!
//! `interop host` runs the media plane in this process and lets anybody join by plain HTTP: the
//! SDP offer is posted to `/join/ROOM/NAME`, the answer comes back. It says on its first line where
//! it listens, and ends with its standard input. `interop bot --join URL …` is a client of the
//! async `webrtc` crate that speaks as the other clients do (`docs/interop.md`).
#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::disallowed_methods, reason = "a client of its own, at the edge")]

use std::{
    collections::BTreeMap,
    io::Read as _,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot};
use vbranch_domain::{CallId, ParticipantId, Seat, SystemClock};
use vbranch_load::Bot;
use vbranch_sfu::{Sfu, SfuConfig, SfuEvent, SfuHandle};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("host") => host().await,
        Some("bot") => bot(&Wishes::read(&arguments)?).await,
        _ => bail!(
            "usage: interop host | interop bot --join URL [--mode publish] [--frames N] [--patience S]"
        ),
    }
}

// ------------------------------------------------------------------------------------- the host

/// Who is where, and whether they are connected.
#[derive(Default)]
struct Rooms {
    calls: BTreeMap<String, CallId>,
    people: BTreeMap<(String, String), (ParticipantId, Seat, bool)>,
}

impl Rooms {
    /// Where this one is: the first of a room is its customer, the second staff.
    fn place(&mut self, room: &str, name: &str) -> (CallId, ParticipantId, Seat) {
        let call = *self.calls.entry(room.to_owned()).or_insert_with(CallId::random);
        let key = (room.to_owned(), name.to_owned());
        let seat = match self.people.keys().filter(|(r, n)| r == room && n != name).count() {
            0 => Seat::Customer,
            1 => Seat::Staff,
            _ => Seat::ThirdParty,
        };
        let new = || (ParticipantId::random(), seat, false);
        let (who, seat, _) = self.people.entry(key).or_insert_with(new);
        (call, *who, *seat)
    }

    fn heard(&mut self, event: SfuEvent) {
        let (participant, up) = match event {
            SfuEvent::Connected { participant, .. } => (participant, true),
            SfuEvent::Disconnected { participant, .. } => (participant, false),
            _ => return,
        };
        for (who, _, connected) in self.people.values_mut() {
            if *who == participant {
                *connected = up;
            }
        }
    }
}

#[derive(Clone)]
struct Host {
    sfu: SfuHandle,
    rooms: Arc<Mutex<Rooms>>,
}

async fn host() -> anyhow::Result<()> {
    let rooms = Arc::new(Mutex::new(Rooms::default()));
    let heard = rooms.clone();
    let config = SfuConfig::new((Ipv4Addr::LOCALHOST, 0).into(), vec![Ipv4Addr::LOCALHOST.into()]);
    let sink =
        Arc::new(move |event| heard.lock().unwrap_or_else(PoisonError::into_inner).heard(event));
    let sfu = Sfu::start(&config, SystemClock::start(), sink)?;
    let app = Router::new()
        // An origin for pages to work from.
        .route("/", get(async || Html("<!doctype html><title>interop</title>")))
        .route("/join/{room}/{name}", post(join))
        .route("/stats", get(stats))
        .with_state(Host { sfu: sfu.handle(), rooms });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        // An error is an end too.
        let _ = until_stdin_ends().await;
    });
    server.await?;
    tokio::task::spawn_blocking(move || sfu.stop()).await?;
    Ok(())
}

async fn join(
    State(host): State<Host>,
    Path((room, name)): Path<(String, String)>,
    offer: String,
) -> Response {
    let (call, who, seat) =
        host.rooms.lock().unwrap_or_else(PoisonError::into_inner).place(&room, &name);
    match host.sfu.join(call, who, seat, offer).await {
        Ok(answer) => {
            let kind = [(header::CONTENT_TYPE, "application/sdp")];
            (StatusCode::CREATED, kind, answer.sdp).into_response()
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

async fn stats(State(host): State<Host>) -> Json<Value> {
    let rooms = host.rooms.lock().unwrap_or_else(PoisonError::into_inner);
    let people = rooms.people.iter().map(|((room, name), (_, seat, connected))| {
        json!({"room": room, "name": name, "seat": seat, "connected": connected})
    });
    Json(people.collect())
}

// -------------------------------------------------------------------------------------- the bot

/// What is asked of a client.
struct Wishes {
    join: String,
    publish_only: bool,
    frames: u32,
    patience: Duration,
}

impl Wishes {
    fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let value = |name: &str| {
            let at = arguments.iter().position(|a| a == name)?;
            arguments.get(at + 1).cloned()
        };
        let number = |name: &str, default: u32| {
            value(name).map_or(Ok(default), |v| v.parse().with_context(|| format!("{name} {v}")))
        };
        if value("--codec").is_some_and(|codec| codec != "h264") {
            bail!("the bot has H.264 only");
        }
        Ok(Self {
            publish_only: value("--mode").is_some_and(|mode| mode == "publish"),
            join: value("--join").context("--join URL is missing")?,
            frames: number("--frames", 30)?,
            patience: Duration::from_secs(number("--patience", 20)?.into()),
        })
    }
}

async fn bot(wishes: &Wishes) -> anyhow::Result<()> {
    let began = Instant::now();
    let (mut bot, offer) = Bot::offer(440.0).await?;
    let request = reqwest::Client::new().post(&wishes.join);
    let request = request.header(header::CONTENT_TYPE.as_str(), "application/sdp").body(offer);
    let answer = request.send().await?;
    let status = answer.status();
    let answer = answer.text().await?;
    if !status.is_success() {
        bail!("{status}: {answer}");
    }
    bot.connect(answer).await?;
    let connect_ms = began.elapsed().as_millis();
    let enough = |h: vbranch_load::Heard| {
        wishes.publish_only || (h.frames >= wishes.frames && h.energy > 1.0)
    };
    let waited = bot.wait_until(wishes.patience, enough).await;
    let heard = bot.heard();
    let report = json!({
        "ok": waited.is_ok(), "client": "webrtc-rs", "version": "0.21", "codec": "h264",
        "connectMs": connect_ms, "framesDecoded": heard.frames, "audioPackets": heard.packets,
        "audioEnergy": heard.energy,
    });
    println!("{report}");
    waited?;
    until_stdin_ends().await?;
    bot.close().await
}

/// Whoever started this program ends it by closing its input.
async fn until_stdin_ends() -> anyhow::Result<()> {
    let (ended, end) = oneshot::channel();
    // A thread and not a blocking task: the runtime would wait for it when the program ends.
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    Ok(end.await?)
}
