use vbranch_domain::ParticipantId;

use super::*;

fn stream(kind: MediaKind) -> Stream {
    Stream::new(TrackId { participant: ParticipantId::random(), kind }, Leg(0))
}

fn packet(seq: u16, timestamp: u32, marker: bool, payload: &'static [u8]) -> RtpPacket {
    let arrived = Mono::from_millis(u64::from(seq));
    let (payload, codec) = (Bytes::from_static(payload), Some(VideoCodec::H264));
    RtpPacket { source: 0, codec, seq, timestamp, marker, payload, arrived }
}

fn sound(seq: u16, timestamp: u32) -> RtpPacket {
    RtpPacket { codec: None, ..packet(seq, timestamp, true, &[1]) }
}

fn vp8(source: u32, seq: u16, timestamp: u32, marker: bool, payload: &'static [u8]) -> RtpPacket {
    RtpPacket { source, codec: Some(VideoCodec::Vp8), ..packet(seq, timestamp, marker, payload) }
}

fn frames(out: &[Output]) -> Vec<(u64, bool, usize)> {
    out.iter()
        .filter_map(|o| match o {
            Output::Item(TapItem::Frame(f)) => Some((f.rtp_time.0, f.keyframe, f.payload.len())),
            _ => None,
        })
        .collect()
}

#[test]
fn video_frames_come_out_whole_and_in_order_across_a_timestamp_wrap() {
    let (mut s, mut out) = (stream(MediaKind::Video), vec![]);
    let t = u32::MAX - 1500;
    s.push(packet(1, t, false, &[0x67, 1]), &mut out);
    s.push(packet(3, t.wrapping_add(3000), true, &[0x41, 9]), &mut out);
    s.push(packet(2, t, true, &[0x65, 2, 3]), &mut out);
    let t64 = u64::from(t);
    assert_eq!(frames(&out), [(t64, true, 5), (t64 + 3000, false, 2)]);
}

#[test]
fn a_frame_with_a_hole_is_withheld_and_a_key_frame_asked_for() {
    let (mut s, mut out) = (stream(MediaKind::Video), vec![]);
    s.push(packet(1, 0, false, &[0x7c, 0x81, 1]), &mut out);
    s.push(packet(3, 0, true, &[0x7c, 0x41, 3]), &mut out);
    s.push(packet(4, 3000, true, &[0x41, 4]), &mut out);
    assert_eq!(out, []);
    s.handle_timeout(s.deadline().unwrap(), &mut out);
    assert_eq!(frames(&out), [(3000, false, 2)]);
    assert!(out.contains(&Output::KeyframeNeeded));
    assert!(out.iter().any(|o| matches!(o, Output::Item(TapItem::Lost { packets: 1, .. }))));
}

#[test]
fn a_picture_after_a_pause_is_followed_by_a_key_frame_request() {
    let (mut s, mut out) = (stream(MediaKind::Video), vec![]);
    s.push(packet(1, 0, true, &[0x65, 1]), &mut out);
    s.push(packet(2, 3000, true, &[0x41, 2]), &mut out);
    assert!(!out.contains(&Output::KeyframeNeeded));
    let mut late = packet(3, 99_000, true, &[0x41, 3]);
    late.arrived = Mono::from_millis(1_500);
    s.push(late, &mut out);
    assert!(out.contains(&Output::KeyframeNeeded));
}

#[test]
fn a_sender_report_is_on_the_frames_time_line() {
    let (mut s, mut out) = (stream(MediaKind::Audio), vec![]);
    s.push(sound(1, u32::MAX - 10), &mut out);
    s.push(sound(2, 949), &mut out);
    let report = s.sender_report(0, NtpTime(1), u32::MAX, Mono::ZERO).unwrap();
    assert_eq!(report.rtp_time, RtpTime(u64::from(u32::MAX)));
    assert_eq!(frames(&out)[1].0, u64::from(u32::MAX) + 950);
}

#[test]
fn vp8_frames_come_out_whole_and_a_hole_withholds_one() {
    let (mut s, mut out) = (stream(MediaKind::Screen), vec![]);
    s.push(vp8(0, 1, 0, false, &[0x10, 0x00, 7]), &mut out);
    s.push(vp8(0, 2, 0, true, &[0x00, 8]), &mut out);
    s.push(vp8(0, 3, 3000, false, &[0x10, 0x01]), &mut out);
    s.push(vp8(0, 5, 3000, true, &[0x00, 9]), &mut out);
    s.push(vp8(0, 6, 6000, true, &[0x10, 0x01, 1]), &mut out);
    s.handle_timeout(s.deadline().unwrap(), &mut out);
    assert_eq!(frames(&out), [(0, true, 3), (6000, false, 2)]);
    assert!(out.contains(&Output::KeyframeNeeded));
}

#[test]
fn another_source_goes_on_on_the_same_line_and_its_unfinished_picture_is_dropped() {
    let (mut s, mut out) = (stream(MediaKind::Video), vec![]);
    s.push(vp8(7, 10, 5_000, true, &[0x10, 0x00]), &mut out);
    s.push(vp8(7, 43, 7_970, false, &[0x10, 0x01]), &mut out);
    let before = s.sender_report(8, NtpTime(1), 1, Mono::ZERO);
    assert_eq!(before, None, "the other layer's clock is not in use yet");
    // Another layer, with numbers of its own: 33 ms after the first picture.
    s.push(vp8(8, 43, 4_000_000_000, true, &[0x10, 0x00, 1]), &mut out);
    s.push(vp8(8, 44, 4_000_002_970, true, &[0x10, 0x01, 1]), &mut out);
    let got = frames(&out);
    assert_eq!(got.len(), 3);
    assert_eq!(got[0], (5_000, true, 1));
    assert!(got[1].0 > 5_000 && got[1].0 < 5_000 + 6_000, "{got:?}");
    assert_eq!(got[2].0 - got[1].0, 2_970);
    let report = s.sender_report(8, NtpTime(1), 4_000_002_970, Mono::ZERO).unwrap();
    assert_eq!(report.rtp_time.0, got[2].0);
    assert_eq!(s.sender_report(7, NtpTime(1), 5_000, Mono::ZERO), None);
}

#[test]
fn another_coding_needs_a_key_frame_and_ends_the_picture_before() {
    let (mut s, mut out) = (stream(MediaKind::Video), vec![]);
    s.push(packet(1, 0, true, &[0x65, 1]), &mut out);
    s.push(vp8(0, 2, 3000, true, &[0x10, 0x01]), &mut out);
    assert!(out.contains(&Output::KeyframeNeeded));
    out.clear();
    s.push(vp8(0, 3, 6000, true, &[0x10, 0x00]), &mut out);
    s.push(vp8(0, 4, 9000, true, &[0x10, 0x01]), &mut out);
    assert!(!out.contains(&Output::KeyframeNeeded));
    let codings: Vec<_> = out
        .iter()
        .map(|o| matches!(o, Output::Item(TapItem::Frame(f)) if matches!(f.payload, Payload::Vp8(_))))
        .collect();
    assert_eq!(codings, [true, true]);
}
