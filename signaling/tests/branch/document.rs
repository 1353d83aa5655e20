//! The OpenAPI document and its page.

use std::collections::BTreeSet;

use crate::support::Branch;

const PROTOCOL: &str = include_str!("../../../docs/protocol.md");

#[tokio::test]
async fn every_route_of_the_protocol_is_in_the_document() {
    let branch = Branch::start().await;
    let (status, document) = branch.nobody().get("/api/openapi.json").await;
    assert_eq!(status, 200);
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let rows = PROTOCOL.lines().filter_map(|line| line.strip_prefix("| `"));
    let promised: BTreeSet<String> = rows
        .filter_map(|row| row.split('`').next())
        .filter(|route| route.contains(" /api/"))
        .map(|route| match route.rsplit_once('/') {
            Some((head, "index.m3u8" | "init-{n}.mp4")) => format!("{head}/{{file}}"),
            _ => route.to_owned(),
        })
        .collect();
    assert!(promised.len() > 20, "{promised:?}");
    let missing: Vec<_> = promised.difference(&described).collect();
    assert!(missing.is_empty(), "promised and not there: {missing:?}");
}

#[tokio::test]
async fn every_schema_named_in_the_document_is_in_it() {
    let branch = Branch::start().await;
    let (_, document) = branch.nobody().get("/api/openapi.json").await;
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let named = text.split("#/components/schemas/").skip(1).map(|s| s.split('"').next().unwrap());
    for name in named {
        assert!(schemas.contains_key(name), "{name} is missing");
    }
    for name in [
        "CustomerView",
        "StaffView",
        "Problem",
        "ClientMessage",
        "ServerMessage",
        "StepInput",
        "CameraTraits",
        "FlashView",
        "KycCheck",
        "KycTrace",
        "KycVerdict",
        "WatchAlarm",
    ] {
        assert!(schemas.contains_key(name), "{name} is missing");
    }
    for operation in document["paths"].as_object().unwrap().values() {
        for operation in operation.as_object().unwrap().values() {
            assert!(operation["description"].is_string() || operation["summary"].is_string());
        }
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let branch = Branch::start().await;
    for (path, kind) in [
        ("/api/docs", "text/html"),
        ("/api/docs/script.js", "text/javascript"),
        ("/api/docs/style.css", "text/css"),
    ] {
        let response = reqwest::get(branch.url(path)).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with(kind));
        let text = response.text().await.unwrap();
        assert!(!text.contains("https://") && !text.contains("http://"), "{path} points elsewhere");
    }
}
