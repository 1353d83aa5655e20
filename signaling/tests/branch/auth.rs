//! Signing in and out.

use std::time::Duration;

use reqwest::{Method, header};
use serde_json::json;

use crate::support::{Branch, answer, socket::Socket};

/// Signs in and returns the cookie as a browser would send it.
pub async fn cookie(branch: &Branch, username: &str) -> (String, String) {
    let body = json!({"username": username, "password": format!("{username}-demo")});
    let request = branch.nobody().client.post(branch.url("/api/v1/session")).json(&body);
    let response = request.send().await.unwrap();
    let set = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    (set.split(';').next().unwrap().to_owned(), set)
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let branch = Branch::start().await;
    let (_, set) = cookie(&branch, "staff").await;
    for part in ["vb_session=", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{part} is missing");
    }
    assert!(!set.contains("Secure"));
    let secure = Branch::start_with(|c| c.cookie_secure = true).await;
    assert!(cookie(&secure, "staff").await.1.contains("Secure"));
}

#[tokio::test]
async fn signing_out_ends_the_session_for_good() {
    let branch = Branch::start().await;
    let (cookie, _) = cookie(&branch, "staff").await;
    let client = reqwest::Client::new();
    let with_cookie = |method: Method| {
        client.request(method, branch.url("/api/v1/session")).header(header::COOKIE, &cookie)
    };
    let (status, user) = answer(with_cookie(Method::GET)).await;
    assert_eq!(
        (status, &user["role"], &user["staff_no"]),
        (200, &json!("staff"), &json!("VB1001"))
    );
    assert_eq!(answer(with_cookie(Method::DELETE)).await.0, 204);
    let (status, problem) = answer(with_cookie(Method::GET)).await;
    assert_eq!((status, &problem["code"]), (401, &json!("not_signed_in")));
}

#[tokio::test]
async fn a_revoked_session_loses_its_sockets_and_its_visit_in_mid_call() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (_customer, visit) = branch.call(&staff).await;
    let (second, _) = cookie(&branch, "staff").await;
    let mut socket = Socket::staff(&branch, &second).await;
    socket.send(json!({"type": "watch", "visit": visit})).await;
    socket.until(|m| m["type"] == "staff_visit").await;
    let client = reqwest::Client::new();
    let end = client.delete(branch.url("/api/v1/session")).header(header::COOKIE, &second);
    assert_eq!(answer(end).await.0, 204);
    assert_eq!(socket.closed().await, 1008);
    let path = branch.url(&format!("/api/v1/visits/{visit}/steps/identity/open"));
    let open = client.post(path).header(header::COOKIE, &second).json(&json!({}));
    assert_eq!(answer(open).await.0, 401);
    assert_eq!(staff.open(&visit, "identity").await.0, 200, "the other session goes on");
}

#[tokio::test]
async fn sessions_end_by_themselves() {
    let branch = Branch::start().await;
    let idle = branch.sign_in("staff").await;
    branch.clock.advance(Duration::from_mins(61));
    assert_eq!(idle.get("/api/v1/session").await.0, 401, "unused for an hour");
    let busy = branch.sign_in("staff").await;
    for _ in 0..13 {
        branch.clock.advance(Duration::from_mins(50));
        assert_eq!(busy.get("/api/v1/session").await.0, 200);
    }
    for _ in 0..2 {
        branch.clock.advance(Duration::from_mins(50));
        busy.get("/api/v1/session").await;
    }
    assert_eq!(busy.get("/api/v1/session").await.0, 401, "half a day is enough");
}

#[tokio::test]
async fn guessing_is_slowed_down_without_saying_which_names_exist() {
    let branch = Branch::start().await;
    let nobody = branch.nobody();
    for name in ["staff", "nosuchname"] {
        let wrong = json!({"username": name, "password": "wrong"});
        for _ in 0..5 {
            let refused = nobody.refused("/api/v1/session", wrong.clone()).await;
            assert_eq!(refused, (401, "bad_credentials".to_owned()));
        }
        let refused = nobody.refused("/api/v1/session", wrong).await;
        assert_eq!(refused, (429, "too_many_attempts".to_owned()));
    }
    let right = json!({"username": "staff", "password": "staff-demo"});
    assert_eq!(nobody.post("/api/v1/session", right.clone()).await.0, 429);
    branch.sign_in("auditor").await;
    branch.clock.advance(Duration::from_mins(5));
    assert_eq!(nobody.post("/api/v1/session", right).await.0, 200);
}

#[tokio::test]
async fn absurd_credentials_are_refused_unhashed() {
    let branch = Branch::start().await;
    let body = json!({"username": "staff", "password": "x".repeat(60_000)});
    let refused = branch.nobody().refused("/api/v1/session", body).await;
    assert_eq!(refused, (401, "bad_credentials".to_owned()));
    let forged = format!("vb_session={}", "A".repeat(43));
    let client = reqwest::Client::new();
    for cookie in [forged.as_str(), "vb_session=", "vb_session=eyJhbGciOiJub25lIn0.e30."] {
        let request = client.get(branch.url("/api/v1/session")).header(header::COOKIE, cookie);
        assert_eq!(answer(request).await.0, 401, "{cookie}");
    }
}

#[tokio::test]
async fn sign_ins_are_on_the_audit_log() {
    let branch = Branch::start().await;
    let wrong = json!({"username": "staff", "password": "wrong"});
    branch.nobody().post("/api/v1/session", wrong).await;
    let auditor = branch.sign_in("auditor").await;
    let (_, log) = auditor.get("/api/v1/audit-log").await;
    let line = |n: usize| (&log["entries"][n]["actor"], &log["entries"][n]["action"]);
    assert_eq!(line(0), (&json!("auditor"), &json!("sign_in")));
    assert_eq!(line(1), (&json!("staff"), &json!("sign_in_failed")));
}
