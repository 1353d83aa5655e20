//! What is heard of a call from the media plane and the recorder, and who is told it.

use std::time::Duration;

use serde_json::{Value, json};
use vbranch_domain::{
    MediaKind, ParticipantId, Quality, QualityCause, Slot, VideoCodec, recording::RecorderEvent,
};
use vbranch_signaling::ports::PortEvent;

use crate::{
    supervision::{attend, attend_with_media, end, path, scene, staff_view},
    support::{Branch, eventually, socket::Socket},
};

#[tokio::test]
async fn pages_are_told_slots_speaker_and_quality_as_far_as_they_concern_them() {
    let branch = Branch::start().await;
    let (staff, customer, visit, boss) = scene(&branch).await;
    attend_with_media(&branch, &boss, &visit, "silent").await;
    let me = |view: &Value| view["call"]["me"].as_str().unwrap().parse::<ParticipantId>().unwrap();
    let (c, s) = (me(&customer.view().await), me(&staff_view(&staff, &visit).await));
    let call = branch.peers.state().recordings[0].meta.call;
    let slots = vec![Slot { mid: "1".to_owned(), kind: MediaKind::Video, from: Some(s) }];
    let quality = Quality { score: 2.5, cause: Some(QualityCause::Loss) };
    let (stranger, participant) = (ParticipantId::random(), Some(c));
    for event in [
        PortEvent::Slots { call, participant: c, slots },
        PortEvent::ActiveSpeaker { call, participant },
        PortEvent::Quality { call, participant: c, quality },
        PortEvent::Quality { call, participant: s, quality },
        PortEvent::Quality { call, participant: stranger, quality },
        PortEvent::ActiveSpeaker { call, participant: Some(stranger) },
    ] {
        branch.peers.send(event).await;
    }
    let poor = json!({"score": 2.5, "cause": "loss"});
    eventually(async || {
        staff_view(&staff, &visit).await["call"]["participants"][1]["quality"] == poor
    })
    .await;
    let seen = customer.view().await["call"].clone();
    assert_eq!(seen["slots"], json!([{"mid": "1", "kind": "video", "from": s.to_string()}]));
    assert_eq!(seen["speaker"], json!(c.to_string()));
    assert_eq!(seen["participants"][0]["quality"], poor, "one's own");
    assert_eq!(seen["participants"][1]["quality"], Value::Null, "not the bank's");
    let desk = staff_view(&staff, &visit).await["call"].clone();
    assert_eq!((&desk["slots"], &desk["participants"][0]["quality"]), (&json!([]), &poor));
    let (_, overseen) = boss.get(&path(&visit)).await;
    assert_eq!(overseen["call"]["participants"][0]["quality"], poor);
}

#[tokio::test]
async fn each_page_is_told_what_to_send_pictures_in_until_told_otherwise() {
    let branch = Branch::start().await;
    let (staff, customer, visit, boss) = scene(&branch).await;
    let me = attend_with_media(&branch, &boss, &visit, "silent").await;
    let call = branch.peers.state().recordings[0].meta.call;
    let tell = async |participant, codec| {
        branch.peers.send(PortEvent::VideoCodec { call, participant, codec }).await;
    };
    let at_staff = async || staff_view(&staff, &visit).await["call"]["video_codec"].clone();
    let at_boss = async || boss.get(&path(&visit)).await.1["call"]["video_codec"].clone();
    assert_eq!((at_staff().await, at_boss().await), (json!("h264"), json!("h264")));

    let mut page = Socket::customer(&branch, &customer.token).await;
    page.json().await;
    let id = |view: &Value| view["call"]["me"].as_str().unwrap().parse().unwrap();
    let (c, s) = (id(&customer.view().await), id(&staff_view(&staff, &visit).await));
    tell(ParticipantId::random(), VideoCodec::Vp8).await;
    tell(s, VideoCodec::Vp8).await;
    eventually(async || at_staff().await == "vp8").await;
    assert_eq!(at_boss().await, "h264", "to each their own");
    tell(c, VideoCodec::Vp8).await;
    page.until(|m| m["visit"]["call"]["video_codec"] == "vp8").await;
    tell(me.parse().unwrap(), VideoCodec::Vp8).await;
    eventually(async || at_boss().await == "vp8").await;

    staff.join(&visit).await;
    assert_eq!(at_staff().await, "vp8", "a page that is loaded again must know it, too");
    tell(s, VideoCodec::H264).await;
    eventually(async || at_staff().await == "h264").await;
}

#[tokio::test]
async fn staff_hear_of_no_gap_of_one_they_may_not_see_or_who_had_nothing_to_send() {
    let branch = Branch::start().await;
    let (staff, _, visit, boss) = scene(&branch).await;
    let me = attend_with_media(&branch, &boss, &visit, "silent").await;
    let participant: ParticipantId = me.parse().unwrap();
    let recording = branch.peers.newest();
    let gap = async |participant, seconds: u64| {
        let (kind, millis) = (MediaKind::Audio, seconds * 1000);
        let gap = RecorderEvent::Gap { recording, participant, kind, millis };
        branch.peers.send(PortEvent::Recorder(gap)).await;
    };
    let alarms = async || {
        let alarms = staff_view(&staff, &visit).await["alarms"].clone();
        alarms.as_array().unwrap().iter().filter(|a| a["code"] == "media_gap").count()
    };
    // Events are taken in order: once this is shown, all before it has been.
    let (call, heard) = (branch.peers.state().recordings[0].meta.call, participant);
    let settled = async |score: f32| {
        let quality = Quality { score, cause: None };
        branch.peers.send(PortEvent::Quality { call, participant: heard, quality }).await;
        let told = async || boss.get(&path(&visit)).await.1["call"]["participants"][2].clone();
        eventually(async || told().await["quality"]["score"] == score).await;
    };

    gap(participant, 60).await;
    settled(1.0).await;
    assert_eq!(alarms().await, 0, "a silent supervisor is nobody to the staff");

    branch.clock.advance(Duration::from_secs(60));
    assert_eq!(attend(&boss, &visit, "whispering").await.0, 200);
    branch.clock.advance(Duration::from_secs(3));
    gap(participant, 63).await;
    settled(2.0).await;
    assert_eq!(alarms().await, 0, "the silence before the first word is no loss");

    gap(participant, 3).await;
    eventually(async || alarms().await == 1).await;

    assert_eq!(end(&boss, &visit).await, 204);
    branch.clock.advance(Duration::from_secs(20));
    gap(participant, 3).await;
    assert_eq!(attend(&boss, &visit, "silent").await.0, 200);
    settled(3.0).await;
    assert_eq!(alarms().await, 1, "who has gone is missed by nobody");

    let customer = branch.peers.state().calls[&call][0];
    gap(customer, 3).await;
    eventually(async || alarms().await == 2).await;
}
