//! The WebSocket: who hears what, and what it does not put up with.

use reqwest::Method;
use serde_json::json;

use crate::{
    auth::cookie,
    support::{
        Branch, OFFER, eventually,
        socket::{Came, Socket},
    },
};

#[tokio::test]
async fn staff_see_the_queue_change_and_the_visit_they_took() {
    let branch = Branch::start().await;
    let (cookie, _) = cookie(&branch, "staff").await;
    let mut desk = Socket::staff(&branch, &cookie).await;
    let first = desk.json().await;
    assert_eq!(first, json!({"type": "queue", "visits": []}));
    let customer = branch.waiting().await;
    let queue = desk.until(|m| m["visits"][0]["state"] == "waiting").await;
    let visit = queue["visits"][0]["visit"].clone();

    desk.send(json!({"type": "watch", "visit": visit})).await;
    let refused = desk.until(|m| m["type"] == "error").await;
    assert_eq!(refused["code"], "not_your_visit", "not before it is accepted");
    let client = reqwest::Client::new();
    let path = branch.url(&format!("/api/v1/visits/{}/accept", visit.as_str().unwrap()));
    let accept = client.post(path).header("cookie", &cookie).json(&json!({}));
    assert_eq!(accept.send().await.unwrap().status(), 200);
    desk.send(json!({"type": "watch", "visit": visit})).await;
    desk.until(|m| m["type"] == "staff_visit" && m["visit"]["state"] == "in_call").await;
    customer.post("leave", json!({})).await;
    // In either order.
    let (mut over, mut empty) = (false, false);
    desk.until(|m| {
        over |= m["type"] == "staff_visit" && m["visit"]["outcome"] == "abandoned";
        empty |= m["type"] == "queue" && m["visits"] == json!([]);
        over && empty
    })
    .await;
}

#[tokio::test]
async fn a_page_that_comes_back_gets_the_whole_picture_at_once() {
    let branch = Branch::start().await;
    let customer = branch.waiting().await;
    for _ in 0..3 {
        let mut page = Socket::customer(&branch, &customer.token).await;
        assert_eq!(page.json().await["visit"], customer.view().await);
    }
}

#[tokio::test]
async fn nobody_listens_to_another_visit() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.call(&staff).await;
    let (other, _) = cookie(&branch, "supervisor").await;
    let mut spy = Socket::staff(&branch, &other).await;
    let queue = spy.json().await;
    assert_eq!((&queue["type"], &queue["visits"][0]["mine"]), (&json!("queue"), &json!(false)));
    spy.send(json!({"type": "watch", "visit": visit})).await;
    assert_eq!(spy.json().await["code"], "not_supervising", "a supervisor might");

    let mut page = Socket::customer(&branch, &customer.token).await;
    page.json().await;
    page.send(json!({"type": "watch", "visit": visit})).await;
    assert_eq!(page.json().await["code"], "bad_message", "customers do not watch");

    let (auditor, _) = cookie(&branch, "auditor").await;
    let mut curious = Socket::staff(&branch, &auditor).await;
    assert_eq!(curious.json().await["code"], "forbidden");
    assert_eq!(curious.next().await, Came::Closed(1008));
}

#[tokio::test]
async fn who_cannot_say_who_they_are_is_shown_out() {
    let branch = Branch::start().await;
    let mut nobody = Socket::open(&branch, None, None).await.unwrap();
    nobody.send(json!({"type": "hello"})).await;
    assert_eq!(nobody.json().await["code"], "not_signed_in");
    assert_eq!(nobody.next().await, Came::Closed(1008));
    for token in ["x", &"A".repeat(43)] {
        let mut stranger = Socket::customer(&branch, token).await;
        assert_eq!(stranger.json().await["code"], "link_unknown");
        assert_eq!(stranger.next().await, Came::Closed(1008));
    }
    let mut silent = Socket::open(&branch, None, None).await.unwrap();
    assert_eq!(silent.next().await, Came::Closed(1008), "no hello");
}

#[tokio::test]
async fn three_strikes_and_out() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    for bad in ["not json".to_owned(), json!({"type": "fly"}).to_string(), "[".repeat(15_000)] {
        let mut page = Socket::customer(&branch, &customer.token).await;
        page.json().await;
        page.send(json!({"type": "ping"})).await;
        assert_eq!(page.json().await, json!({"type": "pong"}));
        for _ in 0..3 {
            page.send_text(bad.clone()).await;
            assert_eq!(page.json().await["code"], "bad_message");
        }
        assert_eq!(page.next().await, Came::Closed(1008));
    }
}

#[tokio::test]
async fn too_much_at_once_is_cut_off() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    for size in [17_000, 1_000_000] {
        let mut page = Socket::customer(&branch, &customer.token).await;
        page.json().await;
        page.send_text(" ".repeat(size)).await;
        let code = page.closed().await;
        // A client still sending a megabyte may miss the goodbye.
        assert!(code == 1009 || (size > 64_000 && code == 0), "{size}: {code}");
    }
    let mut flood = Socket::customer(&branch, &customer.token).await;
    for _ in 0..60 {
        flood.send(json!({"type": "ping"})).await;
    }
    assert_eq!(flood.closed().await, 1008);
    assert_eq!(customer.view().await["state"], "invited", "the visit is none the worse");
}

#[tokio::test]
async fn a_page_of_another_site_gets_no_socket() {
    let branch = Branch::start().await;
    let (cookie, _) = cookie(&branch, "staff").await;
    let evil = Socket::open(&branch, Some(&cookie), Some("http://evil.example")).await;
    assert_eq!(evil.err(), Some(403));
    let ours = format!("http://{}", branch.address);
    assert!(Socket::open(&branch, Some(&cookie), Some(&ours)).await.is_ok());
}

#[tokio::test]
async fn sockets_are_as_many_as_the_server_can_hold() {
    let branch = Branch::start_with(|c| c.limits.websockets = 1).await;
    let _one = Socket::open(&branch, None, None).await.unwrap();
    assert_eq!(Socket::open(&branch, None, None).await.err(), Some(503));
}

#[tokio::test]
async fn what_changes_nothing_for_a_viewer_is_not_pushed_to_them() {
    let branch = Branch::start().await;
    let (cookie, _) = cookie(&branch, "staff").await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.call(&staff).await;
    let boss = branch.sign_in("supervisor").await;
    let mut page = Socket::customer(&branch, &customer.token).await;
    page.json().await;
    let mut desk = Socket::staff(&branch, &cookie).await;
    desk.json().await;
    desk.send(json!({"type": "watch", "visit": visit})).await;
    desk.until(|m| m["type"] == "staff_visit").await;

    let supervision = format!("/api/v1/visits/{visit}/supervision");
    assert_eq!(boss.post(&supervision, json!({"mode": "silent"})).await.0, 200);
    let media = format!("{supervision}/media");
    assert_eq!(boss.post(&media, json!({"sdp": OFFER})).await.0, 200);
    branch.peers.connect().await;
    eventually(async || boss.get(&supervision).await.1["media"]["connected"] == true).await;
    let end = boss.request(Method::DELETE, &supervision);
    let end = end.header("content-type", "application/json").send().await.unwrap();
    assert_eq!(end.status(), 204);

    for socket in [&mut page, &mut desk] {
        socket.send(json!({"type": "ping"})).await;
        assert_eq!(socket.json().await, json!({"type": "pong"}), "nothing before it");
    }
    desk.send(json!({"type": "watch", "visit": visit})).await;
    assert_eq!(desk.json().await["type"], "staff_visit", "who asks again is told again");
}
