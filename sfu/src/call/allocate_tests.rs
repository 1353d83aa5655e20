use proptest::prelude::*;
use vbranch_domain::{MediaKind, ParticipantId};

use super::*;

const AUDIO: u64 = 40_000;
/// Three simulcast layers, as Chromium sends 720p.
const SIMULCAST: [u64; 3] = [150_000, 500_000, 1_700_000];

fn demand(slot: u8, source: TrackId, class: Class, layers: &[u64]) -> Demand<'_> {
    Demand { slot, source, class, layers, elastic: false }
}

fn source() -> TrackId {
    TrackId { participant: ParticipantId::random(), kind: MediaKind::Video }
}

fn at(millis: u64) -> Mono {
    Mono::from_millis(millis)
}

fn layers(allocation: &Allocation, slots: &[u8]) -> Vec<Option<u8>> {
    slots.iter().map(|slot| allocation.choices[usize::from(*slot)].layer).collect()
}

#[test]
fn what_matters_more_gets_more() {
    let (screen, speaker, other) = (source(), source(), source());
    let demands = [
        demand(0, other, Class::Camera, &SIMULCAST),
        demand(1, speaker, Class::Speaker, &SIMULCAST),
        demand(2, screen, Class::Screen, &[300_000]),
    ];
    let cases = [
        (30_000, [None, None, None]),
        (250_000, [None, Some(0), None]),
        (400_000, [None, None, Some(0)]),
        (600_000, [None, Some(0), Some(0)]),
        (800_000, [Some(0), Some(0), Some(0)]),
        (1_200_000, [Some(0), Some(1), Some(0)]),
        (1_550_000, [Some(1), Some(1), Some(0)]),
        (10_000_000, [Some(2), Some(2), Some(0)]),
    ];
    for (estimate, expected) in cases {
        let allocation = Allocator::default().allocate(at(0), estimate, AUDIO, &demands);
        assert_eq!(layers(&allocation, &[0, 1, 2]), expected, "at {estimate}");
    }
}

/// Changes of layer in a minute in which the estimate jumps between two values ten times a second.
fn changes(low: u64, high: u64) -> u32 {
    let demands = [demand(0, source(), Class::Speaker, &SIMULCAST)];
    let (mut allocator, mut changes, mut last) = (Allocator::default(), 0, None);
    for n in 0..600u64 {
        let estimate = AUDIO + if n % 2 == 0 { low } else { high };
        let layer = allocator.allocate(at(n * 100), estimate, AUDIO, &demands).choices[0].layer;
        changes += u32::from(layer != last);
        last = layer;
    }
    changes
}

#[test]
fn an_estimate_that_swings_does_not_flap() {
    assert_eq!(changes(555_000, 615_000), 2, "up once, and there it stays: within the margin");
    let wild = changes(400_000, 700_000);
    assert!((3..=14).contains(&wild), "{wild} changes: raised ever more seldom");
    let paused = changes(100_000, 200_000);
    assert!((3..=36).contains(&paused), "{paused} changes");
}

#[test]
fn a_fall_is_followed_at_once_and_a_rise_after_a_while() {
    let camera = source();
    let demands = [demand(0, camera, Class::Speaker, &SIMULCAST)];
    let mut allocator = Allocator::default();
    let mut layer = |millis, estimate| {
        allocator.allocate(at(millis), estimate, AUDIO, &demands).choices[0].layer
    };
    assert_eq!(layer(0, 3_000_000), Some(2));
    assert_eq!(layer(100, 300_000), Some(0));
    assert_eq!(layer(1_000, 3_000_000), Some(0));
    assert_eq!(layer(2_100, 3_000_000), Some(2));
    assert_eq!(layer(20_000, 600_000), Some(1));
    assert_eq!(layer(20_100, 300_000), Some(0));
    assert_eq!(layer(20_200, 50_000), None, "sound goes on");
    assert_eq!(layer(20_700, 3_000_000), Some(2), "a paused picture does not wait long");
}

#[test]
fn a_layer_that_is_not_sent_is_not_chosen() {
    let (camera, resting) = (source(), source());
    let demands = [
        demand(0, camera, Class::Camera, &[150_000, 500_000, 0]),
        demand(1, resting, Class::Camera, &[0, 0, 0]),
    ];
    let allocation = Allocator::default().allocate(at(0), 10_000_000, AUDIO, &demands);
    assert_eq!(layers(&allocation, &[0, 1]), [Some(1), None]);
    assert_eq!(allocation.next, 0);
}

#[test]
fn a_source_without_layers_is_told_what_each_subscriber_can_take() {
    let (one, two) = (source(), source());
    let elastic = |slot, source| Demand {
        slot,
        source,
        class: Class::Camera,
        layers: &[900_000],
        elastic: true,
    };
    let demands = [elastic(0, one), elastic(1, two)];
    let both = Allocator::default().allocate(at(0), AUDIO + 600_000, AUDIO, &demands);
    assert_eq!(layers(&both, &[0, 1]), [Some(0), Some(0)]);
    assert_eq!(both.choices[0].bitrate, both.choices[1].bitrate, "equals share alike");
    assert!(both.next > AUDIO + 600_000, "and more would help");
    let alone = Allocator::default().allocate(at(0), AUDIO + 300_000, AUDIO, &demands[..1]);
    assert_eq!(alone.choices[0], Choice { layer: Some(0), bitrate: 300_000 });
    let plenty = Allocator::default().allocate(at(0), 50_000_000, AUDIO, &demands);
    assert_eq!((plenty.choices[0].bitrate, plenty.next), (ELASTIC_MOST, 0));
}

#[test]
fn what_probing_is_worth_is_the_next_thing_that_would_be_better() {
    let demands = [demand(0, source(), Class::Speaker, &SIMULCAST)];
    let mut allocator = Allocator::default();
    let first = allocator.allocate(at(0), 300_000, AUDIO, &demands);
    assert!(first.next > 500_000 && first.next < 700_000, "{}", first.next);
    let better = Allocator::default().allocate(at(0), first.next, AUDIO, &demands);
    assert_eq!(better.choices[0].layer, Some(1));
    assert_eq!(better.full, AUDIO + SIMULCAST[2]);
}

fn any_demands() -> impl Strategy<Value = Vec<(u8, Vec<u64>, bool)>> {
    let layers =
        prop::collection::vec(prop_oneof![Just(0u64), 1_000u64..5_000_000, Just(u64::MAX)], 0..7);
    prop::collection::vec((0u8..3, layers, any::<bool>()), 0..20)
}

fn demands<'a>(sources: &[TrackId], shape: &'a [(u8, Vec<u64>, bool)]) -> Vec<Demand<'a>> {
    let class = |n| [Class::Screen, Class::Speaker, Class::Camera][usize::from(n)];
    let of = |(slot, (n, layers, elastic)): (usize, &'a (u8, Vec<u64>, bool))| Demand {
        slot: u8::try_from(slot).unwrap(),
        source: sources[slot],
        class: class(*n),
        layers,
        elastic: *elastic,
    };
    shape.iter().enumerate().map(of).collect()
}

proptest! {
    #[test]
    fn never_more_than_the_estimate_unless_sound_alone_is(
        shape in any_demands(),
        estimates in prop::collection::vec((0u64..8_000_000, 0u64..1500), 1..20),
    ) {
        let sources: Vec<TrackId> = (0..20).map(|_| source()).collect();
        let demands = demands(&sources, &shape);
        let (mut allocator, mut now) = (Allocator::default(), 0);
        for (estimate, wait) in estimates {
            now += wait;
            let allocation = allocator.allocate(at(now), estimate, AUDIO, &demands);
            prop_assert!(allocation.used <= estimate.max(AUDIO));
            let spent: u64 = allocation.choices.iter().map(|c| c.bitrate).sum();
            prop_assert_eq!(spent + AUDIO, allocation.used);
            for (demand, choice) in demands.iter().zip(&allocation.choices) {
                let chosen = choice.layer.map(|l| demand.layers[usize::from(l)]);
                prop_assert!(chosen.is_none_or(|sent| sent > 0));
                if !demand.elastic {
                    prop_assert!(chosen.is_none_or(|sent| sent <= choice.bitrate));
                }
            }
        }
    }

    /// With more bandwidth, what comes first is never worse off: who is served at all, then how
    /// well, in order of importance.
    #[test]
    fn more_bandwidth_is_never_worse(
        shape in any_demands(), low in 0u64..8_000_000, more in 0u64..8_000_000,
    ) {
        let sources: Vec<TrackId> = (0..20).map(|_| source()).collect();
        let demands = demands(&sources, &shape);
        let rank = |estimate| {
            let allocation = Allocator::default().allocate(at(0), estimate, AUDIO, &demands);
            let mut order: Vec<&Demand<'_>> = demands.iter().take(MAX_SLOTS).collect();
            order.sort_by_key(|d| (d.class, d.slot));
            let choice = |d: &&Demand<'_>| allocation.choices[usize::from(d.slot)].layer;
            let served: Vec<bool> = order.iter().map(|d| choice(d).is_some()).collect();
            let layers: Vec<Option<u8>> = order.iter().map(choice).collect();
            (served, layers)
        };
        prop_assert!(rank(low + more) >= rank(low));
    }
}
