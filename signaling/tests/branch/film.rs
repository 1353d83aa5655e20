//! Films: asked for, let go by a second person, fetched.

use reqwest::{Method, header};
use serde_json::{Value, json};
use vbranch_domain::FilmId;

use crate::{
    replay::with_recording,
    support::{Branch, Person},
};

async fn ask(person: &Person, recording: &str) -> (u16, Value) {
    let path = format!("/api/v1/recordings/{recording}/films");
    person.post(&path, json!({"reason": "complaint 4711", "layout": "pip"})).await
}

/// A film that was asked for and is made.
async fn made(branch: &Branch, auditor: &Person, recording: &str) -> (String, Vec<u8>) {
    let (status, film) = ask(auditor, recording).await;
    assert_eq!(status, 201, "{film}");
    let id = film["film"].as_str().unwrap().to_owned();
    let bytes: Vec<u8> = (0..5_000u32).map(|n| n as u8).collect();
    let mut state = branch.peers.state();
    state.films.get_mut(&id.parse::<FilmId>().unwrap()).unwrap().1 = Some(bytes.clone().into());
    drop(state);
    (format!("/api/v1/films/{id}"), bytes)
}

async fn actions(auditor: &Person) -> Vec<String> {
    let (_, log) = auditor.get("/api/v1/audit-log").await;
    let entries = log["entries"].as_array().unwrap().iter();
    let words = entries.map(|e| e["action"].as_str().unwrap().to_owned());
    words.filter(|word| word.starts_with("film")).collect()
}

#[tokio::test]
async fn a_film_is_asked_for_with_a_reason_and_says_how_far_it_is() {
    let (branch, recording) = with_recording().await;
    let auditor = branch.sign_in("auditor").await;
    let path = format!("/api/v1/recordings/{recording}/films");
    let refused = auditor.refused(&path, json!({"reason": "why"})).await;
    assert_eq!(refused, (422, "bad_reason".to_owned()));
    let (status, film) = ask(&auditor, &recording).await;
    assert_eq!(status, 201, "{film}");
    assert_eq!((&film["state"], &film["layout"]), (&json!("making"), &json!("pip")));
    assert_eq!((&film["position_ms"], &film["total_ms"]), (&json!(500), &json!(1_000)));
    assert_eq!((&film["mine"], &film["needs_second_person"]), (&json!(true), &json!(true)));
    {
        let state = branch.peers.state();
        let (order, _) = state.films.values().next().unwrap();
        assert_eq!(order.by, "张伟 Zhang Wei VB1003");
        assert_eq!(order.names, [("staff".to_owned(), "李明 Li Ming".to_owned())]);
    }
    // One at a time, as this recorder has it.
    let busy = auditor.refused(&path, json!({"reason": "another one"})).await;
    assert_eq!(busy, (429, "too_many_films".to_owned()));
    let id = film["film"].as_str().unwrap();
    assert_eq!(
        auditor.get(&format!("/api/v1/films/{id}/film.mp4")).await.1["code"],
        "film_not_ready"
    );
    let (_, list) = auditor.get("/api/v1/films").await;
    assert_eq!(list["films"][0]["film"], json!(id));
    for person in ["staff", "admin"] {
        let person = branch.sign_in(person).await;
        assert_eq!(ask(&person, &recording).await.0, 403);
        assert_eq!(person.get("/api/v1/films").await.0, 403);
        assert_eq!(person.get(&format!("/api/v1/films/{id}/film.mp4")).await.0, 403);
    }
}

#[tokio::test]
async fn a_film_leaves_the_branch_with_a_second_person_only() {
    let (branch, recording) = with_recording().await;
    let auditor = branch.sign_in("auditor").await;
    let (film, bytes) = made(&branch, &auditor, &recording).await;
    let file = format!("{film}/film.mp4");
    let (status, problem) = auditor.get(&file).await;
    assert_eq!((status, &problem["code"]), (403, &json!("second_person_needed")));
    let approval = format!("{film}/approval");
    assert_eq!(auditor.refused(&approval, json!({})).await, (409, "own_film".to_owned()));
    assert_eq!(branch.sign_in("staff").await.post(&approval, json!({})).await.0, 403);
    let supervisor = branch.sign_in("supervisor").await;
    let (status, approved) = supervisor.post(&approval, json!({})).await;
    assert_eq!((status, &approved["approved_by"]), (200, &json!("王芳 Wang Fang")));
    assert_eq!(supervisor.get(&file).await.0, 403, "who lets it go does not get it");

    let answer = auditor.request(Method::GET, &file).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers()[header::ACCEPT_RANGES], "bytes");
    assert_eq!(answer.bytes().await.unwrap(), bytes);
    let part = auditor.request(Method::GET, &file).header(header::RANGE, "bytes=990-2009");
    let part = part.send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()[header::CONTENT_RANGE], "bytes 990-2009/5000");
    assert_eq!(part.bytes().await.unwrap(), bytes[990..2_010]);
    let beyond = auditor.request(Method::GET, &file).header(header::RANGE, "bytes=5000-");
    let beyond = beyond.send().await.unwrap();
    assert_eq!(beyond.status(), 416);
    assert_eq!(beyond.headers()[header::CONTENT_RANGE], "bytes */5000");
    assert_eq!(actions(&auditor).await, ["film_fetched", "film_approved", "film"]);
}

#[tokio::test]
async fn where_no_second_person_is_asked_for_a_film_can_be_fetched_at_once() {
    let branch = Branch::start_with(|config| config.second_person = false).await;
    let (branch, recording) = crate::replay::recorded(branch).await;
    let auditor = branch.sign_in("auditor").await;
    let (film, _) = made(&branch, &auditor, &recording).await;
    let answer = auditor.request(Method::GET, &format!("{film}/film.mp4")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_film_that_is_cancelled_is_gone() {
    let (branch, recording) = with_recording().await;
    let auditor = branch.sign_in("auditor").await;
    let (_, film) = ask(&auditor, &recording).await;
    let path = format!("/api/v1/films/{}", film["film"].as_str().unwrap());
    let supervisor = branch.sign_in("supervisor").await;
    assert_eq!(supervisor.request(Method::DELETE, &path).send().await.unwrap().status(), 403);
    assert_eq!(auditor.request(Method::DELETE, &path).send().await.unwrap().status(), 204);
    assert!(branch.peers.state().films.is_empty());
    assert_eq!(auditor.get(&path).await.1["code"], "film_unknown");
    assert_eq!(auditor.get(&format!("{path}/film.mp4")).await.0, 404);
    assert_eq!(actions(&auditor).await, ["film_discarded", "film"]);
}
