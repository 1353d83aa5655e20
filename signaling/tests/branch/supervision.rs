//! Supervisors who attend calls, and mutes.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use vbranch_domain::{MediaKind, ParticipantId, Seat};

use crate::{
    auth::cookie,
    support::{Branch, Customer, OFFER, Person, eventually, socket::Socket},
};

pub(super) fn path(visit: &str) -> String {
    format!("/api/v1/visits/{visit}/supervision")
}

pub(super) async fn attend(supervisor: &Person, visit: &str, mode: &str) -> (u16, Value) {
    supervisor.post(&path(visit), json!({ "mode": mode })).await
}

/// Attends with media up; gives the place in the call.
pub(super) async fn attend_with_media(
    branch: &Branch,
    boss: &Person,
    visit: &str,
    mode: &str,
) -> String {
    assert_eq!(attend(boss, visit, mode).await.0, 200);
    let (status, answer) =
        boss.post(&format!("{}/media", path(visit)), json!({"sdp": OFFER})).await;
    assert_eq!((status, &answer["connection"]), (200, &json!(1)), "{answer}");
    branch.peers.connect().await;
    eventually(async || boss.get(&path(visit)).await.1["media"]["connected"] == true).await;
    boss.get(&path(visit)).await.1["call"]["me"].as_str().unwrap().to_owned()
}

pub(super) async fn end(supervisor: &Person, visit: &str) -> u16 {
    let end = supervisor.request(Method::DELETE, &path(visit));
    end.header("content-type", "application/json").send().await.unwrap().status().as_u16()
}

fn seats(view: &Value) -> Vec<String> {
    let participants = view["call"]["participants"].as_array().unwrap();
    participants.iter().map(|p| p["seat"].as_str().unwrap().to_owned()).collect()
}

fn seat_of(branch: &Branch, participant: &str) -> Option<Seat> {
    branch.peers.state().seats.get(&participant.parse().unwrap()).copied()
}

pub(super) async fn staff_view(staff: &Person, visit: &str) -> Value {
    staff.get(&format!("/api/v1/visits/{visit}")).await.1
}

/// A call, its staff member, and a supervisor.
pub(super) async fn scene(branch: &Branch) -> (Person, Customer, String, Person) {
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.call(&staff).await;
    (staff, customer, visit, branch.sign_in("supervisor").await)
}

#[tokio::test]
async fn a_supervisor_listens_whispers_barges_in_and_goes() {
    let branch = Branch::start().await;
    let (staff, customer, visit, boss) = scene(&branch).await;
    let (_, queue) = boss.get("/api/v1/visits").await;
    assert_eq!(
        (&queue["visits"][0]["visit"], &queue["visits"][0]["mine"]),
        (&json!(visit), &json!(false))
    );
    assert!(queue["visits"][0]["staff"]["display_name"].is_string(), "who serves");

    let me = attend_with_media(&branch, &boss, &visit, "silent").await;
    assert_eq!(seat_of(&branch, &me), Some(Seat::SupervisorSilent));
    assert_eq!(seats(&customer.view().await), ["customer", "staff"]);
    assert_eq!(seats(&staff_view(&staff, &visit).await), ["customer", "staff"]);
    let (_, seen) = boss.get(&path(&visit)).await;
    assert_eq!(seats(&seen), ["customer", "staff", "supervisor_silent"]);
    assert_eq!((&seen["mode"], &seen["visit"]["state"]), (&json!("silent"), &json!("in_call")));

    assert_eq!(attend(&boss, &visit, "whispering").await.0, 200);
    eventually(async || seat_of(&branch, &me) == Some(Seat::SupervisorWhispering)).await;
    assert_eq!(
        seats(&customer.view().await),
        ["customer", "staff"],
        "not for the customer to know"
    );
    assert_eq!(seats(&staff_view(&staff, &visit).await).last().unwrap(), "supervisor_whispering");

    assert_eq!(attend(&boss, &visit, "barged_in").await.0, 200);
    eventually(async || seat_of(&branch, &me) == Some(Seat::SupervisorBargedIn)).await;
    assert_eq!(seats(&customer.view().await).last().unwrap(), "supervisor_barged_in");
    assert_eq!(attend(&boss, &visit, "barged_in").await.0, 200, "asking again is no harm");

    assert_eq!(end(&boss, &visit).await, 204);
    assert_eq!(seats(&customer.view().await), ["customer", "staff"]);
    eventually(async || branch.peers.state().diary.last().is_some_and(|d| d == "leave")).await;
    assert_eq!(end(&boss, &visit).await, 403, "not any more");

    let again = attend_with_media_again(&branch, &boss, &visit).await;
    assert_eq!(again, me, "one participant of the recording, however often they come");
    let state = branch.peers.state();
    let words = state.recordings[0].words();
    let told: Vec<&str> =
        words.iter().map(String::as_str).filter(|w| w.starts_with("supervision")).collect();
    let (began, changed, ended) = ("supervision_began", "supervision_changed", "supervision_ended");
    assert_eq!(told, [began, changed, changed, ended, began]);
    let roles: Vec<&str> =
        state.recordings[0].meta.participants.iter().map(|p| p.role.as_str()).collect();
    assert_eq!(roles, ["customer", "staff", "supervisor"]);
}

async fn attend_with_media_again(branch: &Branch, boss: &Person, visit: &str) -> String {
    assert_eq!(attend(boss, visit, "silent").await.0, 200);
    let (_, answer) = boss.post(&format!("{}/media", path(visit)), json!({"sdp": OFFER})).await;
    assert_eq!(answer["connection"], 2);
    branch.peers.connect().await;
    boss.get(&path(visit)).await.1["call"]["me"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn only_supervisors_attend_and_only_calls_of_others() {
    let branch = Branch::start().await;
    let (staff, _, visit, boss) = scene(&branch).await;
    let body = json!({"mode": "silent"});
    assert_eq!(staff.refused(&path(&visit), body.clone()).await, (403, "forbidden".to_owned()));
    let nobody = branch.nobody().refused(&path(&visit), body.clone()).await;
    assert_eq!(nobody, (401, "not_signed_in".to_owned()));
    assert_eq!(boss.post(&path(&visit), json!({"mode": "seated"})).await.0, 422);

    let media = format!("{}/media", path(&visit));
    let early = boss.refused(&media, json!({"sdp": OFFER})).await;
    assert_eq!(early, (403, "not_supervising".to_owned()), "not before it is on the recording");
    assert_eq!(boss.get(&path(&visit)).await.1["code"], "not_supervising");
    assert_eq!(boss.open(&visit, "identity").await.0, 403, "who attends does not lead");
    attend_with_media(&branch, &boss, &visit, "barged_in").await;
    assert_eq!(boss.open(&visit, "identity").await.0, 403, "not even barged in");
    assert_eq!(boss.close(&visit, "declined").await.0, 403);
    let bad = boss.refused(&media, json!({"sdp": "hello"})).await;
    assert_eq!(bad, (422, "bad_sdp".to_owned()));

    let waiting = branch.waiting().await;
    let other = waiting.view().await["visit"].as_str().unwrap().to_owned();
    assert_eq!(boss.refused(&path(&other), body.clone()).await, (409, "wrong_state".to_owned()));
    let accept = format!("/api/v1/visits/{other}/accept");
    assert_eq!(boss.post(&accept, json!({})).await.0, 200);
    assert_eq!(boss.refused(&path(&other), body.clone()).await, (409, "own_visit".to_owned()));

    assert_eq!(staff.close(&visit, "declined").await.0, 200);
    assert_eq!(boss.refused(&path(&visit), body).await, (409, "visit_closed".to_owned()));
    assert_eq!(boss.get(&path(&visit)).await.1["visit"]["outcome"], "declined");
}

#[tokio::test]
async fn who_loses_the_line_or_the_session_attends_no_more() {
    let branch = Branch::start().await;
    let (staff, _, visit, boss) = scene(&branch).await;
    attend_with_media(&branch, &boss, &visit, "whispering").await;
    branch.peers.cut(2).await;
    eventually(async || boss.get(&path(&visit)).await.1["media"]["connected"] == false).await;
    branch.clock.advance(Duration::from_secs(31));
    eventually(async || boss.get(&path(&visit)).await.1["code"] == "not_supervising").await;
    assert_eq!(seats(&staff_view(&staff, &visit).await), ["customer", "staff"]);
    assert_eq!(staff_view(&staff, &visit).await["state"], "in_call", "the call goes on");

    assert_eq!(attend(&boss, &visit, "silent").await.0, 200);
    let joined = boss.post(&format!("{}/media", path(&visit)), json!({"sdp": OFFER})).await;
    assert_eq!(joined.0, 200);
    branch.peers.connect().await;
    let sign_out = boss.request(Method::DELETE, "/api/v1/session").send().await.unwrap();
    assert_eq!(sign_out.status(), 204);
    eventually(async || {
        let state = branch.peers.state();
        let ended = state.recordings[0].words();
        ended.iter().filter(|w| *w == "supervision_ended").count() == 2
    })
    .await;
    eventually(async || branch.peers.state().diary.last().is_some_and(|d| d == "leave")).await;
}

#[tokio::test]
async fn staff_mute_the_customer_and_it_lasts_across_a_reload() {
    let branch = Branch::start().await;
    let (staff, customer, visit, boss) = scene(&branch).await;
    let me = attend_with_media(&branch, &boss, &visit, "barged_in").await;
    let path = format!("/api/v1/visits/{visit}/mute");
    let who: ParticipantId = customer.view().await["call"]["me"].as_str().unwrap().parse().unwrap();
    let mute =
        |who: String, muted: bool| json!({"participant": who, "kind": "audio", "muted": muted});
    let (status, view) = staff.post(&path, mute(who.to_string(), true)).await;
    assert_eq!(status, 200, "{view}");
    assert_eq!(view["call"]["participants"][0]["muted"], json!(["audio"]));
    assert_eq!(customer.view().await["call"]["participants"][0]["muted"], json!(["audio"]));
    let muted = async || branch.peers.state().muted.clone();
    eventually(async || muted().await == [(who, MediaKind::Audio)]).await;

    branch.peers.state().muted.clear();
    customer.join().await;
    eventually(async || muted().await == [(who, MediaKind::Audio)]).await;
    assert_eq!(staff.post(&path, mute(who.to_string(), false)).await.0, 200);
    eventually(async || muted().await.is_empty()).await;
    let words = branch.peers.state().recordings[0].words();
    assert_eq!(words.iter().filter(|w| *w == "muted").count(), 2, "on and off");

    for stranger in [me, ParticipantId::random().to_string()] {
        let refused = staff.refused(&path, mute(stranger, true)).await;
        assert_eq!(refused, (404, "participant_unknown".to_owned()));
    }
    let refused = boss.refused(&path, mute(who.to_string(), true)).await;
    assert_eq!(refused, (403, "not_your_visit".to_owned()));
}

#[tokio::test]
async fn a_supervisor_is_pushed_the_call_and_says_how_the_machine_does() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.call(&staff).await;
    let (cookie, _) = cookie(&branch, "supervisor").await;
    let client = reqwest::Client::new();
    let attend = async |mode: &str| {
        let request = client.post(branch.url(&path(&visit))).header("cookie", &cookie);
        assert_eq!(request.json(&json!({ "mode": mode })).send().await.unwrap().status(), 200);
    };
    attend("silent").await;
    let mut socket = Socket::staff(&branch, &cookie).await;
    socket.send(json!({"type": "watch", "visit": visit})).await;
    let first = socket.until(|m| m["type"] == "supervised_visit").await;
    assert_eq!(first["visit"]["mode"], "silent");
    attend("barged_in").await;
    socket.until(|m| m["visit"]["mode"] == "barged_in").await;

    socket.send(json!({"type": "cpu_limited", "limited": true})).await;
    let mut page = Socket::customer(&branch, &customer.token).await;
    page.json().await;
    page.send(json!({"type": "cpu_limited", "limited": true})).await;
    page.send(json!({"type": "cpu_limited", "limited": true})).await;
    eventually(async || branch.peers.state().cpu_limited.len() == 2).await;
    let me = first["visit"]["call"]["me"].as_str().unwrap().parse().unwrap();
    assert!(branch.peers.state().cpu_limited.contains(&(me, true)));

    staff.close(&visit, "declined").await;
    socket.until(|m| m["visit"]["visit"]["outcome"] == "declined").await;
}

/// A supervisor at a socket, who attends the visit silently and watches it.
async fn watching(branch: &Branch, visit: &str) -> (reqwest::Client, String, Socket) {
    let (cookie, _) = cookie(branch, "supervisor").await;
    let client = reqwest::Client::new();
    attend_by(branch, &client, &cookie, visit).await;
    let mut socket = Socket::staff(branch, &cookie).await;
    socket.send(json!({"type": "watch", "visit": visit})).await;
    socket.until(|m| m["type"] == "supervised_visit").await;
    (client, cookie, socket)
}

async fn attend_by(branch: &Branch, client: &reqwest::Client, cookie: &str, visit: &str) {
    let request = client.post(branch.url(&path(visit))).header("cookie", cookie);
    assert_eq!(request.json(&json!({"mode": "silent"})).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_supervisor_whose_attendance_ends_is_told_so() {
    let branch = Branch::start().await;
    let (_, _, visit, boss) = scene(&branch).await;
    let (_, _, mut socket) = watching(&branch, &visit).await;
    assert_eq!(end(&boss, &visit).await, 204);
    let told = socket.until(|m| m["type"] == "error").await;
    assert_eq!(told["code"], "not_supervising");
    socket.send(json!({"type": "watch", "visit": visit})).await;
    assert_eq!(socket.until(|m| m["type"] == "error").await["code"], "not_supervising");
    let unknown = json!({"type": "watch", "visit": "01890a5d-ac96-774b-bcce-b302099a8057"});
    socket.send(unknown).await;
    assert_eq!(socket.until(|m| m["type"] == "error").await["code"], "visit_unknown");
}

#[tokio::test]
async fn what_a_machine_said_in_one_call_does_not_count_in_the_next() {
    let branch = Branch::start().await;
    let (staff, _, one, _) = scene(&branch).await;
    let (client, cookie, mut socket) = watching(&branch, &one).await;
    let limited = json!({"type": "cpu_limited", "limited": true});
    socket.send(limited.clone()).await;
    let told = async |times| branch.peers.state().cpu_limited.len() == times;
    eventually(async || told(1).await).await;

    assert_eq!(staff.close(&one, "declined").await.0, 200);
    let (_customer, other) = branch.call(&staff).await;
    attend_by(&branch, &client, &cookie, &other).await;
    socket.send(json!({"type": "watch", "visit": other})).await;
    socket.until(|m| m["visit"]["visit"]["visit"] == json!(other)).await;
    socket.send(limited).await;
    eventually(async || told(2).await).await;
}

#[tokio::test]
async fn one_supervisor_who_joins_too_often_does_not_keep_another_out() {
    let dir = tempfile::tempdir().unwrap();
    let branch = Branch::start_in(dir.path(), |_| {}).await;
    hire_deputy(dir.path()).await;
    let (_, _, visit, boss) = scene(&branch).await;
    let deputy = branch.sign_in_with("deputy", "supervisor-demo").await;
    let media = format!("{}/media", path(&visit));
    for supervisor in [&boss, &deputy] {
        assert_eq!(attend(supervisor, &visit, "silent").await.0, 200);
        for _ in 0..5 {
            assert_eq!(supervisor.post(&media, json!({"sdp": OFFER})).await.0, 200);
        }
        let refused = supervisor.refused(&media, json!({"sdp": OFFER})).await;
        assert_eq!(refused, (429, "too_many_joins".to_owned()));
    }
}

/// A second supervisor, whose sign-in name and password are `deputy` and `supervisor-demo`.
async fn hire_deputy(dir: &std::path::Path) {
    let url = format!("sqlite://{}", dir.join("branch.sqlite").display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    let copy = "INSERT INTO users SELECT '01890a5d-ac96-774b-bcce-b302099a8057', 'deputy', \
                password_hash, display_name, title, 'VB2001', role, created \
                FROM users WHERE username = 'supervisor'";
    assert_eq!(sqlx::query(copy).execute(&mut database).await.unwrap().rows_affected(), 1);
}
