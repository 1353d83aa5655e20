//! The same SQL on PostgreSQL. Needs a server: `VBRANCH_TEST_POSTGRES=postgres://user@host/db`.

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;
use vbranch_domain::Redacted;

use crate::support::{Branch, eventually};

#[tokio::test]
async fn a_visit_a_crash_and_a_replay_are_kept_by_postgresql_too() {
    let Ok(server) = std::env::var("VBRANCH_TEST_POSTGRES") else {
        println!("skipped: VBRANCH_TEST_POSTGRES names no server");
        return;
    };
    let schema = format!("t{}", Uuid::new_v4().simple());
    let mut admin = PgConnection::connect(&server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA {schema}")))
        .execute(&mut admin)
        .await
        .unwrap();
    let url = format!("{server}?options=-c%20search_path%3D{schema}");
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        Branch::start_in(dir.path(), |c| {
            c.database_url = Redacted::new(url.clone());
            c.limits.liveness_checks_per_day = 2;
        })
    };

    let before = start().await;
    let staff = before.sign_in("staff").await;
    let (closed, visit) = before.call(&staff).await;
    assert_eq!(staff.open(&visit, "identity").await.0, 200);
    assert_eq!(staff.complete(&visit, "identity", json!({"type": "identity"})).await.0, 200);
    assert_eq!(staff.close(&visit, "declined").await.0, 200);
    eventually(async || before.peers.state().diary.last().is_some_and(|d| d == "close")).await;
    let auditor = before.sign_in("auditor").await;
    let (_, list) = auditor.get("/api/v1/recordings").await;
    assert_eq!(list["recordings"][0]["number"], "A-0001");
    let path = format!("/api/v1/recordings/{}/replays", before.peers.newest());
    assert_eq!(auditor.post(&path, json!({"reason": "inspection"})).await.0, 201);
    let waiting = before.waiting().await;
    for n in 0..3 {
        let (customer, _) = before.invited_by(&staff, Some("客户 42")).await;
        customer.ready_for_check().await;
        let (status, answer) = customer.post("liveness", json!({})).await;
        assert_eq!(status, if n < 2 { 200 } else { 409 }, "{answer}");
    }
    before.pull_the_plug();

    let after = start().await;
    let staff = after.sign_in("staff").await;
    let (customer, _) = after.invited_by(&staff, Some("客户 42")).await;
    customer.ready_for_check().await;
    let (_, problem) = customer.post("liveness", json!({})).await;
    assert_eq!(problem["code"], "daily_limit", "and counted across restarts");
    let view = after.customer_with(&closed.token).view().await;
    assert_eq!(
        (&view["outcome"], &view["steps"][0]["outcome"]),
        (&json!("declined"), &json!("shown"))
    );
    assert_eq!(after.customer_with(&waiting.token).view().await["outcome"], "interrupted");
    let auditor = after.sign_in("auditor").await;
    let (_, log) = auditor.get("/api/v1/audit-log").await;
    assert!(log["entries"].as_array().unwrap().iter().any(|e| e["reason"] == "inspection"));
    after.signaling.shutdown().await;
    let drop = format!("DROP SCHEMA {schema} CASCADE");
    sqlx::query(AssertSqlSafe(drop)).execute(&mut admin).await.unwrap();
}
