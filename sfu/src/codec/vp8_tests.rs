use proptest::prelude::*;

use super::*;
use crate::codec::{VideoCodec, inspect};

/// A descriptor as libwebrtc writes it: 15-bit PictureID, TL0PICIDX, TID with Y.
fn payload(id: u16, tl0: u8, tid: u8, start: bool) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![0x80 | u8::from(start) << 4, 0xe0, 0x80 | high, low, tl0, tid << 6, 0x01, 0xaa]
}

fn parse(payload: &[u8]) -> Descriptor {
    Descriptor::parse(payload).unwrap()
}

fn out_id(rewrite: Vp8Rewrite, payload: &[u8]) -> u16 {
    let mut sent = payload.to_vec();
    rewrite.apply(&mut sent);
    parse(&sent).picture_id.unwrap().value
}

#[test]
fn every_optional_field_is_found() {
    let all = parse(&[0xb1, 0xf0, 0x92, 0x34, 0x56, 0xa7, 0]);
    assert_eq!(
        all,
        Descriptor {
            len: 6,
            partition_start: true,
            partition: 1,
            picture_id: Some(PictureId { value: 0x1234, long: true }),
            tl0_picidx: Some(0x56),
            temporal: Some(Temporal { tid: 2, sync: true }),
        }
    );
    let short = parse(&[0x90, 0x80, 0x7f]);
    assert_eq!(short.picture_id, Some(PictureId { value: 0x7f, long: false }));
    assert_eq!((short.len, short.temporal), (3, None));
    let none = parse(&[0x10]);
    assert_eq!((none.len, none.picture_id, none.tl0_picidx), (1, None, None));
    assert!(none.starts_frame() && !all.starts_frame());
    for cut in 0..6 {
        let whole = [0xb1, 0xf0, 0x92, 0x34, 0x56, 0xa7];
        assert_eq!(Descriptor::parse(&whole[..cut]), Err(Malformed::Short), "{cut} bytes");
    }
}

#[test]
fn a_key_frame_is_told_by_its_first_bit() {
    assert_eq!(is_keyframe(&[0x50, 0x42]), Some(true));
    assert_eq!(is_keyframe(&[0x51]), Some(false));
    assert_eq!(is_keyframe(&[]), None);
    let begins_one = |payload: &[u8]| inspect(VideoCodec::Vp8, payload).unwrap().keyframe;
    assert!(begins_one(&[0x10, 0x50]) && !begins_one(&[0x10, 0x51]));
    assert!(!begins_one(&[0x00, 0x50]), "a later packet, whatever its bytes look like");
}

#[test]
fn left_out_pictures_leave_no_gap_and_lost_ones_do() {
    let mut rewriter = Vp8Rewriter::default();
    let mut got = Vec::new();
    for (id, keep) in
        [(100, true), (101, false), (102, true), (104, true), (105, false), (106, true)]
    {
        let packet = payload(id, 0, 0, true);
        if keep {
            let rewrite = rewriter.forward(1, &parse(&packet), false).unwrap();
            got.push(out_id(rewrite, &packet));
        } else {
            rewriter.skip(1, &parse(&packet));
            rewriter.skip(1, &parse(&payload(id, 0, 0, false)));
        }
    }
    assert_eq!(got, [100, 101, 103, 104]);
    // A late packet of an earlier picture goes where its picture went.
    let late = payload(102, 0, 0, false);
    assert_eq!(out_id(rewriter.forward(1, &parse(&late), false).unwrap(), &late), 101);
}

#[test]
fn a_switch_goes_on_where_the_stream_was_and_refuses_what_lies_before_it() {
    let mut rewriter = Vp8Rewriter::default();
    let first = payload(0x7fff, 255, 0, true);
    let rewrite = rewriter.forward(1, &parse(&first), true).unwrap();
    assert_eq!(out_id(rewrite, &first), 0x7fff);
    let second = payload(5, 9, 0, true);
    let mut sent = second.clone();
    rewriter.forward(2, &parse(&second), true).unwrap().apply(&mut sent);
    assert_eq!(parse(&sent).picture_id.unwrap().value, 0);
    assert_eq!(parse(&sent).tl0_picidx, Some(0));
    let before = payload(4, 8, 0, false);
    assert_eq!(rewriter.forward(2, &parse(&before), false), None);
}

#[test]
fn a_sender_that_counts_anew_is_followed() {
    let mut rewriter = Vp8Rewriter::default();
    for id in [5000, 5001] {
        rewriter.forward(1, &parse(&payload(id, 1, 0, true)), id == 5000).unwrap();
    }
    let anew = payload(17, 1, 0, true);
    assert_eq!(out_id(rewriter.forward(1, &parse(&anew), true).unwrap(), &anew), 5002);
}

#[test]
fn a_source_without_numbers_passes_as_it_is() {
    let mut rewriter = Vp8Rewriter::default();
    let bare = [0x10, 0x01, 2, 3];
    let mut sent = bare;
    rewriter.forward(1, &parse(&bare), false).unwrap().apply(&mut sent);
    assert_eq!(sent, bare);
}

proptest! {
    #[test]
    fn no_payload_breaks_the_parser_or_grows(
        bytes in prop::collection::vec(any::<u8>(), 0..20), bits in any::<u64>()
    ) {
        let before = Descriptor::parse(&bytes);
        let mut sent = bytes.clone();
        Vp8Rewrite::from_bits(bits).apply(&mut sent);
        let after = Descriptor::parse(&sent);
        match (before, after) {
            (Ok(before), Ok(after)) => {
                prop_assert_eq!(before.len, after.len);
                prop_assert_eq!(before.body(&bytes), after.body(&sent));
                prop_assert_eq!((before.temporal, before.partition), (after.temporal, after.partition));
            }
            (before, after) => prop_assert_eq!(before, after),
        }
    }

    #[test]
    fn no_input_breaks_the_rewriter(
        input in prop::collection::vec((0u64..3, any::<[u8; 6]>(), any::<bool>(), any::<bool>()), 0..200)
    ) {
        let mut rewriter = Vp8Rewriter::default();
        for (source, bytes, keyframe, skip) in input {
            let Ok(descriptor) = Descriptor::parse(&bytes) else { continue };
            if skip {
                rewriter.skip(source, &descriptor);
            } else if let Some(rewrite) = rewriter.forward(source, &descriptor, keyframe) {
                prop_assert_eq!(Vp8Rewrite::from_bits(rewrite.to_bits()), rewrite);
            }
        }
    }

    /// Whatever is left out and however packets overtake one another by up to five: every packet
    /// of a picture gets the picture's one number, later pictures get larger ones, and where
    /// nothing overtook anything the numbers have no gap.
    #[test]
    fn numbers_are_stable_ordered_and_without_gap(
        first in 0u16..0x8000,
        keep in prop::collection::vec(any::<bool>(), 2..120),
        delays in prop::collection::vec(0usize..6, 360),
        reorder: bool,
    ) {
        let mut packets: Vec<(usize, usize)> =
            (0..keep.len()).flat_map(|picture| (0..3).map(move |n| (picture, n))).collect();
        if reorder {
            let mut at: Vec<(usize, (usize, usize))> =
                packets.iter().enumerate().map(|(i, p)| (i + delays[i], *p)).collect();
            at.sort_by_key(|(i, _)| *i);
            packets = at.into_iter().map(|(_, p)| p).collect();
        }
        let mut rewriter = Vp8Rewriter::default();
        rewriter.forward(1, &parse(&payload(first, 0, 0, true)), true).unwrap();
        let mut numbers = vec![None; keep.len()];
        for (picture, n) in packets {
            let id = (first + 1 + picture as u16) & 0x7fff;
            let packet = payload(id, 0, 0, n == 0);
            if keep[picture] {
                let rewrite = rewriter.forward(1, &parse(&packet), false).unwrap();
                let out = out_id(rewrite, &packet).wrapping_sub(first) & 0x7fff;
                prop_assert_eq!(*numbers[picture].get_or_insert(out), out, "one number a picture");
            } else {
                rewriter.skip(1, &parse(&packet));
            }
        }
        let numbers: Vec<u16> = numbers.into_iter().flatten().collect();
        prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        if !reorder {
            prop_assert!(numbers.iter().copied().eq(1..=numbers.len() as u16), "{numbers:?}");
        }
    }
}
