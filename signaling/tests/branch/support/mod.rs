//! A running branch and the people who use it.

#![allow(dead_code, reason = "shared between two test programs; neither uses all of it")]

pub mod peers;
pub mod socket;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, Method, header};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use vbranch_domain::{Clock, Mono, SystemClock, UnixMillis};
use vbranch_signaling::{Limits, Parts, Signaling, SignalingConfig};

pub use peers::Peers;

pub const OFFER: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nm=video 9 H264/90000\r\n";

/// Real time, and as much more as a test says.
pub struct TestClock {
    real: SystemClock,
    ahead_ms: AtomicU64,
}

impl TestClock {
    pub fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn mono(&self) -> Mono {
        self.real.mono() + Duration::from_millis(self.ahead_ms.load(Ordering::SeqCst))
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(self.real.wall().0 + self.ahead_ms.load(Ordering::SeqCst) as i64)
    }
}

pub struct Branch {
    pub address: SocketAddr,
    pub peers: Arc<Peers>,
    pub clock: Arc<TestClock>,
    pub signaling: Signaling,
    server: JoinHandle<()>,
    _dir: Option<tempfile::TempDir>,
}

impl Branch {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut SignalingConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut branch = Self::start_in(dir.path(), change).await;
        branch._dir = Some(dir);
        branch
    }

    pub async fn start_in(dir: &Path, change: impl FnOnce(&mut SignalingConfig)) -> Self {
        let database = format!("sqlite://{}", dir.join("branch.sqlite").display());
        let mut config = SignalingConfig::new(database);
        config.demo = true;
        config.limits = Limits { live_visits: 50, ..Limits::default() };
        change(&mut config);
        let (events, receiver) = mpsc::channel(64);
        let peers = Arc::new(Peers::new(events));
        let clock = Arc::new(TestClock { real: SystemClock::start(), ahead_ms: AtomicU64::new(0) });
        let parts = Parts {
            media: peers.clone(),
            recorder: peers.clone(),
            kyc: peers.clone(),
            vault: peers.clone(),
        };
        let signaling = Signaling::start(config, parts, clock.clone(), receiver).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = signaling.router().into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, peers, clock, signaling, server, _dir: None }
    }

    /// As when the power goes: nothing is closed, nobody is told.
    pub fn pull_the_plug(self) {
        self.server.abort();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn customer(&self) -> Customer {
        let http = Person::new(self, None);
        let body = json!({"product": "demo-loan"});
        let (status, link) = http.post("/api/v1/demo/visits", body).await;
        assert_eq!(status, 201, "{link}");
        self.customer_with(link["token"].as_str().unwrap())
    }

    /// A customer with a link of this staff member, known to the bank by this name; and the visit.
    pub async fn invited_by(
        &self,
        staff: &Person,
        customer_ref: Option<&str>,
    ) -> (Customer, String) {
        let body = json!({"product": "demo-loan", "customer_ref": customer_ref});
        let (status, link) = staff.post("/api/v1/visits", body).await;
        assert_eq!(status, 201, "{link}");
        let visit = link["visit"].as_str().unwrap().to_owned();
        (self.customer_with(link["token"].as_str().unwrap()), visit)
    }

    pub fn customer_with(&self, token: &str) -> Customer {
        Customer { http: Person::new(self, Some(token)), token: token.to_owned() }
    }

    pub fn nobody(&self) -> Person {
        Person::new(self, None)
    }

    pub async fn sign_in(&self, username: &str) -> Person {
        self.sign_in_with(username, &format!("{username}-demo")).await
    }

    pub async fn sign_in_with(&self, username: &str, password: &str) -> Person {
        let person = Person::new(self, None);
        let body = json!({"username": username, "password": password});
        let (status, user) = person.post("/api/v1/session", body).await;
        assert_eq!((status, &user["username"]), (200, &json!(username)), "{user}");
        person
    }

    /// A customer who declined face processing, in the queue.
    pub async fn waiting(&self) -> Customer {
        let customer = self.customer().await;
        customer.consent(true, false).await;
        customer.join().await;
        customer.until("state", "waiting").await;
        customer
    }

    /// A call with the recording running.
    pub async fn call(&self, staff: &Person) -> (Customer, String) {
        let customer = self.waiting().await;
        let visit = customer.view().await["visit"].as_str().unwrap().to_owned();
        let (status, view) = staff.post(&format!("/api/v1/visits/{visit}/accept"), json!({})).await;
        assert_eq!(status, 200, "{view}");
        staff.join(&visit).await;
        self.peers.first_segment().await;
        customer.until("recording", "on").await;
        eventually(async || customer.view().await["media"]["peer_connected"] == true).await;
        (customer, visit)
    }
}

/// Somebody with an HTTP client.
pub struct Person {
    pub client: Client,
    base: String,
    bearer: Option<String>,
    peers: Arc<Peers>,
}

impl Person {
    fn new(branch: &Branch, bearer: Option<&str>) -> Self {
        let client = Client::builder().cookie_store(true).build().unwrap();
        Self {
            client,
            base: branch.url(""),
            bearer: bearer.map(str::to_owned),
            peers: branch.peers.clone(),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    /// The status and the problem's code.
    pub async fn refused(&self, path: &str, body: Value) -> (u16, String) {
        let (status, problem) = self.post(path, body).await;
        (status, problem["code"].as_str().unwrap_or("no code").to_owned())
    }

    pub async fn join(&self, visit: &str) {
        let path = format!("/api/v1/visits/{visit}/media");
        let (status, answer) = self.post(&path, json!({"sdp": OFFER})).await;
        assert_eq!(status, 200, "{answer}");
        self.peers.connect().await;
    }

    /// Takes the visit and joins its call.
    pub async fn serve(&self, visit: &str) {
        let (status, view) = self.post(&format!("/api/v1/visits/{visit}/accept"), json!({})).await;
        assert_eq!(status, 200, "{view}");
        self.join(visit).await;
    }

    pub async fn put_portrait(&self, visit: &str, kind: &str, body: Vec<u8>) -> (u16, String) {
        let path = format!("/api/v1/visits/{visit}/portrait");
        let request = self.request(Method::PUT, &path).header(header::CONTENT_TYPE, kind);
        let (status, problem) = answer(request.body(body)).await;
        (status, problem["code"].as_str().unwrap_or_default().to_owned())
    }

    pub async fn delete_portrait(&self, visit: &str) -> u16 {
        answer(self.request(Method::DELETE, &format!("/api/v1/visits/{visit}/portrait"))).await.0
    }

    pub async fn open(&self, visit: &str, step: &str) -> (u16, Value) {
        self.post(&format!("/api/v1/visits/{visit}/steps/{step}/open"), json!({})).await
    }

    pub async fn complete(&self, visit: &str, step: &str, input: Value) -> (u16, Value) {
        self.post(&format!("/api/v1/visits/{visit}/steps/{step}/complete"), input).await
    }

    pub async fn close(&self, visit: &str, outcome: &str) -> (u16, Value) {
        self.post(&format!("/api/v1/visits/{visit}/close"), json!({"outcome": outcome})).await
    }
}

pub async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers().get(header::CONTENT_TYPE).cloned();
    let text = response.text().await.unwrap();
    if status >= 400 {
        assert_eq!(kind.unwrap(), "application/problem+json", "{status} {text}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("about:blank#{}", problem["code"].as_str().unwrap()));
        return (status, problem);
    }
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Whoever holds a link.
pub struct Customer {
    pub http: Person,
    pub token: String,
}

impl Customer {
    pub async fn view(&self) -> Value {
        let (status, view) = self.http.get("/api/v1/customer/visit").await;
        assert_eq!(status, 200, "{view}");
        view
    }

    pub async fn post(&self, what: &str, body: Value) -> (u16, Value) {
        self.http.post(&format!("/api/v1/customer/visit/{what}"), body).await
    }

    pub async fn consent(&self, recording: bool, face: bool) -> Value {
        let version = self.view().await["consents"]["texts"][0]["version"].clone();
        let body = json!({"recording": recording, "face": face, "text_version": version});
        let (status, view) = self.post("consents", body).await;
        assert_eq!(status, 200, "{view}");
        view
    }

    pub async fn join(&self) {
        let (status, answer) = self.post("media", json!({"sdp": OFFER})).await;
        assert_eq!(status, 200, "{answer}");
        self.http.peers.connect().await;
    }

    /// Consents to everything and joins: the check can begin.
    pub async fn ready_for_check(&self) {
        self.consent(true, true).await;
        self.join().await;
        self.until("state", "checking").await;
    }

    pub async fn until(&self, field: &str, value: &str) {
        eventually(async || self.view().await[field] == value).await;
    }
}

/// Asks again until it is so; a test that waits in vain fails.
pub async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain");
}

/// One grey pixel.
pub fn pixel() -> Vec<u8> {
    const PIXEL: &str = "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55\
                         0000000a4944415478da63f80f00010101001cb08c990000000049454e44ae426082";
    hex::decode(PIXEL).unwrap()
}

/// A grey picture with nothing in it but its headers.
pub fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let ([h1, h0], [w1, w0]) = (height.to_be_bytes(), width.to_be_bytes());
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2];
    bytes.extend([0xff, 0xc0, 0, 11, 8, h1, h0, w1, w0, 1, 1, 0x11, 0]);
    bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x12, 0xff, 0x00, 0x34, 0xff, 0xd9]);
    bytes
}

pub fn picture(kind: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    json!({"type": kind, "image_png": STANDARD.encode(pixel())})
}
