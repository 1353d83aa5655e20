//! Queue, acceptance, media connections.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::json;
use tokio::join;

use crate::support::{Branch, OFFER, eventually, peers::ICE_RESTART};

#[tokio::test]
async fn customers_are_served_in_the_order_they_came() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let first = branch.waiting().await;
    let second = branch.waiting().await;
    let third = branch.waiting().await;
    let queue = json!({"position": 3, "ahead": 2});
    assert_eq!(third.view().await["queue"], queue);
    let (_, seen) = staff.get("/api/v1/visits").await;
    let numbers: Vec<_> = seen["visits"].as_array().unwrap().iter().map(|v| &v["number"]).collect();
    assert_eq!(numbers, ["A-0001", "A-0002", "A-0003"]);
    assert_eq!(first.post("leave", json!({})).await.0, 200);
    eventually(async || second.view().await["queue"]["position"] == 1).await;
    eventually(async || third.view().await["queue"]["position"] == 2).await;
}

#[tokio::test]
async fn of_two_staff_members_who_accept_at_once_one_wins() {
    let branch = Branch::start().await;
    let (one, other) = (branch.sign_in("staff").await, branch.sign_in("supervisor").await);
    for _ in 0..5 {
        let customer = branch.waiting().await;
        let visit = customer.view().await["visit"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/visits/{visit}/accept");
        let (a, b) = join!(one.post(&path, json!({})), other.post(&path, json!({})));
        let mut statuses = [a.0, b.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        let (winner, loser, problem) =
            if a.0 == 200 { (&one, &other, b.1) } else { (&other, &one, a.1) };
        assert_eq!(problem["code"], "already_taken");
        assert_eq!(winner.post(&path, json!({})).await.0, 200, "asking again is no harm");
        let (status, problem) = loser.close(&visit, "declined").await;
        assert_eq!((status, &problem["code"]), (403, &json!("not_your_visit")));
        assert_eq!(winner.close(&visit, "declined").await.0, 200);
    }
}

#[tokio::test]
async fn a_staff_member_serves_one_customer_at_a_time() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (_customer, visit) = branch.call(&staff).await;
    let next = branch.waiting().await;
    let other = next.view().await["visit"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/visits/{other}/accept");
    assert_eq!(staff.refused(&path, json!({})).await, (409, "busy".to_owned()));
    assert_eq!(staff.close(&visit, "abandoned").await.0, 200);
    assert_eq!(staff.post(&path, json!({})).await.0, 200);
}

#[tokio::test]
async fn only_a_customer_who_waits_can_be_accepted() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let customer = branch.customer().await;
    let visit = customer.view().await["visit"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/visits/{visit}/accept");
    assert_eq!(staff.refused(&path, json!({})).await, (409, "not_waiting".to_owned()));
    customer.consent(false, false).await;
    assert_eq!(staff.refused(&path, json!({})).await, (409, "not_waiting".to_owned()));
}

#[tokio::test]
async fn a_reloaded_page_is_back_in_the_same_call_and_recording() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.call(&staff).await;
    customer.join().await;
    staff.join(&visit).await;
    eventually(async || {
        let media = customer.view().await["media"].clone();
        media["connected"] == true && media["peer_connected"] == true
    })
    .await;
    assert_eq!(staff.open(&visit, "identity").await.0, 200);
    let state = branch.peers.state();
    assert_eq!((state.recordings.len(), state.calls.len()), (1, 1));
    let words = state.recordings[0].words();
    assert_eq!(words.iter().filter(|w| *w == "connection_lost").count(), 2);
    assert_eq!(words.iter().filter(|w| *w == "connection_restored").count(), 2);
}

#[tokio::test]
async fn no_step_goes_on_between_a_reload_and_the_new_connection() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.call(&staff).await;
    let (status, _) = customer.post("media", json!({"sdp": OFFER})).await;
    assert_eq!(status, 200);
    let (status, problem) = staff.open(&visit, "identity").await;
    assert_eq!((status, &problem["code"]), (409, &json!("media_not_connected")));
    branch.peers.connect().await;
    eventually(async || staff.open(&visit, "identity").await.0 == 200).await;
}

#[tokio::test]
async fn impatient_pages_do_not_open_two_recordings() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    customer.consent(true, false).await;
    join!(customer.join(), customer.join(), customer.join(), customer.join());
    let state = branch.peers.state();
    assert_eq!(state.recordings.len(), 1);
    assert_eq!(state.diary.first().map(String::as_str), Some("open"), "recording comes first");
}

#[tokio::test]
async fn without_a_recorder_there_is_no_call_and_later_there_can_be() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    customer.consent(true, false).await;
    branch.peers.recorder_refuses.store(true, Ordering::SeqCst);
    let (status, problem) = customer.post("media", json!({"sdp": OFFER})).await;
    assert_eq!((status, &problem["code"]), (503, &json!("recording_unavailable")));
    let diary = branch.peers.state().diary.clone();
    assert_eq!(diary, ["end", "close"], "no media without a recording, and nothing half-way left");
    branch.peers.recorder_refuses.store(false, Ordering::SeqCst);
    customer.join().await;
    customer.until("state", "waiting").await;
}

#[tokio::test]
async fn offers_that_cannot_work_are_told_apart() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    let (status, problem) = customer.post("media", json!({"sdp": OFFER})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("wrong_state")), "no consent yet");
    customer.consent(true, false).await;
    for (sdp, code) in [
        ("", "bad_sdp"),
        ("hello", "bad_sdp"),
        ("v=0\r\n", "bad_sdp"),
        ("v=0\r\nm=audio 9\r\nm=video 9 VP8/90000\r\n", "codec_not_agreed"),
    ] {
        let (status, problem) = customer.post("media", json!({ "sdp": sdp })).await;
        assert_eq!((status, &problem["code"]), (422, &json!(code)), "{sdp}");
    }
    assert!(branch.peers.state().diary.is_empty(), "nothing is begun for them");
    branch.clock.advance(Duration::from_mins(20));
    assert_eq!(customer.view().await["state"], "preparing", "there is time for another browser");
    customer.join().await;
}

#[tokio::test]
async fn a_customer_who_is_gone_for_a_minute_frees_the_place() {
    let branch = Branch::start().await;
    let customer = branch.waiting().await;
    branch.peers.cut(0).await;
    eventually(async || customer.view().await["media"]["connected"] == false).await;
    branch.clock.advance(Duration::from_secs(61));
    customer.until("outcome", "abandoned").await;
    eventually(async || branch.peers.state().diary.last().is_some_and(|d| d == "close")).await;
}

#[tokio::test]
async fn a_call_that_loses_a_party_warns_and_then_ends() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.call(&staff).await;
    branch.peers.cut(0).await;
    let path = format!("/api/v1/visits/{visit}");
    eventually(async || staff.get(&path).await.1["media"]["peer_connected"] == false).await;
    let (status, problem) = staff.open(&visit, "identity").await;
    assert_eq!((status, &problem["code"]), (409, &json!("media_not_connected")));
    branch.clock.advance(Duration::from_secs(31));
    eventually(async || staff.get(&path).await.1["alarms"][0]["code"] == "customer_lost").await;
    branch.clock.advance(Duration::from_secs(90));
    customer.until("outcome", "interrupted").await;
}

#[tokio::test]
async fn the_branch_holds_so_many_visits_and_no_more() {
    let branch = Branch::start_with(|c| c.limits.live_visits = 2).await;
    let first = branch.customer().await;
    branch.customer().await;
    let full =
        branch.nobody().refused("/api/v1/demo/visits", json!({"product": "demo-loan"})).await;
    assert_eq!(full, (503, "branch_full".to_owned()));
    assert_eq!(first.post("leave", json!({})).await.0, 200);
    branch.customer().await;
}

#[tokio::test]
async fn who_leaves_while_the_recording_opens_leaves_neither_call_nor_recording() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    customer.consent(true, false).await;
    let disk = branch.peers.disk.lock().await;
    let (joined, ()) = join!(customer.post("media", json!({"sdp": OFFER})), async {
        eventually(async || branch.peers.opening.load(Ordering::SeqCst)).await;
        assert_eq!(customer.post("leave", json!({})).await.0, 200);
        drop(disk);
    });
    assert_eq!((joined.0, &joined.1["code"]), (409, &json!("visit_closed")));
    assert_eq!(branch.peers.state().diary, ["open", "end", "close"]);
}

#[tokio::test]
async fn a_page_can_tell_that_another_one_took_over() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.call(&staff).await;
    assert_eq!(customer.view().await["media"]["connection"], 1);
    let (_, answer) = customer.post("media", json!({"sdp": OFFER})).await;
    assert_eq!(answer["connection"], 2);
    assert_eq!(customer.view().await["media"]["connection"], 2);
    let (_, view) = staff.get(&format!("/api/v1/visits/{visit}")).await;
    assert_eq!(view["media"]["connection"], 1, "each party's own");
}

#[tokio::test]
async fn a_change_of_network_is_no_break_of_the_connection() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.call(&staff).await;
    let before = branch.peers.state().recordings[0].words();
    let offer = format!("{OFFER}{ICE_RESTART}\r\n");
    let (status, answer) = customer.post("media", json!({"sdp": offer})).await;
    assert_eq!((status, &answer["connection"]), (200, &json!(1)), "the same connection");
    let (_, view) = staff.get(&format!("/api/v1/visits/{visit}")).await;
    assert_eq!(view["media"]["peer_connected"], true);
    assert_eq!(branch.peers.state().recordings[0].words(), before, "nothing of it on the timeline");
}

#[tokio::test]
async fn a_page_that_joins_without_end_is_slowed_down_and_nobody_else() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.call(&staff).await;
    branch.clock.advance(Duration::from_secs(10));
    for _ in 0..5 {
        customer.join().await;
    }
    let refused = customer.post("media", json!({"sdp": OFFER})).await;
    assert_eq!((refused.0, &refused.1["code"]), (429, &json!("too_many_joins")));
    staff.join(&visit).await;
    branch.clock.advance(Duration::from_secs(10));
    customer.join().await;
}

#[tokio::test]
async fn who_signs_out_no_longer_sees_the_customer() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (customer, _) = branch.call(&staff).await;
    let sign_out = staff.request(reqwest::Method::DELETE, "/api/v1/session").send().await.unwrap();
    assert_eq!(sign_out.status(), 204);
    eventually(async || customer.view().await["media"]["peer_connected"] == false).await;
    assert_eq!(branch.peers.state().diary.last().unwrap(), "leave");
    assert_eq!(customer.view().await["state"], "in_call", "a colleague's line was lost, no more");
}

#[tokio::test]
async fn a_session_that_runs_out_no_longer_sees_the_customer() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (customer, _) = branch.call(&staff).await;
    branch.clock.advance(Duration::from_mins(61));
    eventually(async || customer.view().await["media"]["peer_connected"] == false).await;
}
