use proptest::prelude::*;

use super::*;
use crate::codec::{VideoCodec, inspect};

fn at(millis: u64) -> Mono {
    Mono::from_millis(millis)
}

/// One VP8 packet of a picture, as libwebrtc sends it.
fn packet(id: u16, tid: u8, sync: bool, keyframe: bool, start: bool) -> PayloadInfo {
    let [high, low] = id.to_be_bytes();
    let temporal = tid << 6 | u8::from(sync) << 5;
    let first = 0x80 | u8::from(start) << 4;
    let bytes = [first, 0xa0, 0x80 | high, low, temporal, u8::from(!keyframe), 0, 0];
    inspect(VideoCodec::Vp8, &bytes).unwrap()
}

fn key(id: u16) -> PayloadInfo {
    packet(id, 0, false, true, true)
}

fn plain(id: u16) -> PayloadInfo {
    packet(id, 0, false, false, true)
}

fn selector(layer: u8, tid: u8) -> LayerSelector {
    let mut selector = LayerSelector::default();
    selector.set_target(Some(Target { layer, tid }));
    selector
}

#[test]
fn a_larger_layer_is_entered_at_its_key_frame_and_the_smaller_one_goes_on_until_then() {
    let mut s = selector(1, 3);
    assert_eq!(s.wants_keyframe(at(0)), Some(1));
    assert_eq!(s.on_packet(at(1), 0, &key(1)), Decision::Forward, "something to see at once");
    assert_eq!(s.on_packet(at(2), 1, &plain(500)), Decision::Drop);
    assert_eq!(s.wants_keyframe(at(2)), Some(1));
    assert_eq!(s.on_packet(at(3), 0, &plain(2)), Decision::Forward);
    assert_eq!(s.on_packet(at(4), 1, &key(501)), Decision::Forward);
    assert_eq!(s.wants_keyframe(at(4)), None);
    assert_eq!(s.on_packet(at(5), 0, &key(3)), Decision::Drop);
    assert_eq!(s.current(), Some(1));
}

#[test]
fn a_layer_that_stops_is_left_for_a_live_one_and_entered_again_when_it_is_back() {
    let mut s = selector(1, 3);
    s.on_packet(at(0), 0, &key(1));
    s.on_packet(at(0), 1, &key(1));
    for n in 1..60u16 {
        let now = at(u64::from(n) * 20);
        s.on_packet(now, 0, &plain(n + 1));
        // The others are heard alone from 20 ms on.
        assert_eq!(s.wants_keyframe(now), (n > 30).then_some(0), "at {now:?}");
    }
    assert_eq!(s.on_packet(at(1_200), 0, &key(99)), Decision::Forward);
    assert_eq!(s.wants_keyframe(at(1_200)), None);
    assert_eq!(s.on_packet(at(1_300), 1, &plain(44)), Decision::Drop);
    assert_eq!(s.wants_keyframe(at(1_300)), Some(1));
    assert_eq!(s.on_packet(at(1_400), 1, &key(45)), Decision::Forward);
}

#[test]
fn a_screen_that_sends_one_picture_a_second_has_not_stopped() {
    let mut s = selector(1, 3);
    s.on_packet(at(0), 0, &key(1));
    s.on_packet(at(5), 1, &key(1));
    for second in 1..20u16 {
        let now = u64::from(second) * 1_000;
        s.on_packet(at(now), 0, &plain(second + 1));
        assert_eq!(s.wants_keyframe(at(now)), None);
        assert_eq!(s.on_packet(at(now + 5), 1, &plain(second + 1)), Decision::Forward);
    }
}

#[test]
fn temporal_layers_are_left_at_the_next_picture_and_entered_one_by_one_at_sync_points() {
    let mut s = selector(0, 2);
    s.on_packet(at(0), 0, &key(1));
    assert_eq!(s.on_packet(at(1), 0, &packet(2, 2, false, false, true)), Decision::Forward);
    s.set_target(Some(Target { layer: 0, tid: 0 }));
    let rest_of_it = packet(2, 2, false, false, false);
    assert_eq!(s.on_packet(at(2), 0, &rest_of_it), Decision::Forward, "no picture is cut in two");
    assert_eq!(s.on_packet(at(3), 0, &packet(3, 1, false, false, true)), Decision::Skip);
    assert_eq!(s.on_packet(at(3), 0, &rest_of_it), Decision::Forward, "not even by a late packet");
    s.set_target(Some(Target { layer: 0, tid: 2 }));
    assert_eq!(s.on_packet(at(4), 0, &packet(4, 2, true, false, true)), Decision::Skip);
    assert_eq!(s.on_packet(at(5), 0, &packet(5, 1, false, false, true)), Decision::Skip);
    assert_eq!(s.on_packet(at(6), 0, &packet(6, 1, true, false, true)), Decision::Forward);
    assert_eq!(s.on_packet(at(7), 0, &packet(7, 2, false, false, true)), Decision::Skip);
    assert_eq!(s.on_packet(at(8), 0, &packet(8, 2, true, false, true)), Decision::Forward);
    assert_eq!(s.on_packet(at(9), 0, &packet(9, 2, false, false, true)), Decision::Forward);
}

#[test]
fn picture_numbers_that_wrap_do_not_confuse_the_limit() {
    let mut s = selector(0, 1);
    s.on_packet(at(0), 0, &key(0));
    s.set_target(Some(Target { layer: 0, tid: 0 }));
    for n in 1..70_000u32 {
        let tid = (n % 2) as u8;
        let info = packet((n & 0x7fff) as u16, tid, false, false, true);
        let expected = if tid == 0 { Decision::Forward } else { Decision::Skip };
        assert_eq!(s.on_packet(at(u64::from(n)), 0, &info), expected, "picture {n}");
    }
}

#[test]
fn on_the_way_down_only_the_base_of_the_larger_layer_goes_on() {
    let mut s = selector(1, 2);
    s.on_packet(at(0), 0, &plain(1));
    s.on_packet(at(0), 1, &key(1));
    s.set_target(Some(Target { layer: 0, tid: 2 }));
    assert_eq!(s.on_packet(at(1), 1, &packet(2, 1, true, false, true)), Decision::Skip);
    assert_eq!(s.on_packet(at(2), 1, &plain(3)), Decision::Forward);
    assert_eq!(s.wants_keyframe(at(2)), Some(0));
}

#[test]
fn a_paused_slot_gets_nothing_and_begins_again_with_a_key_frame() {
    let mut s = selector(0, 2);
    s.on_packet(at(0), 0, &key(1));
    s.set_target(None);
    assert_eq!(s.on_packet(at(1), 0, &key(2)), Decision::Drop);
    assert_eq!(s.wants_keyframe(at(1)), None);
    s.set_target(Some(Target { layer: 0, tid: 2 }));
    assert_eq!(s.on_packet(at(2), 0, &plain(3)), Decision::Drop);
    assert_eq!(s.wants_keyframe(at(2)), Some(0));
    assert_eq!(s.on_packet(at(3), 0, &key(4)), Decision::Forward);
}

#[test]
fn a_sender_that_lists_its_largest_layer_first_is_treated_as_any_other() {
    let mut order = LayerOrder::default();
    order.learn([1_600_000, 500_000, 150_000]);
    assert_eq!(order.smallest_first().collect::<Vec<_>>(), [2, 1, 0]);
    let mut s = selector(1, 3);
    s.set_order(order);
    (0..3).for_each(|layer| assert_eq!(s.on_packet(at(0), layer, &plain(1)), Decision::Drop));
    assert_eq!(s.on_packet(at(1), 0, &key(2)), Decision::Drop, "larger than wanted");
    assert_eq!(s.on_packet(at(2), 2, &key(2)), Decision::Forward, "smaller: something to see");
    assert_eq!(s.on_packet(at(3), 1, &key(2)), Decision::Forward);
    // The middle one stops: the smaller of the others takes its place.
    for n in 1..60u16 {
        s.on_packet(at(u64::from(n) * 20), 0, &plain(n + 1));
        s.on_packet(at(u64::from(n) * 20), 2, &plain(n + 1));
    }
    assert_eq!(s.wants_keyframe(at(1_200)), Some(2));
}

#[test]
fn only_a_clear_difference_changes_the_order() {
    let learnt = |bitrates: [[u64; 3]; 2]| {
        let mut order = LayerOrder::default();
        bitrates.into_iter().for_each(|b| order.learn(b));
        order.smallest_first().collect::<Vec<_>>()
    };
    assert_eq!(learnt([[150, 500, 1_600], [150, 100, 90]]), [0, 1, 2]);
    assert_eq!(learnt([[1_600, 0, 150], [1_600, 500, 0]]), [2, 1, 0]);
    assert_eq!(learnt([[500, 1_600, 150], [0, 0, 0]]), [2, 0, 1]);
    assert_eq!(learnt([[1_600, 500, 150], [150, 500, 1_600]]), [0, 1, 2]);
}

/// What a decoder needs: for each temporal layer, whether the pictures it may refer to are there.
#[derive(Default)]
struct Decoder {
    layer: Option<u8>,
    whole: [bool; 3],
}

impl Decoder {
    /// A picture as the three-layer pattern of libwebrtc would have it refer to others.
    fn decode(&mut self, layer: u8, tid: usize, sync: bool, keyframe: bool) -> bool {
        if keyframe {
            (self.layer, self.whole) = (Some(layer), [true; 3]);
            return true;
        }
        let needs = if sync { &self.whole[..1] } else { &self.whole[..=tid] };
        let fine = self.layer == Some(layer) && needs.iter().all(|there| *there);
        if sync {
            self.whole[tid] = fine;
        }
        fine
    }

    /// A picture it did not get: those of its layer that follow without sync need it.
    fn miss(&mut self, tid: usize) {
        self.whole[tid..].fill(false);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Picture { layer: u8, keyframe: bool },
    Target { layer: u8, tid: u8 },
    Order([u8; 3]),
    Pause,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (0u8..3, prop::bool::weighted(0.1))
            .prop_map(|(layer, keyframe)| Step::Picture { layer, keyframe }),
        2 => (0u8..3, 0u8..3).prop_map(|(layer, tid)| Step::Target { layer, tid }),
        1 => Just([0u8, 1, 2]).prop_shuffle().prop_map(Step::Order),
        1 => Just(Step::Pause),
        2 => (0u64..900).prop_map(Step::Wait),
    ]
}

/// tid and sync over eight pictures: libwebrtc's pattern for three temporal layers, and one whose
/// upper layer has its sync point where the middle one has none.
const PATTERNS: [[(u8, bool); 8]; 2] = [
    [(0, false), (2, true), (1, true), (2, false), (0, false), (2, false), (1, false), (2, false)],
    [(0, false), (2, true), (1, false), (2, false), (0, false), (2, false), (1, true), (2, false)],
];

proptest! {
    /// Whatever layers come and go and whatever is aimed at: the subscriber can decode all it gets.
    #[test]
    fn everything_forwarded_can_be_decoded(
        steps in prop::collection::vec(step(), 1..400), pattern in 0usize..2
    ) {
        let (mut s, mut decoder) = (selector(2, 2), Decoder::default());
        let (mut now, mut ids, mut phase) = (Mono::ZERO, [0u16, 9_000, 32_760], [0usize; 3]);
        for step in steps {
            match step {
                Step::Target { layer, tid } => s.set_target(Some(Target { layer, tid })),
                Step::Order(order) => s.set_order(LayerOrder(order)),
                Step::Pause => s.set_target(None),
                Step::Wait(millis) => now += Duration::from_millis(millis),
                Step::Picture { layer, keyframe } => {
                    let l = usize::from(layer);
                    now += Duration::from_millis(11);
                    ids[l] = (ids[l] + 1) & 0x7fff;
                    phase[l] = if keyframe { 0 } else { (phase[l] + 1) % 8 };
                    let (tid, sync) = PATTERNS[pattern][phase[l]];
                    let first = s.on_packet(now, layer, &packet(ids[l], tid, sync, keyframe, true));
                    let rest = s.on_packet(now, layer, &packet(ids[l], tid, sync, false, false));
                    prop_assert_eq!(first, rest, "a picture is taken whole");
                    let tid = usize::from(tid);
                    match first {
                        Decision::Forward => prop_assert!(decoder.decode(layer, tid, sync, keyframe)),
                        Decision::Skip => decoder.miss(tid),
                        Decision::Drop if decoder.layer == Some(layer) => {
                            decoder.layer = None;
                        }
                        Decision::Drop => {}
                    }
                }
            }
        }
    }

    /// As long as layers are sent and wanted key frames come, the target is reached.
    #[test]
    fn the_target_is_reached(
        targets in prop::collection::vec((0u8..3, 0u8..3), 1..10), alive in 1u8..8,
        order in Just([0u8, 1, 2]).prop_shuffle(),
    ) {
        let mut s = selector(0, 0);
        s.set_order(LayerOrder(order));
        let (mut now, mut id) = (Mono::ZERO, 0u16);
        for (layer, tid) in targets {
            s.set_target(Some(Target { layer, tid }));
            for n in 0..100 {
                let wanted = s.wants_keyframe(now);
                now += Duration::from_millis(33);
                id = (id + 1) & 0x7fff;
                for l in (0..3).filter(|l| alive >> l & 1 == 1) {
                    let (tid, sync) = PATTERNS[0][n % 8];
                    s.on_packet(now, l, &packet(id, tid, sync, wanted == Some(l), true));
                }
            }
            let rank = order.iter().position(|l| *l == layer).unwrap();
            let live = |l: &&u8| alive >> **l & 1 == 1;
            let below = order[..=rank].iter().rev().find(live);
            let nearest = below.or_else(|| order[rank..].iter().find(live)).copied();
            prop_assert_eq!(s.current(), nearest);
            prop_assert_eq!(s.wants_keyframe(now), None);
            if nearest == Some(layer) {
                prop_assert_eq!(s.limit.tid, tid);
            }
        }
    }

    #[test]
    fn no_packets_break_it(
        packets in prop::collection::vec((any::<u8>(), any::<[u8; 16]>(), 0u64..2_000), 0..100)
    ) {
        let mut s = selector(9, 9);
        let mut now = Mono::ZERO;
        for (layer, bytes, wait) in packets {
            now += Duration::from_millis(wait);
            if let Ok(info) = inspect(VideoCodec::Vp8, &bytes) {
                let decision = s.on_packet(now, layer, &info);
                prop_assert!(decision != Decision::Forward || s.current() == Some(layer));
            }
        }
    }
}
