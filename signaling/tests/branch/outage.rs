//! The database is lost in mid-call.

use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use crate::support::{Branch, eventually, socket::Socket};

#[tokio::test]
async fn a_call_goes_on_without_the_database_and_nothing_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let branch = Branch::start_in(dir.path(), |_| {}).await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.call(&staff).await;
    let mut page = Socket::customer(&branch, &customer.token).await;

    let url = format!("sqlite://{}", dir.path().join("branch.sqlite").display());
    let mut thief = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut thief).await.unwrap();
    assert_eq!(staff.open(&visit, "identity").await.0, 200);
    let (status, view) = staff.complete(&visit, "identity", json!({"type": "identity"})).await;
    assert_eq!((status, &view["steps"][0]["state"]), (200, &json!("done")));
    page.until(|m| m["visit"]["steps"][0]["state"] == "done").await;
    // The database stays locked meanwhile: a lost line is back without it.
    customer.join().await;
    eventually(async || customer.view().await["media"]["connected"] == true).await;
    let nobody = branch.nobody();
    let refused = nobody.refused("/api/v1/demo/visits", json!({"product": "demo-loan"}));
    assert_eq!(refused.await, (503, "unavailable".to_owned()), "a link would be forgotten");
    sqlx::query("ROLLBACK").execute(&mut thief).await.unwrap();

    assert_eq!(staff.close(&visit, "declined").await.0, 200);
    branch.signaling.shutdown().await;
    branch.pull_the_plug();
    let after = Branch::start_in(dir.path(), |_| {}).await;
    let view = after.customer_with(&customer.token).view().await;
    assert_eq!(view["steps"][0]["outcome"], "shown");
    assert_eq!(view["outcome"], "declined");
}
