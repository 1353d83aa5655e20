//! Guests by WHIP and WHEP: what standard clients send, and what others may try.

use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use vbranch_domain::Seat;

use crate::support::{Branch, Customer, OFFER, Person, eventually, peers::ICE_RESTART};

/// What a player offers.
const WATCHES: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\n\
    m=video 9 H264/90000\r\na=recvonly\r\n";

/// A call, its staff member, and somebody outside who has been given tokens.
struct Scene {
    branch: Branch,
    staff: Person,
    customer: Customer,
    visit: String,
}

struct Token {
    token: String,
    url: String,
    participant: String,
}

impl Scene {
    async fn start() -> Self {
        let branch = Branch::start().await;
        let staff = branch.sign_in("staff").await;
        let (customer, visit) = branch.call(&staff).await;
        Self { branch, staff, customer, visit }
    }

    fn tokens(&self) -> String {
        format!("/api/v1/visits/{}/media-tokens", self.visit)
    }

    async fn token(&self, right: &str) -> Token {
        let (status, made) = self.staff.post(&self.tokens(), json!({"right": right})).await;
        assert_eq!(status, 201, "{made}");
        let word = |name: &str| made[name].as_str().unwrap().to_owned();
        Token { token: word("token"), url: word("url"), participant: word("participant") }
    }

    async fn ask(&self, method: Method, path: &str, token: &str, with: Body<'_>) -> Response {
        let request = self.branch.nobody().request(method, path).bearer_auth(token);
        let request = match with {
            Body::None => request,
            Body::Of(kind, text) => {
                request.header(header::CONTENT_TYPE, kind).body(text.to_owned())
            }
        };
        request.send().await.unwrap()
    }

    async fn begin(&self, token: &Token) -> Response {
        let offer = if token.url.ends_with("/whep") { WATCHES } else { OFFER };
        self.ask(Method::POST, &token.url, &token.token, Body::Of("application/sdp", offer)).await
    }

    /// Begins a session whose connection comes up; gives where it can be ended.
    async fn join(&self, token: &Token) -> String {
        let response = self.begin(token).await;
        assert_eq!(response.status(), 201);
        self.branch.peers.connect().await;
        response.headers()[header::LOCATION].to_str().unwrap().to_owned()
    }

    async fn end(&self, token: &Token, session: &str) -> StatusCode {
        self.ask(Method::DELETE, session, &token.token, Body::None).await.status()
    }

    fn words(&self) -> Vec<String> {
        self.branch.peers.state().recordings[0].words()
    }

    async fn marked(&self, word: &str, times: usize) {
        eventually(async || self.words().iter().filter(|w| *w == word).count() == times).await;
    }
}

enum Body<'a> {
    None,
    Of(&'a str, &'a str),
}

async fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    (status, problem["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_guest_publishes_by_whip_and_leaves_and_the_recording_tells() {
    let scene = Scene::start().await;
    let token = scene.token("publish").await;
    assert!(token.url.ends_with("/whip"), "{}", token.url);

    let response = scene.begin(&token).await;
    assert_eq!(response.status(), 201);
    let headers = response.headers().clone();
    assert_eq!(headers[header::CONTENT_TYPE], "application/sdp");
    assert!(headers[header::ETAG].to_str().unwrap().starts_with('"'));
    assert!(!headers.contains_key(header::LINK));
    let session = headers[header::LOCATION].to_str().unwrap().to_owned();
    assert!(session.starts_with(&format!("{}/", token.url)));
    assert_eq!(response.text().await.unwrap(), "v=0\r\nanswer");
    scene.branch.peers.connect().await;
    scene.marked("guest_joined", 1).await;
    {
        let state = scene.branch.peers.state();
        let recording = &state.recordings[0];
        let guest = recording.meta.participants.last().unwrap();
        assert_eq!(
            (guest.id.to_string(), &*guest.role),
            (token.participant.clone(), "third_party")
        );
        let joined = recording.marks.iter().map(|m| serde_json::to_value(&m.kind).unwrap());
        let joined = joined.filter(|m| m["type"] == "guest_joined").collect::<Vec<_>>();
        assert_eq!(joined[0]["seat"], "third_party");
    }

    assert_eq!(scene.end(&token, &session).await, 200);
    scene.marked("guest_left", 1).await;
    assert_eq!(scene.branch.peers.state().diary.last().unwrap(), "leave");
    assert_eq!(scene.end(&token, &session).await, 404, "it has ended");
    scene.join(&token).await;
    scene.marked("guest_joined", 2).await;
}

#[tokio::test]
async fn one_who_watches_by_whep_is_on_the_timeline_and_not_among_the_recorded() {
    let scene = Scene::start().await;
    let token = scene.token("watch").await;
    assert!(token.url.ends_with("/whep"), "{}", token.url);
    scene.join(&token).await;
    scene.marked("guest_joined", 1).await;
    let state = scene.branch.peers.state();
    assert_eq!(state.recordings[0].meta.participants.len(), 2, "customer and staff");
    let last = serde_json::to_value(&state.recordings[0].marks.last().unwrap().kind).unwrap();
    assert_eq!(last["seat"], "supervisor_silent");
}

#[tokio::test]
async fn candidates_are_taken_and_an_ice_restart_is_not() {
    let scene = Scene::start().await;
    let token = scene.token("publish").await;
    let response = scene.begin(&token).await;
    let tag = response.headers()[header::ETAG].to_str().unwrap().to_owned();
    let session = response.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let patch = async |path: &str, tag: Option<&str>, kind: &str| {
        let request = scene.branch.nobody().request(Method::PATCH, path).bearer_auth(&token.token);
        let request = request.header(header::CONTENT_TYPE, kind);
        let request = match tag {
            Some(tag) => request.header(header::IF_MATCH, tag),
            None => request,
        };
        request.body("a=ice-ufrag:EsAw\r\na=end-of-candidates\r\n").send().await.unwrap()
    };
    let kind = "application/trickle-ice-sdpfrag";
    assert_eq!(patch(&session, Some(&tag), kind).await.status(), 204);
    assert_eq!(patch(&session, None, kind).await.status(), 204);
    let restart = code(patch(&session, Some("*"), kind).await).await;
    assert_eq!(restart, (422, "no_ice_restart".to_owned()));
    let stale = code(patch(&session, Some("\"0123\""), kind).await).await;
    assert_eq!(stale, (412, "other_ice_session".to_owned()));
    let wrong = code(patch(&session, None, "application/sdp").await).await;
    assert_eq!(wrong, (415, "not_sdp".to_owned()));
    let other = format!("{}/{}", token.url, "A".repeat(43));
    let unknown = (404, "guest_unknown".to_owned());
    assert_eq!(code(patch(&other, None, kind).await).await, unknown);
    assert_eq!(code(patch(&format!("{}/x", token.url), None, kind).await).await, unknown);
}

#[tokio::test]
async fn pages_of_any_origin_may_ask_and_are_told_what_they_can_send() {
    let scene = Scene::start().await;
    let token = scene.token("publish").await;
    let ask = async |method: Method, path: &str| {
        let request = scene.branch.nobody().request(method, path);
        request.header(header::ORIGIN, "https://studio.example").send().await.unwrap()
    };
    let endpoint = ask(Method::OPTIONS, &token.url).await;
    assert_eq!(endpoint.status(), 200);
    assert_eq!(endpoint.headers()["accept-post"], "application/sdp");
    assert_eq!(endpoint.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let session = ask(Method::OPTIONS, &format!("{}/any", token.url)).await;
    assert_eq!(session.headers()["accept-patch"], "application/trickle-ice-sdpfrag");
    assert_eq!(ask(Method::GET, &token.url).await.status(), 204);
    assert_eq!(ask(Method::GET, &format!("{}/any", token.url)).await.status(), 204);
    let refused = ask(Method::POST, &token.url).await;
    assert_eq!(refused.status(), 401, "asking is not entering");
    assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "Bearer");
    assert_eq!(refused.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(ask(Method::PUT, &token.url).await.status(), 405);
    let session = scene.staff.request(Method::POST, &token.url).send().await.unwrap();
    assert_eq!(session.status(), 401, "a session cookie is no token");
}

#[tokio::test]
async fn a_token_opens_one_call_for_one_right_while_the_call_lasts() {
    let scene = Scene::start().await;
    let (publish, watch) = (scene.token("publish").await, scene.token("watch").await);
    let other_staff = scene.branch.sign_in("supervisor").await;
    let (_othercustomer, other_visit) = scene.branch.call(&other_staff).await;
    let path = format!("/api/v1/visits/{other_visit}/media-tokens");
    let (_, other) = other_staff.post(&path, json!({"right": "publish"})).await;
    let other_url = other["url"].as_str().unwrap();
    let post = async |url: &str, token: &str| {
        code(scene.ask(Method::POST, url, token, Body::Of("application/sdp", OFFER)).await).await
    };
    let bad = (401, "bad_media_token".to_owned());
    let wrong = (403, "wrong_right".to_owned());
    assert_eq!(post(&watch.url, &publish.token).await, wrong);
    assert_eq!(post(&publish.url, &watch.token).await, wrong);
    assert_eq!(post(other_url, &publish.token).await, bad, "made for another call");
    assert_eq!(post(&publish.url, &"A".repeat(43)).await, bad);
    assert_eq!(post(&publish.url, "short").await, bad);
    assert_eq!(post(&publish.url, &scene.customer.token).await, bad, "a link is no such token");
    let nowhere = "/api/v1/calls/01890a5d-ac96-774b-bcce-b302099a8057/whip";
    assert_eq!(post(nowhere, &publish.token).await, (404, "call_unknown".to_owned()));
    let neither = publish.url.replace("/whip", "/whap");
    assert_eq!(post(&neither, &publish.token).await, (404, "not_found".to_owned()));
    let mine = scene.join(&publish).await;
    assert_eq!(scene.end(&watch, &mine).await, 403, "nor can it end another's session");

    assert_eq!(scene.staff.close(&scene.visit, "abandoned").await.0, 200);
    assert_eq!(post(&publish.url, &publish.token).await, bad, "the call is over");
}

#[tokio::test]
async fn only_who_serves_or_administers_makes_tokens() {
    let scene = Scene::start().await;
    let waiting = scene.branch.waiting().await;
    let early = waiting.view().await["visit"].as_str().unwrap().to_owned();
    let (colleague, auditor, admin) = (
        scene.branch.sign_in("supervisor").await,
        scene.branch.sign_in("auditor").await,
        scene.branch.sign_in("admin").await,
    );
    let (path, body) = (scene.tokens(), json!({"right": "watch"}));
    let refused = colleague.refused(&path, body.clone()).await;
    assert_eq!(refused, (403, "not_your_visit".to_owned()));
    assert_eq!(auditor.refused(&path, body.clone()).await, (403, "forbidden".to_owned()));
    assert_eq!(scene.customer.http.refused(&path, body.clone()).await.0, 401);
    let (status, made) = admin.post(&path, body.clone()).await;
    assert_eq!(status, 201, "{made}");
    let early = format!("/api/v1/visits/{early}/media-tokens");
    assert_eq!(admin.refused(&early, body.clone()).await, (409, "wrong_state".to_owned()));
    let made = made["participant"].as_str().unwrap();
    let theirs = colleague.request(Method::DELETE, &format!("{path}/{made}"));
    assert_eq!(theirs.send().await.unwrap().status(), 403);
    assert_eq!(scene.staff.refused(&path, json!({"right": "own"})).await.0, 422);
}

#[tokio::test]
async fn bodies_that_are_no_offers_begin_nothing() {
    let scene = Scene::start().await;
    let token = scene.token("publish").await;
    let before = scene.branch.peers.state().diary.clone();
    let post = async |kind: &str, text: &str| {
        let body = Body::Of(kind, text);
        code(scene.ask(Method::POST, &token.url, &token.token, body).await).await
    };
    assert_eq!(post("application/json", OFFER).await, (415, "not_sdp".to_owned()));
    assert_eq!(post("application/sdp; charset=utf-8", "hi").await, (422, "bad_sdp".to_owned()));
    let vp9 = "v=0\r\nm=audio 9\r\nm=video 9 VP9/90000\r\n";
    assert_eq!(post("application/sdp", vp9).await, (422, "codec_not_agreed".to_owned()));
    let large = "a".repeat(70_000);
    assert_eq!(post("application/sdp", &large).await, (413, "too_large".to_owned()));
    assert_eq!(scene.branch.peers.state().diary, before);
}

#[tokio::test]
async fn posting_again_replaces_the_session_and_its_old_name_does_no_harm() {
    let scene = Scene::start().await;
    let token = scene.token("publish").await;
    let first = scene.join(&token).await;
    let second = scene.join(&token).await;
    scene.marked("guest_joined", 2).await;
    assert_eq!(scene.end(&token, &first).await, 404);
    assert_ne!(scene.branch.peers.state().diary.last().unwrap(), "leave");
    assert_eq!(scene.end(&token, &second).await, 200);
    scene.marked("guest_left", 2).await;
}

#[tokio::test]
async fn a_token_taken_back_drops_its_guest_and_is_dead() {
    let scene = Scene::start().await;
    let token = scene.token("watch").await;
    scene.join(&token).await;
    let path = format!("{}/{}", scene.tokens(), token.participant);
    let take_back = async || scene.staff.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(take_back().await.status(), 204);
    scene.marked("guest_left", 1).await;
    assert_eq!(scene.branch.peers.state().diary.last().unwrap(), "leave");
    assert_eq!(code(scene.begin(&token).await).await, (401, "bad_media_token".to_owned()));
    assert_eq!(code(take_back().await).await, (404, "guest_unknown".to_owned()));
}

#[tokio::test]
async fn guests_are_limited_in_number_and_each_in_joins() {
    let scene = Scene::start().await;
    let mut tokens = Vec::new();
    for _ in 0..8 {
        tokens.push(scene.token("publish").await);
    }
    let refused = scene.staff.refused(&scene.tokens(), json!({"right": "publish"})).await;
    assert_eq!(refused, (409, "too_many_guests".to_owned()));
    for _ in 0..5 {
        scene.join(&tokens[0]).await;
    }
    let refused = code(scene.begin(&tokens[0]).await).await;
    assert_eq!(refused, (429, "too_many_joins".to_owned()));
    scene.join(&tokens[1]).await;
}

#[tokio::test]
async fn a_third_party_is_seen_by_all_and_can_be_muted_and_a_watcher_is_not_seen() {
    let scene = Scene::start().await;
    let (guest, watcher) = (scene.token("publish").await, scene.token("watch").await);
    scene.join(&guest).await;
    scene.join(&watcher).await;
    scene.marked("guest_joined", 2).await;
    let seats = {
        let state = scene.branch.peers.state();
        [&guest, &watcher].map(|g| state.seats[&g.participant.parse().unwrap()])
    };
    assert_eq!(seats, [Seat::ThirdParty, Seat::SupervisorSilent]);
    let call = scene.customer.view().await["call"].clone();
    let seen: Vec<&str> = call["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["seat"].as_str().unwrap())
        .collect();
    assert_eq!(seen, ["customer", "staff", "third_party"]);

    let path = format!("/api/v1/visits/{}/mute", scene.visit);
    let mute =
        |who: &Token| json!({"participant": who.participant, "kind": "video", "muted": true});
    let (status, view) = scene.staff.post(&path, mute(&guest)).await;
    assert_eq!(status, 200, "{view}");
    assert_eq!(view["call"]["participants"][2]["muted"], json!(["video"]));
    let refused = scene.staff.refused(&path, mute(&watcher)).await;
    assert_eq!(refused, (404, "participant_unknown".to_owned()));
}

#[tokio::test]
async fn a_guest_who_restarts_ice_stays_in_the_visit() {
    let scene = Scene::start().await;
    let token = scene.token("publish").await;
    scene.join(&token).await;
    scene.marked("guest_joined", 1).await;
    let offer = format!("{OFFER}{ICE_RESTART}\r\n");
    let body = Body::Of("application/sdp", &offer);
    let response = scene.ask(Method::POST, &token.url, &token.token, body).await;
    assert_eq!(response.status(), 201);
    let session = response.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let call = scene.customer.view().await["call"].clone();
    assert_eq!(call["participants"][2]["connected"], json!(true), "{call}");
    assert!(!scene.words().contains(&"guest_left".to_owned()), "nobody has left");
    assert_eq!(scene.end(&token, &session).await, 200);
    scene.marked("guest_left", 1).await;
}

#[tokio::test]
async fn who_only_watches_may_offer_to_send_nothing() {
    let scene = Scene::start().await;
    let (watch, publish) = (scene.token("watch").await, scene.token("publish").await);
    let post = async |token: &Token, offer: &str| {
        scene.ask(Method::POST, &token.url, &token.token, Body::Of("application/sdp", offer)).await
    };
    for sends in [SENDS_PICTURES, OFFER] {
        let refused = code(post(&watch, sends).await).await;
        assert_eq!(refused, (422, "watch_only".to_owned()), "{sends}");
        assert_eq!(post(&publish, sends).await.status(), 201);
    }
    assert_eq!(post(&watch, WATCHES).await.status(), 201);
    assert_eq!(scene.branch.peers.state().diary.last().unwrap(), "join");
}

const SENDS_PICTURES: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\n\
    m=video 9 H264/90000\r\na=sendrecv\r\n";

#[tokio::test]
async fn a_visit_has_sixteen_invitations_in_its_life() {
    let scene = Scene::start().await;
    for _ in 0..16 {
        let token = scene.token("publish").await;
        let path = format!("{}/{}", scene.tokens(), token.participant);
        let taken = scene.staff.request(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(taken.status(), 204);
    }
    let refused = scene.staff.refused(&scene.tokens(), json!({"right": "publish"})).await;
    assert_eq!(refused, (409, "too_many_guests".to_owned()));
}

#[tokio::test]
async fn supervisors_are_told_which_silent_one_is_a_guest() {
    let scene = Scene::start().await;
    let watcher = scene.token("watch").await;
    scene.join(&watcher).await;
    let boss = scene.branch.sign_in("supervisor").await;
    let path = format!("/api/v1/visits/{}/supervision", scene.visit);
    let (status, view) = boss.post(&path, json!({"mode": "silent"})).await;
    assert_eq!(status, 200, "{view}");
    let people = view["call"]["participants"].as_array().unwrap();
    let silent = people.iter().filter(|p| p["seat"] == "supervisor_silent");
    let seen: Vec<_> = silent.map(|p| (p["participant"].clone(), p["guest"].clone())).collect();
    let me = &view["call"]["me"];
    let expected = [(json!(watcher.participant), json!(true)), (me.clone(), json!(false))];
    assert_eq!(seen, expected);
}
