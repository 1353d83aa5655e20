//! What is left after the program has stopped, in order or not.

use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use crate::support::{Branch, eventually, socket::Socket};

#[tokio::test]
async fn after_a_crash_live_visits_are_interrupted_and_unused_links_still_work() {
    let dir = tempfile::tempdir().unwrap();
    let before = Branch::start_in(dir.path(), |_| {}).await;
    let staff = before.sign_in("staff").await;
    let (in_call, visit) = before.call(&staff).await;
    assert_eq!(staff.open(&visit, "identity").await.0, 200);
    let waiting = before.waiting().await;
    let consented = before.customer().await;
    consented.consent(true, true).await;
    let unused = before.customer().await;
    let session = staff;
    before.pull_the_plug();

    let after = Branch::start_in(dir.path(), |_| {}).await;
    for lost in [&in_call, &waiting] {
        let view = after.customer_with(&lost.token).view().await;
        assert_eq!((&view["state"], &view["outcome"]), (&json!("closed"), &json!("interrupted")));
    }
    assert_eq!(after.customer_with(&consented.token).view().await["state"], "preparing");
    let unused = after.customer_with(&unused.token);
    assert_eq!(unused.view().await["state"], "invited");
    unused.consent(true, false).await;
    unused.join().await;
    unused.until("state", "waiting").await;
    assert!(after.peers.state().diary.iter().all(|d| d != "close"), "the recorder seals its own");
    drop(session);

    let mut page = Socket::customer(&after, &in_call.token).await;
    assert_eq!(page.json().await["visit"]["outcome"], "interrupted");
    let staff = after.sign_in("staff").await;
    let path = format!("/api/v1/visits/{visit}/steps/identity/complete");
    let refused = staff.refused(&path, json!({"type": "identity"})).await;
    assert_eq!(refused.0 / 100, 4, "nothing goes on in a visit that was interrupted");
}

#[tokio::test]
async fn stopping_closes_visits_and_recordings_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let before = Branch::start_in(dir.path(), |_| {}).await;
    let staff = before.sign_in("staff").await;
    let (customer, _) = before.call(&staff).await;
    let waiting = before.waiting().await;
    let mut page = Socket::customer(&before, &customer.token).await;
    page.json().await;
    before.signaling.shutdown().await;
    page.until(|m| m["visit"]["outcome"] == "interrupted").await;
    assert_eq!(page.closed().await, 1001);
    {
        let state = before.peers.state();
        assert_eq!(state.recordings.len(), 2);
        for recording in &state.recordings {
            assert!(recording.closed.is_some());
            assert_eq!(recording.words().last().unwrap(), "closed");
        }
    }
    assert_eq!(customer.http.get("/api/v1/customer/visit").await.0, 503);
    before.signaling.shutdown().await;
    before.pull_the_plug();

    let after = Branch::start_in(dir.path(), |_| {}).await;
    for lost in [&customer, &waiting] {
        assert_eq!(after.customer_with(&lost.token).view().await["outcome"], "interrupted");
    }
}

#[tokio::test]
async fn a_session_and_a_closed_visit_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let before = Branch::start_in(dir.path(), |_| {}).await;
    let (cookie, _) = crate::auth::cookie(&before, "staff").await;
    let staff = before.sign_in("staff").await;
    let (customer, visit) = before.call(&staff).await;
    assert_eq!(staff.close(&visit, "declined").await.0, 200);
    before.pull_the_plug();

    let after = Branch::start_in(dir.path(), |_| {}).await;
    assert_eq!(after.customer_with(&customer.token).view().await["outcome"], "declined");
    let client = reqwest::Client::new();
    let get = |path: String| client.get(after.url(&path)).header("cookie", &cookie);
    let response = get(format!("/api/v1/visits/{visit}")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let view: serde_json::Value = response.json().await.unwrap();
    assert_eq!(view["outcome"], "declined");
    eventually(async || after.signaling.ready().await.is_ok()).await;
    let number = after.customer().await.view().await["number"].clone();
    assert_eq!(number, "A-0002", "numbers go on where they were");
}

#[tokio::test]
async fn one_unreadable_visit_does_not_keep_the_branch_closed() {
    let dir = tempfile::tempdir().unwrap();
    let before = Branch::start_in(dir.path(), |_| {}).await;
    let damaged = before.customer().await;
    let whole = before.customer().await;
    let visit = damaged.view().await["visit"].as_str().unwrap().to_owned();
    before.pull_the_plug();
    let url = format!("sqlite://{}", dir.path().join("branch.sqlite").display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    let damage = sqlx::query("UPDATE visit_events SET json = '{' WHERE visit = $1").bind(visit);
    assert_eq!(damage.execute(&mut database).await.unwrap().rows_affected(), 1);

    let after = Branch::start_in(dir.path(), |_| {}).await;
    assert_eq!(after.customer_with(&whole.token).view().await["state"], "invited");
    let (status, _) = after.customer_with(&damaged.token).http.get("/api/v1/customer/visit").await;
    assert_eq!(status, 503);
}
