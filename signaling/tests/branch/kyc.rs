//! Checks, portraits and the watch, through the API.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use vbranch_domain::{
    ParticipantId,
    kyc::{FlashColour, KycEvent, KycOutcome, WatchAlarm},
};

use crate::support::{Branch, Customer, Person, eventually, jpeg, pixel, socket::Socket};

const JPEG: &str = "image/jpeg";

fn trace() -> Value {
    json!({"version": 1, "duration_ms": 9_000, "looks": [], "challenges": [], "flash": [],
           "skin": [], "background": [],
           "landmarks": {"width": 640, "height": 480, "points": [[1.5, 2.5]]}})
}

/// From now on each check hands over a picture and its course.
fn hand_over_evidence(branch: &Branch) {
    branch.peers.state().hands_over = vec![
        ("face.jpg", "image/jpeg", jpeg(640, 480).into()),
        ("trace.json", "application/json", trace().to_string().into()),
    ];
}

fn participant(view: &Value) -> ParticipantId {
    view["call"]["me"].as_str().unwrap().parse().unwrap()
}

async fn staff_view(staff: &Person, visit: &str) -> Value {
    staff.get(&format!("/api/v1/visits/{visit}")).await.1
}

/// A customer who passed the check, and the visit.
async fn passed(branch: &Branch, staff: &Person, name: Option<&str>) -> (Customer, String) {
    branch.peers.state().verdicts.push_back(KycOutcome::Pass);
    let (customer, visit) = branch.invited_by(staff, name).await;
    customer.ready_for_check().await;
    assert_eq!(customer.post("liveness", json!({})).await.0, 200);
    customer.until("state", "waiting").await;
    (customer, visit)
}

#[tokio::test]
async fn a_check_has_the_portrait_and_the_camera_and_its_evidence_is_sealed_before_its_verdict() {
    let branch = Branch::start().await;
    hand_over_evidence(&branch);
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.invited_by(&staff, Some("C-0042")).await;
    assert_eq!(staff.put_portrait(&visit, JPEG, jpeg(300, 400)).await.0, 204);
    customer.ready_for_check().await;
    branch.peers.state().verdicts.push_back(KycOutcome::Pass);
    let camera = json!({"label": "FaceTime HD", "width": 1280, "height": 720, "frame_rate": 30.0});
    let (status, view) = customer.post("liveness", json!({"camera": camera})).await;
    assert_eq!(status, 200, "{view}");
    customer.until("state", "waiting").await;
    {
        let state = branch.peers.state();
        let (_, _, request) = &state.checks[0];
        assert_eq!(request.attempt, 1);
        assert_eq!(request.portrait.as_ref().unwrap().0, jpeg(300, 400));
        assert_eq!(request.camera.label.as_deref(), Some("FaceTime HD"));
        assert_eq!((request.camera.width, request.camera.mobile), (Some(1280), None));
    }
    eventually(async || branch.peers.state().recordings[0].story.len() == 6).await;
    let mut story = branch.peers.state().recordings[0].story[2..].to_vec();
    story[1..3].sort();
    assert_eq!(story, ["kyc_started", "kyc-1-face.jpg", "kyc-1-trace.json", "kyc_verdict"]);
    let (_, view) = staff.post(&format!("/api/v1/visits/{visit}/accept"), json!({})).await;
    let verdict = &view["liveness"]["verdict"];
    assert_eq!((&verdict["outcome"], &verdict["signals"]), (&json!("pass"), &json!([])));
    assert_eq!(verdict["artifacts"][0]["name"], "kyc-1-face.jpg");
    assert_eq!((&verdict["policy_sha256"], &view["alarms"]), (&json!("70".repeat(32)), &json!([])));
}

#[tokio::test]
async fn the_page_is_told_each_colour_in_its_time_and_never_why_it_failed() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    customer.ready_for_check().await;
    let mut page = Socket::customer(&branch, &customer.token).await;
    assert_eq!(customer.post("liveness", json!({})).await.0, 200);
    for (index, colour, shown) in [
        (0, Some(FlashColour { r: 0, g: 255, b: 128 }), json!("#00ff80")),
        (1, Some(FlashColour { r: 10, g: 0, b: 1 }), json!("#0a0001")),
    ] {
        branch.peers.check_says(KycEvent::Flash { colour, index, of: 2 }).await;
        let expected = json!({"colour": shown, "index": index, "of": 2});
        page.until(|m| m["visit"]["liveness"]["flash"] == expected).await;
    }
    branch.peers.check_says(KycEvent::Flash { colour: None, index: 2, of: 2 }).await;
    page.until(|m| m["visit"]["liveness"]["flash"] == Value::Null).await;
    let verdict = vbranch_domain::kyc::KycVerdict {
        outcome: KycOutcome::Fail,
        reason: "flash_mismatch".to_owned(),
        signals: vec![],
        models: vec![],
        frames: 7,
        artifacts: vec![],
        policy_sha256: String::new(),
    };
    branch.peers.check_says(KycEvent::Verdict(verdict)).await;
    page.until(|m| m["visit"]["liveness"]["status"] == "failed").await;
    let liveness = customer.view().await["liveness"].as_object().unwrap().clone();
    let fields: Vec<_> = liveness.keys().map(String::as_str).collect();
    let expected = ["advice", "attempt", "attempts_left", "challenge", "flash", "status"];
    assert_eq!(fields, expected, "no reason and no score");
    let view = customer.view().await.to_string();
    for word in ["flash_mismatch", "\"reason\"", "\"signals\"", "verdict"] {
        assert!(!view.contains(word), "{word} in {view}");
    }
}

#[tokio::test]
async fn what_a_check_leaves_is_sealed_side_by_side() {
    let branch = Branch::start().await;
    hand_over_evidence(&branch);
    *branch.peers.artifacts_together.lock().unwrap() = Some(Arc::new(Barrier::new(2)));
    let staff = branch.sign_in("staff").await;
    let (_customer, visit) = passed(&branch, &staff, None).await;
    staff.serve(&visit).await;
    let view = staff_view(&staff, &visit).await;
    assert_eq!(view["liveness"]["verdict"]["artifacts"].as_array().unwrap().len(), 2);
    assert_eq!(view["alarms"], json!([]));
}

#[tokio::test]
async fn evidence_that_cannot_be_sealed_delays_no_verdict_and_staff_are_told() {
    let branch = Branch::start().await;
    hand_over_evidence(&branch);
    branch.peers.artifacts_refused.store(true, Ordering::SeqCst);
    let staff = branch.sign_in("staff").await;
    let (_customer, visit) = passed(&branch, &staff, None).await;
    staff.serve(&visit).await;
    let view = staff_view(&staff, &visit).await;
    let verdict = &view["liveness"]["verdict"];
    assert_eq!((&verdict["outcome"], &verdict["artifacts"]), (&json!("pass"), &json!([])));
    let signal =
        json!({"name": "evidence.sealed", "score": 0.0, "threshold": 2.0, "passed": false});
    assert_eq!(verdict["signals"], json!([signal]));
    assert_eq!(view["alarms"][0]["code"], "kyc_evidence_missing");
    let marked = branch.peers.state().recordings[0].marks.clone();
    let marked = marked.iter().map(|e| serde_json::to_value(&e.kind).unwrap());
    let marked = marked.filter(|m| m["type"] == "kyc_verdict").collect::<Vec<_>>();
    assert_eq!(marked[0]["verdict"], *verdict, "the recording says the same");
}

#[tokio::test]
async fn who_serves_and_who_attends_may_look_at_the_check_until_the_visit_closes() {
    let branch = Branch::start().await;
    hand_over_evidence(&branch);
    let (staff, boss) = (branch.sign_in("staff").await, branch.sign_in("supervisor").await);
    let (customer, visit) = passed(&branch, &staff, None).await;
    let path = format!("/api/v1/visits/{visit}/kyc");
    let picture = format!("{path}/picture");
    let code = async |who: &Person, path: &str| {
        let (status, problem) = who.get(path).await;
        (status, problem["code"].as_str().unwrap_or_default().to_owned())
    };
    for path in [&path, &picture] {
        let not_yet = code(&staff, path).await;
        assert_eq!(not_yet, (403, "not_your_visit".to_owned()), "who made the link is not enough");
    }
    staff.serve(&visit).await;
    for path in [&path, &picture] {
        assert_eq!(code(&boss, path).await, (403, "not_supervising".to_owned()));
        assert_eq!(code(&customer.http, path).await, (401, "not_signed_in".to_owned()));
        for other in ["auditor", "admin"] {
            let other = branch.sign_in(other).await;
            assert_eq!(code(&other, path).await, (403, "forbidden".to_owned()));
        }
    }
    let attend = json!({"mode": "silent"});
    let supervision = format!("/api/v1/visits/{visit}/supervision");
    assert_eq!(boss.post(&supervision, attend).await.0, 200);
    for who in [&staff, &boss] {
        let (status, check) = who.get(&path).await;
        assert_eq!(status, 200, "{check}");
        assert_eq!((&check["attempt"], &check["picture"]), (&json!(1), &json!(true)));
        assert_eq!((&check["verdict"]["outcome"], &check["trace"]), (&json!("pass"), &trace()));
        let response = who.request(Method::GET, &picture).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], JPEG);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.bytes().await.unwrap(), jpeg(640, 480));
    }
    let (_other, unserved) = branch.invited_by(&staff, None).await;
    assert_eq!(code(&staff, &format!("/api/v1/visits/{unserved}/kyc")).await.0, 403);
    let nothing = "/api/v1/visits/01890a5d-ac96-774b-bcce-b302099a8057/kyc";
    assert_eq!(code(&staff, nothing).await, (404, "visit_unknown".to_owned()));
    assert_eq!(staff.close(&visit, "abandoned").await.0, 200);
    for path in [&path, &picture] {
        assert_eq!(code(&staff, path).await, (404, "kyc_unknown".to_owned()));
    }
}

#[tokio::test]
async fn a_person_is_checked_so_often_a_day_whatever_the_visit_and_across_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Branch::start_in(dir.path(), |c| c.limits.liveness_checks_per_day = 2);
    let before = start().await;
    let staff = before.sign_in("staff").await;
    let (first, _) = before.invited_by(&staff, Some("C-0042")).await;
    first.ready_for_check().await;
    before.peers.state().verdicts.push_back(KycOutcome::Fail);
    assert_eq!(first.post("liveness", json!({})).await.0, 200);
    eventually(async || first.view().await["liveness"]["status"] == "failed").await;
    let (second, _) = before.invited_by(&staff, Some("C-0042")).await;
    second.ready_for_check().await;
    assert_eq!(second.post("liveness", json!({})).await.0, 200);
    let running = second.post("liveness", json!({})).await;
    assert_eq!(running.1["code"], "liveness_running", "and what is refused does not count");
    before.pull_the_plug();

    let after = start().await;
    let staff = after.sign_in("staff").await;
    let (third, visit) = after.invited_by(&staff, Some("C-0042")).await;
    third.ready_for_check().await;
    let (status, problem) = third.post("liveness", json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("daily_limit")), "{problem}");
    let view = third.view().await;
    assert_eq!(
        (&view["state"], &view["liveness"]["status"]),
        (&json!("waiting"), &json!("referred"))
    );
    assert!(after.peers.state().checks.is_empty(), "no face was looked at");
    let (other, _) = after.invited_by(&staff, Some("C-0043")).await;
    other.ready_for_check().await;
    assert_eq!(other.post("liveness", json!({})).await.0, 200, "somebody else");
    staff.serve(&visit).await;
    let view = staff_view(&staff, &visit).await;
    assert_eq!(view["liveness"]["status"], "referred");
    assert_eq!(view["liveness"]["verdict"]["reason"], "daily_limit", "staff see why");
    assert_eq!(staff.close(&visit, "declined").await.0, 200);

    after.clock.advance(Duration::from_hours(24));
    let staff = after.sign_in("staff").await;
    let (fourth, _) = after.invited_by(&staff, Some("C-0042")).await;
    fourth.ready_for_check().await;
    assert_eq!(fourth.post("liveness", json!({})).await.0, 200, "a day later");
}

#[tokio::test]
async fn many_visits_of_one_person_at_one_time_have_no_more_checks_than_one() {
    let branch = Branch::start_with(|c| c.limits.liveness_checks_per_day = 3).await;
    let staff = branch.sign_in("staff").await;
    let mut customers = Vec::new();
    for _ in 0..8 {
        let (customer, _) = branch.invited_by(&staff, Some("C-0042")).await;
        customer.ready_for_check().await;
        customers.push(customer);
    }
    let asked: Vec<_> = customers
        .into_iter()
        .map(|customer| tokio::spawn(async move { customer.post("liveness", json!({})).await }))
        .collect();
    let mut statuses = Vec::new();
    for answer in asked {
        statuses.push(answer.await.unwrap().0);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 3, "{statuses:?}");
    eventually(async || branch.peers.state().checks.len() == 3).await;
}

#[tokio::test]
async fn a_check_that_cannot_be_counted_is_not_begun_and_can_be_asked_for_again() {
    use sqlx::{Connection, SqliteConnection};
    let dir = tempfile::tempdir().unwrap();
    let branch = Branch::start_in(dir.path(), |_| {}).await;
    let staff = branch.sign_in("staff").await;
    let (customer, _) = branch.invited_by(&staff, Some("C-0042")).await;
    customer.ready_for_check().await;
    let url = format!("sqlite://{}", dir.path().join("branch.sqlite").display());
    let mut thief = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("ALTER TABLE liveness_checks RENAME TO gone").execute(&mut thief).await.unwrap();
    let (status, problem) = customer.post("liveness", json!({})).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    assert!(branch.peers.state().checks.is_empty());
    sqlx::query("ALTER TABLE gone RENAME TO liveness_checks").execute(&mut thief).await.unwrap();
    assert_eq!(customer.post("liveness", json!({})).await.0, 200);
}

#[tokio::test]
async fn withdrawing_in_the_call_ends_the_watch_and_forgets_the_face() {
    let branch = Branch::start().await;
    hand_over_evidence(&branch);
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = passed(&branch, &staff, Some("C-0042")).await;
    assert_eq!(staff.put_portrait(&visit, JPEG, jpeg(300, 400)).await.0, 204);
    staff.serve(&visit).await;
    let me = participant(&customer.view().await);
    eventually(async || branch.peers.state().watched.len() == 2).await;
    assert!(branch.peers.state().watched.contains(&me));
    assert_eq!(customer.post("liveness/skip", json!({})).await.0, 200);
    eventually(async || branch.peers.state().faces.is_empty()).await;
    {
        let state = branch.peers.state();
        assert_eq!((state.watched.contains(&me), &state.unwatched[..]), (false, &[me][..]));
    }
    branch.peers.watch_says(me, WatchAlarm::Absent, true).await;
    let (status, problem) = staff.get(&format!("/api/v1/visits/{visit}/kyc")).await;
    assert_eq!((status, &problem["code"]), (404, &json!("kyc_unknown")));
    let view = staff_view(&staff, &visit).await;
    assert_eq!((&view["alarms"], view["watch"].as_array().unwrap().len()), (&json!([]), 1));
    let again = staff.put_portrait(&visit, JPEG, jpeg(300, 400)).await;
    assert_eq!(again, (409, "face_declined".to_owned()));
    assert!(branch.peers.state().faces.is_empty());
}

#[tokio::test]
async fn withdrawing_during_the_check_stops_it_without_a_verdict() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = branch.invited_by(&staff, None).await;
    assert_eq!(staff.put_portrait(&visit, JPEG, jpeg(300, 400)).await.0, 204);
    customer.ready_for_check().await;
    assert_eq!(customer.post("liveness", json!({})).await.0, 200);
    assert_eq!(customer.post("liveness/skip", json!({})).await.0, 200);
    customer.until("state", "waiting").await;
    eventually(async || branch.peers.state().faces.is_empty()).await;
    assert_eq!(branch.peers.state().diary.last().unwrap(), "kyc cancelled");
    let words = branch.peers.state().recordings[0].words();
    assert!(!words.contains(&"kyc_verdict".to_owned()), "{words:?}");
}

#[tokio::test]
async fn what_the_watch_notices_is_an_alarm_a_state_and_a_mark_and_no_affair_of_the_customers() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = passed(&branch, &staff, None).await;
    staff.serve(&visit).await;
    eventually(async || branch.peers.state().watched.len() == 2).await;
    let view = staff_view(&staff, &visit).await;
    let (me, theirs) = (participant(&view), participant(&customer.view().await));
    for (who, alarm) in [
        (theirs, WatchAlarm::DifferentFace),
        (theirs, WatchAlarm::SeveralFaces),
        (me, WatchAlarm::Absent),
        (me, WatchAlarm::EyesClosed),
        (theirs, WatchAlarm::CameraCovered),
    ] {
        branch.peers.watch_says(who, alarm, true).await;
    }
    branch.peers.watch_says(theirs, WatchAlarm::DifferentFace, false).await;
    let watch = json!([
        {"participant": theirs, "alarms": ["several_faces", "camera_covered"]},
        {"participant": me, "alarms": ["absent", "eyes_closed"]},
    ]);
    eventually(async || staff_view(&staff, &visit).await["watch"] == watch).await;
    let view = staff_view(&staff, &visit).await;
    let alarms = view["alarms"].as_array().unwrap().iter();
    let alarms: Vec<_> =
        alarms.map(|a| (a["code"].as_str().unwrap(), a["who"].as_str().unwrap())).collect();
    let expected = [
        ("face_different", "customer"),
        ("face_several", "customer"),
        ("face_absent", "staff"),
        ("eyes_closed", "staff"),
        ("camera_covered", "customer"),
    ];
    assert_eq!(alarms, expected);
    let marks = || {
        let words = branch.peers.state().recordings[0].words();
        words.iter().filter(|word| *word == "face_watch").count()
    };
    eventually(async || marks() == 6).await;
    let seen = customer.view().await.to_string();
    assert!(!seen.contains("face_different") && !seen.contains("\"watch\""), "{seen}");
}

#[tokio::test]
async fn who_declined_is_not_watched_and_settings_switch_the_watch_off() {
    for (staff_too, expected) in [(true, 1), (false, 0)] {
        let branch = Branch::start_with(|c| c.limits.watch_staff = staff_too).await;
        let staff = branch.sign_in("staff").await;
        let (customer, visit) = branch.call(&staff).await;
        let view = staff_view(&staff, &visit).await;
        assert_eq!(view["watch"].as_array().unwrap().len(), expected);
        let theirs = participant(&customer.view().await);
        branch.peers.watch_says(theirs, WatchAlarm::Absent, true).await;
        assert!(!branch.peers.state().watched.contains(&theirs));
        assert_eq!(staff.close(&visit, "abandoned").await.1["alarms"], json!([]));
    }
    let branch = Branch::start_with(|c| c.limits.watch_customer = false).await;
    let staff = branch.sign_in("staff").await;
    let (customer, visit) = passed(&branch, &staff, None).await;
    staff.serve(&visit).await;
    eventually(async || branch.peers.state().watched.len() == 1).await;
    let customers = participant(&customer.view().await);
    assert!(!branch.peers.state().watched.contains(&customers));
}

#[tokio::test]
async fn without_the_portrait_that_was_handed_in_staff_identify_the_customer() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    for broken in [false, true] {
        let (customer, visit) = branch.invited_by(&staff, None).await;
        assert_eq!(staff.put_portrait(&visit, JPEG, jpeg(300, 400)).await.0, 204);
        customer.ready_for_check().await;
        // Its time is over, or the vault has a bad day.
        branch.peers.vault_refuses.store(broken, Ordering::SeqCst);
        if !broken {
            branch.peers.state().faces.clear();
        }
        assert_eq!(customer.post("liveness", json!({})).await.0, 200);
        customer.until("state", "waiting").await;
        assert_eq!(customer.view().await["liveness"]["status"], "referred");
        branch.peers.vault_refuses.store(false, Ordering::SeqCst);
        staff.serve(&visit).await;
        let view = staff_view(&staff, &visit).await;
        assert_eq!(view["liveness"]["verdict"]["reason"], "portrait_unavailable");
        assert_eq!(staff.close(&visit, "declined").await.0, 200);
    }
    assert!(branch.peers.state().checks.is_empty(), "nobody was checked without it");
}

#[tokio::test]
async fn visits_of_one_person_share_a_portrait_and_others_do_not() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (_first, enrolled) = branch.invited_by(&staff, Some("C-0042")).await;
    assert_eq!(staff.put_portrait(&enrolled, "image/png", pixel()).await.0, 204);
    let (named, alone) = branch.invited_by(&staff, None).await;
    assert_eq!(staff.put_portrait(&alone, JPEG, jpeg(2, 3)).await.0, 204);
    let kept_until: Vec<i64> =
        branch.peers.state().faces.values().map(|(_, until)| until.0).collect();
    let (same, _) = branch.invited_by(&staff, Some("C-0042")).await;
    let (thief, _) = branch.invited_by(&staff, Some(&alone)).await;
    for (customer, expected) in [(&same, Some(pixel())), (&thief, None)] {
        customer.ready_for_check().await;
        let before = branch.peers.state().checks.len();
        assert_eq!(customer.post("liveness", json!({})).await.0, 200);
        eventually(async || branch.peers.state().checks.len() > before).await;
        let state = branch.peers.state();
        let got = state.checks.last().unwrap().2.portrait.as_ref().map(|p| p.0.to_vec());
        assert_eq!(got, expected);
    }
    use vbranch_domain::Clock as _;
    let day = branch.clock.wall().0 + 24 * 3_600_000;
    assert!(kept_until.iter().all(|until| (day - 60_000..=day).contains(until)), "a day");
    // The end of a visit forgets what only that visit could have used.
    named.consent(true, true).await;
    assert_eq!(named.post("leave", json!({})).await.0, 200);
    assert_eq!(same.post("leave", json!({})).await.0, 200);
    eventually(async || branch.peers.state().faces.len() == 1).await;
    assert_eq!(staff.delete_portrait(&enrolled).await, 204);
    assert!(branch.peers.state().faces.is_empty());
}
