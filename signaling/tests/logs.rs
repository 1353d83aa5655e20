//! Logs say what happened, and nothing about whom it happened to.

#![cfg(test)]

#[path = "branch/support/mod.rs"]
mod support;

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::json;
use support::{Branch, eventually, jpeg, picture, socket::Socket};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};
use vbranch_domain::kyc::KycOutcome;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_visit_leaves_no_secret_and_no_name_in_the_log() {
    let captured = Captured::default();
    // Everything the server's own crates say, and what its libraries say at debug; the clients of
    // this test share the process, hence what only they use is left out.
    let filter = EnvFilter::new("debug,vbranch_signaling=trace,reqwest=off,tungstenite=off");
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(captured.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let branch = Branch::start().await;
    let body = json!({"username": "staff", "password": "staff-demo"});
    let request = branch.nobody().client.post(branch.url("/api/v1/session")).json(&body);
    let response = request.send().await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let secret = cookie.trim_start_matches("vb_session=").to_owned();
    let mut desk = Socket::staff(&branch, &cookie).await;
    desk.json().await;
    let wrong = json!({"username": "hunter2-in-the-wrong-field", "password": "pass-typed-wrong"});
    branch.nobody().post("/api/v1/session", wrong).await;

    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.call(&staff).await;
    let mut page = Socket::customer(&branch, &customer.token).await;
    page.json().await;
    page.send_text(format!("{{\"token\": \"{}\"", customer.token)).await;
    page.json().await;
    for step in ["identity", "disclosure"] {
        assert_eq!(staff.open(&visit, step).await.0, 200);
        assert_eq!(staff.complete(&visit, step, json!({"type": step})).await.0, 200);
    }
    assert_eq!(staff.open(&visit, "understanding").await.0, 200);
    let yes = json!({"type": "question", "answer": "yes"});
    assert_eq!(customer.post("steps/understanding", yes).await.0, 200);
    assert_eq!(staff.open(&visit, "document").await.0, 200);
    let image = picture("document");
    assert_eq!(staff.complete(&visit, "document", image.clone()).await.0, 200);
    assert_eq!(staff.close(&visit, "declined").await.0, 200);
    eventually(async || branch.peers.state().diary.last().is_some_and(|d| d == "close")).await;
    let auditor = branch.sign_in("auditor").await;
    let path = format!("/api/v1/recordings/{}/replays", branch.peers.newest());
    assert_eq!(auditor.post(&path, json!({"reason": "confidential reason"})).await.0, 201);

    // Somebody the bank knows by name, whose face is checked; and what may go wrong with it.
    let face = jpeg(4_001, 3_999);
    branch.peers.state().hands_over = vec![
        ("face.jpg", "image/jpeg", b"the-face-in-the-picture".to_vec().into()),
        ("trace.json", "application/json", b"the-course-of-the-check".to_vec().into()),
    ];
    for (unsealed, refused) in [(false, false), (true, false), (false, true)] {
        branch.peers.artifacts_refused.store(unsealed, std::sync::atomic::Ordering::SeqCst);
        let (customer, visit) = branch.invited_by(&staff, Some("ref-of-Mrs-Zhao")).await;
        assert_eq!(staff.put_portrait(&visit, "image/jpeg", face.clone()).await.0, 204);
        assert_eq!(staff.put_portrait(&visit, "image/png", face.clone()).await.0, 422);
        customer.ready_for_check().await;
        branch.peers.vault_refuses.store(refused, std::sync::atomic::Ordering::SeqCst);
        branch.peers.state().verdicts.push_back(KycOutcome::Pass);
        let camera = json!({"camera": {"label": "camera-of-Mrs-Zhao"}});
        assert_eq!(customer.post("liveness", camera).await.0, 200);
        customer.until("state", "waiting").await;
        staff.serve(&visit).await;
        assert_eq!(staff.get(&format!("/api/v1/visits/{visit}/kyc")).await.0, 200);
        assert_eq!(customer.post("liveness/skip", json!({})).await.0, 200);
        branch.peers.vault_refuses.store(false, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(staff.delete_portrait(&visit).await, 204);
        assert_eq!(staff.close(&visit, "declined").await.0, 200);
    }
    branch.signaling.shutdown().await;

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("step_completed") && log.contains(&visit), "the log says what happened");
    let image = image["image_png"].as_str().unwrap();
    for secret in [
        customer.token.as_str(),
        secret.as_str(),
        "staff-demo",
        "auditor-demo",
        "pass-typed-wrong",
        "hunter2-in-the-wrong-field",
        "Li Ming",
        "李明",
        "Zhang Wei",
        "VB1001",
        "confidential reason",
        "$argon2id",
        "Mrs-Zhao",
        "the-face-in-the-picture",
        "the-course-of-the-check",
        // The portrait, as a list of bytes and as escaped text.
        "255, 216, 255, 224",
        "\\xff\\xd8\\xff",
        image,
        "\"yes\"",
    ] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret:?} is in the log");
    }
}
