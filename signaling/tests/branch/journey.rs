//! Visits from link to close, through the API.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use vbranch_domain::{kyc::KycOutcome, recording::RecorderEvent};
use vbranch_signaling::ports::PortEvent;

use crate::support::{Branch, Person, eventually, picture, pixel, socket::Socket};

async fn open_and_complete(staff: &Person, visit: &str, step: &str, input: Value) {
    let (status, view) = staff.open(visit, step).await;
    assert_eq!(status, 200, "{view}");
    let (status, view) = staff.complete(visit, step, input).await;
    assert_eq!(status, 200, "{view}");
}

#[tokio::test]
async fn a_customer_is_checked_served_and_leaves_a_complete_record() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    branch.peers.state().verdicts.push_back(KycOutcome::Pass);
    let customer = branch.customer().await;
    let mut page = Socket::customer(&branch, &customer.token).await;
    assert_eq!(page.json().await["visit"]["state"], "invited");

    let view = customer.consent(true, true).await;
    assert_eq!((&view["state"], &view["recording"]), (&json!("preparing"), &json!("off")));
    customer.join().await;
    customer.until("state", "checking").await;
    assert_eq!(customer.post("liveness", json!({})).await.0, 200);
    page.until(|m| m["visit"]["state"] == "waiting").await;
    let view = customer.view().await;
    assert_eq!(view["queue"], json!({"position": 1, "ahead": 0}));
    assert_eq!(view["liveness"]["status"], "passed");
    assert_eq!(view["steps"], json!([]));

    let (_, queue) = staff.get("/api/v1/visits").await;
    let entry = &queue["visits"][0];
    assert_eq!((&entry["liveness"], &entry["mine"]), (&json!("passed"), &json!(false)));
    let visit = entry["visit"].as_str().unwrap().to_owned();
    let (status, view) = staff.post(&format!("/api/v1/visits/{visit}/accept"), json!({})).await;
    assert_eq!((status, &view["state"]), (200, &json!("in_call")));
    assert_eq!(view["liveness"]["verdict"]["outcome"], "pass");
    staff.join(&visit).await;
    branch.peers.first_segment().await;
    customer.until("recording", "on").await;
    let seen = page.until(|m| m["visit"]["staff"]["staff_no"] == "VB1001").await;
    assert_eq!(seen["visit"]["steps"].as_array().unwrap().len(), 5);

    open_and_complete(&staff, &visit, "identity", json!({"type": "identity"})).await;
    open_and_complete(&staff, &visit, "disclosure", json!({"type": "disclosure"})).await;
    assert_eq!(staff.open(&visit, "understanding").await.0, 200);
    let yes = json!({"type": "question", "answer": "yes"});
    assert_eq!(customer.post("steps/understanding", yes).await.0, 200);
    open_and_complete(&staff, &visit, "document", picture("document")).await;
    assert_eq!(staff.open(&visit, "signature").await.0, 200);
    let (status, view) = customer.post("steps/signature", picture("signature")).await;
    assert_eq!((status, &view["steps"][4]["outcome"]), (200, &json!("signed")), "{view}");
    let (status, view) = staff.close(&visit, "completed").await;
    assert_eq!((status, &view["outcome"]), (200, &json!("completed")), "{view}");
    page.until(|m| m["visit"]["outcome"] == "completed").await;

    eventually(async || branch.peers.state().diary.last().is_some_and(|d| d == "close")).await;
    let state = branch.peers.state();
    assert_eq!(state.diary, ["open", "join", "kyc", "join", "end", "close"]);
    let recording = &state.recordings[0];
    let roles: Vec<_> = recording.meta.participants.iter().map(|p| p.role.as_str()).collect();
    assert_eq!(roles, ["customer", "staff"]);
    let opened_closed = ["step_opened", "step_completed"].repeat(5);
    let mut expected = vec!["consent", "consent", "kyc_started", "kyc_verdict", "staff_joined"];
    expected.extend(opened_closed);
    expected.push("closed");
    assert_eq!(recording.words(), expected);
    assert!(recording.marks.is_sorted_by_key(|e| e.at));
    assert_eq!(recording.artifacts.len(), 2);
    assert!(recording.artifacts.iter().all(|(_, bytes)| *bytes == pixel()));
}

#[tokio::test]
async fn steps_are_refused_in_every_wrong_order() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let customer = branch.waiting().await;
    let visit = customer.view().await["visit"].as_str().unwrap().to_owned();
    let yes = json!({"type": "question", "answer": "yes"});
    let code = |(status, body): (u16, Value)| (status, body["code"].as_str().unwrap().to_owned());
    let conflict = |code: &str| (409, code.to_owned());

    // Before anybody has accepted.
    assert_eq!(code(staff.open(&visit, "identity").await), (403, "not_your_visit".to_owned()));
    assert_eq!(
        code(customer.post("steps/understanding", yes.clone()).await),
        conflict("wrong_state")
    );

    // Accepted, but the recording is not durable.
    assert_eq!(staff.post(&format!("/api/v1/visits/{visit}/accept"), json!({})).await.0, 200);
    staff.join(&visit).await;
    eventually(async || customer.view().await["media"]["peer_connected"] == true).await;
    assert_eq!(code(staff.open(&visit, "identity").await), conflict("recording_not_ready"));
    branch.peers.first_segment().await;
    customer.until("recording", "on").await;

    // Every step but the first is locked, and none can be completed without being open.
    for step in ["disclosure", "understanding", "document", "signature"] {
        assert_eq!(code(staff.open(&visit, step).await), conflict("step_locked"), "{step}");
    }
    let identity = json!({"type": "identity"});
    assert_eq!(
        code(staff.complete(&visit, "identity", identity.clone()).await),
        conflict("step_locked")
    );
    assert_eq!(
        code(customer.post("steps/understanding", yes.clone()).await),
        conflict("step_locked")
    );
    assert_eq!(
        code(customer.post("steps/signature", picture("signature")).await),
        conflict("step_locked")
    );
    assert_eq!(code(staff.open(&visit, "no-such").await), (404, "step_unknown".to_owned()));
    assert_eq!(code(staff.close(&visit, "completed").await), conflict("steps_open"));
    assert_eq!(code(staff.close(&visit, "interrupted").await), (422, "wrong_outcome".to_owned()));

    // By the wrong party, with the wrong thing, twice.
    assert_eq!(staff.open(&visit, "identity").await.0, 200);
    assert_eq!(
        code(customer.post("steps/identity", identity.clone()).await),
        conflict("not_your_step")
    );
    let wrong = staff.complete(&visit, "identity", json!({"type": "disclosure"})).await;
    assert_eq!(code(wrong), (422, "wrong_input".to_owned()));
    assert_eq!(code(staff.open(&visit, "disclosure").await), conflict("step_locked"));
    assert_eq!(staff.complete(&visit, "identity", identity.clone()).await.0, 200);
    assert_eq!(code(staff.complete(&visit, "identity", identity).await), conflict("step_done"));
    assert_eq!(code(staff.open(&visit, "identity").await), conflict("step_done"));

    // The customer's answer cannot be given by staff, and a no ends the journey.
    assert_eq!(staff.open(&visit, "disclosure").await.0, 200);
    assert_eq!(staff.complete(&visit, "disclosure", json!({"type": "disclosure"})).await.0, 200);
    assert_eq!(staff.open(&visit, "understanding").await.0, 200);
    assert_eq!(code(staff.complete(&visit, "understanding", yes).await), conflict("not_your_step"));
    let no = json!({"type": "question", "answer": "no"});
    assert_eq!(customer.post("steps/understanding", no).await.0, 200);
    assert_eq!(code(staff.open(&visit, "document").await), conflict("step_locked"));
    assert_eq!(code(staff.close(&visit, "completed").await), conflict("answer_no"));
    assert_eq!(staff.close(&visit, "declined").await.0, 200);
    assert_eq!(code(staff.open(&visit, "document").await), conflict("visit_closed"));
}

#[tokio::test]
async fn refusing_to_be_recorded_ends_the_visit_before_anything_is_recorded() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    let view = customer.consent(false, false).await;
    assert_eq!((&view["state"], &view["outcome"]), (&json!("closed"), &json!("declined")));
    let (status, problem) = customer.post("media", json!({"sdp": "v=0\r\n"})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("visit_closed")));
    assert!(branch.peers.state().diary.is_empty());
}

#[tokio::test]
async fn consent_to_another_text_than_the_one_in_force_does_not_count() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    let body = json!({"recording": true, "face": true, "text_version": "1999-01"});
    let (status, problem) = customer.post("consents", body).await;
    assert_eq!((status, &problem["code"]), (409, &json!("text_outdated")));
    assert_eq!(customer.view().await["state"], "invited");
}

#[tokio::test]
async fn a_failed_check_can_be_tried_again_and_is_then_left_to_staff() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    customer.consent(true, true).await;
    let early = customer.post("liveness", json!({})).await;
    assert_eq!((early.0, &early.1["code"]), (409, &json!("media_not_connected")));
    customer.join().await;
    customer.until("state", "checking").await;
    for attempt in 1..=3 {
        branch.peers.state().verdicts.push_back(KycOutcome::Fail);
        assert_eq!(customer.post("liveness", json!({})).await.0, 200);
        eventually(async || {
            let liveness = customer.view().await["liveness"].clone();
            liveness["status"] == "failed" && liveness["attempt"] == attempt
        })
        .await;
    }
    customer.until("state", "waiting").await;
    let again = customer.post("liveness", json!({})).await;
    assert_eq!((again.0, &again.1["code"]), (409, &json!("attempts_exhausted")));
    let staff = branch.sign_in("staff").await;
    assert_eq!(staff.get("/api/v1/visits").await.1["visits"][0]["liveness"], "failed");
}

#[tokio::test]
async fn consent_to_face_processing_can_be_withdrawn_during_the_check() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    let mut page = Socket::customer(&branch, &customer.token).await;
    customer.consent(true, true).await;
    customer.join().await;
    customer.until("state", "checking").await;
    assert_eq!(customer.post("liveness", json!({})).await.0, 200);
    let asked = page.until(|m| !m["visit"]["liveness"]["challenge"].is_null()).await;
    let challenge = json!({"kind": "blink", "index": 0, "of": 2});
    assert_eq!(asked["visit"]["liveness"]["challenge"], challenge);
    let (status, view) = customer.post("liveness/skip", json!({})).await;
    assert_eq!((status, &view["state"], &view["liveness"]), (200, &json!("waiting"), &Value::Null));
    eventually(async || branch.peers.state().diary.contains(&"kyc cancelled".to_owned())).await;
}

#[tokio::test]
async fn without_models_the_customer_is_referred_to_staff() {
    let branch = Branch::start().await;
    branch.peers.kyc_available.store(false, Ordering::SeqCst);
    let customer = branch.customer().await;
    customer.consent(true, true).await;
    customer.join().await;
    customer.until("state", "checking").await;
    let (status, view) = customer.post("liveness", json!({})).await;
    assert_eq!((status, &view["state"]), (200, &json!("waiting")));
    assert_eq!(view["liveness"]["status"], "referred");
}

#[tokio::test]
async fn when_recording_fails_staff_are_alarmed_and_no_step_goes_on() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (_customer, visit) = branch.call(&staff).await;
    assert_eq!(staff.open(&visit, "identity").await.0, 200);
    let recording = branch.peers.newest();
    let failed = RecorderEvent::Failed { recording, reason: "both stores".to_owned() };
    branch.peers.send(PortEvent::Recorder(failed)).await;
    let path = format!("/api/v1/visits/{visit}");
    eventually(async || staff.get(&path).await.1["recording"]["state"] == "failed").await;
    let (_, view) = staff.get(&path).await;
    assert_eq!(view["alarms"][0]["code"], "recording_failed");
    let (status, problem) = staff.complete(&visit, "identity", json!({"type": "identity"})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("recording_not_ready")));
    assert_eq!(staff.close(&visit, "abandoned").await.0, 200);
}

#[tokio::test]
async fn when_one_store_is_lost_the_call_goes_on_and_staff_see_it() {
    use vbranch_domain::recording::StoreId;
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (_customer, visit) = branch.call(&staff).await;
    branch.peers.store_a_ok.store(false, Ordering::SeqCst);
    let degraded = RecorderEvent::StoreDegraded { store: StoreId::A, reason: "full".to_owned() };
    branch.peers.send(PortEvent::Recorder(degraded)).await;
    let path = format!("/api/v1/visits/{visit}");
    eventually(async || staff.get(&path).await.1["recording"]["stores"]["a"] == "degraded").await;
    let (_, view) = staff.get(&path).await;
    assert_eq!(view["alarms"][0]["code"], "store_degraded");
    assert_eq!(view["recording"]["state"], "on");
    assert_eq!(staff.open(&visit, "identity").await.0, 200);
    branch.peers.store_a_ok.store(true, Ordering::SeqCst);
    let recovered = RecorderEvent::StoreRecovered { store: StoreId::A };
    branch.peers.send(PortEvent::Recorder(recovered)).await;
    eventually(async || staff.get(&path).await.1["recording"]["stores"]["a"] == "ok").await;
}
