//! The door of a whole branch: visits made, consented to, accepted and joined as pages do it.

use anyhow::{Context, bail, ensure};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use vbranch_domain::Redacted;

use super::door::Door;

/// What the demo sells.
const PRODUCT: &str = "demo-loan";
/// A visit is waiting a moment after its customer's media is up: 100 ms each.
const TRIES: usize = 100;

/// A staff member's name and password.
#[derive(Debug, Clone)]
pub struct Login {
    /// Who.
    pub username: String,
    /// Never printed by us; the demo's are public.
    pub password: Redacted<String>,
}

/// A running `vbranch serve --demo`. A staff member is in one call at a time, so that each call
/// needs one of them.
pub struct BranchDoor {
    url: String,
    runtime: Runtime,
    staff: Vec<Login>,
    visits: Vec<Visit>,
}

struct Visit {
    id: String,
    /// The customer's link.
    token: String,
}

impl BranchDoor {
    /// The door of the branch at this address. There can be as many calls as staff members.
    ///
    /// # Errors
    /// When there is no way to speak HTTP.
    pub fn new(url: &str, staff: Vec<Login>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), runtime, staff, visits: vec![] })
    }

    async fn customer(&self, offer: String) -> anyhow::Result<(Visit, String)> {
        let api = Api::new(&self.url, None)?;
        let made = api.post("demo/visits", json!({ "product": PRODUCT })).await?;
        let token = text(&made, "/token")?;
        let api = Api::new(&self.url, Some(token.clone()))?;
        let view = api.get("customer/visit").await?;
        let version = text(&view, "/consents/texts/0/version")?;
        let consents = json!({ "recording": true, "face": false, "text_version": version });
        api.post("customer/visit/consents", consents).await?;
        let joined = api.post("customer/visit/media", json!({ "sdp": offer })).await?;
        Ok((Visit { id: text(&view, "/visit")?, token }, text(&joined, "/sdp")?))
    }

    async fn employee(&self, call: usize, offer: String) -> anyhow::Result<String> {
        let (visit, login) =
            self.visits.get(call).zip(self.staff.get(call)).context("the customer comes first")?;
        let api = Api::new(&self.url, None)?;
        let login = json!({ "username": login.username, "password": login.password.expose() });
        api.post("session", login).await.context("signing in")?;
        let accept = format!("visits/{}/accept", visit.id);
        for _ in 0..TRIES {
            match api.send(Method::POST, &accept, Some(json!({}))).await? {
                (status, _) if status.is_success() => {
                    let path = format!("visits/{}/media", visit.id);
                    return text(&api.post(&path, json!({ "sdp": offer })).await?, "/sdp");
                }
                (StatusCode::CONFLICT, problem) if code(&problem) == "not_waiting" => {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                (status, problem) => bail!("{accept}: {status} {}", code(&problem)),
            }
        }
        bail!("the customer is not waiting")
    }
}

impl Door for BranchDoor {
    fn join(&mut self, call: usize, party: usize, offer: String) -> anyhow::Result<String> {
        if party > 0 {
            return self.runtime.block_on(self.employee(call, offer));
        }
        let (visit, answer) = self.runtime.block_on(self.customer(offer))?;
        self.visits.push(visit);
        Ok(answer)
    }

    /// One: staff can accept a visit only when its customer is connected.
    fn at_once(&self) -> usize {
        1
    }

    /// Customers leave, so that the visits do not stay open.
    fn leave(&mut self) {
        for visit in &self.visits {
            let leave = async {
                let api = Api::new(&self.url, Some(visit.token.clone()))?;
                api.post("customer/visit/leave", json!({})).await
            };
            // A visit that is not left is closed by the branch after a while.
            let _ = self.runtime.block_on(leave);
        }
    }
}

fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("no {pointer} in the answer"))
}

fn code(problem: &Value) -> &str {
    problem.pointer("/code").and_then(Value::as_str).unwrap_or("without a code")
}

/// One person's line to the HTTP API.
struct Api {
    base: String,
    token: Option<String>,
    client: Client,
}

impl Api {
    fn new(url: &str, token: Option<String>) -> anyhow::Result<Self> {
        let client = Client::builder().cookie_store(true).build()?;
        Ok(Self { base: format!("{url}/api/v1"), token, client })
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.good(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.good(Method::POST, path, Some(body)).await
    }

    async fn good(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let (status, value) = self.send(method, path, body).await?;
        ensure!(status.is_success(), "{path}: {status} {}", code(&value));
        Ok(value)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.client.request(method, format!("{}/{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.context("the branch does not answer")?;
        let status = response.status();
        Ok((status, response.json().await.unwrap_or(Value::Null)))
    }
}
