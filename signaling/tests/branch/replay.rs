//! Auditors.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::{Value, json};

use crate::support::{Branch, eventually};

pub async fn with_recording() -> (Branch, String) {
    recorded(Branch::start().await).await
}

pub async fn recorded(branch: Branch) -> (Branch, String) {
    let staff = branch.sign_in("staff").await;
    let (_customer, visit) = branch.call(&staff).await;
    assert_eq!(staff.close(&visit, "declined").await.0, 200);
    eventually(async || branch.peers.state().diary.last().is_some_and(|d| d == "close")).await;
    let recording = branch.peers.newest().to_string();
    (branch, recording)
}

#[tokio::test]
async fn an_auditor_finds_a_visit_gives_a_reason_and_watches() {
    let (branch, recording) = with_recording().await;
    let auditor = branch.sign_in("auditor").await;
    let (_, list) = auditor.get("/api/v1/recordings").await;
    let line = &list["recordings"][0];
    assert_eq!((&line["recording"], &line["number"]), (&json!(recording), &json!("A-0001")));

    let path = format!("/api/v1/recordings/{recording}/replays");
    let (status, replay) = auditor.post(&path, json!({"reason": "complaint 4711"})).await;
    assert_eq!(status, 201, "{replay}");
    assert_eq!(replay["viewer"], "张伟 Zhang Wei");
    assert_eq!(replay["view"]["timeline"][0]["type"], "consent");
    assert_eq!(replay["view"]["tracks"].as_array().unwrap().len(), 2);
    let logged: Vec<_> = branch.peers.state().replays.iter().map(|r| r.1.clone()).collect();
    assert_eq!(logged, ["complaint 4711"]);
    let (_, log) = auditor.get("/api/v1/audit-log").await;
    let entry = &log["entries"][0];
    assert_eq!((&entry["action"], &entry["recording"]), (&json!("replay"), &json!(recording)));
    assert_eq!((&entry["actor"], &entry["reason"]), (&json!("auditor"), &json!("complaint 4711")));

    let base = base(&replay);
    let file = async |name: &str| {
        let response = auditor.request(reqwest::Method::GET, &format!("{base}/{name}"));
        let response = response.send().await.unwrap();
        let cache = response.headers()["cache-control"].to_str().unwrap().to_owned();
        assert_eq!(cache, "no-store");
        (response.status().as_u16(), response.bytes().await.unwrap())
    };
    assert!(file("index.m3u8").await.1.starts_with(b"#EXTM3U"));
    assert_eq!(file("init-0.mp4").await.1, "media");
    assert_eq!(file("segment-0.m4s").await.1, "media");
    for missing in ["segment-9.m4s", "segment-x.m4s", "index.html", "..%2findex.m3u8"] {
        assert_eq!(file(missing).await.0, 404, "{missing}");
    }
}

#[tokio::test]
async fn no_reason_no_log_no_replay() {
    let (branch, recording) = with_recording().await;
    let auditor = branch.sign_in("auditor").await;
    let path = format!("/api/v1/recordings/{recording}/replays");
    for reason in ["", "    ", "why", &"x".repeat(501)] {
        let refused = auditor.refused(&path, json!({"reason": reason})).await;
        assert_eq!(refused, (422, "bad_reason".to_owned()));
    }
    branch.peers.recorder_refuses.store(true, Ordering::SeqCst);
    let refused = auditor.refused(&path, json!({"reason": "cannot be logged"})).await;
    assert_eq!(refused, (503, "unavailable".to_owned()));
    branch.peers.recorder_refuses.store(false, Ordering::SeqCst);
    let unknown = "/api/v1/recordings/01890a5d-ac96-774b-bcce-b302099a8057/replays";
    let refused = auditor.refused(unknown, json!({"reason": "no such recording"})).await;
    assert_eq!(refused, (404, "recording_unknown".to_owned()));
    let (_, log) = auditor.get("/api/v1/audit-log").await;
    assert!(log["entries"].as_array().unwrap().iter().all(|e| e["action"] != "replay"));
}

#[tokio::test]
async fn a_replay_is_for_one_session_and_one_afternoon() {
    let (branch, recording) = with_recording().await;
    let auditor = branch.sign_in("auditor").await;
    let path = format!("/api/v1/recordings/{recording}/replays");
    let (_, replay) = auditor.post(&path, json!({"reason": "quality inspection"})).await;
    let playlist = format!("{}/index.m3u8", base(&replay));
    assert_eq!(auditor.get(&playlist).await.0, 200);
    let again = branch.sign_in("auditor").await;
    assert_eq!(again.get(&playlist).await.0, 404, "another session of the same auditor");
    assert_eq!(branch.nobody().get(&playlist).await.0, 401);
    for _ in 0..3 {
        branch.clock.advance(Duration::from_mins(41));
        auditor.get("/api/v1/session").await;
    }
    let (status, problem) = auditor.get(&playlist).await;
    assert_eq!((status, &problem["code"]), (404, &json!("replay_unknown")));
}

#[tokio::test]
async fn what_was_read_is_on_the_log_as_ranges_before_it_is_answered() {
    let (branch, recording) = with_recording().await;
    let auditor = branch.sign_in("auditor").await;
    let path = format!("/api/v1/recordings/{recording}/replays");
    let (_, replay) = auditor.post(&path, json!({"reason": "quality inspection"})).await;
    let base = base(&replay);
    let lines = async || {
        let (_, log) = auditor.get("/api/v1/audit-log").await;
        let entries = log["entries"].as_array().unwrap().clone();
        let reads = entries.into_iter().filter(|e| e["action"] == "replay_read");
        reads.map(|e| e["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    auditor.get(&format!("{base}/index.m3u8")).await;
    assert!(lines().await.is_empty(), "a playlist holds no media");
    for (n, line) in [
        (0, "customer 00:00.0–00:02.0"),
        (2, "customer 00:00.0–00:02.0, 00:04.0–00:06.0"),
        (2, "customer 00:00.0–00:02.0, 00:04.0–00:06.0"),
        (1, "customer 00:00.0–00:06.0"),
    ] {
        auditor
            .request(reqwest::Method::GET, &format!("{base}/segment-{n}.m4s"))
            .send()
            .await
            .unwrap();
        assert_eq!(lines().await, [line]);
    }
    let (_, again) = auditor.post(&path, json!({"reason": "once more, from the start"})).await;
    let segment = format!("{}/segment-0.m4s", self::base(&again));
    auditor.request(reqwest::Method::GET, &segment).send().await.unwrap();
    assert_eq!(lines().await.len(), 2, "each replay has a line of its own");
}

#[tokio::test]
async fn a_still_is_on_the_log() {
    let (branch, recording) = with_recording().await;
    let auditor = branch.sign_in("auditor").await;
    let path = format!("/api/v1/recordings/{recording}/replays");
    let (_, replay) = auditor.post(&path, json!({"reason": "quality inspection"})).await;
    let path = format!("/api/v1/replays/{}/snapshots", replay["replay"].as_str().unwrap());
    assert_eq!(auditor.post(&path, json!({"at_ms": 83_250})).await.0, 204);
    let (_, log) = auditor.get("/api/v1/audit-log").await;
    let entry = &log["entries"][0];
    assert_eq!((&entry["action"], &entry["reason"]), (&json!("snapshot"), &json!("01:23.2")));
    let staff = branch.sign_in("staff").await;
    assert_eq!(staff.post(&path, json!({"at_ms": 1})).await.0, 403);
    let other = branch.sign_in("auditor").await;
    assert_eq!(other.post(&path, json!({"at_ms": 1})).await.0, 404);
}

fn base(replay: &Value) -> String {
    let id = replay["replay"].as_str().unwrap();
    let track = replay["view"]["tracks"][0]["name"].as_str().unwrap();
    format!("/api/v1/replays/{id}/{track}")
}
