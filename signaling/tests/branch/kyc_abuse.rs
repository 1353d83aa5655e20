//! What is tried with portraits, names and checks that are somebody else's or nothing of the kind.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::{Branch, Person, answer, jpeg, pixel};

#[tokio::test]
async fn a_portrait_is_a_picture_of_a_sane_size_and_of_the_kind_it_says() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let (_customer, visit) = branch.invited_by(&staff, None).await;
    let put = async |kind: &str, body: Vec<u8>| staff.put_portrait(&visit, kind, body).await;
    let no_picture = (415, "not_a_picture".to_owned());
    for kind in ["application/json", "image/svg+xml", "image/gif", "text/html", "image/jpegx"] {
        assert_eq!(put(kind, jpeg(10, 10)).await, no_picture, "{kind}");
    }
    let bare = staff.request(Method::PUT, &format!("/api/v1/visits/{visit}/portrait"));
    assert_eq!(answer(bare.body(jpeg(10, 10))).await.0, 415, "says nothing");
    let bad = (422, "bad_picture".to_owned());
    assert_eq!(put("image/png", jpeg(10, 10)).await, bad);
    assert_eq!(put("image/jpeg", pixel()).await, bad);
    assert_eq!(put("image/jpeg", Vec::new()).await, bad);
    assert_eq!(put("image/jpeg", b"<svg onload=alert(1)>".to_vec()).await, bad);
    assert_eq!(put("image/jpeg", jpeg(5_000, 10)).await, bad, "an enormous one");
    assert_eq!(put("image/jpeg", jpeg(0, 10)).await, bad);
    let cut = jpeg(10, 10);
    assert_eq!(put("image/jpeg", cut[..cut.len() - 2].to_vec()).await, bad);
    let mut large = jpeg(10, 10);
    large.resize(5 * 1024 * 1024, 0);
    assert_eq!(put("image/jpeg", large.clone()).await.0, 204);
    large.push(0);
    assert_eq!(put("image/jpeg", large).await, (413, "too_large".to_owned()));
    assert_eq!(put("image/jpeg; charset=x", jpeg(10, 10)).await.0, 204);
    assert_eq!(put("image/png", pixel()).await.0, 204);
    let kept: Vec<_> = branch.peers.state().faces.values().map(|(p, _)| p.0.to_vec()).collect();
    assert_eq!(kept, [pixel()], "the last one, and no other");
}

#[tokio::test]
async fn only_who_made_the_link_has_to_do_with_the_portrait() {
    let dir = tempfile::tempdir().unwrap();
    let branch = Branch::start_in(dir.path(), |_| {}).await;
    let (staff, colleague) = (branch.sign_in("staff").await, branch.sign_in("supervisor").await);
    let (customer, visit) = branch.invited_by(&staff, Some("C-0042")).await;
    assert_eq!(staff.put_portrait(&visit, "image/jpeg", jpeg(10, 10)).await.0, 204);
    let unknown = (404, "visit_unknown".to_owned());
    assert_eq!(put(&colleague, &visit).await, unknown);
    assert_eq!(colleague.delete_portrait(&visit).await, 404);
    assert_eq!(put(&customer.http, &visit).await, (401, "not_signed_in".to_owned()));
    assert_eq!(customer.http.delete_portrait(&visit).await, 401);
    for role in ["auditor", "admin"] {
        let other = branch.sign_in(role).await;
        assert_eq!(put(&other, &visit).await, (403, "forbidden".to_owned()));
        assert_eq!(other.delete_portrait(&visit).await, 403);
    }
    let nothing = "01890a5d-ac96-774b-bcce-b302099a8057";
    assert_eq!(put(&staff, nothing).await, unknown);
    assert_eq!(put(&staff, "..%2f..%2fetc").await, (404, "not_found".to_owned()));
    let demo = branch.customer().await.view().await["visit"].as_str().unwrap().to_owned();
    assert_eq!(put(&staff, &demo).await, unknown, "a link that nobody made");
    let foreign = staff
        .request(Method::PUT, &format!("/api/v1/visits/{visit}/portrait"))
        .header(header::ORIGIN, "http://evil.example")
        .header(header::CONTENT_TYPE, "image/jpeg");
    assert_eq!(answer(foreign.body(jpeg(1, 1))).await.0, 403);
    assert_eq!(branch.peers.state().faces.len(), 1, "nobody else has touched it");

    assert_eq!(customer.post("leave", json!({})).await.0, 200);
    assert_eq!(put(&staff, &visit).await, (409, "visit_closed".to_owned()));
    branch.pull_the_plug();

    // When the visit is no longer in memory, nothing is different.
    let branch = Branch::start_in(dir.path(), |_| {}).await;
    let (staff, colleague) = (branch.sign_in("staff").await, branch.sign_in("supervisor").await);
    assert_eq!(put(&staff, &visit).await, (409, "visit_closed".to_owned()));
    assert_eq!(put(&colleague, &visit).await, unknown);
    let (_, other) = branch.invited_by(&staff, Some("C-0042")).await;
    assert_eq!(put(&staff, &other).await.0, 204);
    assert_eq!(colleague.delete_portrait(&visit).await, 404);
    assert_eq!(branch.peers.state().faces.len(), 1);
    for _ in 0..2 {
        assert_eq!(staff.delete_portrait(&visit).await, 204);
        assert!(branch.peers.state().faces.is_empty(), "of the same person");
    }
}

async fn put(who: &Person, visit: &str) -> (u16, String) {
    who.put_portrait(visit, "image/jpeg", jpeg(10, 10)).await
}

#[tokio::test]
async fn a_customers_name_is_some_text_and_no_more() {
    let branch = Branch::start().await;
    let staff = branch.sign_in("staff").await;
    let bad = (422, "bad_request".to_owned());
    let long = "x".repeat(129);
    for name in ["", "a\nb", "a\u{0}", "\u{1b}[31m", &long] {
        let body = json!({"product": "demo-loan", "customer_ref": name});
        assert_eq!(staff.refused("/api/v1/visits", body).await, bad, "{name:?}");
    }
    for name in [json!(7), json!(["a"]), json!({"a": 1}), json!(true)] {
        let body = json!({"product": "demo-loan", "customer_ref": name});
        let (status, problem) = staff.post("/api/v1/visits", body).await;
        assert_eq!((status, &problem["code"]), (422, &json!("bad_request")));
    }
    let huge = json!({"product": "demo-loan", "customer_ref": "x".repeat(70_000)});
    assert_eq!(staff.refused("/api/v1/visits", huge).await, (413, "too_large".to_owned()));
    for name in ["../../etc/passwd", "'; DROP TABLE visits; --", "客户", &"字".repeat(128)] {
        let (_, visit) = branch.invited_by(&staff, Some(name)).await;
        assert_eq!(staff.put_portrait(&visit, "image/jpeg", jpeg(1, 1)).await.0, 204, "{name}");
    }
    assert_eq!(branch.peers.state().faces.len(), 4);
}

#[tokio::test]
async fn a_camera_is_described_in_a_few_sane_words() {
    let branch = Branch::start().await;
    let customer = branch.customer().await;
    customer.ready_for_check().await;
    let path = "/api/v1/customer/visit/liveness";
    for camera in [
        json!({"label": "x".repeat(257)}),
        json!({"width": 16_385}),
        json!({"height": u32::MAX}),
        json!({"width": -1}),
        json!({"width": 1.5}),
        json!({"frame_rate": -1}),
        json!({"frame_rate": 1001}),
        json!({"frame_rate": 1e39}),
        json!({"label": ["a"]}),
        json!({"mobile": "yes"}),
        json!("camera"),
        json!([]),
    ] {
        let (status, problem) = customer.post("liveness", json!({"camera": camera})).await;
        assert_eq!((status, &problem["code"]), (422, &json!("bad_request")), "{camera}");
    }
    let send = async |body: String| {
        let json = "application/json";
        let request = customer.http.request(Method::POST, path).header(header::CONTENT_TYPE, json);
        answer(request.body(body)).await
    };
    let deep = format!("{{\"camera\":{}", "{\"label\":".repeat(7_000));
    assert_eq!(send(deep).await.0 / 100, 4, "deeply nested");
    let large = json!({"camera": {"label": "x".repeat(70_000)}}).to_string();
    let (status, problem) = send(large).await;
    assert_eq!((status, &problem["code"]), (413, &json!("too_large")));
    assert!(branch.peers.state().checks.is_empty(), "and nothing has begun");
    assert_eq!(customer.view().await["liveness"]["attempt"], 0);
    let good = json!({"label": "字".repeat(256), "width": null, "more": Value::Null});
    let (open, close) = ("[".repeat(20_000), "]".repeat(20_000));
    let deep = format!("{{\"camera\":{good},\"x\":{open}1{close}}}");
    assert_eq!(send(deep).await.0, 200, "deeply nested where nobody looks is passed over");
}
