//! What an attacker or a broken client tries over HTTP.

use std::time::Duration;

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::{Branch, answer, eventually, picture, pixel};

#[tokio::test]
async fn unknown_and_expired_links_say_so() {
    let branch = Branch::start().await;
    let unknown = "A".repeat(43);
    for token in ["", "x", "..%2f..", &unknown, &"A".repeat(5_000)] {
        let (status, problem) =
            branch.customer_with(token).http.get("/api/v1/customer/visit").await;
        assert_eq!((status, &problem["code"]), (404, &json!("link_unknown")), "{token}");
    }
    let (status, problem) = branch.nobody().get("/api/v1/customer/visit").await;
    assert_eq!((status, &problem["code"]), (404, &json!("link_unknown")));

    let staff = branch.sign_in("staff").await;
    let body = json!({"product": "demo-loan", "expires_in_s": 60});
    let (status, link) = staff.post("/api/v1/visits", body).await;
    assert_eq!(status, 201);
    let customer = branch.customer_with(link["token"].as_str().unwrap());
    assert_eq!(customer.view().await["state"], "invited");
    branch.clock.advance(Duration::from_secs(61));
    let (status, problem) = customer.http.get("/api/v1/customer/visit").await;
    assert_eq!((status, &problem["code"]), (410, &json!("link_expired")));
    let (status, problem) = customer.post("media", json!({"sdp": "v=0"})).await;
    assert_eq!((status, &problem["code"]), (410, &json!("link_expired")));
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be_are_refused_clearly() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    let path = "/api/v1/customer/visit/consents";
    let send = async |kind: &str, body: String| {
        let request = customer.http.request(Method::POST, path).header(header::CONTENT_TYPE, kind);
        let (status, problem) = answer(request.body(body)).await;
        (status, problem["code"].as_str().unwrap().to_owned())
    };
    let json_kind = "application/json";
    assert_eq!(send("text/plain", "{}".to_owned()).await, (415, "not_json".to_owned()));
    assert_eq!(send(json_kind, "{".to_owned()).await, (400, "bad_json".to_owned()));
    assert_eq!(send(json_kind, String::new()).await, (400, "bad_json".to_owned()));
    assert_eq!(send(json_kind, "{}".to_owned()).await, (422, "bad_request".to_owned()));
    let wrong = json!({"recording": "yes", "face": 1, "text_version": null}).to_string();
    assert_eq!(send(json_kind, wrong).await, (422, "bad_request".to_owned()));
    assert_eq!(send(json_kind, "[".repeat(60_000)).await.0 / 100, 4, "deeply nested");
    let deep = format!("{{\"a\":{}", "{\"a\":".repeat(10_000));
    assert_eq!(send(json_kind, deep).await.0 / 100, 4, "deeply nested objects");
    let large = format!("{{\"text_version\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(send(json_kind, large).await, (413, "too_large".to_owned()));
    assert_eq!(customer.view().await["state"], "invited", "and nothing has changed");
}

#[tokio::test]
async fn pictures_are_png_of_a_sane_size() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let branch = Branch::start().await;
    let customer = branch.waiting().await;
    let send = async |png: String| {
        let body = json!({"type": "signature", "image_png": png});
        let (status, problem) = customer.post("steps/signature", body).await;
        (status, problem["code"].as_str().unwrap().to_owned())
    };
    let bad = (422, "bad_picture".to_owned());
    assert_eq!(send("not base64!".to_owned()).await, bad);
    assert_eq!(send(STANDARD.encode(b"<svg onload=alert(1)>")).await, bad);
    let mut cut = pixel();
    cut.pop();
    assert_eq!(send(STANDARD.encode(cut)).await, bad);
    assert_eq!(send("A".repeat(1_000_000)).await, bad);
    assert_eq!(send("A".repeat(1_100_000)).await, (413, "too_large".to_owned()));
    assert_eq!(send(STANDARD.encode(pixel())).await, (409, "wrong_state".to_owned()));
}

#[tokio::test]
async fn a_customer_is_no_staff_and_no_auditor() {
    let branch = Branch::start().await;
    let customer = branch.waiting().await;
    let visit = customer.view().await["visit"].as_str().unwrap().to_owned();
    let v = format!("/api/v1/visits/{visit}");
    let recording = branch.peers.newest();
    let posts = [
        (format!("{v}/accept"), json!({})),
        (format!("{v}/media"), json!({"sdp": "v=0"})),
        (format!("{v}/steps/identity/open"), json!({})),
        (format!("{v}/steps/identity/complete"), json!({"type": "identity"})),
        (format!("{v}/close"), json!({"outcome": "completed"})),
        ("/api/v1/visits".to_owned(), json!({"product": "demo-loan"})),
        (format!("/api/v1/recordings/{recording}/replays"), json!({"reason": "curiosity"})),
    ];
    for (path, body) in posts {
        let refused = customer.http.refused(&path, body).await;
        assert_eq!(refused, (401, "not_signed_in".to_owned()), "{path}");
    }
    for path in ["/api/v1/visits", &v, "/api/v1/recordings", "/api/v1/audit-log"] {
        assert_eq!(customer.http.get(path).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn roles_keep_to_their_own() {
    let branch = Branch::start().await;
    let customer = branch.waiting().await;
    let visit = customer.view().await["visit"].as_str().unwrap().to_owned();
    let (staff, auditor, admin) = (
        branch.sign_in("staff").await,
        branch.sign_in("auditor").await,
        branch.sign_in("admin").await,
    );
    for person in [&auditor, &admin] {
        let path = format!("/api/v1/visits/{visit}/accept");
        assert_eq!(person.refused(&path, json!({})).await, (403, "forbidden".to_owned()));
        assert_eq!(person.get("/api/v1/visits").await.0, 403);
    }
    for person in [&staff, &admin] {
        assert_eq!(person.get("/api/v1/recordings").await.0, 403);
        assert_eq!(person.get("/api/v1/audit-log").await.0, 403);
    }
}

#[tokio::test]
async fn another_staff_members_visit_is_out_of_reach() {
    let branch = Branch::start().await;
    let (staff, other) = (branch.sign_in("staff").await, branch.sign_in("supervisor").await);
    let (_customer, visit) = branch.call(&staff).await;
    let v = format!("/api/v1/visits/{visit}");
    let not_yours = (403, "not_your_visit".to_owned());
    for (path, body) in [
        (format!("{v}/media"), json!({"sdp": "v=0\r\n"})),
        (format!("{v}/steps/identity/open"), json!({})),
        (format!("{v}/steps/identity/complete"), json!({"type": "identity"})),
        (format!("{v}/steps/document/complete"), picture("document")),
        (format!("{v}/close"), json!({"outcome": "abandoned"})),
    ] {
        assert_eq!(other.refused(&path, body).await, not_yours, "{path}");
    }
    assert_eq!(other.get(&v).await.0, 403);
    let (_, queue) = other.get("/api/v1/visits").await;
    assert_eq!(queue["visits"][0]["mine"], false, "a supervisor may ask to attend it, no more");
    let (_, queue) = staff.get("/api/v1/visits").await;
    assert_eq!(
        (&queue["visits"][0]["mine"], &queue["visits"][0]["position"]),
        (&json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_the_session() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let post = async |origin: String| {
        let request = staff.request(Method::POST, "/api/v1/visits").header(header::ORIGIN, origin);
        answer(request.json(&json!({"product": "demo-loan"}))).await.0
    };
    assert_eq!(post("http://evil.example".to_owned()).await, 403);
    assert_eq!(post("null".to_owned()).await, 403);
    assert_eq!(post(format!("http://{}", branch.address)).await, 201);
    let form = staff
        .request(Method::POST, "/api/v1/visits")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body("product=demo-loan");
    assert_eq!(answer(form).await.0, 415, "what a form can send is not JSON");
}

#[tokio::test]
async fn wrong_addresses_and_methods_are_problems_too() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    for path in [
        "/api/v1/nothing",
        "/api/v2/info",
        "/api/v1/visits/not-an-id",
        "/api/v1/visits/..%2f..%2fetc%2fpasswd",
        "/api/v1/visits/01890A5D-AC96-774B-BCCE-B302099A8057/extra",
    ] {
        let (status, problem) = staff.get(path).await;
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")), "{path}");
    }
    let (status, problem) = answer(staff.request(Method::DELETE, "/api/v1/visits")).await;
    assert_eq!((status, &problem["code"]), (405, &json!("method_not_allowed")));
    let (status, problem) = staff.get("/api/v1/ws").await;
    assert_eq!((status, &problem["code"]), (422, &json!("bad_request")));
    let unknown = "/api/v1/visits/01890a5d-ac96-774b-bcce-b302099a8057/accept";
    assert_eq!(staff.refused(unknown, json!({})).await, (404, "visit_unknown".to_owned()));
}

#[tokio::test]
async fn without_demo_there_are_no_demo_links_and_no_demo_accounts() {
    let dir = tempfile::tempdir().unwrap();
    Branch::start_in(dir.path(), |_| {}).await.pull_the_plug();
    let branch = Branch::start_in(dir.path(), |c| c.demo = false).await;
    let nobody = branch.nobody();
    let demo = nobody.refused("/api/v1/demo/visits", json!({"product": "demo-loan"})).await;
    assert_eq!(demo, (404, "not_found".to_owned()));
    let body = json!({"username": "admin", "password": "admin-demo"});
    assert_eq!(nobody.refused("/api/v1/session", body).await, (401, "bad_credentials".to_owned()));
}

#[tokio::test]
async fn a_dozen_visits_a_minute_from_one_address_are_no_abuse() {
    let branch = Branch::start().await;
    for _ in 0..12 {
        let customer = branch.customer().await;
        let staff = branch.sign_in("staff").await;
        customer.consent(true, false).await;
        assert_eq!(staff.get("/api/v1/visits").await.0, 200);
    }
    eventually(async || branch.signaling.ready().await.is_ok()).await;
}
